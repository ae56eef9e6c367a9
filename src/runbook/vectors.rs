//! Vectors of passages kept between runs: one file for one embedder, rows by the digest of their text. Never writes it:
//! who loads a library keeps what it made.
//!
//! INVARIANT: a file that is cut short, altered or for other dimensions is as good as none; it is never half read.

use std::{collections::BTreeMap, path::Path};

use crate::domain::digest::Digest;

pub(crate) type Vectors = BTreeMap<Digest, Vec<f32>>;

/// Name and version of the form.
const MAGIC: &[u8; 8] = b"sgvec\0\0\x01";
const DIGEST: usize = 32;
/// Some 100,000 passages of 384 numbers.
const LARGEST_FILE: u64 = 256 << 20;

/// All rows of `file`; none when it is missing or unsound.
pub(crate) fn read(file: &Path, dimensions: usize) -> Vectors {
    let fits = file.metadata().is_ok_and(|found| found.len() <= LARGEST_FILE);
    if !fits {
        return Vectors::new();
    }
    std::fs::read(file).ok().and_then(|bytes| decode(&bytes, dimensions)).unwrap_or_default()
}

/// Magic, dimensions, rows of digest and numbers, and the digest of all of it.
pub(crate) fn encode(dimensions: usize, vectors: &Vectors) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(dimensions as u64).to_le_bytes());
    for (key, vector) in vectors.iter().filter(|(_, vector)| vector.len() == dimensions) {
        bytes.extend_from_slice(key.as_bytes());
        vector.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    }
    let seal = Digest::of(&bytes);
    bytes.extend_from_slice(seal.as_bytes());
    bytes
}

fn decode(bytes: &[u8], dimensions: usize) -> Option<Vectors> {
    let (content, seal) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if Digest::of(content).as_bytes().as_slice() != seal {
        return None;
    }
    let rest = content.strip_prefix(MAGIC.as_slice())?;
    let (stated, rows) = rest.split_at_checked(8)?;
    if stated != (dimensions as u64).to_le_bytes() || dimensions == 0 {
        return None;
    }
    let row = DIGEST + dimensions * 4;
    if rows.len() % row != 0 {
        return None;
    }
    let mut vectors = Vectors::new();
    for row in rows.chunks_exact(row) {
        let (key, numbers) = row.split_at(DIGEST);
        let numbers: Vec<f32> = numbers.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        if numbers.iter().any(|number| !number.is_finite()) {
            return None;
        }
        vectors.insert(Digest::from_bytes(key.try_into().ok()?), numbers);
    }
    Some(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_anything_else_is_none() {
        let vectors: Vectors = (0..5_u8).map(|n| (Digest::of(&[n]), vec![f32::from(n), 0.5, -1.0])).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("inner/a.vectors");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, encode(3, &vectors)).unwrap();
        assert_eq!(read(&file, 3), vectors);
        assert!(read(&file, 4).is_empty(), "other dimensions");
        let sound = std::fs::read(&file).unwrap();
        for cut in 0..sound.len() {
            assert_eq!(decode(&sound[..cut], 3), None, "cut at {cut}");
        }
        for at in 0..sound.len() {
            let mut bad = sound.clone();
            bad[at] ^= 1;
            assert_eq!(decode(&bad, 3), None, "bit at {at}");
        }
        assert!(read(&folder.path().join("missing"), 3).is_empty());
    }
}
