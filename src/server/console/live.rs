//! The stream that tells open pages that something changed.
//!
//! It says what kind of thing and which ticket, never what: the page asks for itself again, under the person's own session.
//! A stream looks at its session now and then and ends with it; it counts as no use of the session.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response,
        sse::{Event as Sent, KeepAlive, Sse},
    },
};
use futures_util::stream;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Instant,
};

use super::visitor::Visitor;
use crate::{
    domain::{entry::Entry, name::TenantId},
    server::app::App,
};

/// Changes that come together are told together: a storm of tickets is not a storm of page loads.
const GATHER: Duration = Duration::from_millis(250);
/// How often the session is looked at, and a sign of life sent.
const LOOK: Duration = Duration::from_secs(20);

struct Listener {
    app: App,
    visitor: Visitor,
    entries: Receiver<Arc<Entry>>,
    look_at: Instant,
    said_hello: bool,
}

pub async fn stream(State(app): State<App>, visitor: Visitor) -> Response {
    let listener = Listener { entries: app.service.store.listen(), app, visitor, look_at: Instant::now() + LOOK, said_hello: false };
    let events = stream::unfold(listener, |mut listener| async move {
        let sent = listener.next().await?;
        Some((Ok::<_, Infallible>(sent), listener))
    });
    let answer = Sse::new(events).keep_alive(KeepAlive::new().interval(LOOK)).into_response();
    // A proxy that gathers an answer would hold the stream back.
    let mut headers = HeaderMap::new();
    headers.insert("x-accel-buffering", header::HeaderValue::from_static("no"));
    (headers, answer).into_response()
}

impl Listener {
    /// The next thing to say; `None` ends the stream.
    async fn next(&mut self) -> Option<Sent> {
        if !self.said_hello {
            self.said_hello = true;
            // The stream listens already: a page that was read before this size missed something.
            let size = self.app.service.store.log_size().await.unwrap_or(u64::MAX);
            return Some(Sent::default().event("hello").data(size.to_string()).retry(Duration::from_secs(3)));
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(self.look_at) => {
                    self.look_at = Instant::now() + LOOK;
                    if !self.is_signed_in().await {
                        return Some(Sent::default().event("over").data("{}"));
                    }
                }
                heard = self.entries.recv() => match heard {
                    Ok(entry) if entry.tenant == *self.tenant() => return self.gathered(&entry).await,
                    Ok(_) => {}
                    // Some were missed: the page asks for everything anyway.
                    Err(RecvError::Lagged(_)) => return changed(&BTreeSet::new(), &BTreeSet::new()),
                    Err(RecvError::Closed) => return None,
                }
            }
        }
    }

    fn tenant(&self) -> &TenantId {
        &self.visitor.principal().tenant
    }

    async fn is_signed_in(&self) -> bool {
        let session = self.visitor.session();
        let found = self.app.service.store.session(&session.secret).await;
        let idle = self.app.service.config.console.idle.get();
        found.ok().flatten().is_some_and(|session| session.is_live(self.app.service.ambient.now(), idle))
    }

    /// What follows within a moment goes along.
    async fn gathered(&mut self, first: &Entry) -> Option<Sent> {
        let (mut kinds, mut tickets) = (BTreeSet::new(), BTreeSet::new());
        let mut note = |entry: &Entry| {
            kinds.insert(entry.event.tag());
            tickets.extend(entry.event.ticket().map(|ticket| ticket.to_string()));
        };
        note(first);
        let until = Instant::now() + GATHER;
        while let Ok(heard) = tokio::time::timeout_at(until, self.entries.recv()).await {
            match heard {
                Ok(entry) if entry.tenant == *self.tenant() => note(&entry),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
        changed(&kinds, &tickets)
    }
}

fn changed(kinds: &BTreeSet<&'static str>, tickets: &BTreeSet<String>) -> Option<Sent> {
    let data = serde_json::json!({ "kinds": kinds, "tickets": tickets });
    Some(Sent::default().event("changed").data(data.to_string()))
}
