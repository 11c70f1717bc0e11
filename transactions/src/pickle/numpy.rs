//! numpy's arrays and scalars as pickled values: made, and read back.
//!
//! What is made loads in numpy 1 and 2: the names are those of numpy 1, which numpy 2 still answers to. What is read
//! may be of either, and of any protocol.

use thiserror::Error;

use super::element::{Element, Kind};
use super::{Object, Value};

/// The module under which numpy 1 and 2 both find what rebuilds arrays.
const MULTIARRAY: &str = "numpy.core.multiarray";

/// An array's shape and its elements in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The length of each dimension; empty for an array of one element without dimension.
    pub shape: Vec<usize>,
    /// The elements, the last dimension running fastest.
    pub data: Data,
}

/// An array's elements. Narrower types are widened.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Integers and booleans.
    Int(Vec<i64>),
    /// Floats.
    Float(Vec<f64>),
}

impl Array {
    /// The elements as floats; integers beyond 2^53 are rounded.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            Data::Int(values) => values.iter().map(|&value| value as f64).collect(),
            Data::Float(values) => values.clone(),
        }
    }
}

/// Why a value is no array of numbers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("failed to read a numpy array: {0}")]
pub struct NumpyError(String);

/// A `float64` array of this shape, elements in C order.
///
/// # Panics
/// When the shape asks for another number of elements.
pub fn array_f64(shape: &[usize], values: &[f64]) -> Value {
    array("f8", shape, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// An `int64` array of this shape, elements in C order.
///
/// # Panics
/// When the shape asks for another number of elements.
pub fn array_i64(shape: &[usize], values: &[i64]) -> Value {
    array("i8", shape, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// A `numpy.float64`.
pub fn scalar_f64(value: f64) -> Value {
    scalar("f8", value.to_le_bytes().to_vec())
}

/// A `numpy.int64`.
pub fn scalar_i64(value: i64) -> Value {
    scalar("i8", value.to_le_bytes().to_vec())
}

/// The dtype of a code: `f8` or `i8`.
pub fn dtype(code: &str) -> Value {
    let args = vec![Value::str(code), Value::Bool(false), Value::Bool(true)];
    let state = [Value::Int(3), Value::str("<"), Value::None, Value::None, Value::None]
        .into_iter()
        .chain([Value::Int(-1), Value::Int(-1), Value::Int(0)])
        .collect();
    Object { state: Some(Value::Tuple(state)), ..Object::call(Value::global("numpy", "dtype"), args) }.into()
}

/// Reads an array, as [`array_f64`] and numpy make it.
///
/// # Errors
/// When the value is no array, its elements are no numbers, or there are more or fewer than its shape says.
pub fn read_array(value: &Value) -> Result<Array, NumpyError> {
    let parts = Parts::of(value)?;
    let element = read_dtype(parts.dtype)?;
    let count = parts.shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length));
    let size_bytes = count.and_then(|count| count.checked_mul(element.size_bytes));
    if size_bytes != Some(parts.bytes.len()) {
        return Err(NumpyError(format!("{} bytes do not fill its shape {:?}", parts.bytes.len(), parts.shape)));
    }
    let elements = || parts.bytes.chunks_exact(element.size_bytes);
    let beyond = || NumpyError("an element is beyond 64 bits".to_owned());
    let data = match element.kind {
        Kind::Float => {
            let values = elements().filter_map(|bytes| element.float(bytes)).collect();
            Data::Float(in_c_order(values, &parts))
        }
        Kind::Object | Kind::Datetime => return Err(NumpyError("its elements are no numbers".to_owned())),
        _ => {
            let values = elements().map(|bytes| element.int(bytes)).collect::<Option<_>>();
            Data::Int(in_c_order(values.ok_or_else(beyond)?, &parts))
        }
    };
    Ok(Array { shape: parts.shape, data })
}

/// Reads a float: Python's, numpy's, or an int of either, rounded if beyond 2^53.
pub fn read_f64(value: &Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(*value),
        Value::Int(value) => Some(*value as f64),
        _ => read_scalar(value).and_then(|(element, bytes)| element.float(bytes)),
    }
}

/// Reads an int: Python's or numpy's.
pub fn read_i64(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(*value),
        _ => read_scalar(value).and_then(|(element, bytes)| element.int(bytes)),
    }
}

/// Whether a module's name is numpy's `core` module of this name, in numpy 1 or 2.
pub(crate) fn is_core(module: &str, name: &str) -> bool {
    let rest = module.strip_prefix("numpy.core.").or_else(|| module.strip_prefix("numpy._core."));
    rest == Some(name)
}

