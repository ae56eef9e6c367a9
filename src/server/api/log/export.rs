//! The whole log as JSON Lines for `sluicegate log verify`, made as it is sent.
//!
//! Entries of all tenants stand in one tree, so only the provider's own tenant may take the whole.
// INVARIANT: an export that could not be finished is cut off and never ends with a checkpoint.

use std::{
    io::{self, Write},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use http_body::Frame;
use tokio::sync::mpsc;

use crate::{
    domain::name::TenantId,
    log::{checkpoint::Checkpoint, export::Exporter, hash, tree::Frontier},
    server::{app::App, auth::Caller, problem::Problem},
};

/// Entries read and sent together.
const BATCH: usize = 256;
/// Batches made ahead of a slow reader.
const AHEAD: usize = 2;

/// Export the whole log
#[utoipa::path(
    get,
    path = "/v1/log/export",
    tag = "log",
    responses((status = 200, description = "A header, every entry with its bytes and leaf hash, last the signed checkpoint; for `sluicegate log verify`. Only for the tenant `default`", body = String, content_type = "application/jsonl"))
)]
pub async fn export(State(app): State<App>, Caller(caller): Caller) -> Result<Response, Problem> {
    if caller.tenant != TenantId::default() {
        return Err(Problem::Refused(vec!["the whole log has entries of other tenants; an export is for the tenant `default`".to_owned()]));
    }
    let size = app.service.store.log_size().await?;
    let (sender, chunks) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        if let Err(error) = write(&app, size, &sender).await {
            tracing::warn!(%error, "a log export was cut off");
            let _ = sender.send(Err(error)).await;
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Body::new(Chunks(chunks))).into_response())
}

async fn write(app: &App, size: u64, to: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the reader is gone");
    let written = Written::default();
    let mut exporter = Exporter::begin(written.clone(), app.service.key.name())?;
    let mut frontier = Frontier::default();
    while frontier.size() < size {
        let wanted = BATCH.min(usize::try_from(size - frontier.size()).unwrap_or(BATCH));
        let entries = app.service.store.entry_range(frontier.size(), wanted).await.map_err(io::Error::other)?;
        if entries.is_empty() {
            return Err(io::Error::other(format!("entry {} is not there", frontier.size())));
        }
        for logged in entries {
            if logged.index != frontier.size() {
                return Err(io::Error::other(format!("entry {} came where {} was asked for", logged.index, frontier.size())));
            }
            exporter.entry(&logged.bytes)?;
            frontier.append(hash::leaf(&logged.bytes));
        }
        to.send(Ok(written.take())).await.map_err(gone)?;
    }
    let note = Checkpoint::sign(size, &frontier.root(), &app.service.key).map_err(io::Error::other)?;
    exporter.finish(&note)?;
    to.send(Ok(written.take())).await.map_err(gone)
}

/// What the exporter wrote and nobody has sent yet.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A body of what arrives; an error ends the connection, so that a cut-off export cannot pass as whole.
struct Chunks(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|bytes| bytes.map(Frame::data)))
    }
}
