//! A person changes a proposal: what comes of it, what is refused, and that it never runs by itself.

use std::collections::BTreeMap;

use sluicegate::{
    domain::{
        name::{ParameterName, RunbookId},
        principal::Role::{Approver, Responder},
        recommendation::{Origin, RecommendationState},
        state::TicketState,
        verdict::Decision,
    },
    pipeline::{
        actions::{
            approve::approve,
            edit::{Wanted, edit},
        },
        error::ActionError,
        replay::{Past, replay},
    },
};

use crate::way_world::{GENEROUS, World, does_not_print, refused_by, runbook, seen};

fn wanted(revision: u64, values: &[(&str, &str)]) -> Wanted {
    let parameters: BTreeMap<_, _> = values.iter().map(|(name, value)| (ParameterName::new(*name).unwrap(), (*value).to_owned())).collect();
    Wanted { revision, runbook: runbook(), parameters }
}

#[tokio::test]
async fn an_edited_proposal_runs_with_the_typed_value_once_a_person_allows_it_and_never_by_itself() {
    let world = World::new().await;
    world.automated(GENEROUS).await;
    let rea = world.person("rea", &[Responder]).await;
    let bo = world.person("bo", &[Approver]).await;
    // It names no printer, so even automation leaves it to a person.
    let id = world.tell(&does_not_print("1", "in the hall")).await;
    world.work().await;
    let before = world.proposal(id).await;
    assert!(!before.missing.is_empty(), "{before:?}");

    let new = edit(world.service(), &rea, before.id, wanted(before.revision, &[("host", "prn-00007")])).await.unwrap();
    assert_eq!(new.verdict.decision, Decision::NeedsApproval, "{:?}", refused_by(&new));
    assert!(refused_by(&new).contains(&"unedited"), "{:?}", refused_by(&new));
    assert!(new.missing.is_empty() && !new.would_act);
    assert!(matches!(&new.parameters[0].origin, Origin::Person { person } if *person == rea.person));
    assert_eq!(world.store().recommendation(&before.tenant, before.id).await.unwrap().unwrap().state, RecommendationState::Superseded);
    assert_eq!(world.ticket(id).await.state, TicketState::AwaitingApproval);
    world.work().await;
    assert!(world.automation.changes().is_empty(), "nothing runs by itself");

    let past = Past { ticket: world.ticket(id).await, recommendation: new.clone() };
    assert_eq!(replay(&world.service().decider(), &past).unwrap(), Vec::<String>::new(), "an edit is made again bit for bit");
    approve(world.service(), &bo, new.id, seen(&new)).await.unwrap();
    world.work().await;
    assert_eq!(world.automation.changes()[0].path, "/hosts/prn-00007/restart");
    assert_eq!(world.ticket(id).await.state, TicketState::Resolved);
    world.audit().await;
}

#[tokio::test]
async fn a_value_that_the_slot_does_not_take_an_unknown_runbook_and_an_old_view_change_nothing() {
    let world = World::new().await;
    let (rea, outsider) = (world.person("rea", &[Responder]).await, world.person("eve", &[]).await);
    let id = world.tell(&does_not_print("1", "prn-00007")).await;
    world.work().await;
    let before = world.proposal(id).await;
    let service = world.service();
    for (name, value, word) in [
        ("host", "prn-00007; reboot", "which no value may have"),
        ("host", "../../etc/passwd", "`..`"),
        ("host", "web-01", "does not match the pattern"),
        ("host", "", "it is empty"),
        ("port", "80", "has no such parameter"),
    ] {
        match edit(service, &rea, before.id, wanted(before.revision, &[(name, value)])).await {
            Err(ActionError::Invalid { pointer, message }) => {
                assert!(pointer == format!("/parameters/{name}") && message.contains(word), "{pointer} {message}");
            }
            other => panic!("{value}: {other:?}"),
        }
    }
    let elsewhere = Wanted { runbook: RunbookId::new("no-such").unwrap(), ..wanted(before.revision, &[]) };
    assert!(matches!(edit(service, &rea, before.id, elsewhere).await, Err(ActionError::Invalid { .. })));
    assert!(matches!(edit(service, &rea, before.id, wanted(before.revision + 1, &[])).await, Err(ActionError::Changed(_))));
    assert!(matches!(edit(service, &outsider, before.id, wanted(before.revision, &[])).await, Err(ActionError::MissingRole { .. })));
    assert_eq!(world.proposal(id).await, before);
    world.audit().await;
}

#[tokio::test]
async fn an_approval_of_what_was_edited_meanwhile_is_told_that_this_changed() {
    let world = World::new().await;
    let (rea, bo) = (world.person("rea", &[Responder]).await, world.person("bo", &[Approver]).await);
    let id = world.tell(&does_not_print("1", "prn-00007")).await;
    world.work().await;
    let before = world.proposal(id).await;
    edit(world.service(), &rea, before.id, wanted(before.revision, &[("host", "prn-00008")])).await.unwrap();
    assert!(matches!(approve(world.service(), &bo, before.id, seen(&before)).await, Err(ActionError::Changed(_))));
    world.work().await;
    assert!(world.automation.changes().is_empty());
    world.audit().await;
}
