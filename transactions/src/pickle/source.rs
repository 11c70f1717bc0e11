//! The bytes of a pickle, from a file, a gzip stream or memory: looked at through a window, or read straight into
//! where they belong.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::mem::MaybeUninit;

use flate2::bufread::MultiGzDecoder;

use super::error::{Fault, PickleError};

/// Large enough that the calls to the kernel do not count, small enough to stay in a core's own cache.
const BUFFER_BYTES: usize = 128 << 10;

/// The first bytes of a gzip stream.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A pickle's bytes in order, with a position.
pub(crate) struct Source<'a> {
    input: Input<'a>,
    /// What is buffered of a file or gzip stream; unused for memory.
    buffer: Vec<u8>,
    position: usize,
    end: usize,
    /// Where in the pickle the buffer begins.
    base: u64,
    /// The bytes that the caller's file or slice holds, compressed or not.
    size_bytes: u64,
}

enum Input<'a> {
    Slice(&'a [u8]),
    File(File),
    Gzip(Box<dyn Read + 'a>),
}

impl<'a> Source<'a> {
    /// Reads from memory, through gzip if the bytes begin so.
    pub(crate) fn slice(bytes: &'a [u8]) -> Source<'a> {
        let size_bytes = bytes.len() as u64;
        if bytes.starts_with(&GZIP_MAGIC) {
            return Source::gzip(Box::new(MultiGzDecoder::new(bytes)), size_bytes);
        }
        Source { input: Input::Slice(bytes), buffer: Vec::new(), position: 0, end: bytes.len(), base: 0, size_bytes }
    }

    /// Reads from a regular file of `size_bytes`, through gzip if its bytes begin so.
    pub(crate) fn file(file: File, size_bytes: u64) -> io::Result<Source<'a>> {
        let buffer = vec![0; BUFFER_BYTES];
        let mut source = Source { input: Input::File(file), buffer, position: 0, end: 0, base: 0, size_bytes };
        source.fill()?;
        if !source.window().starts_with(&GZIP_MAGIC) {
            return Ok(source);
        }
        let Input::File(mut file) = source.input else { unreachable!("made from a file above") };
        file.seek(SeekFrom::Start(0))?;
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        Ok(Source::gzip(Box::new(MultiGzDecoder::new(file)), size_bytes))
    }

    fn gzip(decoder: Box<dyn Read + 'a>, size_bytes: u64) -> Source<'a> {
        let buffer = vec![0; BUFFER_BYTES];
        Source { input: Input::Gzip(decoder), buffer, position: 0, end: 0, base: 0, size_bytes }
    }

    /// The bytes that the caller's file or slice holds, compressed or not: what memory is granted by.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How far into the (unpacked) pickle the next byte is.
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.position as u64
    }

    /// What is buffered from the position on. Empty only before the first [`Source::fill`] or at the end.
    pub(crate) fn window(&self) -> &[u8] {
        match &self.input {
            Input::Slice(bytes) => &bytes[self.position..self.end],
            _ => &self.buffer[self.position..self.end],
        }
    }

    /// Goes on by `count` bytes, which the window must have.
    pub(crate) fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.position);
        self.position += count;
    }

    /// Widens the window, if there is more to come; says by how many bytes.
    pub(crate) fn fill(&mut self) -> io::Result<usize> {
        if matches!(self.input, Input::Slice(_)) {
            return Ok(0);
        }
        self.buffer.copy_within(self.position..self.end, 0);
        self.base += self.position as u64;
        self.end -= self.position;
        self.position = 0;
        let space = &mut self.buffer[self.end..];
        let count = loop {
            let read = match &mut self.input {
                Input::File(file) => file.read(space),
                Input::Gzip(decoder) => decoder.read(space),
                Input::Slice(_) => return Ok(0),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += count;
        Ok(count)
    }

    /// Fails unless `count` more bytes can be there, as far as that is known without reading them.
    pub(crate) fn expect(&self, count: u64) -> Result<(), PickleError> {
        let total = match self.input {
            Input::Gzip(_) => return Ok(()),
            _ => self.size_bytes,
        };
        if count > total.saturating_sub(self.offset()) { Err(self.truncated()) } else { Ok(()) }
    }

    /// The next byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, PickleError> {
        if self.position == self.end && self.fill()? == 0 {
            return Err(self.truncated());
        }
        let byte = self.window()[0];
        self.position += 1;
        Ok(byte)
    }

    /// The next `N` bytes.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let mut array = [0; N];
        if let Some((head, _)) = self.window().split_first_chunk::<N>() {
            array = *head;
            self.position += N;
            return Ok(array);
        }
        for byte in &mut array {
            *byte = self.byte()?;
        }
        Ok(array)
    }

    /// Hands the next `count` bytes to `take`, window by window.
    pub(crate) fn pieces(
        &mut self,
        mut count: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), PickleError>,
    ) -> Result<(), PickleError> {
        while count > 0 {
            if self.position == self.end && self.fill()? == 0 {
                return Err(self.truncated());
            }
            let window = self.window();
            let piece = &window[..window.len().min(usize::try_from(count).unwrap_or(usize::MAX))];
            take(piece)?;
            let length = piece.len();
            count -= length as u64;
            self.position += length;
        }
        Ok(())
    }

    /// Appends the next `count` bytes, after their length has been found acceptable.
    pub(crate) fn append_to(&mut self, bytes: &mut Vec<u8>, count: usize) -> Result<(), PickleError> {
        self.pieces(count as u64, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
    }

    /// Fills `space` with the next bytes: what a file holds goes there without a stop on the way.
    pub(crate) fn read_into(&mut self, mut space: &mut [MaybeUninit<u8>]) -> Result<(), PickleError> {
        while !space.is_empty() {
            if self.position == self.end {
                if let Input::File(file) = &self.input
                    && space.len() >= BUFFER_BYTES
                {
                    let count = match rustix::io::read(file, &mut *space) {
                        Err(rustix::io::Errno::INTR) => continue,
                        read => read.map_err(io::Error::from)?.0.len(),
                    };
                    if count == 0 {
                        return Err(self.truncated());
                    }
                    self.base += count as u64;
                    space = &mut space[count..];
                    continue;
                }
                if self.fill()? == 0 {
                    return Err(self.truncated());
                }
            }
            let window = self.window();
            let count = window.len().min(space.len());
            space[..count].write_copy_of_slice(&window[..count]);
            self.position += count;
            space = &mut space[count..];
        }
        Ok(())
    }

    /// Whether [`Source::go_to`] works: not in a gzip stream.
    pub(crate) fn can_seek(&self) -> bool {
        !matches!(self.input, Input::Gzip(_))
    }

    /// Goes to a place in the pickle. Only where [`Source::can_seek`].
    pub(crate) fn go_to(&mut self, offset: u64) -> Result<(), PickleError> {
        let in_window = offset.checked_sub(self.base).filter(|&at| at <= self.end as u64);
        match (&mut self.input, in_window) {
            (_, Some(at)) => self.position = at as usize,
            (Input::File(file), None) => {
                file.seek(SeekFrom::Start(offset))?;
                (self.base, self.position, self.end) = (offset, 0, 0);
            }
            _ => return Err(self.truncated()),
        }
        Ok(())
    }

    /// After the pickle's end: checks the checksum of a gzip stream that ends here too.
    pub(crate) fn finish(&mut self) -> Result<(), PickleError> {
        if matches!(self.input, Input::Gzip(_)) && self.position == self.end {
            self.fill()?;
        }
        Ok(())
    }

    fn truncated(&self) -> PickleError {
        PickleError::new(self.base + self.end as u64, Fault::Truncated)
    }
}
