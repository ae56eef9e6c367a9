//! Tickets and what was read out of them as the API shows them: secrets and personal data under stars.
//!
//! Stars are as long as what they hide, so spans into title and body stay right. Who asked stays, and so do a
//! runbook's parameters: a person must see for whom and with what a step would run.

use crate::{
    domain::{
        classification::{Estimate, Field, Span},
        recommendation::Recommendation,
        ticket::Ticket,
        untrusted::Untrusted,
    },
    text::mask,
};

pub(super) fn ticket(mut ticket: Ticket) -> Ticket {
    let report = &mut ticket.report;
    let one = [&mut report.title, &mut report.body];
    let maybe = report.url.iter_mut().chain(&mut report.category_hint);
    for text in one.into_iter().chain(maybe).chain(report.labels.values_mut()).chain(report.attributes.values_mut()) {
        *text = masked(text);
    }
    report.tags = report.tags.iter().map(masked).collect();
    ticket
}

/// What a proposal quotes from its `ticket`, which is given as stored.
pub(super) fn recommendation(mut recommendation: Recommendation, ticket: &Ticket) -> Recommendation {
    let hidden = Hidden::of(&recommendation, ticket);
    let classification = &mut recommendation.classification;
    for entity in &mut classification.entities {
        entity.value = if hidden.touches(std::slice::from_ref(&entity.span)) { stars(&entity.value) } else { masked(&entity.value) };
    }
    let estimates = std::iter::once(&mut classification.category).chain(classification.others.values_mut());
    for contribution in estimates.flat_map(|estimate: &mut Estimate| &mut estimate.because) {
        if hidden.touches(&contribution.spans) {
            contribution.feature = "*".repeat(contribution.feature.len());
        }
    }
    recommendation
}

/// Which bytes of title and body are under stars.
enum Hidden {
    Known {
        title: Vec<bool>,
        body: Vec<bool>,
    },
    /// The sender changed the ticket since: nobody can tell which words were secrets.
    All,
}

impl Hidden {
    fn of(recommendation: &Recommendation, ticket: &Ticket) -> Self {
        if ticket.input_digest().ok() != Some(recommendation.receipt.input) {
            return Self::All;
        }
        let bytes = |text: &Untrusted| {
            let own = text.as_untrusted();
            mask(own).bytes().zip(own.bytes()).map(|(shown, own)| shown != own).collect()
        };
        Self::Known { title: bytes(&ticket.report.title), body: bytes(&ticket.report.body) }
    }

    fn touches(&self, spans: &[Span]) -> bool {
        spans.iter().any(|span| match self {
            Self::All => true,
            Self::Known { title, body } => {
                let bytes = match span.field {
                    Field::Title => title,
                    Field::Body => body,
                };
                // A span that does not lie in the text is of something else, and is hidden.
                bytes.get(span.start..span.end).is_none_or(|bytes| bytes.contains(&true))
            }
        })
    }
}

fn masked(text: &Untrusted) -> Untrusted {
    Untrusted::new(mask(text.as_untrusted()))
}

fn stars(text: &Untrusted) -> Untrusted {
    Untrusted::new("*".repeat(text.as_untrusted().len()))
}
