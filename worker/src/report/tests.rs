//! What the report's grammar takes, what it refuses, and that writing and reading agree.

use proptest::prelude::*;

use super::*;

/// The entry that the tutorial's page shows.
const UPSTREAM: &str = "\
*****************************************************
Report generated on: 2022-02-09 14:19:42.303619
Training dataset: 2018-04-04.pkl
Model checkpoint: model_cpt_2018-04-04.pkl
---
Accuracy on training data: 0.9981112277019937
Accuracy on testing data: 0.9977204434773599

";

#[test]
fn upstreams_sample_parses_and_is_written_back_byte_for_byte() {
    let report = Report::parse(UPSTREAM).unwrap();
    assert_eq!(report.entries.len(), 1);
    let entry = report.entry("2018-04-04.pkl").unwrap();
    assert_eq!(entry.training_accuracy.to_bits(), (9512.0_f64 / 9530.0).to_bits());
    assert_eq!(entry.testing_accuracy.to_bits(), (9629.0_f64 / 9651.0).to_bits());
    assert_eq!(report.to_string(), UPSTREAM);
}

#[test]
fn an_empty_text_is_a_report_without_entries() {
    assert_eq!(Report::parse("").unwrap(), Report::default());
    assert_eq!(Report::default().to_string(), "");
}

#[test]
fn a_report_cut_off_anywhere_inside_an_entry_is_refused() {
    let two = UPSTREAM.repeat(2);
    for end in 1..two.len() {
        let parsed = Report::parse(&two[..end]);
        assert_eq!(parsed.is_ok(), end == UPSTREAM.len(), "cut at {end}: {parsed:?}");
    }
}

#[test]
fn each_broken_line_is_named_by_its_number() {
    let lines: Vec<&str> = UPSTREAM.lines().collect();
    for (index, replacement) in [
        (0, "****************************************************"),
        (1, "Report generated on: 2022-02-30 14:19:42.303619"),
        (1, "Report generated on: 2022-02-09T14:19:42.303619"),
        (1, "Report generated on: yesterday"),
        (2, "Training dataset: "),
        (2, "Training dataset: datasets/training/2018-04-04.pkl"),
        (3, "Model checkpoint:model_cpt_2018-04-04.pkl"),
        (4, "----"),
        (5, "Accuracy on training data: nan"),
        (5, "Accuracy on training data: 1.1"),
        (5, "Accuracy on training data: -0.0"),
        (6, "Accuracy on testing data: 0.99 "),
        (6, "Accuracy on training data: 0.99"),
        (7, "more"),
    ] {
        let mut broken = lines.clone();
        broken[index] = replacement;
        let error = Report::parse(&(UPSTREAM.to_string() + &broken.join("\n") + "\n")).unwrap_err();
        assert_eq!(error.line, 9 + index, "{replacement}: {error}");
    }
}

#[test]
fn windows_line_ends_are_refused() {
    assert_eq!(Report::parse(&UPSTREAM.replace('\n', "\r\n")).unwrap_err().line, 1);
}

#[test]
fn the_message_says_what_was_wanted_and_what_was_there() {
    let error = Report::parse(&UPSTREAM.replace("0.99772", "x.99772")).unwrap_err();
    insta::assert_snapshot!(error, @"failed to read the report: line 7: expected `Accuracy on testing data: ` and a number from 0 to 1, found `Accuracy on testing data: x.9977204434773599`");
    let torn = Report::parse(&UPSTREAM[..60]).unwrap_err();
    insta::assert_snapshot!(torn, @"failed to read the report: line 2: expected `Report generated on: ` and a date and time, found `Report` without an end of line");
    let short = Report::parse(&UPSTREAM[..54]).unwrap_err();
    insta::assert_snapshot!(short, @"failed to read the report: line 2: expected `Report generated on: ` and a date and time, found the end of the text");
}

#[test]
fn figures_are_printed_as_python_prints_them() {
    for (number, text) in [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (0.5, "0.5"),
        (0.0001, "0.0001"),
        (0.00005, "5e-05"),
        (1.25e-7, "1.25e-07"),
        (3e-100, "3e-100"),
        (0.1 + 0.2, "0.30000000000000004"),
    ] {
        assert_eq!(python_repr(number), text);
    }
}

#[test]
fn a_timestamp_has_six_digits_and_parses_and_pythons_whole_second_parses_too() {
    let at = jiff::civil::date(2026, 1, 2).at(3, 4, 5, 6_000_999);
    assert_eq!(timestamp(at), "2026-01-02 03:04:05.006000");
    assert!(is_timestamp(&timestamp(at)));
    assert!(is_timestamp("2026-01-02 03:04:05"));
    assert!(!is_timestamp("2026-01-02 03:04:05.123"));
}

#[test]
fn names_that_would_break_the_grammar_are_not_file_names() {
    for name in ["", ".", "..", "a/b.pkl", "a\nb.pkl", "a\r.pkl", " a.pkl", "a.pkl ", "a\u{2028}.pkl"] {
        assert!(!is_file_name(name), "{name:?}");
    }
    assert!(is_file_name("2018-04-04.pkl") && is_file_name("день 1.pkl"));
}

fn entries() -> impl Strategy<Value = Entry> {
    let time = (1900i16..2200, 1i8..=12, 1i8..=28, 0i8..24, 0i8..60, 0i8..60, 0i32..1_000_000).prop_map(
        |(year, month, day, hour, minute, second, micros)| {
            timestamp(jiff::civil::date(year, month, day).at(hour, minute, second, micros * 1000))
        },
    );
    let name = "[^/]{1,12}".prop_filter("a file name", |name| is_file_name(name));
    let accuracy = || {
        prop_oneof![
            0.0..=1.0,
            (1u32..20_000, 1u32..20_000).prop_map(|(a, b)| f64::from(a.min(b)) / f64::from(a.max(b))),
            0.0..=1e-4
        ]
    };
    (time, name.clone(), name, accuracy(), accuracy()).prop_map(
        |(generated_on, dataset, checkpoint, training_accuracy, testing_accuracy)| Entry {
            generated_on,
            dataset,
            checkpoint,
            training_accuracy,
            testing_accuracy,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(entries in prop::collection::vec(entries(), 0..5)) {
        let report = Report { entries };
        let text = report.to_string();
        let read = Report::parse(&text).unwrap();
        prop_assert_eq!(&read, &report);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(\\*{53}\n|Report generated on: |Training dataset: |[ -~]|\n|---\n){0,12}") {
        let _ = Report::parse(&text);
    }
}
