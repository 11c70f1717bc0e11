//! From the evaluated pickle of a DataFrame to a table.
//!
//! A frame keeps its values in blocks, each a matrix of one dtype with the places of its rows among the columns. How
//! frame, blocks and axes are put together differs from one version of pandas to the next:
//!
//! - before 1.3, the manager of the blocks is an instance with a state that says everything twice,
//! - from 1.3 on it is a call with blocks and axes, where a block is a call of `new_block`, and later of
//!   `_unpickle_block`,
//! - datetimes are a plain matrix at first, later an array object around one.

use crate::pickle::heap::{Heap, Item, Node, ObjectNode};
use crate::table::{Column, Dtype, Index, Table, TableError, Values};

use super::arrow;
use super::error::ContentError;
use super::host::Arrays;
use super::rows::{Cells, Layout, Row, foreign_dtype};
use crate::pickle::element::{FileDtype, Kind};
use crate::pickle::error::printable;

/// Makes the table out of what the pickle's value says.
pub(crate) fn table(heap: &Heap, arrays: &mut Arrays, value: Item) -> Result<Table, ContentError> {
    let mut reader = Reader { heap, arrays };
    let manager = reader.manager(value)?;
    let Manager { blocks, axes } = reader.parts(manager)?;
    let &[columns, index] = axes else {
        return Err(ContentError::damaged("its blocks have other axes than columns and rows"));
    };
    let (names, columns_name) = reader.names(columns)?;
    let index = reader.index(index)?;
    let columns = reader.columns(&blocks, names, index.len())?;
    let table = Table::new(columns, index).map_err(|error| match error {
        TableError::Duplicate { name } => ContentError::Duplicate { name },
        error => ContentError::Damaged(error.to_string()),
    })?;
    Ok(table.with_columns_name(columns_name))
}

/// The evaluated pickle and the arrays that were read beside it.
pub(super) struct Reader<'a> {
    pub heap: &'a Heap,
    pub arrays: &'a mut Arrays,
}

/// What a block manager holds.
struct Manager<'a> {
    blocks: Vec<Block>,
    axes: &'a [Item],
}

struct Block {
    values: Item,
    placement: Item,
}

/// What a block costs in the list of all: a collection from parts that may fail doubles as it grows.
const BLOCK_COST: u64 = 3 * size_of::<Block>() as u64;

impl<'a> Reader<'a> {
    /// The block manager of a frame.
    fn manager(&self, value: Item) -> Result<Item, ContentError> {
        let heap = self.heap;
        let frame = heap.object(value).ok_or_else(|| ContentError::NotAFrame(describe(heap, value)))?;
        // Since pandas 3, under the name that people know.
        match heap.global(frame.callable) {
            Some(("pandas.core.frame" | "pandas", "DataFrame")) => {}
            _ => return Err(ContentError::NotAFrame(describe(heap, value))),
        }
        let state = frame.state.ok_or_else(|| ContentError::damaged("the frame has no state"))?;
        let manager = heap.entry(state, "_mgr").or_else(|| heap.entry(state, "_data"));
        manager.ok_or_else(|| ContentError::damaged("the frame has no block manager"))
    }

