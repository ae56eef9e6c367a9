//! A path below a base URL that can only go down.
//!
//! Templates are the author's and may hold `%2F`; values come from tickets and may not hold anything that any
//! server, decoding once or several times, could read as a separator, a dot segment or a control character.
// INVARIANT: joining a `Path` to a base URL changes nothing of the URL but its path, and the result starts
// with the base's path.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::error::Refusal;

/// RFC 3986 `unreserved`; everything else in a value is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const LONGEST: usize = 2048;

/// An absolute, normalised, percent-encoded path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// # Errors
    /// The text is not absolute, is too long, has an empty or dot segment, a backslash, a query, a fragment,
    /// or a character that must be percent-encoded and is not.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |why| Refusal::Path { path: text.chars().take(200).collect(), why };
        if text.len() > LONGEST {
            return Err(refuse("is longer than 2048 bytes"));
        }
        let inner = text.strip_prefix('/').ok_or_else(|| refuse("must start with `/`"))?;
        let segments: Vec<&str> = inner.split('/').collect();
        for (place, segment) in segments.iter().enumerate() {
            if segment.is_empty() && place + 1 < segments.len() {
                return Err(refuse("has an empty segment"));
            }
            if !segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte)) {
                return Err(refuse("has a character that must be percent-encoded"));
            }
            if !escapes_are_whole(segment) {
                return Err(refuse("has a `%` that two hex digits do not follow"));
            }
            let decoded = decode_fully(segment).ok_or_else(|| refuse("is percent-encoded too many times or not UTF-8"))?;
            if decoded == "." || decoded == ".." {
                return Err(refuse("has a dot segment"));
            }
            if decoded.split(['/', '\\']).any(|part| part == "..") || decoded.chars().any(char::is_control) {
                return Err(refuse("hides a dot segment or a control character"));
            }
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments as sent, encoded.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0[1..].split('/')
    }

    /// `value` for use inside one segment.
    ///
    /// # Errors
    /// The value is empty, or could be read as a separator, a dot segment or a control character.
    pub fn encode(value: &str) -> Result<String, Refusal> {
        let refuse = |why| Refusal::Path { path: value.chars().take(200).collect(), why };
        if value.is_empty() {
            return Err(refuse("is a value that would leave an empty segment"));
        }
        let decoded = decode_fully(value).ok_or_else(|| refuse("is a value that is percent-encoded too many times or not UTF-8"))?;
        for form in [value, &decoded] {
            if form.contains(['/', '\\']) || form.chars().any(char::is_control) || form == "." || form == ".." {
                return Err(refuse("is a value that could change the path"));
            }
        }
        Ok(utf8_percent_encode(value, ENCODED).to_string())
    }
}

/// `text` for use as a query name or value.
pub fn encode_query(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn escapes_are_whole(segment: &str) -> bool {
    segment.split('%').skip(1).all(|rest| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit))
}

/// Decoded until nothing changes: some servers and proxies decode twice.
fn decode_fully(text: &str) -> Option<String> {
    let mut current = text.to_owned();
    for _ in 0..8 {
        let next = percent_decode_str(&current).decode_utf8().ok()?.into_owned();
        if next == current {
            return Some(current);
        }
        current = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_paths_are_refused() {
        for bad in [
            "",
            "x",
            "//",
            "//evil.example",
            "//evil.example/x",
            "/a//b",
            "/.",
            "/..",
            "/../",
            "/a/..",
            "/a/../b",
            "/a/./b",
            "/%2e",
            "/%2e%2e",
            "/.%2e",
            "/%2E./x",
            "/%252e%252e",
            "/%25252e%25252e/x",
            "/..%2f",
            "/..%5c..",
            "/a%2f..%2fb",
            "/a\\..\\b",
            "\\\\evil",
            "/\\evil",
            "/a?b",
            "/a#b",
            "/a b",
            "/a\tb",
            "/a\nb",
            "/a\rb",
            "/a\0b",
            "/%00",
            "/%0d%0aX-Evil:1",
            "/a%",
            "/a%2",
            "/a%zz",
            "/é",
            "/\u{202e}x",
            "/a%ff",
            "http://evil.example/",
            "https:/evil",
            "javascript:1",
            "@evil.example",
            ":80/x",
            "/a/%2e%2e/%2e%2e/etc",
            "/[::1]",
            "/a|b",
            "/a\"b",
            "/a<b>",
            "/{x}",
            "/a^b",
            "/a`b",
            "/．．/x",
            "/a/\u{2025}",
            "/..;/..%00",
        ] {
            assert!(Path::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["/", "/printers/prn-07", "/printers/prn-07/restart", "/a/b/", "/projects/group%2Fname/x", "/v1/x:run", "/a.b/..c"] {
            assert_eq!(Path::parse(good).unwrap().as_str(), good);
        }
        assert!(Path::parse(&format!("/{}", "a".repeat(2048))).is_err());
    }

    #[test]
    fn hostile_values_are_refused_or_stay_one_segment() {
        for bad in [
            "", ".", "..", "a/b", "/", "\\", "a\\b", "%2e", "%2e%2e", "%2f", "%5c", "%252f", "%25252e", "a\nb", "\0", "%00", "%0a",
            "\u{85}", "..%2f..", "%ff",
        ] {
            assert!(Path::encode(bad).is_err(), "{bad:?}");
        }
        for (value, encoded) in [
            ("prn-07", "prn-07"),
            ("a b", "a%20b"),
            ("a?b#c", "a%3Fb%23c"),
            ("a;b@c:d", "a%3Bb%40c%3Ad"),
            ("é", "%C3%A9"),
            ("...", "..."),
            ("http:", "http%3A"),
        ] {
            assert_eq!(Path::encode(value).unwrap(), encoded);
        }
    }

    proptest! {
        #[test]
        fn a_value_never_adds_a_segment_or_leaves_the_base(value in any::<String>()) {
            if let Ok(encoded) = Path::encode(&value)
                && let Ok(path) = Path::parse(&format!("/a/x{encoded}/b")) {
                prop_assert_eq!(path.segments().count(), 3);
                let mut url = url::Url::parse("https://host.example/base").unwrap();
                url.set_path(&format!("/base{}", path.as_str()));
                prop_assert_eq!(url.host_str(), Some("host.example"));
                prop_assert_eq!(url.path(), format!("/base{}", path.as_str()));
                prop_assert_eq!(url.query(), None);
            }
        }
    }
}
