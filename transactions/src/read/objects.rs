//! An array of Python objects on its way from the file into one vector for each of its rows.
//!
//! The tutorial keeps four of its columns as Python ints, an opcode each. They are read in a loop of their own,
//! straight from the source's window into the column.

use crate::pickle::error::PickleError;
use crate::pickle::heap::{Heap, ITEM_COST, Item};
use crate::pickle::machine::damaged;
use crate::pickle::opcode as op;
use crate::pickle::source::Source;

use super::memory::reserve;
use super::rows::{Cells, Layout, Row, Rows, TOO_FEW, TOO_MANY};
use super::runs::{LONGEST_BYTES, Stop, take_floats, take_ints};

/// Integers up to here are exact as floats.
const EXACT: i64 = 1 << 53;

/// A list of objects that is being read, row after row.
pub(crate) struct ObjectList {
    rows: Rows,
    expected_rows: usize,
}

impl ObjectList {
    pub(crate) fn new(heap: &Heap, layout: &Layout) -> Result<ObjectList, PickleError> {
        let mut rows = layout.empty(heap)?;
        if layout.row_length == 0 {
            rows.rows.extend((0..layout.rows).map(|_| Row { cells: Cells::Items(Vec::new()), defect: None }));
        }
        Ok(ObjectList { rows, expected_rows: layout.rows })
    }

    /// Reads the elements of a batch as far as they are ints, floats and `None`; true when it has read its end, too.
    pub(crate) fn batch(&mut self, heap: &Heap, source: &mut Source) -> Result<bool, PickleError> {
        loop {
            while source.window().len() < LONGEST_BYTES {
                if source.fill()? == 0 {
                    return Ok(false);
                }
            }
            match source.window()[0] {
                op::APPENDS => {
                    source.advance(1);
                    return Ok(true);
                }
                op::FRAME => {
                    source.advance(9);
                    continue;
                }
                _ => {}
            }
            let row_length = self.rows.row_length;
            let Some(cells) = self.open_row(heap)? else { return Ok(false) };
            let mut window = source.window();
            let before = window.len();
            let stop = match cells {
                Cells::Ints(ints) => take_ints(&mut window, ints, row_length),
                Cells::Floats(floats) => take_floats(&mut window, floats, row_length),
                Cells::Items(_) | Cells::Even { .. } => Stop::Other,
            };
            let used = before - window.len();
            source.advance(used);
            match stop {
                Stop::Window | Stop::Row => {}
                Stop::Batch => return Ok(true),
                Stop::Other => {
                    // A missing value or a float turns a row of ints into one of floats, if they are exact as such.
                    let next = source.window()[0];
                    let Cells::Ints(ints) = cells else { return Ok(false) };
                    if !matches!(next, op::NONE | op::BINFLOAT) || !all_exact(ints) {
                        return Ok(false);
                    }
                    to_floats(cells);
                }
            }
        }
    }

    /// Takes elements one by one, of any kind.
    pub(crate) fn append(&mut self, heap: &Heap, items: &[Item]) -> Result<(), PickleError> {
        for &item in items {
            let row_length = self.rows.row_length;
            let cells = self.open_row(heap)?.ok_or(damaged(TOO_MANY))?;
            match (&mut *cells, item) {
                (Cells::Ints(ints), Item::Int(value)) => ints.push(value),
                (Cells::Floats(floats), Item::Float(value)) => floats.push(value),
                (Cells::Floats(floats), Item::None) => floats.push(f64::NAN),
                (Cells::Floats(floats), Item::Int(value)) if is_exact(value) => floats.push(value as f64),
                (Cells::Ints(ints), Item::Float(_) | Item::None) if all_exact(ints) => {
                    to_floats(cells);
                    let Cells::Floats(floats) = cells else { return Err(damaged(TOO_MANY)) };
                    floats.push(if let Item::Float(value) = item { value } else { f64::NAN });
                }
                (Cells::Items(items), item) => items.push(item),
                _ => {
                    heap.charge(row_length as u64 * ITEM_COST)?;
                    to_items(cells, row_length);
                    let Cells::Items(items) = cells else { return Err(damaged(TOO_MANY)) };
                    items.push(item);
                }
            }
        }
        Ok(())
    }

    /// The rows, when all elements have come.
    pub(crate) fn finish(&mut self) -> Result<&mut Rows, PickleError> {
        let full = self.rows.rows.last().is_none_or(|row| length(&row.cells) == self.rows.row_length);
        if self.rows.rows.len() == self.expected_rows && full { Ok(&mut self.rows) } else { Err(damaged(TOO_FEW)) }
    }

    /// The row that the next element belongs to; `None` when all are full.
    fn open_row(&mut self, heap: &Heap) -> Result<Option<&mut Cells>, PickleError> {
        let Rows { rows, row_length, .. } = &mut self.rows;
        if rows.last().is_none_or(|row| length(&row.cells) == *row_length) {
            if rows.len() == self.expected_rows {
                return Ok(None);
            }
            heap.charge(8 * *row_length as u64)?;
            rows.push(Row { cells: Cells::Ints(reserve(*row_length)?), defect: None });
        }
        Ok(rows.last_mut().map(|row| &mut row.cells))
    }
}

fn is_exact(value: i64) -> bool {
    (-EXACT..=EXACT).contains(&value)
}

fn all_exact(ints: &[i64]) -> bool {
    ints.iter().all(|&value| is_exact(value))
}

/// Turns a row of ints into one of floats, in the memory it has.
fn to_floats(cells: &mut Cells) {
    if let Cells::Ints(ints) = cells {
        *cells = Cells::Floats(std::mem::take(ints).into_iter().map(|value| value as f64).collect());
    }
}

/// Turns a row of numbers into one of any objects.
fn to_items(cells: &mut Cells, row_length: usize) {
    let mut items = Vec::with_capacity(row_length);
    match cells {
        Cells::Ints(ints) => items.extend(ints.iter().map(|&value| Item::Int(value))),
        Cells::Floats(floats) => items.extend(floats.iter().map(|&value| Item::Float(value))),
        Cells::Items(_) | Cells::Even { .. } => return,
    }
    *cells = Cells::Items(items);
}

fn length(cells: &Cells) -> usize {
    match cells {
        Cells::Ints(ints) => ints.len(),
        Cells::Floats(floats) => floats.len(),
        Cells::Items(items) => items.len(),
        Cells::Even { len, .. } => *len,
    }
}
