//! A machine whose kernel has an NFS client: qemu without KVM, Debian's kernel, a file system in memory.
//!
//! The machine asks the host for work: again and again it connects to a port of the test's and runs what it is sent as a
//! shell script, its output going back over the same connection. So one boot serves for many runs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lab::export::PSEUDO_PATH;
use lab::export::nfs::{MOUNT_PORT, NFS_PORT};

use crate::initramfs::Initramfs;
use crate::modules;
use crate::needs::{Form, Needs};

/// How long the machine may take to ask for work; it takes 4 s where nothing else runs.
const BOOT_LIMIT: Duration = Duration::from_secs(60);
/// How long a script may say nothing. A hard mount waits for ever for a server that is gone: the test does not.
const SILENCE_LIMIT: Duration = Duration::from_secs(90);
/// How many scripts can run side by side.
const ASKERS: u32 = 2;

/// The first program: makes the machine fit for work, then asks for it.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod "$module" || echo "init: no $module"; done
hostname "$lab_host"
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
echo "init: ready"
for asker in $lab_askers; do
    (while :; do nc 10.0.2.2 "$lab_port" -e /bin/sh; done) &
done
wait
"#;

/// The version of NFS that the share is mounted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// What Filestore's Basic tier speaks.
    V3,
    /// What a mount without options is negotiated to.
    V42,
}

/// A running machine, the share mounted on `/mnt`. Its end is qemu's: by its handle, when this is dropped.
pub struct Machine {
    qemu: Child,
    work: TcpListener,
    console: tempfile::NamedTempFile,
    _initramfs: tempfile::NamedTempFile,
}

/// A script that runs in a machine.
pub struct Running {
    stream: BufReader<TcpStream>,
    text: String,
}

/// A script that has ended.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    /// All that it said, on both of its streams.
    pub text: String,
}

impl Version {
    pub const ALL: [Self; 2] = [Self::V3, Self::V42];

    pub fn name(self) -> &'static str {
        match self {
            Self::V3 => "nfs-3",
            Self::V42 => "nfs-4.2",
        }
    }

    /// The options that `mount.nfs`, which the machine does not have, would find out.
    fn options(self, server: IpAddr) -> String {
        match self {
            Self::V3 => format!("vers=3,tcp,nolock,port={NFS_PORT},mountport={MOUNT_PORT},addr={server}"),
            Self::V42 => format!("vers=4.2,addr={server},clientaddr=10.0.2.15"),
        }
    }
}

