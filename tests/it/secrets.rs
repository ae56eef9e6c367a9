//! Two hundred secrets go in by every door; none comes out by any other.
//!
//! The real binary at trace level, with every secret that the documented configuration has and one connector for every
//! way a call can go wrong. What is searched: all log lines, the answer of every GET route of the API document, the
//! metrics, the log's export, the database, what receivers got, and what the command line says of right and wrong
//! configurations. Deliveries and tickets are kept raw in the database by design; of tickets' texts only the database's
//! other tables are searched.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use sluicegate::domain::principal::Role;

use crate::{
    app::App,
    secrets_garden::{Garden, Harvest, Kind, in_words},
    secrets_process::{Api, Running, say, sluicegate},
    secrets_targets::{Behaviour, Pem, adjust, connectors, documented, plant_documented, runbook, sources, target, telling, write_private},
};

pub const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_planted_secrets_show_nowhere() {
    sluicegate::outbound::install_cryptography();
    let (mut garden, mut harvest) = (Garden::default(), Harvest::default());
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let pem = Pem::planted(&mut garden);

    let sink = target(Behaviour::Answer(telling(&mut garden, "sink", 500)), Arc::clone(&seen)).await;
    let desk = target(Behaviour::Answer(telling(&mut garden, "desk", 422)), Arc::clone(&seen)).await;
    let mut config = toml::Value::Table(documented());
    plant_documented(&mut garden, folder, &mut config, "", sink, &pem);
    let connectors = connectors(&mut garden, &seen, &pem).await;
    let toml::Value::Table(table) = &mut config else { unreachable!("a table") };
    adjust(table);
    let list = |table: &mut toml::Table, key: &str, more: Vec<toml::Table>| {
        let entries = table.entry(key).or_insert_with(|| toml::Value::Array(Vec::new())).as_array_mut().unwrap();
        entries.extend(more.into_iter().map(toml::Value::Table));
    };
    list(table, "sources", sources(&mut garden, desk));
    list(table, "connectors", connectors.iter().map(|(_, connector)| connector.clone()).collect());
    std::fs::create_dir(folder.join("runbooks")).unwrap();
    for (name, _) in &connectors {
        std::fs::write(folder.join(format!("runbooks/call-{name}.md")), runbook(name)).unwrap();
    }
    let path = folder.join("sluicegate.toml");
    write_private(&path, &toml::to_string(&config).unwrap());

    // The command line on the configuration as it is, and on broken ones.
    let shown = say(&mut harvest, "config show", &mut sluicegate(folder, &["config", "show"]), "");
    assert!(shown.contains("********"), "{shown}");
    let checked = say(&mut harvest, "config check", &mut sluicegate(folder, &["config", "check"]), "");
    assert!(!checked.contains("bad  "), "{checked}");
    break_configuration(&mut harvest, &garden, folder, &path);

    // People, their tokens and passwords.
    let mut tokens = Vec::new();
    for (person, roles) in [
        ("ines@example.com", &["approver", "responder"][..]),
        ("olu@example.com", &["auditor"]),
        ("kim@example.com", &["operator", "admin"]),
    ] {
        let mut create = sluicegate(folder, &["token", "create", "--person", person]);
        let made = create.args(roles.iter().flat_map(|role| ["--role", role])).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        garden.note(&format!("the API token of {person}"), Kind::Ours, &token);
        harvest.keep("token create, beside the token", made.stderr);
        tokens.push(token);
        let password = garden.ours(&format!("the password of {person}"));
        say(&mut harvest, "person set-password", &mut sluicegate(folder, &["person", "set-password", person]), &format!("{password}\n"));
    }

    let running = Running::start(folder).await;
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    let api = Api { http, url: running.url.clone(), token: tokens[0].clone(), tokens };
    let key = std::fs::read_to_string(folder.join("data/log.key")).unwrap();
    for part in key.trim().split(['+', '\n']).filter(|part| part.len() > 30) {
        garden.note("the log's signing key", Kind::Ours, part);
    }

    deliver(&api, &mut garden, &mut harvest, &connectors).await;
    let run = approve_all(&api, connectors.len()).await;
    assert!(run >= connectors.len(), "{run} of {} connectors were called", connectors.len());
    wrong_people(&api, &garden, &mut harvest).await;
    every_get_route(&api, &mut harvest).await;

    // What left for receivers; the log's lines; the database.
    harvest.keep("what receivers got", seen.lock().unwrap().clone());
    let lines = running.said.lock().unwrap().clone();
    let Running { mut child, said, .. } = running;
    child.kill().unwrap();
    child.wait().unwrap();
    let text = String::from_utf8_lossy(&lines).into_owned();
    assert!(text.lines().count() > 200, "the log speaks: {text}");
    for word in ["execut", "deliver", "DEBUG"] {
        assert!(text.contains(word), "the log has no `{word}`: {}", text.chars().take(6_000).collect::<String>());
    }
    harvest.keep("log lines", said.lock().unwrap().clone());
    database(&mut harvest, &folder.join("data"));

    assert!(garden.planted.len() >= 200, "{} secrets were planted", garden.planted.len());
    let distinct: BTreeSet<&String> = garden.planted.iter().map(|(.., secret)| secret).collect();
    assert!(distinct.len() >= 200, "{} are distinct", distinct.len());
    let leaks = harvest.leaks(&garden);
    let told: Vec<String> = leaks.iter().map(|((place, planted), how)| format!("{place} shows {planted} as {how}")).collect();
    assert!(
        told.is_empty(),
        "{} leaks of {} secrets in {} outputs:\n{}",
        told.len(),
        distinct.len(),
        harvest.outputs.len(),
        told.join("\n")
    );
    // The search finds what is there: raw deliveries hold the texts of tickets, by design.
    let mut proof = Harvest::default();
    proof.keep("the database's raw tables", std::fs::read(folder.join("data/raw.copy")).unwrap());
    assert!(proof.leaks(&garden).len() > 20, "the search would find nothing");
}

