//! What a person reads at the end of a run that does not go well: the exit code tells the flow's fault from the verdict's.

use std::os::unix::process::CommandExt as _;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Place, or_skip, program};
use crate::said;

/// Back-off and grace, of which nothing is tested here, take next to no time.
const HASTE: [&str; 2] = ["--job-time-scale", "0.001"];

/// A run with this worker ends with this code and these words, and leaves the lab up, as it says.
#[track_caller]
fn ends(place: &Place, code: i32, name: &str, arguments: &[&str]) {
    let said = place.finish(place.e2e(&[&HASTE, arguments].concat()));
    said.assert_code(code);
    said::compare(name, place, &said);
    place.assert_up("default", "a red run keeps its lab");
}

/// A worker that fails each time ends the Job at the backoffLimit, exit code 5, with its last words.
#[test]
fn a_worker_that_fails_ends_the_job() {
    let place = or_skip!(Place::new());
    ends(&place, 5, "worker-fails", &["--worker-cmd", "echo no luck today >&2; exit 7"]);
    let containers = place.evidence("job.json")["pods"][0]["containers"].as_array().map(Vec::len);
    assert_eq!(containers, Some(6), "backoffLimit is 6");
}

/// A worker that cannot be started is told at once, and not tried again.
#[test]
fn a_worker_that_cannot_be_started_is_not_tried_again() {
    let place = or_skip!(Place::new());
    ends(&place, 5, "worker-not-started", &["--worker-cmd", "/nowhere/worker --fast"]);
    let containers = place.evidence("job.json")["pods"][0]["containers"].as_array().map(Vec::len);
    assert_eq!(containers, Some(1));
}

/// A program whose interpreter is not there is found when it is started.
#[test]
fn a_program_without_its_interpreter_is_not_tried_again() {
    let place = or_skip!(Place::new());
    let program = place.script("worker", "");
    std::fs::write(&program, "#!/nowhere/python3\n").expect("a file");
    let mut command = place.e2e(&HASTE);
    command.env("LAB_WORKER", program);
    let said = place.finish(command);
    said.assert_code(5);
    said::compare("worker-without-interpreter", &place, &said);
}

/// A dataset over which every worker dies is set aside within the restarts that a Job allows, and the others are finished.
#[test]
fn a_dataset_that_kills_its_workers_does_not_end_the_job() {
    let place = or_skip!(Place::new());
    // Only the form with kill points can be killed at a place of its own choice.
    let worker = std::path::Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name("worker");
    if !worker.is_file() {
        return eprintln!("skipped: `{}` is not there; `cargo test --workspace` builds it", worker.display());
    }
    let runs = place.path("runs-of-the-worker");
    let script = format!(
        "runs=$(cat '{runs}' 2>/dev/null || echo 0); echo $((runs + 1)) > '{runs}'\n\
         [ $runs -ge 4 ] || export WORKER_KILL_AT=read\nexec '{worker}'",
        runs = runs.display(),
        worker = worker.display()
    );
    let worker = place.script("worker", &script);
    let said = place.finish(place.e2e(&[&HASTE[..], &["--lease-s", "1", "--worker-cmd", &worker]].concat()));
    said.assert_code(6);
    let aside = "set-aside-dataset: `datasets/training/2018-04-04.pkl` was set aside: it was claimed 4 times and never finished";
    assert!(said.out.contains(aside), "{}", said.out);
    let runs = place.evidence("job.json")["pods"][0]["containers"].clone();
    let codes: Vec<_> = runs.as_array().expect("runs").iter().map(|run| run["exit_code"].as_i64()).collect();
    assert_eq!(codes, [Some(137), Some(137), Some(137), Some(137), Some(3), Some(0)], "backoffLimit is 6");
    let report = std::fs::read_to_string(place.record().join("output/report.txt")).expect("a report");
    assert_eq!(report.matches("Report generated on").count(), 3, "{report}");
}

/// A worker that does not end is given up when the Job's time is over.
#[test]
fn a_worker_that_does_not_end_is_given_up() {
    let place = or_skip!(Place::new());
    let arguments = ["--worker-cmd", "echo Waiting for work; exec sleep 300", "--job-timeout-s", "1"];
    ends(&place, 5, "worker-does-not-end", &arguments);
}

/// A worker that ends well and has done nothing is the verdict's matter, exit code 6.
#[test]
fn a_worker_that_does_nothing_is_found_by_the_judges() {
    let place = or_skip!(Place::new());
    ends(&place, 6, "worker-does-nothing", &["--worker-cmd", "true"]);
}

