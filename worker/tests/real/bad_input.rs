//! Datasets that cannot be worked on: each becomes a dead letter with its reason, the others are finished.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use transactions::{Column, Index, Table};
use worker::queue::show;

use crate::harness::{Finished, Stage, Worker, days, or_skip};

/// What a session leaves in `datasets:failed`, as text: one line an item, sorted.
fn dead_letters(stage: &Stage) -> String {
    let pairs: Vec<Vec<u8>> = stage.redis.ask(&["HGETALL", "datasets:failed"]);
    let line = |pair: &[Vec<u8>]| format!("{}\n    {}\n", show(&pair[0]), String::from_utf8_lossy(&pair[1]));
    let mut lines: Vec<String> = pairs.chunks(2).map(line).collect();
    lines.sort();
    lines.concat()
}

/// Runs the four days with bad items before, between and after them; they must be set aside, and nothing else.
fn assert_set_aside(stage: &Stage, items: &[Vec<u8>]) -> String {
    assert_set_aside_by(stage, items, &|| stage.run())
}

/// The same with workers that are started in another way.
fn assert_set_aside_by(stage: &Stage, items: &[Vec<u8>], run: &dyn Fn() -> Finished) -> String {
    let good = days().map(String::into_bytes);
    let mut all = Vec::new();
    for (number, item) in items.iter().enumerate() {
        all.push(item.clone());
        all.extend(good.get(number).cloned());
    }
    all.extend(good.iter().skip(items.len()).cloned());
    stage.push(&all);
    let finished = run();
    finished.assert_code(3);
    assert_eq!(finished.log.last().map(String::as_str), Some("Queue empty, exiting"));
    assert_eq!(finished.processed().len(), all.len(), "each is taken up once");
    let failed: u64 = stage.redis.ask(&["HLEN", "datasets:failed"]);
    assert_eq!(failed, items.len() as u64, "each bad one is a dead letter: {}", dead_letters(stage));
    let again = run();
    again.assert_code(0);
    assert_eq!(again.log[1..], ["Initial queue state: empty=True", "Queue empty, exiting"], "there is no crash loop");
    let letters = dead_letters(stage);
    stage.redis.ask::<u64>(&["DEL", "datasets:failed"]);
    stage.assert_undisturbed("with bad datasets among the good ones");
    letters
}

