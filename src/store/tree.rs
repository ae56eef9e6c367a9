//! The log's tree read through the store's tiles: its root and its proofs.
//!
//! The mathematics is `log`'s and pure; this fetches what it asks for. A log only grows, so a tile read later
//! than another still holds everything that the size asked for needs.

use std::collections::BTreeMap;

use super::interface::{Result, Store, StoreError};
use crate::log::{
    hash::Hash,
    proof::Plan,
    tree::{Frontier, TileId},
};

fn unreadable(why: String) -> StoreError {
    StoreError::Unreadable { what: "action log", id: "tiles".to_owned(), why }
}

/// One partial tile a level, and a log has eight levels at most.
const MOST_LEVELS: usize = 8;

/// The root of the log's first `size` entries, of which there are as many.
///
/// # Errors
/// The store failed, or its tiles are shorter than its log.
pub async fn root(store: &dyn Store, size: u64) -> Result<Hash> {
    let mut tiles: BTreeMap<TileId, Vec<Hash>> = BTreeMap::new();
    for _ in 0..=MOST_LEVELS {
        let mut missing = None;
        let frontier = Frontier::load(size, |id| {
            tiles.get(&id).cloned().ok_or_else(|| {
                missing = Some(id);
                format!("tile {}/{} is not at hand", id.level, id.index)
            })
        });
        match (frontier, missing) {
            (Ok(frontier), _) => return Ok(frontier.root()),
            (Err(_), Some(id)) => drop(tiles.insert(id, store.tile(id.level, id.index).await?)),
            (Err(error), None) => return Err(unreadable(error.to_string())),
        }
    }
    Err(unreadable(format!("the root of {size} entries asks for more tiles than a log has levels")))
}

/// The proof that was planned.
///
/// # Errors
/// The store failed, or lacks a tile.
pub async fn prove(store: &dyn Store, plan: &Plan) -> Result<Vec<Hash>> {
    let mut tiles = BTreeMap::new();
    for id in plan.tiles() {
        tiles.insert(id, store.tile(id.level, id.index).await?);
    }
    plan.prove(&tiles).map_err(|error| unreadable(error.to_string()))
}
