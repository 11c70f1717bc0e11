//! An array on its way from the file into one vector for each of its rows.
//!
//! A block of pandas is a matrix with a row for each of its columns. Its bytes go into the columns' own memory as they
//! come; what is in this machine's byte order and in C order goes there straight from the file.

use crate::pickle::element::{Element, Kind, foreign_name};
use crate::pickle::error::{Fault, PickleError};
use crate::pickle::heap::{Heap, Item};
use crate::pickle::machine::damaged;
use crate::pickle::source::Source;
use crate::table::{Index, IndexKind, NAT};

use super::memory::{read_words, reserve};

/// An array: as many rows as a block has columns.
pub(crate) struct Rows {
    pub element: Element,
    /// What a datetime's unit is in ns; 1 for numbers.
    pub unit_ns: i64,
    pub rows: Vec<Row>,
    pub row_length: usize,
    /// Whether the array has one dimension; it is kept as one row.
    pub flat: bool,
}

/// The values of one row.
pub(crate) struct Row {
    pub cells: Cells,
    /// The first value that does not fit, and why.
    pub defect: Option<(usize, &'static str)>,
}

/// Values in the narrowest form that holds them.
pub(crate) enum Cells {
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    /// Whatever objects, from a pickle's heap.
    Items(Vec<Item>),
    /// Evenly spaced integers.
    Even {
        start: i64,
        step: i64,
        len: usize,
    },
}

/// Shape and element type of an array, from the heap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub element: Element,
    pub unit_ns: i64,
    pub rows: usize,
    pub row_length: usize,
    pub flat: bool,
    pub fortran: bool,
}

impl Layout {
    /// What these parts of an array's state say; `None` when it is not one or two dimensions of known elements.
    pub(crate) fn of(heap: &Heap, shape: Item, dtype: Item, fortran: bool) -> Option<Layout> {
        let length = |item: &Item| match item {
            Item::Int(length) => usize::try_from(*length).ok(),
            _ => None,
        };
        let (rows, row_length, flat) = match heap.tuple(shape)? {
            [length_] => (1, length(length_)?, true),
            [rows, length_] => (length(rows)?, length(length_)?, false),
            _ => return None,
        };
        let (element, unit_ns) = element(heap, dtype)?;
        Some(Layout { element, unit_ns, rows, row_length, flat, fortran: fortran && !flat })
    }

    /// The number of elements.
    pub(crate) fn count(&self) -> Result<usize, PickleError> {
        self.rows.checked_mul(self.row_length).ok_or(PickleError::new(0, Fault::TooLarge))
    }

    /// The bytes of all elements in a file.
    pub(crate) fn size_bytes(&self) -> Result<u64, PickleError> {
        let size_bytes = self.count()?.checked_mul(self.element.size_bytes);
        size_bytes.map(|size_bytes| size_bytes as u64).ok_or(PickleError::new(0, Fault::TooLarge))
    }

    /// All rows, when they have no elements.
    pub(crate) fn without_elements(&self, heap: &Heap) -> Result<Rows, PickleError> {
        let mut rows = self.empty(heap)?;
        let cells = || match self.element.kind {
            Kind::Float => Cells::Floats(Vec::new()),
            Kind::Object => Cells::Items(Vec::new()),
            _ => Cells::Ints(Vec::new()),
        };
        rows.rows.extend((0..self.rows).map(|_| Row { cells: cells(), defect: None }));
        Ok(rows)
    }

    /// No rows yet, paid for.
    pub(crate) fn empty(&self, heap: &Heap) -> Result<Rows, PickleError> {
        heap.charge((self.rows as u64).saturating_mul(2 * size_of::<Row>() as u64))?;
        let Layout { element, unit_ns, row_length, flat, .. } = *self;
        Ok(Rows { element, unit_ns, rows: Vec::with_capacity(self.rows), row_length, flat })
    }
}