/// Each secret in a place or a form where it is refused.
fn break_configuration(harvest: &mut Harvest, garden: &Garden, folder: &Path, path: &Path) {
    let good = std::fs::read_to_string(path).unwrap();
    let ours: Vec<&String> = garden
        .planted
        .iter()
        .filter(|(_, kind, secret)| *kind == Kind::Ours && secret.starts_with("Zq"))
        .map(|(.., secret)| secret)
        .collect();
    let secret = |number: usize| ours[number % ours.len()];
    let connector = |rest: String| format!("{good}\n[[connectors]]\nname = \"more\"\nkind = \"http\"\nallow = []\n{rest}\n");
    for (number, broken) in [
        connector(format!("base_url = \"https://me:{}@a.example\"", secret(1))),
        connector(format!("base_url = \"https://{}@a.example\"", secret(2))),
        connector(format!("base_url = \"https://me:{}@a b.example\"", secret(3))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"bearer\", token = [\"{}\"] }}", secret(4))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"bearer\", token = {{ x = \"{}\" }} }}", secret(5))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"bearer\", tokn = \"{}\" }}", secret(6))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"bearer\", token = \"{}\\n\" }}", secret(7))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"basic\", username = \"a:b\", password = \"{}\" }}", secret(8))),
        connector(format!("base_url = \"https://a.example\"\nauth = {{ kind = \"bearer\", token = {} }}", secret(9))),
        connector(format!("base_url = \"https://a.example\"\ntls = {{ certificate = \"x\", key = \"{}\" }}", secret(10))),
        connector(format!("base_url = \"https://a.example\"\nproxy = {{ url = \"http://me:{}@a.example\" }}", secret(11))),
        format!("{good}\n[[webhooks]]\nname = \"more\"\nurl = \"https://a.example\"\nsecret = \"{}\"\n", secret(12)),
        format!("{good}\n[[sources]]\nname = \"more\"\nadapter = \"json\"\nauth = {{ scheme = \"token\", secrets = {{ x = \"{}\" }} }}\n", secret(13)),
        format!("{good}\n[[sources]]\nname = \"more\"\nadapter = \"json\"\nauth = {{ scheme = \"signature\", name = \"svix\", secrets = [\"{}\"] }}\n", secret(14)),
    ]
    .into_iter()
    .enumerate()
    {
        write_private(path, &broken);
        for command in ["check", "show"] {
            let said = say(harvest, &format!("config {command} on broken configuration {number}"), &mut sluicegate(folder, &["config", command]), "");
            if command == "check" {
                assert!(said.contains("cannot be used") || said.contains("bad  "), "broken configuration {number} was taken: {said}");
            }
        }
    }
    write_private(path, &good);
}

