//! The worker on a real NFS client: Linux in a machine of its own mounts the lab's export, and the very worker that
//! goes into the image runs there against a real Redis.
//!
//! The machine is qemu without KVM, so this runs wherever qemu, Docker and a kernel with an NFS client in a folder
//! (LAB_TEST_KERNEL) are, whatever this machine's own kernel can do. Whatever happens on the way, the end must be that
//! of a run that nobody disturbed, on a directory of this machine, byte for byte.

mod initramfs;
mod machine;
mod modules;
mod needs;
mod place;
mod stand;

use machine::Version;
use needs::or_skip;
use stand::Stand;
use worker::kill::KILL_POINTS;

/// A Redis beyond the network answers slower than one beside the worker, and the machine is slow, too.
const LEASE_S: u32 = 2;

/// Nobody disturbs the worker: version 3 and version 4.2 end where a directory does.
#[test]
fn an_undisturbed_run_ends_as_on_a_directory() {
    let stand = or_skip!(Stand::new());
    for version in Version::ALL {
        let machine = stand.boot(version);
        let place = stand.place(&format!("undisturbed-{}", version.name()), 4);
        machine.run(&place.worker(needs::Form::Release, &[])).assert_code(0);
        place.assert_undisturbed(version.name());
    }
}

/// A worker that is killed at any of its steps, and another one after it, end where an undisturbed one does.
fn kill_at_each_step(version: Version) -> Result<(), String> {
    let stand = Stand::new()?;
    let machine = stand.boot(version);
    let later = ["renamed:2", "checkpoint-drafted:3", "renamed:5", "report-published:4"];
    let points: Vec<&str> = KILL_POINTS.iter().copied().chain(later).collect();
    // All of them side by side: most of their time is waiting for the dead one's lease to end.
    let places: Vec<_> =
        points.iter().map(|point| stand.place(&format!("kill-{}", point.replace(':', "-")), 4)).collect();
    let lives = places.iter().zip(&points).map(|(place, point)| {
        let killed = place.worker(needs::Form::WithKillPoints, &[("WORKER_KILL_AT", point)]);
        let next = place.worker(needs::Form::WithKillPoints, &[]);
        // 137 is what a shell makes of SIGKILL.
        format!("({killed}; a=$?; {next}; b=$?; echo \"::{point} $a $b\") &\n")
    });
    let finished = machine.run(&(lives.collect::<String>() + "wait"));
    for (place, point) in places.iter().zip(&points) {
        let ended = format!("::{point} 137 0");
        assert!(finished.text.lines().any(|line| line == ended), "no `{ended}` in:\n{}", finished.text);
        place.assert_undisturbed(&format!("killed at {point}, {}", version.name()));
    }
    Ok(())
}

#[test]
fn a_kill_at_any_step_changes_nothing_on_version_3() {
    or_skip!(kill_at_each_step(Version::V3));
}

#[test]
fn a_kill_at_any_step_changes_nothing_on_version_4() {
    or_skip!(kill_at_each_step(Version::V42));
}

/// A whole node vanishes, its client of NFS with it, while a worker on it is at any of its steps: whoever comes after it
/// on another node ends where an undisturbed one does, and nothing of the dead one's is left on the share.
fn a_node_vanishes(version: Version) -> Result<(), String> {
    let stand = Stand::new()?;
    let machine = stand.boot(version);
    let points: Vec<&str> = KILL_POINTS.iter().copied().chain(["renamed:2", "renamed:4", "report-drafted:3"]).collect();
    let places: Vec<_> =
        points.iter().map(|point| stand.place(&format!("node-{}", point.replace(':', "-")), 4)).collect();
    let frozen = places.iter().zip(&points).map(|(place, point)| {
        format!("{} &\n", place.worker(needs::Form::WithKillPoints, &[("WORKER_FREEZE_AT", point)]))
    });
    let mut running = machine.start(&(frozen.collect::<String>() + "wait"));
    for _ in &points {
        running.line("worker: WORKER_FREEZE_AT");
    }
    drop(machine);
    let machine = stand.boot(version);
    let next = places.iter().map(|place| format!("{} &\n", place.worker(needs::Form::Release, &[])));
    machine.run(&(next.collect::<String>() + "wait")).assert_code(0);
    for (place, point) in places.iter().zip(&points) {
        place.assert_undisturbed(&format!("the node vanished at {point}, {}", version.name()));
    }
    Ok(())
}

#[test]
fn a_node_that_vanishes_changes_nothing_on_version_3() {
    or_skip!(a_node_vanishes(Version::V3));
}

#[test]
fn a_node_that_vanishes_changes_nothing_on_version_4() {
    or_skip!(a_node_vanishes(Version::V42));
}

/// The server is killed under a worker that is in the middle of a step, and started again while the worker waits for
/// it: the worker goes on as if nothing had been.
fn kill_the_server(version: Version) -> Result<(), String> {
    let stand = Stand::new()?;
    let machine = stand.boot(version);
    // An open draft, a rename that is not fsynced yet, a lock that is held, a report that is half there.
    for point in ["read", "checkpoint-begun", "checkpoint-drafted:2", "renamed:3", "report-drafted:3", "renamed:6"] {
        let place = stand.place(&format!("server-{}", point.replace(':', "-")), 4);
        // The worker must not lose its claim by our slowness: that would be another test.
        let settings = [("WORKER_FREEZE_AT", point), ("WORKER_LEASE_S", "120")];
        let worker = place.worker(needs::Form::WithKillPoints, &settings);
        // The shell tells the frozen one's number, and lets it go on when it is told to.
        let script = format!("{worker} & echo \"::pid $!\"; wait $!; exit $?");
        let mut running = machine.start(&script);
        let pid = running.line("::pid ").split_off("::pid ".len());
        running.line("worker: WORKER_FREEZE_AT");
        stand.kill_server();
        machine.start(&format!("kill -CONT {pid}")).finish().assert_code(0);
        stand.start_server();
        running.finish().assert_code(0);
        place.assert_undisturbed(&format!("the server was killed at {point}, {}", version.name()));
    }
    Ok(())
}

#[test]
fn a_server_that_is_killed_and_started_again_changes_nothing_on_version_3() {
    or_skip!(kill_the_server(Version::V3));
}

#[test]
fn a_server_that_is_killed_and_started_again_changes_nothing_on_version_4() {
    or_skip!(kill_the_server(Version::V42));
}

/// Two machines, one on each version, work off one queue on one share: every dataset once, no file torn.
#[test]
fn two_machines_share_a_queue() {
    const DATASETS: usize = 24;
    let stand = or_skip!(Stand::new());
    let machines = [stand.boot(Version::V3), stand.boot(Version::V42)];
    let place = stand.place("together", DATASETS);
    let worker = place.worker(needs::Form::Release, &[]);
    let running = machines.each_ref().map(|machine| machine.start(&worker));
    let finished = running.map(machine::Running::finish);
    let mut processed: Vec<String> = Vec::new();
    for one in &finished {
        one.assert_code(0);
        let mine = one.processed();
        assert!(!mine.is_empty(), "each has its part:\n{}", one.text);
        processed.extend(mine);
    }
    processed.sort();
    assert_eq!(processed, place.items(), "each dataset is processed by one machine, once");
    place.assert_each_once();
}