impl Machine {
    /// Boots a machine and mounts the share of a server.
    pub fn boot(needs: &Needs, host: &str, version: Version, server: IpAddr) -> Self {
        let mut initramfs = tempfile::NamedTempFile::new().expect("a temporary file");
        initramfs.write_all(&archive(needs)).expect("room for the machine's files");
        let console = tempfile::NamedTempFile::new().expect("a temporary file");
        let work = TcpListener::bind("127.0.0.1:0").expect("a free port");
        work.set_nonblocking(true).expect("a listener that does not block");
        let port = work.local_addr().expect("an address").port();
        let askers = (1..=ASKERS).map(|asker| asker.to_string()).collect::<Vec<_>>().join(",");
        let qemu = Command::new(&needs.qemu)
            .args(["-machine", "q35", "-accel", "tcg", "-m", "512", "-no-reboot", "-display", "none"])
            .args(["-nic", "user,model=virtio-net-pci", "-serial"])
            .arg(file_option(console.path()))
            .arg("-kernel")
            .arg(&needs.kernel.image)
            .arg("-initrd")
            .arg(initramfs.path())
            .arg("-append")
            .arg(format!("console=ttyS0 panic=-1 quiet lab_host={host} lab_port={port} lab_askers={askers}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("qemu starts");
        let mut machine = Self { qemu, work, console, _initramfs: initramfs };
        machine.wait_for_boot();
        let mount = version.options(server);
        machine.run(&format!("mount -i -t nfs -o {mount} {server}:{PSEUDO_PATH} /mnt")).assert_code(0);
        machine
    }

    /// Runs a script to its end.
    pub fn run(&self, script: &str) -> Finished {
        self.start(script).finish()
    }

    /// Starts a script. Its two streams are one here; it reads nothing.
    pub fn start(&self, script: &str) -> Running {
        let stream =
            self.accept(SILENCE_LIMIT).unwrap_or_else(|| panic!("the machine asks for no work:\n{}", self.said()));
        stream.set_nonblocking(false).expect("a stream that blocks");
        stream.set_read_timeout(Some(SILENCE_LIMIT)).expect("a limit");
        let mut writer = &stream;
        // A process of its own, so that whatever it does the end is told.
        let whole = format!("(\n{script}\n) </dev/null 2>&1\necho \"::exit $?\"\nexit\n");
        writer.write_all(whole.as_bytes()).expect("the machine listens");
        Running { stream: BufReader::new(stream), text: String::new() }
    }

    fn wait_for_boot(&mut self) {
        let start = Instant::now();
        loop {
            // Whoever asks first is sent nothing to do.
            if let Some(stream) = self.accept(Duration::from_millis(100)) {
                drop(stream);
                return;
            }
            let ended = self.qemu.try_wait().expect("a child");
            assert!(
                ended.is_none() && start.elapsed() < BOOT_LIMIT,
                "the machine must boot ({ended:?}):\n{}",
                self.said()
            );
        }
    }

    fn accept(&self, limit: Duration) -> Option<TcpStream> {
        let start = Instant::now();
        loop {
            match self.work.accept() {
                Ok((stream, _)) => return Some(stream),
                Err(_) if start.elapsed() < limit => std::thread::sleep(Duration::from_millis(5)),
                Err(_) => return None,
            }
        }
    }

    /// What is on the console.
    fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.console.path()).unwrap_or_default()).into_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Running {
    /// Waits for the next line that begins so.
    pub fn line(&mut self, beginning: &str) -> String {
        self.next_line(|line| line.starts_with(beginning))
            .unwrap_or_else(|why| panic!("no line `{beginning}…` ({why}), but:\n{}", self.text))
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Finished {
        let line = self.line("::exit ");
        let code = line["::exit ".len()..].parse().expect("an exit code");
        Finished { code, text: self.text }
    }

    fn next_line(&mut self, is_it: impl Fn(&str) -> bool) -> Result<String, String> {
        loop {
            let mut line = String::new();
            match self.stream.read_line(&mut line) {
                Ok(0) => return Err("it has ended".into()),
                Ok(_) => self.text.push_str(&line),
                Err(error) => return Err(error.to_string()),
            }
            if is_it(&line) {
                return Ok(line.trim_end().to_owned());
            }
        }
    }
}

impl Finished {
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, code, "it said:\n{}", self.text);
    }

    /// The items that a worker said it was processing.
    pub fn processed(&self) -> Vec<String> {
        self.text.lines().filter_map(|line| line.strip_prefix("Processing dataset: ")).map(Into::into).collect()
    }
}

/// All files of the machine.
fn archive(needs: &Needs) -> Vec<u8> {
    let read = |path: &Path| std::fs::read(path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
    let mut archive = Initramfs::default();
    for directory in ["bin", "dev", "mnt", "modules", "proc", "sys", "tmp"] {
        archive.directory(directory);
    }
    archive.console();
    archive.program("init", INIT.replace("$lab_askers", "$(echo $lab_askers | tr , ' ')").as_bytes());
    archive.program("bin/busybox", &read(&needs.busybox));
    for form in Form::ALL {
        archive.program(&format!("bin/{}", form.name()), &read(&form.program().expect("looked for before")));
    }
    for (number, module) in modules::in_order(&needs.kernel.modules).iter().enumerate() {
        let name = module.file_name().expect("a name").to_string_lossy();
        archive.program(&format!("modules/{number:02}-{name}"), &read(module));
    }
    archive.finish()
}

/// A serial port that is a file, as qemu's options have it: a comma in a path is doubled.
fn file_option(path: &Path) -> String {
    format!("file:{}", path.to_string_lossy().replace(',', ",,"))
}
