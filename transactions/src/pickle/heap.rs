//! Where the values of a pickle live while it is evaluated: flat vectors, so that no nesting overflows a stack, and a
//! budget, so that no file takes more memory than its size allows.

use std::cell::Cell;

use super::error::{Fault, PickleError};
use crate::pool;

/// A value on the stack, in the memo or inside another value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Item {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A value with contents, by its number in [`Heap`].
    Node(u32),
    /// Something that the host keeps, by the number that the host gave it.
    Payload(u32),
}

/// A value with contents.
#[derive(Debug)]
pub(crate) enum Node {
    Str(Span),
    Bytes(Span),
    ByteArray(Span),
    /// An int beyond 64 bits: two's complement, least significant byte first.
    BigInt(Span),
    Global {
        module: Span,
        name: Span,
    },
    List(Vec<Item>),
    Tuple(Vec<Item>),
    Dict(Vec<(Item, Item)>),
    Set(Vec<Item>),
    FrozenSet(Vec<Item>),
    Object(Box<ObjectNode>),
}

/// What a constructor was called with, and what was done to its result.
#[derive(Debug)]
pub(crate) struct ObjectNode {
    pub callable: Item,
    pub args: Item,
    pub kwargs: Option<Item>,
    pub new: bool,
    pub state: Option<Item>,
    pub items: Vec<Item>,
    pub entries: Vec<(Item, Item)>,
}

/// A piece of [`Heap`]'s text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: u32,
    length: u32,
}

/// What an item costs in a vector that doubles as it grows: at worst the old and the new one are there at once.
pub(crate) const ITEM_COST: u64 = 3 * size_of::<Item>() as u64;

/// The nodes, their text and the budget that both are charged to.
pub(crate) struct Heap {
    nodes: Vec<Node>,
    text: Vec<u8>,
    spent: Cell<u64>,
    budget: u64,
    /// What the pickle may take while memory of other tables is kept.
    ample: u64,
}

impl Heap {
    /// A heap for a pickle of `size_bytes`. Whatever the pickle says, it stays below 15 times its size and 40 MiB.
    pub(crate) fn for_size(size_bytes: u64) -> Heap {
        let by_size = size_bytes.saturating_mul(15);
        let (ample, budget) = (by_size.saturating_add(4 << 20), by_size.saturating_add(40 << 20));
        Heap { nodes: Vec::new(), text: Vec::new(), spent: Cell::new(0), budget, ample }
    }

    /// Asks for memory before it is used.
    #[inline]
    pub(crate) fn charge(&self, bytes: u64) -> Result<(), PickleError> {
        self.spent.set(self.spent.get().saturating_add(bytes));
        if self.spent.get() > self.ample { self.charge_more(bytes) } else { Ok(()) }
    }

    /// A pickle that takes so much for its size does it without what is kept of other tables.
    #[cold]
    fn charge_more(&self, bytes: u64) -> Result<(), PickleError> {
        if self.spent.get() - bytes.min(self.spent.get()) <= self.ample {
            pool::empty();
        }
        if self.spent.get() > self.budget { Err(PickleError::new(0, Fault::TooLarge)) } else { Ok(()) }
    }

    /// Gives memory back that was charged and is free again.
    pub(crate) fn refund(&self, bytes: u64) {
        self.spent.set(self.spent.get().saturating_sub(bytes));
    }

    /// Keeps a node.
    pub(crate) fn add(&mut self, node: Node) -> Result<Item, PickleError> {
        let contents = match &node {
            Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => {
                items.len() as u64 * ITEM_COST
            }
            Node::Dict(entries) => entries.len() as u64 * 2 * ITEM_COST,
            Node::Object(_) => size_of::<ObjectNode>() as u64,
            _ => 0,
        };
        self.charge(3 * size_of::<Node>() as u64 + contents)?;
        let id = u32::try_from(self.nodes.len()).map_err(|_| PickleError::new(0, Fault::TooLarge))?;
        self.nodes.push(node);
        Ok(Item::Node(id))
    }

    /// Keeps bytes as text that a node may refer to.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Result<Span, PickleError> {
        self.keep_with(bytes.len() as u64, |text| {
            text.extend_from_slice(bytes);
            Ok(())
        })
    }

    /// Keeps `length` bytes that `append` is to add.
    pub(crate) fn keep_with(
        &mut self,
        length: u64,
        append: impl FnOnce(&mut Vec<u8>) -> Result<(), PickleError>,
    ) -> Result<Span, PickleError> {
        self.charge(length.saturating_mul(3))?;
        let too_large = |_| PickleError::new(0, Fault::TooLarge);
        let start = u32::try_from(self.text.len()).map_err(too_large)?;
        let length = u32::try_from(length).map_err(too_large)?;
        start.checked_add(length).ok_or(PickleError::new(0, Fault::TooLarge))?;
        append(&mut self.text)?;
        debug_assert_eq!(self.text.len() as u64, u64::from(start) + u64::from(length));
        Ok(Span { start, length })
    }

    /// The bytes of a span.
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        &self.text[span.start as usize..][..span.length as usize]
    }

    /// The text of a span that was found to be UTF-8 as it was read.
    pub(crate) fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).unwrap_or("")
    }

    /// The node of an item that has one.
    pub(crate) fn node(&self, item: Item) -> Option<&Node> {
        match item {
            Item::Node(id) => self.nodes.get(id as usize),
            _ => None,
        }
    }

    /// The same, to add to it.
    pub(crate) fn node_mut(&mut self, item: Item) -> Option<&mut Node> {
        match item {
            Item::Node(id) => self.nodes.get_mut(id as usize),
            _ => None,
        }
    }

    /// The item's text, if it is a string.
    pub(crate) fn str(&self, item: Item) -> Option<&str> {
        match self.node(item)? {
            Node::Str(span) => Some(self.text(*span)),
            _ => None,
        }
    }

    /// The item's elements, if it is a tuple.
    pub(crate) fn tuple(&self, item: Item) -> Option<&[Item]> {
        match self.node(item)? {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The item's elements, if it is a list.
    pub(crate) fn list(&self, item: Item) -> Option<&[Item]> {
        match self.node(item)? {
            Node::List(items) => Some(items),
            _ => None,
        }
    }

    /// The item's parts, if it is an object.
    pub(crate) fn object(&self, item: Item) -> Option<&ObjectNode> {
        match self.node(item)? {
            Node::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value under a string key, if the item is a dictionary of a few entries, as those that make up an object are;
    /// the last one, as Python keeps it. A large one that many others refer to would be looked through for each.
    pub(crate) fn entry(&self, item: Item, key: &str) -> Option<Item> {
        const MOST_ENTRIES: usize = 1000;
        match self.node(item)? {
            Node::Dict(entries) if entries.len() > MOST_ENTRIES => None,
            Node::Dict(entries) => entries.iter().rev().find(|(name, _)| self.str(*name) == Some(key)).map(|e| e.1),
            _ => None,
        }
    }

    /// Module and name, if the item is a global.
    pub(crate) fn global(&self, item: Item) -> Option<(&str, &str)> {
        match self.node(item)? {
            Node::Global { module, name } => Some((self.text(*module), self.text(*name))),
            _ => None,
        }
    }
}
