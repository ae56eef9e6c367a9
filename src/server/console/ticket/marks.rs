//! A ticket's text with the words that decided marked, as pieces that a template escapes.

use crate::domain::{
    classification::{Field, Span},
    recommendation::{Origin, Recommendation},
    ticket::Ticket,
};

/// Why a stretch of the text is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Moved the classifier.
    Decided,
    /// A named pattern.
    Signal,
    /// Became the value of a parameter.
    Value,
}

impl Why {
    pub const fn class(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Signal => "signal",
            Self::Value => "value",
        }
    }
}

/// A stretch of text, marked or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub why: Option<Why>,
    /// What the mark says of it.
    pub said: String,
}

/// Title and body in pieces.
pub struct Marked {
    pub title: Vec<Piece>,
    pub body: Vec<Piece>,
}

impl Marked {
    /// `shown` is the masked ticket; stars are as long as what they hide, so spans stay right. A proposal for what the
    /// sender said before says nothing of what it says now.
    pub fn of(shown: &Ticket, proposal: Option<&Recommendation>, is_current: bool) -> Self {
        let marks = proposal.filter(|_| is_current).map(marks).unwrap_or_default();
        let field = |field: Field, text: &str| {
            pieces(
                text,
                marks.iter().filter(|(span, ..)| span.field == field).map(|(span, why, said)| (span.start, span.end, *why, said.as_str())),
            )
        };
        Self { title: field(Field::Title, shown.report.title.as_untrusted()), body: field(Field::Body, shown.report.body.as_untrusted()) }
    }
}

fn marks(proposal: &Recommendation) -> Vec<(Span, Why, String)> {
    let mut marks = Vec::new();
    let category = &proposal.classification.category;
    for contribution in category.because.iter().filter(|contribution| contribution.weight > 0.0) {
        let said = format!("spoke for the category, {:+.2}", contribution.weight);
        marks.extend(contribution.spans.iter().map(|span| (span.clone(), Why::Decided, said.clone())));
    }
    for hit in &proposal.classification.signals {
        let said = format!("the signal {}", hit.signal);
        marks.extend(hit.spans.iter().map(|span| (span.clone(), Why::Signal, said.clone())));
    }
    for parameter in &proposal.parameters {
        if let Origin::Text { span } = &parameter.origin {
            marks.push((span.clone(), Why::Value, format!("became {}", parameter.name)));
        }
    }
    marks
}

/// Cuts `text` at the edges of the marks. Where marks lie over each other the strongest reason is shown.
fn pieces<'a>(text: &str, marks: impl Iterator<Item = (usize, usize, Why, &'a str)>) -> Vec<Piece> {
    let fits = |start: usize, end: usize| start < end && text.is_char_boundary(start) && text.is_char_boundary(end) && end <= text.len();
    let marks: Vec<_> = marks.filter(|(start, end, ..)| *end <= text.len() && fits(*start, *end)).collect();
    let mut edges: Vec<usize> = marks.iter().flat_map(|(start, end, ..)| [*start, *end]).chain([0, text.len()]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut pieces: Vec<Piece> = Vec::new();
    for edge in edges.windows(2) {
        let (start, end) = (edge[0], edge[1]);
        let over = marks.iter().filter(|(from, to, ..)| *from <= start && end <= *to).max_by_key(|(.., why, _)| *why);
        let (why, said) = over.map_or((None, ""), |(.., why, said)| (Some(*why), *said));
        match pieces.last_mut() {
            Some(last) if last.why == why && last.said == said => last.text.push_str(&text[start..end]),
            _ => pieces.push(Piece { text: text[start..end].to_owned(), why, said: said.to_owned() }),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_marked_where_they_stand_and_the_rest_is_as_it_was() {
        let cut = pieces("printer prn-1 is dead", [(8, 13, Why::Value, "became printer"), (0, 7, Why::Decided, "d")].into_iter());
        let shown: Vec<(&str, Option<Why>)> = cut.iter().map(|piece| (piece.text.as_str(), piece.why)).collect();
        assert_eq!(shown, [("printer", Some(Why::Decided)), (" ", None), ("prn-1", Some(Why::Value)), (" is dead", None)]);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_doubled_whatever_the_spans_say(text in "\\PC{0,40}", spans in prop::collection::vec((0usize..60, 0usize..60), 0..8)) {
            let marks = spans.iter().map(|(start, end)| (*start, *end, Why::Decided, "x"));
            let joined: String = pieces(&text, marks).iter().map(|piece| piece.text.as_str()).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
