//! A second evaluator of the invariants, written apart from the first: one table of who stops what, straight
//! from the design, with the error bound as a table of the pairs that occur.
//!
//! It shares no code with the room but the types. `SLUICEGATE_GATE_FACTS` sets how many random facts are compared.

use super::specimen::{self, Dice};
use crate::{
    domain::{
        approval::Mode,
        priority::Risk,
        verdict::Decision::{self, AutoExecute, Escalate, NeedsApproval, RecommendOnly},
    },
    gate::{Basis, evaluate, facts::*, invariants, may_execute},
};

const FACTS: usize = 1_000_000;

/// One in so many goes through Cedar too, which takes much longer than the checks in Rust and is compared with
/// nothing but one line of this file.
const WHOLE: usize = 25;

/// Wilks' table at 95 % confidence and 5 %: fewest decisions for 0, 1, 2, … wrong ones.
const WILKS: [u64; 5] = [59, 93, 124, 153, 181];

fn bound_is_kept(record: &ErrorRecord) -> bool {
    match record.limit.millionths() {
        1_000_000 => true,
        // 30 of 1,000 is 3 %, with an upper bound of 4.1 %.
        50_000 => {
            (record.decisions, record.wrong) == (1_000, 30) || WILKS.get(record.wrong as usize).is_some_and(|n| record.decisions >= *n)
        }
        other => panic!("no table for a limit of {other}"),
    }
}

fn has_room(facts: &Facts, proposal: &ProposalFacts) -> bool {
    let used = facts.usage;
    proposal.pre_approvals.iter().any(|p| {
        let lower = |name: &str| name.to_lowercase();
        let written_by_approver = proposal.authors.iter().any(|author| lower(author.as_str()) == lower(p.approver.as_str()));
        (p.form == 1 || p.form == 2)
            && p.voided.is_none()
            && (p.categories.is_empty() || facts.ticket.category.as_ref().is_some_and(|c| p.categories.contains(&c.label)))
            && p.during
                .as_ref()
                .is_none_or(|hours| facts.windows.iter().any(|window| window.kind == WindowKind::Hours && window.name == *hours))
            && p.tenant == facts.tenant
            && p.runbook == proposal.runbook
            && p.digest == proposal.digest
            && p.created_at <= facts.now
            && facts.now < p.expires_at
            && p.revoked.is_none()
            && !written_by_approver
            && (p.sources.is_empty() || p.sources.contains(&facts.ticket.source))
            && p.mode == Mode::Auto
            && used.runbook_hour < p.caps.per_hour
            && used.target_hour < p.caps.per_target_hour
            && used.requester_hour < p.caps.per_requester_hour
            && used.running < p.caps.concurrent
    })
}

/// Two persons who neither asked nor wrote, and who saw what is there now, said that people may approve it.
fn thaws(facts: &Facts, proposal: &ProposalFacts) -> bool {
    proposal.freeze_override.as_ref().is_some_and(|o| {
        let [asked, confirmed] = [&o.requested_by, &o.confirmed_by].map(|person| person.as_str().to_lowercase());
        // Of the specimen's persons, Wren wrote the runbook, and Ana asked where anybody did.
        let close = |person: &str| {
            let account = |name: &str| name.split('@').next().map(str::to_lowercase);
            person == "wren@example.com"
                || (person == "ana@example.com" && ana_asked(facts))
                || proposal.beneficiaries.iter().any(|named| account(named.as_str()) == account(person))
        };
        let all_seen = facts.windows.iter().all(|w| w.kind != WindowKind::Freeze || o.windows.iter().any(|name| *name == w.name));
        all_seen && asked != confirmed && !close(&asked) && !close(&confirmed) && o.binding == proposal.binding && facts.now < o.expires_at
    })
}

