//! The texts of pandas' array of them where pyarrow is installed: since pandas 3 the names of columns are one.
//!
//! pyarrow writes an array as a call of `_restore_array` with its type, length, count of nulls, offset and buffers: which
//! elements are there, where each one's text ends, and all the texts in one.

use crate::pickle::heap::{Heap, Item, Node};

/// Whether this is such an array.
pub(super) fn is_texts(heap: &Heap, value: Item) -> bool {
    let class = heap.object(value).and_then(|array| heap.global(array.callable));
    class == Some(("pandas.arrays", "ArrowStringArray"))
}

/// The texts, each a piece of the file; `None` if this is no such array, or one with nulls or with contradictions.
pub(super) fn texts(heap: &Heap, value: Item) -> Option<Vec<&str>> {
    let array = heap.object(value).filter(|_| is_texts(heap, value))?;
    let restored = heap.object(heap.entry(array.state?, "_pa_array")?)?;
    if heap.global(restored.callable)? != ("pyarrow.lib", "_restore_array") {
        return None;
    }
    let &[parts] = heap.tuple(restored.args)? else { return None };
    let &[kind, Item::Int(length), Item::Int(0), Item::Int(offset), buffers, ..] = heap.tuple(parts)? else {
        return None;
    };
    let &[_, ends, text] = heap.list(buffers)? else { return None };
    let end_bytes = match alias(heap, kind)? {
        "large_string" => 8,
        "string" => 4,
        _ => return None,
    };
    let (length, offset) = (usize::try_from(length).ok()?, usize::try_from(offset).ok()?);
    let text = std::str::from_utf8(buffer(heap, text)?).ok()?;
    // One more than there are texts: where the first one begins.
    let start = offset.checked_mul(end_bytes)?;
    let stop = length.checked_add(1)?.checked_mul(end_bytes)?.checked_add(start)?;
    let ends = buffer(heap, ends)?.get(start..stop)?;
    heap.charge((length * size_of::<&str>()) as u64).ok()?;
    let end = |at: usize| {
        let mut wide = [0; 8];
        wide[..end_bytes].copy_from_slice(&ends[at * end_bytes..][..end_bytes]);
        usize::try_from(u64::from_le_bytes(wide)).ok()
    };
    let mut texts = Vec::with_capacity(length);
    for at in 0..length {
        texts.push(text.get(end(at)?..end(at + 1)?)?);
    }
    Some(texts)
}

/// The name of a type: `type_for_alias(NAME)`.
fn alias(heap: &Heap, kind: Item) -> Option<&str> {
    let call = heap.object(kind)?;
    match (heap.global(call.callable)?, heap.tuple(call.args)?) {
        (("pyarrow.lib", "type_for_alias"), &[name]) => heap.str(name),
        _ => None,
    }
}

/// The bytes of a buffer: `py_buffer(BYTES)`.
fn buffer(heap: &Heap, buffer: Item) -> Option<&[u8]> {
    let call = heap.object(buffer)?;
    let (("pyarrow.lib", "py_buffer"), &[bytes]) = (heap.global(call.callable)?, heap.tuple(call.args)?) else {
        return None;
    };
    match heap.node(bytes)? {
        Node::Bytes(span) | Node::ByteArray(span) => Some(heap.bytes(*span)),
        // An empty one, below protocol 5.
        Node::Object(object) => (heap.global(object.callable)? == ("builtins", "bytearray")
            && heap.tuple(object.args)?.is_empty())
        .then_some(&[]),
        _ => None,
    }
}
