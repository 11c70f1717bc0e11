//! The evaluator: a stack machine that turns opcodes into data. It calls nothing: constructors and their arguments are
//! kept as they are named.

use super::error::{Fault, PickleError, printable};
use super::heap::{Heap, ITEM_COST, Item, Node, ObjectNode, Span};
pub(crate) use super::host::{Form, Host};
use super::opcode as op;
use super::source::Source;

/// Stack, memo and heap of a pickle under evaluation.
pub(crate) struct State {
    pub heap: Heap,
    stack: Vec<Item>,
    marks: Vec<Mark>,
    memo: Vec<Option<Item>>,
    memo_count: usize,
}

#[derive(Clone, Copy)]
struct Mark {
    height: usize,
    /// Whether the host has already taken elements that belong above this mark.
    begun: bool,
}

/// Evaluates the pickle; its value is the item that STOP leaves, in the state's heap.
pub(crate) fn run<H: Host>(host: &mut H, source: &mut Source) -> Result<(State, Item), PickleError> {
    let heap = Heap::for_size(source.size_bytes());
    let mut state = State { heap, stack: Vec::new(), marks: Vec::new(), memo: Vec::new(), memo_count: 0 };
    let first = source.byte().map_err(|error| error.at(0))?;
    if !matches!(first, op::PROTO | op::GLOBAL | op::MARK | b'F' | b'I' | b'L' | b'S' | b'V') {
        // Protocols below 2 have no head, and are refused by the first opcode that is theirs alone.
        return Err(damaged("it does not begin as a pickle does"));
    }
    state.step(host, source, first).map_err(|error| error.at(source.offset()))?;
    let value = loop {
        let opcode = source.byte().map_err(|error| error.at(source.offset()))?;
        if opcode == op::STOP {
            break state.pop();
        }
        state.step(host, source, opcode).map_err(|error| error.at(source.offset()))?;
    };
    source.finish().map_err(|error| error.at(source.offset()))?;
    Ok((state, value.map_err(|error| error.at(source.offset()))?))
}

pub(crate) fn damaged(what: &'static str) -> PickleError {
    PickleError::new(0, Fault::Damaged(what))
}

impl State {
    /// What is on the stack above the last mark.
    pub(crate) fn above_mark(&self) -> &[Item] {
        &self.stack[self.fence()..]
    }

    /// The item right below the last mark.
    pub(crate) fn below_mark(&self) -> Option<Item> {
        let mark = self.marks.last()?;
        mark.height.checked_sub(1).map(|at| self.stack[at])
    }

