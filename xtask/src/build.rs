//! Builds the project's programs, so that a command never starts a stale one.

use std::path::PathBuf;
use std::process::Command;

/// The programs that a lab needs, built.
pub struct Programs {
    /// The lab itself.
    pub lab: PathBuf,
    /// The judge of its records.
    pub judge: PathBuf,
    /// The worker, static: the very file that goes into the image.
    pub worker: PathBuf,
}

impl Programs {
    /// The environment by which the lab and the tests find them.
    pub fn environment(&self) -> [(&'static str, &PathBuf); 3] {
        [("LAB_BIN", &self.lab), ("LAB_JUDGE", &self.judge), ("LAB_WORKER", &self.worker)]
    }
}

/// Builds lab, judge and worker.
pub fn programs(quiet: bool) -> Result<Programs, String> {
    build("tool", &["lab", "judge"], quiet)?;
    Ok(Programs { lab: built("tool", "lab"), judge: built("tool", "judge"), worker: worker(quiet)? })
}

/// Builds the program that inspects and makes datasets, and says where it is.
pub fn data(quiet: bool) -> Result<PathBuf, String> {
    build("tool", &["data"], quiet)?;
    Ok(built("tool", "data"))
}

/// Builds the benchmark, in the form that the worker has, and says where it is.
pub fn bench() -> Result<PathBuf, String> {
    build("release", &["bench"], false)?;
    Ok(built("release", "bench"))
}

/// Builds programs as parts of the whole workspace: package by package, each with its own choice of features, what they
/// have in common would be compiled once for each of them.
fn build(profile: &str, names: &[&str], quiet: bool) -> Result<(), String> {
    let mut cargo = cargo();
    cargo.args(["build", "--profile", profile, "--workspace", "--features", "transactions/cli"]);
    cargo.args(names.iter().flat_map(|name| ["--bin", name]));
    finish(cargo, quiet)
}

/// Builds the lab in its debug form, by the very choice of features that the tests are built with.
pub fn debug_lab() -> Result<PathBuf, String> {
    let mut cargo = cargo();
    cargo.args(["build", "--workspace", "--all-features", "--bin", "lab"]);
    finish(cargo, false)?;
    Ok(target_directory().join("debug").join("lab"))
}

fn built(profile: &str, name: &str) -> PathBuf {
    target_directory().join(profile).join(name)
}

/// Builds the worker as a static program: it runs in an image that holds nothing else.
pub fn worker(quiet: bool) -> Result<PathBuf, String> {
    let host = host_triple()?;
    let mut cargo = cargo();
    // Without an explicit target, build scripts and macros would be linked statically too, and fail.
    cargo.args(["build", "--release", "--package", "worker", "--target", &host]);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    cargo.env("RUSTFLAGS", format!("{flags} -C target-feature=+crt-static").trim_start());
    finish(cargo, quiet).map_err(|error| {
        let packages = "libc6-dev on Debian and Ubuntu, glibc-static on Fedora";
        format!("{error}\nremedy: the worker is linked statically; where `-lc` is not found, install it: {packages}")
    })?;
    Ok(target_directory().join(host).join("release").join("worker"))
}

/// Cargo, the one that started us, in the workspace's root.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// The workspace's root.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Where cargo puts what it builds.
pub fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

fn finish(mut cargo: Command, quiet: bool) -> Result<(), String> {
    if quiet {
        cargo.arg("--quiet");
    }
    let status = cargo.status().map_err(|error| format!("failed to start cargo: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err("failed to build; cargo said why above\nremedy: where it misses `cc`, install a C compiler: build-essential or gcc".into())
}

fn host_triple() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().map_err(|error| format!("failed to start rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "failed to find `host:` in what `rustc -vV` prints".into())
}
