//! What a run leaves behind when nobody disturbs it, and where the next one begins.

use std::process::Command;

use crate::harness::{Stage, Worker, days, or_skip};

#[test]
fn the_log_is_the_tutorials() {
    let stage = or_skip!(Stage::filled());
    let finished = stage.run();
    finished.assert_code(0);
    let session = finished.log[0].strip_prefix("Worker with sessionID: ").expect("the session comes first");
    assert_eq!(uuid::Uuid::parse_str(session).map(|session| session.to_string()).as_deref(), Ok(session));
    let expected = [
        "Initial queue state: empty=False",
        "Processing dataset: datasets/training/2018-04-04.pkl",
        "Processing dataset: datasets/training/2018-04-03.pkl",
        "Processing dataset: datasets/training/2018-04-02.pkl",
        "Processing dataset: datasets/training/2018-04-01.pkl",
        "Queue empty, exiting",
    ];
    assert_eq!(finished.log[1..], expected);
}

#[test]
fn an_empty_queue_needs_no_share() {
    let stage = or_skip!(Stage::new());
    std::fs::remove_dir_all(stage.share.path()).unwrap();
    let finished = stage.run();
    finished.assert_code(0);
    assert_eq!(finished.log[1..], ["Initial queue state: empty=True", "Queue empty, exiting"]);
}

#[test]
fn the_output_is_the_tutorials() {
    let stage = or_skip!(Stage::filled());
    stage.run().assert_code(0);
    let files: Vec<String> = stage.output().into_keys().collect();
    let expected = [
        "model_cpt_2018-04-01.pkl",
        "model_cpt_2018-04-02.pkl",
        "model_cpt_2018-04-03.pkl",
        "model_cpt_2018-04-04.pkl",
        "report.txt",
    ];
    assert_eq!(files, expected);
    assert_eq!(stage.reported(), ["2018-04-04.pkl", "2018-04-03.pkl", "2018-04-02.pkl", "2018-04-01.pkl"]);
    assert_eq!(stage.redis.keys(), [""; 0]);
}

/// What is published is on the disk before it has its name, and its name is on the disk before anybody relies on it.
#[test]
fn a_file_is_synced_before_its_rename_and_its_directory_after() {
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        return eprintln!("skipped: there is no `strace` that works here");
    }
    let stage = or_skip!(Stage::filled());
    let trace = stage.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=fsync,rename,renameat,renameat2", "-o"]).arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_worker"));
    for (name, value) in stage.command().get_envs() {
        command.env(name, value.unwrap());
    }
    Worker::start(&mut command).wait().assert_code(0);
    let trace = std::fs::read_to_string(trace).unwrap();
    // Only the loop makes these calls, so one line is one call.
    let calls: Vec<&str> = trace.lines().filter(|line| line.contains("fsync(") || line.contains("rename")).collect();
    let renames: Vec<usize> = (0..calls.len()).filter(|call| calls[*call].contains("rename")).collect();
    assert_eq!(renames.len(), 8, "four checkpoints and four reports: {calls:#?}");
    let is_sync_of = |call: &str, what: &str| {
        call.contains("fsync(") && call.contains(&format!("/{what}>)")) && call.ends_with(" = 0")
    };
    let share = stage.share.path().file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(is_sync_of(calls[0], share), "the directory `output` is new: {calls:#?}");
    for rename in renames {
        let draft = calls[rename].split('"').nth(1).expect("the old name");
        assert!(is_sync_of(calls[rename - 1], draft) && is_sync_of(calls[rename + 1], "output"), "{calls:#?}");
    }
}

#[test]
fn each_checkpoint_starts_from_the_one_before_across_workers() {
    let stage = or_skip!(Stage::new());
    for day in days().iter().rev() {
        stage.push(&[day]);
        stage.run().assert_code(0);
    }
    stage.assert_undisturbed("a worker for each day");
    let lineage = ["2018-04-04", "2018-04-03", "2018-04-02", "2018-04-01"];
    assert!(stage.checkpoint(lineage[0]).metadata.unwrap().parent.is_none());
    for (depth, pair) in lineage.windows(2).enumerate() {
        let metadata = stage.checkpoint(pair[1]).metadata.unwrap();
        assert_eq!(metadata.parent.unwrap().file, format!("model_cpt_{}.pkl", pair[0]));
        assert_eq!(metadata.depth, depth as u64 + 2);
    }
}