    fn parts(&self, manager: Item) -> Result<Manager<'a>, ContentError> {
        let heap = self.heap;
        let unknown = || ContentError::damaged("its block manager is none of a known version of pandas");
        let object = heap.object(manager).ok_or_else(unknown)?;
        match heap.global(object.callable) {
            Some(("pandas.core.internals.managers" | "pandas.core.internals", "BlockManager")) => {}
            _ => return Err(unknown()),
        }
        if let Some(state) = object.state {
            // The last part of the state is by version; what comes before repeats it in an older form.
            let last = heap.tuple(state).and_then(|state| state.get(3)).ok_or_else(unknown)?;
            let state = heap.entry(*last, "0.14.1").ok_or_else(unknown)?;
            let block = |&block: &Item| {
                let values = heap.entry(block, "values")?;
                Some(Block { values, placement: heap.entry(block, "mgr_locs")? })
            };
            let axes = heap.entry(state, "axes").and_then(|axes| heap.list(axes)).ok_or_else(unknown)?;
            let blocks = heap.entry(state, "blocks").and_then(|blocks| heap.list(blocks)).ok_or_else(unknown)?;
            heap.charge(blocks.len() as u64 * BLOCK_COST)?;
            let blocks = blocks.iter().map(block).collect::<Option<_>>().ok_or_else(unknown)?;
            return Ok(Manager { blocks, axes });
        }
        let Some(&[blocks, axes]) = heap.tuple(object.args) else { return Err(unknown()) };
        let blocks = heap.tuple(blocks).or_else(|| heap.list(blocks)).ok_or_else(unknown)?;
        let axes = heap.list(axes).or_else(|| heap.tuple(axes)).ok_or_else(unknown)?;
        heap.charge(blocks.len() as u64 * BLOCK_COST)?;
        let blocks = blocks.iter().map(|&block| self.block(block)).collect::<Option<_>>().ok_or_else(unknown)?;
        Ok(Manager { blocks, axes })
    }

    /// The block that a call of its constructor makes.
    fn block(&self, block: Item) -> Option<Block> {
        let heap = self.heap;
        let call = heap.object(block)?;
        let constructor = match heap.object(call.callable) {
            // `functools.partial(new_block, ndim=2)`.
            Some(partial) if heap.global(partial.callable)? == ("functools", "partial") => {
                *heap.tuple(partial.args)?.first()?
            }
            Some(_) => return None,
            None => call.callable,
        };
        match heap.global(constructor)? {
            ("pandas.core.internals.blocks", "new_block") | ("pandas._libs.internals", "_unpickle_block") => {}
            _ => return None,
        }
        match heap.tuple(call.args)? {
            &[values, placement] | &[values, placement, _] => Some(Block { values, placement }),
            _ => None,
        }
    }

    /// Puts the rows of all blocks in the order of the columns.
    fn columns(
        &mut self,
        blocks: &[Block],
        names: Vec<String>,
        index_rows: usize,
    ) -> Result<Vec<Column>, ContentError> {
        // What is found, the column made of it, and the check that its name is its own.
        let cost_bytes = size_of::<Option<(FileDtype, Row)>>() + size_of::<Column>() + 3 * size_of::<&str>();
        self.heap.charge((names.len() * cost_bytes) as u64)?;
        let mut found: Vec<Option<(FileDtype, Row)>> = Vec::new();
        found.resize_with(names.len(), || None);
        for block in blocks {
            if arrow::is_texts(self.heap, block.values) {
                let places = self.places(block.placement, 1, names.len())?;
                let name = places.first().and_then(|&place| names.get(place)).cloned().unwrap_or_default();
                return Err(ContentError::Column { name, what: "holds texts".to_owned() });
            }
            let (dtype, rows) = self.block_rows(block, &names)?;
            let places = self.places(block.placement, rows.len(), names.len())?;
            for (row, place) in rows.into_iter().zip(places) {
                match found.get_mut(place) {
                    Some(empty @ None) => *empty = Some((dtype, row)),
                    _ => return Err(ContentError::damaged("two blocks hold the same column")),
                }
            }
        }
        names
            .into_iter()
            .zip(found)
            .map(|(name, found)| {
                let missing = || ContentError::Damaged(format!("no block holds column `{}`", printable(&name)));
                let (dtype, row) = found.ok_or_else(missing)?;
                self.column(name, dtype, row, index_rows)
            })
            .collect()
    }

    fn block_rows(&mut self, block: &Block, names: &[String]) -> Result<(FileDtype, Vec<Row>), ContentError> {
        let Some(array) = self.array(block.values) else { return Err(self.foreign_block(block, names)) };
        let array = self.arrays.rows(array)?;
        let dtype = FileDtype { element: array.element, unit_ns: array.unit_ns };
        array.convert_to_ns();
        Ok((dtype, std::mem::take(&mut array.rows)))
    }

    /// Why a block is none of numbers that are read: its dtype, and which columns are of it.
    fn foreign_block(&mut self, block: &Block, names: &[String]) -> ContentError {
        const NAMED: usize = 3;
        let Some((dtype, rows)) = self.foreign_array(block.values).filter(|&(_, rows)| rows <= names.len()) else {
            return ContentError::damaged("a block is no array");
        };
        let places = match self.places(block.placement, rows, names.len()) {
            Ok(places) => places,
            Err(error) => return error,
        };
        let named: Vec<_> = places.iter().take(NAMED).map(|&place| format!("`{}`", printable(&names[place]))).collect();
        let plural = if rows == 1 { "" } else { "s" };
        let more = if rows > NAMED { format!(" and {} more", rows - NAMED) } else { String::new() };
        ContentError::Dtype { columns: format!("column{plural} {}{more}", named.join(", ")), dtype }
    }

    /// The dtype of an array whose elements no table has, and how many rows there are in it.
    fn foreign_array(&self, value: Item) -> Option<(String, usize)> {
        let heap = self.heap;
        let object = heap.object(value)?;
        let (_, function) = heap.global(object.callable)?;
        let (shape, dtype) = match (function, object.state) {
            ("_reconstruct", Some(state)) => match heap.tuple(state)? {
                &[_, shape, dtype, _, _] => (shape, dtype),
                _ => return None,
            },
            ("_frombuffer", None) => match heap.tuple(object.args)? {
                &[_, dtype, shape, _] => (shape, dtype),
                _ => return None,
            },
            _ => return None,
        };
        match heap.tuple(shape)? {
            &[Item::Int(rows), _] => Some((foreign_dtype(heap, dtype)?, usize::try_from(rows).ok()?)),
            _ => None,
        }
    }

    /// The payload of an array: of numpy's own, or of the one inside pandas' array of datetimes or of texts.
    pub(super) fn array(&mut self, value: Item) -> Option<u32> {
        let heap = self.heap;
        if let Item::Payload(payload) = value {
            return Some(payload);
        }
        let object = heap.object(value)?;
        if self.is_backed(object) {
            let state = object.state?;
            // A tuple of dtype and array, in either order, and attributes; before that, the attributes alone.
            return match heap.tuple(state) {
                Some(parts) => parts.iter().take(3).find_map(|&part| self.plain_array(part)),
                None => self.plain_array(heap.entry(state, "_data").or_else(|| heap.entry(state, "_ndarray"))?),
            };
        }
        self.plain_array(value)
    }

    fn plain_array(&mut self, value: Item) -> Option<u32> {
        if let Item::Payload(payload) = value {
            return Some(payload);
        }
        let object = self.heap.object(value)?;
        let (_, name) = self.heap.global(object.callable)?;
        let &[_, shape, dtype, Item::Bool(fortran), elements] = self.heap.tuple(object.state?)? else { return None };
        if name != "_reconstruct" {
            return None;
        }
        let layout = Layout::of(self.heap, shape, dtype, fortran);
        let empty = layout.and_then(|layout| self.arrays.without_elements(self.heap, &layout).ok()?);
        match (empty, elements) {
            (Some(Item::Payload(payload)), _) | (_, Item::Payload(payload)) => Some(payload),
            _ => None,
        }
    }

    /// Whether it is one of pandas' arrays that have one of numpy's inside: datetimes, or, since pandas 3, texts.
    fn is_backed(&self, object: &ObjectNode) -> bool {
        let is_class = |global| {
            matches!(
                global,
                Some(
                    ("pandas.core.arrays.datetimes", "DatetimeArray")
                        | ("pandas.arrays", "DatetimeArray" | "StringArray")
                )
            )
        };
        match self.heap.global(object.callable) {
            Some(("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked")) => {
                let class = self.heap.tuple(object.args).and_then(|args| args.first());
                class.is_some_and(|&class| is_class(self.heap.global(class)))
            }
            global => is_class(global),
        }
    }

    /// The columns that a block's rows are: a slice of all of them, or their numbers.
    fn places(&mut self, placement: Item, rows: usize, columns: usize) -> Result<Vec<usize>, ContentError> {
        let wrong = || ContentError::damaged("a block's rows are placed at no columns");
        let slice = self.heap.object(placement).filter(|o| self.heap.global(o.callable) == Some(("builtins", "slice")));
        let count = rows.min(columns);
        self.heap.charge((count * size_of::<usize>()) as u64)?;
        let mut places = Vec::with_capacity(count);
        if let Some(slice) = slice {
            let Some(&[Item::Int(start), stop, step]) = self.heap.tuple(slice.args) else { return Err(wrong()) };
            let step = match step {
                Item::None => 1,
                Item::Int(step) => step,
                _ => return Err(wrong()),
            };
            let place = |row: usize| start.checked_add(step.checked_mul(row as i64)?)?.try_into().ok();
            for row in 0..rows {
                places.push(place(row).filter(|&place: &usize| place < columns).ok_or_else(wrong)?);
            }
            // A slice downwards to the first column has no stop.
            let past = start.saturating_add(step.saturating_mul(rows as i64));
            match stop {
                Item::None => {}
                Item::Int(stop) if step > 0 && stop <= past && stop > past.saturating_sub(step) => {}
                Item::Int(stop) if step < 0 && stop >= past && stop < past.saturating_sub(step) => {}
                _ if rows == 0 => {}
                _ => return Err(wrong()),
            }
            return Ok(places);
        }
        let array = self.array(placement).and_then(|array| self.arrays.rows(array).ok()).ok_or_else(wrong)?;
        let [Row { cells, .. }] = &array.rows[..] else { return Err(wrong()) };
        let count = match cells {
            Cells::Ints(ints) => {
                places.extend(ints.iter().map_while(|&place| usize::try_from(place).ok()).take(rows));
                ints.len()
            }
            Cells::Even { start, step, len } => {
                let place = |at: usize| usize::try_from(start + step * at as i64).ok();
                places.extend((0..*len).map_while(place).take(rows));
                *len
            }
            _ => return Err(wrong()),
        };
        if count != rows || places.len() != rows || places.iter().any(|&place| place >= columns) {
            return Err(wrong());
        }
        Ok(places)
    }

    /// A column of a block's row.
    fn column(&self, name: String, file_dtype: FileDtype, row: Row, index_rows: usize) -> Result<Column, ContentError> {
        let values = match row.cells {
            Cells::Ints(ints) => Values::Int(ints),
            Cells::Floats(floats) => Values::Float(floats),
            Cells::Even { start, step, len } if len == index_rows => {
                Values::Int((0..len).map(|row| start + step * row as i64).collect())
            }
            Cells::Even { .. } => return Err(ContentError::damaged("a column has another length than the index")),
            Cells::Items(items) => self.numbers(&name, &items)?,
        };
        if let Some((row, what)) = row.defect {
            return Err(ContentError::Value { name, row, what: what.to_owned() });
        }
        let dtype = match file_dtype.element.kind {
            Kind::Object => Dtype::Object,
            Kind::Float => Dtype::Float64,
            Kind::Datetime => Dtype::DatetimeNs,
            Kind::Int | Kind::Unsigned | Kind::Bool => Dtype::Int64,
        };
        let column = Column::new(name, dtype, values).map_err(|error| ContentError::Damaged(error.to_string()))?;
        Ok(column.with_file_dtype(file_dtype))
    }

    /// Objects that are not all numbers: missing values of pandas' own kind are well, else the first one that is no
    /// number is named.
    fn numbers(&self, name: &str, items: &[Item]) -> Result<Values, ContentError> {
        const EXACT: i64 = 1 << 53;
        let all_ints = items.iter().all(|item| matches!(item, Item::Int(_)));
        if all_ints {
            let int = |item: &Item| if let Item::Int(value) = item { *value } else { 0 };
            return Ok(Values::Int(items.iter().map(int).collect()));
        }
        let float = |(row, &item): (usize, &Item)| match item {
            Item::Float(value) => Ok(value),
            Item::None => Ok(f64::NAN),
            Item::Int(value) if (-EXACT..=EXACT).contains(&value) => Ok(value as f64),
            Item::Int(value) => Err((row, format!("the int {value}, which no float is, among other values"))),
            item if self.heap.global(item) == Some(("pandas._libs.missing", "NA")) => Ok(f64::NAN),
            item => Err((row, describe(self.heap, item))),
        };
        // A value of another kind is a better reason than an int before it that no float is.
        let foreign = |item: &&Item| !matches!(item, Item::Int(_) | Item::Float(_) | Item::None);
        let first_foreign = items.iter().enumerate().filter(|(_, item)| foreign(item)).find_map(|at| float(at).err());
        let floats = match first_foreign {
            Some(defect) => Err(defect),
            None => items.iter().enumerate().map(float).collect(),
        };
        floats.map(Values::Float).map_err(|(row, what)| ContentError::Value { name: name.to_owned(), row, what })
    }

    /// An index of rows.
    fn index(&mut self, value: Item) -> Result<Index, ContentError> {
        super::axis::index(self, value)
    }

    /// The names of the columns, and the name of their axis.
    fn names(&mut self, value: Item) -> Result<(Vec<String>, Option<String>), ContentError> {
        super::axis::names(self, value)
    }
}

