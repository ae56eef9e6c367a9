//! What `store/interface.rs` promises, sentence by sentence, for any store.
//!
//! Each contract takes a factory, so that the same functions run against every implementation. The embedded
//! store's own tests, which need its files, are in `sqlite.rs` and `upgrade.rs`.

mod contracts;
pub mod samples;
mod sqlite;
mod upgrade;
