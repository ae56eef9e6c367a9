//! Lists in pages: newest first, an opaque cursor, and a `Link` header (RFC 8288).
//!
//! Keyset, so that a page neither repeats nor skips what stood when the first was read, however much arrives.

use std::str::FromStr;

use axum::{
    Json,
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::problem::Problem;
use crate::store::interface;

pub const DEFAULT_LIMIT: usize = 50;
pub const MOST: usize = 200;

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// Give it as `cursor` for the next page; `null` on the last one. Opaque.
    pub next: Option<String>,
}

/// The page asked for. Asks the store for one item more, to know whether a page follows.
pub struct Wanted<C> {
    before: Option<C>,
    limit: usize,
}

impl<C: FromStr + ToString> Wanted<C> {
    /// # Errors
    /// The cursor is none of ours or the limit is out of range.
    pub fn new(cursor: Option<&str>, limit: Option<usize>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MOST).contains(&limit) {
            return Err(Problem::parameter("limit", format!("`{limit}` is not in 1 to {MOST}")));
        }
        let before = cursor
            .map(|cursor| read(cursor).ok_or_else(|| Problem::parameter("cursor", "this is no `next` of an earlier answer")))
            .transpose()?;
        Ok(Self { before, limit })
    }

    pub fn of_store(self) -> (usize, interface::Page<C>) {
        (self.limit, interface::Page { before: self.before, limit: self.limit + 1 })
    }
}

fn read<C: FromStr>(cursor: &str) -> Option<C> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("before:")?.parse().ok()
}

/// The answer for `found`, at most `limit` of it, with the cursor after the last one shown.
pub fn answer<T: Serialize, C: ToString>(uri: &Uri, limit: usize, mut found: Vec<T>, cursor_of: impl Fn(&T) -> C) -> Response {
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(format!("before:{}", cursor_of(last).to_string())));
    let link = next.as_ref().map(|next| format!("<{}>; rel=\"next\"", with_cursor(uri, next)));
    let listing = Json(Listing { items: found, next });
    match link {
        Some(link) => ([(header::LINK, link)], listing).into_response(),
        None => listing.into_response(),
    }
}

/// The same URL with another cursor.
fn with_cursor(uri: &Uri, cursor: &str) -> String {
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query: Vec<&str> = kept.collect();
    let joined = if query.is_empty() { String::new() } else { format!("{}&", query.join("&")) };
    format!("{}?{joined}cursor={cursor}", uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_page_begins_after_the_last_item_and_keeps_the_filters() {
        let uri: Uri = "/v1/x?state=open&cursor=old&limit=2".parse().unwrap();
        let response = answer(&uri, 2, vec![9u64, 8, 7], |n| *n);
        let link = response.headers()[header::LINK].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        let listing: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let next = listing["next"].as_str().unwrap();
        assert_eq!(link, format!("</v1/x?state=open&limit=2&cursor={next}>; rel=\"next\""));
        let (_, page) = Wanted::<u64>::new(Some(next), Some(2)).unwrap().of_store();
        assert_eq!((page.before, page.limit), (Some(8), 3));
    }

    #[test]
    fn the_last_page_has_no_next_and_a_forged_cursor_is_refused() {
        assert!(!answer(&"/v1/x".parse().unwrap(), 2, vec![1u64, 0], |n| *n).headers().contains_key(header::LINK));
        for bad in ["", "zzz", "YmVmb3JlOng", "%"] {
            assert!(Wanted::<u64>::new(Some(bad), None).is_err(), "{bad}");
        }
        assert!(Wanted::<u64>::new(None, Some(0)).is_err() && Wanted::<u64>::new(None, Some(201)).is_err());
    }
}
