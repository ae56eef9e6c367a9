//! What the sender says later, what comes twice, what could not be read, who sees what, and decisions made again.

use std::time::Duration;

use serde_json::{Value, json};
use sluicegate::{
    domain::{
        execution::ExecutionState,
        principal::Role::{Approver, Auditor, Operator, Responder},
        recommendation::RecommendationState,
        state::TicketState,
        ticket::TicketEvent,
    },
    intake::Reading,
    pipeline::{
        actions::{accept, approve::approve, dead_letter},
        decider::Decider,
        error::ActionError,
        replay::{Past, replay},
        wait, workers,
    },
};

use crate::{
    app::{Answer, RUNBOOK},
    way_world::{GENEROUS, World, does_not_print, seen, tenant, within},
};

fn with(mut report: Value, key: &str, value: Value) -> Value {
    report[key] = value;
    report
}

#[tokio::test]
async fn an_update_supersedes_the_proposal_and_is_triaged_anew_at_once() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver]).await;
    let id = world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    let old = world.proposal(id).await;
    assert_eq!(world.tell(&does_not_print("1", "prn-00002")).await, id);
    assert_eq!(world.ticket(id).await.state, TicketState::Received);
    assert_eq!(world.proposal(id).await.state, RecommendationState::Superseded);
    assert_eq!(wait::decision(world.service(), &tenant(), id, Duration::ZERO).await.unwrap(), None, "the old decision is none");
    // No clock is turned: a triaged version's lease does not hide the next one.
    world.work().await;
    let new = world.proposal(id).await;
    assert_ne!(new.id, old.id);
    assert_eq!((new.state, new.parameters[0].value.as_str()), (RecommendationState::Open, "prn-00002"));
    assert!(matches!(approve(world.service(), &olu, old.id, seen(&old)).await, Err(ActionError::Changed(_))));
    let mut forged = seen(&new);
    forged.binding = old.binding().unwrap();
    assert!(matches!(approve(world.service(), &olu, new.id, forged).await, Err(ActionError::Changed(_))));
    approve(world.service(), &olu, new.id, seen(&new)).await.unwrap();
    world.work().await;
    assert_eq!(world.automation.changes()[0].path, "/hosts/prn-00002/restart");
    assert_eq!(world.automation.changes().len(), 1);
    world.audit().await;
}

#[tokio::test]
async fn a_touch_that_says_nothing_new_and_a_late_old_report_leave_the_proposal_as_it_is() {
    let world = World::new().await;
    let at = |time: &str| with(does_not_print("1", "prn-00001"), "updated_at", json!(time));
    let id = world.tell(&at("2023-11-14T22:00:00Z")).await;
    world.work().await;
    let proposal = world.proposal(id).await;
    let touched = with(at("2023-11-14T22:10:00Z"), "tags", json!(["sluicegate:triaged"]));
    assert_eq!(world.tell(&touched).await, id);
    let late = with(does_not_print("1", "prn-00009"), "updated_at", json!("2023-11-14T21:00:00Z"));
    assert_eq!(world.tell(&late).await, id);
    assert_eq!(world.proposal(id).await, proposal);
    let twice = [world.deliver("msg_touch", &touched).await.json(), world.deliver("msg_touch", &touched).await.json()];
    assert_eq!((&twice[1]["duplicate"], &twice[1]["tickets"]), (&json!(true), &twice[0]["tickets"]));
    assert_eq!(twice[0]["tickets"], json!([id]));
    world.audit().await;
}

#[tokio::test]
async fn a_ticket_that_its_sender_resolves_is_closed_and_its_proposal_with_it() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver]).await;
    let id = world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    let proposal = world.proposal(id).await;
    world.tell(&with(does_not_print("1", "prn-00001"), "event", json!("resolved"))).await;
    world.work().await;
    assert_eq!(world.ticket(id).await.state, TicketState::Resolved);
    assert_eq!(world.proposal(id).await.state, RecommendationState::Superseded);
    assert!(matches!(approve(world.service(), &olu, proposal.id, seen(&proposal)).await, Err(ActionError::Changed(_))));
    assert!(world.automation.calls().is_empty());
    let never_open = world.tell(&with(does_not_print("2", "prn-00002"), "event", json!("resolved"))).await;
    world.work().await;
    assert_eq!(world.ticket(never_open).await.state, TicketState::Resolved);
    world.audit().await;
}

