//! The two axes of a frame: its columns' names and its rows' labels.

use crate::pickle::element::Kind;
use crate::pickle::heap::Item;
use crate::table::{Index, IndexKind};

use super::arrow;
use super::error::ContentError;
use super::frame::{Reader, describe};
use super::rows::{Cells, Row};

/// An index as its constructor is called: `_new_Index(class, attributes)`.
struct Axis<'a> {
    class: &'a str,
    attributes: Item,
    name: Option<String>,
}

/// The labels of the rows: a range, or integers of dtype `int64` or `object`.
pub(super) fn index(reader: &mut Reader, value: Item) -> Result<Index, ContentError> {
    let wrong = |what: &str| ContentError::Axis { axis: "index", what: what.to_owned() };
    let axis = open(reader, value, "index")?;
    let index = if axis.class == "RangeIndex" {
        let bound = |name: &str, default: i64| match reader.heap.entry(axis.attributes, name) {
            Some(Item::Int(value)) => Ok(value),
            None | Some(Item::None) => Ok(default),
            Some(_) => Err(wrong("is a range between what are no integers")),
        };
        range(bound("start", 0)?, bound("stop", 0)?, bound("step", 1)?)
            .ok_or_else(|| wrong("is a range that never ends"))?
    } else {
        let (kind, row) = data(reader, &axis, "index")?;
        let kind = match kind {
            Kind::Int => IndexKind::Int64,
            Kind::Object => IndexKind::Object,
            _ => return Err(wrong("is none of integers")),
        };
        match (row.cells, kind) {
            (Cells::Even { start, step, len }, _) => {
                Index::even(kind, start, step, len).ok_or_else(|| wrong("goes beyond 64 bits"))?
            }
            (Cells::Ints(values), IndexKind::Object) => Index::object(values),
            (Cells::Ints(values), _) => Index::int64(values),
            (Cells::Items(items), _) if items.is_empty() => Index::object(Vec::new()),
            (Cells::Items(items), _) => {
                let first = items.iter().find(|item| !matches!(item, Item::Int(_)));
                let what = first.map_or("values".to_owned(), |&item| describe(reader.heap, item));
                return Err(wrong(&format!("holds {what} among its labels; integers are read")));
            }
            (Cells::Floats(_), _) => return Err(wrong("holds floats or missing values; integers are read")),
        }
    };
    Ok(index.with_name(axis.name))
}

/// The names of the columns, which must be strings, and the name of their axis.
pub(super) fn names(reader: &mut Reader, value: Item) -> Result<(Vec<String>, Option<String>), ContentError> {
    let wrong = |what: String| ContentError::Axis { axis: "columns", what };
    let axis = open(reader, value, "columns")?;
    let unnamed = || wrong("are named by numbers; names that are strings are read".to_owned());
    if axis.class == "RangeIndex" {
        let empty = reader.heap.entry(axis.attributes, "stop") == Some(Item::Int(0));
        return if empty { Ok((Vec::new(), axis.name)) } else { Err(unnamed()) };
    }
    let heap = reader.heap;
    let keep = |name: &str| -> Result<String, ContentError> {
        // A text that a file has once may be the name of many columns; an allocation has its own head and rounding.
        let overhead_bytes = 32;
        heap.charge((size_of::<String>() + name.len() + overhead_bytes) as u64)?;
        Ok(name.to_owned())
    };
    if let Some(texts) = heap.entry(axis.attributes, "data").and_then(|data| arrow::texts(heap, data)) {
        return Ok((texts.into_iter().map(keep).collect::<Result<_, _>>()?, axis.name));
    }
    let (_, row) = data(reader, &axis, "columns")?;
    let items = match row.cells {
        Cells::Items(items) => items,
        Cells::Ints(values) if values.is_empty() => Vec::new(),
        Cells::Floats(values) if values.iter().any(|value| value.is_nan()) => {
            return Err(wrong("have None or NaN among their names; strings are read".to_owned()));
        }
        _ => return Err(unnamed()),
    };
    let name = |&item: &Item| {
        let foreign = || {
            // What pandas 3 makes of a name that is None.
            let is_nan = matches!(item, Item::Float(value) if value.is_nan());
            let what = if is_nan { "NaN".to_owned() } else { describe(heap, item) };
            wrong(format!("have {what} among their names; strings are read"))
        };
        keep(heap.str(item).ok_or_else(foreign)?)
    };
    Ok((items.iter().map(name).collect::<Result<_, _>>()?, axis.name))
}

fn open<'a>(reader: &Reader<'a>, value: Item, axis: &'static str) -> Result<Axis<'a>, ContentError> {
    let heap = reader.heap;
    let wrong = |what: &str| ContentError::Axis { axis, what: what.to_owned() };
    let unknown = || wrong("are none of a kind that is read");
    let call = heap.object(value).ok_or_else(unknown)?;
    if heap.global(call.callable) != Some(("pandas.core.indexes.base", "_new_Index")) {
        return Err(unknown());
    }
    let Some(&[class, attributes]) = heap.tuple(call.args) else { return Err(unknown()) };
    let class = match heap.global(class) {
        Some((_, class @ ("Index" | "Int64Index" | "RangeIndex"))) => class,
        _ => return Err(unknown()),
    };
    let name = match heap.entry(attributes, "name") {
        None | Some(Item::None) => None,
        Some(name) => Some(heap.str(name).ok_or_else(|| wrong("has a name that is no string"))?.to_owned()),
    };
    Ok(Axis { class, attributes, name })
}

/// The labels of an index that is no range.
fn data(reader: &mut Reader, axis: &Axis, which: &'static str) -> Result<(Kind, Row), ContentError> {
    let is_index = which == "index";
    let error = |what: &str| ContentError::Axis { axis: which, what: what.to_owned() };
    let wrong = || error(if is_index { "holds no array of labels" } else { "hold no array of labels" });
    let data = reader.heap.entry(axis.attributes, "data").ok_or_else(wrong)?;
    if arrow::is_texts(reader.heap, data) {
        let texts = "holds texts among its labels; integers are read";
        return Err(error(if is_index { texts } else { "have a name that is missing or damaged; strings are read" }));
    }
    let array = reader.array(data).ok_or_else(wrong)?;
    let array = reader.arrays.rows(array).map_err(|_| wrong())?;
    let kind = array.element.kind;
    let mut rows = std::mem::take(&mut array.rows);
    match (rows.pop(), rows.is_empty() && array.flat) {
        (Some(row), true) if row.defect.is_none() => Ok((kind, row)),
        _ => Err(wrong()),
    }
}

/// The labels from `start` on before `stop` is reached.
fn range(start: i64, stop: i64, step: i64) -> Option<Index> {
    let span = i128::from(stop) - i128::from(start);
    let step_wide = i128::from(step);
    let len = match step {
        0 => return None,
        1.. => (span.max(0) + step_wide - 1) / step_wide,
        _ => ((-span).max(0) - step_wide - 1) / -step_wide,
    };
    // One past the last label may exceed 64 bits where the stop does not, but for a step of one.
    Index::even(IndexKind::Range, start, step, usize::try_from(len).ok()?)
}
