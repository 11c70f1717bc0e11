//! What a reader of one kind of pickle does differently from the plain evaluation into values.

use super::error::PickleError;
use super::heap::Item;
use super::machine::{State, damaged};
use super::source::Source;

/// What a reader of one kind of pickle does differently: which constructors it admits, and which bytes and lists it
/// takes for itself instead of having them kept as values.
pub(crate) trait Host {
    /// Whether this constructor may be named.
    fn admits(&self, _module: &str, _name: &str) -> bool {
        true
    }

    /// Takes the next `length` bytes of the source, if they are for the host.
    fn bytes(&mut self, _: &mut State, _: &mut Source, _: Form, _length: u64) -> Result<Option<Item>, PickleError> {
        Ok(None)
    }

    /// Takes a list that begins here, if it is for the host.
    fn list(&mut self, _: &mut State) -> Result<Option<Item>, PickleError> {
        Ok(None)
    }

    /// Reads the elements of a batch straight from the source into a list it took; true when it has read the end of
    /// the batch too. Elements that it leaves come to [`Host::append`].
    fn batch(&mut self, _: &mut State, _: &mut Source, _payload: u32) -> Result<bool, PickleError> {
        Ok(false)
    }

    /// Takes elements of a list it took.
    fn append(&mut self, _: &mut State, _payload: u32, _: &[Item]) -> Result<(), PickleError> {
        Err(damaged("it appends to what is no list"))
    }

    /// Evaluates a call itself, if it is one it knows.
    fn call(
        &mut self,
        _: &mut State,
        _: &mut Source,
        _callable: Item,
        _args: Item,
    ) -> Result<Option<Item>, PickleError> {
        Ok(None)
    }
}

/// How bytes are written in a pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Bytes,
    ByteArray,
    Str,
}
