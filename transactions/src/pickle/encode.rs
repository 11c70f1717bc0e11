//! From a tree of values to a pickle of protocol 4.

use std::collections::HashMap;

use super::opcode as op;
use super::{Object, Value};

/// Writes a value as a pickle of protocol 4: the same bytes for the same value, always.
///
/// Strings and globals that come again are fetched from the memo; other values are written as often as they occur.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut emitter = Emitter { bytes: Vec::new(), strings: HashMap::new(), globals: HashMap::new(), memo_count: 0 };
    emitter.value(value);
    emitter.bytes.push(op::STOP);
    let body = emitter.bytes;
    let mut bytes = Vec::with_capacity(body.len() + 11);
    bytes.extend_from_slice(&[op::PROTO, 4]);
    // Python writes no frame shorter than 4 bytes.
    if body.len() >= 4 {
        bytes.push(op::FRAME);
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    }
    bytes.extend_from_slice(&body);
    bytes
}

struct Emitter<'a> {
    bytes: Vec<u8>,
    strings: HashMap<&'a str, u32>,
    globals: HashMap<(&'a str, &'a str), u32>,
    memo_count: u32,
}

impl<'a> Emitter<'a> {
    fn value(&mut self, value: &'a Value) {
        match value {
            Value::None => self.bytes.push(op::NONE),
            Value::Bool(true) => self.bytes.push(op::NEWTRUE),
            Value::Bool(false) => self.bytes.push(op::NEWFALSE),
            Value::Int(value) => int(&mut self.bytes, *value),
            Value::BigInt(bytes) => self.big_int(bytes),
            Value::Float(value) => {
                self.bytes.push(op::BINFLOAT);
                self.bytes.extend_from_slice(&value.to_be_bytes());
            }
            Value::Str(text) => self.str(text),
            Value::Bytes(bytes) => blob(&mut self.bytes, [op::SHORT_BINBYTES, op::BINBYTES, op::BINBYTES8], bytes),
            Value::ByteArray(bytes) => self.byte_array(bytes),
            Value::List(items) => {
                self.bytes.push(op::EMPTY_LIST);
                self.batch(items, op::APPENDS);
            }
            Value::Tuple(items) => self.tuple(items),
            Value::Dict(entries) => {
                self.bytes.push(op::EMPTY_DICT);
                self.entries(entries);
            }
            Value::Set(items) => {
                self.bytes.push(op::EMPTY_SET);
                self.batch(items, op::ADDITEMS);
            }
            Value::FrozenSet(items) => {
                self.bytes.push(op::MARK);
                items.iter().for_each(|item| self.value(item));
                self.bytes.push(op::FROZENSET);
            }
            Value::Global { module, name } => self.global(module, name),
            Value::Object(object) => self.object(object),
        }
    }

    fn str(&mut self, text: &'a str) {
        if let Some(&index) = self.strings.get(text) {
            return self.fetch(index);
        }
        blob(&mut self.bytes, [op::SHORT_BINUNICODE, op::BINUNICODE, op::BINUNICODE8], text.as_bytes());
        let index = self.memoize();
        self.strings.insert(text, index);
    }

    fn global(&mut self, module: &'a str, name: &'a str) {
        if let Some(&index) = self.globals.get(&(module, name)) {
            return self.fetch(index);
        }
        self.str(module);
        self.str(name);
        self.bytes.push(op::STACK_GLOBAL);
        let index = self.memoize();
        self.globals.insert((module, name), index);
    }

    fn memoize(&mut self) -> u32 {
        self.bytes.push(op::MEMOIZE);
        self.memo_count += 1;
        self.memo_count - 1
    }

    fn fetch(&mut self, index: u32) {
        match u8::try_from(index) {
            Ok(index) => self.bytes.extend_from_slice(&[op::BINGET, index]),
            Err(_) => {
                self.bytes.push(op::LONG_BINGET);
                self.bytes.extend_from_slice(&index.to_le_bytes());
            }
        }
    }

