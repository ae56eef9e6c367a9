//! Inclusion and consistency proofs: planned over tiles, made from tiles, and verified (RFC 9162 section 2.1).
//!
//! A plan says which tiles it needs, so that the caller can fetch them as it likes; making the proof is then pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    hash::{Hash, node, perfect_root},
    tree::{TILE_WIDTH, TileId},
};

/// Why a proof could not be made or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("entry {index} is not in a log of {size} entries")]
    NotInLog { index: u64, size: u64 },
    #[error("a log of {second} entries cannot be proven to continue one of {first}")]
    Backwards { first: u64, second: u64 },
    #[error("tile {}/{} is missing or holds fewer hashes than the proof needs", .0.level, .0.index)]
    MissingTile(TileId),
    #[error("the proof has {found} hashes, expected {expected}")]
    WrongLength { found: usize, expected: usize },
    #[error("the proof leads to another root: something in the log, the proof or the root was changed")]
    WrongRoot,
}

/// A run of leaves whose root is one hash of a proof: `start..end`, aligned as the tree's splits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: u64,
    end: u64,
}

/// A complete subtree: leaves `index << height .. (index + 1) << height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Subtree {
    height: u32,
    index: u64,
}

impl Range {
    /// Its complete subtrees, largest first, which is left to right.
    fn subtrees(self) -> Vec<Subtree> {
        let mut found = Vec::new();
        let mut start = self.start;
        while start < self.end {
            let height = (self.end - start).ilog2();
            found.push(Subtree { height, index: start >> height });
            start += 1 << height;
        }
        found
    }

    fn root(self, tiles: &BTreeMap<TileId, Vec<Hash>>) -> Result<Hash, ProofError> {
        let parts = self.subtrees().into_iter().map(|subtree| subtree.root(tiles)).collect::<Result<Vec<_>, _>>()?;
        Ok(parts.into_iter().rev().reduce(|right, left| node(&left, &right)).unwrap_or_else(super::hash::empty_root))
    }
}

impl Subtree {
    /// The tile its root is computed from, and the first of the hashes in it.
    fn place(self) -> (TileId, usize) {
        let first = self.index << (self.height % 8);
        // Heights stay below 64, so the level below 8.
        let level = (self.height / 8) as u8;
        (TileId { level, index: first / TILE_WIDTH as u64 }, (first % TILE_WIDTH as u64) as usize)
    }

    fn root(self, tiles: &BTreeMap<TileId, Vec<Hash>>) -> Result<Hash, ProofError> {
        let (id, first) = self.place();
        let hashes = tiles.get(&id).and_then(|tile| tile.get(first..first + (1 << (self.height % 8))));
        hashes.map(perfect_root).ok_or(ProofError::MissingTile(id))
    }
}

/// The largest power of two below `width`, which is at least 2: where the tree splits.
fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// What a proof is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(Vec<Range>);

impl Plan {
    /// That entry `index` is in the log of `size` entries.
    ///
    /// # Errors
    /// It is not.
    pub fn inclusion(index: u64, size: u64) -> Result<Self, ProofError> {
        if index >= size {
            return Err(ProofError::NotInLog { index, size });
        }
        let (mut start, mut end) = (0, size);
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(Range { start: middle, end });
                end = middle;
            } else {
                path.push(Range { start, end: middle });
                start = middle;
            }
        }
        path.reverse();
        Ok(Self(path))
    }

    /// That the log of `second` entries begins with the one of `first`. Empty when that needs no proof.
    ///
    /// # Errors
    /// `first` is larger.
    pub fn consistency(first: u64, second: u64) -> Result<Self, ProofError> {
        if first > second {
            return Err(ProofError::Backwards { first, second });
        }
        if first == 0 || first == second {
            return Ok(Self(Vec::new()));
        }
        let (mut start, mut end) = (0, second);
        let mut path = Vec::new();
        // SUBPROOF of RFC 9162 section 2.1.4.1; `start > 0` is its `b = false`.
        while end > first {
            let middle = start + split(end - start);
            if first <= middle {
                path.push(Range { start: middle, end });
                end = middle;
            } else {
                path.push(Range { start, end: middle });
                start = middle;
            }
        }
        if start > 0 {
            path.push(Range { start, end });
        }
        path.reverse();
        Ok(Self(path))
    }

    /// The tiles the proof is made from.
    pub fn tiles(&self) -> BTreeSet<TileId> {
        self.0.iter().flat_map(|range| range.subtrees()).map(|subtree| subtree.place().0).collect()
    }

    /// The proof.
    ///
    /// # Errors
    /// One of [`tiles`](Self::tiles) is not there.
    pub fn prove(&self, tiles: &BTreeMap<TileId, Vec<Hash>>) -> Result<Vec<Hash>, ProofError> {
        self.0.iter().map(|range| range.root(tiles)).collect()
    }
}

/// Checks that the entry with this leaf hash stands at `index` of the log (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// It does not, or the proof is no proof.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    let expected = Plan::inclusion(index, size)?.0.len();
    if proof.len() != expected {
        return Err(ProofError::WrongLength { found: proof.len(), expected });
    }
    let (mut place, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if place % 2 == 1 || place == last {
            hash = node(sibling, &hash);
            while place % 2 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(ProofError::WrongRoot) }
}

/// Checks that the log of `second` entries continues the one of `first` (RFC 9162 section 2.1.4.2).
///
/// # Errors
/// It does not, or the proof is no proof.
pub fn verify_consistency(first: u64, first_root: &Hash, second: u64, second_root: &Hash, proof: &[Hash]) -> Result<(), ProofError> {
    let expected = Plan::consistency(first, second)?.0.len();
    if proof.len() != expected {
        return Err(ProofError::WrongLength { found: proof.len(), expected });
    }
    let same = |holds: bool| if holds { Ok(()) } else { Err(ProofError::WrongRoot) };
    if first == 0 {
        return same(*first_root == super::hash::empty_root());
    }
    if first == second {
        return same(first_root == second_root);
    }
    let mut path = proof.iter();
    let (mut place, mut last) = (first - 1, second - 1);
    while place % 2 == 1 {
        place >>= 1;
        last >>= 1;
    }
    // A whole first tree is a subtree of the second: its root is known and left out of the proof.
    let seed = if first.is_power_of_two() { first_root } else { path.next().ok_or(ProofError::WrongRoot)? };
    let (mut old, mut new) = (*seed, *seed);
    for sibling in path {
        if last == 0 {
            return Err(ProofError::WrongRoot);
        }
        if place % 2 == 1 || place == last {
            old = node(sibling, &old);
            new = node(sibling, &new);
            while place % 2 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new = node(&new, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    same(last == 0 && old == *first_root && new == *second_root)
}

#[cfg(test)]
mod tests;
