//! Chats hear of what needs people, with nothing in it that a ticket could press anybody with.

use serde_json::{Value, json};
use sluicegate::{
    domain::{
        approval::Mode,
        execution::ExecutionState,
        outbox::{Destination, OutboxState},
        principal::Role::{Auditor, Operator},
    },
    pipeline::actions::modes::{release, stop},
    store::interface::Page,
};

use crate::{
    way_events::Receiver,
    way_world::{GENEROUS, World, does_not_print, set_mode, tenant},
};

fn chat(name: &str, kind: &str, url: &str, occasions: &[&str]) -> sluicegate::config::chat::Chat {
    let chat = json!({ "name": name, "kind": kind, "url": url, "occasions": occasions, "allow_addresses": ["127.0.0.0/8"] });
    serde_json::from_value(chat).unwrap()
}

fn title(slack: &Value) -> &str {
    slack["blocks"][0]["text"]["text"].as_str().unwrap()
}

#[tokio::test]
async fn chats_are_told_of_what_needs_people_and_their_url_shows_nowhere() {
    let ((slack, slack_url), (teams, teams_url)) = (Receiver::start().await, Receiver::start().await);
    let world = World::with(|config| {
        config.chats = vec![chat("desk", "slack", &slack_url, &[]), chat("owners", "teams", &teams_url, &["needs_approval"])];
        config.sources[1].write_back = None;
    })
    .await;
    let ola = world.person("ola", &[Operator]).await;
    set_mode(world.service(), &ola, Mode::Suggest).await;
    let mut ticket = does_not_print("1", "prn-00001");
    ticket["title"] = json!("<!channel> Printer prn-00001 does not print <https://evil.example.com|Approve> @here, mail ana@example.com");
    let id = world.tell(&ticket).await;
    world.work().await;
    let revision = world.store().modes(&tenant()).await.unwrap().revision;
    stop(world.service(), &ola, "maintenance <!here>").await.unwrap();
    release(world.service(), &ola, "done", revision + 1).await.unwrap();
    world.work().await;

    let heard = slack.bodies();
    let titles: Vec<&str> = heard.iter().map(title).collect();
    assert_eq!(
        titles,
        [
            "Waits for approval: Restart the spooler of a printer",
            "Kill switch pulled: no run begins another step",
            "Kill switch released: runs go on"
        ]
    );
    for body in &heard {
        let all = body.to_string();
        assert!(!all.contains("<!") && !all.contains("<@") && !all.contains("<https"), "{all}");
        assert!(!all.contains("://evil") && !all.contains("@here") && !all.contains("ana@"), "{all}");
    }
    let links: Vec<&Value> = heard[0]["blocks"].as_array().unwrap().iter().filter(|block| block["text"]["type"] == "mrkdwn").collect();
    assert_eq!(links.len(), 1);
    assert_eq!(links[0]["text"]["text"], format!("<http://127.0.0.1:8321/v1/tickets/{id}|Open in Sluicegate>"));

    let cards = teams.bodies();
    assert_eq!(cards.len(), 1, "it asked for approvals only");
    let card = &cards[0]["attachments"][0]["content"];
    assert_eq!(card["actions"][0]["url"], format!("http://127.0.0.1:8321/v1/tickets/{id}"));
    assert!(!card.to_string().contains("://evil"), "{card}");

    let auditor = world.app.token(&[Auditor]).await;
    for path in ["/v1/outbox", "/v1/log/entries", "/metrics", "/v1/log/export"] {
        let shown = world.app.get(&auditor, path).await.text;
        assert!(!shown.contains("s3cr3t"), "{path}: {shown}");
    }
    let config = sluicegate::config::show(&world.service().config);
    assert!(!config.contains("s3cr3t"), "{config}");
    world.audit().await;
}

#[tokio::test]
async fn a_run_that_failed_is_told_and_one_in_shadow_is_not() {
    let (slack, url) = Receiver::start().await;
    let world = World::with(|config| {
        config.chats = vec![chat("desk", "slack", &url, &["failed", "in_doubt"])];
        config.sources[1].write_back = None;
    })
    .await;
    world.tell(&does_not_print("0", "prn-00000")).await;
    world.work().await;
    assert!(slack.bodies().is_empty(), "in shadow nobody outside hears of anything");
    world.automated(GENEROUS).await;
    world.automation.set_broken(true);
    let id = world.tell(&does_not_print("1", "prn-00001")).await;
    world.work().await;
    // The verify step waits for the printer to become well, in real time; its outcome is what counts here.
    let run = world.runs(id).await.remove(0);
    assert_eq!(run.state, ExecutionState::RolledBack, "{run:?}");
    let heard = slack.bodies();
    assert_eq!((heard.len(), title(&heard[0])), (1, "Rolled back: Restart the spooler of a printer"));
}

#[tokio::test]
async fn a_chat_that_is_gone_gives_a_dead_letter_and_one_that_is_busy_is_tried_again() {
    let (slack, url) = Receiver::start().await;
    let world = World::with(|config| config.chats = vec![chat("desk", "slack", &url, &["kill_switch"])]).await;
    let ola = world.person("ola", &[Operator]).await;
    let told = || async {
        let all = world.store().messages(&tenant(), None, Page { before: None, limit: 9 }).await.unwrap();
        assert!(all.iter().all(|message| message.destination == Destination::Chat("desk".to_owned())));
        all.into_iter().next().unwrap()
    };
    for (status, state) in [(429, OutboxState::Waiting), (404, OutboxState::Dead)] {
        slack.answers(status);
        stop(world.service(), &ola, "drill").await.unwrap();
        world.work().await;
        let message = told().await;
        assert_eq!((message.state, message.log[0].status), (state, Some(status)));
        world.app.ambient.turn(std::time::Duration::from_secs(1));
    }
}