#[tokio::test]
async fn an_update_while_a_run_has_the_ticket_stops_what_is_not_begun_and_is_triaged_after_it() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver]).await;
    for (external_id, held, state, changes) in
        [("1", "GET /hosts/prn-00001", ExecutionState::Refused, 0), ("2", "POST /hosts/prn-00002", ExecutionState::Succeeded, 1)]
    {
        let host = format!("prn-0000{external_id}");
        let id = world.tell(&does_not_print(external_id, &host)).await;
        world.work().await;
        let proposal = world.proposal(id).await;
        approve(world.service(), &olu, proposal.id, seen(&proposal)).await.unwrap();
        let (arrived, go_on) = world.automation.hold(held);
        let service = world.service().clone();
        let running = tokio::spawn(async move { workers::execute::step(&service, 1).await.unwrap() });
        within("the held call", arrived).await.unwrap();
        world.tell(&with(does_not_print(external_id, &host), "body", json!("and its neighbour too"))).await;
        assert_eq!(world.ticket(id).await.state, TicketState::Executing);
        go_on.send(()).unwrap();
        within("the run", running).await.unwrap();
        assert_eq!((world.runs(id).await[0].state, world.automation.changes().len()), (state, changes));
        assert_eq!(world.ticket(id).await.state, TicketState::Received, "what the sender said meanwhile is not lost");
        world.work().await;
        assert_eq!(world.ticket(id).await.state, TicketState::AwaitingApproval);
        assert!(!world.desk.is_solved(external_id), "the sender has said more");
    }
    world.audit().await;
}

