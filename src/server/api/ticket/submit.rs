//! A person or a script posts a ticket in the canonical form, and may wait for the decision.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use crate::{
    config::span::Span,
    pipeline::{actions::submit, wait},
    server::{api::acknowledgement::Acknowledgement, app::App, auth::Caller, body, masked, parameters::Params, problem::Problem},
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SubmitParams {
    /// Wait so long for the decision, like `2s`; no longer than `server.longest_wait`.
    #[param(value_type = Option<String>, example = "2s")]
    wait: Option<Span>,
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Post a ticket
#[utoipa::path(
    post,
    path = "/v1/tickets",
    tag = "tickets",
    params(SubmitParams, ("Idempotency-Key" = Option<String>, Header, description = "Up to 200 visible ASCII characters. The same key and body again give the first ids.")),
    request_body(content = serde_json::Value, description = "A ticket in the canonical form.", content_type = "application/json"),
    responses(
        (status = 200, description = "Waited, and the decision is there", body = Acknowledgement),
        (status = 202, description = "On disk; the decision follows", body = Acknowledgement),
    )
)]
pub async fn submit(
    State(app): State<App>,
    Caller(caller): Caller,
    Params(params): Params<SubmitParams>,
    request: Request,
) -> Result<Response, Problem> {
    let key = idempotency_key(request.headers())?;
    body::is_json(request.headers())?;
    let body = body::read(request.into_body(), app.service.config.server.body_limit).await?;
    let accepted = submit::submit(&app.service, &caller, key, &body).await?;
    let mut answer = Acknowledgement::from(accepted);
    let location = answer.tickets.first().map(|ticket| [(header::LOCATION, format!("/v1/tickets/{ticket}"))]);
    let mut status = StatusCode::ACCEPTED;
    if let (Some(wait), Some(ticket)) = (params.wait, answer.tickets.first()) {
        let longest = wait.get().min(app.service.config.server.longest_wait.get());
        if let Some(recommendation) = wait::decision(&app.service, &caller.tenant, *ticket, longest).await? {
            let stored = app.service.ticket(&caller.tenant, *ticket).await?;
            answer.recommendation = Some(Box::new(masked::recommendation(recommendation, &stored)));
            status = StatusCode::OK;
        }
    }
    Ok((status, location.unwrap_or([(header::LOCATION, "/v1/tickets".to_owned())]), Json(answer)).into_response())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let fits = |text: &&str| (1..=submit::LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    match (value.to_str().ok().filter(fits), values.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => Err(Problem::parameter(
            "Idempotency-Key",
            format!("expected one value of 1 to {} visible ASCII characters", submit::LONGEST_KEY),
        )),
    }
}
