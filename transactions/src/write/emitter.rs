//! Opcodes on their way out, in frames as Python's pickler makes them.

use std::io::{self, Write};

use crate::pickle::opcode as op;
use crate::pickle::{blob, blob_head, int};

/// A frame ends at the first opcode that makes it this long; longer contents go out beside frames.
const FRAME_BYTES: usize = 64 << 10;

/// How many elements Python's pickler adds to a list at once.
const BATCH: usize = 1000;

/// Writes opcodes to `out`.
pub(super) struct Emitter<W> {
    out: W,
    frame: Vec<u8>,
}

impl<W: Write> Emitter<W> {
    /// Begins a pickle of protocol 4.
    pub(super) fn begin(mut out: W) -> io::Result<Emitter<W>> {
        out.write_all(&[op::PROTO, 4])?;
        Ok(Emitter { out, frame: Vec::with_capacity(FRAME_BYTES + (16 << 10)) })
    }

    /// Ends the pickle.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.frame.push(op::STOP);
        self.flush()?;
        self.out.flush()
    }

    /// Opcodes without arguments.
    pub(super) fn ops(&mut self, opcodes: &[u8]) {
        self.frame.extend_from_slice(opcodes);
    }

    pub(super) fn int(&mut self, value: i64) {
        int(&mut self.frame, value);
    }

    pub(super) fn str(&mut self, text: &str) {
        blob(&mut self.frame, [op::SHORT_BINUNICODE, op::BINUNICODE, op::BINUNICODE8], text.as_bytes());
    }

    pub(super) fn optional_str(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.str(text),
            None => self.ops(&[op::NONE]),
        }
    }

    pub(super) fn short_bytes(&mut self, bytes: &[u8]) {
        blob(&mut self.frame, [op::SHORT_BINBYTES, op::BINBYTES, op::BINBYTES8], bytes);
    }

    pub(super) fn global(&mut self, module: &str, name: &str) {
        self.str(module);
        self.str(name);
        self.ops(&[op::STACK_GLOBAL]);
    }

    /// The bytes of words, which come in parts of one row each.
    pub(super) fn words<'a>(&mut self, parts: impl Iterator<Item = Words<'a>> + Clone) -> io::Result<()> {
        let count: usize = parts.clone().map(|part| part.len()).sum();
        blob_head(&mut self.frame, [op::SHORT_BINBYTES, op::BINBYTES, op::BINBYTES8], count * 8);
        if count * 8 >= FRAME_BYTES {
            // Python's reader takes long contents straight from the file, beside any frame.
            let head = if u32::try_from(count * 8).is_ok() { 5 } else { 9 };
            let head = self.frame.split_off(self.frame.len() - head);
            self.flush()?;
            self.out.write_all(&head)?;
            for part in parts {
                part.write(&mut self.out)?;
            }
            return Ok(());
        }
        for part in parts {
            part.write(&mut self.frame)?;
        }
        self.frame_boundary()
    }

    /// A list of ints.
    pub(super) fn ints(&mut self, values: impl Iterator<Item = i64>) -> io::Result<()> {
        self.list(values, int)
    }

    /// A list whose elements `emit` writes, in batches.
    pub(super) fn list<T>(
        &mut self,
        values: impl Iterator<Item = T>,
        emit: impl Fn(&mut Vec<u8>, T),
    ) -> io::Result<()> {
        self.ops(&[op::EMPTY_LIST]);
        let mut in_batch = 0;
        for value in values {
            if in_batch == 0 {
                self.ops(&[op::MARK]);
            }
            emit(&mut self.frame, value);
            in_batch += 1;
            if in_batch == BATCH {
                self.ops(&[op::APPENDS]);
                in_batch = 0;
                self.frame_boundary()?;
            }
        }
        if in_batch > 0 {
            self.ops(&[op::APPENDS]);
        }
        self.frame_boundary()
    }

    fn frame_boundary(&mut self) -> io::Result<()> {
        if self.frame.len() >= FRAME_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Python writes no frame shorter than 4 bytes.
        if self.frame.len() >= 4 {
            let mut head = [op::FRAME; 9];
            head[1..].copy_from_slice(&(self.frame.len() as u64).to_le_bytes());
            self.out.write_all(&head)?;
        }
        self.out.write_all(&self.frame)?;
        self.frame.clear();
        Ok(())
    }
}

/// Words whose bytes are an array's elements.
#[derive(Clone, Copy)]
pub(super) enum Words<'a> {
    Ints(&'a [i64]),
    Floats(&'a [f64]),
    /// Evenly spaced integers.
    Even {
        start: i64,
        step: i64,
        len: usize,
    },
}

impl Words<'_> {
    fn len(&self) -> usize {
        match self {
            Words::Ints(values) => values.len(),
            Words::Floats(values) => values.len(),
            Words::Even { len, .. } => *len,
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Words::Ints(values) => write_words(out, values.iter().map(|value| value.to_le_bytes())),
            Words::Floats(values) => write_words(out, values.iter().map(|value| value.to_le_bytes())),
            Words::Even { start, step, len } => {
                write_words(out, (0..*len).map(|at| (start + step * at as i64).to_le_bytes()))
            }
        }
    }
}

fn write_words(out: &mut impl Write, mut words: impl ExactSizeIterator<Item = [u8; 8]>) -> io::Result<()> {
    let mut buffer = [[0; 8]; 2 << 10];
    while words.len() > 0 {
        let count = words.len().min(buffer.len());
        for (space, word) in buffer.iter_mut().zip(words.by_ref().take(count)) {
            *space = word;
        }
        out.write_all(buffer[..count].as_flattened())?;
    }
    Ok(())
}
