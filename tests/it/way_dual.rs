//! What takes two persons: `auto`, and running something in a freeze.

use std::time::Duration;

use serde_json::{Value, json};
use sluicegate::{
    config::secret::Secret,
    domain::{
        ambient::Ambient as _,
        approval::{Mode, Scope},
        dual_authorization::{DualAuthorization, Standing},
        entry::Event,
        execution::ExecutionState,
        id::TicketId,
        principal::{
            Actor, Principal,
            Role::{Admin, Approver, Operator, Responder},
        },
        recommendation::Recommendation,
        state::TicketState,
        verdict::Decision,
    },
    pipeline::{
        actions::{
            approve::approve,
            dual_authorization::{self, Asked, LIFETIME},
            modes::{release, stop},
            password, token,
        },
        error::ActionError,
        passwords::{TRIES, WINDOW},
        reload::reload,
        workers,
    },
};

use crate::{
    app::{App, RUNBOOK},
    way_world::{
        GENEROUS, World, ask_auto, confirm, does_not_print, password_of, pre_approve, refused_by, runbook, seen, set_mode, tenant,
        with_password, within,
    },
};

/// What the log says from an index on.
async fn events(world: &World) -> Vec<Event> {
    world.store().entry_range(0, 100_000).await.unwrap().into_iter().map(|logged| logged.entry.event).collect()
}

async fn mode(world: &World) -> Mode {
    world.store().modes(&tenant()).await.unwrap().global
}

fn is_refused<T: std::fmt::Debug>(answer: &Result<T, ActionError>, word: &str) {
    assert!(matches!(answer, Err(ActionError::Refused(why)) if why.iter().any(|why| why.contains(word))), "{word}: {answer:?}");
}

fn is_changed<T: std::fmt::Debug>(answer: &Result<T, ActionError>, word: &str) {
    assert!(matches!(answer, Err(ActionError::Changed(why)) if why.contains(word)), "{word}: {answer:?}");
}

// Auto.

