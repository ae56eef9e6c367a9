//! Four eyes: who may say yes, what a yes is worth after a change, and pre-approvals.

use std::{collections::BTreeSet, time::Duration};

use super::specimen::{approval, baseline, digest, permissive, person, shipped};
use crate::{
    domain::{
        approval::Mode,
        digest::Digest,
        name::{PersonId, TenantId},
        principal::{Principal, Role},
        priority::Risk,
        ticket::Requester,
        verdict::Decision,
    },
    gate::{
        Basis,
        approval::Refusal,
        approval::{identities, spellings},
        evaluate,
        facts::*,
        may_approve, may_execute,
        pre_approval::{self, Asked},
    },
};

fn principal(name: &str, roles: &[Role]) -> Principal {
    Principal { person: person(name), tenant: TenantId::default(), roles: roles.iter().copied().collect() }
}

/// Medium risk, about to run, so that one person's yes is asked for.
fn waiting() -> Facts {
    let mut facts = baseline();
    facts.phase = Phase::Execution;
    facts.proposal.as_mut().unwrap().risk = Risk::Medium;
    facts
}

fn binding(facts: &Facts) -> Digest {
    facts.proposal.as_ref().unwrap().binding
}

fn refusals(facts: &Facts, who: &Principal) -> Vec<Refusal> {
    may_approve(&shipped(), facts, who, &binding(facts)).unwrap_err()
}

#[test]
fn an_approver_who_neither_asked_nor_wrote_may_approve_and_the_run_goes_on() {
    let mut facts = waiting();
    assert_eq!(may_approve(&shipped(), &facts, &principal("bo@example.com", &[Role::Approver]), &binding(&facts)), Ok(()));
    assert!(!may_execute(&shipped(), &facts).granted(), "nobody has said yes");
    facts.approvals = vec![approval(&facts, "bo@example.com")];
    let permission = may_execute(&shipped(), &facts);
    assert_eq!(permission.basis, Some(Basis::Approved { by: vec![person("bo@example.com")] }));
    assert_eq!(permission.verdict.decision, Decision::NeedsApproval);
}

#[test]
fn above_low_risk_whoever_typed_a_value_in_does_not_approve_it_and_at_low_risk_one_person_may() {
    let mut facts = waiting();
    facts.proposal.as_mut().unwrap().edited_by = Some(person("bo"));
    assert!(
        refusals(&facts, &principal("bo@example.com", &[Role::Approver])).contains(&Refusal::IsEditor { by: person("bo@example.com") })
    );
    assert_eq!(may_approve(&shipped(), &facts, &principal("cy@example.com", &[Role::Approver]), &binding(&facts)), Ok(()));
    facts.approvals = vec![approval(&facts, "bo@example.com")];
    assert!(!may_execute(&shipped(), &facts).granted(), "a yes that does not count lets nothing run");
    facts.proposal.as_mut().unwrap().risk = Risk::Low;
    assert!(may_execute(&shipped(), &facts).granted());
    facts.phase = Phase::Proposal;
    assert!(evaluate(&permissive(), &facts).decision < Decision::AutoExecute, "and nothing of it runs by itself");
}

#[test]
fn requester_author_and_the_same_person_again_are_refused_under_any_spelling() {
    let facts = waiting();
    let by = |name: &str| person(name);
    assert_eq!(refusals(&facts, &principal("ANA@Example.com", &[Role::Approver])), [Refusal::IsRequester { by: by("ANA@Example.com") }]);
    assert_eq!(refusals(&facts, &principal("Wren@example.com", &[Role::Approver])), [Refusal::IsAuthor { by: by("Wren@example.com") }]);
    let mut approved = facts.clone();
    approved.approvals = vec![approval(&facts, "bo@example.com")];
    assert_eq!(refusals(&approved, &principal("Bo@example.com", &[Role::Approver])), [Refusal::Twice { by: by("Bo@example.com") }]);
}

#[test]
fn all_reasons_are_told_at_once() {
    let mut facts = waiting();
    facts.requester.as_mut().unwrap().identities.insert(person("wren@example.com"));
    facts.kill_switch = KillSwitch::On { reason: "drill".to_owned() };
    let mut wren = principal("wren@example.com", &[Role::Responder]);
    wren.tenant = TenantId::new("other").unwrap();
    let found = may_approve(&shipped(), &facts, &wren, &digest("yesterday")).unwrap_err();
    let by = || person("wren@example.com");
    assert_eq!(
        found,
        [
            Refusal::NotAnApprover { by: by() },
            Refusal::IsRequester { by: by() },
            Refusal::IsAuthor { by: by() },
            Refusal::Changed { by: by(), seen: digest("yesterday"), current: binding(&facts) },
            Refusal::OtherTenant { by: by() },
            Refusal::NotApprovable { decision: Decision::RecommendOnly },
            Refusal::Policy { policy: "default_deny_approval".to_owned(), reason: "no policy permits this person to approve".to_owned() },
        ]
    );
}