#[test]
fn a_dataset_that_is_done_is_not_done_again_unless_it_changed() {
    let stage = or_skip!(Stage::filled());
    stage.run().assert_code(0);
    let before = stage.output();
    stage.push(&days());
    let again = stage.run();
    again.assert_code(0);
    assert_eq!(again.processed().len(), 4, "each is claimed and found to be done");
    assert_eq!(stage.output(), before);

    let (one, other) = (stage.path("datasets/training/2018-04-01.pkl"), stage.path("datasets/training/2018-04-03.pkl"));
    std::fs::copy(&other, &one).unwrap();
    stage.push(&days());
    stage.run().assert_code(0);
    assert_eq!(stage.reported(), ["2018-04-04.pkl", "2018-04-03.pkl", "2018-04-02.pkl", "2018-04-01.pkl"]);
    assert_ne!(stage.output()["model_cpt_2018-04-01.pkl"], before["model_cpt_2018-04-01.pkl"]);
    let parent = stage.checkpoint("2018-04-01").metadata.unwrap().parent.unwrap();
    assert_eq!(parent.file, "model_cpt_2018-04-02.pkl", "a dataset does not start from itself");
    assert_eq!(stage.output()["model_cpt_2018-04-02.pkl"], before["model_cpt_2018-04-02.pkl"]);
}

/// Another seed is another run, with a lineage of its own.
#[test]
fn another_seed_does_every_dataset_anew() {
    let run = |stage: &Stage, seed: &str| {
        stage.push(&days());
        stage.start_with("WORKER_SEED", seed).wait().assert_code(0);
        let mut output = stage.output();
        output.remove("report.txt");
        output
    };
    let (stage, fresh) = (or_skip!(Stage::new()), or_skip!(Stage::new()));
    let before = run(&stage, "0");
    let after = run(&stage, "7");
    assert!(before.iter().all(|(name, bytes)| after[name] != *bytes), "no checkpoint is the other run's");
    assert!(after == run(&fresh, "7"), "what another run left makes no difference");
}

#[test]
fn what_was_tested_on_another_test_set_is_not_done() {
    let stage = or_skip!(Stage::filled());
    stage.run().assert_code(0);
    let before = stage.checkpoint("2018-04-01").metadata.unwrap();
    std::fs::copy(stage.path("datasets/training/2018-04-02.pkl"), stage.path("datasets/testing/test_dataset.pkl"))
        .unwrap();
    stage.push(&days());
    stage.run().assert_code(0);
    let after = stage.checkpoint("2018-04-01").metadata.unwrap();
    assert_ne!(after.test_sha256, before.test_sha256);
    assert_eq!(after.test_sha256, stage.checkpoint("2018-04-02").metadata.unwrap().dataset_sha256);
}

#[test]
fn richer_figures_are_one_line_of_json_a_dataset() {
    let stage = or_skip!(Stage::filled());
    let finished = stage.run();
    let events: Vec<&String> =
        finished.notes.iter().filter(|line| line.starts_with(r#"{"event":"trained","#)).collect();
    assert_eq!(events.len(), 4);
    for (event, entry) in events.iter().zip(stage.report().entries) {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        assert_eq!(event["dataset"], entry.dataset);
        assert_eq!(event["metadata"]["testing"]["accuracy"], entry.testing_accuracy);
        assert!(event["seconds"]["trained"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn a_lineage_goes_on_past_a_checkpoint_that_is_gone_or_damaged() {
    let stage = or_skip!(Stage::filled());
    stage.run().assert_code(0);
    std::fs::remove_file(stage.path("output/model_cpt_2018-04-01.pkl")).unwrap();
    std::fs::write(stage.path("output/model_cpt_2018-04-02.pkl"), "damaged").unwrap();
    std::fs::copy(stage.path("datasets/training/2018-04-04.pkl"), stage.path("datasets/training/new.pkl")).unwrap();
    stage.push(&["datasets/training/new.pkl"]);
    stage.run().assert_code(0);
    assert_eq!(stage.checkpoint("new").metadata.unwrap().parent.unwrap().file, "model_cpt_2018-04-03.pkl");
}

#[test]
fn a_report_that_is_none_stops_the_worker_and_stays_as_it_is() {
    let stage = or_skip!(Stage::filled());
    std::fs::create_dir(stage.path("output")).unwrap();
    std::fs::write(stage.path("output/report.txt"), "my shopping list\n").unwrap();
    let finished = stage.run();
    finished.assert_code(5);
    assert!(finished.text().contains("failed to read the report: line 1: "), "{}", finished.text());
    assert_eq!(stage.output()["report.txt"], b"my shopping list\n");
    assert_eq!(stage.redis.list("datasets"), days(), "the claim is back at its place");
    assert_eq!(stage.redis.keys(), ["datasets"]);
}
