//! numpy's element types, as their pickles name them and as pandas prints them, and how one element's bytes become a
//! number.

use std::fmt;

use super::error::printable;

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub kind: Kind,
    pub size_bytes: usize,
    pub big_endian: bool,
}

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Unsigned,
    Float,
    Bool,
    Object,
    /// `datetime64`, whose unit is in the dtype's state.
    Datetime,
}

impl Element {
    /// By a dtype's code (`f8`, `<i8`, `O8`, `M8`, …) and its byte order (`<`, `>`, `|`, `=`).
    pub(crate) fn parse(code: &str, order: Option<&str>) -> Option<Element> {
        let (prefix, code) = match code.split_at_checked(1) {
            Some((prefix @ ("<" | ">" | "|" | "="), code)) => (Some(prefix), code),
            _ => (None, code),
        };
        let big_endian = order.or(prefix) == Some(">");
        let (kind, size_bytes) = match code {
            "i1" => (Kind::Int, 1),
            "i2" => (Kind::Int, 2),
            "i4" => (Kind::Int, 4),
            "i8" => (Kind::Int, 8),
            "u1" => (Kind::Unsigned, 1),
            "u2" => (Kind::Unsigned, 2),
            "u4" => (Kind::Unsigned, 4),
            "u8" => (Kind::Unsigned, 8),
            "f4" => (Kind::Float, 4),
            "f8" => (Kind::Float, 8),
            "b1" => (Kind::Bool, 1),
            "O" | "O4" | "O8" => (Kind::Object, 8),
            "M8" => (Kind::Datetime, 8),
            _ => return None,
        };
        Some(Element { kind, size_bytes, big_endian })
    }

    /// Whether the bytes in a file are those of an `i64` or `f64` in this machine's memory.
    pub(crate) fn is_native_word(self) -> bool {
        self.size_bytes == 8 && self.kind != Kind::Object && self.big_endian == cfg!(target_endian = "big")
    }

    /// The integer in an element's bytes; `None` for floats, objects and what an `i64` cannot hold.
    pub(crate) fn int(self, bytes: &[u8]) -> Option<i64> {
        let word = self.word(bytes)?;
        match self.kind {
            Kind::Int | Kind::Datetime => {
                let unused_bits = 64 - 8 * self.size_bytes as u32;
                Some((word << unused_bits) as i64 >> unused_bits)
            }
            Kind::Unsigned => i64::try_from(word).ok(),
            Kind::Bool => Some(i64::from(word != 0)),
            Kind::Float | Kind::Object => None,
        }
    }

    /// The number in an element's bytes as a float; integers beyond 2^53 are rounded.
    pub(crate) fn float(self, bytes: &[u8]) -> Option<f64> {
        let word = self.word(bytes)?;
        match (self.kind, self.size_bytes) {
            (Kind::Float, 8) => Some(f64::from_bits(word)),
            (Kind::Float, _) => Some(f32::from_bits(word as u32).into()),
            (Kind::Unsigned, _) => Some(word as f64),
            _ => self.int(bytes).map(|value| value as f64),
        }
    }

    fn word(self, bytes: &[u8]) -> Option<u64> {
        let mut word = [0; 8];
        word[..self.size_bytes].copy_from_slice(bytes.get(..self.size_bytes)?);
        if self.big_endian {
            word[..self.size_bytes].reverse();
        }
        Some(u64::from_le_bytes(word))
    }
}

/// What numpy calls a dtype whose elements are none of the above, by its code: `f2` is `float16`.
pub(crate) fn foreign_name(code: &str) -> String {
    let size_bytes: Option<u16> = code.get(1..).and_then(|size_bytes| size_bytes.parse().ok());
    match (code.chars().next(), size_bytes) {
        (Some('f'), Some(size_bytes @ ..64)) => format!("float{}", 8 * size_bytes),
        (Some('c'), Some(size_bytes @ ..64)) => format!("complex{}", 8 * size_bytes),
        (Some('m'), Some(8)) => "timedelta64".to_owned(),
        _ => printable(code),
    }
}

/// What the dtype of a column is in its file, shown as pandas prints it: `int8`, `datetime64[us]`, or `>i4` where the
/// bytes are the other way round than on most machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileDtype {
    pub element: Element,
    /// What a datetime's unit is in ns.
    pub unit_ns: i64,
}

impl fmt::Display for FileDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(i64, &str); 4] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
        let Element { kind, size_bytes, big_endian } = self.element;
        let (word, code) = match kind {
            Kind::Int => ("int", 'i'),
            Kind::Unsigned => ("uint", 'u'),
            Kind::Float => ("float", 'f'),
            Kind::Bool => return f.write_str("bool"),
            Kind::Object => return f.write_str("object"),
            Kind::Datetime => {
                let (unit_ns, unit) = UNITS.into_iter().find(|(ns, _)| self.unit_ns % ns == 0).unwrap_or((1, "ns"));
                let multiple = Some(self.unit_ns / unit_ns).filter(|&multiple| multiple != 1);
                let multiple = multiple.map_or(String::new(), |multiple| multiple.to_string());
                return write!(f, "datetime64[{multiple}{unit}]");
            }
        };
        if big_endian && size_bytes > 1 {
            return write!(f, ">{code}{size_bytes}");
        }
        write!(f, "{word}{}", 8 * size_bytes)
    }
}
