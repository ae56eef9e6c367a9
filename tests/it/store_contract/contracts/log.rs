//! The action log agrees with its tiles, its proofs and itself.

use std::sync::Arc;

use sluicegate::{
    domain::{
        entry::{Entry, Event},
        principal::Actor,
    },
    log::{
        hash,
        proof::{self, Plan},
    },
    store::{change::Change, interface::Store},
};

use super::super::samples::*;
use super::{received, recomputed_root, tiles_root};

pub async fn the_log_agrees_with_its_tiles_and_proofs(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    // 270 entries cross the border of a tile; some changes carry several.
    let note = |n: u64| Entry::new(tenant(), at(n as i64), Actor::Engine, Event::ServiceStarted { version: format!("{n}") });
    let commits = (0..90u64).map(|n| {
        let store = Arc::clone(&store);
        let change = Change { entries: (0..3).map(|part| note(3 * n + part)).collect(), ..Change::default() };
        tokio::spawn(async move { store.commit(change).await.unwrap().first_index })
    });
    let mut firsts = Vec::new();
    for commit in commits.collect::<Vec<_>>() {
        firsts.push(commit.await.unwrap());
    }
    firsts.sort_unstable();
    assert_eq!(firsts, (0..90).map(|n| 1 + 3 * n).collect::<Vec<_>>(), "entries of one change stand together");

    let (size, root) = recomputed_root(&*store).await;
    assert_eq!(size, 271);
    assert_eq!(tiles_root(&*store).await, (size, root));
    assert_eq!(store.tile(0, 0).await.unwrap().len(), 256);
    assert_eq!(store.tile(0, 1).await.unwrap().len(), 15);
    assert_eq!(store.tile(1, 0).await.unwrap().len(), 1);
    assert!(store.tile(0, 2).await.unwrap().is_empty());

    for index in [0, 1, 255, 256, 270] {
        let plan = Plan::inclusion(index, size).unwrap();
        let mut tiles = std::collections::BTreeMap::new();
        for id in plan.tiles() {
            tiles.insert(id, store.tile(id.level, id.index).await.unwrap());
        }
        let entry = store.entry_range(index, 1).await.unwrap().remove(0);
        let proof = plan.prove(&tiles).unwrap();
        proof::verify_inclusion(&hash::leaf(&entry.bytes), index, size, &proof, &root).unwrap();
    }
    assert_eq!(store.entry_range(0, 1).await.unwrap()[0].entry, intake(&ticket).entries[0]);
}
