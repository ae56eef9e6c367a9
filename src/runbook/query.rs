//! What this room needs to know of a ticket: cleaned text with a way back to the original, and its structured fields.

use std::{collections::BTreeMap, ops::Range};

use crate::domain::{
    classification::{Field, Span},
    ticket::Requester,
    untrusted::Untrusted,
};

/// A ticket as the matcher sees it.
pub struct Query<'a> {
    /// Cleaned title.
    pub title: &'a str,
    /// Cleaned body.
    pub body: &'a str,
    pub labels: &'a BTreeMap<String, Untrusted>,
    pub attributes: &'a BTreeMap<String, Untrusted>,
    pub requester: Option<&'a Requester>,
    /// What triage said the category is, unless it abstained.
    pub category: Option<&'a str>,
    /// From bytes of a cleaned field to bytes of the original one; `None` when they have no place there.
    pub span_of: &'a dyn Fn(Field, Range<usize>) -> Option<Span>,
}

impl Query<'_> {
    /// The two text fields in reading order.
    pub(crate) fn fields(&self) -> [(Field, &str); 2] {
        [(Field::Title, self.title), (Field::Body, self.body)]
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(Untrusted::as_untrusted)
    }
}

/// The callback for text that was not cleaned: bytes stay where they are.
pub(crate) fn same_span(field: Field, range: Range<usize>) -> Option<Span> {
    Some(Span { field, start: range.start, end: range.end })
}

/// Runs `with` on a query that is only a text, for examples and evaluation.
pub(crate) fn text_query<R>(text: &str, category: Option<&str>, with: impl FnOnce(&Query<'_>) -> R) -> R {
    let empty = BTreeMap::new();
    with(&Query { title: text, body: "", labels: &empty, attributes: &empty, requester: None, category, span_of: &same_span })
}
