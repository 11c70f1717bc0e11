//! What a checkpoint keeps, and which bytes are none.

use transactions::pickle::numpy::array_f64;
use transactions::pickle::{Object, Value, encode};

use super::*;
use crate::model::{AMOUNT, CLASSES, FEATURES, Figures};

/// A checkpoint as the original writes it; `tests/fixtures/original.py` made it.
const ORIGINAL: &[u8] = include_bytes!("../../tests/fixtures/original.pkl");

fn checkpoint() -> Checkpoint {
    let mut model = Model { t: 9531.0, ..Model::untrained() };
    model.coef[1][AMOUNT] = 0.1 + 0.2;
    let figures = |shift| Figures::of(&[0, 1, 0, 3], &[0, 1, 1, 0], &[0.1, 0.9, 0.7 + shift, 0.3]);
    let metadata = Metadata {
        schema_version: SCHEMA_VERSION,
        dataset: "2018-04-03.pkl".into(),
        path: "datasets/training/2018-04-03.pkl".into(),
        dataset_sha256: "ab".repeat(32),
        test_sha256: "cd".repeat(32),
        seed: u64::MAX,
        parent: Some(Parent { file: "model_cpt_2018-04-04.pkl".into(), sha256: "ef".repeat(32) }),
        depth: 2,
        training: figures(0.0),
        testing: figures(0.3),
    };
    Checkpoint { model, metadata: Some(metadata) }
}

/// The attributes of the classifier in some checkpoint, changed, as bytes.
fn changed(bytes: &[u8], change: impl FnOnce(&mut Vec<(Value, Value)>)) -> Vec<u8> {
    let mut value = pickle::decode(bytes).unwrap();
    let Value::Object(object) = &mut value else { panic!("{value:?}") };
    let Some(Value::Dict(state)) = &mut object.state else { panic!("{object:?}") };
    change(state);
    encode(&value)
}

/// The same with one attribute replaced, or taken away.
fn with(bytes: &[u8], attribute: &str, value: Option<Value>) -> Vec<u8> {
    changed(bytes, |state| {
        state.retain(|(name, _)| name.as_str() != Some(attribute));
        state.extend(value.map(|value| (Value::str(attribute), value)));
    })
}

fn error(bytes: &[u8]) -> String {
    Checkpoint::from_bytes(bytes).unwrap_err().to_string()
}

#[test]
fn what_is_written_reads_back_to_the_last_bit_and_is_written_the_same_again() {
    for checkpoint in [checkpoint(), Checkpoint { metadata: None, ..checkpoint() }] {
        let bytes = checkpoint.to_bytes();
        let read = Checkpoint::from_bytes(&bytes).unwrap();
        assert_eq!(read, checkpoint);
        assert_eq!(read.to_bytes(), bytes);
        assert!(bytes.len() < 4096, "{} bytes", bytes.len());
    }
}

#[test]
fn a_checkpoint_of_the_original_is_read_without_metadata() {
    let Checkpoint { model, metadata } = Checkpoint::from_bytes(ORIGINAL).unwrap();
    assert_eq!(metadata, None);
    assert_eq!(model.t, 38349.0);
    assert_eq!((model.coef[0][1], model.intercept[3]), (106_829_745_596_626.81, -2.784_197_704_078_405));
}

#[test]
fn metadata_that_describes_another_model_is_left_out() {
    // What scikit-learn does when it goes on training: other numbers, the same attribute.
    let trained_on = with(&checkpoint().to_bytes(), "t_", Some(Value::Float(9532.0)));
    let read = Checkpoint::from_bytes(&trained_on).unwrap();
    assert_eq!((read.model.t, read.metadata), (9532.0, None));
}

#[test]
fn metadata_of_another_schema_or_with_figures_that_do_not_add_up_is_refused() {
    let mut newer = checkpoint();
    newer.metadata.as_mut().unwrap().schema_version = SCHEMA_VERSION + 1;
    insta::assert_snapshot!(error(&newer.to_bytes()), @"failed to read `checkpoint_metadata_` of the checkpoint: its schema version is 3, this program reads 2");
    let mut wrong = checkpoint();
    wrong.metadata.as_mut().unwrap().testing.accuracy = 1.0;
    insta::assert_snapshot!(error(&wrong.to_bytes()), @"failed to read `checkpoint_metadata_` of the checkpoint: its figures do not follow from its confusion matrix");
    let text = with(&checkpoint().to_bytes(), "checkpoint_metadata_", Some(Value::str("{}")));
    insta::assert_snapshot!(error(&text), @"failed to read `checkpoint_metadata_` of the checkpoint: missing field `model_sha256` at line 1 column 2");
    let number = with(&checkpoint().to_bytes(), "checkpoint_metadata_", Some(Value::Int(1)));
    insta::assert_snapshot!(error(&number), @"failed to read `checkpoint_metadata_` of the checkpoint: it is no text");
}

