//! The process answers. Says nothing of the store: a restart would not mend that.

/// Is the process alive
#[utoipa::path(get, path = "/livez", tag = "service", responses((status = 200, description = "It answers", body = String, content_type = "text/plain")))]
pub async fn live() -> &'static str {
    "ok\n"
}
