//! The stylesheet, the script and the icon, in the binary, under names that change with their bytes.
//!
//! Compressed once at the first request. Pages are not: they hold a session's form token beside what a stranger wrote,
//! and a compressed length would tell of one through the other (BREACH).

use std::{io::Write as _, sync::OnceLock};

use axum::{
    extract::Path,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};

use super::trouble::Trouble;
use crate::{domain::digest::Digest, server::problem::Problem};

/// What pages link to.
pub struct Assets {
    pub style: Asset,
    pub script: Asset,
    /// Checks proofs of the action log.
    pub verify: Asset,
    pub icon: Asset,
}

pub struct Asset {
    /// Where it stands, like `/assets/console.1a2b3c4d.css`.
    pub path: String,
    kind: &'static str,
    text: &'static str,
    compressed: Vec<u8>,
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, text: &'static str) -> Self {
        let digest = hex::encode(&Digest::of(text.as_bytes()).as_bytes()[..4]);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing into memory cannot fail; were it to, the plain text is served.
        let compressed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
        Self { path: format!("/assets/{stem}.{digest}.{ending}"), kind, text, compressed }
    }
}

pub fn assets() -> &'static Assets {
    static ASSETS: OnceLock<Assets> = OnceLock::new();
    ASSETS.get_or_init(|| Assets {
        style: Asset::new("console", "css", "text/css; charset=utf-8", include_str!("../../../web/console.css")),
        script: Asset::new("console", "js", "text/javascript; charset=utf-8", include_str!("../../../web/console.js")),
        verify: Asset::new("verify", "js", "text/javascript; charset=utf-8", include_str!("../../../web/verify.js")),
        icon: Asset::new("icon", "svg", "image/svg+xml", include_str!("../../../web/icon.svg")),
    })
}

/// One of them. The name says which bytes, so a browser may keep them for good.
pub async fn show(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Trouble> {
    let Assets { style, script, verify, icon } = assets();
    let found = [style, script, verify, icon].into_iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(name.as_str()));
    let asset = found.ok_or_else(|| Problem::not_found("asset", name.chars().take(80).collect::<String>()))?;
    let fixed = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, "accept-encoding"),
    ];
    let takes = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("gzip"));
    if takes && !asset.compressed.is_empty() {
        return Ok((fixed, [(header::CONTENT_ENCODING, "gzip")], asset.compressed.as_slice()).into_response());
    }
    Ok((fixed, asset.text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_console_is_under_150_kilobytes_compressed() {
        let Assets { style, script, verify, icon } = assets();
        let bytes: usize = [style, script, verify, icon].iter().map(|asset| asset.compressed.len()).sum();
        assert!((1_000..150_000).contains(&bytes), "{bytes}");
    }
}
