//! Who may let a proposal run, and that it runs once however many say so at once.

use std::time::Duration;

use sluicegate::{
    domain::{
        entry::Event,
        execution::ExecutionState,
        id::TicketId,
        principal::{
            Principal,
            Role::{Approver, Operator, Responder},
        },
        recommendation::RecommendationState,
        state::TicketState,
    },
    pipeline::{
        actions::{approve::approve, reject::reject, submit::submit},
        error::ActionError,
        reload::reload,
        workers,
    },
};

use crate::{
    app::RUNBOOK,
    way_world::{World, does_not_print, refused_by, seen, tenant, within},
};

async fn waiting(world: &World, external_id: &str) -> TicketId {
    let id = world.tell(&does_not_print(external_id, "prn-00007")).await;
    world.work().await;
    assert_eq!(world.ticket(id).await.state, TicketState::AwaitingApproval, "{:?}", refused_by(&world.proposal(id).await));
    id
}

async fn refused(world: &World, by: &Principal, ticket: TicketId, word: &str) {
    let proposal = world.proposal(ticket).await;
    match approve(world.service(), by, proposal.id, seen(&proposal)).await {
        Err(ActionError::Refused(why)) => assert!(why.iter().any(|why| why.contains(word)), "{word}: {why:?}"),
        other => panic!("{word}: {other:?}"),
    }
    assert_eq!(world.proposal(ticket).await, proposal, "a refusal changes nothing");
}

#[tokio::test]
async fn the_right_person_lets_it_run_and_everybody_else_is_refused() {
    let world = World::new().await;
    let ticket = waiting(&world, "17").await;
    for requester in ["u-17", "U-17", "user17@example.com", "User17@Example.COM"] {
        let requester = world.person(requester, &[Approver]).await;
        refused(&world, &requester, ticket, "asked for this").await;
    }
    let author = world.person("Lea.Brandt@example.com", &[Approver]).await;
    refused(&world, &author, ticket, "wrote or edited the runbook").await;
    let proposal = world.proposal(ticket).await;
    let responder = world.person("rea", &[Responder, Operator]).await;
    let answer = approve(world.service(), &responder, proposal.id, seen(&proposal)).await;
    assert!(matches!(answer, Err(ActionError::MissingRole { needs: Approver })), "{answer:?}");

    let olu = world.person("olu", &[Approver]).await;
    let mut stale = seen(&proposal);
    stale.revision += 1;
    assert!(matches!(approve(world.service(), &olu, proposal.id, stale).await, Err(ActionError::Changed(_))));
    let approved = approve(world.service(), &olu, proposal.id, seen(&proposal)).await.unwrap();
    assert_eq!(approved.state, RecommendationState::Approved);
    let again = approve(world.service(), &olu, proposal.id, seen(&proposal)).await;
    assert!(matches!(again, Err(ActionError::Changed(_))), "{again:?}");
    world.work().await;
    let runs = world.runs(ticket).await;
    assert_eq!((runs.len(), runs[0].state, world.automation.changes().len()), (1, ExecutionState::Succeeded, 1));
    assert_eq!(world.ticket(ticket).await.state, TicketState::Resolved);

    // The yes can be explained: what the gate saw at that moment is kept, and its digest is in the log.
    let allowed = world.proposal(ticket).await.allowed.expect("the verdict of the approval");
    let sufficient = allowed.reasons.iter().find(|reason| reason.id == "approvals_sufficient").unwrap();
    assert!(sufficient.passed && sufficient.message == "1 of 1 approvals by `olu`", "{sufficient:?}");
    let digest = sluicegate::domain::canonical::digest(&*allowed).unwrap();
    let in_log = world.events(ticket).await.into_iter().find_map(|event| match event {
        Event::ExecutionCreated { allowed, .. } => allowed,
        _ => None,
    });
    assert_eq!(in_log, Some(digest));
    world.audit().await;
}

#[tokio::test]
async fn high_risk_takes_two_different_persons() {
    let world = World::new().await;
    let path = world.app.folder.path().join("runbooks/restart-spooler.md");
    std::fs::write(path, RUNBOOK.replace("risk: low", "risk: high")).unwrap();
    assert!(reload(world.service()).await);
    let ticket = waiting(&world, "17").await;
    let olu = world.person("olu", &[Approver]).await;
    let first = approve(world.service(), &olu, world.proposal(ticket).await.id, seen(&world.proposal(ticket).await)).await.unwrap();
    assert_eq!((first.state, first.approvals.len()), (RecommendationState::Open, 1));
    refused(&world, &olu, ticket, "approved already").await;
    let same = world.person("OLU", &[Approver]).await;
    refused(&world, &same, ticket, "approved already").await;
    assert!(world.runs(ticket).await.is_empty());
    let kim = world.person("kim", &[Approver]).await;
    let second = approve(world.service(), &kim, first.id, seen(&first)).await.unwrap();
    assert_eq!(second.state, RecommendationState::Approved);
    world.work().await;
    assert_eq!(world.automation.changes().len(), 1);
    world.audit().await;
}

