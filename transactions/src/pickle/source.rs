//! The bytes of a pickle, from a file, a gzip stream or memory: looked at through a window, or read straight into
//! where they belong.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt as _;

use super::error::{Fault, PickleError};
use super::gzip::Members;

/// Large enough that the calls to the kernel do not count, small enough to stay in a core's own cache.
const BUFFER_BYTES: usize = 256 << 10;

/// What is read at first, and after each leap: if what comes next is large, it is better read to where it belongs.
const FIRST_FILL_BYTES: usize = 8 << 10;

/// From this size on, bytes are read to where they belong, by so many a call: they are still in the core's own cache
/// when they are put right, see [`read_straight`].
const STRAIGHT_BYTES: usize = 128 << 10;
const PIECE_BYTES: usize = 512 << 10;

/// The kernel copies a file's bytes at full speed only to where they have the same place in a line of the cache as in
/// the file. Elsewhere it takes 1.3 to 1.6 times as long, and a few bytes further on than that, three times.
const LINE_BYTES: usize = 64;

/// The first bytes of a gzip stream.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A pickle's bytes in order, with a position.
pub(crate) struct Source<'a> {
    input: Input<'a>,
    /// What is buffered of a file or gzip stream, from `begin` to `end`; unused for memory.
    buffer: Vec<u8>,
    begin: usize,
    position: usize,
    end: usize,
    /// Where in the pickle the buffer's `end` is.
    end_offset: u64,
    /// How many bytes the next fill asks for.
    fill_bytes: usize,
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
            return Source::buffered(Input::Gzip(Box::new(Members::new(bytes))), size_bytes);
        }
        let (end, end_offset) = (bytes.len(), size_bytes);
        let input = Input::Slice(bytes);
        Source { input, buffer: Vec::new(), begin: 0, position: 0, end, end_offset, fill_bytes: 0, size_bytes }
    }

    /// Reads from a regular file of `size_bytes`, through gzip if its bytes begin so.
    pub(crate) fn file(file: File, size_bytes: u64) -> io::Result<Source<'a>> {
        let mut source = Source::buffered(Input::File(file), size_bytes);
        source.fill()?;
        if !source.window().starts_with(&GZIP_MAGIC) {
            return Ok(source);
        }
        // What was read had its place given, so that the file still begins at its beginning.
        let Input::File(file) = source.input else { unreachable!("made from a file above") };
        let file = BufReader::with_capacity(STRAIGHT_BYTES, file);
        Ok(Source::buffered(Input::Gzip(Box::new(Members::new(file))), size_bytes))
    }

    /// Reads from whatever gives bytes in pieces, as a gzip stream does.
    #[cfg(test)]
    pub(crate) fn stream(pieces: Box<dyn Read + 'a>, size_bytes: u64) -> Source<'a> {
        Source::buffered(Input::Gzip(pieces), size_bytes)
    }

    fn buffered(input: Input<'a>, size_bytes: u64) -> Source<'a> {
        // A line more, for the place in one to be chosen.
        let buffer = vec![0; BUFFER_BYTES + LINE_BYTES];
        let fill_bytes = FIRST_FILL_BYTES;
        Source { input, buffer, begin: 0, position: 0, end: 0, end_offset: 0, fill_bytes, size_bytes }
    }

    /// The bytes that the caller's file or slice holds, compressed or not: what memory is granted by.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How far into the (unpacked) pickle the next byte is.
    pub(crate) fn offset(&self) -> u64 {
        self.end_offset - (self.end - self.position) as u64
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
        let rest = self.position..self.end;
        // What comes next goes to where it has the same place in a line as in the file, what is left right before it.
        let least = self.buffer.as_ptr() as usize + rest.len();
        let start = rest.len() + distance_in_line(least, self.end_offset);
        let position = start - rest.len();
        self.buffer.copy_within(rest, position);
        (self.begin, self.position, self.end) = (position, position, start);
        let stop = self.buffer.len().min(start + self.fill_bytes);
        let space = &mut self.buffer[start..stop];
        self.fill_bytes = BUFFER_BYTES.min(2 * self.fill_bytes);
        let count = loop {
            let read = match &mut self.input {
                Input::File(file) => file.read_at(space, self.end_offset),
                Input::Gzip(decoder) => decoder.read(space),
                Input::Slice(_) => return Ok(0),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += count;
        self.end_offset += count as u64;
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
                    && space.len() >= STRAIGHT_BYTES
                {
                    let count = read_straight(file, self.end_offset, space)?;
                    if count == 0 {
                        return Err(self.truncated());
                    }
                    self.leap(self.end_offset + count as u64);
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
        let behind = self.end_offset.checked_sub(offset).filter(|&bytes| bytes <= (self.end - self.begin) as u64);
        match (&self.input, behind) {
            (_, Some(behind)) => self.position = self.end - behind as usize,
            (Input::File(_), None) => self.leap(offset),
            _ => return Err(self.truncated()),
        }
        Ok(())
    }

    /// Nothing is buffered any more, and what comes next is somewhere else.
    fn leap(&mut self, offset: u64) {
        (self.begin, self.position, self.end) = (0, 0, 0);
        (self.end_offset, self.fill_bytes) = (offset, FIRST_FILL_BYTES);
    }

    /// After the pickle's end: checks the checksum of a gzip stream that ends here too.
    pub(crate) fn finish(&mut self) -> Result<(), PickleError> {
        if matches!(self.input, Input::Gzip(_)) && self.position == self.end {
            self.fill()?;
        }
        Ok(())
    }

    fn truncated(&self) -> PickleError {
        PickleError::new(self.end_offset, Fault::Truncated)
    }
}

/// Reads from this place in a file into the beginning of `space`, which is not small; says how many bytes.
fn read_straight(file: &File, offset: u64, space: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    // First to where they have the same place in a line as in the file, from there back by less than a line.
    let shift = distance_in_line(space.as_ptr() as usize, offset);
    let length = PIECE_BYTES.min(space.len() - shift);
    let count = loop {
        match rustix::io::pread(file, &mut space[shift..][..length], offset) {
            Err(rustix::io::Errno::INTR) => {}
            read => break read?.0.len(),
        }
    };
    space.copy_within(shift..shift + count, 0);
    Ok(count)
}

/// How far from an address the next one is that has the same place in a line of the cache as an offset.
fn distance_in_line(address: usize, offset: u64) -> usize {
    (offset as usize).wrapping_sub(address) % LINE_BYTES
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    const SIZE_BYTES: usize = 3 * PIECE_BYTES + 12_345;

    /// What is asked of a source.
    #[derive(Clone, Copy, Debug)]
    enum Ask {
        Byte,
        Array,
        /// So many bytes, to a place that is so far into a line.
        Into(usize, usize),
        GoTo(usize),
        /// So many bytes back.
        Back(usize),
    }

    fn ask() -> impl Strategy<Value = Ask> {
        let sizes = prop_oneof![0..100_usize, STRAIGHT_BYTES - 2..STRAIGHT_BYTES + 2, 0..SIZE_BYTES];
        prop_oneof![
            Just(Ask::Byte),
            Just(Ask::Array),
            (sizes, 0..2 * LINE_BYTES).prop_map(|(count, place)| Ask::Into(count, place)),
            (0..SIZE_BYTES).prop_map(Ask::GoTo),
            (0..4 * LINE_BYTES).prop_map(Ask::Back),
        ]
    }

    /// Bytes of which no two neighbourhoods are alike.
    fn contents() -> Vec<u8> {
        (0..SIZE_BYTES as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is asked of a file in whatever order, what comes is what stands there, and beyond its end nothing.
        #[test]
        fn a_file_is_read_as_it_is(asks in proptest::collection::vec(ask(), 1..40)) {
            let bytes = contents();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let mut source = Source::file(file, SIZE_BYTES as u64).unwrap();
            let mut at = 0;
            for ask in asks {
                prop_assert_eq!(source.offset(), at as u64);
                let (next, seen) = match ask {
                    Ask::Byte => (at + 1, Some(source.byte().map(|byte| vec![byte]))),
                    Ask::Array => (at + 7, Some(source.array::<7>().map(Vec::from))),
                    Ask::Into(count, place) => {
                        let mut space = vec![MaybeUninit::new(0); place + count];
                        let read = source.read_into(&mut space[place..]);
                        // SAFETY: all of it was made of zeros.
                        let space = space[place..].iter().map(|byte| unsafe { byte.assume_init() }).collect();
                        (at + count, Some(read.map(|()| space)))
                    }
                    Ask::GoTo(offset) => (offset, None),
                    Ask::Back(count) => (at.saturating_sub(count), None),
                };
                match (bytes.get(at..next), seen) {
                    (_, None) => source.go_to(next as u64).unwrap(),
                    (Some(expected), Some(seen)) => prop_assert!(seen.unwrap() == expected, "{at} to {next}"),
                    (None, Some(seen)) => {
                        prop_assert!(seen.is_err());
                        return Ok(());
                    }
                }
                at = next;
            }
        }
    }

    /// Whatever the places of the two are, what lies between them is less than a line and makes them alike.
    #[test]
    fn places_in_a_line_are_made_alike() {
        for address in 4096..4096 + LINE_BYTES {
            for offset in 0..LINE_BYTES {
                let distance = distance_in_line(address, offset as u64);
                assert!(distance < LINE_BYTES);
                assert_eq!((address + distance) % LINE_BYTES, offset);
            }
        }
    }
}
