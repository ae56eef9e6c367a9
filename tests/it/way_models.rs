//! Which model decides: promoted by a person after both answered the frozen texts, rolled back, looking on.

use std::{fs, path::Path, sync::Arc};

use serde_json::{Value, json};
use sluicegate::{
    domain::principal::Role::{self, Approver, Auditor, Operator},
    pipeline::{decider::Decider, load::Chosen, reload},
    triage::{TrainOptions, train},
};

use crate::app::{Answer, App, ticket};

const SHIPPED: &str = "models/service-desk";

/// A folder of models: `twin`, the shipped one under another name, and `dull`, which knows two categories only.
fn shelf() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy("twin", folder.path());
    let data = folder.path().join("dull.jsonl");
    let mut lines = String::new();
    for number in 0..20 {
        let (text, label) =
            if number % 2 == 0 { ("the vpn tunnel drops", "network/vpn") } else { ("the printer jams", "hardware/printer") };
        lines += &json!({"text": format!("{text} again, {number} times today"), "labels": {"category": label}}).to_string();
        lines.push('\n');
    }
    fs::write(&data, lines).unwrap();
    let options = TrainOptions {
        name: "dull".to_owned(),
        data: vec![data],
        dev: None,
        catalogue: None,
        signals: "signals.toml".into(),
        more: None,
        frozen: None,
        targets: Vec::new(),
        out: folder.path().join("dull"),
        seed: 1,
        promised: 0.9,
        licence: "test".to_owned(),
        embedding: None,
        taught: false,
    };
    train(&options, &mut |_| {}).unwrap();
    folder
}

fn copy(name: &str, shelf: &Path) {
    let out = shelf.join(name);
    fs::create_dir_all(&out).unwrap();
    for file in fs::read_dir(SHIPPED).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), out.join(file.file_name())).unwrap();
    }
}

struct Desk {
    app: App,
    shelf: tempfile::TempDir,
    operator: String,
}

impl Desk {
    async fn open() -> Self {
        let shelf = shelf();
        let models = shelf.path().to_owned();
        let app = App::started(move |config| config.triage.models = models).await;
        let operator = app.token_of("default", "olu", &[Operator], None).await;
        Self { app, shelf, operator }
    }

    async fn registry(&self) -> Value {
        self.app.get(&self.operator, "/v1/models").await.json()
    }

    async fn post(&self, path: &str) -> Answer {
        let revision = self.registry().await["chosen"]["revision"].clone();
        self.app.send(&self.operator, "POST", path, json!({ "revision": revision })).await
    }

    async fn look_on(&self, model: Value) -> Answer {
        let revision = self.registry().await["chosen"]["revision"].clone();
        self.app.send(&self.operator, "PUT", "/v1/model-shadow", json!({ "model": model, "revision": revision })).await
    }

    async fn standing(&self, name: &str) -> String {
        self.app.get(&self.operator, &format!("/v1/models/{name}")).await.json()["standing"].as_str().unwrap_or_default().to_owned()
    }

