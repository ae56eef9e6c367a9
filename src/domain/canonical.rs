//! Canonical JSON (RFC 8785): the one byte form of a value that digests and log leaves are taken over.

use serde::Serialize;

use super::digest::Digest;

/// The RFC 8785 bytes of `value`.
///
/// # Errors
/// A map key that is not a string, or a number that JSON cannot hold (NaN, infinity).
pub fn bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(value)
}

/// The digest of the canonical bytes of `value`.
///
/// # Errors
/// As [`bytes`].
pub fn digest<T: Serialize>(value: &T) -> Result<Digest, serde_json::Error> {
    Ok(Digest::of(&bytes(value)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn key_order_and_spacing_do_not_change_the_bytes() {
        let a: serde_json::Value = serde_json::from_str(r#"{"b": 1.0, "a": [ "é", 2 ]}"#).unwrap();
        assert_eq!(super::bytes(&a).unwrap(), "{\"a\":[\"é\",2],\"b\":1}".as_bytes());
    }
}
