//! Figures for Prometheus.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::server::app::App;

/// Metrics
#[utoipa::path(get, path = "/metrics", tag = "service", responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")))]
pub async fn metrics(State(app): State<App>) -> Response {
    // A store that does not answer leaves the last figure: the rest is needed most just then.
    if let Ok(size) = app.service.store.log_size().await {
        app.service.metrics.log_size.set(i64::try_from(size).unwrap_or(i64::MAX));
    }
    for connector in app.service.connectors.states(app.service.ambient.now()) {
        let gauge = &app.service.metrics.connector_breaker;
        gauge.with_label_values(&[connector.name.as_str()]).set(connector.breaker.as_figure());
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.service.metrics.render()).into_response()
}
