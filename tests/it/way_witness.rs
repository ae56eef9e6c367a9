//! The log under the eyes of a real witness of another make, over real HTTP.

use std::{path::Path, process::Command, time::Duration};

use sluicegate::{
    config::{Config, storage::Witness as Configured},
    domain::principal::Role::Auditor,
    log::{
        checkpoint::Checkpoint,
        export::Exporter,
        hash,
        note::{Signer, Verifier},
        tree::Frontier,
    },
    pipeline::workers::{cosign, publish},
};

use crate::{
    app::{App, ticket},
    peers::Witness,
};

fn log() -> Signer {
    Signer::from_seed("sluicegate.test/log", &[7; 32]).unwrap()
}

fn witness(folder: &Path) -> Witness {
    Witness::start(folder, log().name(), &log().verifier().to_string())
}

fn seen(config: &mut Config, by: &Witness) {
    config.log.publish_after = 3;
    let allow_addresses = vec!["127.0.0.0/8".parse().unwrap()];
    config.log.witnesses = vec![Configured { url: by.url.parse().unwrap(), key: by.key.clone(), allow_addresses }];
}

async fn grown(app: &App, tickets: std::ops::Range<u64>) {
    for number in tickets {
        assert_eq!(app.desk(ticket(&number.to_string(), "The coffee is cold").to_string()).await.status, 202);
    }
    assert_eq!(publish::step(&app.service).await.unwrap(), 1, "it grew by enough");
}

/// What `log verify` says of the log as it is, and whether it is content.
async fn verified(app: &App, change: impl FnOnce(String) -> String, witness: &str) -> (bool, String) {
    let auditor = app.token(&[Auditor]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.jsonl");
    std::fs::write(&file, change(app.get(&auditor, "/v1/log/export").await.text)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.args(["log", "verify"]).arg(&file).args(["--key", &log().verifier().to_string(), "--witness", witness]);
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// The export as the log's operator could make it anew: an early entry changed, all hashes right, signed with the log's key.
fn forged(export: &str, after: u64) -> String {
    let bytes =
        export.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["entry"].as_str().map(str::to_owned));
    let mut tree = Frontier::default();
    let mut exporter = Exporter::begin(Vec::new(), log().name()).unwrap();
    let mut changed = false;
    for bytes in bytes {
        let here = !changed && bytes.contains("desk");
        changed |= here;
        let bytes = if here { bytes.replacen("desk", "mesk", 1) } else { bytes };
        tree.append(hash::leaf(bytes.as_bytes()));
        exporter.entry(bytes.as_bytes()).unwrap();
    }
    assert!(changed && tree.size() > after);
    let note = Checkpoint::sign(tree.size(), &tree.root(), &log()).unwrap();
    String::from_utf8(exporter.finish(&note).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_signs_each_checkpoint_of_a_log_that_only_grew_and_an_outsider_can_check_it() {
    let folder = tempfile::tempdir().unwrap();
    let witness = witness(folder.path());
    let app = App::started(|config| seen(config, &witness)).await;
    let auditor = app.token(&[Auditor]).await;
    app.get(&auditor, "/v1/log/checkpoint?witnessed=true").await.is(404, "not-found");
    let mut before = 0;
    for round in 0..3 {
        grown(&app, 5 * round..5 * round + 5).await;
        assert_eq!(cosign::step(&app.service).await.unwrap(), 1);
        assert_eq!(cosign::step(&app.service).await.unwrap(), 0, "once is enough");
        assert_eq!(publish::step(&app.service).await.unwrap(), 0, "a signature is no growth");
        let note = app.get(&auditor, "/v1/log/checkpoint?witnessed=true").await.text;
        let checkpoint = Checkpoint::open(&note, &log().verifier()).unwrap();
        assert!(checkpoint.size > before, "{note}");
        before = checkpoint.size;
        let key: Verifier = witness.key.parse().unwrap();
        assert_eq!(key.cosigned(&note).unwrap().0, Checkpoint::text(log().name(), checkpoint.size, &checkpoint.root));
    }
    let (content, said) = verified(&app, |export| export, &witness.key).await;
    assert!(content && said.contains(&format!("witness.test/w1 signed 3 of its checkpoints, the last over {before} entries")), "{said}");
    // Of this very log and by this very witness.
    let other = "witness.example.org/w1+33f915cc+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY";
    let (content, said) = verified(&app, |export| export, other).await;
    assert!(!content && said.contains("it saw nothing of this"), "{said}");
    let renamed = other.replace("witness.example.org", "witness.test");
    let (content, _) = verified(&app, |export| export, &renamed).await;
    assert!(!content, "a key of the same name and another hash");
    // What it signed is held against the entries, though they fit their leaves and the log's own signature.
    let forged = |export: String| forged(&export, before);
    let (content, said) = verified(&app, forged, &witness.key).await;
    assert!(!content && said.contains("has another there"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_another_than_before_gets_no_signature_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let witness = witness(folder.path());
    let first = App::started(|config| seen(config, &witness)).await;
    grown(&first, 0..8).await;
    assert_eq!(cosign::step(&first.service).await.unwrap(), 1);
    // The same name and key over another store, as after a restore from too old a copy; first shorter, then longer.
    let other = App::started(|config| seen(config, &witness)).await;
    for (asked, (tickets, expected)) in (1..).zip([(100..101, "of which there are"), (101..120, "entries that it signed are changed")]) {
        grown(&other, tickets).await;
        assert_eq!(cosign::step(&other.service).await.unwrap(), 0);
        let failed = other.service.witnesses.iter().next().unwrap().failed().unwrap();
        assert!(failed.why.contains(expected), "{}", failed.why);
        let counter = &other.service.metrics.witness_requests;
        assert_eq!(counter.with_label_values(&["witness.test/w1", "failed"]).get(), asked);
        other.ambient.turn(Duration::from_secs(61));
    }
    assert_eq!(cosign::step(&other.service).await.unwrap(), 0, "asked again, and refused again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_that_is_away_is_asked_again_in_its_time_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let witness = witness(folder.path());
    let (key, url) = (witness.key.clone(), witness.url.clone());
    let app = App::started(|config| seen(config, &witness)).await;
    drop(witness);
    grown(&app, 0..5).await;
    assert_eq!(cosign::step(&app.service).await.unwrap(), 0);
    let failed = app.service.witnesses.iter().next().unwrap().failed().unwrap();
    assert_eq!(cosign::step(&app.service).await.unwrap(), 0);
    let again = app.service.witnesses.iter().next().unwrap().failed().unwrap();
    assert_eq!(failed.at, again.at, "not asked again within the minute ({key} at {url})");
}
