//! The one thread that writes: takes what waits, commits it as a group, then answers.
//!
//! The longer a sync takes, the more waits for the next one, so groups grow by themselves under load and
//! nothing ever waits for a timer.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::Receiver,
    },
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    claims::{Claimed, Leases, Work},
    group, journal,
    rows::{Prepared, int, unavailable},
};
use crate::{
    domain::time::Timestamp,
    log::tree::Frontier,
    store::{
        change::Committed,
        interface::{Result, StoreError},
    },
};

/// Bounds of one group, so that the first of it does not wait for a queue that never empties.
const GROUP_CHANGES: usize = 1024;
const GROUP_BYTES: usize = 32 << 20;
/// Written since the last checkpoint: enough to move at an idle moment, and enough to move at once.
const CHECKPOINT_IDLE: usize = 1 << 20;
const CHECKPOINT_NOW: usize = 16 << 20;

pub(super) type Answer<T> = oneshot::Sender<Result<T>>;

/// What the writer can be asked.
pub(super) enum Command {
    Commit(Box<Prepared>, Answer<Committed>),
    /// Writes one row and syncs it.
    Check(Answer<()>),
    Claim {
        work: Work,
        now: Timestamp,
        lease: Duration,
        limit: usize,
        /// Of one destination, for messages.
        each: usize,
        answer: Answer<Vec<Claimed>>,
    },
    Release {
        work: Work,
        id: String,
        answer: Answer<()>,
    },
    LimitSize {
        bytes: u64,
        answer: Answer<()>,
    },
    Close(Answer<()>),
}

pub(super) struct Writer {
    pub connection: Connection,
    /// `None` after a failed group, until it could be loaded again.
    pub frontier: Option<Frontier>,
    pub queue: Receiver<Command>,
    pub waiting_bytes: Arc<AtomicUsize>,
    pub leases: Leases,
    /// Held for as long as this thread may write; freed by the operating system when the file closes.
    pub _lock: File,
}

impl Writer {
    /// Works until it is told to close or nobody is left to ask.
    pub fn run(mut self) {
        let mut since_checkpoint = 0;
        while let Ok(first) = self.queue.recv() {
            let mut batch = Batch::default();
            batch.take(first);
            while !batch.is_full()
                && let Ok(next) = self.queue.try_recv()
            {
                batch.take(next);
            }
            self.waiting_bytes.fetch_sub(batch.bytes, Ordering::Relaxed);
            since_checkpoint += batch.bytes;
            let closing = self.serve(batch);
            if let Some(answer) = closing {
                let closed = self.close();
                // Whoever asked may have gone; the store is closed all the same.
                let _ = answer.send(closed);
                return;
            }
            since_checkpoint = self.checkpoint(since_checkpoint);
        }
    }

    fn serve(&mut self, batch: Batch) -> Option<Answer<()>> {
        let Batch { changes, checks, others, .. } = batch;
        if !changes.is_empty() || !checks.is_empty() {
            let (prepared, answers): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
            match self.commit(&prepared, !checks.is_empty()) {
                Ok(results) => {
                    // A caller that stopped waiting does not mind; its change is stored all the same.
                    answers.into_iter().zip(results).for_each(|(answer, result)| drop(answer.send(result)));
                    checks.into_iter().for_each(|answer| drop(answer.send(Ok(()))));
                }
                Err(error) => {
                    tracing::error!(%error, changes = answers.len(), "a group of changes was not stored");
                    answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
                    checks.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
                }
            }
        }
        let mut closing = None;
        for command in others {
            match command {
                Command::Claim { work, now, lease, limit, each, answer } => {
                    drop(answer.send(self.leases.claim(&self.connection, work, now, lease, limit, each)));
                }
                Command::Release { work, id, answer } => {
                    self.leases.release(work, &id);
                    drop(answer.send(Ok(())));
                }
                Command::LimitSize { bytes, answer } => drop(answer.send(self.limit_size(bytes))),
                Command::Close(answer) => closing = Some(answer),
                Command::Commit(..) | Command::Check(_) => {}
            }
        }
        closing
    }

    fn commit(&mut self, changes: &[Box<Prepared>], beat: bool) -> Result<Vec<Result<Committed>>> {
        let mut frontier = match self.frontier.take() {
            Some(frontier) => frontier,
            None => journal::load(&self.connection)?,
        };
        let changes: Vec<&Prepared> = changes.iter().map(AsRef::as_ref).collect();
        let answers = group::commit(&self.connection, &mut frontier, &changes, beat).map_err(|error| match error {
            // A group fails as a whole only for what the disk did, whatever it was told as.
            error @ StoreError::Unavailable(_) => error,
            other => StoreError::Unavailable(other.to_string()),
        })?;
        self.frontier = Some(frontier);
        Ok(answers)
    }

    /// Moves the write-ahead log into the database file, after the answers are out.
    fn checkpoint(&self, written: usize) -> usize {
        let idle = self.waiting_bytes.load(Ordering::Relaxed) == 0;
        if written < CHECKPOINT_IDLE || (written < CHECKPOINT_NOW && !idle) {
            return written;
        }
        // Never blocks readers. On failure nothing is lost: the log keeps what it has and the next one tries again.
        if let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log could not be moved into the database");
        }
        0
    }

    fn limit_size(&self, bytes: u64) -> Result<()> {
        let page: i64 = self.connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(unavailable)?;
        let pages = int(bytes) / page.max(1);
        self.connection
            .pragma_update_and_check(None, "max_page_count", pages.max(1), |row| row.get::<_, i64>(0))
            .map(drop)
            .map_err(unavailable)
    }

    fn close(self) -> Result<()> {
        if let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log stays beside the database");
        }
        self.connection.close().map_err(|(_, error)| unavailable(error))
    }
}

/// Commands taken together.
#[derive(Default)]
struct Batch {
    changes: Vec<(Box<Prepared>, Answer<Committed>)>,
    checks: Vec<Answer<()>>,
    /// In the order they came; served after the changes.
    others: Vec<Command>,
    bytes: usize,
}

impl Batch {
    fn take(&mut self, command: Command) {
        match command {
            Command::Commit(prepared, answer) => {
                self.bytes += prepared.weight;
                self.changes.push((prepared, answer));
            }
            Command::Check(answer) => self.checks.push(answer),
            other => self.others.push(other),
        }
    }

    fn is_full(&self) -> bool {
        self.changes.len() + self.checks.len() + self.others.len() >= GROUP_CHANGES || self.bytes >= GROUP_BYTES
    }
}
