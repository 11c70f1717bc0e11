//! Runs of numbers: the elements of a list of Python's ints and floats, straight from a window into a column.
//!
//! Neighbours in a column mostly have the same opcode, for it says how many bytes a number takes. So elements are taken
//! by eights: all eight values are read as if the opcode were the first one's, and kept if it is. That leaves the
//! processor one branch to foresee where it had eight and more.

use crate::pickle::machine::small_int;
use crate::pickle::opcode as op;

/// The longest opcode that is read here: LONG1 with its length and eight bytes.
pub(super) const LONGEST_BYTES: usize = 10;

/// How many elements are taken at once.
const LANES: usize = 8;

/// Why there are no more numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The window is used up, but for less than one opcode may need.
    Window,
    /// The row is full.
    Row,
    /// The batch is at its end.
    Batch,
    /// An opcode that is not for these loops.
    Other,
}

/// Reads ints until the window, the row or the last of the batches ends.
pub(super) fn take_ints(window: &mut &[u8], ints: &mut Vec<i64>, row_length: usize) -> Stop {
    take(window, ints, row_length, |bytes, head, ints, room| match head[0] {
        op::BININT1 => Some(run(bytes, ints, room, |[_, byte]: [u8; 2]| byte.into())),
        op::BININT2 => Some(run(bytes, ints, room, |[_, bytes @ ..]: [u8; 3]| u16::from_le_bytes(bytes).into())),
        op::BININT => Some(run(bytes, ints, room, |[_, bytes @ ..]: [u8; 5]| i32::from_le_bytes(bytes).into())),
        op::LONG1 if head[1] <= 8 => {
            let length = usize::from(head[1]);
            ints.push(small_int(&head[2..2 + length]));
            Some(2 + length)
        }
        _ => None,
    })
}

/// Reads floats, ints that are exact as floats, and `None`, likewise.
pub(super) fn take_floats(window: &mut &[u8], floats: &mut Vec<f64>, row_length: usize) -> Stop {
    take(window, floats, row_length, |bytes, head, floats, room| match head[0] {
        op::BINFLOAT => Some(run(bytes, floats, room, |[_, bytes @ ..]: [u8; 9]| f64::from_be_bytes(bytes))),
        op::NONE => Some(run(bytes, floats, room, |[_]: [u8; 1]| f64::NAN)),
        op::BININT1 => Some(run(bytes, floats, room, |[_, byte]: [u8; 2]| byte.into())),
        op::BININT2 => Some(run(bytes, floats, room, |[_, bytes @ ..]: [u8; 3]| u16::from_le_bytes(bytes).into())),
        op::BININT => Some(run(bytes, floats, room, |[_, bytes @ ..]: [u8; 5]| i32::from_le_bytes(bytes).into())),
        _ => None,
    })
}

/// Lets `numbers` take what the window begins with, again and again: it says how many bytes that were, and knows that
/// ten are there. What stands between the numbers of a list is passed over.
#[inline(always)]
fn take<T>(
    window: &mut &[u8],
    cells: &mut Vec<T>,
    row_length: usize,
    numbers: impl Fn(&[u8], &[u8; LONGEST_BYTES], &mut Vec<T>, usize) -> Option<usize>,
) -> Stop {
    let mut bytes = *window;
    let stop = loop {
        let room = row_length - cells.len();
        if room == 0 {
            break Stop::Row;
        }
        let Some(head) = bytes.first_chunk::<LONGEST_BYTES>() else { break Stop::Window };
        let used = match numbers(bytes, head, cells, room) {
            Some(used) => used,
            None if head[0] == op::FRAME => 9,
            // A batch may be followed by another one of the same list.
            None if head[..2] == [op::APPENDS, op::MARK] => 2,
            None if head[0] == op::APPENDS => {
                bytes = &bytes[1..];
                break Stop::Batch;
            }
            None => break Stop::Other,
        };
        bytes = &bytes[used..];
    };
    *window = bytes;
    stop
}

/// Takes the elements of `SIZE` bytes that have the first one's opcode, at most `room`; says how many bytes they were.
#[inline(always)]
fn run<const SIZE: usize, T>(bytes: &[u8], cells: &mut Vec<T>, room: usize, value: impl Fn([u8; SIZE]) -> T) -> usize {
    let (elements, _) = bytes.as_chunks::<SIZE>();
    let elements = &elements[..elements.len().min(room)];
    let Some(&[opcode, ..]) = elements.first().map(|element| element.as_slice()) else { return 0 };
    let (eights, _) = elements.as_chunks::<LANES>();
    let mut count = 0;
    for eight in eights {
        let differ = eight.iter().fold(0, |differ, element| differ | (element[0] ^ opcode));
        if differ != 0 {
            break;
        }
        cells.extend(eight.iter().map(|&element| value(element)));
        count += LANES;
    }
    for &element in elements[count..].iter().take_while(|element| element[0] == opcode) {
        cells.push(value(element));
        count += 1;
    }
    count * SIZE
}