fn items(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

#[test]
fn files_that_are_no_dataset_are_set_aside() {
    let stage = or_skip!(Stage::new());
    let directory = stage.path("datasets/training");
    let good = std::fs::read(directory.join("2018-04-01.pkl")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.join(name), bytes).unwrap();
    write("nothing.pkl", b"");
    write("text.pkl", b"TRANSACTION_ID,TX_DATETIME\n1,2\n");
    write("truncated.pkl", &good[..good.len() / 2]);
    write("truncated.pkl.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1]);
    write("code.pkl", b"cos\nsystem\n(S'touch /tmp/this-was-run'\ntR.");
    write("number.pkl", b"\x80\x04K\x01.");
    for (name, table) in bad_tables(&directory.join("2018-04-01.pkl")) {
        write(name, &transactions::to_bytes(&table));
    }
    let names: Vec<String> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut bad: Vec<Vec<u8>> = names
        .iter()
        .filter(|name| !name.starts_with("2018"))
        .map(|name| format!("datasets/training/{name}").into())
        .collect();
    bad.sort();
    assert_eq!(bad.len(), 13);
    insta::assert_snapshot!(assert_set_aside(&stage, &bad));
    assert!(!Path::new("/tmp/this-was-run").exists(), "nothing in a dataset is ever run");
}

/// Tables that are whole, but no day of transactions.
fn bad_tables(good: &Path) -> Vec<(&'static str, Table)> {
    let good = transactions::read(good).unwrap();
    let table = |change: &dyn Fn(&Column) -> Option<Column>| {
        let columns: Vec<Column> = good.columns().iter().filter_map(change).collect();
        Table::new(columns, good.index().clone()).unwrap()
    };
    let with = |name: &'static str, column: &dyn Fn() -> Column| {
        table(&|old| Some(if old.name() == name { column() } else { old.clone() }))
    };
    let rows = good.rows();
    let amounts = |bad: f64| {
        let mut amounts = good.column("TX_AMOUNT").unwrap().values().as_float().unwrap().to_vec();
        amounts[7] = bad;
        Column::float64("TX_AMOUNT", amounts)
    };
    let reversed = Table::new(good.columns().iter().rev().cloned().collect(), good.index().clone()).unwrap();
    let empty = |old: &Column| match old.values().as_float() {
        Some(_) => Column::float64(old.name(), Vec::new()),
        None => Column::int64(old.name(), Vec::new()),
    };
    let no_rows = Table::new(good.columns().iter().map(empty).collect(), Index::range(0)).unwrap();
    vec![
        ("no-label.pkl", table(&|old| (old.name() != "TX_FRAUD_SCENARIO").then(|| old.clone()))),
        ("no-amount.pkl", table(&|old| (old.name() != "TX_AMOUNT").then(|| old.clone()))),
        ("order.pkl", reversed),
        ("nan.pkl", with("TX_AMOUNT", &|| amounts(f64::NAN))),
        ("infinite.pkl", with("TX_AMOUNT", &|| amounts(f64::INFINITY))),
        ("label-7.pkl", with("TX_FRAUD_SCENARIO", &|| Column::int64("TX_FRAUD_SCENARIO", vec![7; rows]))),
        ("no-rows.pkl", no_rows),
    ]
}

#[test]
fn paths_that_lead_to_no_file_or_off_the_share_are_set_aside() {
    let stage = or_skip!(Stage::new());
    let outside = tempfile::tempdir().unwrap();
    std::fs::copy(stage.path("datasets/training/2018-04-01.pkl"), outside.path().join("outside.pkl")).unwrap();
    let directory = stage.path("datasets/training");
    symlink(outside.path().join("outside.pkl"), directory.join("link-out.pkl")).unwrap();
    symlink(outside.path(), stage.path("datasets/link-out")).unwrap();
    symlink("../../../../../../../../etc/hostname", directory.join("link-up.pkl")).unwrap();
    symlink("link-round.pkl", directory.join("link-round.pkl")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, directory.join("pipe.pkl"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.join("socket.pkl")).unwrap();
    std::fs::create_dir(directory.join("directory.pkl")).unwrap();
    let mut bad = items(&[
        "datasets/training/missing.pkl",
        "datasets/nowhere/missing.pkl",
        "datasets/training/2018-04-01.pkl/missing.pkl",
        "datasets/training/link-out.pkl",
        "datasets/link-out/outside.pkl",
        "datasets/training/link-up.pkl",
        "datasets/training/link-round.pkl",
        "datasets/training/pipe.pkl",
        "datasets/training/socket.pkl",
        "datasets/training/directory.pkl",
        "datasets/training/",
        "datasets/..",
        "",
        "/",
        "/etc/hostname",
        "../outside.pkl",
        "datasets/training/../../../outside.pkl",
        "datasets/training/two\nlines.pkl",
        "datasets/training/null\0.pkl",
        "output/report.txt/",
    ]);
    bad.push(b"datasets/training/\xff\xfe.pkl".to_vec());
    bad.push(format!("datasets/training/{}.pkl", "x".repeat(230)).into());
    bad.push(format!("datasets/{}/x.pkl", "y".repeat(300)).into());
    let letters = assert_set_aside(&stage, &bad);
    insta::assert_snapshot!(letters.replace(&"x".repeat(230), "[230 x]").replace(&"y".repeat(300), "[300 y]"));
}

#[test]
fn a_device_is_set_aside_and_never_read() {
    let stage = or_skip!(Stage::new());
    let path = stage.path("datasets/training/zero.pkl");
    let device = rustix::fs::makedev(1, 5);
    if let Err(error) =
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::CharacterDevice, 0o600.into(), device)
    {
        return eprintln!("skipped: to make a device takes privileges that this test does not have ({error})");
    }
    let letters = assert_set_aside(&stage, &items(&["datasets/training/zero.pkl"]));
    assert_eq!(letters, "datasets/training/zero.pkl\n    it is neither a file nor a directory\n");
}

#[test]
fn a_file_without_permission_is_set_aside() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let stage = or_skip!(Stage::new());
    let path = stage.path("datasets/training/secret.pkl");
    std::fs::copy(stage.path("datasets/training/2018-04-01.pkl"), &path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // To root no file is closed: then the worker runs as somebody else, from a place that everybody may look into.
    let program = stage.path("worker");
    std::fs::copy(env!("CARGO_BIN_EXE_worker"), &program).unwrap();
    std::fs::set_permissions(stage.share.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let run_as_nobody = || {
        let mut command = Command::new(&program);
        for (name, value) in stage.command().get_envs() {
            command.env(name, value.unwrap());
        }
        Worker::start(command.uid(65534).gid(65534)).wait()
    };
    let run = || if rustix::process::geteuid().is_root() { run_as_nobody() } else { stage.run() };
    let letters = assert_set_aside_by(&stage, &items(&["datasets/training/secret.pkl"]), &run);
    assert_eq!(letters, "datasets/training/secret.pkl\n    permission denied\n");
}

#[test]
fn roundabout_paths_that_stay_on_the_share_are_fine() {
    let stage = or_skip!(Stage::new());
    symlink("2018-04-04.pkl", stage.path("datasets/training/link.pkl")).unwrap();
    symlink("training", stage.path("datasets/also")).unwrap();
    stage.push(&["datasets/./training/../also/link.pkl"]);
    stage.run().assert_code(0);
    assert_eq!(stage.reported(), ["link.pkl"]);
}

/// Reports and checkpoints know datasets by their file names.
#[test]
fn a_namesake_from_another_place_is_set_aside() {
    let stage = or_skip!(Stage::new());
    let (training, other) = (stage.path("datasets/training"), stage.path("datasets/other"));
    std::fs::create_dir(&other).unwrap();
    std::fs::copy(training.join("2018-04-01.pkl"), other.join("2018-04-04.pkl")).unwrap();
    std::fs::copy(training.join("2018-04-02.pkl"), training.join("2018-04-03.pkl.gz")).unwrap();
    stage.push(&["datasets/other/2018-04-04.pkl", &days()[3], "datasets/training/2018-04-03.pkl.gz", &days()[2]]);
    let finished = stage.run();
    finished.assert_code(3);
    assert_eq!(stage.reported(), ["2018-04-03.pkl", "2018-04-04.pkl"]);
    let reason = |item: &str| stage.redis.ask::<String>(&["HGET", "datasets:failed", item]);
    let would_replace =
        |item: &str| format!("its checkpoint would replace that of `{item}`: one of the two needs another file name");
    assert_eq!(reason("datasets/other/2018-04-04.pkl"), would_replace(&days()[3]));
    assert_eq!(reason("datasets/training/2018-04-03.pkl.gz"), would_replace(&days()[2]));
}

#[test]
fn a_dataset_that_no_day_can_fill_is_set_aside() {
    let stage = or_skip!(Stage::new());
    // It takes no room on the disk.
    let file = std::fs::File::create(stage.path("datasets/training/large.pkl")).unwrap();
    file.set_len((4 << 30) + 1).unwrap();
    let letters = assert_set_aside(&stage, &items(&["datasets/training/large.pkl"]));
    assert_eq!(letters, "datasets/training/large.pkl\n    it is larger than 4 GiB\n");
}

#[test]
fn without_a_test_set_nothing_is_taken_from_the_queue() {
    for (damage, reason) in [
        ("missing", "there is no such file"),
        ("truncated", "failed to read the table"),
        ("directory", "it is a directory"),
        ("link", "its path leaves the share"),
    ] {
        let stage = or_skip!(Stage::filled());
        let path = stage.path("datasets/testing/test_dataset.pkl");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        match damage {
            "truncated" => std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
            "directory" => std::fs::create_dir(&path).unwrap(),
            "link" => symlink("/etc/hostname", &path).unwrap(),
            _ => {}
        }
        let finished = stage.run();
        finished.assert_code(5);
        let expected = format!("worker: failed to read the test set `datasets/testing/test_dataset.pkl`: {reason}");
        assert!(finished.text().contains(&expected), "{damage}: {}", finished.text());
        assert_eq!(finished.processed(), [""; 0]);
        assert_eq!(stage.redis.keys(), ["datasets"], "{damage}");
        assert_eq!(stage.redis.list("datasets"), days(), "{damage}");
    }
}

#[test]
fn a_share_that_is_not_there_is_one_clear_error() {
    let stage = or_skip!(Stage::filled());
    std::fs::remove_dir_all(stage.share.path()).unwrap();
    let finished = stage.run();
    finished.assert_code(5);
    let path = stage.share.path().display();
    let expected = format!(
        "worker: failed to open the share `{path}`: No such file or directory (os error 2)\n\
         see that the share is mounted where FILESTORE_PATH says and holds the datasets"
    );
    assert!(finished.text().ends_with(&expected), "{}", finished.text());
    assert_eq!(stage.redis.keys(), ["datasets"]);
}
