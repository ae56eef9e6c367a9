//! The growing edge of the log: what must be in memory to append entries and to know the root.
//!
//! Hashes are kept in tiles of height 8 as C2SP tlog-tiles lays them out: tile `(level, index)` holds the
//! roots of up to 256 complete subtrees of `256^level` leaves each. The frontier is the partial tile of every
//! level, at most 255 hashes each, so starting never reads the log itself.
// INVARIANT: level `l` of the frontier holds exactly `(size >> 8l) mod 256` hashes.

use super::hash::{Hash, empty_root, node, perfect_root};

/// Hashes in a full tile.
pub const TILE_WIDTH: usize = 256;

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    pub level: u8,
    pub index: u64,
}

/// A tile with what it holds so far; a full one never changes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    pub id: TileId,
    pub hashes: Vec<Hash>,
}

/// Why a frontier could not be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError<E> {
    #[error("{0}")]
    Fetch(E),
    #[error("tile {}/{} of a log of size {size} holds {found} hashes, expected at least {expected}", id.level, id.index)]
    Short { id: TileId, size: u64, found: usize, expected: usize },
}

/// The partial tiles of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

/// Hashes at `level` that a log of `size` has beyond its last full tile.
fn partial_width(size: u64, level: u8) -> usize {
    size.checked_shr(8 * u32::from(level)).map_or(0, |hashes| (hashes % TILE_WIDTH as u64) as usize)
}

/// Index of the tile at `level` that a log of `size` would append to.
fn open_tile(size: u64, level: u8) -> u64 {
    size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0)
}

impl Frontier {
    /// The frontier of a log of `size` entries. `fetch` gives a tile's hashes and is asked for partial tiles only.
    ///
    /// # Errors
    /// What `fetch` fails with, or a tile that is shorter than `size` says.
    pub fn load<E>(size: u64, mut fetch: impl FnMut(TileId) -> Result<Vec<Hash>, E>) -> Result<Self, LoadError<E>> {
        let mut levels = Vec::new();
        for level in 0..8u8 {
            if size >> (8 * u32::from(level)) == 0 {
                break;
            }
            let width = partial_width(size, level);
            let mut hashes = Vec::with_capacity(TILE_WIDTH);
            if width > 0 {
                let id = TileId { level, index: open_tile(size, level) };
                let found = fetch(id).map_err(LoadError::Fetch)?;
                let part = found.get(..width).ok_or(LoadError::Short { id, size, found: found.len(), expected: width })?;
                hashes.extend_from_slice(part);
            }
            levels.push(hashes);
        }
        Ok(Self { size, levels })
    }

    /// Entries appended so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf hash and gives the tiles it filled, lowest level first. Most leaves fill none.
    pub fn append(&mut self, leaf: Hash) -> Vec<Tile> {
        let mut full = Vec::new();
        let mut hash = leaf;
        for level in 0..8u8 {
            let depth = usize::from(level);
            if self.levels.len() == depth {
                self.levels.push(Vec::with_capacity(TILE_WIDTH));
            }
            self.levels[depth].push(hash);
            if self.levels[depth].len() < TILE_WIDTH {
                break;
            }
            let hashes = std::mem::replace(&mut self.levels[depth], Vec::with_capacity(TILE_WIDTH));
            hash = perfect_root(&hashes);
            full.push(Tile { id: TileId { level, index: open_tile(self.size, level) }, hashes });
        }
        self.size += 1;
        full
    }

    /// The partial tiles that differ from those of the same log when it had `before` entries.
    pub fn partial_tiles_since(&self, before: u64) -> Vec<Tile> {
        (0..8u8)
            .zip(&self.levels)
            .filter(|(level, hashes)| !hashes.is_empty() && before >> (8 * u32::from(*level)) != self.size >> (8 * u32::from(*level)))
            .map(|(level, hashes)| Tile { id: TileId { level, index: open_tile(self.size, level) }, hashes: hashes.clone() })
            .collect()
    }

    /// The root of the log as it stands (RFC 6962 section 2.1).
    pub fn root(&self) -> Hash {
        // Each level's hashes split into perfect subtrees, largest left; all of them, from the top level down,
        // are the left-to-right decomposition of the tree, which folds together from the right.
        let mut subtrees = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let width = 1 << rest.len().ilog2();
                let (subtree, right) = rest.split_at(width);
                subtrees.push(perfect_root(subtree));
                rest = right;
            }
        }
        subtrees.into_iter().rev().reduce(|right, left| node(&left, &right)).unwrap_or_else(empty_root)
    }
}
