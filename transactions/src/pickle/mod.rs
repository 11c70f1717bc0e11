//! Pickles as data: an evaluator that never calls what a file names, and an emitter.
//!
//! [`decode`] reads protocols 2 to 5 whatever objects they hold: a constructor and what it is called with come out as
//! an [`Object`], by name. [`encode`] writes such values as protocol 4, the same bytes for the same value. What numpy
//! objects look like in these terms is in [`numpy`].

mod decode;
pub(crate) mod element;
mod encode;
pub(crate) mod error;
mod gzip;
pub(crate) mod heap;
mod host;
pub(crate) mod machine;
pub mod numpy;
pub(crate) mod opcode;
pub(crate) mod source;
#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::encode;
pub(crate) use encode::{blob, blob_head, int};
pub use error::{Fault, PickleError};

/// How deep values may be nested in what [`decode`] returns, and in what [`encode`] takes without danger.
pub const DEEPEST: usize = 256;

/// A Python value.
///
/// A value that a pickle refers to several times comes out as often: identity is not kept. Equality compares floats
/// by their bits, so that a NaN equals itself.
#[derive(Clone, Debug)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int` of up to 64 bits.
    Int(i64),
    /// A larger `int`: two's complement, least significant byte first.
    BigInt(Vec<u8>),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Str(String),
    /// A `bytes`.
    Bytes(Vec<u8>),
    /// A `bytearray`.
    ByteArray(Vec<u8>),
    /// A `list`.
    List(Vec<Value>),
    /// A `tuple`.
    Tuple(Vec<Value>),
    /// A `dict`, in its order.
    Dict(Vec<(Value, Value)>),
    /// A `set`, in the order of the pickle.
    Set(Vec<Value>),
    /// A `frozenset`, in the order of the pickle.
    FrozenSet(Vec<Value>),
    /// A class or function, by its name.
    Global {
        /// The module, `numpy.core.multiarray` say. Protocol 2's names of Python 2 are turned into today's.
        module: String,
        /// The name in the module.
        name: String,
    },
    /// An instance, by how it is made.
    Object(Box<Object>),
}

/// How an instance is made: a call, the state it is given, and what is added to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// What is called.
    pub callable: Value,
    /// The positional arguments: a tuple.
    pub args: Value,
    /// The keyword arguments, a dictionary, if any. Only with `new`.
    pub kwargs: Option<Value>,
    /// Whether `callable` is a class whose `__new__` is called (NEWOBJ), rather than called itself (REDUCE).
    pub new: bool,
    /// What `__setstate__` is called with, or the attributes: BUILD.
    pub state: Option<Value>,
    /// What is appended: APPENDS.
    pub items: Vec<Value>,
    /// What is set under keys: SETITEMS.
    pub entries: Vec<(Value, Value)>,
}

impl Object {
    /// The object that calling `callable` with the arguments makes.
    pub fn call(callable: Value, args: Vec<Value>) -> Object {
        let args = Value::Tuple(args);
        Object { callable, args, kwargs: None, new: false, state: None, items: Vec::new(), entries: Vec::new() }
    }

    /// A new instance of a class that takes no arguments, under the given state.
    pub fn instance(class: Value, state: Value) -> Object {
        Object { new: true, state: Some(state), ..Object::call(class, Vec::new()) }
    }

    /// The attribute of an instance whose state is a dictionary.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.state.as_ref()?.get(name)
    }
}

impl Value {
    /// A class or function of a module.
    pub fn global(module: impl Into<String>, name: impl Into<String>) -> Value {
        Value::Global { module: module.into(), name: name.into() }
    }

    /// A string.
    pub fn str(text: impl Into<String>) -> Value {
        Value::Str(text.into())
    }

    /// The value under a string key, if this is a dictionary; the last one, as Python keeps it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Value::Dict(entries) = self else { return None };
        entries.iter().rev().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The int, if it has at most 64 bits.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The parts of an instance.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether this is that class or function.
    pub fn is_global(&self, module: &str, name: &str) -> bool {
        matches!(self, Value::Global { module: m, name: n } if m == module && n == name)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Value {
        Value::Object(Box::new(object))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::None, Value::None) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::BigInt(a), Value::BigInt(b))
            | (Value::Bytes(a), Value::Bytes(b))
            | (Value::ByteArray(a), Value::ByteArray(b)) => a == b,
            (Value::List(a), Value::List(b))
            | (Value::Tuple(a), Value::Tuple(b))
            | (Value::Set(a), Value::Set(b))
            | (Value::FrozenSet(a), Value::FrozenSet(b)) => a == b,
            (Value::Dict(a), Value::Dict(b)) => a == b,
            (Value::Global { module: a, name: b }, Value::Global { module: c, name: d }) => a == c && b == d,
            (Value::Object(a), Value::Object(b)) => a == b,
            _ => false,
        }
    }
}
