//! What the tests need of this machine, or the reason why they cannot run here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lab::docker::Docker;
use lab::image::static_architecture;

/// What a test needs, or the test is over with the reason printed.
macro_rules! or_skip {
    ($needed:expr) => {
        match $needed {
            Ok(needed) => needed,
            Err(reason) => return eprintln!("skipped: {reason}"),
        }
    };
}

pub(crate) use or_skip;

/// The worker, in one of its forms; both are static, and the machine has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The very file that goes into the image.
    Release,
    /// The same with the points at which a test can have it killed, which no release has.
    WithKillPoints,
}

impl Form {
    pub const ALL: [Self; 2] = [Self::Release, Self::WithKillPoints];

    /// The program's name in the machine.
    pub fn name(self) -> &'static str {
        match self {
            Self::Release => "worker",
            Self::WithKillPoints => "worker-with-kill-points",
        }
    }

    /// Where the program is.
    pub fn program(self) -> Result<PathBuf, String> {
        match self {
            Self::Release => {
                let worker = std::env::var_os("LAB_WORKER").map(PathBuf::from);
                worker.ok_or_else(|| "LAB_WORKER names no static worker; `cargo xtask test` builds one".into())
            }
            Self::WithKillPoints => Ok(with_kill_points()),
        }
    }
}

/// Everything that was found.
pub struct Needs {
    pub docker: Docker,
    /// The image that the export's is built on.
    pub base: String,
    pub qemu: PathBuf,
    pub busybox: PathBuf,
    pub kernel: Kernel,
}

/// A kernel with its modules.
pub struct Kernel {
    pub image: PathBuf,
    /// The folder below `lib/modules`.
    pub modules: PathBuf,
}

impl Needs {
    /// Looks for all of it; the first thing that is missing is the reason.
    pub fn find() -> Result<Self, String> {
        let qemu = which("qemu-system-x86_64", "qemu-system-x86")?;
        let busybox = which("busybox", "busybox-static")?;
        let program = std::fs::read(&busybox).map_err(|error| format!("`{}`: {error}", busybox.display()))?;
        static_architecture(&program).map_err(|why| {
            format!("`{}` cannot run in the machine: {why}; install busybox-static", busybox.display())
        })?;
        let kernel = Kernel::find()?;
        let docker = Docker::find(None).map_err(|error| error.to_string())?;
        docker.versions().map_err(|error| error.to_string())?;
        let base = std::env::var("LAB_BASE_IMAGE").unwrap_or_else(|_| lab::images::BASE.reference.into());
        if docker.image_id(&base).map_err(|error| error.to_string())?.is_none() {
            return Err(format!("the image `{base}` is not there; docker pull it, or set LAB_BASE_IMAGE"));
        }
        tests::redis_server::program().ok_or("there is no Redis server; set LAB_REDIS_SERVER to one")?;
        Form::Release.program()?;
        Ok(Self { docker, base, qemu, busybox, kernel })
    }
}

impl Kernel {
    fn find() -> Result<Self, String> {
        let folder = std::env::var_os("LAB_TEST_KERNEL").map(PathBuf::from);
        let folder = folder.ok_or("LAB_TEST_KERNEL names no folder with boot/vmlinuz-* and lib/modules/*")?;
        let one = |path: &str, prefix: &str| {
            let folder = folder.join(path);
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
            let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
            let mut found: Vec<_> =
                entries.filter(|path| name(path).is_some_and(|name| name.starts_with(prefix))).collect();
            found.sort();
            found
                .pop()
                .ok_or_else(|| format!("there is no `{prefix}*` in `{}`, from LAB_TEST_KERNEL", folder.display()))
        };
        let image = one("boot", "vmlinuz-")?;
        let version = image.file_name().map(|name| name.to_string_lossy().replace("vmlinuz-", "")).unwrap_or_default();
        Ok(Self { image, modules: one("lib/modules", &version)? })
    }
}

/// The worker as a static program with debug assertions, built once.
fn with_kill_points() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // As `cargo xtask` builds the release: without an explicit target, build scripts would be linked statically, too.
        let host = host_triple();
        let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        build.args(["build", "--package", "worker", "--target", &host, "--message-format", "json"]);
        build.env("RUSTFLAGS", format!("{flags} -C target-feature=+crt-static").trim_start()).current_dir(root);
        let output = build.output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8_lossy(&output.stdout);
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut programs = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
        programs.find(|program| program.ends_with("worker")).expect("cargo says where it put the worker")
    };
    BUILT.get_or_init(build).clone()
}

fn host_triple() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}

fn which(program: &str, package: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.ok_or_else(|| format!("there is no `{program}` on the PATH; on Debian: sudo apt-get install {package}"))
}
