//! Who asks, in the whole verdict: worse standing never allows more, and policies see groups and rate.

use proptest::prelude::*;

use super::specimen::{Dice, baseline, permissive, policies, shipped};
use crate::{
    domain::verdict::Decision,
    gate::{evaluate, facts::*, may_execute},
};

/// Each makes the standing worse in one way.
const WORSE: [fn(&mut RequesterFacts); 5] = [
    |requester| requester.flagged = true,
    |requester| requester.vip = true,
    |requester| requester.entitled = Some(false),
    |requester| requester.standing = Some(StandingFacts::Unknown { reason: "no answer".to_owned() }),
    |requester| requester.rate = Some(RequestRate { tickets_hour: 4, limit: 3 }),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn worse_standing_never_allows_more(seed: u64, how in 0..WORSE.len()) {
        let facts = Dice::new(seed).facts();
        let mut worse = facts.clone();
        let Some(requester) = &mut worse.requester else { return Ok(()) };
        WORSE[how](requester);
        for set in [shipped(), permissive()] {
            prop_assert!(evaluate(&set, &worse).decision <= evaluate(&set, &facts).decision);
            prop_assert!(may_execute(&set, &facts).granted() || !may_execute(&set, &worse).granted());
        }
    }
}

#[test]
fn any_of_them_alone_sends_the_ticket_to_a_person_and_nothing_further_down() {
    for worse in WORSE {
        let mut facts = baseline();
        worse(facts.requester.as_mut().unwrap());
        let verdict = evaluate(&shipped(), &facts);
        assert_eq!((verdict.decision, verdict.approvals_needed, verdict.refusals().count()), (Decision::NeedsApproval, 1, 1), "{facts:?}");
    }
}

/// The examples in the readme of the policies are policies, and do what their reasons say.
#[test]
fn a_policy_sees_the_requesters_groups_and_rate() {
    let readme = include_str!("../../../policies/README.md");
    let examples = readme.split("```cedar\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let set = policies(&format!("@id(\"all\") @reason(\"everything\") permit (principal, action, resource);\n{examples}"));
    let refused_by = |change: fn(&mut RequesterFacts)| {
        let mut facts = baseline();
        change(facts.requester.as_mut().unwrap());
        evaluate(&set, &facts).refusals().map(|reason| reason.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(refused_by(|requester| requester.groups = ["staff".to_owned()].into()), [""; 0]);
    assert_eq!(refused_by(|requester| requester.groups = ["contractors".to_owned(), "staff".to_owned()].into()), ["contractors-to-people"]);
    assert_eq!(refused_by(|requester| requester.rate = Some(RequestRate { tickets_hour: 2, limit: 10 })), [""; 0]);
    let third = refused_by(|requester| requester.rate = Some(RequestRate { tickets_hour: 3, limit: 10 }));
    assert_eq!(third, ["busy-requesters-on-production-to-people"]);
}
