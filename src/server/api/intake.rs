//! A source delivers: bounded, authenticated, counted, stored, acknowledged, in this order.
//!
//! Reads nothing of the body before its proof holds. Triages nothing: the sender waits only for the disk.
// INVARIANT: an answer of 2xx means that what the sender said is on disk, or that it does not concern us.

use axum::{
    Json,
    extract::{RawPathParams, Request, State, rejection::RawPathParamsRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

use super::acknowledgement::Acknowledgement;
use crate::{
    intake::{self, Refused},
    pipeline::{actions::accept, service::Source},
    server::{app::App, body, problem::Problem},
};

/// Deliver a webhook
#[utoipa::path(
    post,
    path = "/v1/intake/{source}",
    tag = "intake",
    params(("source" = String, Path, description = "The configured source, like `zendesk-emea`.")),
    request_body(content = serde_json::Value, description = "What the sender sends; see the source's adapter.", content_type = "application/json"),
    responses((status = 202, description = "On disk, known already, or not for us", body = Acknowledgement))
)]
pub async fn receive(
    State(app): State<App>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Result<Response, Problem> {
    // A name that is no valid text is an unknown source like any other.
    let name = path.ok().and_then(|path| path.iter().next().map(|(_, value)| value.to_owned())).unwrap_or_default();
    let source = app.service.sources.get(&name);
    let outcome = deliver(&app, source, request).await;
    // The configured name only: a stranger's text has no place in a metric's labels.
    let known = source.map_or("unknown", |source| source.spec.source().as_str());
    let word = match &outcome {
        Ok(acknowledgement) => acknowledgement.outcome(),
        Err(Refusal { word, .. }) => word,
    };
    app.service.metrics.intake.with_label_values(&[known, word]).inc();
    match outcome {
        Ok(acknowledgement) => Ok((StatusCode::ACCEPTED, Json(acknowledgement)).into_response()),
        Err(Refusal { word, detail, problem }) => {
            tracing::info!(source = known, outcome = word, detail, "delivery refused");
            Err(problem)
        }
    }
}

/// Why a delivery was not taken: a fixed word for the metric, and what was wrong for our own log.
struct Refusal {
    word: &'static str,
    detail: String,
    problem: Problem,
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self { word: refused.outcome(), detail: refused.detail(), problem: Problem::UnprovenSender }
    }
}

async fn deliver(app: &App, source: Option<&Source>, request: Request) -> Result<Acknowledgement, Refusal> {
    let refusal = |word: &'static str| move |problem: Problem| Refusal { word, detail: problem.kind().title.to_owned(), problem };
    let (parts, content) = request.into_parts();
    let body = body::read(content, app.service.config.server.body_limit).await.map_err(refusal("unread"))?;
    let now = app.service.ambient.now();
    let Some(source) = source else { return Err(intake::refuse_unknown_source(&body).into()) };
    let received = intake::receive(&source.spec, &lower_case(&parts.headers), &body, now)?;

    if let Some(quota) = app.quotas.get(source.spec.source()) {
        quota.take(now).map_err(|over| refusal("over_quota")(over_quota(source, over.retry_after)))?;
    }
    let arrival = accept::Arrival {
        tenant: source.spec.tenant().clone(),
        source: source.spec.source().clone(),
        dedup_key: received.dedup_key,
        headers: received.kept_headers,
        body: body.to_vec(),
        reading: received.reading,
    };
    let accepted = accept::accept(&app.service, arrival).await.map_err(|error| refusal("not_stored")(error.into()))?;
    Ok(accepted.into())
}

/// 429, or 503 for senders that take a 429 for a final answer.
fn over_quota(source: &Source, retry_after: u64) -> Problem {
    if source.spec.retries_after_429() { Problem::TooManyRequests { retry_after } } else { Problem::Overloaded { retry_after } }
}

/// Names in lower case, as [`intake::receive`] takes them. A value that is no text is kept readable enough to
/// be refused by name.
fn lower_case(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}