#[tokio::test]
async fn one_delivery_that_names_a_ticket_twice_is_one_ticket_with_the_last_word() {
    let world = World::new().await;
    let report = |host: &str| sluicegate::intake::adapters::json::report(does_not_print("1", host).to_string().as_bytes()).unwrap();
    let mut resolved = report("prn-00001");
    resolved.event = TicketEvent::Resolved;
    let arrival = |key: &str, reports| accept::Arrival {
        tenant: tenant(),
        source: "hooks".parse().unwrap(),
        dedup_key: key.to_owned(),
        headers: Vec::new(),
        body: b"{}".to_vec(),
        reading: Reading::Tickets(reports),
    };
    for (key, reports) in [("a", vec![report("prn-00001"), report("prn-00002")]), ("b", vec![report("prn-00003"), resolved])] {
        let accept::Accepted::Tickets { tickets, .. } = accept::accept(world.service(), arrival(key, reports)).await.unwrap() else {
            panic!("not accepted")
        };
        assert_eq!(tickets.len(), 1);
        let state = if key == "a" { TicketState::Received } else { TicketState::Resolved };
        assert_eq!(world.ticket(tickets[0]).await.state, state);
    }
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn duplicates_and_a_replayed_dead_letter_make_each_ticket_once() {
    let world = World::new().await;
    let first = world.deliver("msg_a", &does_not_print("1", "prn-00001")).await.json();
    let again = world.deliver("msg_a", &does_not_print("1", "prn-00001")).await.json();
    assert_eq!((&again["duplicate"], &again["tickets"], &again["id"]), (&json!(true), &first["tickets"], &first["id"]));

    // Kept as unreadable by an adapter since mended: the bytes are good.
    let body = does_not_print("2", "prn-00002").to_string().into_bytes();
    let arrival = accept::Arrival {
        tenant: tenant(),
        source: "desk".parse().unwrap(),
        dedup_key: "kept".to_owned(),
        headers: Vec::new(),
        body,
        reading: Reading::Unreadable { reason: "the adapter did not know it".to_owned() },
    };
    let accept::Accepted::DeadLettered { dead_letter, .. } = accept::accept(world.service(), arrival).await.unwrap() else {
        panic!("not kept")
    };
    let ops = world.person("ops", &[Operator]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (service, ops) = (world.service().clone(), ops.clone());
        tasks.spawn(async move { dead_letter::replay(&service, &ops, dead_letter).await });
    }
    let answers = within("the replays", tasks.join_all()).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    world.work().await;
    let token = world.app.token(&[Responder]).await;
    assert_eq!(world.app.get(&token, "/v1/tickets").await.json()["items"].as_array().unwrap().len(), 2);
    assert!(world.store().dead_letter(&tenant(), dead_letter).await.unwrap().is_none());
    world.audit().await;
}

#[tokio::test]
async fn a_decision_made_again_is_the_same_and_one_changed_byte_is_named() {
    let world = World::new().await;
    world.automated(GENEROUS).await;
    let id = world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    let past = Past { ticket: world.ticket(id).await, recommendation: world.proposal(id).await };
    // As the command line gets it.
    let past: Past = serde_json::from_str(&serde_json::to_string(&past).unwrap()).unwrap();
    let config = &world.service().config;
    assert_eq!(replay(&Decider::load(config).unwrap(), &past).unwrap(), Vec::<String>::new());

    let folder = world.app.folder.path();
    let copy = |from: &std::path::Path, name: &str| {
        let to = folder.join(name);
        std::fs::create_dir_all(&to).unwrap();
        for file in std::fs::read_dir(from).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
        to
    };
    let named = |config: &sluicegate::config::Config, what: &str| {
        let said = replay(&Decider::load(config).unwrap(), &past).unwrap();
        assert_eq!((said.len(), said[0].starts_with(what)), (1, true), "{what}: {said:?}");
    };
    let mut changed = (**config).clone();
    changed.gate.policies = copy(&config.gate.policies, "policies");
    let policy = changed.gate.policies.join("automation.cedar");
    std::fs::write(&policy, std::fs::read_to_string(&policy).unwrap() + "\n").unwrap();
    named(&changed, "policies");

    let mut changed = (**config).clone();
    changed.triage.signals = folder.join("signals.toml");
    std::fs::write(&changed.triage.signals, std::fs::read_to_string(&config.triage.signals).unwrap() + "\n").unwrap();
    named(&changed, "signals");

    std::fs::write(folder.join("runbooks/restart-spooler.md"), format!("{RUNBOOK}\n")).unwrap();
    named(config, "runbooks");

    let mut other = past.clone();
    other.recommendation.receipt.model = sluicegate::domain::digest::Digest::of(b"another model");
    std::fs::write(folder.join("runbooks/restart-spooler.md"), RUNBOOK).unwrap();
    let said = replay(&world.service().decider(), &other).unwrap();
    assert!(said[0].starts_with("model"), "{said:?}");
    let mut forged = past.clone();
    forged.recommendation.parameters[0].value = "prn-00099".to_owned();
    assert_eq!(replay(&world.service().decider(), &forged).unwrap().len(), 1, "a recommendation that is not its receipt's is named");
    world.audit().await;
}

#[tokio::test]
async fn another_tenants_token_sees_nothing_and_does_nothing() {
    let world = World::new().await;
    let olu = world.person("olu", &[Approver]).await;
    let ran = world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    let proposal = world.proposal(ran).await;
    approve(world.service(), &olu, proposal.id, seen(&proposal)).await.unwrap();
    world.work().await;
    let run = world.runs(ran).await[0].id;
    let proposal = world.proposal(ran).await;
    let message = world.store().messages_for(&tenant(), ran).await.unwrap()[0].id;
    let eve = world.app.token_of("acme", "eve", &[Responder, Approver, Operator, Auditor], None).await;
    for path in [format!("/v1/tickets/{ran}"), format!("/v1/recommendations/{}", proposal.id), format!("/v1/executions/{run}")] {
        world.app.get(&eve, &path).await.is(404, "not-found");
    }
    for list in ["/v1/tickets", "/v1/recommendations", "/v1/pre-approvals", "/v1/dead-letters", "/v1/outbox"] {
        let answer = world.app.get(&eve, list).await;
        assert_eq!(answer.json()["items"], json!([]), "{list}: {answer:?}");
    }
    let entries = world.app.get(&eve, "/v1/log/entries").await;
    assert!(!entries.text.contains(&ran.to_string()) && !entries.text.contains(&message.to_string()), "{entries:?}");
    let body = json!({ "binding": proposal.binding().unwrap(), "revision": proposal.revision });
    let answer: Answer = world.app.send(&eve, "POST", &format!("/v1/recommendations/{}/approve", proposal.id), body).await;
    answer.is(404, "not-found");
    world.app.send(&eve, "PUT", "/v1/kill-switch", json!({ "on": true, "reason": "mine" })).await;
    assert!(world.store().modes(&tenant()).await.unwrap().kill_switch.is_none(), "a switch is its tenant's own");
    world.audit().await;
}
