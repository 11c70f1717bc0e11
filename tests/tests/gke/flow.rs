//! The whole flow through real gcloud, a real cluster and a real share.

use crate::place::Place;
use crate::program::or_skip;

#[test]
fn smoke() {
    let place = or_skip!(Place::with_cluster());
    let p = "--project=my-project";
    for line in [
        format!("gcloud container clusters create-auto batch-aiml --region=us-central1 --network=default --release-channel=regular --labels=batch-ml-lab=lab-3f9c1a2b4d5e --async {p}"),
        format!("gcloud filestore instances create batch-aiml-filestore --zone=us-central1-b --tier=BASIC_HDD --file-share=name=NFSVol,capacity=1TB --network=name=default --labels=batch-ml-lab=x {p}"),
        format!("gcloud filestore instances describe batch-aiml-filestore --zone=us-central1-b {p}"),
        "for i in $(seq 100); do sleep 1; s=$(gcloud container clusters describe batch-aiml --region=us-central1 --project=my-project --format='value(status)'); echo $s; [ \"$s\" = RUNNING ] && break; [ \"$s\" = ERROR ] && break; done".into(),
        format!("gcloud container clusters describe batch-aiml --region=us-central1 {p}"),
        format!("gcloud container clusters get-credentials batch-aiml --region=us-central1 {p}"),
        "cat $KUBECONFIG; kubectl get nodes -o wide".into(),
        "IP=$(gcloud filestore instances describe batch-aiml-filestore --zone=us-central1-b --project=my-project --format='value(networks[0].ipAddresses[0])'); sed \"s/IP_ADDRESS_OF.*/$IP/\" /work/side/double/manifests/persistent-volume.yaml | kubectl apply -f -; kubectl apply -f /work/side/double/manifests/persistent-volume-claim.yaml; sed 's/image: redis/image: localhost\\/redis:7.0/' /work/side/double/manifests/redis-pod.yaml | kubectl apply -f -; kubectl wait --for=condition=Ready pod/redis-leader --timeout=60s; kubectl get pods,pv,pvc; kubectl exec redis-leader -- sh -c 'echo hi > /mnt/fileserver/x; mount | grep fileserver'; kubectl describe pod redis-leader | tail -8".into(),
    ] {
        let env = place.command("status", &[]);
        let mut sh = std::process::Command::new("sh");
        sh.arg("-c").arg(&line);
        for (k, v) in env.get_envs() { if let Some(v) = v { sh.env(k, v); } }
        let out = sh.output().unwrap();
        eprintln!("== {line}\n{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    }
    eprintln!(
        "{}",
        std::fs::read_dir(place.path("export"))
            .unwrap()
            .map(|e| e.unwrap().path().display().to_string())
            .collect::<Vec<_>>()
            .join(" ")
    );
    eprintln!("{:?}", place.living());
}