fn array(code: &str, shape: &[usize], count: usize, bytes: Vec<u8>) -> Value {
    assert_eq!(shape.iter().product::<usize>(), count, "an array of shape {shape:?} has other elements");
    let args = vec![Value::global("numpy", "ndarray"), Value::Tuple(vec![Value::Int(0)]), Value::Bytes(b"b".to_vec())];
    let shape = shape.iter().map(|&length| Value::Int(length as i64)).collect();
    let state = vec![Value::Int(1), Value::Tuple(shape), dtype(code), Value::Bool(false), Value::Bytes(bytes)];
    let object = Object::call(Value::global(MULTIARRAY, "_reconstruct"), args);
    Object { state: Some(Value::Tuple(state)), ..object }.into()
}

fn scalar(code: &str, bytes: Vec<u8>) -> Value {
    Object::call(Value::global(MULTIARRAY, "scalar"), vec![dtype(code), Value::Bytes(bytes)]).into()
}

/// What an array's pickle says.
struct Parts<'a> {
    shape: Vec<usize>,
    dtype: &'a Value,
    fortran: bool,
    bytes: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(value: &'a Value) -> Result<Parts<'a>, NumpyError> {
        let no_array = || NumpyError("the value is none".to_owned());
        let object = value.as_object().ok_or_else(no_array)?;
        let Value::Global { module, name } = &object.callable else { return Err(no_array()) };
        let (shape, dtype, fortran, bytes) = match (name.as_str(), &object.args, &object.state) {
            ("_reconstruct", _, Some(Value::Tuple(state))) if is_core(module, "multiarray") => match &state[..] {
                [_, shape, dtype, Value::Bool(fortran), bytes] => (shape, dtype, *fortran, bytes),
                _ => return Err(NumpyError("its state is not version 1".to_owned())),
            },
            ("_frombuffer", Value::Tuple(args), None) if is_core(module, "numeric") => match &args[..] {
                [bytes, dtype, shape, Value::Str(order)] => (shape, dtype, order == "F", bytes),
                _ => return Err(no_array()),
            },
            _ => return Err(no_array()),
        };
        let (Value::Bytes(bytes) | Value::ByteArray(bytes)) = bytes else {
            return Err(NumpyError("its elements are objects".to_owned()));
        };
        let shape = match shape {
            Value::Tuple(shape) => shape.iter().map(|length| length.as_int().and_then(|n| n.try_into().ok())).collect(),
            _ => None,
        };
        Ok(Parts {
            shape: shape.ok_or_else(|| NumpyError("its shape makes no sense".to_owned()))?,
            dtype,
            fortran,
            bytes,
        })
    }
}

fn read_dtype(value: &Value) -> Result<Element, NumpyError> {
    let unknown = || NumpyError("its dtype is not one of numbers".to_owned());
    let object = value.as_object().filter(|object| object.callable.is_global("numpy", "dtype")).ok_or_else(unknown)?;
    let (Value::Tuple(args), state) = (&object.args, &object.state) else { return Err(unknown()) };
    let code = args.first().and_then(Value::as_str).ok_or_else(unknown)?;
    let order = match state {
        Some(Value::Tuple(state)) => state.get(1).and_then(Value::as_str),
        _ => None,
    };
    Element::parse(code, order).ok_or_else(unknown)
}

fn read_scalar(value: &Value) -> Option<(Element, &[u8])> {
    let object = value.as_object()?;
    let Value::Global { module, name } = &object.callable else { return None };
    if name != "scalar" || !is_core(module, "multiarray") {
        return None;
    }
    match &object.args {
        Value::Tuple(args) => match &args[..] {
            [dtype, Value::Bytes(bytes)] => Some((read_dtype(dtype).ok()?, bytes)),
            _ => None,
        },
        _ => None,
    }
}

/// Fortran order has the first dimension running fastest.
fn in_c_order<T: Copy>(values: Vec<T>, parts: &Parts) -> Vec<T> {
    if !parts.fortran || parts.shape.len() < 2 || values.is_empty() {
        return values;
    }
    let mut position = vec![0; parts.shape.len()];
    let mut ordered = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let at = position.iter().zip(&parts.shape).rev().fold(0, |at, (&index, &length)| at * length + index);
        ordered.push(values[at]);
        for (index, &length) in position.iter_mut().zip(&parts.shape).rev() {
            *index += 1;
            if *index < length {
                break;
            }
            *index = 0;
        }
    }
    ordered
}
