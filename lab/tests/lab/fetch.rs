//! A machine without Redis: the distribution's package is fetched by apt's own client, without root and without touching
//! the system.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Signal, kill_process_group};

use crate::harness::{Place, Said, wait_until};
use crate::said;

/// What apt says when it is the network's fault or the mirror's, and nobody's here.
const UNREACHABLE: [&str; 3] = ["Failed to fetch", "Could not resolve", "Unable to connect"];

/// Every program of this machine but the servers, and these in place of others.
fn without_redis(place: &Place, instead: &[(&str, &str)]) -> PathBuf {
    let bin = place.path("scripts/bin");
    std::fs::create_dir_all(&bin).expect("a directory");
    for (name, text) in instead {
        symlink(place.script(name, text), bin.join(name)).expect("a link");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let entries = std::env::split_paths(&path).filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
    for entry in entries.filter(|entry| !["redis-server", "valkey-server"].map(Into::into).contains(&entry.file_name()))
    {
        // The first of a name is the one that a shell would take.
        let _ = symlink(entry.path(), bin.join(entry.file_name()));
    }
    bin
}

fn up(place: &Place, bin: &Path) -> Said {
    let mut command = place.command(&["up"]);
    command.env_remove("LAB_REDIS_SERVER").env("PATH", bin);
    place.finish(command)
}

/// The package comes into the cache, is run from there, and is not fetched twice; two labs at once fetch it once. The
/// system's own packages stay as they were.
#[test]
fn the_distributions_redis_is_fetched_without_touching_the_system() {
    if Command::new("apt-get").arg("--version").output().is_err() {
        return eprintln!("skipped: this is neither Debian nor Ubuntu: there is no `apt-get`");
    }
    let place = Place::without_redis();
    let bin = without_redis(&place, &[]);
    let packages = || std::fs::read("/var/lib/dpkg/status").expect("the system's packages");
    let before = packages();
    let mut other = place.command(&["up", "--name", "other"]);
    other.env_remove("LAB_REDIS_SERVER").env("PATH", &bin);
    let other = place.start(other);
    let first = up(&place, &bin);
    let other = other.wait();
    if first.code() == 3 && UNREACHABLE.iter().any(|words| first.err.contains(words)) {
        return eprintln!("skipped: the distribution's packages cannot be had from here: {}", first.err);
    }
    first.assert_code(0);
    other.assert_code(0);
    let fetched = [&first, &other].map(|said| said.err.contains("Fetching the distribution's Redis"));
    assert_eq!(fetched.iter().filter(|fetched| **fetched).count(), 1, "{}\n{}", first.err, other.err);
    assert!(first.err.contains("fetched into the cache) in"), "{}", first.err);
    place.run(&["down", "--name", "other"]).assert_code(0);
    place.assert_up("default", "with what was fetched");
    let again = up(&place, &bin);
    again.assert_code(0);
    assert!(!again.err.contains("Fetching") && again.err.contains("is up already"), "{}", again.err);
    assert!(packages() == before, "the system's packages have changed");
    let cache = place.path("cache/batch-ml-lab/redis-server");
    assert!(!cache.join("archives").exists() && !cache.join("lists").exists(), "what is unpacked is not kept packed");
    println!("{:.1} s", first.seconds);
}

/// A fetch that fails is exit code 3 with apt's own words and the command that mends it; one that was cut off is begun
/// again.
#[test]
fn a_fetch_that_fails_is_told_in_apts_words() {
    let place = Place::without_redis();
    let fails = "echo 'W: something else' >&2; echo 'E: Failed to fetch http://mirror/ No route to host' >&2; exit 100";
    let bin = without_redis(&place, &[("apt-get", fails), ("dpkg", "exit 1")]);
    let said = up(&place, &bin);
    said.assert_code(3);
    said::compare("fetch-fails", &place, &said);
    assert!(!place.path("state").exists());
    // apt hangs, and the lab is killed: the next one waits for nobody.
    let fetching = place.path("scripts/fetching");
    place.script("apt-get", &format!("touch {}; exec sleep 300", fetching.display()));
    let mut command = place.command(&["up"]);
    command.env_remove("LAB_REDIS_SERVER").env("PATH", &bin);
    let running = place.start(command);
    assert!(wait_until(|| fetching.exists()));
    running.kill_after(Duration::ZERO);
    place.script("apt-get", fails);
    up(&place, &bin).assert_code(3);
}

/// Ctrl-C, which a terminal sends to apt as well, ends a fetch as it ends everything else: by its own exit code.
#[test]
fn ctrl_c_ends_a_fetch() {
    let place = Place::without_redis();
    let fetching = place.path("scripts/fetching");
    let hangs = format!("touch {}; exec sleep 300", fetching.display());
    let bin = without_redis(&place, &[("apt-get", &hangs), ("dpkg", "exit 1")]);
    let mut command = place.command(&["up"]);
    command.env_remove("LAB_REDIS_SERVER").env("PATH", &bin).process_group(0);
    let running = place.start(command);
    assert!(wait_until(|| fetching.exists()));
    kill_process_group(running.pid(), Signal::INT).expect("a group of its own");
    let said = running.wait();
    said.assert_code(130);
    said::compare("fetch-interrupted", &place, &said);
}

/// `doctor` says that it would be fetched, and does not fetch it.
#[test]
fn doctor_does_not_fetch() {
    let place = Place::without_redis();
    let bin = without_redis(&place, &[("apt-get", "exit 1"), ("dpkg", "exit 1")]);
    let program = place.script("program", "");
    let mut command = place.command(&["doctor"]);
    command.env_remove("LAB_REDIS_SERVER").env("PATH", bin).env("LAB_WORKER", &program).env("LAB_JUDGE", &program);
    let said = place.finish(command);
    said.assert_code(0);
    assert!(
        said.out.contains("not on this machine; the distribution's will be fetched into the cache"),
        "{}",
        said.out
    );
    assert!(!place.path("cache").exists());
}
