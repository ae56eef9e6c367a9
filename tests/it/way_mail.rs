//! Mail to a real SMTP server (aiosmtpd): digests at their times, encrypted unless it stays on this machine, and never to an
//! address that is not allowed.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sluicegate::{
    config::Config,
    domain::{
        ambient::Ambient as _,
        entry::Event,
        id::OutboxId,
        outbox::{Destination, Message, Notice, Occasion, OutboxMessage, OutboxState},
        principal::Role::Operator,
        time::Timestamp,
    },
    pipeline::workers,
    store::change::{Change, Write},
};

use crate::{
    app::over,
    peers::SmtpServer,
    way_world::{World, does_not_print, set_mode, tenant, within},
};

/// The configured recipients: somebody, somebody whom the server does not know, and somebody whose box is full today.
fn mail(config: &mut Config, server: Value) {
    config.mail = serde_json::from_value(server).unwrap();
    let to = |name: &str, address: &str| serde_json::from_value(json!({ "name": name, "address": address })).unwrap();
    config.recipients = vec![to("ana", "ana@example.com"), to("nobody", "nobody@example.com"), to("later", "later@example.com")];
    config.sources[1].write_back = None;
}

fn plain(port: u16) -> Value {
    json!({ "host": "localhost", "port": port, "security": "none", "from": "desk@example.com", "allow_addresses": ["127.0.0.0/8", "::1/128"] })
}

fn encrypted(port: u16, security: &str) -> Value {
    json!({
        "host": "localhost", "port": port, "security": security, "from": "desk@example.com", "authorities": SmtpServer::authority(),
        "username": "desk", "password": "s3cr3t-w0rd", "allow_addresses": ["127.0.0.0/8", "::1/128"],
    })
}

/// Queues a notice for the recipient and sends what waits.
async fn sent(world: &World, to: &str) -> OutboxMessage {
    let (now, random) = (world.app.ambient.now(), world.app.ambient.random());
    let notice = Notice {
        occasion: Occasion::EndpointDisabled,
        title: "Webhook ops is disabled\r\nBcc: eve@example.com".to_owned(),
        lines: vec!["Nothing has arrived there since yesterday.".to_owned(), ".".to_owned(), "Grüße".to_owned()],
        link: Some("http://127.0.0.1:8321/v1/endpoints".to_owned()),
    };
    let id = OutboxId::new(now, random);
    let message = OutboxMessage::queued(tenant(), None, id, Destination::Mail(to.to_owned()), Message::Notice(notice), now);
    let queued = Event::MessageQueued { message: id, ticket: None, destination: message.destination.key() };
    let entries = vec![sluicegate::domain::entry::Entry::new(tenant(), now, sluicegate::domain::principal::Actor::Engine, queued)];
    world.store().commit(Change { writes: vec![Write::Message(Box::new(message))], entries, ..Change::default() }).await.unwrap();
    within("the mail to be tried", workers::deliver::step(world.service(), 16)).await.unwrap();
    world.store().message(&tenant(), id).await.unwrap().unwrap()
}

/// The body's text, whichever way it travels.
fn text(mail: &Value) -> String {
    let content = mail["content"].as_str().unwrap().replace("\r\n", "\n");
    let (head, body) = content.split_once("\n\n").unwrap();
    if head.to_ascii_lowercase().contains("content-transfer-encoding: base64") {
        return String::from_utf8(STANDARD.decode(body.replace('\n', "")).unwrap()).unwrap().replace("\r\n", "\n");
    }
    body.replace("=\n", "").replace("=C3=BC", "ü").replace("=C3=9F", "ß").replace("=20", " ").replace("=3D", "=")
}

#[tokio::test]
async fn a_mail_arrives_whole_with_one_recipient_and_no_header_of_anybody_elses() {
    let mut server = SmtpServer::start("plain", None);
    let port = server.port;
    let world = World::with(|config| mail(config, plain(port))).await;
    let done = sent(&world, "ana").await;
    assert_eq!((done.state, done.log[0].status), (OutboxState::Delivered, Some(250)), "{done:?}");
    let mail = server.next();
    assert_eq!((&mail["from"], &mail["to"]), (&json!("desk@example.com"), &json!(["ana@example.com"])));
    let content = mail["content"].as_str().unwrap();
    assert!(content.contains("Subject: Webhook ops is disabled Bcc: eve@example.com\r\n"), "{content}");
    assert!(!content.lines().any(|line| line.starts_with("Bcc")), "{content}");
    assert!(content.contains(&format!("Message-ID: <{}@example.com>", done.id)), "{content}");
    // A line of one dot ends no mail (RFC 5321 section 4.5.2).
    assert!(
        text(&mail).starts_with("Nothing has arrived there since yesterday.\n.\nGrüße\n\nhttp://127.0.0.1:8321/v1/endpoints\n"),
        "{}",
        text(&mail)
    );
    world.audit().await;
}