/// The element type of a pickled `numpy.dtype`, and its unit in ns.
fn element(heap: &Heap, dtype: Item) -> Option<(Element, i64)> {
    let object = heap.object(dtype)?;
    if heap.global(object.callable)? != ("numpy", "dtype") {
        return None;
    }
    let code = heap.str(*heap.tuple(object.args)?.first()?)?;
    let state = heap.tuple(object.state?)?;
    let element = Element::parse(code, heap.str(*state.get(1)?))?;
    if element.kind != Kind::Datetime {
        return Some((element, 1));
    }
    // The unit is in the last part of the state: metadata, then (name, multiple, …).
    let unit = heap.tuple(*heap.tuple(*state.get(8)?)?.get(1)?)?;
    let name = match heap.node(*unit.first()?)? {
        crate::pickle::heap::Node::Bytes(span) | crate::pickle::heap::Node::Str(span) => heap.bytes(*span),
        _ => return None,
    };
    let unit_ns: i64 = match name {
        b"ns" => 1,
        b"us" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        _ => return None,
    };
    match unit.get(1)? {
        Item::Int(multiple) if *multiple > 0 => Some((element, unit_ns.checked_mul(*multiple)?)),
        _ => None,
    }
}

/// What a pickled `numpy.dtype` is called whose elements are none that a table has.
pub(crate) fn foreign_dtype(heap: &Heap, dtype: Item) -> Option<String> {
    let object = heap.object(dtype).filter(|object| heap.global(object.callable) == Some(("numpy", "dtype")))?;
    let code = heap.str(*heap.tuple(object.args)?.first()?)?;
    element(heap, dtype).is_none().then(|| foreign_name(code))
}

impl Rows {
    /// Reads an array of numbers whose bytes come next in the source.
    pub(crate) fn read(heap: &Heap, source: &mut Source, layout: &Layout) -> Result<Rows, PickleError> {
        if !layout.element.is_native_word() || layout.fortran {
            let mut filler = Filler::new(heap, layout)?;
            source.pieces(layout.size_bytes()?, |piece| filler.feed(piece))?;
            return filler.finish();
        }
        let mut rows = layout.empty(heap)?;
        for _ in 0..layout.rows {
            heap.charge(8 * layout.row_length as u64)?;
            let mut defect = None;
            let cells = if layout.element.kind == Kind::Float {
                let mut floats = reserve(layout.row_length)?;
                read_words(source, &mut floats, layout.row_length)?;
                Cells::Floats(floats)
            } else if layout.flat && layout.element.kind != Kind::Unsigned {
                read_even(source, layout.row_length)?
            } else {
                let mut ints: Vec<i64> = reserve(layout.row_length)?;
                read_words(source, &mut ints, layout.row_length)?;
                if layout.element.kind == Kind::Unsigned {
                    defect = ints.iter().position(|&value| value < 0).map(|at| (at, BEYOND_63_BITS));
                }
                Cells::Ints(ints)
            };
            rows.rows.push(Row { cells, defect });
        }
        Ok(rows)
    }

    /// Datetimes in ns, if they are not yet: multiplies in place. A value beyond 64 bits becomes the row's defect.
    pub(crate) fn convert_to_ns(&mut self) {
        let unit_ns = std::mem::replace(&mut self.unit_ns, 1);
        if unit_ns == 1 {
            return;
        }
        for row in &mut self.rows {
            let Cells::Ints(values) = &mut row.cells else { continue };
            for (at, value) in values.iter_mut().enumerate().filter(|(_, value)| **value != NAT) {
                match value.checked_mul(unit_ns) {
                    Some(ns) => *value = ns,
                    None => {
                        row.defect = row.defect.or(Some((at, "a datetime that does not fit in ns")));
                    }
                }
            }
        }
    }
}

/// Reads integers of one dimension, an index most likely, and keeps no memory for them as long as they are evenly
/// spaced.
fn read_even(source: &mut Source, count: usize) -> Result<Cells, PickleError> {
    const PIECE: usize = 4096;
    if count < PIECE {
        let mut ints = reserve(count)?;
        read_words(source, &mut ints, count)?;
        return Ok(Cells::Ints(ints));
    }
    let mut piece: Vec<i64> = reserve(PIECE)?;
    let mut seen = 0;
    let (mut start, mut step, mut fits) = (0_i64, 0_i64, true);
    while seen < count {
        piece.clear();
        read_words(source, &mut piece, PIECE.min(count - seen))?;
        if seen == 0 {
            (start, step) = (piece[0], piece[1].wrapping_sub(piece[0]));
            fits = Index::even(IndexKind::Int64, start, step, count).is_some();
        }
        let expected = |at: usize| start.wrapping_add(step.wrapping_mul(at as i64));
        if !fits || !piece.iter().enumerate().all(|(at, &value)| value == expected(seen + at)) {
            let mut ints = reserve(count)?;
            ints.extend((0..seen).map(expected));
            ints.extend_from_slice(&piece);
            let rest = count - ints.len();
            read_words(source, &mut ints, rest)?;
            return Ok(Cells::Ints(ints));
        }
        seen += piece.len();
    }
    Ok(Cells::Even { start, step, len: count })
}

