//! Tiles of the log's hashes at the paths of C2SP tlog-tiles, below `/v1/log`.
//!
//! Hashes only: entries have tenants, and their bundles are the export's.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::server::{app::App, auth::Caller, parameters::Id, problem::Problem};

const WIDTH: u64 = 256;
/// Two to the 63rd entries need no more levels.
const TOP_LEVEL: u8 = 7;

/// A tile's place: `<level>/<index in groups of three digits>[.p/<width>]`.
#[derive(Debug, PartialEq, Eq)]
pub struct TilePath {
    level: u8,
    index: u64,
    /// 256 for a full tile.
    width: u64,
}

impl std::str::FromStr for TilePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        read(text).ok_or_else(|| {
            format!(
                "`{}` is no tile path: expected `<level>/<index>[.p/<width>]`, like `0/x001/234` or `0/007.p/12`",
                text.chars().take(80).collect::<String>()
            )
        })
    }
}

/// Digits only, and no other way to write the same number.
fn number(text: &str) -> Option<u64> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

fn read(text: &str) -> Option<TilePath> {
    let (level, rest) = text.split_once('/')?;
    let level = u8::try_from(number(level)?).ok().filter(|level| *level <= TOP_LEVEL)?;
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, number(width).filter(|width| (1..WIDTH).contains(width))?),
        None => (rest, WIDTH),
    };
    let groups: Vec<&str> = index.split('/').collect();
    let mut value: u64 = 0;
    for (place, group) in groups.iter().enumerate() {
        let digits = if place + 1 == groups.len() { *group } else { group.strip_prefix('x')? };
        let three = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        value = value.checked_mul(1000)?.checked_add(three.then(|| digits.parse::<u64>().ok()).flatten()?)?;
    }
    // `x000/001` would be a second name of `001`.
    (groups.len() == 1 || groups[0] != "x000").then_some(TilePath { level, index: value, width })
}

/// Get a tile of hashes
#[utoipa::path(
    get,
    path = "/v1/log/tile/{*tile}",
    tag = "log",
    params(("tile" = String, Path, description = "As C2SP tlog-tiles writes it: `0/x001/234`, or `0/007.p/12` for a partial one.")),
    responses((status = 200, description = "Up to 256 hashes of 32 bytes", content_type = "application/octet-stream"))
)]
pub async fn tile(State(app): State<App>, _: Caller, Id(path): Id<TilePath>) -> Result<Response, Problem> {
    let hashes = app.service.store.tile(path.level, path.index).await?;
    let width = usize::try_from(path.width).unwrap_or(usize::MAX);
    if hashes.len() < width {
        return Err(Problem::NotFound { detail: format!("this tile has {} of {} hashes so far", hashes.len(), path.width) });
    }
    let bytes = hashes[..width].concat();
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_has_exactly_one_path() {
        let tile = |level, index, width| Some(TilePath { level, index, width });
        assert_eq!(read("0/000"), tile(0, 0, 256));
        assert_eq!(read("0/x001/x234/067"), tile(0, 1_234_067, 256));
        assert_eq!(read("1/007.p/12"), tile(1, 7, 12));
        for bad in [
            "",
            "0",
            "0/0",
            "0/0000",
            "00/000",
            "8/000",
            "0/x000/001",
            "0/001/002",
            "0/x001",
            "0/007.p/0",
            "0/007.p/256",
            "0/007.p/01",
            "0/+01",
            "-1/000",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