/// The most that the invariants allow.
fn invariants_allow(facts: &Facts) -> Decision {
    let Some(proposal) = &facts.proposal else { return Escalate };
    if facts.storm.size > facts.storm.limit {
        return Escalate;
    }
    let modes = [facts.modes.global, facts.modes.source, facts.modes.runbook];
    let down =
        facts.connectors.values().any(|health| *health != ConnectorHealth::Healthy) || (facts.connectors.is_empty() && proposal.executable);
    let frozen = facts.windows.iter().any(|window| window.kind == WindowKind::Freeze);
    let nothing_runs = facts.kill_switch != KillSwitch::Off
        || (frozen && !thaws(facts, proposal))
        || modes.contains(&Mode::Shadow)
        || !proposal.executable
        || proposal.in_force != Some(proposal.digest)
        || proposal.binding != proposal.binding_now
        || facts.now >= proposal.expires_at
        || !proposal.missing.is_empty()
        || (down && facts.phase == Phase::Execution);
    if nothing_runs {
        return RecommendOnly;
    }
    let alone = !frozen
        && !modes.contains(&Mode::Suggest)
        && (facts.ticket.risk, proposal.risk) == (Risk::Low, Risk::Low)
        && (proposal.reversible || proposal.idempotent)
        && !proposal.stale
        && proposal.fit >= proposal.fit_limit
        && facts.ticket.category.is_some()
        && !facts.requester.as_ref().is_some_and(|requester| {
            requester.flagged
                || matches!(requester.standing, Some(StandingFacts::Unknown { .. }))
                || requester.rate.is_some_and(|rate| rate.limit < rate.tickets_hour)
        })
        && bound_is_kept(&facts.record)
        && !facts.record.demoted
        && !down
        && has_room(facts, proposal);
    if alone { AutoExecute } else { NeedsApproval }
}

/// The most that the shipped policies allow, written in Rust.
fn policies_allow(facts: &Facts) -> Decision {
    let Some(proposal) = &facts.proposal else { return AutoExecute };
    let requester = facts.requester.as_ref();
    let calm = !facts.windows.iter().any(|window| window.kind == WindowKind::Peak)
        || matches!(facts.ticket.environment.as_deref(), Some("test" | "staging" | "development"));
    let permitted = facts.ticket.risk.max(proposal.risk) == Risk::Low
        && !requester.is_some_and(|requester| requester.vip || requester.entitled == Some(false))
        && calm
        && facts.ticket.priority != crate::domain::priority::Priority::P1;
    if permitted { AutoExecute } else { NeedsApproval }
}

fn ana_asked(facts: &Facts) -> bool {
    facts.requester.iter().flat_map(|requester| &requester.identities).any(|identity| identity.as_str() == "ana@example.com")
}

fn valid_approvals(facts: &Facts) -> usize {
    let Some(proposal) = &facts.proposal else { return 0 };
    let counts = |yes: &&ApprovalFacts| {
        // Of the specimen's persons, Wren wrote the runbook, and Ana asked where anybody did.
        let by = yes.by.as_str().to_lowercase();
        by != "wren@example.com"
            && (by != "ana@example.com" || !ana_asked(facts))
            && !(proposal.beneficiaries.iter().any(|named| by.split('@').next() == named.as_str().to_lowercase().split('@').next()))
            && yes.roles.contains(&crate::domain::principal::Role::Approver)
            && yes.binding == proposal.binding
            && yes.at <= facts.now
    };
    facts.approvals.iter().filter(counts).count()
}

fn agrees(facts: &Facts) {
    let said = evaluate(&specimen::permissive(), facts);
    let expected = invariants_allow(facts);
    assert_eq!(said.decision, expected, "{said:#?}\n{facts:#?}");
    let risk = facts.proposal.as_ref().map_or(facts.ticket.risk, |proposal| facts.ticket.risk.max(proposal.risk));
    let numbered = facts.requester.as_ref().is_some_and(|requester| {
        requester.identities.iter().all(|identity| identity.as_str().chars().all(|letter| letter.is_ascii_digit()))
    });
    let persons = if risk == Risk::High || numbered { 2 } else { 1 };
    assert_eq!(said.approvals_needed, if expected == NeedsApproval { persons } else { 0 });

    let expected = expected.min(policies_allow(facts));
    let permission = may_execute(&specimen::shipped(), facts);
    let asked_in_time = facts.phase == Phase::Execution;
    match &permission.basis {
        Some(Basis::Automatic) => assert!(asked_in_time && expected == AutoExecute, "{facts:#?}"),
        Some(Basis::Approved { by }) => {
            let counted = by.len() == valid_approvals(facts) && by.len() >= usize::from(persons);
            assert!(asked_in_time && expected == NeedsApproval && counted, "{permission:#?}\n{facts:#?}");
        }
        None => {
            let enough = expected == NeedsApproval && valid_approvals(facts) >= usize::from(persons);
            assert!(!asked_in_time || !(expected == AutoExecute || enough), "{permission:#?}\n{facts:#?}");
        }
    }
}