#[tokio::test]
async fn auto_takes_two_approvers_with_two_passwords_and_one_call_stops_it_again() {
    let app = App::start().await;
    let admin = app.token_of("default", "adi", &[Admin], None).await;
    let (olu, vera) = (app.token_of("default", "olu", &[Approver], None).await, app.token_of("default", "vera", &[Approver], None).await);
    for (person, text) in [("olu", "olu's own password"), ("vera", "vera's own password")] {
        let set = app.send(&admin, "PUT", &format!("/v1/people/{person}/password"), json!({ "password": text })).await;
        assert_eq!(set.status, 204, "{set:?}");
    }
    let revision = app.get(&olu, "/v1/modes").await.json()["revision"].clone();
    let alone = app.send(&olu, "PUT", "/v1/modes/global", json!({ "mode": "auto", "revision": revision })).await;
    alone.is(403, "refused");
    assert!(alone.text.contains("/v1/dual-authorizations"), "{alone:?}");

    let wanted = |password: &str| {
        json!({
            "matter": "auto_mode", "scope": { "scope": "runbook", "name": "restart-spooler" }, "reason": "60 right in a row",
            "password": password,
        })
    };
    let ask = async |password: &str| app.send(&olu, "POST", "/v1/dual-authorizations", wanted(password)).await;
    ask("vera's own password").await.is(403, "reauthentication-failed");
    let asked = ask("olu's own password").await;
    assert_eq!((asked.status, &asked.json()["standing"]["state"]), (201, &json!("open")), "{asked:?}");
    assert!(!asked.text.contains("password"), "{asked:?}");
    let path = format!("/v1/dual-authorizations/{}", asked.json()["id"].as_str().unwrap());
    assert_eq!(app.get(&vera, &path).await.json(), asked.json());
    assert!(app.get(&vera, "/v1/modes").await.json()["runbooks"].get("restart-spooler").is_none(), "asking sets nothing");

    let word = async |token: &str, password: &str, revision: u64| {
        app.send(token, "POST", &format!("{path}/confirm"), json!({ "password": password, "revision": revision })).await
    };
    word(&olu, "olu's own password", 1).await.is(403, "refused");
    word(&vera, "olu's own password", 1).await.is(403, "reauthentication-failed");
    word(&vera, "vera's own password", 7).await.is(409, "changed");
    word(&admin, "vera's own password", 1).await.is(403, "missing-role");
    app.send(&vera, "POST", &format!("{path}/confirm"), json!({ "password": "vera's own password" }))
        .await
        .is(428, "precondition-required");
    let confirmed = word(&vera, "vera's own password", 1).await;
    assert_eq!((confirmed.status, &confirmed.json()["standing"]["by"]), (200, &json!("vera")), "{confirmed:?}");
    assert_eq!(confirmed.header("etag"), "\"2\"");
    let modes = app.get(&vera, "/v1/modes").await.json();
    assert_eq!(modes["runbooks"]["restart-spooler"], "auto");
    assert_eq!(modes["auto_since"]["restart-spooler"], "2023-11-14T22:13:20.000Z");
    word(&vera, "vera's own password", 2).await.is(409, "changed");
    let listed = app.get(&vera, "/v1/dual-authorizations").await.json();
    assert_eq!(listed["items"].as_array().unwrap(), &[confirmed.json()]);

    let rea = app.token_of("default", "rea", &[Responder], None).await;
    let pulled = app.send(&rea, "PUT", "/v1/kill-switch", json!({ "on": true, "reason": "drill" })).await;
    assert_eq!((pulled.status, &pulled.json()["kill_switch"]["by"]), (200, &json!("rea")));

    let told = app.get(&vera, "/v1/log/entries?limit=200").await.json();
    let told: Vec<(&str, &str)> = told["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|logged| (logged["entry"]["event"].as_str().unwrap(), logged["entry"]["actor"]["id"].as_str().unwrap_or("")))
        .filter(|(event, _)| *event != "token_created")
        .collect();
    let expected = [
        ("password_set", "adi"),
        ("password_set", "adi"),
        ("reauthentication_failed", "olu"),
        ("authorization_requested", "olu"),
        ("reauthentication_failed", "vera"),
        ("authorization_confirmed", "vera"),
        ("mode_changed", "vera"),
        ("kill_switch", "rea"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn one_person_is_one_person_under_every_spelling_of_the_name() {
    let world = World::new().await;
    let olu = with_password(world.service(), "olu@example.com", &[Approver]).await;
    let asked = ask_auto(world.service(), &olu, Scope::Global).await.unwrap();
    let same = world.person("Olu@Example.COM", &[Approver]).await;
    let answer = dual_authorization::confirm(world.service(), &same, asked.id, 1, &password_of(&olu).into()).await;
    is_refused(&answer, "another person");
    assert_eq!(mode(&world).await, Mode::Suggest);
}

#[tokio::test]
async fn five_wrong_passwords_close_the_door_to_the_right_one_too_until_the_window_has_passed() {
    let world = World::new().await;
    let olu = with_password(world.service(), "olu", &[Approver]).await;
    let vera = with_password(world.service(), "vera", &[Approver]).await;
    let asked = ask_auto(world.service(), &olu, Scope::Global).await.unwrap();
    let other_spelling = world.person("VERA", &[Approver]).await;
    for number in 0..TRIES + 2 {
        let by = if number % 2 == 0 { &vera } else { &other_spelling };
        let answer = dual_authorization::confirm(world.service(), by, asked.id, 1, &Secret::new("not vera's password").into()).await;
        assert!(matches!(answer, Err(ActionError::NotProven)), "{answer:?}");
    }
    assert!(matches!(confirm(world.service(), &vera, &asked).await, Err(ActionError::NotProven)), "the right one too");
    let failed = events(&world).await.iter().filter(|event| matches!(event, Event::ReauthenticationFailed { .. })).count();
    assert_eq!(failed, TRIES, "each try that was checked is in the log");
    let ada = with_password(world.service(), "ada", &[Approver]).await;
    let wrong = Secret::new("wrong for ada too");
    assert!(matches!(
        dual_authorization::confirm(world.service(), &ada, asked.id, 1, &wrong.clone().into()).await,
        Err(ActionError::NotProven)
    ));
    world.app.ambient.turn(WINDOW);
    confirm(world.service(), &vera, &asked).await.unwrap();
    assert_eq!(mode(&world).await, Mode::Auto);
}

#[tokio::test]
async fn who_has_no_password_is_told_what_a_wrong_one_is_told() {
    let app = App::start().await;
    let bare = app.token_of("default", "bo", &[Approver], None).await;
    let with = app.token_of("default", "cy", &[Approver], None).await;
    password::put(&app.service, Actor::Engine, &tenant(), &"cy".parse().unwrap(), &Secret::new("the password of cy")).await.unwrap();
    let body = json!({ "matter": "auto_mode", "scope": { "scope": "global" }, "reason": "x", "password": "a wrong password" });
    let (one, other) = (
        app.send(&bare, "POST", "/v1/dual-authorizations", body.clone()).await,
        app.send(&with, "POST", "/v1/dual-authorizations", body).await,
    );
    one.is(403, "reauthentication-failed");
    assert_eq!(one.text, other.text);
}

#[tokio::test]
async fn a_token_alone_never_leads_to_a_password_of_its_person() {
    let app = App::start().await;
    let admin = app.token_of("default", "adi", &[Admin, Approver], None).await;
    let bo = app.token_of("default", "bo", &[Approver], None).await;
    let set = async |token: &str, person: &str, body: Value| app.send(token, "PUT", &format!("/v1/people/{person}/password"), body).await;
    let first = json!({ "password": "a first password" });
    set(&bo, "bo", first.clone()).await.is(403, "refused");
    set(&bo, "Bo", first.clone()).await.is(403, "refused");
    set(&bo, "cy", first.clone()).await.is(403, "missing-role");
    set(&admin, "adi", first.clone()).await.is(403, "refused");
    for bad in ["short", "x".repeat(257).as_str()] {
        let answer = set(&admin, "bo", json!({ "password": bad })).await;
        answer.is(422, "invalid-body");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/password");
    }
    assert_eq!(set(&admin, "bo", first).await.status, 204);
    let changed = json!({ "password": "a second password" });
    let answer = set(&bo, "bo", changed.clone()).await;
    assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (422, &json!("/current")));
    set(&bo, "bo", json!({ "password": "a second password", "current": "not the first one" })).await.is(403, "reauthentication-failed");
    assert_eq!(set(&bo, "bo", json!({ "password": "a second password", "current": "a first password" })).await.status, 204);
    set(&bo, "bo", json!({ "password": "a third password", "current": "a first password" })).await.is(403, "reauthentication-failed");
    let log = app.get(&bo, "/v1/log/entries").await.text;
    assert!(!log.contains("argon2") && !log.contains("second password"), "{log}");
}

#[tokio::test]
async fn nobody_confirms_under_a_password_that_the_requester_set() {
    let world = World::new().await;
    let service = world.service();
    let olu = with_password(service, "olu", &[Approver, Admin]).await;
    let vera = world.person("vera", &[Approver]).await;
    password::set(service, &olu, &vera.person, &password_of(&vera), None).await.unwrap();
    let asked = ask_auto(service, &olu, Scope::Global).await.unwrap();
    is_refused(&confirm(service, &vera, &asked).await, "change it first");
    assert_eq!(mode(&world).await, Mode::Suggest);
    let own = Secret::new("chosen by vera herself");
    password::set(service, &vera, &vera.person, &own, Some(&password_of(&vera))).await.unwrap();
    dual_authorization::confirm(service, &vera, asked.id, 1, &own.clone().into()).await.unwrap();
    assert_eq!(mode(&world).await, Mode::Auto);
}

#[tokio::test]
async fn an_expired_or_withdrawn_request_confirms_nothing() {
    let world = World::new().await;
    let olu = with_password(world.service(), "olu", &[Approver]).await;
    let vera = with_password(world.service(), "vera", &[Approver]).await;
    let late = ask_auto(world.service(), &olu, Scope::Global).await.unwrap();
    world.app.ambient.turn(LIFETIME);
    is_refused(&confirm(world.service(), &vera, &late).await, "expired");

    let taken_back = ask_auto(world.service(), &olu, Scope::Global).await.unwrap();
    let rea = world.person("rea", &[Responder]).await;
    let answer = dual_authorization::withdraw(world.service(), &rea, taken_back.id, 1).await;
    assert!(matches!(answer, Err(ActionError::MissingRole { .. })), "{answer:?}");
    let withdrawn = dual_authorization::withdraw(world.service(), &olu, taken_back.id, 1).await.unwrap();
    assert_eq!(withdrawn.standing, Standing::Withdrawn { by: olu.person.clone(), at: world.app.ambient.now() });
    is_changed(&confirm(world.service(), &vera, &taken_back).await, "revision");
    is_changed(&confirm(world.service(), &vera, &withdrawn).await, "withdrew");
    is_changed(&dual_authorization::withdraw(world.service(), &olu, taken_back.id, 2).await, "withdrew");
    assert_eq!(mode(&world).await, Mode::Suggest);

    let asked = ask_auto(world.service(), &olu, Scope::Global).await.unwrap();
    let confirmed = confirm(world.service(), &vera, &asked).await.unwrap();
    is_changed(&dual_authorization::withdraw(world.service(), &olu, asked.id, confirmed.revision).await, "suggest");
    is_changed(&ask_auto(world.service(), &olu, Scope::Global).await, "is `auto`");
}

#[tokio::test]
async fn a_mode_that_was_lowered_since_the_request_stays_lowered() {
    let world = World::new().await;
    let olu = with_password(world.service(), "olu", &[Approver]).await;
    let vera = with_password(world.service(), "vera", &[Approver]).await;
    let ops = world.person("ops", &[Operator]).await;
    let asked = ask_auto(world.service(), &olu, Scope::Global).await.unwrap();
    set_mode(world.service(), &ops, Mode::Shadow).await;
    is_changed(&confirm(world.service(), &vera, &asked).await, "was set since");
    assert_eq!(mode(&world).await, Mode::Shadow);
    // Asked again in the same instant, and another scope does not matter.
    let again = ask_auto(world.service(), &olu, Scope::Global).await.unwrap();
    let other = ask_auto(world.service(), &olu, Scope::Runbook(runbook())).await.unwrap();
    confirm(world.service(), &vera, &other).await.unwrap();
    confirm(world.service(), &vera, &again).await.unwrap();
    assert_eq!(mode(&world).await, Mode::Auto);
}

#[tokio::test]
async fn a_requester_who_lost_the_role_has_asked_for_nothing() {
    let world = World::new().await;
    let service = world.service();
    let olu = with_password(service, "olu", &[Approver]).await;
    let vera = with_password(service, "vera", &[Approver]).await;
    let asked = ask_auto(service, &olu, Scope::Global).await.unwrap();
    for held in world.store().tokens(&tenant()).await.unwrap().into_iter().filter(|token| token.person == olu.person) {
        token::revoke(service, Actor::Engine, &tenant(), held.id).await.unwrap();
    }
    is_refused(&confirm(service, &vera, &asked).await, "no longer has the role");
    assert_eq!(mode(&world).await, Mode::Suggest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_confirmations_at_once_one_wins_and_the_kill_switch_stays_pulled() {
    let world = World::new().await;
    let olu = with_password(world.service(), "olu", &[Approver]).await;
    let ops = world.person("ops", &[Operator]).await;
    let asked = ask_auto(world.service(), &olu, Scope::Global).await.unwrap();
    stop(world.service(), &ops, "something burns").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..6 {
        let by = with_password(world.service(), &format!("approver-{number}"), &[Approver]).await;
        let (service, asked) = (world.service().clone(), asked.clone());
        tasks.spawn(async move { confirm(&service, &by, &asked).await });
    }
    let answers = within("the confirmations", tasks.join_all()).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(ActionError::Changed(_)))), "{answers:?}");
    let changes = events(&world).await.into_iter().filter(|event| matches!(event, Event::ModeChanged { .. })).count();
    let modes = world.store().modes(&tenant()).await.unwrap();
    assert_eq!((changes, modes.global, modes.kill_switch.is_some()), (1, Mode::Auto, true));

    pre_approve(world.service(), &olu, GENEROUS).await;
    let ticket = world.tell(&does_not_print("1", "prn-00007")).await;
    world.work().await;
    assert_eq!(
        (world.ticket(ticket).await.state, refused_by(&world.proposal(ticket).await)[0]),
        (TicketState::Recommended, "kill_switch_off")
    );
    assert!(world.automation.calls().is_empty());
    world.audit().await;
}

// Freeze.

/// A world in a freeze that lasts from before the tests' start until fourteen hours after it.
async fn frozen() -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
    }
    let window = "[[window]]\nname = \"release\"\nkind = \"freeze\"\nzone = \"UTC\"\nfrom = \"2023-11-14T20:00:00\"\nuntil = \"2023-11-15T12:00:00\"\n";
    std::fs::write(folder.path().join("freeze.toml"), window).unwrap();
    let world = World::with(|config| config.gate.policies = folder.path().to_owned()).await;
    (world, folder)
}