/// A worker that was to be taken away and has taken nothing is told so, with its end: it was not too fast.
#[test]
fn a_worker_that_claims_nothing_was_not_too_fast_to_be_taken_away() {
    let place = or_skip!(Place::new());
    ends(&place, 5, "preempt-idle", &["--preempt", "SIGKILL", "--worker-cmd", "exit 0"]);
}

/// Redis that answers with something that is no queue is told from one that is gone, and the next run is green again.
#[test]
fn a_queue_that_the_worker_has_damaged_is_not_a_redis_that_is_gone() {
    let place = or_skip!(Place::new());
    let damages: [(&str, &[&str]); 4] = [
        ("waiting", &["SET", "datasets", "junk"]),
        ("processing", &["SADD", "datasets:processing", "junk"]),
        ("failed", &["SET", "datasets:failed", "junk"]),
        ("password", &["CONFIG", "SET", "requirepass", "junk"]),
    ];
    for (name, damage) in damages {
        let go = place.path(&format!("runs-{name}"));
        let worker = format!("echo here {name} >&2; while [ ! -e '{}' ]; do sleep 0.01; done", go.display());
        let running = place.start(place.e2e(&["--worker-cmd", &worker]));
        place.wait_for_worker("default", &format!("here {name}"));
        redis::cmd(damage[0]).arg(&damage[1..]).exec(&mut place.redis("default")).expect("a Redis that obeys");
        std::fs::write(&go, "").expect("a file");
        let said = running.wait();
        said.assert_code(5);
        assert!(said.out.contains("red: queue-damaged in step "), "{name}: {}", said.out);
        assert!(said.out.contains("Redis answers on 127.0.0.1:"), "{name}: {}", said.out);
        assert!(said.out.contains("the worker may have changed them"), "{name}: {}", said.out);
    }
    place.finish(place.e2e(&["--days", "2"])).assert_code(0);
}

/// A dataset that nobody may read is named, with what makes it readable: the share has no part in it.
#[test]
fn a_dataset_that_cannot_be_read_is_not_the_shares_fault() {
    let place = or_skip!(Place::new());
    let day = place.path("scripts/training/2018-04-01.pkl");
    for folder in ["training", "testing"] {
        std::fs::create_dir_all(place.path("scripts").join(folder)).expect("a directory");
    }
    std::fs::write(place.path("scripts/testing/test_dataset.pkl"), "test").expect("a file");
    std::fs::write(&day, "day").expect("a file");
    std::fs::set_permissions(&day, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("a file of ours");
    // Root reads everything; in a user namespace it is nobody in particular.
    let script = "\"$LAB\" e2e --target local --datasets scripts; echo \"e2e: $?\"";
    let mut command = place.wrapped("unshare", &["-U", "sh", "-c", script]);
    let e2e = place.e2e(&[]);
    command.envs(e2e.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = place.finish(command);
    if !said.out.contains("e2e: ") {
        return eprintln!("skipped: no user namespace can be made here: {}", said.err);
    }
    assert!(
        said.out.contains("e2e: 5") && said.out.contains("red: datasets-unreadable in step datasets"),
        "{}",
        said.out
    );
    let remedy = format!("`chmod u+r '{}'`", day.display());
    assert!(said.out.contains(&remedy) && !said.out.contains("share writable"), "{}", said.out);
}

/// What stands in the report's place and is no file is no report, whatever it leads to: the run is red by name, nobody
/// waits for a writer, and nothing is read without end.
#[test]
fn a_report_that_is_no_file_is_none() {
    let place = or_skip!(Place::new());
    let worker = program("worker");
    let report = "\"$FILESTORE_PATH/output/report.txt\"";
    let cases = [
        (format!("ln -sf /nonexistent {report}"), "missing-file: `report.txt` is a link in the output"),
        (format!("ln -sf /dev/zero {report}"), "missing-file: `report.txt` is a link in the output"),
        (
            format!("rm {report}; mkfifo {report}.p; ln -s report.txt.p {report}"),
            "missing-file: `report.txt` is a link",
        ),
        (format!("rm {report}; mkfifo {report}"), "lost-dataset: "),
        (format!("truncate -s 1T {report}"), "malformed-report: The report cannot be read: it is larger than 64 MiB."),
    ];
    for (after, finding) in cases {
        let command = format!("'{}'; {after}", worker.display());
        let mut e2e = place.e2e(&["--worker-cmd", &command]);
        // What would be read without end ends here.
        // SAFETY: between fork and exec only `getrlimit` and `setrlimit` are called, which are async-signal-safe.
        unsafe { e2e.pre_exec(bounded_memory) };
        let said = place.finish(e2e);
        said.assert_code(6);
        assert!(said.out.contains(finding), "after `{after}`, no `{finding}` in:\n{}", said.out);
        assert!(said.seconds < 20.0, "after `{after}`: {} s", said.seconds);
    }
}

/// A checkpoint that is no file is none.
#[test]
fn a_checkpoint_that_is_no_file_is_none() {
    let place = or_skip!(Place::new());
    let checkpoint = "\"$FILESTORE_PATH/output/model_cpt_2018-04-02.pkl\"";
    for to in ["/dev/zero", "pipe"] {
        let pipe = if to == "pipe" { "mkfifo \"$FILESTORE_PATH/output/pipe\"; " } else { "" };
        let command = format!("'{}'; {pipe}ln -sf {to} {checkpoint}", program("worker").display());
        let mut e2e = place.e2e(&["--worker-cmd", &command]);
        // SAFETY: between fork and exec only `getrlimit` and `setrlimit` are called, which are async-signal-safe.
        unsafe { e2e.pre_exec(bounded_memory) };
        let said = place.finish(e2e);
        said.assert_code(6);
        let finding = "missing-file: `model_cpt_2018-04-02.pkl` is a link in the output";
        assert!(said.out.contains(finding), "linked to {to}, no `{finding}` in:\n{}", said.out);
    }
}

/// Gives this process and its children 8 GiB of addresses, or what it has if that is less: more than a lab, a judge or a
/// server ever take.
fn bounded_memory() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let bytes = getrlimit(Resource::As).maximum.unwrap_or(u64::MAX).min(8 << 30);
    setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) }).map_err(Into::into)
}

