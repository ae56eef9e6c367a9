//! Checks of how much and how wrong: caps, the error bound, storms, freeze windows.

use super::{Outcome, Seen, Values, holds, refuses, values};
use crate::{
    domain::{
        approval::Caps,
        verdict::Decision::{Escalate, NeedsApproval, RecommendOnly},
    },
    gate::{
        approval::{may_be, too_close},
        error_bound,
        facts::{Facts, FreezeOverride, PerMillion, Usage, WindowKind},
    },
};

/// True when one more run stays within every cap.
pub(super) fn caps_left(caps: &Caps, usage: &Usage) -> bool {
    usage.runbook_hour < caps.per_hour
        && usage.target_hour < caps.per_target_hour
        && usage.requester_hour < caps.per_requester_hour
        && usage.running < caps.concurrent
}

/// Without a pre-approval nothing states a cap, so nothing is left of it.
fn cap(seen: &Seen<'_>, what: &str, used: u32, of: fn(&Caps) -> u32) -> (Outcome, Values) {
    let Ok(record) = &seen.pre_approval else {
        return (refuses(NeedsApproval, format!("no pre-approval in force states a cap for {what}")), values! {"used" => used});
    };
    let cap = of(&record.caps);
    let outcome = if used < cap {
        holds(format!("{used} of {cap} {what}"))
    } else {
        refuses(NeedsApproval, format!("{used} of {cap} {what}: the cap is reached"))
    };
    (outcome, values! {"used" => used, "cap" => cap})
}

pub(super) fn cap_runbook_hour(seen: &Seen<'_>) -> (Outcome, Values) {
    cap(seen, "runs of this runbook in the last hour", seen.facts.usage.runbook_hour, |caps| caps.per_hour)
}

pub(super) fn cap_target_hour(seen: &Seen<'_>) -> (Outcome, Values) {
    cap(seen, "runs against this target in the last hour", seen.facts.usage.target_hour, |caps| caps.per_target_hour)
}

pub(super) fn cap_requester_hour(seen: &Seen<'_>) -> (Outcome, Values) {
    cap(seen, "runs for this requester in the last hour", seen.facts.usage.requester_hour, |caps| caps.per_requester_hour)
}

pub(super) fn cap_concurrent(seen: &Seen<'_>) -> (Outcome, Values) {
    cap(seen, "runs of this runbook at the same time", seen.facts.usage.running, |caps| caps.concurrent)
}

pub(super) fn error_bound(seen: &Seen<'_>) -> (Outcome, Values) {
    let record = &seen.facts.record;
    let (n, k, limit) = (record.decisions, record.wrong, record.limit);
    let upper = error_bound::upper(n, k, record.confidence);
    let said = format!("{k} wrong of {n} judged decisions: error rate at most {upper} with {} confidence", record.confidence);
    let outcome = match (error_bound::within_limit(record), limit) {
        (true, PerMillion::ONE) => holds(format!("{said}; the operator set no limit")),
        (true, _) => holds(format!("{said}; the limit is {limit}")),
        (false, _) => refuses(NeedsApproval, format!("{said}; the limit is {limit}")),
    };
    (outcome, values! {"decisions" => n, "wrong" => k, "upper" => upper.as_f64(), "limit" => limit.as_f64()})
}

pub(super) fn not_demoted(seen: &Seen<'_>) -> (Outcome, Values) {
    let outcome = if seen.facts.record.demoted {
        refuses(NeedsApproval, "outcomes since automation was switched on show more errors than the limit allows: demoted")
    } else {
        holds("outcomes since automation was switched on are in line with the limit")
    };
    (outcome, Values::new())
}

/// A growing cluster of equal tickets is one incident; running the same fix for each member would hide it.
pub(super) fn no_storm(facts: &Facts) -> (Outcome, Values) {
    let (size, limit) = (facts.storm.size, facts.storm.limit);
    let outcome = if size <= limit {
        holds(format!("{size} tickets like this one in the storm window; the limit is {limit}"))
    } else {
        refuses(Escalate, format!("{size} tickets like this one in the storm window, more than {limit}: treat it as a major incident"))
    };
    (outcome, values! {"size" => size, "limit" => limit})
}

/// The two persons' word that lifts a freeze for exactly this proposal, while it holds.
// INVARIANT: it counts for the binding and the freezes that both persons saw, and neither of them is close to the proposal.
fn lifted(facts: &Facts) -> Option<&FreezeOverride> {
    let proposal = facts.proposal.as_ref()?;
    let given = proposal.freeze_override.as_ref()?;
    let as_seen = given.binding == proposal.binding && given.binding == proposal.binding_now;
    let all_known = facts.windows.iter().all(|window| window.kind != WindowKind::Freeze || given.windows.contains(&window.name));
    let apart = [&given.requested_by, &given.confirmed_by].iter().all(|person| too_close(facts, person).is_empty());
    (as_seen && all_known && apart && facts.now < given.expires_at && !may_be(&given.requested_by, &given.confirmed_by)).then_some(given)
}

/// A freeze stops approved runs too: the approver may not know the calendar. Two persons who do can leave it to approval.
pub(super) fn no_freeze(facts: &Facts) -> (Outcome, Values) {
    let frozen: Vec<_> = facts.windows.iter().filter(|window| window.kind == WindowKind::Freeze).collect();
    let outcome = if frozen.is_empty() {
        holds("no freeze window is in force")
    } else {
        let named: Vec<String> = frozen.iter().map(|window| format!("`{}` until {}", window.name, window.until)).collect();
        let frozen_by = format!("frozen by {}", named.join(", "));
        match lifted(facts) {
            None => refuses(RecommendOnly, frozen_by),
            Some(given) => refuses(
                NeedsApproval,
                format!(
                    "{frozen_by}; `{}` asked and `{}` confirmed that people may approve it until {}: {}",
                    given.requested_by, given.confirmed_by, given.expires_at, given.reason
                ),
            ),
        }
    };
    let names: Vec<&str> = frozen.iter().map(|window| window.name.as_str()).collect();
    (outcome, values! {"windows" => names})
}