async fn stopped_by_freeze(world: &World, external_id: &str) -> TicketId {
    let id = world.tell(&does_not_print(external_id, "prn-00007")).await;
    world.work().await;
    assert_eq!((world.ticket(id).await.state, refused_by(&world.proposal(id).await)[0]), (TicketState::Recommended, "no_freeze"));
    id
}

async fn ask_override(world: &World, by: &Principal, ticket: TicketId) -> Result<DualAuthorization, ActionError> {
    let proposal = world.proposal(ticket).await;
    let asked = Asked::FreezeOverride {
        recommendation: proposal.id,
        binding: proposal.binding().unwrap(),
        reason: "the whole floor cannot print".to_owned(),
    };
    dual_authorization::request(world.service(), by, asked).await
}

#[tokio::test]
async fn two_persons_let_a_third_approve_in_a_freeze_and_it_runs_and_never_on_its_own() {
    let (world, _folder) = frozen().await;
    world.automated(GENEROUS).await;
    let ticket = stopped_by_freeze(&world, "1").await;
    let rea = world.person("rea", &[Responder]).await;
    let cy = with_password(world.service(), "cy", &[Approver]).await;
    let olu = world.person("olu", &[Approver]).await;
    let shown = world.proposal(ticket).await;
    is_changed(&approve(world.service(), &olu, shown.id, seen(&shown)).await, "waits for no approval");
    let stored = serde_json::to_value(&shown).unwrap();
    assert!(stored.get("freeze_override").is_none(), "as a proposal from before overrides is stored");
    assert_eq!(serde_json::from_value::<Recommendation>(stored).unwrap(), shown);

    let asked = ask_override(&world, &rea, ticket).await.unwrap();
    assert_eq!(asked.expires_at, shown.expires_at);
    world.work().await;
    assert_eq!(world.ticket(ticket).await.state, TicketState::Recommended, "asking lifts nothing");
    let confirmed = confirm(world.service(), &cy, &asked).await.unwrap();
    world.work().await;
    let lifted = world.proposal(ticket).await;
    assert_eq!((world.ticket(ticket).await.state, lifted.freeze_override), (TicketState::AwaitingApproval, Some(confirmed.id)));
    assert_eq!((&lifted.verdict, &lifted.receipt), (&shown.verdict, &shown.receipt), "what was decided stays as it was");
    assert!(world.runs(ticket).await.is_empty() && world.automation.calls().is_empty());

    is_changed(&approve(world.service(), &olu, shown.id, seen(&shown)).await, "revision");
    approve(world.service(), &olu, lifted.id, seen(&lifted)).await.unwrap();
    world.work().await;
    let runs = world.runs(ticket).await;
    assert_eq!((runs.len(), runs[0].state, world.automation.changes().len()), (1, ExecutionState::Succeeded, 1));
    assert_eq!(world.ticket(ticket).await.state, TicketState::Resolved);
    let told: Vec<_> = world.events(ticket).await.iter().map(Event::tag).collect();
    let told: Vec<_> = told.iter().skip_while(|tag| **tag != "authorization_requested").take(5).collect();
    let expected = ["authorization_requested", "authorization_confirmed", "ticket_moved", "recommendation_approved", "execution_created"];
    assert_eq!(told, expected.iter().collect::<Vec<_>>());
    world.audit().await;

    // It lifted the freeze for this proposal and no other.
    stopped_by_freeze(&world, "2").await;
}

