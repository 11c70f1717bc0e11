//! The program `data`, as a person or a script calls it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use transactions::simulator;

/// Days to train on and one to test on lie where the tutorial has them, and hold what the simulator makes.
#[test]
fn generate_writes_the_tutorials_layout() {
    let directory = TempDir::new().unwrap();
    let output = data(&directory, &["generate", "--days", "2", "--out", "made/here"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), String::new()));
    let names = ["training/2018-04-01.pkl", "training/2018-04-02.pkl", "testing/test_dataset.pkl"];
    let made = directory.path().join("made/here");
    assert_eq!(files_below(&made), sorted(names));
    for (day, name) in simulator::generate(3, 0).unwrap().iter().zip(names) {
        assert!(transactions::read(&made.join(name)).unwrap() == day.table, "{name}");
    }
}

/// What was made is told in one line for a person, without colours where nobody watches.
#[test]
fn generate_tells_what_it_made() {
    let directory = TempDir::new().unwrap();
    let output = data(&directory, &["generate", "--days", "1", "--out", "."]);
    let line = text(&output.stderr);
    let expected = "   Generated 1 day and a test day, seed 0: 19071 rows, 1.1 MB in `.` in ";
    assert!(line.starts_with(expected) && line.ends_with("s\n") && line.lines().count() == 1, "{line}");
    let output = data(&directory, &["generate", "--days", "1", "--out", ".", "--quiet"]);
    assert_eq!((output.status.code(), output.stdout, output.stderr), (Some(0), vec![], vec![]));
}

/// For a machine it is one JSON object, whose figures are those of the files.
#[test]
fn generate_tells_a_machine_in_json() {
    let directory = TempDir::new().unwrap();
    let output = data(&directory, &["generate", "--days", "1", "--out", ".", "--seed", "7", "--json"]);
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((made["out"].as_str(), made["seed"].as_u64()), (Some("."), Some(7)));
    let mut rows = 0;
    for file in made["files"].as_array().unwrap() {
        let path = directory.path().join(file["file"].as_str().unwrap());
        assert_eq!(file["bytes"].as_u64(), Some(fs::metadata(&path).unwrap().len()));
        assert_eq!(file["rows"].as_u64(), Some(transactions::read(&path).unwrap().rows() as u64));
        rows += file["rows"].as_u64().unwrap();
    }
    assert_eq!(made["rows"].as_u64(), Some(rows));
    assert_eq!(made["files"][1]["date"], "2018-04-02");
}

/// Generating again replaces files whole and leaves strangers alone.
#[test]
fn generate_replaces_what_is_there() {
    let directory = TempDir::new().unwrap();
    let training = directory.path().join("training");
    fs::create_dir(&training).unwrap();
    fs::write(training.join("2018-04-01.pkl"), vec![b'x'; 10_000_000]).unwrap();
    fs::write(training.join("stranger"), "stays").unwrap();
    assert!(data(&directory, &["generate", "--days", "1", "--out", "."]).status.success());
    let names = ["training/2018-04-01.pkl", "training/stranger", "testing/test_dataset.pkl"];
    assert_eq!(files_below(directory.path()), sorted(names));
    assert_eq!(transactions::read(&training.join("2018-04-01.pkl")).unwrap().rows(), 9488);
}

/// What runs that were killed left goes, and nothing that only looks like it; nor what one that lives is writing.
#[test]
fn generate_clears_what_killed_runs_left() {
    // No process has such a number: Linux goes up to 4194304.
    let gone = ["training/.2018-04-01.pkl.4194305-0.tmp", "training/.2018-09-29.pkl.4194306-12.tmp"];
    let living = format!("training/.2018-04-01.pkl.{}-0.tmp", std::process::id());
    let strangers = [
        &living,
        "training/.2018-04-01.pkl.4194305-0.tmp.gz",
        "training/.2018-04-01.pkl.4194305-+0.tmp",
        "training/.2018-04-01.pkl.4194305.tmp",
        "training/.2018-04-32.pkl.4194305-0.tmp",
        "training/.notes.pkl.4194305-0.tmp",
        "training/.test_dataset.pkl.4194305-0.tmp",
        "training/2018-04-01.pkl.4194305-0.tmp",
        "training/.2018-04-02.pkl.4194305-0.tmp/a_directory",
        ".2018-04-01.pkl.4194305-0.tmp",
    ];
    let directory = TempDir::new().unwrap();
    for name in strangers.iter().chain(&gone).chain(&["testing/.test_dataset.pkl.4194305-1.tmp"]) {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "half a day").unwrap();
    }
    assert!(data(&directory, &["generate", "--days", "1", "--out", "."]).status.success());
    let made = ["training/2018-04-01.pkl", "testing/test_dataset.pkl"];
    assert_eq!(files_below(directory.path()), sorted(strangers.into_iter().chain(made)));
}