/// Deliveries with secrets in their text, and deliveries with wrong proofs of origin.
async fn deliver(api: &Api, garden: &mut Garden, harvest: &mut Harvest, connectors: &[(String, toml::Table)]) {
    let token = garden.planted.iter().find(|(place, ..)| place == "token 1 of a source").unwrap().2.clone();
    let texts: Vec<String> =
        ["titles", "bodies", "comments of a second delivery"].into_iter().flat_map(|place| in_words(garden, place)).collect();
    let mut number = 0;
    let mut send = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let (name, _) = &connectors[at % connectors.len()];
        // The first place of secrets is the title, as far as it is one line.
        let in_title = at < texts.len() / 3 && !text.contains('\n');
        let (title, body) = if in_title {
            (format!("case {name} of prn-{at:05}: {text}"), "see title".to_owned())
        } else {
            (format!("case {name} of prn-{at:05}"), format!("Hello,\n\n{text}\n\nThank you"))
        };
        number += 1;
        send.push(json!({
            "external_id": format!("{}", 1000 + number), "title": title, "body": body,
            "requester": { "id": format!("u-{number}") }, "attributes": { "note": text }, "labels": { "detail": text },
        }));
    }
    for body in &send {
        let answer = api.http.post(format!("{}/v1/intake/desk", api.url)).bearer_auth(&token).json(body).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(status, 202, "{text}");
        harvest.keep("an acknowledgement", text);
    }
    // Bodies that are refused, with and without a right proof; secrets in the place of others; secrets in a query.
    for (right, body) in [
        (true, format!("{{\"title\": {}", send[0])),
        (true, json!({"title": 7, "body": texts[1]}).to_string()),
        (false, send[1].to_string()),
    ] {
        for source in ["desk", "signs-zendesk", "signs-svix", "basic", "nobody"] {
            let mut request = api.http.post(format!("{}/v1/intake/{source}?token={token}", api.url)).body(body.clone());
            request = if right { request.bearer_auth(&token) } else { request.basic_auth("us", Some(&token)) };
            let answer = request.header("x-zendesk-webhook-signature", token.as_str()).send().await.unwrap();
            let text = format!("{:?} {}", answer.headers().clone(), answer.text().await.unwrap());
            harvest.keep(format!("a refusal of {source}"), text);
        }
    }
}

/// Every proposal is approved, and every run waited for; how many ended.
async fn approve_all(api: &Api, wanted: usize) -> usize {
    let over = tokio::time::Instant::now() + PATIENCE;
    let (mut approved, mut refused) = (BTreeSet::new(), String::new());
    loop {
        for proposal in api.all("/v1/recommendations").await {
            let id = proposal["id"].as_str().unwrap().to_owned();
            if proposal["state"] == "open" && !approved.contains(&id) {
                let view = api.json(&format!("/v1/recommendations/{id}")).await;
                let body = json!({"binding": view["binding"], "revision": view["revision"], "comment": "go"});
                let path = format!("{}/v1/recommendations/{id}/approve", api.url);
                let answer = api.http.post(path).bearer_auth(&api.token).json(&body).send().await.unwrap();
                if answer.status().is_success() {
                    approved.insert(id);
                } else {
                    refused = answer.text().await.unwrap();
                }
            }
        }
        let tickets = api.all("/v1/tickets").await;
        let at = |states: &[&str]| tickets.iter().filter(|ticket| states.contains(&ticket["state"].as_str().unwrap())).count();
        // A connector that failed often is given a rest, so some runs are refused before their first call.
        let ended = at(&["resolved", "failed", "in_doubt"]);
        if approved.len() >= wanted && ended >= wanted && at(&["received", "triaged", "executing"]) == 0 {
            return ended;
        }
        let states: Vec<String> = tickets.iter().map(|ticket| ticket["state"].to_string()).collect();
        assert!(
            tokio::time::Instant::now() < over,
            "{ended} runs ended of {} approved, {wanted} wanted: {refused} {states:?}",
            approved.len()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Requests with secrets where others belong.
async fn wrong_people(api: &Api, garden: &Garden, harvest: &mut Harvest) {
    for (_, _, secret) in garden.planted.iter().filter(|(_, kind, _)| *kind == Kind::Ours).step_by(7) {
        for request in [
            api.http.get(format!("{}/v1/tickets", api.url)).bearer_auth(secret),
            api.http.get(format!("{}/v1/tickets", api.url)).basic_auth("us", Some(secret)),
            api.http.get(format!("{}/v1/tickets", api.url)).header("cookie", format!("session={secret}")),
            api.http
                .put(format!("{}/v1/people/ines@example.com/password", api.url))
                .bearer_auth(&api.token)
                .json(&json!({"password": [secret]})),
            api.http
                .post(format!("{}/v1/dual-authorizations", api.url))
                .bearer_auth(&api.token)
                .json(&json!({"matter": "auto_mode", "scope": {"scope": "global"}, "reason": "a test", "password": secret})),
        ] {
            // A header value cannot hold every secret, like a key of several lines.
            let Ok(answer) = request.send().await else { continue };
            let text = format!("{:?} {}", answer.headers().clone(), answer.text().await.unwrap());
            harvest.keep("an answer to a wrong person", text);
        }
    }
}

/// The answer of every GET route of the API document, with ids that are there.
async fn every_get_route(api: &Api, harvest: &mut Harvest) {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let tickets = api.all("/v1/tickets").await;
    let recommendations = api.all("/v1/recommendations").await;
    let ids = |items: &[Value]| items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let mut executions = Vec::new();
    for ticket in ids(&tickets) {
        let log = api.json(&format!("/v1/tickets/{ticket}/log")).await;
        collect(&log, "execution", &mut executions);
    }
    assert!(!executions.is_empty(), "no execution is known");
    let runbooks = ids(api.json("/v1/runbooks").await["items"].as_array().unwrap());
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if methods.get("get").is_none() {
            continue;
        }
        let with: Vec<String> = match path.as_str() {
            path if !path.contains('{') => vec![path.to_owned(), format!("{path}?limit=100"), format!("{path}?index=3&size=9&old=3&new=9")],
            path if path.starts_with("/v1/tickets/") => ids(&tickets).iter().map(|id| path.replace("{id}", id)).collect(),
            path if path.starts_with("/v1/recommendations/") => ids(&recommendations).iter().map(|id| path.replace("{id}", id)).collect(),
            path if path.starts_with("/v1/executions/") => executions.iter().map(|id| path.replace("{id}", id)).collect(),
            path if path.starts_with("/v1/runbooks/") => runbooks.iter().map(|id| path.replace("{id}", id)).collect(),
            path if path.contains("{index}") => (0..40).map(|index| path.replace("{index}", &index.to_string())).collect(),
            path if path.contains("{tile}") => vec![path.replace("{tile}", "0/000"), path.replace("{tile}", "entries/000")],
            // A route whose ids this test does not know is still asked.
            path => vec![path.replace(['{', '}'], "")],
        };
        for path in with {
            let (status, text) = api.get(&path).await;
            assert!(status < 500, "{path}: {status} {text}");
            asked += usize::from(status == 200);
            harvest.keep(format!("GET {path}"), text);
        }
    }
    assert!(asked > 150, "only {asked} routes answered 200");
}

/// Every text under a key of that name, wherever it stands.
fn collect(value: &Value, key: &str, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, into)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == key && !into.iter().any(|known| known == text) => into.push(text.to_owned()),
                    _ => collect(value, key, into),
                }
            }
        }
        _ => {}
    }
}

