//! Files that lie: each gets an error, in bounded memory, and the error names what is wrong.
//!
//! Memory is measured for real: the file is read in a child process, and its peak is what the system says it was.

mod support;

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use support::child::{Reading, read_in_a_child};
use transactions::pickle::decode;
use transactions::{Column, Index, Table, read, read_bytes, to_bytes};

/// Everything that is refused says so in one message that names the cause.
#[test]
fn each_refusal_names_its_cause() {
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("nothing", vec![], "at byte 0: it is cut off"),
        ("text", b"hello".to_vec(), "at byte 0: it does not begin as a pickle does"),
        ("no opcode", b"\x80\x04\xff.".to_vec(), "at byte 2: opcode 0xff"),
        ("code", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.".to_vec(), "it asks for `os.system`"),
        ("old code", b"cos\nsystem\n(S'true'\ntR.".to_vec(), "it asks for `os.system`"),
        ("new code", b"\x80\x04cposix\nsystem\n)\x81.".to_vec(), "it asks for `posix.system`"),
        ("series", pandas_global("pandas.core.series", "Series"), "it asks for `pandas.core.series.Series`"),
        ("strings of a terminal", b"\x80\x04c\x1b[2J\nx\n.".to_vec(), "it asks for `\\u{1b}[2J.x`"),
        ("a number", b"\x80\x04K\x01.".to_vec(), "it holds an int, not a pandas DataFrame"),
        ("a list", b"\x80\x04].".to_vec(), "it holds a list, not a pandas DataFrame"),
        ("an instance", b"(ios\nsystem\n.".to_vec(), "it asks for `os.system`"),
        ("a registry", b"\x80\x02\x82\x01.".to_vec(), "a registry outside the file"),
        ("columns of a terminal", frame(1, b"\x8c\x04\x1b[2J", b")"), "no block holds column `\\u{1b}[2J`"),
        ("nameless", frame(1, b"N", b")"), "its columns have None or NaN among their names; strings are read"),
        ("nameless beside", frame(2, b"\x8c\x01AN", b")"), "its columns have None among their names; strings are read"),
        (
            "a missing name",
            frame(2, b"\x8c\x01AG\x7f\xf8\0\0\0\0\0\0", b")"),
            "its columns have NaN among their names; strings are read",
        ),
        ("numbered", frame(1, b"K\x01", b")"), "its columns are named by numbers; names that are strings are read"),
        ("outside", b"\x80\x04Pid\n.".to_vec(), "an object outside the file"),
        ("a buffer", b"\x80\x05\x97.".to_vec(), "a buffer outside the file"),
    ];
    for (name, bytes, said) in cases {
        let error = read_bytes(bytes).unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
        assert!(error.starts_with("failed to read the table"), "{name}: {error}");
    }
}

/// What is there but is no file, and what is not there, is said so.
#[test]
fn a_path_that_is_no_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let error = read(directory.path()).unwrap_err().to_string();
    assert!(error.ends_with("it is not a regular file"), "{error}");
    let error = read(&directory.path().join("none.pkl")).unwrap_err().to_string();
    assert!(error.contains("none.pkl`: No such file"), "{error}");
    // A pipe that nobody writes to is not waited for.
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = read(&pipe).unwrap_err().to_string();
    assert!(error.ends_with("it is not a regular file"), "{error}");
}

