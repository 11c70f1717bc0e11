//! What reading a table adds to the evaluator: the constructors that it admits, and the arrays that it takes straight
//! from the file.
//!
//! Whether bytes or a list that come next are an array's is seen from the stack: an array's state is a tuple of
//! version, shape, dtype, order and elements, so the first four lie there when the elements begin. Only protocol 5
//! puts elements first; they are passed over until their shape is known, or, in a gzip stream, kept.

use std::collections::VecDeque;

use crate::pickle::element::{Element, Kind};
use crate::pickle::error::PickleError;
use crate::pickle::heap::{Heap, Item, Node};
use crate::pickle::machine::{Form, Host, State, damaged};
use crate::pickle::numpy::is_core;
use crate::pickle::source::Source;

use super::memory::Chunk;
use super::objects::ObjectList;
use super::rows::{Filler, Layout, Rows, TOO_FEW, TOO_MANY, foreign_dtype};

/// The arrays of a file, by their payload numbers.
#[derive(Default)]
pub(crate) struct Arrays {
    payloads: Vec<Payload>,
}

pub(crate) enum Payload {
    Rows(Rows),
    Objects(ObjectList),
    /// Elements whose shape is not known yet: where they are in the source.
    Later {
        offset: u64,
        length: u64,
    },
    /// The same, from a source that cannot go back.
    Kept(VecDeque<Chunk>),
}