#[tokio::test]
async fn whoever_asked_for_the_ticket_or_wrote_the_runbook_has_no_say_in_its_override() {
    let (world, _folder) = frozen().await;
    let ticket = stopped_by_freeze(&world, "17").await;
    let cy = with_password(world.service(), "cy", &[Approver]).await;
    let asked = ask_override(&world, &world.person("rea", &[Responder]).await, ticket).await.unwrap();
    for (name, word) in
        [("U-17", "asked for this"), ("user17@example.com", "asked for this"), ("Lea.Brandt@example.com", "wrote or edited")]
    {
        let close = with_password(world.service(), name, &[Approver]).await;
        is_refused(&ask_override(&world, &close, ticket).await, word);
        is_refused(&confirm(world.service(), &close, &asked).await, word);
    }
    let nobody = world.person("ops", &[Operator]).await;
    assert!(matches!(ask_override(&world, &nobody, ticket).await, Err(ActionError::MissingRole { .. })));
    let reasonless = Asked::FreezeOverride {
        recommendation: world.proposal(ticket).await.id,
        binding: world.proposal(ticket).await.binding().unwrap(),
        reason: "  ".to_owned(),
    };
    let answer = dual_authorization::request(world.service(), &cy, reasonless).await;
    assert!(matches!(answer, Err(ActionError::Invalid { ref pointer, .. }) if pointer == "/reason"), "{answer:?}");
    assert_eq!(world.ticket(ticket).await.state, TicketState::Recommended);
    confirm(world.service(), &cy, &asked).await.unwrap();
    // Confirming is no approval: the four-eyes rules of approving hold as ever.
    let proposal = world.proposal(ticket).await;
    let requester = world.person("u-17", &[Approver]).await;
    is_refused(&approve(world.service(), &requester, proposal.id, seen(&proposal)).await, "asked for this");
    world.audit().await;
}

