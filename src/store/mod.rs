//! The store: everything durable, in the domain's words.
//!
//! [`interface`] says what any store does and what holds after a crash; `sqlite/` is the embedded one,
//! `faulty` fails on purpose around any of them; `tree` reads the action log's roots and proofs through its tiles,
//! [`worklist`] is what lists of tickets show.
//! A change of state is one [`change::Change`]: conditions, writes and log entries that stand or fall together.

pub mod change;
pub mod faulty;
pub mod interface;
pub mod sqlite;
pub mod tree;
pub mod vectors;
pub mod worklist;