#[tokio::test]
async fn what_changed_since_it_was_shown_cannot_be_approved() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver]).await;
    let ticket = waiting(&world, "1").await;
    let shown = world.proposal(ticket).await;
    let path = world.app.folder.path().join("runbooks/restart-spooler.md");
    std::fs::write(&path, format!("{RUNBOOK}\n")).unwrap();
    assert!(reload(world.service()).await);
    let answer = approve(world.service(), &olu, shown.id, seen(&shown)).await;
    assert!(matches!(answer, Err(ActionError::Changed(ref why)) if why.contains("runbook")), "{answer:?}");

    let ticket = waiting(&world, "2").await;
    let shown = world.proposal(ticket).await;
    world.app.ambient.turn(Duration::from_secs(4 * 3600));
    let answer = approve(world.service(), &olu, shown.id, seen(&shown)).await;
    assert!(matches!(answer, Err(ActionError::Refused(ref why)) if why.iter().any(|why| why.contains("expired"))), "{answer:?}");
    world.app.ambient.turn(Duration::from_millis(1));
    world.work().await;
    assert_eq!(world.ticket(ticket).await.state, TicketState::Expired);
    assert_eq!(world.proposal(ticket).await.state, RecommendationState::Expired);
    let tags: Vec<&str> = world.events(ticket).await.iter().map(sluicegate::domain::entry::Event::tag).collect();
    assert!(tags.ends_with(&["recommendation_expired", "ticket_moved"]), "{tags:?}");
    assert!(matches!(approve(world.service(), &olu, shown.id, seen(&shown)).await, Err(ActionError::Changed(_))));
    assert!(world.automation.changes().is_empty());
    world.audit().await;
}

#[tokio::test]
async fn whoever_posted_a_ticket_for_somebody_else_cannot_approve_it() {
    let world = World::new().await;
    let eve = world.person("eve", &[Responder, Approver]).await;
    let body = does_not_print("17", "prn-00007").to_string();
    submit(world.service(), &eve, None, body.as_bytes()).await.unwrap();
    world.work().await;
    let open = world.store().recommendations(&tenant(), None, sluicegate::store::interface::Page { before: None, limit: 9 }).await.unwrap();
    refused(&world, &eve, open[0].ticket, "asked for this").await;
    let olu = world.person("olu", &[Approver]).await;
    approve(world.service(), &olu, open[0].id, seen(&open[0])).await.unwrap();
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_clicks_on_one_approval_make_one_run() {
    let world = World::new().await;
    let ticket = waiting(&world, "17").await;
    let shown = world.proposal(ticket).await;
    let mut tasks = tokio::task::JoinSet::new();
    // Every second click is the same person's.
    let olu = world.person("olu", &[Approver]).await;
    for number in 0..64 {
        let by = if number % 2 == 0 { olu.clone() } else { world.person(&format!("approver-{number}"), &[Approver]).await };
        let (service, shown) = (world.service().clone(), shown.clone());
        tasks.spawn(async move { approve(&service, &by, shown.id, seen(&shown)).await });
    }
    let answers = within("the approvals", tasks.join_all()).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(ActionError::Changed(_)))), "{answers:?}");
    let (one, other) = within("both workers", async {
        tokio::join!(workers::execute::step(world.service(), 8), workers::execute::step(world.service(), 8))
    })
    .await;
    assert_eq!(one.unwrap() + other.unwrap(), 1);
    world.work().await;
    assert_eq!((world.runs(ticket).await.len(), world.automation.changes().len()), (1, 1));
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_an_approval_and_a_rejection_at_once_one_wins() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver]).await;
    let rea = world.person("rea", &[Responder]).await;
    let mut runs = 0;
    for number in 0..8 {
        let ticket = waiting(&world, &number.to_string()).await;
        let shown = world.proposal(ticket).await;
        let approving = {
            let (service, olu, shown) = (world.service().clone(), olu.clone(), shown.clone());
            tokio::spawn(async move { approve(&service, &olu, shown.id, seen(&shown)).await.is_ok() })
        };
        let rejected = reject(world.service(), &rea, shown.id, shown.revision, "not this host").await.is_ok();
        let approved = within("the approval", approving).await.unwrap();
        assert!(approved ^ rejected, "approved {approved}, rejected {rejected}");
        world.work().await;
        runs += usize::from(approved);
        let state = if approved { TicketState::Resolved } else { TicketState::Rejected };
        assert_eq!((world.ticket(ticket).await.state, world.automation.changes().len()), (state, runs));
    }
    world.audit().await;
}