/// Takes an array's bytes piece by piece, whatever their element type and order.
pub(crate) struct Filler {
    rows: Rows,
    fortran: bool,
    count: usize,
    seen: usize,
    /// The beginning of an element that the last piece ended in.
    carry: Vec<u8>,
}

impl Filler {
    pub(crate) fn new(heap: &Heap, layout: &Layout) -> Result<Filler, PickleError> {
        let mut rows = layout.empty(heap)?;
        let count = layout.count()?;
        heap.charge(8 * count as u64)?;
        for _ in 0..layout.rows {
            let cells = match layout.element.kind {
                Kind::Float => Cells::Floats(reserve(layout.row_length)?),
                _ => Cells::Ints(reserve(layout.row_length)?),
            };
            rows.rows.push(Row { cells, defect: None });
        }
        Ok(Filler { rows, fortran: layout.fortran, count, seen: 0, carry: Vec::with_capacity(8) })
    }

    pub(crate) fn feed(&mut self, mut piece: &[u8]) -> Result<(), PickleError> {
        let size_bytes = self.rows.element.size_bytes;
        if !self.carry.is_empty() {
            let wanted = (size_bytes - self.carry.len()).min(piece.len());
            self.carry.extend_from_slice(&piece[..wanted]);
            piece = &piece[wanted..];
            if self.carry.len() < size_bytes {
                return Ok(());
            }
            let element = std::mem::take(&mut self.carry);
            self.take(&element)?;
        }
        let whole_bytes = piece.len() / size_bytes * size_bytes;
        self.take(&piece[..whole_bytes])?;
        self.carry.extend_from_slice(&piece[whole_bytes..]);
        Ok(())
    }

    /// Takes whole elements.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), PickleError> {
        let Rows { element, rows, row_length, .. } = &mut self.rows;
        if bytes.len() / element.size_bytes > self.count - self.seen {
            return Err(damaged(TOO_MANY));
        }
        if self.fortran {
            for bytes in bytes.chunks_exact(element.size_bytes) {
                let row = self.seen % rows.len();
                rows[row].push_all(*element, bytes);
                self.seen += 1;
            }
            return Ok(());
        }
        while !bytes.is_empty() {
            let room = *row_length - self.seen % *row_length;
            let (head, rest) = bytes.split_at(bytes.len().min(room * element.size_bytes));
            rows[self.seen / *row_length].push_all(*element, head);
            self.seen += head.len() / element.size_bytes;
            bytes = rest;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Rows, PickleError> {
        if self.seen < self.count || !self.carry.is_empty() {
            return Err(damaged(TOO_FEW));
        }
        Ok(self.rows)
    }
}

/// The defect of a value that is unsigned and that an `i64` cannot hold.
const BEYOND_63_BITS: &str = "an integer beyond 63 bits";

pub(crate) const TOO_MANY: &str = "an array has more elements than its shape";
pub(crate) const TOO_FEW: &str = "an array has fewer elements than its shape";

impl Row {
    fn push_all(&mut self, element: Element, bytes: &[u8]) {
        let elements = bytes.chunks_exact(element.size_bytes);
        match &mut self.cells {
            Cells::Floats(floats) => floats.extend(elements.map(|bytes| element.float(bytes).unwrap_or(f64::NAN))),
            Cells::Ints(ints) => {
                for bytes in elements {
                    let value = element.int(bytes);
                    if value.is_none() {
                        self.defect = self.defect.or(Some((ints.len(), BEYOND_63_BITS)));
                    }
                    ints.push(value.unwrap_or(0));
                }
            }
            Cells::Items(_) | Cells::Even { .. } => {}
        }
    }
}