#[test]
fn random_facts_are_decided_as_the_second_evaluator_decides_them() {
    let count: usize = std::env::var("SLUICEGATE_GATE_FACTS").ok().and_then(|count| count.parse().ok()).unwrap_or(FACTS);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let part = |seed: usize| {
        let mut dice = Dice::new(seed as u64);
        let mut seen = std::collections::BTreeMap::new();
        for n in 0..count.div_ceil(threads) {
            let facts = dice.facts();
            let expected = invariants_allow(&facts);
            let said = invariants::reasons(&facts, invariants::Seen::new(&facts).as_ref()).iter().map(|reason| reason.allows).min();
            assert_eq!(said, Some(expected), "{facts:#?}");
            if n % WHOLE == 0 {
                agrees(&facts);
            }
            *seen.entry(expected).or_insert(0) += 1;
        }
        seen
    };
    let mut seen = std::collections::BTreeMap::new();
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|seed| scope.spawn(move || part(seed))).collect();
        for (decision, times) in parts.into_iter().flat_map(|part| part.join().unwrap()) {
            *seen.entry(decision).or_insert(0) += times;
        }
    });
    assert_eq!(seen.len(), 4, "every decision occurs: {seen:?}");
    // Guards the generator: a comparison that never sees automation proves nothing about it.
    assert!(seen.values().all(|n| n * 15 > count), "{seen:?}");
}

/// Every combination of fourteen attributes, the rest as in the baseline.
#[test]
fn all_combinations_of_the_attributes_are_decided_as_the_second_evaluator_decides_them() {
    const BITS: u32 = 14;
    for bits in 0u32..1 << BITS {
        let on = |bit: u32| bits >> bit & 1 == 1;
        let mut facts = specimen::baseline();
        facts.phase = if on(0) { Phase::Execution } else { Phase::Proposal };
        if on(1) {
            facts.kill_switch = KillSwitch::On { reason: "drill".to_owned() };
        }
        if on(2) {
            facts.modes.runbook = Mode::Suggest;
        }
        if on(3) {
            facts.storm.size = 11;
        }
        if on(4) {
            facts.usage.runbook_hour = 10;
        }
        (facts.record.decisions, facts.record.wrong) = if on(5) { (92, 1) } else { (93, 1) };
        if on(6) {
            facts.connectors.values_mut().for_each(|health| *health = ConnectorHealth::Unhealthy { reason: "down".to_owned() });
        }
        let proposal = facts.proposal.as_mut().unwrap();
        if on(7) {
            proposal.pre_approvals.clear();
        }
        if on(8) {
            proposal.risk = Risk::High;
        }
        if on(9) {
            proposal.missing.insert("host".parse().unwrap());
        }
        (proposal.reversible, proposal.idempotent) = (!on(10), false);
        if on(11) {
            facts.requester.as_mut().unwrap().standing = Some(StandingFacts::Unknown { reason: "no answer".to_owned() });
        }
        if on(12) {
            let until = facts.now.plus(std::time::Duration::from_secs(60));
            facts.windows.push(WindowInForce { name: "window".to_owned(), kind: WindowKind::Freeze, until });
        }
        if on(13) {
            let given = specimen::freeze_override(facts.proposal.as_ref().unwrap(), facts.now);
            facts.proposal.as_mut().unwrap().freeze_override = Some(given);
        }
        agrees(&facts);
    }
}
