//! The two hashes of a Merkle log, as RFC 6962 section 2.1 defines them.
//!
//! Leaves and inner nodes are hashed with different first bytes, so that no inner node can pass as a leaf.

use sha2::{Digest as _, Sha256};

/// One SHA-256 value: a leaf, an inner node or a root.
pub type Hash = [u8; 32];

/// The leaf hash of an entry's bytes.
pub fn leaf(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// The hash of an inner node.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the empty tree.
pub fn empty_root() -> Hash {
    Sha256::digest(b"").into()
}

/// The root over a whole number of levels: `hashes.len()` is a power of two.
pub(super) fn perfect_root(hashes: &[Hash]) -> Hash {
    debug_assert!(hashes.len().is_power_of_two());
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node(&pair[0], &pair[1])).collect();
    }
    row.first().copied().unwrap_or_else(empty_root)
}
