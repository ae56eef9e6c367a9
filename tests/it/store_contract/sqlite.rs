//! The contracts against the embedded store, and what only it promises: its files, its locks, its full disk.

use std::{path::Path, sync::Arc};

use sluicegate::{
    domain::{
        digest::Digest,
        entry::Entry,
        id::{OutboxId, TokenId},
        name::PersonId,
        outbox::OutboxState,
        principal::Token,
        state::TicketState,
        ticket::Ticket,
    },
    store::{
        change::{Change, Conflict, Expectation, Write},
        faulty::{Fault, Faulty},
        interface::{EntryFilter, Page, Store, StoreError},
        sqlite::{Options, SqliteStore},
    },
};
use tempfile::TempDir;

use super::{
    contracts::{LEASE, conflict, recomputed_root, test_every_contract, tiles_root},
    samples::*,
};

async fn fresh() -> (TempDir, Arc<dyn Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("data/sluicegate.db")).unwrap();
    (folder, Arc::new(store))
}

test_every_contract!(fresh);

fn refused(path: &Path) -> String {
    match SqliteStore::open(path) {
        Ok(_) => panic!("`{}` was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

/// A connection beside the store, as somebody with a shell has it.
fn by_hand(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_reopened_store_has_the_same_root_and_goes_on_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let mut roots = Vec::new();
    for round in 0..4u64 {
        let store = SqliteStore::open(&path).unwrap();
        let seen = tiles_root(&store).await;
        assert_eq!(seen, recomputed_root(&store).await);
        roots.push(seen);
        let entries = |n: u64| (0..150).map(|_| intake(&ticket(&tenant(), n)).entries.remove(0)).collect::<Vec<Entry>>();
        store.commit(Change { entries: entries(round), ..Change::default() }).await.unwrap();
        // Every other time without a proper close.
        if round % 2 == 0 {
            store.close().await.unwrap();
        }
    }
    assert_eq!(roots.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [0, 150, 300, 450]);
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_files_at_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let store = SqliteStore::open(&path).unwrap();
    for n in 1..=5 {
        store.commit(intake(&ticket(&tenant(), n))).await.unwrap();
        // What a crash right after the answer leaves: the database and its write-ahead log, no memory.
        let crashed = folder.path().join(format!("crash-{n}"));
        std::fs::create_dir(&crashed).unwrap();
        for name in ["s.db", "s.db-wal"] {
            std::fs::copy(folder.path().join(name), crashed.join(name)).unwrap();
        }
        let after = SqliteStore::open(&crashed.join("s.db")).unwrap();
        assert!(after.ticket_of(&tenant(), &source(), &n.to_string()).await.unwrap().is_some());
        assert_eq!(after.log_size().await.unwrap(), n);
        assert_eq!(recomputed_root(&after).await, tiles_root(&store).await);
    }
}

#[tokio::test]
async fn leases_do_not_outlive_the_process_that_held_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let store = SqliteStore::open(&path).unwrap();
    store.commit(intake(&ticket(&tenant(), 1))).await.unwrap();
    assert_eq!(store.claim_tickets(at(5), std::time::Duration::from_secs(3600), 9).await.unwrap().len(), 1);
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.claim_tickets(at(5), std::time::Duration::from_secs(3600), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_disk_is_an_answer_loses_nothing_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("s.db")).unwrap();
    store.commit(intake(&ticket(&tenant(), 0))).await.unwrap();
    store.limit_size(600 << 10).await.unwrap();
    let mut kept = vec![0u64];
    let mut failed = None;
    for n in 1..500 {
        let mut big = ticket(&tenant(), n);
        big.report.body = "x".repeat(20_000).as_str().into();
        match store.commit(intake(&big)).await {
            Ok(_) => kept.push(n),
            Err(StoreError::Unavailable(why)) => {
                assert!(why.contains("full"), "{why}");
                failed = Some(big);
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let failed = failed.expect("the disk never filled");
    assert!(kept.len() > 3, "filled at once");
    let size = store.log_size().await.unwrap();
    assert_eq!(size, kept.len() as u64);
    for n in &kept {
        assert!(store.ticket_of(&tenant(), &source(), &n.to_string()).await.unwrap().is_some(), "ticket {n} is lost");
    }
    assert_eq!(store.ticket(&tenant(), failed.id).await.unwrap(), None);
    assert_eq!(recomputed_root(&store).await, tiles_root(&store).await);

    store.limit_size(1 << 40).await.unwrap();
    assert_eq!(store.commit(intake(&failed)).await.unwrap().first_index, size);
    assert_eq!(store.ticket(&tenant(), failed.id).await.unwrap(), Some(failed));
    assert_eq!(recomputed_root(&store).await, tiles_root(&store).await);
}

#[tokio::test]
async fn more_than_may_wait_is_refused_and_the_rest_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { queue: 2, ..Options::default() };
    let store = Arc::new(SqliteStore::open_with(&folder.path().join("s.db"), options).unwrap());
    let commits = (0..300).map(|n| {
        let (store, change) = (Arc::clone(&store), intake(&ticket(&tenant(), n)));
        tokio::spawn(async move { store.commit(change).await })
    });
    let (mut stored, mut refused) = (0, 0);
    for commit in commits.collect::<Vec<_>>() {
        match commit.await.unwrap() {
            Ok(_) => stored += 1,
            Err(StoreError::Overloaded { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    // The test runs on one thread, so all 300 are offered before the first answer is looked at.
    assert!(stored >= 2 && refused > 0, "{stored} stored, {refused} refused");
    assert_eq!(store.log_size().await.unwrap(), stored);
    assert_eq!(store.commit(intake(&ticket(&tenant(), 999))).await.unwrap().first_index, stored);
}

#[tokio::test]
async fn a_second_process_is_kept_out_and_told_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let store = SqliteStore::open(&path).unwrap();
    assert!(refused(&path).contains("another process has"), "{}", refused(&path));
    store.close().await.unwrap();
    drop(SqliteStore::open(&path).unwrap());
}

/// As the program before delivery logs left it: a message that waits after one try, one that was given up.
const SECOND_SCHEMA: [&str; 2] =
    [include_str!("../../../migrations/sqlite/0001_initial.sql"), include_str!("../../../migrations/sqlite/0002_trust.sql")];

#[tokio::test]
async fn a_database_of_the_second_schema_opens_and_its_messages_are_sent_and_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let message = |n: u32, state: &str| {
        let id = OutboxId::new(at(0), n.into());
        let doc = format!(
            r#"{{"attempts":1,"created_at":"{at}","destination":{{"kind":"webhook","name":"ops"}},"form":1,"id":"{id}","last_error":"503","message":{{"data":{{}},"event_type":"ticket.triaged","kind":"event"}},"next_attempt_at":"{at}","state":"{state}","tenant":"default"}}"#,
            at = at(0)
        );
        let values = format!("'{id}', 'default', NULL, 'webhook/ops', '{state}', 1, {}, '{doc}'", at(0).as_millis());
        format!("INSERT INTO messages (id, tenant, ticket, destination, state, attempts, next_attempt_at, doc) VALUES ({values});")
    };
    for sql in SECOND_SCHEMA {
        by_hand(&path, sql);
    }
    by_hand(
        &path,
        &format!("{}{} PRAGMA application_id = 0x534c4754; PRAGMA user_version = 2;", message(1, "waiting"), message(2, "dead")),
    );

    let store = SqliteStore::open(&path).unwrap();
    let claimed = store.claim_messages(at(1), LEASE, 9, 9).await.unwrap();
    assert_eq!(claimed.iter().map(|message| (message.id, message.round())).collect::<Vec<_>>(), [(OutboxId::new(at(0), 1), 1)]);
    let mut again = store.message(&tenant(), OutboxId::new(at(0), 2)).await.unwrap().unwrap();
    assert_eq!((again.state, again.log.len()), (OutboxState::Dead, 0));
    again.start_anew(at(2));
    let expect = vec![Expectation::MessageSettled { message: again.id, attempts: 1 }];
    store.commit(Change { expect, ..queued(&again) }).await.unwrap();
    assert_eq!(store.claim_messages(at(2), LEASE, 9, 9).await.unwrap(), [again]);
}

#[test]
fn a_newer_schema_another_program_and_a_bad_folder_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    drop(SqliteStore::open(&path).unwrap());
    by_hand(&path, "PRAGMA user_version = 99");
    let why = refused(&path);
    assert!(why.contains("schema version 99") && why.contains("run the newer program") && why.contains("s.db"), "{why}");

    let foreign = folder.path().join("other.db");
    by_hand(&foreign, "CREATE TABLE bookmarks (url TEXT)");
    assert!(refused(&foreign).contains("database of another program"), "{}", refused(&foreign));

    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "this is no database, and long enough to be seen as none: ".repeat(40)).unwrap();
    assert!(refused(&text).contains("notes.txt"), "{}", refused(&text));

    // A file where the folder should be: also root cannot write there.
    let why = refused(&text.join("data/s.db"));
    assert!(why.contains("cannot make the data folder") && why.contains("notes.txt/data"), "{why}");
}

#[tokio::test]
async fn a_log_that_was_changed_by_hand_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let store = SqliteStore::open(&path).unwrap();
    for n in 0..3 {
        store.commit(intake(&ticket(&tenant(), n))).await.unwrap();
    }
    drop(store);
    let change = rusqlite::Connection::open(&path).unwrap().execute("UPDATE log_entries SET bytes = x'00' WHERE idx = 1", []);
    assert!(change.unwrap_err().to_string().contains("never change"));

    by_hand(&path, "UPDATE log_tiles SET hashes = zeroblob(96)");
    assert!(refused(&path).contains("the tiles do not give the root"), "{}", refused(&path));
    by_hand(&path, "DROP TRIGGER log_entries_never_go; DELETE FROM log_entries WHERE idx = 2");
    assert!(refused(&path).contains("the head says 3 entries and the table has 2"), "{}", refused(&path));
}

#[tokio::test]
async fn a_document_of_a_newer_form_is_refused_and_stands_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let store = SqliteStore::open(&path).unwrap();
    for n in 1..=2 {
        store.commit(intake(&ticket(&tenant(), n))).await.unwrap();
    }
    by_hand(&path, "UPDATE tickets SET doc = json_set(doc, '$.form', 2, '$.novelty', 1) WHERE external_id = '1'");
    let error = store.ticket(&tenant(), ticket(&tenant(), 1).id).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unreadable { what: "ticket", .. }) && error.to_string().contains("form 2"), "{error}");
    let claimed = store.claim_tickets(at(10), std::time::Duration::from_secs(1), 9).await.unwrap();
    assert_eq!(claimed, [ticket(&tenant(), 2)]);
}

