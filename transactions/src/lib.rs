//! The transaction table: reads and writes the pickles that pandas keeps it in, without ever running what is in a
//! file, and simulates its days.

pub mod inspect;
pub mod pickle;
mod pool;
mod read;
pub mod simulator;
pub mod table;
mod write;

pub use read::{ContentError, ReadError, read, read_bytes};
pub use table::{Column, Dtype, Index, IndexKind, NAT, Table, TableError, Values};
pub use write::{WriteError, to_bytes, write, write_to};
