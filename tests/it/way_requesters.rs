//! Who asks: a list or a directory says who is flagged, VIP and entitled, and how often is too often.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Value, json};
use sluicegate::{
    config::Config,
    domain::{execution::ExecutionState, id::TicketId, principal::Role::Approver, recommendation::RecommendationState, state::TicketState},
    gate::{
        Facts,
        facts::{RequestRate, StandingFacts},
    },
    pipeline::{
        actions::approve::approve,
        reload::reload,
        replay::{Past, replay},
        workers,
    },
};

use crate::way_world::{GENEROUS, World, does_not_print, refused_by, seen, serve, within};

/// A list of requesters that a test writes anew.
struct List(tempfile::TempDir);

impl List {
    fn new(csv: &str) -> Self {
        let list = Self(tempfile::tempdir().unwrap());
        list.says(csv);
        list
    }

    fn says(&self, csv: &str) {
        std::fs::write(self.0.path().join("requesters.csv"), csv).unwrap();
    }

    async fn world(&self) -> World {
        World::with(|config: &mut Config| config.requesters.file = self.0.path().join("requesters.csv")).await
    }
}

/// `does_not_print` from somebody.
fn from(number: u32, requester: Value) -> Value {
    let mut ticket = does_not_print(&number.to_string(), &format!("prn-{number:05}"));
    ticket["requester"] = requester;
    ticket
}

async fn told(world: &World, ticket: &Value) -> TicketId {
    let id = world.tell(ticket).await;
    world.work().await;
    id
}

async fn facts(world: &World, id: TicketId) -> Facts {
    Facts::read(&world.proposal(id).await.receipt.facts).unwrap()
}

#[tokio::test]
async fn a_list_sends_flagged_vip_and_unentitled_requesters_to_people_and_lets_the_others_run() {
    let list = List::new(
        "id,vip,flagged,groups,entitled\n\
         Mallory@example.com,no,yes,,*\n\
         ceo@example.com,yes,no,board,*\n\
         ana@example.com,no,no,staff,restart-spooler\n\
         bo@example.com,no,no,staff;night-shift,unlock-account\n",
    );
    let world = list.world().await;
    world.automated(GENEROUS).await;
    let cases = [
        (json!({"id": "u-1", "email": "ana@example.com"}), None),
        (json!({"id": "u-2", "email": "nobody@example.com"}), None),
        (json!({"id": "u-3", "email": "mallory+printer@EXAMPLE.com"}), Some("requester_unflagged")),
        (json!({"id": "MALLORY@example.com."}), Some("requester_unflagged")),
        (json!({"id": "u-4", "email": "mаllory@example.com"}), Some("requester_standing_known")),
        (json!({"id": "u-5", "email": "ceo@example.com"}), Some("vip-tickets-to-people")),
        (json!({"id": "u-6", "email": "bo@example.com"}), Some("unentitled-requesters-to-people")),
    ];
    let mut runs = 0;
    for (number, (requester, refused)) in (1..).zip(cases) {
        let id = told(&world, &from(number, requester.clone())).await;
        let proposal = world.proposal(id).await;
        assert_eq!(refused_by(&proposal), refused.into_iter().collect::<Vec<_>>(), "{requester}");
        let state = if refused.is_some() { TicketState::AwaitingApproval } else { TicketState::Resolved };
        assert_eq!(world.ticket(id).await.state, state, "{requester}");
        runs += usize::from(refused.is_none());
        assert_eq!(world.automation.changes().len(), runs);
        let asker = facts(&world, id).await.requester.unwrap();
        match requester["email"].as_str() {
            Some("ana@example.com") => assert!(asker.known && asker.entitled == Some(true) && asker.groups.contains("staff")),
            Some("nobody@example.com") => {
                assert!(!asker.known && asker.entitled.is_none() && asker.standing == Some(StandingFacts::Listed))
            }
            _ => {}
        }
    }
    world.audit().await;
}

