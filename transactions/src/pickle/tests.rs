//! What the evaluator and the emitter promise, without any Python.

use super::*;

fn round_trip(value: Value) {
    let bytes = encode(&value);
    assert_eq!(decode(&bytes).unwrap(), value);
    assert_eq!(encode(&value), bytes);
}

#[test]
fn every_kind_of_value_comes_back() {
    let ints = [0, 1, 255, 256, 65535, 65536, -1, i64::from(i32::MIN), i64::from(i32::MAX) + 1, i64::MIN, i64::MAX];
    round_trip(Value::List(ints.into_iter().map(Value::Int).collect()));
    round_trip(Value::Tuple(vec![Value::None, Value::Bool(true), Value::Bool(false), Value::Float(f64::NAN)]));
    round_trip(Value::Dict(vec![(Value::str("a"), Value::str("a")), (Value::Int(1), Value::Bytes(vec![0, 255]))]));
    round_trip(Value::Set(vec![Value::Int(3)]));
    round_trip(Value::FrozenSet(vec![Value::Int(3), Value::str("ü")]));
    round_trip(Value::ByteArray(vec![1, 2, 3]));
    round_trip(Value::BigInt(vec![0, 0, 0, 0, 0, 0, 0, 0, 1]));
    round_trip(Value::Bytes(vec![7; 70_000]));
    round_trip(numpy::array_f64(&[2, 2], &[1.0, 2.0, 3.0, 4.0]));
    round_trip(
        Object {
            items: vec![Value::Int(1)],
            entries: vec![(Value::Int(1), Value::Int(2))],
            kwargs: Some(Value::Dict(Vec::new())),
            ..Object::instance(Value::global("a.b", "C"), Value::Dict(vec![(Value::str("x"), Value::None)]))
        }
        .into(),
    );
}

#[test]
fn numbers_of_numpy_come_back() {
    let array = numpy::read_array(&numpy::array_f64(&[3, 1], &[1.5, -0.0, 3.0])).unwrap();
    assert_eq!(array, numpy::Array { shape: vec![3, 1], data: numpy::Data::Float(vec![1.5, -0.0, 3.0]) });
    let array = numpy::read_array(&numpy::array_i64(&[0], &[])).unwrap();
    assert_eq!(array, numpy::Array { shape: vec![0], data: numpy::Data::Int(vec![]) });
    assert_eq!(numpy::read_f64(&numpy::scalar_f64(2.5)), Some(2.5));
    assert_eq!(numpy::read_i64(&numpy::scalar_i64(-7)), Some(-7));
}

#[test]
fn an_object_built_after_it_was_stored_is_built_wherever_it_is_fetched() {
    // x = C(); stored; (x, x) where the first is given its state.
    let value = decode(b"\x80\x02cm\nC\n)\x81q\x00K\x05bh\x00\x86.").unwrap();
    let Value::Tuple(items) = value else { panic!("a tuple") };
    assert_eq!(items[0].as_object().unwrap().state, Some(Value::Int(5)));
    assert_eq!(items[0], items[1]);
}

#[test]
fn a_value_inside_itself_is_refused() {
    let error = decode(b"\x80\x02]q\x00h\x00a.").unwrap_err();
    assert!(matches!(error.fault(), Fault::TooDeep { .. }), "{error}");
}

#[test]
fn a_million_nestings_are_refused_without_overflow() {
    let mut bytes = b"\x80\x04N".to_vec();
    bytes.extend(std::iter::repeat_n(b'\x85', 1_000_000));
    bytes.push(b'.');
    assert!(decode(&bytes).is_err());
    let bytes = vec![b'('; 1_000_000];
    assert!(decode(&bytes).is_err());
}

#[test]
fn a_few_bytes_that_unfold_without_end_are_refused() {
    let mut bytes = b"\x80\x04]\x94N\x61".to_vec();
    for index in 0..60 {
        // A list that holds the list before it ten times.
        bytes.extend_from_slice(b"]\x94(");
        bytes.extend([b'h', index].repeat(10));
        bytes.push(b'e');
    }
    bytes.push(b'.');
    let error = decode(&bytes).unwrap_err();
    assert!(matches!(error.fault(), Fault::TooLarge), "{error}");
}

#[test]
fn every_shorter_file_is_refused() {
    let bytes = encode(&numpy::array_f64(&[2, 2], &[1.0, 2.0, 3.0, 4.0]));
    for length in 0..bytes.len() {
        assert!(decode(&bytes[..length]).is_err(), "{length} bytes of {}", bytes.len());
    }
}

#[test]
fn what_needs_more_than_the_file_is_refused_by_what_it_needs() {
    for (bytes, said) in [
        (&b"\x80\x02Pid\n."[..], "an object outside the file"),
        (b"\x80\x05\x97.", "a buffer outside the file"),
        (b"\x80\x02\x82\x01.", "a registry outside the file"),
        (b"I1\n.", "protocol 0 or 1"),
        (b"\x80\x06N.", "newer than 5"),
        (b"", "cut off"),
        (b"\x80\x04\xff.", "no such opcode"),
    ] {
        let error = decode(bytes).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