#[test]
fn an_auditor_may_not_approve_by_policy() {
    let found = refusals(&waiting(), &principal("bo@example.com", &[Role::Approver, Role::Auditor]));
    assert!(matches!(&found[..], [Refusal::Policy { policy, .. }] if policy == "auditors-stay-outside"), "{found:?}");
}

#[test]
fn high_risk_needs_two_different_persons() {
    let mut facts = waiting();
    facts.ticket.risk = Risk::High;
    for (yes, granted) in [
        (vec!["bo@example.com"], false),
        (vec!["bo@example.com", "BO@example.com"], false),
        (vec!["bo@example.com", "ana@example.com"], false),
        (vec!["bo@example.com", "wren@example.com"], false),
        (vec!["bo@example.com", "cy@example.com"], true),
    ] {
        facts.approvals = yes.iter().map(|by| approval(&facts, by)).collect();
        assert_eq!(may_execute(&shipped(), &facts).granted(), granted, "{yes:?}");
    }
}

type Change = (&'static str, fn(&mut Facts));

#[test]
fn an_approval_does_not_outlive_what_was_approved() {
    let mut approved = waiting();
    approved.approvals = vec![approval(&approved, "bo@example.com")];
    assert!(may_execute(&shipped(), &approved).granted());
    let changes: [Change; 10] = [
        ("ticket, parameters or policies changed", |facts| facts.proposal.as_mut().unwrap().binding_now = digest("now")),
        ("another runbook version is in force", |facts| facts.proposal.as_mut().unwrap().in_force = Some(digest("new"))),
        ("the runbook was withdrawn", |facts| facts.proposal.as_mut().unwrap().in_force = None),
        ("the proposal expired", |facts| facts.now = facts.proposal.as_ref().unwrap().expires_at),
        ("the kill switch went on", |facts| facts.kill_switch = KillSwitch::On { reason: "x".to_owned() }),
        ("a freeze began", |facts| {
            facts.windows.push(WindowInForce {
                name: "w".to_owned(),
                kind: WindowKind::Freeze,
                until: facts.now.plus(Duration::from_secs(1)),
            });
        }),
        ("a storm grew", |facts| facts.storm.size = 1_000),
        ("the connector went down", |facts| {
            facts.connectors.values_mut().for_each(|health| *health = ConnectorHealth::Unhealthy { reason: "x".to_owned() });
        }),
        ("the approver lost the role", |facts| facts.approvals[0].roles.clear()),
        ("the mode went to shadow", |facts| facts.modes.global = Mode::Shadow),
    ];
    for (what, change) in changes {
        let mut facts = approved.clone();
        change(&mut facts);
        let permission = may_execute(&shipped(), &facts);
        assert!(!permission.granted(), "{what}");
        assert!(!permission.verdict.refusals().next().unwrap().message.is_empty());
    }
}

#[test]
fn what_stops_automation_only_does_not_stop_an_approved_run() {
    let mut facts = waiting();
    facts.approvals = vec![approval(&facts, "bo@example.com")];
    facts.modes.global = Mode::Suggest;
    facts.usage = Usage { runbook_hour: 99, target_hour: 99, requester_hour: 99, running: 99 };
    facts.record = ErrorRecord { decisions: 10, wrong: 9, demoted: true, ..facts.record };
    facts.proposal.as_mut().unwrap().pre_approvals.clear();
    assert!(may_execute(&shipped(), &facts).granted());
}

#[test]
fn facts_of_a_proposal_run_nothing() {
    let facts = baseline();
    let permission = may_execute(&permissive(), &facts);
    assert!(!permission.granted());
    assert_eq!(permission.verdict.refusals().map(|reason| reason.id.as_str()).collect::<Vec<_>>(), ["facts_of_execution"]);
}

#[test]
fn a_requesters_identities_are_folded_and_what_cannot_sign_in_is_left_out() {
    let requester = Requester {
        id: "U:4711".into(),
        email: Some(" Ana+Home@Example.com ".into()),
        name: Some("Bo <bo@example.com>".into()),
        organization: None,
    };
    let expected: BTreeSet<PersonId> = ["u:4711", "ana+home@example.com", "ana@example.com"].map(person).into();
    assert_eq!(identities(&requester), expected);
    let odd = Requester { id: "аna@example.com".into(), email: Some("".into()), name: None, organization: None };
    assert!(identities(&odd).is_empty(), "a Cyrillic letter is no identity here");
}

#[test]
fn a_pre_approval_is_void_for_each_reason_and_all_are_told() {
    let facts = baseline();
    let proposal = facts.proposal.as_ref().unwrap();
    let asked = Asked {
        tenant: &facts.tenant,
        runbook: &proposal.runbook,
        digest: &proposal.digest,
        authors: &proposal.authors,
        source: &facts.ticket.source,
        category: facts.ticket.category.as_ref().map(|category| category.label.as_str()),
        windows: &facts.windows,
    };
    let record = &proposal.pre_approvals[0];
    assert_eq!(pre_approval::in_force(&proposal.pre_approvals, asked, facts.now), Ok(record));
    assert_eq!(pre_approval::in_force(&proposal.pre_approvals, asked, record.expires_at).unwrap_err().len(), 1, "expires at the instant");
    let mut bad = record.clone();
    (bad.digest, bad.approver, bad.mode) = (digest("old"), person("wren@example.com"), Mode::Suggest);
    (bad.created_at, bad.expires_at) = (facts.now.plus(Duration::from_secs(1)), facts.now);
    (bad.categories, bad.during) = (BTreeSet::from(["access".to_owned()]), Some("office-hours".to_owned()));
    bad.voided = Some(crate::domain::approval::Voided { at: facts.now, current: None });
    let told: Vec<String> = pre_approval::in_force(&[bad], asked, facts.now).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 8, "{told:#?}");
    assert!(told[0].starts_with("runbook `restart-print-spooler` changed since it was approved: approved sha256:"), "{}", told[0]);
    let none = pre_approval::in_force(&[], asked, facts.now).unwrap_err();
    assert!(none[0].to_string().contains("has no pre-approval"), "{none:?}");
}