#[tokio::test]
async fn a_new_flag_counts_from_the_reload_and_a_list_that_is_wrong_leaves_the_last_good_in_force() {
    let list = List::new("id,flagged\nana@example.com,no\n");
    let world = list.world().await;
    world.automated(GENEROUS).await;
    let ana = || json!({"id": "u-1", "email": "ana@example.com"});
    let first = told(&world, &from(1, ana())).await;
    assert_eq!(world.ticket(first).await.state, TicketState::Resolved);

    list.says("id,flagged\nana@example.com,yes\n");
    assert!(reload(world.service()).await);
    let second = told(&world, &from(2, ana())).await;
    assert_eq!(refused_by(&world.proposal(second).await), ["requester_unflagged"]);

    list.says("id,flagged\nana@example.com,perhaps\n");
    assert!(!reload(world.service()).await);
    let loads = serde_json::to_value(world.service().loads.all()).unwrap();
    let said = loads["requesters"]["refused"]["message"].as_str().unwrap();
    assert!(said.ends_with("requesters.csv:2: `flagged` is `perhaps`: expected `yes` or `no`"), "{said}");
    assert!(loads["policies"].get("refused").is_none(), "a slip in the list keeps no policy out");
    let third = told(&world, &from(3, ana())).await;
    assert_eq!(refused_by(&world.proposal(third).await), ["requester_unflagged"], "the last good list");
    assert_eq!(world.automation.changes().len(), 1);

    // A person who looked may still say yes.
    let olu = world.person("olu", &[Approver]).await;
    let proposal = world.proposal(third).await;
    assert_eq!(approve(world.service(), &olu, proposal.id, seen(&proposal)).await.unwrap().state, RecommendationState::Approved);
    world.work().await;
    assert_eq!((world.ticket(third).await.state, world.automation.changes().len()), (TicketState::Resolved, 2));
    world.audit().await;
}

#[tokio::test]
async fn a_requester_flagged_after_the_decision_stops_the_automatic_run_before_its_next_call() {
    let list = List::new("id,flagged\nana@example.com,no\n");
    let world = list.world().await;
    world.automated(GENEROUS).await;
    let ana = || json!({"id": "u-1", "email": "ana@example.com"});
    let pending = world.tell(&from(1, ana())).await;
    workers::triage::step(world.service()).await.unwrap();
    assert_eq!(world.runs(pending).await[0].state, ExecutionState::Pending);
    list.says("id,flagged\nana@example.com,yes\n");
    assert!(reload(world.service()).await);
    world.work().await;
    assert_eq!(world.runs(pending).await[0].state, ExecutionState::Refused);
    assert!(world.automation.calls().is_empty());

    list.says("id,flagged\nana@example.com,no\n");
    assert!(reload(world.service()).await);
    let running = world.tell(&from(2, ana())).await;
    let (arrived, go_on) = world.automation.hold("GET /hosts/prn-00002");
    workers::triage::step(world.service()).await.unwrap();
    let service = world.service().clone();
    let run = tokio::spawn(async move { workers::execute::step(&service, 1).await.unwrap() });
    within("the precheck", arrived).await.unwrap();
    list.says("id,flagged\nana@example.com,yes\n");
    assert!(reload(world.service()).await);
    go_on.send(()).unwrap();
    within("the run", run).await.unwrap();
    assert_eq!(world.runs(running).await[0].state, ExecutionState::Refused);
    assert!(world.automation.changes().is_empty());
    world.work().await;
    world.audit().await;
}

#[tokio::test]
async fn the_fourth_ticket_of_one_requester_in_an_hour_goes_to_a_person_under_a_limit_of_three() {
    let world = World::with(|config| config.requesters.rate_limit = 3).await;
    world.automated(GENEROUS).await;
    let ana = || json!({"id": "u-1", "email": "ana@example.com"});
    for number in 1..=3 {
        let id = told(&world, &from(number, ana())).await;
        assert_eq!(world.ticket(id).await.state, TicketState::Resolved, "{number}");
    }
    let fourth = told(&world, &from(4, ana())).await;
    let proposal = world.proposal(fourth).await;
    assert_eq!(refused_by(&proposal), ["requester_rate"]);
    let said = &proposal.verdict.refusals().next().unwrap().message;
    assert_eq!(said, "4 tickets of this requester in the last hour, this one included, more than 3: a person decides");
    assert_eq!(facts(&world, fourth).await.requester.unwrap().rate, Some(RequestRate { tickets_hour: 4, limit: 3 }));
    let other = told(&world, &from(5, json!({"id": "u-2"}))).await;
    assert_eq!(world.ticket(other).await.state, TicketState::Resolved, "another requester");
    world.app.ambient.turn(Duration::from_secs(3_601));
    let later = told(&world, &from(6, ana())).await;
    assert_eq!(world.ticket(later).await.state, TicketState::Resolved, "an hour later");
    world.audit().await;
}

