//! The contracts: each a function that any store must pass, named by what it promises.

mod changes;
mod log;
mod records;
mod work;
mod worklist;

pub use {changes::*, log::*, records::*, work::*, worklist::*};

use std::time::Duration;

use sluicegate::{
    domain::ticket::Ticket,
    log::{
        hash::{self, Hash},
        tree::{Frontier, TileId},
    },
    store::{
        change::Conflict,
        interface::{Page, Store, StoreError},
    },
};

use super::samples::*;

pub const LEASE: Duration = Duration::from_secs(30);

pub fn first_page<T>() -> Page<T> {
    Page { before: None, limit: 500 }
}

pub fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Conflict {
    match result {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

pub async fn received(store: &dyn Store, n: u64) -> Ticket {
    let ticket = ticket(&tenant(), n);
    store.commit(intake(&ticket)).await.unwrap();
    ticket
}

/// The root that an auditor computes from the entries alone.
pub async fn recomputed_root(store: &dyn Store) -> (u64, Hash) {
    let mut frontier = Frontier::default();
    loop {
        let entries = store.entry_range(frontier.size(), 300).await.unwrap();
        if entries.is_empty() {
            return (frontier.size(), frontier.root());
        }
        for entry in entries {
            assert_eq!(entry.index, frontier.size(), "an index is missing or twice");
            assert_eq!(entry.entry.bytes().unwrap(), entry.bytes);
            frontier.append(hash::leaf(&entry.bytes));
        }
    }
}

/// The root that the store's tiles give.
pub async fn tiles_root(store: &dyn Store) -> (u64, Hash) {
    let size = store.log_size().await.unwrap();
    let mut tiles = std::collections::BTreeMap::new();
    // Three levels hold 16 million entries, more than any test.
    for level in 0..3 {
        let tile = TileId { level, index: size >> (8 * (u32::from(level) + 1)) };
        tiles.insert(tile, store.tile(tile.level, tile.index).await.unwrap());
    }
    let frontier = Frontier::load(size, |id| Ok::<_, ()>(tiles.remove(&id).unwrap_or_default())).unwrap();
    (size, frontier.root())
}

/// Makes a test of every contract; each gets a store of its own from `$make().await`, and closes it.
macro_rules! test_every_contract {
    ($make:path) => {
        $crate::store_contract::contracts::test_every_contract! { $make;
            what_is_committed_reads_back,
            one_tenant_never_sees_anothers,
            a_duplicate_gives_the_first_id_and_its_tickets,
            of_many_equal_deliveries_at_once_one_is_stored,
            nothing_of_a_conflicting_change_is_written,
            every_expectation_is_checked,
            caps_are_exact_however_many_commit_at_once,
            each_cap_counts_what_it_says,
            a_claim_hides_work_until_its_lease_ends,
            many_claimers_never_get_the_same_piece,
            executions_are_claimed_when_due_and_until_final,
            messages_of_one_ticket_and_destination_go_in_order,
            a_released_message_comes_again_when_its_next_try_is_due,
            one_destination_never_takes_all_the_room,
            messages_of_a_disabled_endpoint_wait_until_it_is_enabled,
            a_settled_message_is_sent_again_by_whoever_saw_it_so,
            only_what_awaits_approval_expires,
            outcomes_of_one_version_are_counted_and_never_turn_right,
            accounts_and_dual_authorizations_read_back,
            models_corrections_and_storms_read_back,
            vectors_are_of_resolved_tickets_in_one_space_and_followed_by_place,
            lists_come_newest_first_page_by_page,
            a_list_has_every_ticket_asked_for_once_in_its_order,
            counts_are_the_lengths_of_their_lists,
            a_tally_counts_every_ticket_and_run_since_then_once,
            a_search_finds_words_by_their_beginning_and_never_what_is_masked,
            a_ticket_is_found_by_its_newest_title_alone,
            handling_is_apart_from_the_ticket_and_news_wake_it,
            what_was_taken_back_helped_nobody,
            the_time_of_resolution_is_when_it_was_resolved_and_not_when_it_was_touched,
            the_log_agrees_with_its_tiles_and_proofs,
            a_closed_store_says_so,
        }
    };
    ($make:path; $($contract:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $contract() {
            let (_folder, store) = $make().await;
            $crate::store_contract::contracts::$contract(std::sync::Arc::clone(&store)).await;
            store.close().await.unwrap();
        }
    )*};
}
pub(crate) use test_every_contract;
