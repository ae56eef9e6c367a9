//! What a problem's `type` leads to: what it means and what to do.

use axum::http::header;
use axum::response::IntoResponse;

use crate::server::{
    parameters::Id,
    problem::{KINDS, Problem},
};

/// Explain a problem
#[utoipa::path(
    get,
    path = "/problems/{id}",
    tag = "service",
    params(("id" = String, Path, description = "The last part of a problem's `type`.")),
    responses((status = 200, description = "What it means and what to do", body = String, content_type = "text/plain"))
)]
pub async fn explain(Id(id): Id<String>) -> Result<impl IntoResponse, Problem> {
    let kind =
        KINDS.iter().find(|kind| kind.id == id).ok_or_else(|| Problem::not_found("problem", id.chars().take(64).collect::<String>()))?;
    let text = format!("{} ({})\n\n{}\n\n{}\n", kind.id, kind.status, kind.title, kind.advice);
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text))
}
