//! The loops that read lists of objects against the general evaluator, which keeps every element as a value.

use std::io::{self, Read};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::pickle::{Value, decode, opcode as op};
use crate::table::{Column, Index, Values};

/// A value that only the list to be replaced has: BININT2 and this.
const SENTINEL: i64 = 0x5a5a;

/// Bytes that come in pieces: a first one, and then others of one size.
struct Pieces<'a> {
    bytes: &'a [u8],
    next: usize,
    then: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = self.next.min(space.len());
        self.next = self.then;
        self.bytes.read(&mut space[..count])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Numbers of whatever opcodes, in whatever batches and frames and pieces, are those that the evaluator finds; what
    /// is no column of numbers is refused.
    #[test]
    fn objects_are_what_the_evaluator_says((columns, list) in list(), next in 1_usize..2000, then in 1_usize..200) {
        let bytes = frame_of(columns, &list);
        let expected = by_evaluator(columns, &bytes);
        prop_assert_eq!(&in_pieces(&bytes, usize::MAX, usize::MAX), &expected);
        prop_assert_eq!(&in_pieces(&bytes, next, then), &expected);
        prop_assert_eq!(read_bytes(&bytes).ok().map(values), expected);
    }

    /// Changed bytes, which may be opcodes and lengths, do what they do however they come, and no harm.
    #[test]
    fn changed_objects_are_read_alike_in_pieces(
        (columns, list) in list(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        then in 1_usize..200,
    ) {
        let mut list = list;
        for (at, byte) in changes {
            let at = at.index(list.bytes.len());
            list.bytes[at] = byte;
        }
        let bytes = frame_of(columns, &list);
        let whole = read_bytes(&bytes).ok().map(values);
        prop_assert_eq!(in_pieces(&bytes, 1, then), whole);
    }
}

/// A window may end anywhere within a list.
#[test]
fn a_piece_may_end_at_every_byte() {
    let mut list = List::default();
    for (at, kind) in
        [1, 2, 5, 10, 0, 1, 1, 9, 6, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 5, 5].into_iter().cycle().take(200).enumerate()
    {
        list.number(kind, at as i64 * 1_000_003);
        if at % 17 == 0 {
            list.between(Between::Frame);
        }
        if at % 23 == 0 {
            list.between(Between::Batch);
        }
    }
    let bytes = frame_of(4, &list);
    let expected = by_evaluator(4, &bytes);
    assert!(expected.is_some());
    for first in 1..bytes.len() {
        assert_eq!(in_pieces(&bytes, first, usize::MAX), expected, "a first piece of {first} bytes");
    }
    for then in 1..100 {
        assert_eq!(in_pieces(&bytes, 1, then), expected, "pieces of {then} bytes");
    }
}

/// Opcodes that make a list's elements, and how many those are.
#[derive(Clone, Debug, Default)]
struct List {
    bytes: Vec<u8>,
    count: usize,
}

/// What may stand between two elements.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Frame,
    /// A new batch.
    Batch,
    /// A batch without elements, and a new one.
    NoBatch,
    /// An element on its own, and a new batch.
    Alone,
}

impl List {
    /// The number, as far as that kind of opcode can hold it.
    fn number(&mut self, kind: u8, value: i64) {
        let bytes = value.to_le_bytes();
        let (opcode, argument): (u8, Vec<u8>) = match kind {
            1 => (op::BININT1, bytes[..1].into()),
            2 => (op::BININT2, bytes[..2].into()),
            3 | 5 => (op::BININT, bytes[..4].into()),
            4 => (op::LONG1, [&[9], &bytes[..], &[if value < 0 { 0xff } else { 0 }]].concat()),
            6 => (op::NONE, Vec::new()),
            7 => (op::LONG4, [&[3, 0, 0, 0], &bytes[..3]].concat()),
            8 => (op::NEWTRUE, Vec::new()),
            9 => (op::BINFLOAT, (value as f64 / 7.0).to_be_bytes().into()),
            10 => (op::LONG1, [&[3], &bytes[..3]].concat()),
            11 => (op::LONG1, [&[9], &bytes[..], &[0x11]].concat()),
            _ => {
                let length = (value.unsigned_abs() % 9) as u8;
                (op::LONG1, [&[length], &bytes[..usize::from(length)]].concat())
            }
        };
        self.bytes.push(opcode);
        self.bytes.extend(argument);
        self.count += 1;
    }

