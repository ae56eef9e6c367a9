//! Proofs against the reference vectors of the certificate-transparency project and against a naive tree.

use proptest::prelude::*;

use super::*;
use crate::log::{
    hash::{empty_root, leaf},
    tree::Frontier,
};

/// The eight leaves of the certificate-transparency reference tests (`merkletree/merkle_tree_test.cc`).
const LEAVES: [&str; 8] = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// Their roots for sizes 1 to 8.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hash_of(text: &str) -> Hash {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn reference_leaves() -> Vec<Hash> {
    LEAVES.iter().map(|text| leaf(&hex::decode(text).unwrap())).collect()
}

/// MTH of RFC 6962 section 2.1, word for word.
fn naive(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len() as u64) as usize);
            node(&naive(left), &naive(right))
        }
    }
}

fn numbered(count: u64) -> Vec<Hash> {
    (0..count).map(|n| leaf(&n.to_be_bytes())).collect()
}

/// All tiles of the log of these leaves, as a store would hold them.
fn tiles(leaves: &[Hash]) -> BTreeMap<TileId, Vec<Hash>> {
    let mut frontier = Frontier::default();
    let mut tiles: BTreeMap<_, _> = leaves.iter().flat_map(|leaf| frontier.append(*leaf)).map(|tile| (tile.id, tile.hashes)).collect();
    tiles.extend(frontier.partial_tiles_since(0).into_iter().map(|tile| (tile.id, tile.hashes)));
    tiles
}

