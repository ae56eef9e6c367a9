//! The configured connectors as they stand: breaker and last probe. Never their secrets or their addresses.

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    execute::connectors::ConnectorState,
    server::{app::App, auth::Caller},
};

/// All of them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ConnectorsView {
    pub items: Vec<ConnectorState>,
}

/// List connectors
#[utoipa::path(get, path = "/v1/connectors", tag = "connectors", responses((status = 200, description = "All configured connectors, by name", body = ConnectorsView)))]
pub async fn list(State(app): State<App>, _: Caller) -> Json<ConnectorsView> {
    Json(ConnectorsView { items: app.service.connectors.states(app.service.ambient.now()) })
}