    fn big_int(&mut self, digits: &[u8]) {
        match u8::try_from(digits.len()) {
            Ok(length) => self.bytes.extend_from_slice(&[op::LONG1, length]),
            Err(_) => {
                self.bytes.push(op::LONG4);
                self.bytes.extend_from_slice(&(digits.len() as u32).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(digits);
    }

    /// Protocol 4 has no opcode for it: `bytearray(bytes)`.
    fn byte_array(&mut self, bytes: &[u8]) {
        self.global("builtins", "bytearray");
        blob(&mut self.bytes, [op::SHORT_BINBYTES, op::BINBYTES, op::BINBYTES8], bytes);
        self.bytes.extend_from_slice(&[op::TUPLE1, op::REDUCE]);
    }

    fn tuple(&mut self, items: &'a [Value]) {
        if items.len() > 3 {
            self.bytes.push(op::MARK);
        }
        items.iter().for_each(|item| self.value(item));
        self.bytes.push(match items.len() {
            0 => op::EMPTY_TUPLE,
            1 => op::TUPLE1,
            2 => op::TUPLE2,
            3 => op::TUPLE3,
            _ => op::TUPLE,
        });
    }

    fn batch(&mut self, items: &'a [Value], end: u8) {
        if !items.is_empty() {
            self.bytes.push(op::MARK);
            items.iter().for_each(|item| self.value(item));
            self.bytes.push(end);
        }
    }

    fn entries(&mut self, entries: &'a [(Value, Value)]) {
        if !entries.is_empty() {
            self.bytes.push(op::MARK);
            for (key, value) in entries {
                self.value(key);
                self.value(value);
            }
            self.bytes.push(op::SETITEMS);
        }
    }

    fn object(&mut self, object: &'a Object) {
        self.value(&object.callable);
        self.value(&object.args);
        if let Some(kwargs) = &object.kwargs {
            self.value(kwargs);
        }
        self.bytes.push(match (object.new, &object.kwargs) {
            (_, Some(_)) => op::NEWOBJ_EX,
            (true, None) => op::NEWOBJ,
            (false, None) => op::REDUCE,
        });
        self.batch(&object.items, op::APPENDS);
        self.entries(&object.entries);
        if let Some(state) = &object.state {
            self.value(state);
            self.bytes.push(op::BUILD);
        }
    }
}

/// An int in its shortest form, as Python's pickler chooses it.
pub(crate) fn int(bytes: &mut Vec<u8>, value: i64) {
    if let Ok(value) = u8::try_from(value) {
        bytes.extend_from_slice(&[op::BININT1, value]);
    } else if let Ok(value) = u16::try_from(value) {
        bytes.push(op::BININT2);
        bytes.extend_from_slice(&value.to_le_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        bytes.push(op::BININT);
        bytes.extend_from_slice(&value.to_le_bytes());
    } else {
        let wide = value.to_le_bytes();
        // Bytes that only repeat the sign are left out.
        let redundant = if value < 0 { (!value).leading_zeros() } else { value.leading_zeros() } - 1;
        let length = 8 - (redundant / 8) as usize;
        bytes.extend_from_slice(&[op::LONG1, length as u8]);
        bytes.extend_from_slice(&wide[..length]);
    }
}

/// Bytes or text under the shortest of three opcodes: with a length of 1, 4 or 8 bytes.
pub(crate) fn blob(bytes: &mut Vec<u8>, opcodes: [u8; 3], content: &[u8]) {
    blob_head(bytes, opcodes, content.len());
    bytes.extend_from_slice(content);
}

/// What comes before the content of [`blob`].
pub(crate) fn blob_head(bytes: &mut Vec<u8>, opcodes: [u8; 3], length: usize) {
    if let Ok(length) = u8::try_from(length) {
        bytes.extend_from_slice(&[opcodes[0], length]);
    } else if let Ok(length) = u32::try_from(length) {
        bytes.push(opcodes[1]);
        bytes.extend_from_slice(&length.to_le_bytes());
    } else {
        bytes.push(opcodes[2]);
        bytes.extend_from_slice(&(length as u64).to_le_bytes());
    }
}
