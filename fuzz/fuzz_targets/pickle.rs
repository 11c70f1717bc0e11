#![no_main]
//! Any bytes are a value or an error: no panic, no abort, bounded memory. A value that was read must come back when it
//! is written and read again, and so must the bytes that were written. Only that a value, unfolded, is more than its
//! bytes may say again is no fault.

use fuzz::bounded;
use libfuzzer_sys::fuzz_target;
use transactions::pickle::{Fault, decode, encode, numpy};

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = bounded(bytes.len(), || decode(bytes)) else { return };
    // What the worker does with the values of a checkpoint.
    let _ = numpy::read_array(&value);
    let _ = numpy::read_f64(&value);
    let _ = numpy::read_i64(&value);
    let written = encode(&value);
    match bounded(written.len(), || decode(&written)) {
        Ok(again) => {
            assert!(again == value, "read: {value:?}\nwritten and read again: {again:?}");
            assert!(encode(&again) == written, "the same value has two forms: {value:?}");
        }
        Err(error) if matches!(error.fault(), Fault::TooLarge) => {}
        Err(error) => panic!("read: {value:?}\nwritten and read again: {error}"),
    }
});