#[tokio::test]
async fn a_tokens_secret_digest_is_in_no_document() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.db");
    let store = SqliteStore::open(&path).unwrap();
    let token = Token {
        id: TokenId::new(at(1), 1),
        tenant: tenant(),
        person: PersonId::new("ana").unwrap(),
        roles: Default::default(),
        secret: Digest::of(b"the secret"),
        created_at: at(1),
        expires_at: None,
        revoked_at: None,
    };
    store.commit(Change { writes: vec![Write::Token(token.clone())], ..Change::default() }).await.unwrap();
    let doc: String = rusqlite::Connection::open(&path).unwrap().query_row("SELECT doc FROM tokens", [], |row| row.get(0)).unwrap();
    assert!(!doc.contains("secret") && !doc.contains(&token.secret.to_string()), "{doc}");
    let revoked = Token { revoked_at: Some(at(2)), ..token };
    store.commit(Change { writes: vec![Write::Token(revoked.clone())], ..Change::default() }).await.unwrap();
    assert_eq!(store.token(&revoked.secret).await.unwrap(), Some(revoked));
}

#[tokio::test]
async fn a_page_has_at_most_500_rows() {
    let (_folder, store) = fresh().await;
    let entries = (0..600).map(|n| intake(&ticket(&tenant(), n)).entries.remove(0)).collect();
    store.commit(Change { entries, ..Change::default() }).await.unwrap();
    let page = store.entries(&tenant(), &EntryFilter::default(), Page { before: None, limit: usize::MAX }).await.unwrap();
    assert_eq!(page.len(), 500);
}

