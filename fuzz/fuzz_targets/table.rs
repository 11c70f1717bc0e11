#![no_main]
//! Any bytes are a table or an error: no panic, no abort, bounded memory.
//!
//! Beyond that, two ways of reading must agree: from memory, where the reader can go back and knows what is left, and
//! through gzip, where it cannot. And a table that was read must come back when it is written and read again.

use flate2::Crc;
use fuzz::bounded;
use libfuzzer_sys::fuzz_target;
use transactions::pickle::Fault;
use transactions::{ContentError, ReadError, read_bytes, to_bytes};

fuzz_target!(|bytes: &[u8]| {
    let table = bounded(bytes.len(), || read_bytes(bytes));
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        let packed = gzip(bytes);
        let unpacked = bounded(packed.len(), || read_bytes(&packed));
        let agree = match (&table, &unpacked) {
            (Ok(table), Ok(unpacked)) => table == unpacked,
            (Ok(_), Err(error)) | (Err(error), Ok(_)) => is_too_large(error),
            (Err(_), Err(_)) => true,
        };
        assert!(agree, "from memory: {table:?}\nthrough gzip: {unpacked:?}");
    }
    if let Ok(table) = table {
        match read_bytes(&to_bytes(&table)) {
            Ok(again) => assert!(again == table, "read: {table:?}\nwritten and read again: {again:?}"),
            Err(error) => panic!("read: {table:?}\nwritten and read again: {error}"),
        }
    }
});

/// Stored rather than compressed (RFC 1952, and 1951, 3.2.4), which would cost more time than the reading.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    const STORED_BYTES: usize = 0xffff;
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    for piece in bytes.chunks(STORED_BYTES) {
        let length = piece.len() as u16;
        packed.push(0);
        packed.extend_from_slice(&length.to_le_bytes());
        packed.extend_from_slice(&(!length).to_le_bytes());
        packed.extend_from_slice(piece);
    }
    packed.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    let mut checksum = Crc::new();
    checksum.update(bytes);
    packed.extend_from_slice(&checksum.sum().to_le_bytes());
    packed.extend_from_slice(&checksum.amount().to_le_bytes());
    packed
}

/// How much memory an input may take goes by its size, which gzip changes.
fn is_too_large(error: &ReadError) -> bool {
    match error {
        ReadError::Pickle { source, .. } => matches!(source.fault(), Fault::TooLarge),
        ReadError::Content { source, .. } => *source == ContentError::TooLarge,
        _ => false,
    }
}