/// Modules and names of what a table's pickle may name. Numpy's come besides, see [`Arrays::admits`].
const ADMITTED: &[(&str, &str)] = &[
    ("_codecs", "encode"),
    ("builtins", "bytearray"),
    ("builtins", "bytes"),
    ("builtins", "slice"),
    ("functools", "partial"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("pandas", "DataFrame"),
    ("pandas", "Index"),
    ("pandas", "RangeIndex"),
    ("pandas", "StringDtype"),
    ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"),
    ("pandas._libs.internals", "_unpickle_block"),
    ("pandas._libs.missing", "NA"),
    ("pandas.arrays", "ArrowStringArray"),
    ("pandas.arrays", "DatetimeArray"),
    ("pandas.arrays", "StringArray"),
    ("pandas.core.arrays.datetimes", "DatetimeArray"),
    ("pandas.core.frame", "DataFrame"),
    ("pandas.core.indexes.base", "Index"),
    ("pandas.core.indexes.base", "_new_Index"),
    ("pandas.core.indexes.numeric", "Int64Index"),
    ("pandas.core.indexes.range", "RangeIndex"),
    ("pandas.core.internals", "BlockManager"),
    ("pandas.core.internals.blocks", "new_block"),
    ("pandas.core.internals.managers", "BlockManager"),
    ("pyarrow.lib", "_restore_array"),
    ("pyarrow.lib", "py_buffer"),
    ("pyarrow.lib", "type_for_alias"),
];

impl Arrays {
    /// The array of this number, all of it read.
    pub(crate) fn rows(&mut self, payload: u32) -> Result<&mut Rows, PickleError> {
        match self.payloads.get_mut(payload as usize) {
            Some(Payload::Rows(rows)) => Ok(rows),
            Some(Payload::Objects(list)) => list.finish(),
            _ => Err(damaged("an array has no shape")),
        }
    }

    /// An array without elements. Its bytes say nothing: Python has but one empty `bytes`, which all such arrays share.
    pub(crate) fn without_elements(&mut self, heap: &Heap, layout: &Layout) -> Result<Option<Item>, PickleError> {
        if layout.count()? > 0 {
            return Ok(None);
        }
        let rows = layout.without_elements(heap)?;
        self.add(heap, Payload::Rows(rows)).map(Some)
    }

    fn add(&mut self, heap: &Heap, payload: Payload) -> Result<Item, PickleError> {
        heap.charge(3 * size_of::<Payload>() as u64)?;
        self.payloads.push(payload);
        Ok(Item::Payload(self.payloads.len() as u32 - 1))
    }

    /// `_frombuffer(elements, dtype, shape, order)`. A dtype that no table has is left for the frame, which knows its
    /// columns' names.
    fn shape_buffer(&mut self, heap: &Heap, source: &mut Source, args: Item) -> Result<Option<Item>, PickleError> {
        const WRONG: &str = "an array in a buffer is none of numbers";
        let Some(&[Item::Payload(payload), dtype, shape, order]) = heap.tuple(args) else {
            return Err(damaged(WRONG));
        };
        if foreign_dtype(heap, dtype).is_some() {
            return Ok(None);
        }
        let fortran = heap.str(order) == Some("F");
        let layout = Layout::of(heap, shape, dtype, fortran).filter(|layout| layout.element.kind != Kind::Object);
        let layout = layout.ok_or(damaged(WRONG))?;
        if let Some(empty) = self.without_elements(heap, &layout)? {
            return Ok(Some(empty));
        }
        let elements = self.payloads.get_mut(payload as usize);
        let rows = match elements {
            Some(&mut Payload::Later { offset, length }) => {
                check_length(&layout, length)?;
                let resume = source.offset();
                source.go_to(offset)?;
                let rows = Rows::read(heap, source, &layout)?;
                source.go_to(resume)?;
                rows
            }
            Some(Payload::Kept(chunks)) => {
                let chunks = std::mem::take(chunks);
                heap.refund(chunks.iter().map(Chunk::cost_bytes).sum());
                let mut filler = Filler::new(heap, &layout)?;
                // Each chunk goes back to the system before the next one is copied.
                chunks.into_iter().try_for_each(|chunk| filler.feed(chunk.bytes()))?;
                filler.finish()?
            }
            _ => return Err(damaged(WRONG)),
        };
        self.payloads[payload as usize] = Payload::Rows(rows);
        Ok(Some(Item::Payload(payload)))
    }
}

impl Host for Arrays {
    fn admits(&self, module: &str, name: &str) -> bool {
        ADMITTED.contains(&(module, name))
            || (matches!(name, "_reconstruct" | "scalar") && is_core(module, "multiarray"))
            || (name == "_frombuffer" && is_core(module, "numeric"))
    }

    fn bytes(
        &mut self,
        state: &mut State,
        source: &mut Source,
        form: Form,
        length: u64,
    ) -> Result<Option<Item>, PickleError> {
        let rows = match (form, Elements::next(state)) {
            (Form::Bytes | Form::ByteArray, Some(Elements::OfShape(layout))) => {
                check_length(&layout, length)?;
                Rows::read(&state.heap, source, &layout)?
            }
            (Form::Str, Some(Elements::AsText(layout))) => {
                let mut filler = Filler::new(&state.heap, &layout)?;
                let mut text = Latin1::default();
                source.pieces(length, |piece| text.feed(piece, &mut filler))?;
                text.finish(filler)?
            }
            (Form::Bytes | Form::ByteArray, Some(Elements::First)) => {
                let payload = self.set_aside(&state.heap, source, length)?;
                return self.add(&state.heap, payload).map(Some);
            }
            _ => return Ok(None),
        };
        self.add(&state.heap, Payload::Rows(rows)).map(Some)
    }

    fn list(&mut self, state: &mut State) -> Result<Option<Item>, PickleError> {
        match Elements::next(state) {
            Some(Elements::Objects(layout)) => {
                let list = ObjectList::new(&state.heap, &layout)?;
                self.add(&state.heap, Payload::Objects(list)).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn batch(&mut self, state: &mut State, source: &mut Source, payload: u32) -> Result<bool, PickleError> {
        match self.payloads.get_mut(payload as usize) {
            Some(Payload::Objects(list)) => list.batch(&state.heap, source),
            _ => Ok(false),
        }
    }

    fn append(&mut self, state: &mut State, payload: u32, items: &[Item]) -> Result<(), PickleError> {
        match self.payloads.get_mut(payload as usize) {
            Some(Payload::Objects(list)) => list.append(&state.heap, items),
            _ => Err(damaged("it appends to what is no list")),
        }
    }

    fn call(
        &mut self,
        state: &mut State,
        source: &mut Source,
        callable: Item,
        args: Item,
    ) -> Result<Option<Item>, PickleError> {
        let heap = &state.heap;
        match heap.global(callable) {
            Some((module, "_frombuffer")) if is_core(module, "numeric") => self.shape_buffer(heap, source, args),
            Some((module, "scalar")) if is_core(module, "multiarray") => Ok(scalar(heap, args)),
            _ => Ok(None),
        }
    }
}

impl Arrays {
    /// Elements whose shape comes after them.
    fn set_aside(&self, heap: &Heap, source: &mut Source, length: u64) -> Result<Payload, PickleError> {
        let offset = source.offset();
        if source.can_seek() {
            source.go_to(offset.checked_add(length).ok_or(damaged(TOO_MANY))?)?;
            return Ok(Payload::Later { offset, length });
        }
        let mut chunks = VecDeque::new();
        let mut rest = length;
        while rest > 0 {
            let chunk = Chunk::read(heap, source, usize::try_from(rest).unwrap_or(usize::MAX))?;
            rest -= chunk.bytes().len() as u64;
            chunks.push_back(chunk);
        }
        Ok(Payload::Kept(chunks))
    }
}

/// What the bytes or the list that come next are the elements of.
enum Elements {
    /// An array of numbers whose shape is known.
    OfShape(Layout),
    /// The same as text of Latin-1 characters, in protocol 2.
    AsText(Layout),
    /// An array of objects whose shape is known.
    Objects(Layout),
    /// An array whose shape comes later, in protocol 5.
    First,
}

impl Elements {
    fn next(state: &State) -> Option<Elements> {
        let heap = &state.heap;
        let below = state.below_mark()?;
        let (head, as_text) = match state.above_mark() {
            [] => {
                let (module, name) = heap.global(below)?;
                return (name == "_frombuffer" && is_core(module, "numeric")).then_some(Elements::First);
            }
            head @ [_, _, _, _] => (head, false),
            [head @ .., encode] if heap.global(*encode) == Some(("_codecs", "encode")) => (head, true),
            _ => return None,
        };
        let &[Item::Int(_), shape, dtype, Item::Bool(fortran)] = head else { return None };
        let (module, name) = heap.global(heap.object(below)?.callable)?;
        if name != "_reconstruct" || !is_core(module, "multiarray") {
            return None;
        }
        let layout = Layout::of(heap, shape, dtype, fortran)?;
        match (layout.element.kind, as_text) {
            // A list of objects is in C order, whatever the array's order in memory.
            (Kind::Object, false) => Some(Elements::Objects(Layout { fortran: false, ..layout })),
            (Kind::Object, true) => None,
            (_, false) => Some(Elements::OfShape(layout)),
            (_, true) => Some(Elements::AsText(layout)),
        }
    }
}

/// Bytes that are written as the UTF-8 of the Latin-1 characters that they stand for.
#[derive(Default)]
struct Latin1 {
    /// The first byte of a character of two.
    lead: Option<u8>,
    bytes: Vec<u8>,
}

impl Latin1 {
    fn feed(&mut self, piece: &[u8], filler: &mut Filler) -> Result<(), PickleError> {
        self.bytes.clear();
        for &byte in piece {
            match (self.lead.take(), byte) {
                (None, 0..0x80) => self.bytes.push(byte),
                (None, 0xc2 | 0xc3) => self.lead = Some(byte),
                (Some(lead), 0x80..0xc0) => self.bytes.push((lead & 3) << 6 | (byte & 0x3f)),
                _ => return Err(damaged("a text that stands for bytes is not Latin-1")),
            }
        }
        filler.feed(&self.bytes)
    }

    fn finish(self, filler: Filler) -> Result<Rows, PickleError> {
        if self.lead.is_some() {
            return Err(damaged("a text that stands for bytes is not Latin-1"));
        }
        filler.finish()
    }
}

fn check_length(layout: &Layout, length: u64) -> Result<(), PickleError> {
    match length.cmp(&layout.size_bytes()?) {
        std::cmp::Ordering::Less => Err(damaged(TOO_FEW)),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(damaged(TOO_MANY)),
    }
}

/// A numpy scalar as the number that it is.
fn scalar(heap: &Heap, args: Item) -> Option<Item> {
    let &[dtype, bytes] = heap.tuple(args)? else { return None };
    let object = heap.object(dtype).filter(|object| heap.global(object.callable) == Some(("numpy", "dtype")))?;
    let code = heap.str(*heap.tuple(object.args)?.first()?)?;
    let order = heap.str(*heap.tuple(object.state?)?.get(1)?);
    let element = Element::parse(code, order)?;
    let Some(Node::Bytes(span)) = heap.node(bytes) else { return None };
    let bytes = heap.bytes(*span);
    match element.kind {
        Kind::Int | Kind::Unsigned => element.int(bytes).map(Item::Int),
        Kind::Float => element.float(bytes).map(Item::Float),
        Kind::Bool => element.int(bytes).map(|value| Item::Bool(value != 0)),
        Kind::Object | Kind::Datetime => None,
    }
}
