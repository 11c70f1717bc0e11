//! A DataFrame in the terms of its pickle: blocks of one dtype, their places, and two axes.
//!
//! What is called is what pandas 1.5 to 2.2 have in common: `_unpickle_block` for a block, `_new_Index` for an axis,
//! numpy's `_reconstruct` for an array. Datetimes go out as a plain array, which pandas wraps as it loads it.

use std::io::{self, Write};

use crate::pickle::opcode as op;
use crate::table::{Column, Dtype, Index, IndexKind, Table, Values};

use super::emitter::{Emitter, Words};

const MULTIARRAY: &str = "numpy.core.multiarray";

/// Writes the whole pickle.
pub(super) fn write<W: Write>(out: &mut W, table: &Table) -> io::Result<()> {
    let mut emitter = Emitter::begin(out)?;
    emitter.global("pandas.core.frame", "DataFrame");
    emitter.ops(&[op::EMPTY_TUPLE, op::NEWOBJ, op::EMPTY_DICT, op::MARK]);
    emitter.str("_mgr");
    manager(&mut emitter, table)?;
    emitter.str("_typ");
    emitter.str("dataframe");
    emitter.str("_metadata");
    emitter.ops(&[op::EMPTY_LIST]);
    emitter.str("attrs");
    emitter.ops(&[op::EMPTY_DICT]);
    emitter.str("_flags");
    emitter.ops(&[op::EMPTY_DICT]);
    emitter.str("allows_duplicate_labels");
    emitter.ops(&[op::NEWTRUE, op::SETITEM, op::SETITEMS, op::BUILD]);
    emitter.end()
}

fn manager<W: Write>(emitter: &mut Emitter<W>, table: &Table) -> io::Result<()> {
    emitter.global("pandas.core.internals.managers", "BlockManager");
    emitter.ops(&[op::MARK]);
    // A column of objects is a block like the others: it may hold ints or floats, both are lists of objects.
    for dtype in [Dtype::Float64, Dtype::Int64, Dtype::Object, Dtype::DatetimeNs] {
        let of_dtype = |(_, column): &(usize, &Column)| column.dtype() == dtype;
        let columns: Vec<(usize, &Column)> = table.columns().iter().enumerate().filter(of_dtype).collect();
        if !columns.is_empty() {
            block(emitter, dtype, &columns, table.rows())?;
        }
    }
    emitter.ops(&[op::TUPLE, op::EMPTY_LIST, op::MARK]);
    names(emitter, table)?;
    index(emitter, table.index())?;
    emitter.ops(&[op::APPENDS, op::TUPLE2, op::REDUCE]);
    Ok(())
}

/// `_unpickle_block(array, places, 2)`.
fn block<W: Write>(
    emitter: &mut Emitter<W>,
    dtype: Dtype,
    columns: &[(usize, &Column)],
    rows: usize,
) -> io::Result<()> {
    emitter.global("pandas._libs.internals", "_unpickle_block");
    let shape = [columns.len(), rows];
    if dtype == Dtype::Object {
        array_head(emitter, "O8", &shape);
        let objects = columns.iter().flat_map(|(_, column)| objects(column.values()));
        emitter.list(objects, |frame, object| match object {
            Object::Int(value) => crate::pickle::int(frame, value),
            Object::Float(value) => {
                frame.push(op::BINFLOAT);
                frame.extend_from_slice(&value.to_be_bytes());
            }
        })?;
    } else {
        array_head(emitter, if dtype == Dtype::DatetimeNs { "M8" } else { code(dtype) }, &shape);
        emitter.words(columns.iter().map(|(_, column)| words(column.values())))?;
    }
    emitter.ops(&[op::TUPLE, op::BUILD]);
    places(emitter, columns)?;
    emitter.int(2);
    emitter.ops(&[op::TUPLE3, op::REDUCE]);
    Ok(())
}

fn code(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Int64 => "i8",
        Dtype::Float64 => "f8",
        Dtype::Object => "O8",
        Dtype::DatetimeNs => "M8",
    }
}

enum Object {
    Int(i64),
    Float(f64),
}

fn objects(values: &Values) -> impl Iterator<Item = Object> + '_ {
    let ints = values.as_int().unwrap_or_default().iter().map(|&value| Object::Int(value));
    let floats = values.as_float().unwrap_or_default().iter().map(|&value| Object::Float(value));
    ints.chain(floats)
}

fn words(values: &Values) -> Words<'_> {
    match values {
        Values::Int(values) => Words::Ints(values),
        Values::Float(values) => Words::Floats(values),
    }
}