#[tokio::test]
async fn an_override_of_a_proposal_that_changed_is_refused_as_changed() {
    let (world, _folder) = frozen().await;
    let ticket = stopped_by_freeze(&world, "1").await;
    let rea = world.app.token_of("default", "rea", &[Responder], None).await;
    let cy = with_password(world.service(), "cy", &[Approver]).await;
    let proposal = world.proposal(ticket).await;
    let wanted =
        |binding: &str| json!({ "matter": "freeze_override", "recommendation": proposal.id, "binding": binding, "reason": "urgent" });
    let post = async |body: Value| world.app.send(&rea, "POST", "/v1/dual-authorizations", body).await;
    post(wanted(&format!("sha256:{}", "0".repeat(64)))).await.is(409, "changed");
    let asked = post(wanted(&proposal.binding().unwrap().to_string())).await;
    assert_eq!(asked.status, 201, "{asked:?}");
    let asked: DualAuthorization = serde_json::from_value(asked.json()).unwrap();
    std::fs::write(world.app.folder.path().join("runbooks/restart-spooler.md"), format!("{RUNBOOK}\n")).unwrap();
    assert!(reload(world.service()).await);
    is_changed(&confirm(world.service(), &cy, &asked).await, "runbook");
    post(wanted(&proposal.binding().unwrap().to_string())).await.is(409, "changed");
    assert_eq!(world.ticket(ticket).await.state, TicketState::Recommended);
    world.audit().await;
}