/// Every table, row by row: nothing of ours anywhere, nothing of tickets' texts outside of what is kept raw.
fn database(harvest: &mut Harvest, folder: &Path) {
    let connection = rusqlite::Connection::open(folder.join("sluicegate.db")).unwrap();
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<String> = connection.prepare(names).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(tables.iter().any(|table| table == "log_entries"));
    let mut raw = Vec::new();
    for table in tables {
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut bytes = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                match row.get_ref(column).unwrap() {
                    rusqlite::types::ValueRef::Text(text) | rusqlite::types::ValueRef::Blob(text) => bytes.extend_from_slice(text),
                    _ => {}
                }
                bytes.push(b'\n');
            }
        }
        match table.as_str() {
            "deliveries" | "tickets" | "recommendations" => {
                raw.extend_from_slice(&bytes);
                harvest.keep_raw(format!("table {table}"), bytes);
            }
            _ => harvest.keep(format!("table {table}"), bytes),
        }
    }
    std::fs::write(folder.join("raw.copy"), raw).unwrap();
}

#[tokio::test]
async fn a_ticket_is_shown_masked_and_as_it_was_sent_to_auditors_alone() {
    let app = App::start().await;
    let text = "nothing prints since my password: Zq77-Summer! changed, write to ana@mail.example";
    let sent = app
        .desk(json!({"external_id": "7", "title": text, "body": text, "requester": {"id": "u-7", "email": "u7@mail.example"}}).to_string())
        .await;
    app.triage().await;
    let id = sent.json()["tickets"][0].as_str().unwrap().to_owned();
    let (responder, auditor) = (app.token(&[Role::Responder]).await, app.token(&[Role::Auditor]).await);
    let path = format!("/v1/tickets/{id}");
    for token in [&responder, &auditor] {
        for path in [&path, "/v1/tickets", "/v1/recommendations"] {
            let shown = app.get(token, path).await.text;
            assert!(!shown.to_lowercase().contains("summer") && !shown.contains("ana@"), "{shown}");
        }
    }
    let shown = app.get(&responder, &path).await.json();
    let title = shown["ticket"]["report"]["title"].as_str().unwrap();
    assert_eq!(title, "nothing prints since my password: ************ changed, write to ****************");
    assert_eq!(title.len(), text.len());
    assert_eq!(shown["ticket"]["report"]["requester"]["email"], "u7@mail.example", "who asked is shown");
    let stored = format!("{path}?as_stored=true");
    app.get(&responder, &stored).await.is(403, "missing-role");
    assert_eq!(app.get(&auditor, &stored).await.json()["ticket"]["report"]["title"], text);
}