#[test]
fn bytes_cut_off_anywhere_are_an_error() {
    for bytes in [ORIGINAL, &checkpoint().to_bytes()] {
        for end in 0..bytes.len() {
            assert!(Checkpoint::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
        }
    }
    insta::assert_snapshot!(error(&ORIGINAL[..100]), @"failed to read the pickle at byte 100: it is cut off");
}

#[test]
fn any_byte_may_be_wrong_without_a_panic() {
    for place in 0..ORIGINAL.len() {
        for byte in [0, 1, 0x2e, 0x52, 0x7f, 0x94, 0xff] {
            let mut bytes = ORIGINAL.to_vec();
            bytes[place] = byte;
            if let Ok(read) = Checkpoint::from_bytes(&bytes) {
                assert!(read.model.is_finite(), "byte {place} as {byte}");
            }
        }
    }
}

#[test]
fn a_pickle_that_would_run_something_is_refused_by_its_name() {
    let system = |arg| Value::from(Object::call(Value::global("posix", "system"), vec![Value::str(arg)]));
    insta::assert_snapshot!(error(&encode(&system("true"))), @"failed to read the checkpoint: it asks for `posix.system`, which no checkpoint needs; nothing was run");
    let hidden = with(ORIGINAL, "random_state", Some(Value::List(vec![Value::None, system("true")])));
    insta::assert_snapshot!(error(&hidden), @"failed to read the checkpoint: it asks for `posix.system`, which no checkpoint needs; nothing was run");
    let named = with(ORIGINAL, "loss", Some(Value::global("builtins", "eval")));
    insta::assert_snapshot!(error(&named), @"failed to read the checkpoint: it asks for `builtins.eval`, which no checkpoint needs; nothing was run");
}

#[test]
fn other_objects_are_no_checkpoints() {
    insta::assert_snapshot!(error(&encode(&Value::Int(1))), @"failed to read the checkpoint: it holds a plain value, not an `SGDClassifier`");
    insta::assert_snapshot!(error(&encode(&array_f64(&[1], &[1.0]))), @"failed to read the checkpoint: it holds a `numpy.core.multiarray._reconstruct`, not an `SGDClassifier`");
}

#[test]
fn attributes_that_are_missing_or_of_another_shape_are_named() {
    for attribute in ["coef_", "intercept_", "classes_", "t_"] {
        assert_eq!(
            error(&with(ORIGINAL, attribute, None)),
            format!("failed to read `{attribute}` of the checkpoint: it is missing")
        );
    }
    let two_classes = with(ORIGINAL, "coef_", Some(array_f64(&[1, FEATURES], &[0.0; FEATURES])));
    insta::assert_snapshot!(error(&two_classes), @"failed to read `coef_` of the checkpoint: its shape is [1, 8], not [4, 8]");
    let other_classes = with(ORIGINAL, "classes_", Some(array_f64(&[CLASSES], &[0.0, 1.0, 2.0, 4.0])));
    insta::assert_snapshot!(error(&other_classes), @"failed to read `classes_` of the checkpoint: they are [0.0, 1.0, 2.0, 4.0], not 0 to 3");
    let less_than_one = with(ORIGINAL, "t_", Some(Value::Float(0.5)));
    insta::assert_snapshot!(error(&less_than_one), @"failed to read `t_` of the checkpoint: it is not a number from 1 on");
    let no_array = with(ORIGINAL, "intercept_", Some(Value::Int(0)));
    insta::assert_snapshot!(error(&no_array), @"failed to read `intercept_` of the checkpoint: failed to read a numpy array: the value is none");
    let other_names = with(ORIGINAL, "feature_names_in_", Some(Value::List(vec![])));
    insta::assert_snapshot!(error(&other_names), @"failed to read `feature_names_in_` of the checkpoint: they are not the names of the tutorial's columns, in their order");
    assert!(Checkpoint::from_bytes(&with(ORIGINAL, "feature_names_in_", None)).is_ok());
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut coef = [0.0; CLASSES * FEATURES];
        coef[17] = bad;
        let coef = with(ORIGINAL, "coef_", Some(array_f64(&[CLASSES, FEATURES], &coef)));
        assert!(matches!(Checkpoint::from_bytes(&coef), Err(CheckpointError::NotFinite { attribute: "coef_" })));
        let intercept = with(ORIGINAL, "intercept_", Some(array_f64(&[CLASSES], &[0.0, bad, 0.0, 0.0])));
        assert!(matches!(
            Checkpoint::from_bytes(&intercept),
            Err(CheckpointError::NotFinite { attribute: "intercept_" })
        ));
        assert!(Checkpoint::from_bytes(&with(ORIGINAL, "t_", Some(Value::Float(bad)))).is_err());
    }
}

#[test]
fn a_checkpoint_is_named_after_its_dataset() {
    assert_eq!(file_name("2018-04-01.pkl"), "model_cpt_2018-04-01.pkl");
    assert_eq!(file_name("2018-04-01.pkl.gz"), "model_cpt_2018-04-01.pkl");
    assert_eq!(file_name("odd"), "model_cpt_odd.pkl");
}