#[tokio::test]
async fn a_commit_that_was_stored_but_not_answered_is_learnt_from_the_conflict() {
    let (_folder, inner) = fresh().await;
    let store = Faulty::on_commits(Arc::clone(&inner), [(1, Fault::Before), (2, Fault::After), (4, Fault::Overloaded)]);
    let ticket = ticket(&tenant(), 1);
    assert!(matches!(store.commit(intake(&ticket)).await, Err(StoreError::Unavailable(_))));
    assert_eq!(inner.log_size().await.unwrap(), 0, "failed before");
    assert!(matches!(store.commit(intake(&ticket)).await, Err(StoreError::Unavailable(_))));
    assert_eq!(inner.log_size().await.unwrap(), 1, "failed after");
    let again = conflict(store.commit(intake(&ticket)).await);
    assert_eq!(again, Conflict::DuplicateDelivery { first: ticket.delivery, tickets: vec![ticket.id] });
    let (_, next) = moved(&ticket, TicketState::Triaged);
    assert!(matches!(store.commit(next.clone()).await, Err(StoreError::Overloaded { .. })));
    store.commit(next).await.unwrap();
    let read = |number: u64| Faulty::new(Arc::clone(&inner), move |call| if call.number == number { Fault::Before } else { Fault::None });
    let store = read(2);
    let first: Option<Ticket> = store.ticket(&tenant(), ticket.id).await.unwrap();
    assert_eq!(first.unwrap().state, TicketState::Triaged);
    assert!(store.check().await.is_err());
}

#[tokio::test]
async fn a_caller_that_gives_up_waiting_does_not_undo_its_change() {
    let (_folder, inner) = fresh().await;
    let store = Faulty::on_commits(Arc::clone(&inner), [(1, Fault::AfterNever)]);
    tokio::select! {
        biased;
        _ = store.commit(intake(&ticket(&tenant(), 1))) => panic!("it never answers"),
        () = stored(&*inner, 1) => {}
    }
    assert!(inner.ticket_of(&tenant(), &source(), "1").await.unwrap().is_some());
}

async fn stored(store: &dyn Store, size: u64) {
    while store.log_size().await.unwrap() < size {
        tokio::task::yield_now().await;
    }
}
