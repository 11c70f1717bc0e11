//! The transaction table.
