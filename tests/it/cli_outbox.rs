//! `outbox` and `webhook` as an operator runs them: the real binary against a service over HTTP.

use std::process::Command;

use serde_json::json;
use sluicegate::domain::{
    approval::Mode,
    outbox::{OutboxMessage, OutboxState},
    principal::Role::{Auditor, Operator},
};

use crate::{
    way_events::Receiver,
    way_world::{World, does_not_print, set_mode, tenant, within},
};

struct Said {
    code: i32,
    out: String,
    err: String,
}

async fn run(world: &World, token: &str, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.args(arguments).env("SLUICEGATE_URL", format!("http://{}", world.app.address)).env("SLUICEGATE_TOKEN", token);
    let output = within("the command", tokio::task::spawn_blocking(move || command.output())).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_what_was_given_up_sends_it_again_and_enables_the_endpoint() {
    let (receiver, url) = Receiver::start().await;
    let webhook = json!({
        "name": "ops", "url": url, "events": ["ticket.triaged"], "allow_addresses": ["127.0.0.0/8"],
        "secret": "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",
    });
    let world = World::with(|config| {
        config.webhooks = vec![serde_json::from_value(webhook).unwrap()];
        config.sources[1].write_back = None;
    })
    .await;
    let ola = world.person("ola", &[Operator]).await;
    set_mode(world.service(), &ola, Mode::Suggest).await;
    let ticket = world.tell(&does_not_print("1", "prn-00001")).await;
    receiver.answers(410);
    world.work().await;
    let stored = || async { world.store().messages_for(&tenant(), ticket).await.unwrap().remove(0) };
    let id = stored().await.id.to_string();
    let (operator, auditor) = (world.app.token(&[Operator]).await, world.app.token(&[Auditor]).await);

    let listed = run(&world, &auditor, &["webhook", "list"]).await;
    let lines: Vec<&str> = listed.out.lines().collect();
    assert!(lines[0].starts_with("ops  http://127.0.0.1:") && lines[0].contains("  disabled since 2023-11-14T22:13:2"), "{}", listed.out);
    assert_eq!(lines[1], "  whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    let refused = run(&world, &auditor, &["webhook", "enable", "ops"]).await;
    assert!(refused.code == 1 && refused.err.contains("403"), "{}", refused.err);

    receiver.answers(200);
    let enabled = run(&world, &operator, &["webhook", "enable", "ops"]).await;
    assert_eq!((enabled.code, enabled.out.as_str()), (0, "webhook `ops` is enabled; what waited for it is sent\n"), "{}", enabled.err);
    world.work().await;
    assert_eq!(stored().await.state, OutboxState::Delivered);

    let waiting = run(&world, &auditor, &["outbox", "list", "--state", "waiting"]).await;
    assert_eq!((waiting.code, waiting.out.as_str()), (0, ""));
    let delivered = run(&world, &auditor, &["outbox", "list", "--to", "webhook/ops"]).await;
    assert_eq!(delivered.out, format!("{id}  webhook/ops  ticket.triaged  delivered  2 send(s)\n"));
    let shown = run(&world, &auditor, &["outbox", "show", &id]).await;
    assert_eq!(serde_json::from_str::<OutboxMessage>(&shown.out).unwrap(), stored().await);

    let again = run(&world, &operator, &["outbox", "redeliver", &id]).await;
    assert_eq!((again.code, again.out), (0, format!("{id}  webhook/ops  ticket.triaged  waiting  2 send(s)\n")), "{}", again.err);
    world.work().await;
    assert_eq!((stored().await.state, stored().await.attempts), (OutboxState::Delivered, 3));
    let none = run(&world, &operator, &["outbox", "redeliver"]).await;
    assert!(none.code == 1 && none.err.contains("--dead"), "{}", none.err);
    world.audit().await;
}

#[test]
fn a_new_key_is_one_that_a_webhook_takes_and_each_is_another() {
    let new = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sluicegate")).args(["webhook", "new-key"]).args(arguments).output().unwrap();
        assert!(output.status.success());
        (String::from_utf8(output.stdout).unwrap().trim().to_owned(), String::from_utf8(output.stderr).unwrap())
    };
    let (private, said) = new(&[]);
    let (shared, quiet) = new(&["--shared"]);
    assert!(private.starts_with("whsk_") && said.starts_with("public key, for receivers: whpk_"), "{said}");
    assert!(shared.starts_with("whsec_") && quiet.is_empty());
    assert!(new(&[]).0 != private && new(&["--shared"]).0 != shared);
    let webhook = json!({ "name": "ops", "url": "https://ops.example.com/", "secret": [private, shared] });
    let config = serde_json::from_value(json!({ "webhooks": [webhook] })).unwrap();
    assert_eq!(sluicegate::config::validate(&config), []);
    assert!(sluicegate::notify::Senders::from_config(&config).is_ok());
}
