//! The action log: queries, proofs, tiles, the whole.

pub mod checkpoint;
pub mod consistency;
pub mod entries;
pub mod entry;
pub mod export;
pub mod inclusion;
pub mod tile;

use crate::server::problem::Problem;

/// A proof is about entries that are there.
fn within(parameter: &str, size: u64, there: u64) -> Result<(), Problem> {
    if size <= there { Ok(()) } else { Err(Problem::parameter(parameter, format!("the log has {there} entries, not {size}"))) }
}