#[tokio::test]
async fn with_tls_or_starttls_mail_is_encrypted_and_the_login_is_sent_only_then() {
    for security in ["tls", "starttls"] {
        let mut server = SmtpServer::start(security, (security == "starttls").then_some("desk:s3cr3t-w0rd"));
        let port = server.port;
        let mut settings = encrypted(port, security);
        if security == "tls" {
            // This server offers no login over implicit TLS.
            settings.as_object_mut().unwrap().retain(|key, _| !matches!(key.as_str(), "username" | "password"));
        }
        let world = World::with(|config| mail(config, settings)).await;
        let done = sent(&world, "ana").await;
        assert_eq!(done.state, OutboxState::Delivered, "{security}: {done:?}");
        let mail = server.next();
        if security == "starttls" {
            assert_eq!((&mail["encrypted"], &mail["login"]), (&json!(true), &json!("desk")));
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_or_offers_no_encryption_gets_no_mail() {
    // Unknown authority, a name its certificate does not have, and no STARTTLS.
    let unknown = |port| {
        let mut settings = encrypted(port, "tls");
        settings["authorities"] = json!("");
        settings
    };
    let other_name = |port| {
        let mut settings = encrypted(port, "tls");
        settings["host"] = json!("127.0.0.1");
        settings
    };
    type Settings = Box<dyn Fn(u16) -> Value>;
    let cases: [(&str, Settings); 4] = [
        ("tls", Box::new(unknown)),
        ("tls", Box::new(other_name)),
        ("plain", Box::new(|port| encrypted(port, "starttls"))),
        ("plain", Box::new(|port| encrypted(port, "tls"))),
    ];
    for (speaks, settings) in cases {
        let server = SmtpServer::start(speaks, None);
        let settings = settings(server.port);
        let world = World::with(|config| mail(config, settings)).await;
        let waiting = sent(&world, "ana").await;
        assert_eq!((waiting.state, waiting.log[0].status), (OutboxState::Waiting, None), "{waiting:?}");
        assert!(!format!("{waiting:?}").contains("s3cr3t"), "{waiting:?}");
    }
}

#[tokio::test]
async fn a_refused_recipient_dies_a_busy_one_waits_and_no_address_is_put_into_the_log() {
    let server = SmtpServer::start("plain", None);
    let port = server.port;
    let world = World::with(|config| mail(config, plain(port))).await;
    let dead = sent(&world, "nobody").await;
    assert_eq!((dead.state, dead.log[0].status), (OutboxState::Dead, Some(550)), "{dead:?}");
    let waiting = sent(&world, "later").await;
    assert_eq!((waiting.state, waiting.log[0].status), (OutboxState::Waiting, Some(451)), "{waiting:?}");
    for logged in world.store().entry_range(0, 1000).await.unwrap() {
        let bytes = String::from_utf8(logged.bytes).unwrap();
        assert!(!bytes.contains("example.com"), "{bytes}");
    }
    world.audit().await;
}

#[tokio::test]
async fn an_address_that_is_not_allowed_gets_no_connection() {
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = trap.local_addr().unwrap().port();
    let caught = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&caught);
    std::thread::spawn(move || {
        while trap.accept().is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    for host in ["localhost", "127.0.0.1"] {
        let settings = json!({ "host": host, "port": port, "security": "tls", "from": "desk@example.com" });
        let world = World::with(|config| mail(config, settings)).await;
        let waiting = sent(&world, "ana").await;
        assert!(waiting.last_error.as_deref().unwrap().contains("not allowed"), "{waiting:?}");
    }
    // The trap works: a connection that is meant to reach it does.
    drop(std::net::TcpStream::connect(("127.0.0.1", port)).unwrap());
    within("the trap to count", async {
        while caught.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(caught.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_digest_is_sent_once_at_its_time_and_says_what_waits() {
    let mut server = SmtpServer::start("plain", None);
    let port = server.port;
    let world = World::with(|config| {
        mail(config, plain(port));
        let digest = json!({ "name": "morning", "recipients": ["ana"], "at": ["08:00"], "zone": "Europe/Berlin" });
        config.digests = vec![serde_json::from_value(digest).unwrap()];
    })
    .await;
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let step = || async { workers::digest::step(world.service()).await.unwrap() };
    let ola = world.person("ola", &[Operator]).await;
    set_mode(world.service(), &ola, sluicegate::domain::approval::Mode::Suggest).await;
    // It is late in the evening: what was due in the morning is no longer news.
    assert_eq!(step().await, 0);
    world.tell(&does_not_print("INC-7", "prn-00007")).await;
    world.work().await;
    world.app.ambient.set(at("2023-11-15T06:59:59Z"));
    assert_eq!(step().await, 0, "08:00 in Berlin is 07:00 UTC, and it is not yet");
    world.app.ambient.set(at("2023-11-15T07:00:00Z"));
    assert_eq!((step().await, step().await), (1, 0));
    let again = over(Arc::clone(world.store()), Arc::clone(&world.app.ambient), (*world.service().config).clone());
    assert_eq!(workers::digest::step(&again).await.unwrap(), 0, "a restart sends nothing twice");
    world.work().await;
    let mail = server.next();
    let (content, said) = (mail["content"].as_str().unwrap(), text(&mail));
    assert!(content.contains("Subject: Sluicegate: 1 to approve, 0 in doubt, 0 ran by itself, 0 demoted"), "{content}");
    assert!(said.contains("Waits for approval: 1\n- INC-7 of hooks: Printer prn-00007 does not print"), "{said}");
    assert!(said.contains("http://127.0.0.1:8321/v1/tickets/tkt_"), "{said}");

    // Down at the time and back two hours later: late, and still read. Down for the whole day: left out.
    world.app.ambient.set(at("2023-11-16T09:00:00Z"));
    assert_eq!(step().await, 1);
    world.app.ambient.set(at("2023-11-17T20:00:00Z"));
    assert_eq!(step().await, 0);
    world.app.ambient.turn(Duration::from_secs(86_400));
    assert_eq!(step().await, 0);
    world.audit().await;
}