    fn step<H: Host>(&mut self, host: &mut H, source: &mut Source, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            op::PROTO => self.protocol(source.byte()?),
            op::FRAME => source.array::<8>().map(drop),
            op::MARK => self.mark(host, source),
            op::POP => self.pop_any(),
            op::POP_MARK => self.pop_mark().map(drop),
            op::DUP => {
                let top = self.top()?;
                self.push(top)
            }
            op::NONE => self.push(Item::None),
            op::NEWTRUE => self.push(Item::Bool(true)),
            op::NEWFALSE => self.push(Item::Bool(false)),
            op::BININT1 => {
                let value = source.byte()?;
                self.push(Item::Int(value.into()))
            }
            op::BININT2 => {
                let value = u16::from_le_bytes(source.array()?);
                self.push(Item::Int(value.into()))
            }
            op::BININT => {
                let value = i32::from_le_bytes(source.array()?);
                self.push(Item::Int(value.into()))
            }
            op::LONG1 => {
                let length = source.byte()?;
                self.long(source, length.into())
            }
            op::LONG4 => {
                let length = u32::from_le_bytes(source.array()?);
                self.long(source, length.into())
            }
            op::BINFLOAT => {
                let value = f64::from_be_bytes(source.array()?);
                self.push(Item::Float(value))
            }
            op::SHORT_BINUNICODE | op::BINUNICODE | op::BINUNICODE8 => self.blob(host, source, opcode, Form::Str),
            op::SHORT_BINBYTES | op::BINBYTES | op::BINBYTES8 => self.blob(host, source, opcode, Form::Bytes),
            op::BYTEARRAY8 => self.blob(host, source, opcode, Form::ByteArray),
            op::GLOBAL | op::STACK_GLOBAL => self.global(host, source, opcode),
            op::BINPUT | op::LONG_BINPUT | op::MEMOIZE => self.put(source, opcode),
            op::BINGET | op::LONG_BINGET => self.get(source, opcode),
            op::REDUCE | op::NEWOBJ | op::NEWOBJ_EX => self.construct(host, source, opcode),
            op::BUILD => self.build(),
            _ => self.collect(host, source, opcode),
        }
    }

    /// The opcodes that make collections and add to them.
    fn collect<H: Host>(&mut self, host: &mut H, source: &mut Source, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            op::EMPTY_TUPLE => self.push_node(Node::Tuple(Vec::new())),
            op::TUPLE1 => self.tuple_of(1),
            op::TUPLE2 => self.tuple_of(2),
            op::TUPLE3 => self.tuple_of(3),
            op::TUPLE => {
                let items = self.pop_mark()?;
                self.push_node(Node::Tuple(items))
            }
            op::EMPTY_LIST => match host.list(self)? {
                Some(taken) => self.push(taken),
                None => self.push_node(Node::List(Vec::new())),
            },
            op::EMPTY_DICT => self.push_node(Node::Dict(Vec::new())),
            op::EMPTY_SET => self.push_node(Node::Set(Vec::new())),
            op::FROZENSET => {
                let items = self.pop_mark()?;
                self.push_node(Node::FrozenSet(items))
            }
            op::APPEND => {
                let item = self.pop()?;
                self.append(host, vec![item])
            }
            op::APPENDS => {
                if let Some(mark) = self.marks.last_mut() {
                    mark.begun = false;
                }
                let items = self.pop_mark()?;
                self.append(host, items)
            }
            op::SETITEM => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])
            }
            op::SETITEMS => {
                let items = self.pop_mark()?;
                self.set_items(&items)
            }
            op::ADDITEMS => {
                let items = self.pop_mark()?;
                self.heap.charge(items.len() as u64 * ITEM_COST)?;
                match self.heap.node_mut(self.top()?) {
                    Some(Node::Set(set)) => set.extend(items),
                    _ => return Err(damaged("it adds to what is no set")),
                }
                Ok(())
            }
            op::INST => self.inst(host, source),
            _ => Err(PickleError::new(source.offset().saturating_sub(1), refused_opcode(opcode))),
        }
    }

    fn protocol(&mut self, version: u8) -> Result<(), PickleError> {
        if version > 5 { Err(damaged("its protocol is newer than 5")) } else { Ok(()) }
    }

    fn mark<H: Host>(&mut self, host: &mut H, source: &mut Source) -> Result<(), PickleError> {
        let list = match self.above_mark().last() {
            Some(Item::Payload(payload)) => Some(*payload),
            _ => None,
        };
        if let Some(payload) = list
            && host.batch(self, source, payload)?
        {
            return Ok(());
        }
        self.heap.charge(3 * size_of::<Mark>() as u64)?;
        self.marks.push(Mark { height: self.stack.len(), begun: list.is_some() });
        Ok(())
    }

    fn fence(&self) -> usize {
        self.marks.last().map_or(0, |mark| mark.height)
    }

    fn push(&mut self, item: Item) -> Result<(), PickleError> {
        if self.stack.len() == self.stack.capacity() {
            // Charged as it grows, not as it is used: the stack goes up and down without end.
            self.heap.charge(self.stack.len().max(64) as u64 * ITEM_COST)?;
            self.stack.reserve(self.stack.len().max(64));
        }
        self.stack.push(item);
        Ok(())
    }

    fn push_node(&mut self, node: Node) -> Result<(), PickleError> {
        let item = self.heap.add(node)?;
        self.push(item)
    }

    fn pop(&mut self) -> Result<Item, PickleError> {
        if self.stack.len() <= self.fence() {
            return Err(damaged("it takes a value where none is left"));
        }
        self.stack.pop().ok_or(damaged("it takes a value where none is left"))
    }

    /// POP takes a mark away, too, when that is what is on top.
    fn pop_any(&mut self) -> Result<(), PickleError> {
        if !self.marks.is_empty() && self.stack.len() == self.fence() {
            return self.pop_mark().map(drop);
        }
        self.pop().map(drop)
    }

    fn top(&self) -> Result<Item, PickleError> {
        self.above_mark().last().copied().ok_or(damaged("it looks at a value where none is left"))
    }

    fn pop_mark(&mut self) -> Result<Vec<Item>, PickleError> {
        let mark = self.marks.pop().ok_or(damaged("it goes back to a mark where none is left"))?;
        if mark.begun {
            return Err(damaged("the elements of a column are used for something else"));
        }
        Ok(self.stack.split_off(mark.height))
    }

    fn tuple_of(&mut self, count: usize) -> Result<(), PickleError> {
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= self.fence());
        let start = start.ok_or(damaged("it makes a tuple of values where none are left"))?;
        let items = self.stack.split_off(start);
        self.push_node(Node::Tuple(items))
    }

    fn long(&mut self, source: &mut Source, length: u64) -> Result<(), PickleError> {
        source.expect(length)?;
        if length <= 8 {
            let mut bytes = Vec::with_capacity(8);
            source.append_to(&mut bytes, length as usize)?;
            return self.push(Item::Int(small_int(&bytes)));
        }
        let span = self.heap.keep_with(length, |text| source.append_to(text, length as usize))?;
        // A wide encoding of a small value is that value still.
        let bytes = self.heap.bytes(span);
        let fill = if bytes[7] & 0x80 == 0 { 0 } else { 0xff };
        if bytes[8..].iter().all(|&byte| byte == fill) {
            let value = small_int(&bytes[..8]);
            return self.push(Item::Int(value));
        }
        self.push_node(Node::BigInt(span))
    }

    fn blob<H: Host>(&mut self, host: &mut H, source: &mut Source, opcode: u8, form: Form) -> Result<(), PickleError> {
        let length = match opcode {
            op::SHORT_BINUNICODE | op::SHORT_BINBYTES => source.byte()?.into(),
            op::BINUNICODE | op::BINBYTES => u32::from_le_bytes(source.array()?).into(),
            _ => u64::from_le_bytes(source.array()?),
        };
        source.expect(length)?;
        if let Some(taken) = host.bytes(self, source, form, length)? {
            return self.push(taken);
        }
        let count = usize::try_from(length).map_err(|_| PickleError::new(0, Fault::TooLarge))?;
        let span = self.heap.keep_with(length, |text| source.append_to(text, count))?;
        self.push_node(match form {
            Form::Bytes => Node::Bytes(span),
            Form::ByteArray => Node::ByteArray(span),
            Form::Str => {
                std::str::from_utf8(self.heap.bytes(span)).map_err(|_| damaged("a string is not UTF-8"))?;
                Node::Str(span)
            }
        })
    }

    fn global<H: Host>(&mut self, host: &mut H, source: &mut Source, opcode: u8) -> Result<(), PickleError> {
        let (module, name) = if opcode == op::GLOBAL {
            (self.line(source)?, self.line(source)?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (self.heap.node(module), self.heap.node(name)) {
                (Some(Node::Str(module)), Some(Node::Str(name))) => (*module, *name),
                _ => return Err(damaged("it names a global by what is no string")),
            }
        };
        self.admit(host, source, module, name)?;
        self.push_node(Node::Global { module, name })
    }

    /// INST is of protocol 0, but what it asks for is the better reason.
    fn inst<H: Host>(&mut self, host: &mut H, source: &mut Source) -> Result<(), PickleError> {
        let offset = source.offset().saturating_sub(1);
        let (module, name) = (self.line(source)?, self.line(source)?);
        self.admit(host, source, module, name)?;
        Err(PickleError::new(offset, refused_opcode(op::INST)))
    }

    fn admit<H: Host>(&self, host: &H, source: &Source, module: Span, name: Span) -> Result<(), PickleError> {
        let (module, name) = (self.heap.text(module), self.heap.text(name));
        if host.admits(module, name) {
            return Ok(());
        }
        let name = format!("{}.{}", printable(module), printable(name));
        Err(PickleError::new(source.offset(), Fault::Refused { name }))
    }

    /// A line of GLOBAL's argument. Protocol 2 uses the module names of Python 2, which are turned into today's.
    fn line(&mut self, source: &mut Source) -> Result<Span, PickleError> {
        const LONGEST_BYTES: usize = 512;
        let mut line = Vec::new();
        loop {
            match source.byte()? {
                b'\n' => break,
                _ if line.len() == LONGEST_BYTES => return Err(damaged("the name of a global has no end")),
                byte => line.push(byte),
            }
        }
        let text = std::str::from_utf8(&line).map_err(|_| damaged("the name of a global is not UTF-8"))?;
        self.heap.keep(match text {
            "__builtin__" => b"builtins",
            "copy_reg" => b"copyreg",
            text => text.as_bytes(),
        })
    }

    fn put(&mut self, source: &mut Source, opcode: u8) -> Result<(), PickleError> {
        let index = match opcode {
            op::BINPUT => source.byte()?.into(),
            op::LONG_BINPUT => u32::from_le_bytes(source.array()?) as usize,
            _ => self.memo_count,
        };
        let top = self.top()?;
        // A pickler numbers what it stores, so no number exceeds the bytes that have gone by.
        if index as u64 > source.offset() {
            return Err(damaged("it stores a value under a number far too high"));
        }
        if index >= self.memo.len() {
            self.heap.charge((index + 1 - self.memo.len()) as u64 * ITEM_COST)?;
            self.memo.resize(index + 1, None);
        }
        self.memo_count += usize::from(self.memo[index].is_none());
        self.memo[index] = Some(top);
        Ok(())
    }

    fn get(&mut self, source: &mut Source, opcode: u8) -> Result<(), PickleError> {
        let index = match opcode {
            op::BINGET => source.byte()?.into(),
            _ => u32::from_le_bytes(source.array()?) as usize,
        };
        let item = self.memo.get(index).copied().flatten();
        self.push(item.ok_or(damaged("it fetches a value that was never stored"))?)
    }

    fn construct<H: Host>(&mut self, host: &mut H, source: &mut Source, opcode: u8) -> Result<(), PickleError> {
        let kwargs = if opcode == op::NEWOBJ_EX { Some(self.pop()?) } else { None };
        let args = self.pop()?;
        let callable = self.pop()?;
        if opcode == op::REDUCE {
            if let Some(value) = self.bytes_call(callable, args)? {
                return self.push(value);
            }
            if let Some(value) = host.call(self, source, callable, args)? {
                return self.push(value);
            }
        }
        let new = opcode != op::REDUCE;
        let object = ObjectNode { callable, args, kwargs, new, state: None, items: Vec::new(), entries: Vec::new() };
        self.push_node(Node::Object(Box::new(object)))
    }

    /// Protocol 2 has no bytes: it says `_codecs.encode(text, "latin1")`, and `bytes()` when there are none. Below
    /// protocol 5, a byte array is `bytearray(bytes)`.
    fn bytes_call(&mut self, callable: Item, args: Item) -> Result<Option<Item>, PickleError> {
        let Some(args) = self.heap.tuple(args) else { return Ok(None) };
        let bytes = match (self.heap.global(callable), args) {
            (Some(("_codecs", "encode")), &[text, encoding]) => {
                if !matches!(self.heap.str(encoding), Some("latin1" | "latin-1")) {
                    return Ok(None);
                }
                if let Item::Payload(_) = text {
                    // The host has taken the text as the bytes that it stands for.
                    return Ok(Some(text));
                }
                let Some(text) = self.heap.str(text) else { return Ok(None) };
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
                bytes.ok_or(damaged("a text that stands for bytes is not Latin-1"))?
            }
            (Some(("builtins", "bytes")), &[]) => Vec::new(),
            (Some(("builtins", "bytearray")), &[bytes]) => {
                let Some(Node::Bytes(span)) = self.heap.node(bytes) else { return Ok(None) };
                let span = *span;
                return self.heap.add(Node::ByteArray(span)).map(Some);
            }
            _ => return Ok(None),
        };
        let span = self.heap.keep(&bytes)?;
        self.heap.add(Node::Bytes(span)).map(Some)
    }

    fn build(&mut self) -> Result<(), PickleError> {
        let state = self.pop()?;
        match self.heap.node_mut(self.top()?) {
            Some(Node::Object(object)) if object.state.is_none() => object.state = Some(state),
            Some(Node::Object(_)) => return Err(damaged("it sets the state of an object twice")),
            _ => return Err(damaged("it sets the state of what is no object")),
        }
        Ok(())
    }

    fn append<H: Host>(&mut self, host: &mut H, items: Vec<Item>) -> Result<(), PickleError> {
        let target = self.top()?;
        if let Item::Payload(payload) = target {
            return host.append(self, payload, &items);
        }
        self.heap.charge(items.len() as u64 * ITEM_COST)?;
        match self.heap.node_mut(target) {
            Some(Node::List(list)) => list.extend(items),
            Some(Node::Object(object)) => object.items.extend(items),
            _ => return Err(damaged("it appends to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Item]) -> Result<(), PickleError> {
        if !items.len().is_multiple_of(2) {
            return Err(damaged("it has a key without a value"));
        }
        self.heap.charge(items.len() as u64 * ITEM_COST)?;
        let entries = items.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        match self.heap.node_mut(self.top()?) {
            Some(Node::Dict(dict)) => dict.extend(entries),
            Some(Node::Object(object)) => object.entries.extend(entries),
            _ => return Err(damaged("it sets a key of what is no dictionary")),
        }
        Ok(())
    }
}

/// Up to eight bytes of two's complement, least significant first.
pub(crate) fn small_int(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = if negative { [0xff; 8] } else { [0; 8] };
    wide[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(wide)
}

fn refused_opcode(opcode: u8) -> Fault {
    let why = match opcode {
        b'P' | b'Q' => "it refers to an object outside the file",
        0x97 | 0x98 => "it refers to a buffer outside the file",
        0x82..=0x84 => "it refers to a registry outside the file",
        b'F' | b'I' | b'L' | b'S' | b'T' | b'U' | b'V' | b'd' | b'g' | b'i' | b'l' | b'o' | b'p' => {
            "it belongs to protocol 0 or 1; protocols 2 to 5 are read"
        }
        _ => "there is no such opcode",
    };
    Fault::Opcode { opcode, why }
}
