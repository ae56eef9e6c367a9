//! One entry of the action log by its index.

use axum::{Json, extract::State};

use super::entries::EntryView;
use crate::server::{app::App, auth::Caller, parameters::Id, problem::Problem};

/// Show an entry
#[utoipa::path(
    get,
    path = "/v1/log/entries/{index}",
    tag = "log",
    params(("index" = u64, Path, description = "From 0.")),
    responses((status = 200, description = "The entry", body = EntryView))
)]
pub async fn entry(State(app): State<App>, Caller(caller): Caller, Id(index): Id<u64>) -> Result<Json<EntryView>, Problem> {
    let found = app.service.store.entry_range(index, 1).await?.into_iter().find(|logged| logged.index == index);
    // The range crosses tenants; another tenant's entry is as good as none.
    let own = found.filter(|logged| logged.entry.tenant == caller.tenant);
    own.map(|logged| Json(logged.into())).ok_or_else(|| Problem::not_found("entry", index))
}
