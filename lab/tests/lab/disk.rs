//! No room on the disk, and disks that nobody may write to: small file systems in a mount namespace of our own.

use crate::harness::{Place, Said, or_skip};
use crate::said;

/// Runs a shell script where `disk` is a file system of this size, mounted with these options; or says why it cannot.
fn on_a_disk(place: &Place, options: &str, script: &str) -> Result<Said, String> {
    let disk = place.path("disk");
    std::fs::create_dir_all(&disk).map_err(|error| error.to_string())?;
    let script = format!("mount -t tmpfs -o {options} tmpfs disk || exit 77\n{script}");
    let mut command = place.wrapped("unshare", &["-Urm", "sh", "-c", &script]);
    let e2e = place.e2e(&[]);
    command.envs(e2e.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = place.finish(command);
    match said.code() {
        // 1 is the word of `unshare` itself.
        1 | 77 => Err(format!("no file system can be mounted here, not even in a namespace: {}", said.err)),
        _ => Ok(said),
    }
}

/// A disk without room, or one that is read-only, is found before anything is started, by the directory's name.
#[test]
fn a_disk_that_is_full_or_read_only_is_found_by_preflight() {
    for (kind, options) in [("full", "size=1m"), ("read-only", "ro")] {
        for variable in ["XDG_STATE_HOME", "XDG_CACHE_HOME", "LAB_RUNS"] {
            let place = or_skip!(Place::new());
            let script = format!("export {variable}=\"$PWD/disk\"; exec \"$LAB\" e2e --target local");
            let said = or_skip!(on_a_disk(&place, options, &script));
            said.assert_code(3);
            said::compare(&format!("disk-{kind}-{variable}"), &place, &said);
        }
    }
}

/// A disk that is full in the middle of a run ends it with exit code 5 and the file's name; `down` takes the lab away
/// all the same.
#[test]
fn a_disk_that_fills_up_ends_the_run_and_not_the_clean_up() {
    let place = or_skip!(Place::new());
    // It takes no room here, and 400 MiB on the share.
    let days = place.path("scripts/days");
    for folder in ["training", "testing"] {
        std::fs::create_dir_all(days.join(folder)).expect("a directory");
    }
    std::fs::write(days.join("testing/test_dataset.pkl"), "small").expect("a file");
    let large = std::fs::File::create(days.join("training/2018-04-01.pkl")).expect("a file");
    large.set_len(400 << 20).expect("a sparse file");
    let script = "export XDG_STATE_HOME=\"$PWD/disk\"
        \"$LAB\" e2e --target local --datasets scripts/days; echo \"e2e: $?\"
        \"$LAB\" status > /dev/null; echo \"status: $?\"
        \"$LAB\" down; echo \"down: $?\"
        ls -A disk";
    let said = or_skip!(on_a_disk(&place, "size=260m", script));
    said::compare("disk-fills-up", &place, &said);
    assert!(crate::harness::wait_until(|| place.processes().is_empty()), "{:?}", place.processes());
}