#[test]
fn whom_the_run_is_for_cannot_approve_it_under_any_spelling() {
    let mut facts = waiting();
    facts.requester = None;
    let refused = |facts: &Facts, by: &str| may_approve(&shipped(), facts, &principal(by, &[Role::Approver]), &binding(facts)).is_err();
    for (named, by, expected) in [
        ("bo", "bo", true),
        ("bo", "BO@example.com", true),
        ("Bo@Example.com", "bo", true),
        ("bo@example.com", "bo@example.com", true),
        ("bo@example.com", "bo@other.example", false),
        ("bo", "bob@example.com", false),
        ("bo", "cy@bo", false),
    ] {
        facts.proposal.as_mut().unwrap().beneficiaries = spellings(named);
        assert_eq!(refused(&facts, by), expected, "{named} and {by}");
    }
    assert_eq!(spellings(" Ana+home@Example.com "), ["ana+home@example.com", "ana@example.com"].map(person).into());
    assert!(spellings("аna").is_empty(), "a Cyrillic letter is no identity here");
}

#[test]
fn the_requester_is_known_by_account_name_too_and_one_person_under_two_names_is_one() {
    let mut facts = waiting();
    facts.requester.as_mut().unwrap().identities = spellings("ana@example.com");
    let refused = refusals(&facts, &principal("ana", &[Role::Approver]));
    assert_eq!(refused, [Refusal::IsRequester { by: person("ana") }]);
    facts.requester = None;
    facts.ticket.risk = Risk::High;
    facts.approvals = vec![approval(&facts, "bo"), approval(&facts, "Bo@example.com")];
    assert!(!may_execute(&shipped(), &facts).granted(), "one person under two names");
    facts.approvals[1].by = person("cy@example.com");
    assert!(may_execute(&shipped(), &facts).granted());
}

/// A help desk that names its people by numbers of its own says nothing that an approver could be compared with.
#[test]
fn a_requester_who_cannot_be_compared_with_sign_ins_takes_two_approvers() {
    let mut facts = waiting();
    facts.requester.as_mut().unwrap().identities = spellings("12345");
    assert_eq!(evaluate(&shipped(), &facts).approvals_needed, 2);
    facts.approvals = vec![approval(&facts, "bo@example.com")];
    assert!(!may_execute(&shipped(), &facts).granted());
    facts.approvals.push(approval(&facts, "cy@example.com"));
    assert!(may_execute(&shipped(), &facts).granted());
    facts.requester.as_mut().unwrap().identities.extend(spellings("ana@example.com"));
    assert_eq!(evaluate(&shipped(), &facts).approvals_needed, 1);
}

#[test]
fn an_override_lifts_the_freezes_that_both_persons_saw_and_no_other() {
    let mut facts = waiting();
    let freeze =
        |name: &str| WindowInForce { name: name.to_owned(), kind: WindowKind::Freeze, until: baseline().proposal.unwrap().expires_at };
    let given = super::specimen::freeze_override(facts.proposal.as_ref().unwrap(), facts.now);
    facts.proposal.as_mut().unwrap().freeze_override = Some(given);
    facts.windows = vec![freeze("window")];
    assert_eq!(evaluate(&shipped(), &facts).decision, Decision::NeedsApproval);
    facts.windows.push(freeze("another"));
    assert_eq!(evaluate(&shipped(), &facts).decision, Decision::RecommendOnly);
}
