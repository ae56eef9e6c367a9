//! Standard changes over the whole way: what voids one, under which conditions one holds, and looking again.

use std::collections::BTreeSet;

use serde_json::json;
use sluicegate::{
    domain::{
        approval::{Caps, Mode},
        entry::Event,
        outbox::{Destination, Message},
        principal::Role::{Approver, Responder},
        state::TicketState,
        verdict::Decision,
    },
    pipeline::{
        actions::{approve::approve, look_again::look_again, pre_approve, reject::reject},
        error::ActionError,
        reload::{mark_void, reload},
    },
    store::interface::Page,
};

use crate::{
    app::RUNBOOK,
    way_world::{GENEROUS, World, does_not_print, refused_by, runbook, seen, tenant},
};

fn ops(config: &mut sluicegate::config::Config) {
    let webhook = json!({
        "name": "ops", "url": "https://ops.example.com/hook", "events": ["pre_approval.voided"],
        "secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    });
    config.webhooks = vec![serde_json::from_value(webhook).unwrap()];
}

impl World {
    async fn voids(&self) -> Vec<Event> {
        let all = self.store().entry_range(0, 100_000).await.unwrap();
        let is_void = |event: &Event| matches!(event, Event::PreApprovalVoided { .. });
        all.into_iter().map(|logged| logged.entry.event).filter(is_void).collect()
    }
}

#[tokio::test]
async fn a_changed_byte_voids_the_pre_approval_for_good_and_the_log_and_the_owner_hear_of_it() {
    let world = World::with(ops).await;
    let record = world.automated(GENEROUS).await;
    let file = world.app.folder.path().join("runbooks/restart-spooler.md");
    let first = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{first}\nOne byte more.\n")).unwrap();
    assert!(reload(world.service()).await);

    let current = world.service().decider().library().get(&runbook()).unwrap().digest;
    let expected =
        Event::PreApprovalVoided { pre_approval: record.id, runbook: runbook(), approved: record.digest, current: Some(current) };
    assert_eq!(world.voids().await, std::slice::from_ref(&expected));
    let told = world.store().messages(&tenant(), None, Page { before: None, limit: 9 }).await.unwrap();
    assert_eq!((told.len(), told[0].ticket, &told[0].destination), (1, None, &Destination::Webhook("ops".to_owned())));
    let Message::Event { event_type, data } = &told[0].message else { panic!("{told:?}") };
    assert_eq!(event_type, "pre_approval.voided");
    assert_eq!(
        (&data["owner"], &data["approver"]),
        (&json!(world.service().decider().library().get(&runbook()).unwrap().owner), &json!("olu"))
    );

    // The old bytes come back, the automation does not.
    std::fs::write(&file, &first).unwrap();
    assert!(reload(world.service()).await);
    let id = world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    let proposal = world.proposal(id).await;
    assert_eq!(proposal.verdict.decision, Decision::NeedsApproval);
    assert_eq!(
        refused_by(&proposal),
        ["pre_approved", "cap_runbook_hour", "cap_target_hour", "cap_requester_hour", "cap_concurrent", "default_deny_automatic"]
    );
    assert_eq!(world.voids().await.len(), 1, "it is told once");

    let olu = world.person("olu", &[Approver]).await;
    let again = pre_approve::revoke(world.service(), &olu, record.id, "to be sure").await;
    assert!(matches!(again, Err(ActionError::Changed(_))), "{again:?}");
    world.audit().await;
}

#[tokio::test]
async fn a_runbook_that_changed_while_the_service_was_down_is_found_at_the_start_and_a_withdrawn_one_too() {
    let world = World::new().await;
    let record = world.automated(GENEROUS).await;
    mark_void(world.service()).await;
    assert!(world.voids().await.is_empty(), "nothing changed");
    let other = RUNBOOK.replace("id: restart-spooler", "id: restart-other");
    std::fs::write(world.app.folder.path().join("runbooks/restart-other.md"), other).unwrap();
    std::fs::remove_file(world.app.folder.path().join("runbooks/restart-spooler.md")).unwrap();
    assert!(reload(world.service()).await);
    let withdrawn = Event::PreApprovalVoided { pre_approval: record.id, runbook: runbook(), approved: record.digest, current: None };
    assert_eq!(world.voids().await, [withdrawn]);
    mark_void(world.service()).await;
    assert_eq!(world.voids().await.len(), 1);
}

#[tokio::test]
async fn conditions_hold_automation_to_categories_and_hours_and_odd_ones_are_refused() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver]).await;
    world.automated(GENEROUS).await;
    for record in world.store().pre_approvals(&tenant(), None).await.unwrap() {
        pre_approve::revoke(world.service(), &olu, record.id, "conditions follow").await.unwrap();
    }
    let asked = |categories: &[&str], during: Option<&str>| pre_approve::NewPreApproval {
        runbook: runbook(),
        digest: world.service().decider().library().get(&runbook()).unwrap().digest,
        mode: Mode::Auto,
        caps: GENEROUS,
        sources: BTreeSet::new(),
        categories: categories.iter().map(|category| (*category).to_owned()).collect(),
        during: during.map(str::to_owned),
        expires_at: world.service().ambient.now().plus(std::time::Duration::from_secs(86_400)),
    };
    let make = |asked| pre_approve::make(world.service(), &olu, asked);
    let refused = |result: Result<_, ActionError>| match result {
        Err(ActionError::Invalid { pointer, message }) => (pointer, message),
        other => panic!("{:?}", other.map(|_: sluicegate::domain::approval::PreApproval| ())),
    };
    let odd = refused(make(asked(&["no/such"], None)).await);
    assert_eq!(odd, ("/categories".to_owned(), "`no/such` is not a category of the catalogue".to_owned()));
    assert_eq!(refused(make(asked(&[], Some("never"))).await).0, "/during");
    let none = pre_approve::NewPreApproval { caps: Caps { concurrent: 0, ..GENEROUS }, ..asked(&[], None) };
    assert_eq!(refused(make(none).await).0, "/caps");

    // The harness' clock stands on a Tuesday at 22:13 UTC: outside of office hours.
    make(asked(&[], Some("office-hours"))).await.unwrap();
    let id = world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    let proposal = world.proposal(id).await;
    assert_eq!(proposal.verdict.decision, Decision::NeedsApproval);
    let said = &proposal.verdict.reasons.iter().find(|reason| reason.id == "pre_approved").unwrap().message;
    assert!(said.contains("holds during `office-hours` only"), "{said}");

    let category = proposal.classification.category.label.clone().unwrap();
    let other = world.service().decider().triage().catalogue().ids().into_iter().find(|id| *id != category).unwrap();
    make(asked(&[&other], None)).await.unwrap();
    let id = world.tell(&does_not_print("2", "prn-00002")).await;
    world.work().await;
    assert!(refused_by(&world.proposal(id).await).contains(&"pre_approved"));
    make(asked(&[&category], None)).await.unwrap();
    let id = world.tell(&does_not_print("3", "prn-00003")).await;
    world.work().await;
    assert_eq!(world.ticket(id).await.state, TicketState::Resolved, "the category is the one that was approved");
}

