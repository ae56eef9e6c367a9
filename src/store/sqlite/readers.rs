//! Read connections, at most a few at once, each on a blocking thread.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::schema;
use crate::store::interface::{Result, StoreError};

/// A pool that opens connections as they are needed and keeps them.
pub(super) struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub fn new(path: PathBuf, at_once: usize) -> Self {
        Self { path, permits: Arc::new(Semaphore::new(at_once.max(1))), idle: Arc::default() }
    }

    /// Runs `query` against a snapshot that has every commit that returned before.
    pub async fn read<T: Send + 'static>(&self, query: impl FnOnce(&Connection) -> Result<T> + Send + 'static) -> Result<T> {
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let idle = Arc::clone(&self.idle);
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            // A poisoned list is still a list of connections: taking one cannot leave it half done.
            let pooled = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = pooled.map_or_else(|| schema::open_reader(&path), Ok)?;
            let found = query(&connection);
            if permit.semaphore().is_closed() {
                drop(connection);
            } else {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
            drop(permit);
            found
        })
        .await
        .map_err(|error| StoreError::Unavailable(format!("a read did not finish: {error}")))?
    }

    /// Refuses new reads and closes idle connections.
    pub fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
