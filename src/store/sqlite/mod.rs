//! The embedded store: SQLite in write-ahead mode, one writer thread, readers in parallel.

mod apply;
mod claims;
mod expectations;
mod group;
mod journal;
mod read;
mod readers;
mod rows;
mod schema;
mod store;
mod vectors;
mod worklist;
mod writer;

pub use store::{Options, SqliteStore};