/// What cannot be written is named with the reason, and nothing half-written stays.
#[test]
fn generate_names_what_it_cannot_write() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let output = data(&directory, &["generate", "--days", "1", "--out", "file"]);
    let expected = "error: failed to make the directory `file/training`: Not a directory (os error 20)\n\
                    remedy: move away what is in its place, or write elsewhere\n";
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), expected));

    fs::create_dir_all(directory.path().join("training/2018-04-01.pkl")).unwrap();
    let output = data(&directory, &["generate", "--days", "1", "--out", "."]);
    let expected = "error: failed to write `./training/2018-04-01.pkl`: Is a directory (os error 21)\n\
                    remedy: move away what is in its place, or write elsewhere\n";
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), expected));
    assert!(fs::read_dir(directory.path().join("training")).unwrap().count() == 1, "a temporary file stayed");
}

/// A full disk is named; the days that found room are whole, and no temporary file takes up more.
#[test]
fn generate_names_a_full_disk() {
    let directory = TempDir::new().unwrap();
    // Room for one day and not for two, nor for the halves of two that are written at once.
    let script = r#"mount -t tmpfs -o size=1m tmpfs "$1" && cd "$1" || exit
        "$2" generate --days 4 --out .; code=$?
        find . -type f
        exit $((100 + code))"#;
    let mut shell = Command::new("unshare");
    shell.args(["-Urm", "sh", "-c", script, "sh"]).arg(directory.path()).arg(env!("CARGO_BIN_EXE_data"));
    let output = match shell.output() {
        Ok(output) if output.status.code() >= Some(100) => output,
        other => return eprintln!("skipped: a small file system cannot be mounted here: {other:?}"),
    };
    assert_eq!(output.status.code(), Some(101));
    let error = text(&output.stderr);
    assert!(error.starts_with("error: failed to write `./t") && error.lines().count() == 2, "{error}");
    let end = ".pkl`: No space left on device (os error 28)\nremedy: make room there, or write elsewhere\n";
    assert!(error.ends_with(end), "{error}");
    let files = text(&output.stdout);
    assert!(files.lines().all(|file| file.ends_with(".pkl") && !file.contains("/.")), "{files}");
    assert!(files.lines().count() <= 1, "{files}");
}

