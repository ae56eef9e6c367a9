//! The signature over a request: HMAC-SHA256 of method, path with query, time and the digest of the body.
//!
//! The signed text is five lines joined by `\n`, without one at the end:
//!
//! ```text
//! v1
//! POST
//! /api/printers/prn-07/restart?force=true
//! 1764043200
//! e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
//! ```
//!
//! method in capitals; path and query as they stand in the request line; seconds since 1970; SHA-256 of the body in
//! hex, of no bytes when there is none. The value is `v1=` and the HMAC in hex. docs/outbound.md shows how to check it.
// INVARIANT: none of the five lines can hold a line break, so no two requests have the same text.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The value of the signature's header. `target` is path and query.
pub fn sign(secret: &[u8], method: &str, target: &str, timestamp: i64, body: &[u8]) -> String {
    let text = format!("v1\n{method}\n{target}\n{timestamp}\n{}", hex::encode(Sha256::digest(body)));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    format!("v1={}", hex::encode(mac.finalize().into_bytes()))
}