#[tokio::test]
async fn an_override_ends_with_its_proposal_and_the_ticket_does_not_wait_for_ever() {
    let (world, _folder) = frozen().await;
    let ticket = stopped_by_freeze(&world, "1").await;
    let rea = world.person("rea", &[Responder]).await;
    let cy = with_password(world.service(), "cy", &[Approver]).await;
    let asked = ask_override(&world, &rea, ticket).await.unwrap();
    let too_late = ask_override(&world, &rea, ticket).await.unwrap();
    confirm(world.service(), &cy, &asked).await.unwrap();
    let lifetime = world.service().config.gate.approval_lifetime.get();
    world.app.ambient.turn(lifetime);
    is_refused(&confirm(world.service(), &cy, &too_late).await, "expired");
    let proposal = world.proposal(ticket).await;
    is_refused(&approve(world.service(), &cy, proposal.id, seen(&proposal)).await, "expired");
    world.app.ambient.turn(Duration::from_millis(1));
    world.work().await;
    assert_eq!(world.ticket(ticket).await.state, TicketState::Expired);
    world.audit().await;
}

#[tokio::test]
async fn an_override_taken_back_between_two_steps_lets_no_further_call_out() {
    let (world, _folder) = frozen().await;
    let ticket = stopped_by_freeze(&world, "1").await;
    let rea = world.person("rea", &[Responder]).await;
    let cy = with_password(world.service(), "cy", &[Approver]).await;
    let asked = ask_override(&world, &rea, ticket).await.unwrap();
    let confirmed = confirm(world.service(), &cy, &asked).await.unwrap();
    let proposal = world.proposal(ticket).await;
    approve(world.service(), &cy, proposal.id, seen(&proposal)).await.unwrap();
    let (arrived, go_on) = world.automation.hold("GET /hosts/prn-00007");
    let service = world.service().clone();
    let running = tokio::spawn(async move { workers::execute::step(&service, 1).await.unwrap() });
    within("the held call", arrived).await.unwrap();
    dual_authorization::withdraw(world.service(), &rea, asked.id, confirmed.revision).await.unwrap();
    go_on.send(()).unwrap();
    within("the run", running).await.unwrap();
    assert_eq!((world.runs(ticket).await[0].state, world.automation.changes().len()), (ExecutionState::Refused, 0));
    world.audit().await;
}

