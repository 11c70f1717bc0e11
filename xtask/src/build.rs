//! Builds the project's programs, so that a command never starts a stale one.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The variable by which the lab and the tests find the judge.
const JUDGE: &str = "LAB_JUDGE";
/// The variable by which they find the worker.
const WORKER: &str = "LAB_WORKER";

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
        [("LAB_BIN", &self.lab), (JUDGE, &self.judge), (WORKER, &self.worker)]
    }
}

/// Builds a program, quietly or not, and says where it is.
type Builder = fn(bool) -> Result<PathBuf, String>;

/// What a run needs beside the lab: judge and worker, each with the variable by which the lab finds it.
pub const OF_A_RUN: [(&str, Builder); 2] = [(JUDGE, judge), (WORKER, worker)];

/// Builds lab, judge and worker.
pub fn programs(quiet: bool) -> Result<Programs, String> {
    build("tool", &["lab", "judge"], quiet)?;
    Ok(Programs { lab: built("tool", "lab"), judge: built("tool", "judge"), worker: worker(quiet)? })
}

/// Builds the lab alone.
pub fn lab(quiet: bool) -> Result<PathBuf, String> {
    build("tool", &["lab"], quiet)?;
    Ok(built("tool", "lab"))
}

fn judge(quiet: bool) -> Result<PathBuf, String> {
    build("tool", &["judge"], quiet)?;
    Ok(built("tool", "judge"))
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

/// Where cargo puts what it builds: it knows best, whether a variable, an option or a file of its own says so.
pub fn target_directory() -> PathBuf {
    static ASKED: OnceLock<PathBuf> = OnceLock::new();
    let ask = || {
        let output = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output().ok()?;
        target_directory_in(&String::from_utf8(output.stdout).ok()?)
    };
    // A cargo that gives no answer builds nothing either, and then says why.
    ASKED.get_or_init(|| ask().unwrap_or_else(|| root().join("target"))).clone()
}

/// The directory that cargo's metadata, a line of JSON, names behind all packages.
fn target_directory_in(metadata: &str) -> Option<PathBuf> {
    let (_, rest) = metadata.rsplit_once("\"target_directory\":\"")?;
    let (mut path, mut rest) = (String::new(), rest.chars());
    loop {
        match rest.next()? {
            '"' => return Some(path.into()),
            // Of what JSON escapes, no path that cargo can use has more than these two.
            '\\' => path.push(rest.next().filter(|escaped| ['"', '\\'].contains(escaped))?),
            plain => path.push(plain),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The directory is the workspace's, whatever a package says of its own, and is taken as it is written.
    #[test]
    fn the_target_directory_is_what_cargo_says() {
        let metadata = r#"{"packages":[{"description":"a \"","metadata":{"target_directory":"/no"}}],"target_directory":"/x/\"y\" \\z","version":1}"#;
        assert_eq!(target_directory_in(metadata), Some(PathBuf::from(r#"/x/"y" \z"#)));
        assert_eq!(target_directory_in("error: no such command"), None);
        let mut asked = cargo();
        asked.args(["metadata", "--no-deps", "--format-version", "1"]);
        let output = asked.env_remove("CARGO_TARGET_DIR").env("CARGO_BUILD_TARGET_DIR", "/nowhere/at all").output();
        let output = output.expect("cargo starts").stdout;
        let found = target_directory_in(&String::from_utf8(output).expect("UTF-8"));
        assert_eq!(found, Some(PathBuf::from("/nowhere/at all")));
    }
}
