//! One entry, its bytes, and the proof that it is in the log, for a browser to check by itself.

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};

use super::{
    assets::assets,
    frame::{Frame, query},
    log::Line,
    page,
    trouble::Trouble,
    visitor::Visitor,
    words,
};
use crate::{
    domain::{
        entry::Event,
        principal::Role::{Approver, Auditor, Operator},
    },
    log::{checkpoint::Checkpoint, hash, proof::Plan},
    pipeline::witnesses::{by_size, cosigned},
    server::{api, app::App, auth::Caller, parameters::Id, problem::Problem},
    store::{
        interface::{EntryFilter, Page},
        tree,
    },
};

/// A signed statement of the log's size and root, with the key that checks it.
struct Signed {
    size: u64,
    root: String,
    note: String,
    key: String,
}

impl Signed {
    async fn of(app: &App, size: u64) -> Result<Self, Trouble> {
        let root = tree::root(&*app.service.store, size).await?;
        let note = Checkpoint::sign(size, &root, &app.service.key).map_err(|why| Trouble(Problem::Internal(why.to_string())))?;
        Ok(Self { size, root: hex::encode(root), note, key: app.service.key.verifier().to_string() })
    }
}

#[derive(Template)]
#[template(path = "log_entry.html")]
struct EntryPage {
    frame: Frame,
    line: Line,
    /// The canonical bytes that the leaf was taken over; canonical JSON is text.
    raw: String,
    pretty: String,
    leaf: String,
    hashes: Vec<String>,
    signed: Signed,
    receipt: Option<String>,
    verify: &'static str,
}

pub async fn show(State(app): State<App>, visitor: Visitor, Id(index): Id<u64>) -> Result<Response, Trouble> {
    let store = &app.service.store;
    let found = store.entry_range(index, 1).await?.into_iter().find(|logged| logged.index == index);
    // The range crosses tenants; another tenant's entry is as good as none.
    let own = found.filter(|logged| logged.entry.tenant == visitor.principal().tenant);
    let logged = own.ok_or_else(|| Problem::not_found("entry", index))?;
    let frame = Frame::load(&app, &visitor, format!("Entry {index}")).await?;
    let size = store.log_size().await?;
    let plan = Plan::inclusion(index, size).map_err(|why| Trouble(Problem::Internal(why.to_string())))?;
    let hashes = tree::prove(&**store, &plan).await?.iter().map(hex::encode).collect();
    let raw = String::from_utf8(logged.bytes.clone()).map_err(|why| Trouble(Problem::Internal(why.to_string())))?;
    let receipt = match &logged.entry.event {
        Event::TicketTriaged { recommendation, .. } if frame.may_any(&[Approver, Auditor, Operator]) => Some(recommendation.to_string()),
        _ => None,
    };
    page::page(&EntryPage {
        line: Line::of(&logged),
        pretty: serde_json::to_string_pretty(&logged.entry).unwrap_or_default(),
        leaf: hex::encode(hash::leaf(&logged.bytes)),
        signed: Signed::of(&app, size).await?,
        frame,
        raw,
        hashes,
        receipt,
        verify: &assets().verify.path,
    })
}

/// A checkpoint that was published, as the log has it.
struct Published {
    line: Line,
    size: u64,
    root: String,
    /// Signed by the log and by each witness that did.
    note: String,
    seen_by: Vec<String>,
}

/// One of the configuration's witnesses.
struct Seeing {
    name: String,
    /// The size that it signed last, and when.
    last: Option<(u64, String)>,
    /// Why it did not sign when it was asked last, and when that was.
    failed: Option<(String, String)>,
}

/// The proof that the log at one size is the beginning of the log at another.
struct Grown {
    old: Signed,
    new: Signed,
    hashes: Vec<String>,
}

#[derive(Template)]
#[template(path = "log_checkpoints.html")]
struct CheckpointsPage {
    frame: Frame,
    now: Signed,
    published: Vec<Published>,
    witnesses: Vec<Seeing>,
    old: String,
    grown: Option<Grown>,
    verify: &'static str,
}

pub async fn checkpoints(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let frame = Frame::load(&app, &visitor, "Checkpoints").await?;
    let store = &app.service.store;
    let filter = EntryFilter { event: Some("checkpoint_published".to_owned()), ..EntryFilter::default() };
    let found = store.entries(&visitor.principal().tenant, &filter, Page { before: None, limit: 50 }).await?;
    let signed = by_size(cosigned(&**store, &visitor.principal().tenant).await?);
    let published = found.iter().filter_map(|logged| match &logged.entry.event {
        Event::CheckpointPublished { size, root } => {
            let seen = signed.get(size).map(Vec::as_slice).unwrap_or_default();
            let mut note = Checkpoint::sign(*size, root.as_bytes(), &app.service.key).ok()?;
            seen.iter().for_each(|seen| note.extend([seen.line.as_str(), "\n"]));
            let seen_by = seen.iter().map(|seen| seen.witness.clone()).collect();
            Some(Published { line: Line::of(logged), size: *size, root: root.to_string(), note, seen_by })
        }
        _ => None,
    });
    let witnesses = app.service.witnesses.iter().map(|witness| {
        let name = witness.key.name();
        let last = signed.values().rev().flatten().find(|seen| seen.witness == name);
        Seeing {
            name: name.to_owned(),
            last: last.map(|seen| (seen.size, words::minute(seen.signed_at))),
            failed: witness.failed().map(|failed| (failed.why, words::minute(failed.at))),
        }
    });
    let (published, witnesses, size) = (published.collect(), witnesses.collect(), store.log_size().await?);
    let old = query(&visitor, "old").unwrap_or_default().trim().to_owned();
    let grown = match old.as_str() {
        "" => None,
        text => {
            let sized = text.parse().ok().filter(|old| (1..=size).contains(old));
            let old: u64 =
                sized.ok_or_else(|| Problem::parameter("old", format!("`{text}` is no size of this log: it has {size} entries")))?;
            let plan = Plan::consistency(old, size).map_err(|why| Problem::parameter("old", why.to_string()))?;
            let hashes = tree::prove(&**store, &plan).await?.iter().map(hex::encode).collect();
            Some(Grown { old: Signed::of(&app, old).await?, new: Signed::of(&app, size).await?, hashes })
        }
    };
    let now = Signed::of(&app, size).await?;
    page::page(&CheckpointsPage { frame, now, published, witnesses, old, grown, verify: &assets().verify.path })
}

/// The whole log for `sluicegate log verify`, as the API gives it.
pub async fn export(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let mut response = api::log::export::export(State(app), Caller(visitor.principal().clone())).await?.into_response();
    let name = axum::http::HeaderValue::from_static("attachment; filename=\"sluicegate-log.jsonl\"");
    response.headers_mut().insert(axum::http::header::CONTENT_DISPOSITION, name);
    Ok(response)
}