/// A directory of people: records by identity; `None` answers 503.
#[derive(Clone, Default)]
struct People {
    records: Arc<Mutex<Option<BTreeMap<String, Value>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl People {
    async fn show(State(this): State<Self>, Path(id): Path<String>) -> Response {
        this.asked.lock().unwrap().push(id.clone());
        match &*this.records.lock().unwrap() {
            None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Some(records) => {
                records.get(&id).map_or_else(|| StatusCode::NOT_FOUND.into_response(), |record| Json(record.clone()).into_response())
            }
        }
    }

    fn say(&self, records: &Value) {
        *self.records.lock().unwrap() = serde_json::from_value(records.clone()).unwrap();
    }

    /// A service that asks this directory, and remembers nothing.
    async fn world(&self) -> World {
        let address = serve(Router::new().route("/people/{id}", get(People::show)).with_state(self.clone())).await;
        let directory = json!({
            "name": "people", "kind": "http", "base_url": format!("http://{address}/"), "path": "/people/*", "ttl": "off", "stale_limit": "off",
            "allow_addresses": ["127.0.0.0/8"],
        });
        World::with(move |config| {
            config.directories = vec![serde_json::from_value(directory).unwrap()];
            config.requesters.directory = "people".to_owned();
        })
        .await
    }
}

#[tokio::test]
async fn a_directory_is_asked_for_each_identity_its_answer_is_in_the_receipt_and_its_silence_stops_automation() {
    let people = People::default();
    people.say(&json!({"ana@example.com": {"id": "Ana@example.com", "groups": ["staff"], "entitled": ["restart-spooler"]}}));
    let world = people.world().await;
    world.automated(GENEROUS).await;
    let ana = || json!({"id": "u-1", "email": "Ana+printer@example.com"});
    let first = told(&world, &from(1, ana())).await;
    assert_eq!(world.ticket(first).await.state, TicketState::Resolved, "{:?}", refused_by(&world.proposal(first).await));
    let asker = facts(&world, first).await.requester.unwrap();
    assert!(asker.known && asker.entitled == Some(true) && asker.groups.contains("staff"));
    assert!(matches!(asker.standing, Some(StandingFacts::Answered { .. })), "{asker:?}");
    assert!(people.asked.lock().unwrap().iter().all(|id| id == "u-1" || id == "ana@example.com"));

    people.say(&json!({"u-1": {"flagged": true}, "ana@example.com": {"entitled": ["*"]}}));
    let flagged = told(&world, &from(2, ana())).await;
    assert_eq!(refused_by(&world.proposal(flagged).await), ["requester_unflagged"]);

    people.say(&Value::Null);
    let silent = told(&world, &from(3, ana())).await;
    let proposal = world.proposal(silent).await;
    assert_eq!(refused_by(&proposal), ["requester_standing_known"]);
    assert_eq!(world.ticket(silent).await.state, TicketState::AwaitingApproval);
    let said = &proposal.verdict.refusals().next().unwrap().message;
    assert_eq!(said, "the requester's standing is not known: directory `people`: it answered 503");
    assert_eq!(world.automation.changes().len(), 1);

    // Replayed with a directory that says something else: the facts in the receipt decide.
    people.say(&json!({}));
    let asked = people.asked.lock().unwrap().len();
    for id in [flagged, silent] {
        let past = Past { ticket: world.ticket(id).await, recommendation: world.proposal(id).await };
        assert_eq!(replay(&world.service().decider(), &past).unwrap(), Vec::<String>::new());
    }
    assert_eq!(people.asked.lock().unwrap().len(), asked, "a replay asks nobody");
    world.audit().await;
}

#[tokio::test]
async fn a_directory_that_falls_silent_after_the_decision_stops_the_pending_automatic_run() {
    let people = People::default();
    people.say(&json!({}));
    let world = people.world().await;
    world.automated(GENEROUS).await;
    let id = world.tell(&from(1, json!({"id": "u-1"}))).await;
    workers::triage::step(world.service()).await.unwrap();
    assert_eq!(world.runs(id).await[0].state, ExecutionState::Pending);
    people.say(&Value::Null);
    world.work().await;
    assert_eq!(world.runs(id).await[0].state, ExecutionState::Refused);
    assert!(world.automation.calls().is_empty());
    world.audit().await;
}
