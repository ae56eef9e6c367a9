//! What a Cedar policy sees of the facts: the record `Situation` of `policies/sluicegate.cedarschema`.
//!
//! Everything is always there (`unknown` where the ticket does not say), so no policy needs `has`, and none
//! fails because something was left out.
// INVARIANT: the record always has the schema's type (`every_situation_has_the_schemas_type`), so requests are
// not validated one by one.

use cedar_policy::{Context, ContextCreationError, RestrictedExpression as Value};

use super::{
    facts::{Facts, Phase, ProposalFacts, WindowKind},
    invariants::Seen,
};
use crate::domain::ticket::TicketKind;

const UNKNOWN: &str = "unknown";

/// The situation of `facts` with the runbook `proposal`.
///
/// # Errors
/// None for these pairs; Cedar's signature has an error for repeated names.
pub(crate) fn situation(facts: &Facts, proposal: &ProposalFacts) -> Result<Context, Box<ContextCreationError>> {
    let (ticket, requester) = (&facts.ticket, facts.requester.as_ref());
    let now = jiff::tz::TimeZone::UTC.to_datetime(facts.now.as_jiff());
    let pre_approved = Seen::new(facts, proposal).pre_approval.is_ok();
    let category = ticket.category.as_ref();
    let pairs = [
        ("tenant", text(facts.tenant.as_str())),
        (
            "phase",
            text(match facts.phase {
                Phase::Proposal => "proposal",
                Phase::Execution => "execution",
            }),
        ),
        ("source", text(ticket.source.as_str())),
        (
            "ticket_kind",
            text(match ticket.kind {
                TicketKind::Incident => "incident",
                TicketKind::ServiceRequest => "service_request",
                TicketKind::Problem => "problem",
                TicketKind::Change => "change",
                TicketKind::Alert => "alert",
            }),
        ),
        ("category", text(category.map_or(UNKNOWN, |category| &category.label))),
        ("category_probability", long(category.map_or(0, |category| category.probability.millionths()))),
        ("priority", long(ticket.priority as u32 + 1)),
        ("risk", text(facts.risk().as_str())),
        ("language", text(&ticket.language)),
        ("flags", set(ticket.flags.iter())),
        ("environment", text(ticket.environment.as_deref().unwrap_or(UNKNOWN))),
        ("service", text(ticket.service.as_deref().unwrap_or(UNKNOWN))),
        ("has_requester", flag(requester.is_some())),
        ("requester_known", flag(requester.is_some_and(|requester| requester.known))),
        ("requester_vip", flag(requester.is_some_and(|requester| requester.vip))),
        ("requester_flagged", flag(requester.is_some_and(|requester| requester.flagged))),
        (
            "requester_entitled",
            text(match requester.and_then(|requester| requester.entitled) {
                Some(true) => "yes",
                Some(false) => "no",
                None => UNKNOWN,
            }),
        ),
        ("requester_groups", set(requester.iter().flat_map(|requester| &requester.groups))),
        ("requester_tickets_hour", long(requester.and_then(|requester| requester.rate).map_or(0, |rate| rate.tickets_hour))),
        ("runbook_reversible", flag(proposal.reversible)),
        ("runbook_idempotent", flag(proposal.idempotent)),
        ("pre_approved", flag(pre_approved)),
        ("fit", long(proposal.fit.millionths())),
        ("mode", text(facts.modes.lowest().as_str())),
        ("windows", set(facts.windows.iter().map(|window| &window.name))),
        ("peak", flag(facts.windows.iter().any(|window| window.kind == WindowKind::Peak))),
        ("similar_tickets", long(facts.storm.size)),
        ("weekday", Value::new_long(i64::from(now.weekday().to_monday_one_offset()))),
        ("hour", Value::new_long(i64::from(now.hour()))),
    ];
    Context::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value))).map_err(Box::new)
}

fn text(value: &str) -> Value {
    Value::new_string(value.to_owned())
}

fn long(value: u32) -> Value {
    Value::new_long(i64::from(value))
}

fn flag(value: bool) -> Value {
    Value::new_bool(value)
}

fn set<'a>(values: impl Iterator<Item = &'a String>) -> Value {
    Value::new_set(values.map(|value| text(value)))
}