#[test]
fn the_reference_roots_come_out() {
    let leaves = reference_leaves();
    let mut frontier = Frontier::default();
    assert_eq!(frontier.root(), hash_of("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    for (leaf, root) in leaves.iter().zip(ROOTS) {
        frontier.append(*leaf);
        assert_eq!(frontier.root(), hash_of(root), "size {}", frontier.size());
    }
}

#[test]
fn the_reference_inclusion_proofs_come_out() {
    let cases: [(u64, u64, &[&str]); 4] = [
        (0, 1, &[]),
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ];
    let leaves = reference_leaves();
    for (index, size, expected) in cases {
        let proof = Plan::inclusion(index, size).unwrap().prove(&tiles(&leaves)).unwrap();
        assert_eq!(proof, expected.iter().map(|text| hash_of(text)).collect::<Vec<_>>(), "{index} of {size}");
        let root = hash_of(ROOTS[size as usize - 1]);
        verify_inclusion(&leaves[index as usize], index, size, &proof, &root).unwrap();
    }
}

#[test]
fn the_reference_consistency_proofs_come_out() {
    let cases: [(u64, u64, &[&str]); 4] = [
        (1, 1, &[]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    for (first, second, expected) in cases {
        let proof = Plan::consistency(first, second).unwrap().prove(&tiles(&reference_leaves())).unwrap();
        assert_eq!(proof, expected.iter().map(|text| hash_of(text)).collect::<Vec<_>>(), "{first} to {second}");
        let root = |size: u64| hash_of(ROOTS[size as usize - 1]);
        verify_consistency(first, &root(first), second, &root(second), &proof).unwrap();
    }
}

#[test]
fn every_proof_of_every_small_log_verifies() {
    let leaves = numbered(40);
    for size in 1..=40u64 {
        let tiles = tiles(&leaves[..size as usize]);
        let root = naive(&leaves[..size as usize]);
        for index in 0..size {
            let proof = Plan::inclusion(index, size).unwrap().prove(&tiles).unwrap();
            verify_inclusion(&leaves[index as usize], index, size, &proof, &root).unwrap();
        }
        for first in 0..=size {
            let proof = Plan::consistency(first, size).unwrap().prove(&tiles).unwrap();
            verify_consistency(first, &naive(&leaves[..first as usize]), size, &root, &proof).unwrap();
        }
    }
}

#[test]
fn a_frontier_loaded_from_its_partial_tiles_goes_on_as_if_it_had_never_stopped() {
    let leaves = numbered(66_100);
    let mut frontier = Frontier::default();
    let mut stored = BTreeMap::new();
    for (at, leaf) in leaves.iter().enumerate() {
        let before = frontier.size();
        stored.extend(frontier.append(*leaf).into_iter().map(|tile| (tile.id, tile.hashes)));
        stored.extend(frontier.partial_tiles_since(before).into_iter().map(|tile| (tile.id, tile.hashes)));
        if [1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_099].contains(&(at + 1)) {
            let loaded = Frontier::load(frontier.size(), |id| Ok::<_, ()>(stored.get(&id).cloned().unwrap_or_default())).unwrap();
            assert_eq!(loaded, frontier, "size {}", at + 1);
            assert_eq!(loaded.root(), naive(&leaves[..=at]));
        }
    }
    let asked = std::cell::Cell::new(0);
    Frontier::load(66_100, |id| {
        asked.set(asked.get() + 1);
        Ok::<_, ()>(stored[&id].clone())
    })
    .unwrap();
    assert!(asked.get() <= 3, "start-up read {} tiles", asked.get());
}

#[test]
fn a_short_tile_is_named() {
    let error = Frontier::load(300, |_| Ok::<_, String>(Vec::new())).unwrap_err();
    assert_eq!(error.to_string(), "tile 0/1 of a log of size 300 holds 0 hashes, expected at least 44");
    let missing = Plan::inclusion(3, 300).unwrap().prove(&BTreeMap::new()).unwrap_err();
    assert!(matches!(missing, ProofError::MissingTile(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn proofs_across_tiles_verify_and_any_flipped_bit_does_not(size in 1u64..1500, at in 0.0f64..1.0, bit in 0usize..256, which in any::<prop::sample::Index>()) {
        let leaves = numbered(size);
        let tiles = tiles(&leaves);
        let root = naive(&leaves);
        let index = ((size as f64 * at) as u64).min(size - 1);

        let plan = Plan::inclusion(index, size).unwrap();
        let proof = plan.prove(&tiles).unwrap();
        prop_assert!(plan.tiles().iter().all(|id| tiles.contains_key(id)));
        let leaf = leaves[index as usize];
        verify_inclusion(&leaf, index, size, &proof, &root).unwrap();
        let flip = |hash: Hash| { let mut hash = hash; hash[bit / 8] ^= 1 << (bit % 8); hash };
        prop_assert!(verify_inclusion(&flip(leaf), index, size, &proof, &root).is_err());
        prop_assert!(verify_inclusion(&leaf, index, size, &proof, &flip(root)).is_err());
        if !proof.is_empty() {
            let mut bad = proof.clone();
            let place = which.index(bad.len());
            bad[place] = flip(bad[place]);
            prop_assert!(verify_inclusion(&leaf, index, size, &bad, &root).is_err());
            prop_assert!(verify_inclusion(&leaf, index, size, &proof[1..], &root).is_err());
        }
        if index + 1 < size {
            prop_assert!(verify_inclusion(&leaf, index + 1, size, &proof, &root).is_err());
        }

        let first = index + 1;
        let old = naive(&leaves[..first as usize]);
        let proof = Plan::consistency(first, size).unwrap().prove(&tiles).unwrap();
        verify_consistency(first, &old, size, &root, &proof).unwrap();
        prop_assert!(verify_consistency(first, &flip(old), size, &root, &proof).is_err());
        prop_assert!(verify_consistency(first, &old, size, &flip(root), &proof).is_err());
        if !proof.is_empty() {
            let mut bad = proof.clone();
            let place = which.index(bad.len());
            bad[place] = flip(bad[place]);
            prop_assert!(verify_consistency(first, &old, size, &root, &bad).is_err());
        }
    }

    #[test]
    fn the_incremental_root_is_the_naive_one(size in 0u64..2000) {
        let leaves = numbered(size);
        let mut frontier = Frontier::default();
        leaves.iter().for_each(|leaf| drop(frontier.append(*leaf)));
        prop_assert_eq!(frontier.root(), naive(&leaves));
    }
}
