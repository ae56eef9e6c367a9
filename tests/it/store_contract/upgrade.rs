//! A store of the form before lists had columns of their own, opened by this program.

use rusqlite::Connection;
use sluicegate::store::{
    interface::Store,
    sqlite::SqliteStore,
    worklist::{Order, ResponseTargets, Wanted},
};

use super::{contracts::populated, samples::*};

const BEFORE_LISTS: [&str; 5] = [
    include_str!("../../../migrations/sqlite/0001_initial.sql"),
    include_str!("../../../migrations/sqlite/0002_trust.sql"),
    include_str!("../../../migrations/sqlite/0003_delivery.sql"),
    include_str!("../../../migrations/sqlite/0004_executions.sql"),
    include_str!("../../../migrations/sqlite/0005_people.sql"),
];

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Every ticket with what a list shows of it, but for who handles it: the form before knew nobody.
fn shown(connection: &Connection) -> Vec<String> {
    let mut all = texts(connection, "SELECT json_array(id, undo, undone) FROM executions ORDER BY id");
    let sql = "SELECT json_array(id, priority, risk, category, runbook, decision, deadline, hold_until, triaged_at, resolved_at, automatic, words,
             probability, approvals, approvals_needed, lane, falls)
         FROM tickets ORDER BY id";
    all.extend(texts(connection, sql));
    all
}

#[tokio::test]
async fn a_store_of_before_lists_shows_its_tickets_as_if_it_had_always_had_them() {
    let folder = tempfile::tempdir().unwrap();
    let (new, old) = (folder.path().join("new.db"), folder.path().join("old.db"));
    let store = SqliteStore::open(&new).unwrap();
    populated(&store).await;
    store.close().await.unwrap();
    drop(store);

    let connection = Connection::open(&old).unwrap();
    for sql in BEFORE_LISTS {
        connection.execute_batch(sql).unwrap();
    }
    connection.execute_batch(&format!("ATTACH '{}' AS new", new.display())).unwrap();
    for table in ["deliveries", "delivery_tickets", "tickets", "recommendations", "executions", "log_entries", "log_tiles", "log_head"] {
        let columns = texts(&connection, &format!("SELECT name FROM pragma_table_info('{table}')")).join(", ");
        connection.execute_batch(&format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")).unwrap();
    }
    connection.execute_batch("DETACH new; PRAGMA application_id = 0x534c4754; PRAGMA user_version = 5").unwrap();
    drop(connection);

    let store = SqliteStore::open(&old).unwrap();
    let (expected, found) = (shown(&Connection::open(&new).unwrap()), shown(&Connection::open(&old).unwrap()));
    assert!(expected.len() > 100, "nothing to compare");
    assert_eq!(found, expected);
    let hour = std::time::Duration::from_secs(3600);
    let targets = ResponseTargets { p1: hour, p2: hour, p3: hour, p4: hour };
    for (text, tickets) in [("comes prn", 133), ("INC0000042", 1), ("hunter", 0)] {
        let wanted = Wanted { text: Some(text.to_owned()), ..Wanted::default() };
        let rows = store.ticket_rows(&tenant(), &wanted, Order::Newest(None), 500, targets, at(0)).await.unwrap();
        assert_eq!(rows.len(), tickets, "{text}");
    }
}