    async fn events(&self, event: &str) -> Vec<Value> {
        let auditor = self.app.token(&[Auditor]).await;
        self.app.get(&auditor, &format!("/v1/log/entries?event={event}")).await.json()["items"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn a_promotion_is_in_force_at_once_stands_in_the_log_and_is_rolled_back_in_one_call() {
    let desk = Desk::open().await;
    assert_eq!(desk.registry().await["in_force"]["name"], "service-desk");
    assert_eq!(desk.standing("twin").await, "candidate");

    let answer = desk.post("/v1/models/twin/promote").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let all = &answer.json()["comparison"]["targets"]["category"]["all"];
    assert!(all["texts"].as_u64().unwrap() > 100 && all["right_before"] == all["right_after"], "{all}");
    assert_eq!(desk.registry().await["in_force"]["name"], "twin");
    assert_eq!(desk.standing("twin").await, "in_force");
    let promoted = desk.events("model_promoted").await;
    assert_eq!(promoted[0]["entry"]["actor"]["id"], "olu");
    assert_eq!((&promoted[0]["entry"]["model"], &promoted[0]["entry"]["from"]["name"]), (&json!("twin"), &json!("service-desk")));
    desk.post("/v1/models/twin/promote").await.is(403, "refused");

    assert_eq!(desk.post("/v1/model-rollback").await.status, 200);
    assert_eq!(desk.registry().await["in_force"]["name"], "service-desk");
    assert_eq!(desk.events("model_rolled_back").await.len(), 1);
    let again = desk.post("/v1/model-rollback").await;
    again.is(403, "refused");
    assert!(again.text.contains("none to go back to"), "{again:?}");
}

#[tokio::test]
async fn a_model_that_loses_on_a_label_is_refused_with_the_labels_and_nothing_changes() {
    let desk = Desk::open().await;
    let answer = desk.post("/v1/models/dull/promote").await;
    answer.is(403, "refused");
    let reasons: Vec<String> = serde_json::from_value(answer.json()["reasons"].clone()).unwrap();
    assert!(reasons.iter().any(|reason| reason.contains("`category` as a whole")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("`access/group-access` of `category`")), "{reasons:?}");
    assert_eq!(desk.registry().await["in_force"]["name"], "service-desk");
    assert!(desk.events("model_promoted").await.is_empty());
    let compared = desk.app.get(&desk.operator, "/v1/models/dull/comparison").await.json();
    assert_eq!(compared["comparison"]["refusals"], json!(reasons), "what was looked at before is what the promotion goes by");
}

#[tokio::test]
async fn only_an_operator_of_the_first_tenant_changes_models_and_only_as_seen() {
    let desk = Desk::open().await;
    let (app, path) = (&desk.app, "/v1/models/twin/promote");
    let approver = app.token(&[Approver]).await;
    app.send(&approver, "POST", path, json!({ "revision": 0 })).await.is(403, "missing-role");
    let elsewhere = app.token_of("acme", "oda", &[Role::Operator], None).await;
    app.send(&elsewhere, "POST", path, json!({ "revision": 0 })).await.is(403, "refused");
    app.send(&desk.operator, "POST", path, json!({ "revision": 4 })).await.is(409, "changed");
    app.send(&desk.operator, "POST", path, json!({})).await.is(428, "precondition-required");
    desk.post("/v1/models/absent/promote").await.is(404, "not-found");
    app.get(&desk.operator, "/v1/models/..%2Fconfig").await.is(400, "invalid-parameter");
    assert_eq!(desk.registry().await["chosen"]["revision"], 0);
}

#[tokio::test]
async fn a_folder_changed_after_its_promotion_leaves_the_last_good_in_force_and_a_start_refuses_it() {
    let desk = Desk::open().await;
    assert_eq!(desk.post("/v1/models/twin/promote").await.status, 200);
    let manifest = desk.shelf.path().join("twin/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("\"seed\": 42", "\"seed\": 43", 1)).unwrap();
    assert!(!reload::reload(&desk.app.service).await);
    let loads = desk.app.get(&desk.operator, "/v1/loads").await;
    assert!(loads.text.contains("was promoted: restore that one, or promote what stands there"), "{loads:?}");
    assert_eq!(desk.registry().await["in_force"]["name"], "twin", "the loaded one goes on deciding");

    let models = desk.app.service.store.models().await.unwrap();
    let config = Arc::clone(&desk.app.service.config);
    let refused = Decider::load_chosen(&config, Chosen::from(&models)).err().unwrap().to_string();
    assert!(refused.contains("twin") && refused.contains("was promoted"), "{refused}");
    fs::write(&manifest, text).unwrap();
    assert!(reload::reload(&desk.app.service).await);
}

#[tokio::test]
async fn a_shadow_answers_every_ticket_changes_none_and_is_counted() {
    let desk = Desk::open().await;
    let title = |number: usize| {
        if number.is_multiple_of(2) { "vpn client drops the tunnel" } else { "I forgot my password and the account is locked" }
    };
    let category = async |id: &str| {
        let delivered = desk.app.desk(ticket(id, title(id.len())).to_string()).await.json();
        desk.app.triage().await;
        let shown = desk.app.get(&desk.operator, &format!("/v1/tickets/{}", delivered["tickets"][0].as_str().unwrap())).await.json();
        shown["recommendation"]["classification"]["category"].clone()
    };
    let before = [category("22").await, category("333").await];
    assert_eq!(desk.look_on(json!("dull")).await.status, 200);
    assert_eq!(desk.standing("dull").await, "shadow");
    assert_eq!([category("4444").await, category("55555").await], before, "the same answers as without");
    let pairs = desk.registry().await["shadow_pairs"].as_array().unwrap().clone();
    let total: u64 = pairs.iter().map(|pair| pair["tickets"].as_u64().unwrap()).sum();
    assert_eq!(total, 2, "{pairs:?}");
    assert_eq!(desk.look_on(json!(null)).await.status, 200);
    category("666666").await;
    assert_eq!(desk.registry().await["shadow_pairs"], json!([]));
    assert_eq!(desk.events("model_shadowed").await.len(), 2);
    desk.look_on(json!("service-desk")).await.is(403, "refused");
}

#[tokio::test]
async fn drift_of_a_handful_of_tickets_says_that_they_are_too_few() {
    let desk = Desk::open().await;
    desk.app.desk(ticket("1", "vpn client drops the tunnel").to_string()).await;
    desk.app.triage().await;
    let report = desk.app.get(&desk.operator, "/v1/model-drift").await.json();
    assert_eq!((&report["targets"]["category"]["answers"], &report["targets"]["category"]["reading"]), (&json!(1), &json!("too_few")));
}