/// A column that holds anything but numbers is named, with the row and what is there.
#[test]
fn a_value_that_is_no_number_is_named_with_column_and_row() {
    let table = Table::new(
        vec![Column::int64("A", vec![1, 2, 3]), Column::object("CUSTOMER_ID", vec![70_000, 70_001, 70_002])],
        Index::range(3),
    );
    let bytes = to_bytes(&table.unwrap());
    let third = [b'J', 0x72, 0x11, 0x01, 0x00];
    let at = bytes.windows(5).position(|window| window == third).expect("the third value is there");
    for (replacement, said) in [
        (&b"\x8c\x03abc"[..], "a str in row 2"),
        (b"\x88", "a bool in row 2"),
        (b"\x8a\x09\0\0\0\0\0\0\0\0\x01", "an int beyond 64 bits in row 2"),
        (b"]", "a list in row 2"),
        (b"C\x01x", "bytes in row 2"),
    ] {
        let broken = without_frames(&[&bytes[..at], replacement, &bytes[at + 5..]].concat());
        let error = read_bytes(&broken).unwrap_err().to_string();
        assert!(error.contains(&format!("column `CUSTOMER_ID` holds {said}")), "{error}");
    }
    // A missing value and a float are numbers.
    for replacement in [&b"N"[..], b"G\x40\x00\0\0\0\0\0\0"] {
        let changed = without_frames(&[&bytes[..at], replacement, &bytes[at + 5..]].concat());
        assert!(read_bytes(&changed).is_ok());
    }
}

/// An unsigned integer that no signed one is, is named rather than read as a negative one, in a block or in an array of
/// one dimension, from memory or through gzip.
#[test]
fn an_unsigned_integer_beyond_63_bits_is_named() {
    let table = Table::new(vec![Column::int64("A", vec![1, i64::MAX, -1, 4])], Index::range(4)).unwrap();
    let bytes = to_bytes(&table);
    let at = bytes.windows(4).position(|window| window == b"\x8c\x02i8").expect("the block's dtype is there");
    let unsigned = [&bytes[..at], b"\x8c\x02u8", &bytes[at + 4..]].concat();
    let shape = unsigned.windows(5).position(|window| window == b"K\x01K\x04\x86").expect("the block's shape is there");
    let flat = without_frames(&[&unsigned[..shape], b"K\x04\x85", &unsigned[shape + 5..]].concat());
    for bytes in [&unsigned, &flat, &gzip(&unsigned)] {
        let error = read_bytes(bytes).unwrap_err().to_string();
        assert!(error.contains("column `A` holds an integer beyond 63 bits in row 2"), "{error}");
    }
}

/// Whether what is left of a file is known or not, as in gzip, the same is read: an array that announces more objects
/// than there are bytes, and that the table does not have, is no matter.
#[test]
fn what_the_table_does_not_have_is_no_matter() {
    let bytes = to_bytes(&sample(5));
    let aside = [&array("O8", b"M\xff\xff\x85")[2..], b"]000000"].concat();
    let longer = [&bytes[..2], &aside, &bytes[2..]].concat();
    assert_eq!(read_bytes(&longer).unwrap(), sample(5));
    assert_eq!(read_bytes(&gzip(&longer)).unwrap(), sample(5));
}

/// A file cut off at any byte is refused, plain or compressed.
#[test]
fn every_shorter_file_is_refused() {
    let bytes = to_bytes(&sample(5));
    for length in 0..bytes.len() {
        assert!(read_bytes(&bytes[..length]).is_err(), "{length} bytes of {}", bytes.len());
    }
    let bytes = gzip(&bytes);
    for length in 0..bytes.len() {
        assert!(read_bytes(&bytes[..length]).is_err(), "{length} compressed bytes of {}", bytes.len());
    }
}

/// A file cut off while it is read is refused as one that was cut off before.
#[test]
fn a_file_cut_off_on_disk_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.pkl");
    let bytes = to_bytes(&sample(40_000));
    for length in [0, 1, 1000, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("it is cut off"), "{length} bytes: {error}");
    }
}

