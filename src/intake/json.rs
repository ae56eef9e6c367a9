//! Strict reading of JSON from outside: UTF-8 only, no key twice, bounded depth, an error that says where.
//!
//! A key given twice is refused because two readers may take different ones (RFC 8259, section 4): what was
//! triaged must be what every other reader of the same bytes sees.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deepest nesting of arrays and objects. Real tickets stay under ten.
pub const DEEPEST: usize = 64;

/// What is wrong with a body, and where. Lines and columns count from 1, columns in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("the body is empty: expected a JSON object")]
    Empty,
    #[error("the body ({size} bytes) is not UTF-8 at line {line}, column {column}")]
    NotUtf8 { size: usize, line: usize, column: usize },
    #[error("the body ({size} bytes) nests deeper than {DEEPEST} levels at line {line}, column {column}")]
    TooDeep { size: usize, line: usize, column: usize },
    #[error("key `{pointer}` is given twice, the second time at line {line}, column {column}")]
    DuplicateKey { pointer: String, line: usize, column: usize },
    #[error("the body ({size} bytes) is not JSON at line {line}, column {column}, in `{pointer}`: {problem}")]
    Syntax { size: usize, pointer: String, problem: String, line: usize, column: usize },
}

impl JsonError {
    /// The JSON pointer of what was wrong; empty for the whole body.
    pub fn pointer(&self) -> &str {
        match self {
            Self::DuplicateKey { pointer, .. } | Self::Syntax { pointer, .. } => pointer,
            Self::Empty | Self::NotUtf8 { .. } | Self::TooDeep { .. } => "",
        }
    }
}

/// Reads one JSON value.
///
/// # Errors
/// [`JsonError`], the first problem of the body.
pub fn parse(body: &[u8]) -> Result<Value, JsonError> {
    let size = body.len();
    let text = std::str::from_utf8(body).map_err(|error| {
        let (line, column) = position(body, error.valid_up_to());
        JsonError::NotUtf8 { size, line, column }
    })?;
    if text.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
        return Err(JsonError::Empty);
    }
    // Before any recursion, so that no nesting can reach the stack's end.
    if let Some(at) = first_too_deep(body) {
        let (line, column) = position(body, at);
        return Err(JsonError::TooDeep { size, line, column });
    }
    let place = Place::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let result = Strict { place: &place }.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    result.map_err(|error| {
        let (line, column, pointer) = (error.line(), error.column(), place.pointer());
        if place.duplicate.get() {
            return JsonError::DuplicateKey { pointer, line, column };
        }
        let text = error.to_string();
        let problem = text.split(" at line ").next().unwrap_or_default().to_owned();
        JsonError::Syntax { size, pointer, problem, line, column }
    })
}

/// One segment of a JSON pointer, escaped (RFC 6901, section 3).
pub(super) fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

fn position(body: &[u8], offset: usize) -> (usize, usize) {
    let before = &body[..offset];
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    (before.iter().filter(|&&byte| byte == b'\n').count() + 1, offset - line_start + 1)
}

/// Where nesting first passes [`DEEPEST`]; brackets inside strings do not count.
fn first_too_deep(body: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, &byte) in body.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > DEEPEST {
                    return Some(at);
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The way from the root to what is being read; left standing when an error stops the reading.
#[derive(Default)]
struct Place {
    segments: RefCell<Vec<String>>,
    duplicate: std::cell::Cell<bool>,
}

impl Place {
    fn enter(&self, segment: String) {
        self.segments.borrow_mut().push(segment);
    }

    fn leave(&self) {
        self.segments.borrow_mut().pop();
    }

    fn pointer(&self) -> String {
        self.segments.borrow().iter().fold(String::new(), |pointer, segment| {
            let short: String = segment.chars().take(64).collect();
            pointer + "/" + &escape(&short)
        })
    }
}

struct Strict<'a> {
    place: &'a Place,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            self.place.enter(values.len().to_string());
            let Some(value) = access.next_element_seed(Strict { place: self.place })? else {
                self.place.leave();
                return Ok(Value::Array(values));
            };
            self.place.leave();
            values.push(value);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            self.place.enter(key.clone());
            if values.contains_key(&key) {
                self.place.duplicate.set(true);
                return Err(A::Error::custom("a key is given twice"));
            }
            let value = access.next_value_seed(Strict { place: self.place })?;
            self.place.leave();
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_given_twice_is_refused_with_its_pointer_and_place() {
        let error = parse(b"{\"a\": [{\"x/y\": 1,\n \"x/y\": 1}]}").unwrap_err();
        assert_eq!(error, JsonError::DuplicateKey { pointer: "/a/0/x~1y".to_owned(), line: 2, column: 6 });
        assert!(parse(br#"{"a": 1, "\u0061": 2}"#).is_err(), "the same key, escaped");
        assert!(parse(br#"{"a": {"a": 1}, "b": {"a": 1}}"#).is_ok());
    }

    #[test]
    fn depth_ten_thousand_is_refused_and_depth_sixty_four_is_not() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nested(DEEPEST).as_bytes()).is_ok());
        for depth in [DEEPEST + 1, 10_000, 1_000_000] {
            assert!(matches!(parse(nested(depth).as_bytes()), Err(JsonError::TooDeep { line: 1, column: 65, .. })), "{depth}");
        }
        assert!(parse(format!("[\"{}\"]", "[{\\\"".repeat(1000)).as_bytes()).is_ok(), "brackets in a string nest nothing");
    }

    #[test]
    fn what_is_not_utf8_is_refused_with_its_place() {
        let error = parse(b"{\n\"a\": \"\xff\"}").unwrap_err();
        assert_eq!(error, JsonError::NotUtf8 { size: 11, line: 2, column: 7 });
        assert!(matches!(parse(&[0xff, 0xfe, b'{', 0, b'}', 0]), Err(JsonError::NotUtf8 { .. })), "UTF-16");
    }

    #[test]
    fn broken_json_says_where_and_in_what() {
        let error = parse(b"{\"ticket\": {\"id\": 1, \"title\": nul}}").unwrap_err().to_string();
        assert!(error.contains("line 1, column") && error.contains("`/ticket/title`"), "{error}");
        assert_eq!(parse(b" \n"), Err(JsonError::Empty));
        assert!(parse(b"{} {}").is_err(), "two values");
        assert!(parse(b"[1e999]").is_err(), "a number that is no number");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_and_what_is_read_is_what_serde_reads(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = parse(&bytes) {
                prop_assert_eq!(value, serde_json::from_slice::<Value>(&bytes).unwrap());
            }
        }

        #[test]
        fn any_text_of_json_signs_is_read_or_refused(text in "[\\[\\]{}\",:0-9a-c\\\\ \n]{0,120}") {
            if let Ok(value) = parse(text.as_bytes()) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