/// A value in a few words.
pub(super) fn describe(heap: &Heap, item: Item) -> String {
    let node = match item {
        Item::None => return "None".to_owned(),
        Item::Bool(_) => return "a bool".to_owned(),
        Item::Int(_) => return "an int".to_owned(),
        Item::Float(_) => return "a float".to_owned(),
        Item::Payload(_) => return "an array".to_owned(),
        Item::Node(_) => heap.node(item),
    };
    let word = match node {
        Some(Node::Str(_)) => "a str",
        Some(Node::Bytes(_) | Node::ByteArray(_)) => "bytes",
        Some(Node::BigInt(_)) => "an int beyond 64 bits",
        Some(Node::List(_)) => "a list",
        Some(Node::Tuple(_)) => "a tuple",
        Some(Node::Dict(_)) => "a dict",
        Some(Node::Set(_) | Node::FrozenSet(_)) => "a set",
        Some(Node::Global { .. }) => return heap.global(item).map_or(String::new(), |(m, n)| format!("`{m}.{n}`")),
        Some(Node::Object(object)) => {
            let class = heap.global(object.callable).map(|(module, name)| format!("an object of `{module}.{name}`"));
            return class.unwrap_or_else(|| "an object".to_owned());
        }
        None => "nothing",
    };
    word.to_owned()
}