/// Redis gone in the middle of a run is exit code 5, and the next run starts it again.
#[test]
fn redis_gone_in_the_middle_is_the_flows_fault() {
    let place = or_skip!(Place::new());
    let running = place.start(place.e2e(&["--worker-cmd", "echo here >&2; exec sleep 300"]));
    place.wait_for_worker("default", "here");
    let pid = place.status("default")["redis"]["pid"].as_i64().expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid as i32).expect("a pid");
    rustix::process::kill_process(pid, Signal::KILL).expect("a server that runs");
    let said = running.wait();
    said.assert_code(5);
    assert!(said.out.contains("red: redis-gone in step watch"), "{}", said.out);
    assert!(said.out.contains("cargo xtask lab logs --redis"), "{}", said.out);
    assert!(said.out.contains("what there is of the lab") && !said.out.contains("still up"), "{}", said.out);
    assert_eq!(place.status("default")["state"], "partial");
    place.finish(place.e2e(&[])).assert_code(0);
}

/// A judge that breaks is the lab's fault, exit code 4: no verdict is never taken for a green one.
#[test]
fn a_judge_that_breaks_is_no_green_verdict() {
    let place = or_skip!(Place::new());
    for (name, judge) in [("silent", "exit 0"), ("broken", "echo 'out of ideas' >&2; exit 3")] {
        let mut command = place.e2e(&[]);
        command.env("LAB_JUDGE", place.script(name, judge));
        let said = place.finish(command);
        said.assert_code(4);
        said::compare(&format!("judge-{name}"), &place, &said);
    }
}

/// The page that describes a record names every file that there is in one.
#[test]
fn the_page_about_records_names_every_file() {
    let place = or_skip!(Place::new());
    place.finish(place.e2e(&[])).assert_code(0);
    let page = include_str!("../../RECORD.md");
    let record = place.record();
    for path in crate::harness::tree(&record).into_iter().filter(|path| path.is_file()) {
        let path = path.strip_prefix(&record).expect("a file of the record").to_str().expect("UTF-8");
        let named = match path.split_once('/') {
            Some(("output", _)) => "output/".into(),
            Some(("logs", name)) if name.starts_with("workload-") => {
                format!("logs/POD-N.{}", name.rsplit_once('.').expect("an ending").1)
            }
            _ => path.to_owned(),
        };
        assert!(page.contains(&named), "`{named}` is not described");
    }
    for file in ["record.json", "inputs.json", "job.json", "queue/after.json", "verdict.json"] {
        let evidence = place.evidence(file);
        for key in evidence.as_object().expect("an object").keys() {
            assert!(page.contains(&format!("`{key}`")), "`{key}` of `{file}` is not described");
        }
    }
    for file in ["steps.jsonl", "events.jsonl"] {
        let text = std::fs::read_to_string(record.join(file)).expect("a file of the record");
        let line: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        for key in line.as_object().expect("an object").keys() {
            let row = page.lines().find(|row| row.starts_with(&format!("| `{file}`"))).expect("a row");
            assert!(row.contains(&format!("`{key}`")), "`{key}` of `{file}` is not described");
        }
    }
}
