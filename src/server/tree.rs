//! The log's tree read through the store's tiles, for checkpoints and proofs.
//!
//! The mathematics is `log`'s and asks for tiles one by one, without waiting; the store answers asynchronously.
//! So the computation runs on the tiles at hand, what it lacked is fetched, and it runs again: a proof over
//! 2^32 entries needs at most eight tiles.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use super::problem::Problem;
use crate::{
    log::{hash::Hash, tree::TileId},
    store::interface::Store,
};

/// Rounds after which the tree is not what it says. Each round brings at least one tile.
const MOST_ROUNDS: usize = 64;

/// Tiles at hand, and those that were asked for and are not.
#[derive(Default)]
pub struct AtHand {
    tiles: BTreeMap<TileId, Vec<Hash>>,
    missing: RefCell<BTreeSet<TileId>>,
}

impl AtHand {
    /// The tile, or `None` with a note to fetch it.
    pub fn get(&self, id: TileId) -> Option<Vec<Hash>> {
        let found = self.tiles.get(&id).cloned();
        if found.is_none() {
            self.missing.borrow_mut().insert(id);
        }
        found
    }
}

/// What `compute` makes of the tiles; its error counts only when no tile was missing.
///
/// # Errors
/// The store failed, or the tiles do not carry the computation.
pub async fn over_tiles<T, E: std::fmt::Display>(store: &dyn Store, compute: impl Fn(&AtHand) -> Result<T, E>) -> Result<T, Problem> {
    let mut at_hand = AtHand::default();
    for _ in 0..MOST_ROUNDS {
        let outcome = compute(&at_hand).map_err(|error| error.to_string());
        let missing = at_hand.missing.take();
        match outcome {
            Ok(done) if missing.is_empty() => return Ok(done),
            Err(error) if missing.is_empty() => return Err(Problem::Internal(error)),
            _ => {}
        }
        for id in missing {
            let hashes = store.tile(id.level, id.index).await?;
            at_hand.tiles.insert(id, hashes);
        }
    }
    Err(Problem::Internal("the log's tree asks for tiles without end".to_owned()))
}
