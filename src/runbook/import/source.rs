//! A source document as a tree whose every value knows its place and whether it was read.
//!
//! INVARIANT: size, depth, nodes and aliases are bounded, and a key written twice is refused, not dropped.

use std::{cell::Cell, fmt, marker::PhantomData, ops::Range};

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

use super::convert::{Note, Refusal};

const LARGEST_SOURCE: usize = 2 * 1024 * 1024;
const DEEPEST: usize = 32;

#[derive(Debug)]
pub(super) struct Node {
    pub pointer: String,
    pub line: Option<u64>,
    value: Value,
    /// What YAML makes of an unquoted number that is written otherwise, like `1.1` of `1.10`.
    respelt: Option<String>,
    read: Cell<bool>,
    left: Cell<bool>,
}

#[derive(Debug)]
enum Value {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

enum Raw<T> {
    Scalar(String),
    /// As its type prints it; the spelling is in the source.
    Number(String),
    List(Vec<T>),
    Map(Vec<(String, T)>),
}

struct Yaml(Spanned<Raw<Yaml>>);
struct Json(Raw<Json>);

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Spanned::deserialize(from).map(Self)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Raw::deserialize(from).map(Self)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Raw<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Any<T> {
            type Value = Raw<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Raw<T>, E> {
                Ok(Raw::Scalar(String::new()))
            }
            fn visit_bool<E>(self, v: bool) -> Result<Raw<T>, E> {
                Ok(Raw::Scalar(v.to_string()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Raw<T>, E> {
                Ok(Raw::Number(v.to_string()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Raw<T>, E> {
                Ok(Raw::Number(v.to_string()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Raw<T>, E> {
                Ok(Raw::Number(v.to_string()))
            }
            fn visit_str<E>(self, v: &str) -> Result<Raw<T>, E> {
                Ok(Raw::Scalar(v.to_owned()))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Raw<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Raw<T>, A::Error> {
                let mut fields: Vec<(String, T)> = Vec::new();
                let mut seen = std::collections::BTreeSet::new();
                while let Some((key, value)) = map.next_entry::<String, T>()? {
                    if !seen.insert(key.clone()) {
                        return Err(de::Error::custom(format!("`{key}` is written twice")));
                    }
                    fields.push((key, value));
                }
                Ok(Raw::Map(fields))
            }
        }
        from.deserialize_any(Any(PhantomData))
    }
}

trait Located: Sized {
    /// The value, its line, and the bytes of the source that it stands in.
    fn open(self) -> (Raw<Self>, Option<u64>, Option<Range<usize>>);
}

impl Located for Yaml {
    fn open(self) -> (Raw<Self>, Option<u64>, Option<Range<usize>>) {
        let line = self.0.referenced.line();
        // Where it is defined: an alias stands elsewhere.
        let span = self.0.defined.span();
        let bytes = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
            let start = usize::try_from(start).ok()?;
            Some(start..start.checked_add(usize::try_from(length).ok()?)?)
        });
        (self.0.value, (line > 0).then_some(line), bytes)
    }
}

impl Located for Json {
    fn open(self) -> (Raw<Self>, Option<u64>, Option<Range<usize>>) {
        (self.0, None, None)
    }
}

fn tree<T: Located>(from: T, source: &str, pointer: String, depth: usize) -> Result<Node, Refusal> {
    let (raw, line, bytes) = from.open();
    if depth > DEEPEST {
        return Err(Refusal { pointer, line, why: format!("it is nested deeper than {DEEPEST} levels") });
    }
    let mut respelt = None;
    let value = match raw {
        Raw::Scalar(text) => Value::Scalar(text),
        // What a person wrote is what counts: an option `1.10` is a version and no fraction.
        Raw::Number(number) => match bytes.and_then(|bytes| source.get(bytes)).map(str::trim).filter(|text| is_plain_number(text)) {
            Some(written) if written != number => {
                respelt = Some(number);
                Value::Scalar(written.to_owned())
            }
            _ => Value::Scalar(number),
        },
        Raw::List(items) => Value::List(
            items
                .into_iter()
                .enumerate()
                .map(|(at, item)| tree(item, source, format!("{pointer}/{at}"), depth + 1))
                .collect::<Result<_, _>>()?,
        ),
        Raw::Map(fields) => Value::Map(
            fields
                .into_iter()
                .map(|(key, value)| {
                    // RFC 6901.
                    let below = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                    Ok((key, tree(value, source, below, depth + 1)?))
                })
                .collect::<Result<_, Refusal>>()?,
        ),
    };
    Ok(Node { pointer, line, value, respelt, read: Cell::new(false), left: Cell::new(false) })
}

fn is_plain_number(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-._:".contains(c))
}

/// # Errors
/// The bytes are too large, no text, or not sound YAML or JSON.
pub(super) fn read(bytes: &[u8]) -> Result<Node, Refusal> {
    let refuse = |line, why| Refusal { pointer: String::new(), line, why };
    if bytes.len() > LARGEST_SOURCE {
        return Err(refuse(None, format!("the file has {} bytes, more than the {LARGEST_SOURCE} that are read", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|why| refuse(None, format!("byte {} is not UTF-8", why.valid_up_to())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with(['{', '[']) {
        let json: Json = serde_json::from_str(text).map_err(|why| refuse(u64::try_from(why.line()).ok(), why.to_string()))?;
        return tree(json, text, String::new(), 0);
    }
    if text.trim_start().starts_with('<') {
        return Err(refuse(None, "XML is not read: export the jobs as YAML".to_owned()));
    }
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        budget: serde_saphyr::budget! { max_anchors: 64, max_aliases: 256, max_depth: 32, max_nodes: 50_000 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 20_000, max_replay_stack_depth: 16 },
    };
    let yaml: Yaml = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let why = error.render();
        refuse(error.location().map(|at| at.line()), why.lines().find(|line| !line.trim().is_empty()).unwrap_or("no YAML").to_owned())
    })?;
    tree(yaml, text, String::new(), 0)
}

impl Node {
    /// The value of `key`; not yet counted as read.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.fields().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    pub(super) fn fields(&self) -> &[(String, Self)] {
        if let Value::Map(fields) = &self.value { fields } else { &[] }
    }

    pub(super) fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// The text of a scalar, counted as read.
    pub(super) fn text(&self) -> Option<&str> {
        let Value::Scalar(text) = &self.value else { return None };
        self.read.set(true);
        Some(text)
    }

    /// The text of the scalar under `key`, when it is there and not empty.
    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::text).filter(|text| !text.is_empty())
    }

    pub(super) fn is_true(&self, key: &str) -> bool {
        self.text_of(key) == Some("true")
    }

    /// Left out on purpose, with the reason.
    pub(super) fn leave(&self, why: &str, notes: &mut Vec<Note>) {
        self.settle();
        self.left.set(true);
        notes.push(Note { pointer: self.pointer.clone(), line: self.line, why: why.to_owned() });
    }

    fn settle(&self) {
        self.read.set(true);
        self.fields().iter().map(|(_, node)| node).chain(self.items()).for_each(Self::settle);
    }

    fn touched(&self) -> bool {
        self.read.get() || self.fields().iter().map(|(_, node)| node).chain(self.items()).any(Self::touched)
    }

    /// A note for every part that nothing read, and every number that YAML reads otherwise: nothing is changed silently.
    pub(super) fn leave_the_rest(&self, notes: &mut Vec<Note>) {
        if !self.touched() {
            self.leave("the runbook format has no place for it", notes);
        } else if !self.left.get() {
            if let (Value::Scalar(written), Some(number)) = (&self.value, &self.respelt) {
                let why = format!("`{written}` is an unquoted number, which YAML reads as `{number}`: taken as written; put it in quotes");
                notes.push(Note { pointer: self.pointer.clone(), line: self.line, why });
            }
            self.fields().iter().map(|(_, node)| node).chain(self.items()).for_each(|node| node.leave_the_rest(notes));
        }
    }
}
