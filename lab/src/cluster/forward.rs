//! A port of this machine that leads to a port of a pod, as `kubectl port-forward` makes it.

use std::net::{Ipv4Addr, SocketAddr};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Cluster, ClusterError};

/// The way there; it ends when this is dropped.
#[derive(Debug)]
pub struct Forward {
    port: u16,
    task: JoinHandle<()>,
}

impl Cluster {
    /// Opens a way from a free port of 127.0.0.1 to `port` of the pod.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn forward(&self, pod: &str, port: u16) -> Result<Forward, ClusterError> {
        let failed = |source| ClusterError::Forward { pod: pod.into(), source };
        let api: Api<Pod> = self.api();
        let pod_name = pod.to_owned();
        self.runtime.block_on(async {
            let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(failed)?;
            let local = listener.local_addr().map_err(failed)?.port();
            let serve = async move {
                while let Ok((connection, _)) = listener.accept().await {
                    // A way that breaks closes its connection, and the client on it says what it missed.
                    tokio::spawn(carry(api.clone(), pod_name.clone(), port, connection));
                }
            };
            Ok(Forward { port: local, task: tokio::spawn(serve) })
        })
    }
}

impl Forward {
    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(api: Api<Pod>, pod: String, port: u16, mut connection: TcpStream) {
    let _ = connection.set_nodelay(true);
    let Ok(mut forwarder) = api.portforward(&pod, &[port]).await else { return };
    let Some(mut stream) = forwarder.take_stream(port) else { return };
    let _ = tokio::io::copy_bidirectional(&mut connection, &mut stream).await;
}