/// Days that the run does not have are refused, and so are worlds that there are not.
#[test]
fn generate_refuses_what_there_is_not() {
    let directory = TempDir::new().unwrap();
    let why = "it goes from 1 to 182, for the run has 183 days and one is tested on";
    for (days, seed, why) in [
        ("0", "0", why),
        ("183", "0", why),
        ("four", "0", "it is no number of days"),
        ("1", "65536", "65536 is not in 0..=65535"),
    ] {
        let output = data(&directory, &["generate", "--days", days, "--seed", seed, "--out", "."]);
        assert_eq!(output.status.code(), Some(2), "{days} days, seed {seed}");
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
    assert_eq!(files_below(directory.path()), Vec::<String>::new());
}

/// A person sees what is in a file as a small table.
#[test]
fn inspect_shows_a_file_to_a_person() {
    let directory = made();
    let output = data(&directory, &["inspect", "training/2018-04-01.pkl"]);
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
    insta::assert_snapshot!(text(&output.stdout), @r"
    training/2018-04-01.pkl
      bytes   563012
      sha256  35b90ce9fe2a1b493e7c9d4d3b170a45580a043b73ffa9850e08591c5ce2786f
      rows    9488
      index   Int64Index, 0 to 9487
      labels  0: 9485, 1: 3
      column             dtype             nulls  sha256
      TRANSACTION_ID     int64                 0  e607ad89381df5194bbaa70c0083a8204e605e9abadfbad1f53e11b0bcc94412
      TX_DATETIME        int64                 0  03f62a374617b0b70e2ce1919f6979bb686abd9ed7723ea0c698e1d3ef685f60
      CUSTOMER_ID        object                0  495b1ceed27528ad964d86b69497e92c5b2ae09ed0e890faa681fb36289ac63e
      TERMINAL_ID        object                0  e28845d2e169e0d28d6c776ab20805c1b698d7d10b9afb5acd535b937bd25f80
      TX_AMOUNT          float64               0  6592941904b3751f2fac52619878bd724f9a5159ac2c8b74445b97cb4056728e
      TX_TIME_SECONDS    object                0  b6ed6812d15667f2b04d555211fd42ed02ed701e76a9c115144f830414ccbbb2
      TX_TIME_DAYS       object                0  2feb108836bbc40e142c474dfbd14f31b47a3663b9f9f116105678a51aff3b12
      TX_FRAUD           int64                 0  03753555ddc9fbae5b013bed8fe125a0527417a63283d034b32e5fab7785c7e1
      TX_FRAUD_SCENARIO  int64                 0  03753555ddc9fbae5b013bed8fe125a0527417a63283d034b32e5fab7785c7e1
    ");
}

/// What is shown of a column is the dtype that it has in the file, however it is widened as it is read.
#[test]
fn inspect_shows_the_dtypes_of_the_file() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let directory = TempDir::new().unwrap();
    let narrow = ["int8", "int16", "int32", "uint8", "uint32", "uint64", "bool", "float32"];
    for (file, expected) in [
        ("pandas-1.0.5/narrow-p2.pkl", &narrow[..]),
        ("pandas-3.1.1/narrow-p5.pkl", &narrow),
        ("pandas-1.5.3/big_endian-p5.pkl", &[">i8", ">f8"]),
        ("pandas-1.0.5/datetimes-p4.pkl", &["datetime64[ns]", "int64", "datetime64[ns]"]),
        ("pandas-2.0.3/units-p4.pkl", &["datetime64[s]", "datetime64[ms]", "datetime64[us]", "datetime64[ns]"]),
        ("pandas-3.1.1/nulls-p2.pkl", &["object", "object", "float64", "object"]),
    ] {
        let output = data(&directory, &["inspect", "--json", fixtures.join(file).to_str().unwrap()]);
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let dtypes: Vec<_> = told["columns"].as_array().unwrap().iter().map(|column| &column["dtype"]).collect();
        assert_eq!(dtypes, expected, "{file}");
    }
}

/// A name that would move the cursor of the person's terminal is shown for what it is; a machine gets it as it is.
#[test]
fn inspect_escapes_names() {
    let directory = TempDir::new().unwrap();
    let table = transactions::Table::new(
        vec![transactions::Column::int64("\x1b[2Jmontant d’été", vec![1])],
        transactions::Index::range(1),
    );
    transactions::write(&directory.path().join("t.pkl"), &table.unwrap()).unwrap();
    let shown = text(&data(&directory, &["inspect", "t.pkl"]).stdout);
    assert!(shown.contains("\n  \\u{1b}[2Jmontant d’été  int64 "), "{shown}");
    let told = text(&data(&directory, &["inspect", "t.pkl", "--json"]).stdout);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["columns"][0]["name"], "\x1b[2Jmontant d’été");
}

/// A machine gets one JSON object a line, with the documented keys.
#[test]
fn inspect_tells_a_machine_in_json() {
    let directory = made();
    let output = data(&directory, &["inspect", "--json", "training/2018-04-01.pkl", "testing/test_dataset.pkl"]);
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&lines[0]), sorted(["file", "bytes", "sha256", "rows", "columns", "index", "labels"]));
    assert_eq!(keys(&lines[0]["columns"][0]), sorted(["name", "dtype", "nulls", "sha256"]));
    assert_eq!(lines[0]["index"], serde_json::json!({"kind": "Int64Index", "first": 0, "last": 9487}));
    assert_eq!(lines[1]["labels"], serde_json::json!({"0": 9570, "1": 5, "3": 8}));
}