#[tokio::test]
async fn what_more_than_a_freeze_stops_is_not_overridden() {
    let world = World::new().await;
    let rea = world.person("rea", &[Responder]).await;
    let calm = world.tell(&does_not_print("1", "prn-00007")).await;
    world.work().await;
    is_refused(&ask_override(&world, &rea, calm).await, "no freeze window is in force");

    let (world, _folder) = frozen().await;
    let ticket = stopped_by_freeze(&world, "1").await;
    let (rea, ops) = (world.person("rea", &[Responder]).await, world.person("ops", &[Operator]).await);
    let cy = with_password(world.service(), "cy", &[Approver]).await;
    let asked = ask_override(&world, &rea, ticket).await.unwrap();
    stop(world.service(), &ops, "something burns").await.unwrap();
    is_refused(&ask_override(&world, &rea, ticket).await, "something burns");
    is_refused(&confirm(world.service(), &cy, &asked).await, "something burns");
    assert_eq!(world.ticket(ticket).await.state, TicketState::Recommended);
    release(world.service(), &ops, "put out", world.service().store.modes(&tenant()).await.unwrap().revision).await.unwrap();
    confirm(world.service(), &cy, &asked).await.unwrap();
    // And one that lifted the freeze lifts nothing else: the gate is asked for the approval too.
    stop(world.service(), &ops, "it burns again").await.unwrap();
    let proposal = world.proposal(ticket).await;
    is_refused(&approve(world.service(), &cy, proposal.id, seen(&proposal)).await, "cannot be approved");
    assert_eq!(proposal.verdict.decision, Decision::RecommendOnly);
    world.audit().await;
}