/// Whatever byte is another in a file whose columns are named by pyarrow, it is a table or refused: lengths, offsets and
/// ends of names contradict each other in every way.
#[test]
fn a_changed_byte_in_an_array_of_names_does_no_harm() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pandas-3.1.1-pyarrow");
    for file in ["named_columns-p4.pkl", "shared-p5.pkl"] {
        let bytes = std::fs::read(fixtures.join(file)).unwrap();
        let (mut read, mut refused) = (0, 0);
        for at in 0..bytes.len() {
            for byte in [0, 1, 0x7f, 0xff, bytes[at].wrapping_add(1)] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                match read_bytes(&changed) {
                    Ok(_) => read += 1,
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(read > 0 && refused > read, "{file}: {read} read, {refused} refused");
    }
}

/// Texts that pyarrow keeps are named with their place, as other texts are.
#[test]
fn texts_that_pyarrow_keeps_are_named() {
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused");
    for (file, said) in [
        ("texts_in_a_column", "column `NAME` holds texts; columns of numbers and datetimes are read"),
        ("texts_as_labels", "its index holds texts among its labels; integers are read"),
        ("a_column_without_a_name", "its columns have a name that is missing or damaged; strings are read"),
    ] {
        let error = read(&files.join(format!("pandas-3.1.1-pyarrow-{file}.pkl"))).unwrap_err().to_string();
        assert!(error.ends_with(said), "{error}");
    }
}

/// Columns of numbers that are not read are named with their dtype, in a block of objects and in a buffer, through gzip
/// or not.
#[test]
fn a_dtype_that_is_not_read_is_named_with_its_columns() {
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused");
    for (file, said) in [
        ("pandas-2.2.3-half_floats", "it has columns `HALF`, `LOW` of dtype float16; "),
        ("pandas-3.1.1-pyarrow-half_floats", "it has columns `HALF`, `LOW` of dtype float16; "),
        ("pandas-3.1.1-pyarrow-complex_numbers", "it has column `Z` of dtype complex128; "),
    ] {
        let bytes = std::fs::read(files.join(format!("{file}.pkl"))).unwrap();
        for bytes in [&gzip(&bytes), &bytes] {
            let error = read_bytes(bytes).unwrap_err().to_string();
            assert!(error.contains(said), "{file}: {error}");
        }
    }
}

/// Of many columns of one dtype, the first ones are named.
#[test]
fn many_columns_of_a_dtype_that_is_not_read_are_counted() {
    let columns = (0..12).map(|number| Column::float64(format!("F{number}"), vec![0.5; 3])).collect();
    let bytes = to_bytes(&Table::new(columns, Index::range(3)).unwrap());
    let at = bytes.windows(4).position(|window| window == b"\x8c\x02f8").expect("the block's dtype is there");
    let halves = [&bytes[..at], b"\x8c\x02f2", &bytes[at + 4..]].concat();
    let error = read_bytes(&halves).unwrap_err().to_string();
    assert!(error.contains("columns `F0`, `F1`, `F2` and 9 more of dtype float16; "), "{error}");
}

/// Zeros may pad the members of a gzip file, as on tape and as Python takes them; nothing else may follow.
#[test]
fn zeros_may_pad_gzip() {
    let table = sample(2000);
    let bytes = to_bytes(&table);
    let (head, rest) = bytes.split_at(1000);
    let zeros = vec![0; 200_000];
    let padded = [&gzip(head), &zeros[..7], &gzip(rest), &zeros].concat();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.pkl.gz");
    std::fs::write(&path, &padded).unwrap();
    assert_eq!(read(&path).unwrap(), table);
    assert_eq!(read_bytes(&padded).unwrap(), table);
    let whole = gzip(&bytes);
    for garbage in [&b"x"[..], b"\0\0x", b"\0\x1f", b"\0\x1f\x8b"] {
        assert!(read_bytes(&[&whole, garbage].concat()).is_err(), "{garbage:?}");
    }
}

/// No hostile file takes more memory than 16 times its size and 64 MiB, and none ends the process or holds it up.
#[test]
fn no_hostile_file_takes_more_memory_than_its_size_allows() {
    // Most take milliseconds, and those that unpack to hundreds of megabytes a second at most.
    const LONGEST: Duration = Duration::from_secs(5);
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in hostile_files().into_iter().chain(hostile_frames()) {
        let path = directory.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let Reading { said, peak_bytes, cpu } = read_in_a_child(&path);
        assert!(said.starts_with("refused"), "{name}: {said}");
        let limit_bytes = 16 * bytes.len() as u64 + (64 << 20);
        assert!(peak_bytes <= limit_bytes, "{name}: {peak_bytes} bytes for a file of {}: {said}", bytes.len());
        assert!(cpu <= LONGEST, "{name}: {cpu:?} for a file of {} bytes: {said}", bytes.len());
    }
}

/// Not a test of its own: what the tests above start in a process of its own.
#[test]
fn child() {
    support::child::child();
}

fn hostile_files() -> Vec<(&'static str, Vec<u8>)> {
    let many = 3_000_000;
    let huge = b"\x8a\x06\0\0\0\0\0\x01";
    let huge_pair = [&huge[..], huge, b"\x86"].concat();
    let huge_rows = [&huge[..], b"K\0\x86"].concat();
    let huge_length = [&b"K\x04"[..], huge, b"\x86"].concat();
    vec![
        ("nested_tuples", with(b"\x80\x04N", b"\x85", many, b".")),
        ("nested_lists", with(b"\x80\x04", b"]", many, &b"a".repeat(many))),
        ("marks", with(b"\x80\x04", b"(", many, b".")),
        ("nones", with(b"\x80\x04(", b"N", many, b"t.")),
        ("empty_tuples", with(b"\x80\x04", b")", many, b".")),
        ("empty_lists", with(b"\x80\x04", b"]", many, b".")),
        ("empty_dicts", with(b"\x80\x04", b"}", many, b".")),
        ("objects", with(b"\x80\x04cnumpy\ndtype\n\x94", b")h\0)R", many / 4, b".")),
        ("memo", with(b"\x80\x04N", b"\x94", many, b".")),
        ("memo_bomb", b"\x80\x04N\x94r\xff\xff\xff\xff.".to_vec()),
        ("memo_gaps", with(b"\x80\x04N", b"r\x00\x00\x20\x00", many / 5, b".")),
        ("laughs", laughs()),
        ("latin1_laughs", latin1_laughs()),
        ("strings", with(b"\x80\x04(", b"\x8c\x01a", many / 3, b"t.")),
        ("string_too_long", b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc".to_vec()),
        ("bytes_too_long", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc".to_vec()),
        ("byte_array_too_long", b"\x80\x05\x96\0\0\0\0\0\x01\0\0abc".to_vec()),
        ("long_too_long", b"\x80\x04\x8b\xff\xff\xff\xff1".to_vec()),
        ("frame_too_long", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.".to_vec()),
        ("array_of_2_80", [array("i8", &huge_pair), b"B\x08\0\0\0abcdefghtb.".to_vec()].concat()),
        ("array_of_2_42", [array("i8", &huge_length), b"B\x08\0\0\0abcdefghtb.".to_vec()].concat()),
        ("rows_2_40", [array("i8", &huge_rows), b"C\0tb.".to_vec()].concat()),
        ("object_rows_2_40", [array("O8", &huge_rows), b"]tb.".to_vec()].concat()),
        ("objects_2_42", [array("O8", &huge_length), b"](K\x01K\x02etb.".to_vec()].concat()),
        ("many_arrays", with(&array("i8", b"K\x02\x85"), b"C\x10abcdefghabcdefghtb0", 1, b".")),
        ("gzip_of_zeros", gzip(&vec![0; 100 << 20])),
        ("gzip_of_nones", gzip(&with(b"\x80\x04(", b"N", 50 << 20, b"t."))),
        (
            "gzip_of_array",
            gzip(
                &[
                    array("i8", &[&b"J\0\0\0\x02\x85"[..]].concat()),
                    with(b"B\0\0\0\x10", &[0; 1024], 256 << 10, b"tb."),
                ]
                .concat(),
            ),
        ),
        (
            "gzip_of_buffer",
            gzip(&with(
                b"\x80\x05cnumpy.core.numeric\n_frombuffer\n(\x96\0\0\0\x10\0\0\0\0",
                &[0; 1024],
                256 << 10,
                b".",
            )),
        ),
        ("gzip_of_objects", gzip(&[array("O8", b"J\0\0\0\x0c\x85"), with(b"](", b"N", 200 << 20, b"etb.")].concat())),
        ("honest_head", {
            let mut bytes = to_bytes(&sample(200_000));
            let at = bytes.len() - 40;
            bytes.truncate(at);
            bytes
        }),
    ]
}

/// Files whose opcodes say little, and of which a table is made that is large.
fn hostile_frames() -> Vec<(&'static str, Vec<u8>)> {
    const FROM_BUFFER: &[u8] = b"\x80\x05cnumpy.core.numeric\n_frombuffer\n\x94";
    let name_of_a_mib = [&b"X\0\0\x10\0"[..], &vec![b'a'; 1 << 20], b"\x94"].concat();
    let many = 300_000;
    let short_names =
        (0..many).flat_map(|name| format!("\u{8c}\u{6}{name:06x}").chars().map(|c| c as u8).collect::<Vec<_>>());
    vec![
        ("empty_arrays", {
            // A buffer of nothing and its shape, 65536 rows of no elements; then the same call again and again.
            let dtype = b"(\x96\0\0\0\0\0\0\0\0cnumpy\ndtype\n\x8c\x02i8\x89\x88\x87R(K\x03\x8c\x01<NNNK\0K\0K\0tb";
            let shape = b"J\0\0\x01\0K\0\x86\x8c\x01Ct\x94";
            with(&[FROM_BUFFER, dtype, shape].concat(), b"h\0h\x01R0", 300, b".")
        }),
        ("gzip_of_small_buffers", {
            // Each is kept for itself until its shape is known.
            gzip(&with(FROM_BUFFER, b"h\0(\x96\x01\0\0\0\0\0\0\0x10", 60_000, b"."))
        }),
        ("columns_of_one_name", frame(1001, &with(&name_of_a_mib, b"h\0", 1000, b""), b")")),
        ("a_large_block_again_and_again", {
            // Of a dictionary of 100,000 entries the first two are looked for as often.
            let block = with(b"}(\x8c\x06valuesN\x8c\x08mgr_locsN", b"NN", 100_000, b"u");
            let blocks = with(&[b"](", &block[..]].concat(), b"2", 100_000, b"e");
            let head = b"\x80\x04cpandas.core.frame\nDataFrame\n)\x81}\x8c\x04_mgr";
            let state = b"cpandas.core.internals\nBlockManager\n)\x81(NNN}\x8c\x060.14.1}\x8c\x04axes]s\x8c\x06blocks";
            [&head[..], state, &blocks, b"sstbsb."].concat()
        }),
        ("many_columns", frame(many, &short_names.collect::<Vec<_>>(), b")")),
    ]
}

/// A frame without rows, whose `count` names of columns and whose blocks are what these opcodes leave.
fn frame(count: u32, names: &[u8], blocks: &[u8]) -> Vec<u8> {
    let shape = [&b"J"[..], &count.to_le_bytes(), b"\x85"].concat();
    [
        b"\x80\x04cpandas.core.frame\nDataFrame\n)\x81}\x8c\x04_mgrcpandas.core.internals.managers\nBlockManager\n",
        blocks,
        b"](cpandas.core.indexes.base\n_new_Index\ncpandas.core.indexes.base\nIndex\n}\x8c\x04data",
        &array("O8", &shape)[2..],
        b"](",
        names,
        b"etbs\x86Rcpandas.core.indexes.base\n_new_Index\ncpandas.core.indexes.range\nRangeIndex\n}\x86Re\x86Rsb.",
    ]
    .concat()
}

/// An array of this element type and shape up to its elements; `tb` follows them.
fn array(code: &str, shape: &[u8]) -> Vec<u8> {
    [
        b"\x80\x04cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01",
        shape,
        b"cnumpy\ndtype\n\x8c\x02",
        code.as_bytes(),
        b"\x89\x88\x87R(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89",
    ]
    .concat()
}

fn with(head: &[u8], piece: &[u8], count: usize, tail: &[u8]) -> Vec<u8> {
    [head, &piece.repeat(count), tail].concat()
}

/// Lists that hold the list before them ten times.
fn laughs() -> Vec<u8> {
    let mut bytes = b"\x80\x04]\x94Na".to_vec();
    for index in 0..100_u8 {
        bytes.extend_from_slice(b"]\x94(");
        bytes.extend([b'h', index].repeat(10));
        bytes.push(b'e');
    }
    bytes.push(b'.');
    bytes
}

/// A text of a MiB that is encoded again and again.
fn latin1_laughs() -> Vec<u8> {
    let mut bytes = b"\x80\x04c_codecs\nencode\n\x94X\0\0\x10\0".to_vec();
    bytes.extend(std::iter::repeat_n(b'a', 1 << 20));
    bytes.extend_from_slice(b"\x8c\x06latin1\x86\x94");
    bytes.extend(b"h\0h\x01R".repeat(100_000));
    bytes.push(b'.');
    bytes
}

fn pandas_global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n)\x20.").into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The same pickle without its frames, whose lengths are wrong once something in them has been replaced.
fn without_frames(bytes: &[u8]) -> Vec<u8> {
    assert_eq!(bytes[2], 0x95, "a frame comes first");
    [&bytes[..2], &bytes[11..]].concat()
}

fn sample(rows: usize) -> Table {
    let ints = |high: i64| (0..rows as i64).map(|row| row * 7919 % high).collect::<Vec<_>>();
    let columns = vec![
        Column::int64("TRANSACTION_ID", ints(1 << 40)),
        Column::object("CUSTOMER_ID", ints(5000)),
        Column::object("TX_TIME_SECONDS", ints(86_400_000)),
        Column::float64("TX_AMOUNT", ints(10_000).into_iter().map(|cents| cents as f64 / 100.0).collect()),
        Column::datetime_ns("TX_DATETIME", ints(1 << 50)),
    ];
    Table::new(columns, Index::int64(ints(1 << 30))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any single byte changed gives a table or an error.
    #[test]
    fn a_changed_byte_does_no_harm(at in 0_usize..2000, byte in any::<u8>(), compressed in any::<bool>()) {
        let mut bytes = to_bytes(&sample(20));
        if compressed {
            bytes = gzip(&bytes);
        }
        let length = bytes.len();
        bytes[at % length] = byte;
        drop(read_bytes(&bytes));
        drop(decode(&bytes));
    }

    /// Opcodes in any order give a value or an error.
    #[test]
    fn opcodes_in_any_order_do_no_harm(soup in proptest::collection::vec(opcode(), 0..200)) {
        let bytes = [b"\x80\x04".to_vec(), soup.concat(), b".".to_vec()].concat();
        drop(read_bytes(&bytes));
        drop(decode(&bytes));
    }

    /// Any bytes give a value or an error.
    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(read_bytes(&bytes));
        drop(decode(&bytes));
    }
}

/// An opcode with a likely argument, or a few that belong together.
fn opcode() -> impl Strategy<Value = Vec<u8>> {
    let plain = b"(.012JNRabegst})]u\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94".to_vec();
    prop_oneof![
        4 => proptest::sample::select(plain).prop_map(|opcode| vec![opcode]),
        2 => any::<u8>().prop_map(|value| vec![b'K', value]),
        1 => any::<u8>().prop_map(|index| vec![b'h', index % 16]),
        1 => any::<u8>().prop_map(|index| vec![b'q', index % 16]),
        1 => any::<[u8; 3]>().prop_map(|bytes| [&b"C\x03"[..], &bytes[..]].concat()),
        1 => any::<[u8; 8]>().prop_map(|bytes| [&b"C\x08"[..], &bytes[..]].concat()),
        1 => Just(b"\x8c\x05index".to_vec()),
        1 => Just(b"cnumpy\ndtype\n\x8c\x02i8\x89\x88\x87R(K\x03\x8c\x01<NNNK\0K\0K\0tb".to_vec()),
        1 => Just(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01K\x02\x85".to_vec()),
        1 => Just(b"cpandas.core.frame\nDataFrame\n)\x81}\x8c\x04_mgr".to_vec()),
    ]
}