/// A slice where the columns are evenly spaced, as pandas keeps it, else their numbers.
fn places<W: Write>(emitter: &mut Emitter<W>, columns: &[(usize, &Column)]) -> io::Result<()> {
    let places: Vec<i64> = columns.iter().map(|(place, _)| *place as i64).collect();
    let step = if let [first, second, ..] = places[..] { second - first } else { 1 };
    if places.windows(2).all(|pair| pair[1] - pair[0] == step) {
        emitter.global("builtins", "slice");
        emitter.int(places[0]);
        emitter.int(places[0] + step * places.len() as i64);
        emitter.int(step);
        emitter.ops(&[op::TUPLE3, op::REDUCE]);
        return Ok(());
    }
    array_head(emitter, "i8", &[places.len()]);
    emitter.words(std::iter::once(Words::Ints(&places)))?;
    emitter.ops(&[op::TUPLE, op::BUILD]);
    Ok(())
}

/// An array up to its elements; TUPLE and BUILD follow them.
fn array_head<W: Write>(emitter: &mut Emitter<W>, code: &str, shape: &[usize]) {
    emitter.global(MULTIARRAY, "_reconstruct");
    emitter.global("numpy", "ndarray");
    emitter.int(0);
    emitter.ops(&[op::TUPLE1]);
    emitter.short_bytes(b"b");
    emitter.ops(&[op::TUPLE3, op::REDUCE, op::MARK]);
    emitter.int(1);
    shape.iter().for_each(|&length| emitter.int(length as i64));
    emitter.ops(&[if shape.len() == 1 { op::TUPLE1 } else { op::TUPLE2 }]);
    dtype(emitter, code);
    emitter.ops(&[op::NEWFALSE]);
}

fn dtype<W: Write>(emitter: &mut Emitter<W>, code: &str) {
    emitter.global("numpy", "dtype");
    emitter.str(code);
    emitter.ops(&[op::NEWFALSE, op::NEWTRUE, op::TUPLE3, op::REDUCE, op::MARK]);
    let is_datetime = code == "M8";
    emitter.int(if is_datetime { 4 } else { 3 });
    emitter.str(if code == "O8" { "|" } else { "<" });
    emitter.ops(&[op::NONE, op::NONE, op::NONE]);
    emitter.int(-1);
    emitter.int(-1);
    // numpy's flags of an object dtype: its elements are counted, must be initialised, and need Python.
    emitter.int(if code == "O8" { 63 } else { 0 });
    if is_datetime {
        emitter.ops(&[op::EMPTY_DICT, op::MARK]);
        emitter.short_bytes(b"ns");
        emitter.int(1);
        emitter.int(1);
        emitter.int(1);
        emitter.ops(&[op::TUPLE, op::TUPLE2]);
    }
    emitter.ops(&[op::TUPLE, op::BUILD]);
}

fn names<W: Write>(emitter: &mut Emitter<W>, table: &Table) -> io::Result<()> {
    new_index(emitter, "pandas.core.indexes.base", "Index");
    emitter.str("data");
    array_head(emitter, "O8", &[table.columns().len()]);
    emitter.list(table.columns().iter(), |frame, column| {
        let opcodes = [op::SHORT_BINUNICODE, op::BINUNICODE, op::BINUNICODE8];
        crate::pickle::blob(frame, opcodes, column.name().as_bytes());
    })?;
    emitter.ops(&[op::TUPLE, op::BUILD]);
    name(emitter, table.columns_name());
    Ok(())
}

fn index<W: Write>(emitter: &mut Emitter<W>, index: &Index) -> io::Result<()> {
    if index.kind() == IndexKind::Range {
        let (start, step) = index.start_and_step().unwrap_or((0, 1));
        new_index(emitter, "pandas.core.indexes.range", "RangeIndex");
        for (bound, value) in [("start", start), ("stop", start + step * index.len() as i64), ("step", step)] {
            emitter.str(bound);
            emitter.int(value);
        }
    } else {
        new_index(emitter, "pandas.core.indexes.base", "Index");
        emitter.str("data");
        array_head(emitter, if index.kind() == IndexKind::Object { "O8" } else { "i8" }, &[index.len()]);
        match (index.kind(), index.values()) {
            (IndexKind::Object, _) => emitter.ints(index.iter())?,
            (_, Some(values)) => emitter.words(std::iter::once(Words::Ints(values)))?,
            (_, None) => {
                let (start, step) = index.start_and_step().unwrap_or((0, 1));
                emitter.words(std::iter::once(Words::Even { start, step, len: index.len() }))?;
            }
        }
        emitter.ops(&[op::TUPLE, op::BUILD]);
    }
    name(emitter, index.name());
    Ok(())
}

/// `_new_Index(class, {…})` up to the attributes; [`name`] ends it.
fn new_index<W: Write>(emitter: &mut Emitter<W>, module: &str, class: &str) {
    emitter.global("pandas.core.indexes.base", "_new_Index");
    emitter.global(module, class);
    emitter.ops(&[op::EMPTY_DICT, op::MARK]);
}

fn name<W: Write>(emitter: &mut Emitter<W>, name: Option<&str>) {
    emitter.str("name");
    emitter.optional_str(name);
    emitter.ops(&[op::SETITEMS, op::TUPLE2, op::REDUCE]);
}