    fn between(&mut self, what: Between) {
        match what {
            Between::Nothing => {}
            Between::Frame => self.bytes.extend([op::FRAME, b'K', b'M', b'J', op::APPENDS, 0, 1, 2, 3]),
            Between::Batch => self.bytes.extend([op::APPENDS, op::MARK]),
            Between::NoBatch => self.bytes.extend([op::APPENDS, op::MARK, op::APPENDS, op::MARK]),
            Between::Alone => {
                self.bytes.extend([op::APPENDS, op::BININT1, 77, op::APPEND, op::MARK]);
                self.count += 1;
            }
        }
    }
}

/// A list for so many columns: runs of one opcode and runs of any, of those that columns are made of mostly.
fn list() -> impl Strategy<Value = (usize, List)> {
    let kind = prop_oneof![40 => 1..4_u8, 10 => Just(10_u8), 6 => Just(0), 6 => Just(9), 3 => Just(6), 1 => 4..12_u8];
    let between = prop_oneof![
        20 => Just(Between::Nothing), 4 => Just(Between::Frame), 4 => Just(Between::Batch),
        1 => Just(Between::NoBatch), 1 => Just(Between::Alone),
    ];
    let value = (any::<i64>(), 0_u32..64).prop_map(|(value, shift)| value >> shift);
    let same = (kind.clone(), vec(value.clone(), 1..40))
        .prop_map(|(kind, values)| values.into_iter().map(|value| (kind, value)).collect::<Vec<_>>());
    let any = vec((kind, value), 1..12);
    let runs = vec((prop_oneof![same, any], between), 1..14);
    (runs, 1_usize..5).prop_map(|(runs, columns)| {
        let mut list = List::default();
        for (run, between) in runs {
            run.into_iter().for_each(|(kind, value)| list.number(kind, value));
            list.between(between);
        }
        while !list.count.is_multiple_of(columns) {
            list.number(1, 200);
        }
        (columns, list)
    })
}

/// The pickle of a frame whose columns are this list's elements, row after row of their block.
fn frame_of(columns: usize, list: &List) -> Vec<u8> {
    let rows = list.count / columns;
    let column = |name: usize| Column::object(name.to_string(), vec![SENTINEL; rows]);
    let table = Table::new((0..columns).map(column).collect(), Index::range(rows)).unwrap();
    let bytes = crate::to_bytes(&table);
    let sentinels = [op::BININT2, 0x5a, 0x5a].repeat(rows * columns);
    let at = bytes.windows(sentinels.len()).position(|window| window == sentinels).expect("one batch has them all");
    [&bytes[..at], &list.bytes, &bytes[at + sentinels.len()..]].concat()
}

/// The columns of what is read when it comes in such pieces, if it is read.
fn in_pieces(bytes: &[u8], next: usize, then: usize) -> Option<Vec<Values>> {
    let source = Source::stream(Box::new(Pieces { bytes, next, then }), bytes.len() as u64);
    read_source(source, String::new).ok().map(values)
}

fn values(table: Table) -> Vec<Values> {
    table.into_parts().0.into_iter().map(Column::into_values).collect()
}

/// The columns by the general evaluator and the rules: all ints, or else floats, if every int is exact as one.
fn by_evaluator(columns: usize, bytes: &[u8]) -> Option<Vec<Values>> {
    let value = decode(bytes).unwrap();
    let elements = elements(&value).expect("the list is in it");
    let column = |elements: &[Value]| {
        let ints: Option<Vec<i64>> = elements.iter().map(Value::as_int).collect();
        let float = |element: &Value| match element {
            Value::Int(value) if value.unsigned_abs() <= 1 << 53 => Some(*value as f64),
            Value::Float(value) => Some(*value),
            Value::None => Some(f64::NAN),
            _ => None,
        };
        ints.map(Values::Int).or_else(|| elements.iter().map(float).collect::<Option<_>>().map(Values::Float))
    };
    elements.chunks_exact(elements.len() / columns).map(column).collect()
}

/// The list of the frame's elements: the state of its only array of objects that are no strings.
fn elements(value: &Value) -> Option<&[Value]> {
    match value {
        Value::List(items) if !items.is_empty() && !items.iter().any(|item| matches!(item, Value::Str(_))) => {
            items.iter().find_map(elements).or(Some(items))
        }
        Value::List(items) | Value::Tuple(items) => items.iter().find_map(elements),
        Value::Dict(entries) => entries.iter().find_map(|(_, value)| elements(value)),
        Value::Object(object) => elements(&object.args).or_else(|| object.state.as_ref().and_then(elements)),
        _ => None,
    }
}