#[tokio::test]
async fn what_changed_is_named_with_409_and_a_look_again_makes_it_approvable() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver]).await;
    let rita = world.person("rita", &[Responder]).await;
    let id = world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    let old = world.proposal(id).await;
    let file = world.app.folder.path().join("runbooks/restart-spooler.md");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\nMore words.\n")).unwrap();
    assert!(reload(world.service()).await);

    let Err(ActionError::Changed(why)) = approve(world.service(), &olu, old.id, seen(&old)).await else { panic!("it was approved") };
    assert!(why.contains("runbook `restart-spooler` was at sha256:") && why.contains(&format!("POST /v1/tickets/{id}/triage")), "{why}");
    let version = world.ticket(id).await.version;
    assert!(matches!(look_again(world.service(), &rita, id, version - 1).await, Err(ActionError::Changed(_))));
    look_again(world.service(), &rita, id, version).await.unwrap();
    world.work().await;
    let new = world.proposal(id).await;
    assert_ne!(new.id, old.id);
    approve(world.service(), &olu, new.id, seen(&new)).await.unwrap();
    world.work().await;
    assert_eq!(world.ticket(id).await.state, TicketState::Resolved);

    // What is done, or was refused, is not started again by asking for another look.
    let done = look_again(world.service(), &rita, id, world.ticket(id).await.version).await;
    assert!(matches!(done, Err(ActionError::Refused(_))), "{done:?}");
    let id = world.tell(&does_not_print("2", "prn-00002")).await;
    world.work().await;
    let proposal = world.proposal(id).await;
    reject(world.service(), &rita, proposal.id, proposal.revision, "the printer is being moved").await.unwrap();
    let refused = look_again(world.service(), &rita, id, world.ticket(id).await.version).await;
    assert!(matches!(refused, Err(ActionError::Refused(_))), "{refused:?}");
    world.audit().await;
}