/// A file that cannot be read is named, the others are shown, and the exit code says so.
#[test]
fn inspect_goes_on_after_a_bad_file() {
    let directory = made();
    fs::write(directory.path().join("text"), "no pickle").unwrap();
    let whole = fs::read(directory.path().join("training/2018-04-01.pkl")).unwrap();
    fs::write(directory.path().join("half"), &whole[..whole.len() / 2]).unwrap();
    let output = data(&directory, &["inspect", "missing", "training/2018-04-01.pkl", "text", "training", "half"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("training/2018-04-01.pkl\n"));
    let errors = text(&output.stderr);
    let errors: Vec<_> = errors.lines().collect();
    assert_eq!(errors.len(), 8, "{errors:?}");
    assert_eq!(errors[0], "error: failed to open `missing`: No such file or directory (os error 2)");
    assert_eq!(errors[1], "remedy: name a file that is there");
    assert!(errors[2].starts_with("error: failed to read `text` at byte "), "{errors:?}");
    assert_eq!(errors[3], "remedy: save the table again, with pandas' DataFrame.to_pickle");
    assert_eq!(errors[4], "error: failed to read `training`: it is not a regular file");
    assert_eq!(errors[5], "remedy: name the files themselves, a directory's as `DIR/*.pkl`");
    assert!(errors[6].starts_with("error: failed to read `half` at byte ") && errors[6].ends_with(": it is cut off"));
    assert_eq!(errors[7], "remedy: get the whole file from where it was made, or save the table again");
}

/// What is refused although nothing is broken is told with what mends it: to save the same table again would not.
#[test]
fn inspect_says_what_mends_a_table() {
    use std::io::Write as _;
    use transactions::{Column, Index, Table, to_bytes};

    let directory = TempDir::new().unwrap();
    let save = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
    let rows = 10_000_000;
    let zeros = Table::new(vec![Column::int64("A", vec![0; rows])], Index::range(rows)).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(&to_bytes(&zeros)).unwrap();
    save("zeros.pkl.gz", &gzip.finish().unwrap());
    let columns = vec![Column::int64("A", vec![1]), Column::int64("B", vec![1])];
    let twins = to_bytes(&Table::new(columns, Index::range(1)).unwrap());
    let at = twins.windows(3).position(|window| window == b"\x8c\x01B").expect("the second name is there");
    save("twins.pkl", &[&twins[..at], b"\x8c\x01A", &twins[at + 3..]].concat());
    let halves = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused/pandas-2.2.3-half_floats.pkl");
    fs::copy(halves, directory.path().join("halves.pkl")).unwrap();

    let output = data(&directory, &["inspect", "zeros.pkl.gz", "twins.pkl", "halves.pkl"]);
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: failed to read `zeros.pkl.gz` at byte 268: it unpacks to more than a file of its size may
    remedy: save the table uncompressed, with pandas' DataFrame.to_pickle(PATH, compression=None)
    error: failed to read `twins.pkl`: two of its columns are named `A`
    remedy: rename columns until no two are alike, and save the table again
    error: failed to read `halves.pkl`: it has columns `HALF`, `LOW` of dtype float16; int, uint, bool, float32, float64, datetime64 and object are read
    remedy: leave such columns out or make float64 of them, with pandas' DataFrame.astype, and save the table again
    ");
}

/// A reader that has seen enough is no failure; output that cannot be kept is one.
#[test]
fn inspect_survives_a_reader_that_leaves() {
    let directory = made();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let inspect = |out: Stdio| {
        let mut command = command(&directory, &["inspect", "training/2018-04-01.pkl"]);
        command.stdout(out).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
    };
    let output = inspect(writer.into());
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let output = inspect(fs::File::options().write(true).open("/dev/full").unwrap().into());
    let expected = "error: failed to write to standard output: No space left on device (os error 28)\n\
                    remedy: make room there, or write elsewhere\n";
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(1), expected));
}

/// A directory with one generated day to train on.
fn made() -> TempDir {
    let directory = TempDir::new().unwrap();
    assert!(data(&directory, &["generate", "--days", "1", "--out", "."]).status.success());
    directory
}

fn data(directory: &TempDir, arguments: &[&str]) -> Output {
    command(directory, arguments).output().unwrap()
}

fn command(directory: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_data"));
    command.args(arguments).current_dir(directory.path());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// All files below a directory, temporary ones included, as paths from there.
fn files_below(directory: &Path) -> Vec<String> {
    let mut files = vec![];
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path.strip_prefix(directory).unwrap().display().to_string());
            }
        }
    }
    sorted(files)
}

fn sorted(names: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut names: Vec<_> = names.into_iter().map(Into::into).collect();
    names.sort();
    names
}
