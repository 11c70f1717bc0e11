//! From the evaluator's flat heap to a tree of values.

use super::error::{Fault, PickleError};
use super::heap::{Heap, Item, Node, ObjectNode, Span};
use super::machine::{self, Host};
use super::source::Source;
use super::{DEEPEST, Object, Value};

/// Reads a pickle of protocol 2 to 5 (gzipped or not) as data. Nothing that it names is run.
///
/// Memory stays below 16 times the bytes' length plus 64 MiB, whatever they say.
///
/// # Errors
/// When the bytes are no whole pickle, need anything outside themselves, are nested deeper than [`DEEPEST`] or unpack
/// to more memory than that.
pub fn decode(bytes: &[u8]) -> Result<Value, PickleError> {
    let mut source = Source::slice(bytes);
    let (state, item) = machine::run(&mut Plain, &mut source)?;
    let end = source.offset();
    let heap = &state.heap;
    weigh(heap, item, 0).and_then(|()| expand(heap, item)).map_err(|error| error.at(end))
}

/// Keeps everything as values.
struct Plain;

impl Host for Plain {}

/// Charges the tree for what it will take. A value that is referred to often is paid for each time, so that a few
/// bytes cannot unfold without end; depth is bounded, so that a value inside itself is found.
fn weigh(heap: &Heap, item: Item, depth: usize) -> Result<(), PickleError> {
    if depth > DEEPEST {
        return Err(PickleError::new(0, Fault::TooDeep { limit: DEEPEST }));
    }
    let Some(node) = heap.node(item) else { return Ok(()) };
    let own_bytes = match node {
        Node::Str(span) | Node::Bytes(span) | Node::ByteArray(span) | Node::BigInt(span) => heap.bytes(*span).len(),
        Node::Global { module, name } => heap.bytes(*module).len() + heap.bytes(*name).len(),
        Node::Object(_) => size_of::<Object>(),
        _ => 0,
    };
    // An allocation has its own head and rounding.
    let overhead_bytes = 32;
    heap.charge((own_bytes + overhead_bytes) as u64)?;
    let weigh_child = |child: &Item| {
        heap.charge(size_of::<Value>() as u64)?;
        weigh(heap, *child, depth + 1)
    };
    let weigh_pair = |(key, value): &(Item, Item)| weigh_child(key).and_then(|()| weigh_child(value));
    match node {
        Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => {
            items.iter().try_for_each(weigh_child)
        }
        Node::Dict(entries) => entries.iter().try_for_each(weigh_pair),
        Node::Object(object) => {
            let ObjectNode { callable, args, kwargs, state, items, entries, new: _ } = &**object;
            [callable, args].into_iter().chain(kwargs).chain(state).chain(items).try_for_each(weigh_child)?;
            entries.iter().try_for_each(weigh_pair)
        }
        _ => Ok(()),
    }
}

/// Makes the tree, after [`weigh`] has found that it is neither too deep nor too large.
fn expand(heap: &Heap, item: Item) -> Result<Value, PickleError> {
    let all = |items: &[Item]| items.iter().map(|&item| expand(heap, item)).collect::<Result<Vec<_>, _>>();
    let pairs = |entries: &[(Item, Item)]| -> Result<Vec<(Value, Value)>, PickleError> {
        entries.iter().map(|&(key, value)| Ok((expand(heap, key)?, expand(heap, value)?))).collect()
    };
    let bytes = |span: &Span| heap.bytes(*span).to_vec();
    let node = match item {
        Item::None => return Ok(Value::None),
        Item::Bool(value) => return Ok(Value::Bool(value)),
        Item::Int(value) => return Ok(Value::Int(value)),
        Item::Float(value) => return Ok(Value::Float(value)),
        Item::Payload(_) => None,
        Item::Node(_) => heap.node(item),
    };
    Ok(match node.ok_or(machine::damaged("a value is missing"))? {
        Node::Str(span) => Value::Str(heap.text(*span).to_owned()),
        Node::Bytes(span) => Value::Bytes(bytes(span)),
        Node::ByteArray(span) => Value::ByteArray(bytes(span)),
        Node::BigInt(span) => Value::BigInt(bytes(span)),
        Node::Global { module, name } => Value::global(heap.text(*module), heap.text(*name)),
        Node::List(items) => Value::List(all(items)?),
        Node::Tuple(items) => Value::Tuple(all(items)?),
        Node::Set(items) => Value::Set(all(items)?),
        Node::FrozenSet(items) => Value::FrozenSet(all(items)?),
        Node::Dict(entries) => Value::Dict(pairs(entries)?),
        Node::Object(object) => Value::Object(Box::new(Object {
            callable: expand(heap, object.callable)?,
            args: expand(heap, object.args)?,
            kwargs: object.kwargs.map(|item| expand(heap, item)).transpose()?,
            new: object.new,
            state: object.state.map(|item| expand(heap, item)).transpose()?,
            items: all(&object.items)?,
            entries: pairs(&object.entries)?,
        })),
    })
}
