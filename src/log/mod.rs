//! The action log as mathematics: a Merkle tree over entry bytes, its proofs, signed checkpoints and exports.
//!
//! Pure: tiles come in as values, keys as bytes. Everything here can be checked offline by an outsider
//! with other programs, because the forms are RFC 6962, RFC 9162 and C2SP's tlog-tiles, tlog-checkpoint and tlog-witness.

pub mod checkpoint;
pub mod export;
pub mod hash;
pub mod note;
pub mod proof;
pub mod tree;
pub mod witness;
