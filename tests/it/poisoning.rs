//! Accounts that give wrong labels on purpose, against a real training. What they reach is measured on the frozen texts.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::json;
use sluicegate::{
    domain::{
        digest::Digest,
        feedback::Feedback,
        id::{FeedbackId, TicketId},
        name::{PersonId, SourceId, TenantId},
        principal::Role,
        ticket::Report,
        time::Timestamp,
    },
    text,
    triage::{Catalogue, Comparison, FeedbackRules, Labelled, Learned, PromotionBar, TrainOptions, Triage, assess, compare, train},
};

/// So many categories of the catalogue: enough to be confused, few enough to be trained eight times in a test.
const CATEGORIES: usize = 12;
const BAR: PromotionBar = PromotionBar { floor: 4, level: 0.1 };

/// The desk before any correction: its model, its frozen texts, and tickets that came since.
struct Desk {
    folder: tempfile::TempDir,
    labels: Vec<String>,
    tickets: Vec<(Report, String)>,
    model: Triage,
}

fn report(text: &str) -> Report {
    serde_json::from_value(json!({"external_id": "1", "kind": "incident", "event": "opened", "title": "", "body": text, "body_is_html": false, "labels": {}, "attributes": {}, "tags": []})).unwrap()
}

impl Desk {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::load(Path::new("models/catalogue.toml")).unwrap();
        let (mut lines, mut tickets, mut labels) = (String::new(), Vec::new(), Vec::new());
        for category in catalogue.iter().filter(|category| !category.examples.is_empty()).take(CATEGORIES) {
            labels.push(category.id.clone());
            for example in &category.examples {
                lines += &format!("{}\n", json!({"text": example, "labels": {"category": category.id}}));
                // The same complaint in other words: every third one is left out, and somebody greets.
                let words: Vec<&str> = example.split(' ').enumerate().filter(|(place, _)| place % 3 != 2).map(|(_, word)| word).collect();
                tickets.push((report(&format!("Hello team, {}. Thanks!", words.join(" "))), category.id.clone()));
            }
        }
        fs::write(folder.path().join("base.jsonl"), lines).unwrap();
        let frozen = fs::read_to_string("models/service-desk.eval.jsonl").unwrap();
        let kept: Vec<&str> = frozen.lines().filter(|line| labels.iter().any(|label| line.contains(&format!("\"{label}\"")))).collect();
        assert!(kept.len() >= 4 * CATEGORIES, "{}", kept.len());
        fs::write(folder.path().join("frozen.jsonl"), kept.join("\n")).unwrap();
        let model = trained(folder.path(), "base", Vec::new());
        Self { folder, labels, tickets, model }
    }

    /// What the model says of a ticket when somebody corrects it to `label`.
    fn correction(&self, number: usize, by: &str, label: &str) -> Feedback {
        let (report, _) = &self.tickets[number];
        let said = self.model.classify(report, &text::clean_ticket(report), &SourceId::new("desk").unwrap()).category.ranked[0].clone();
        let at = Timestamp::from_millis(number as i64);
        Feedback {
            form: Feedback::FORM,
            id: FeedbackId::new(at, u128::from(by.as_bytes()[by.len() - 1])),
            tenant: TenantId::default(),
            ticket: TicketId::new(at, number as u128),
            ticket_version: 1,
            shape: Digest::of(report.body.as_untrusted().as_bytes()),
            target: "category".to_owned(),
            label: label.to_owned(),
            said: Some(said.0),
            probability: said.1,
            model: self.model.model_digest(),
            by: PersonId::new(by).unwrap(),
            // The most that an account can weigh.
            roles: vec![Role::Approver],
            at,
            ruling: None,
            revision: 1,
        }
    }

    /// `count` corrections, as `wrong` has them, by accounts that back each other up.
    fn attack(&self, count: usize, accounts: usize, wrong: impl Fn(&str, usize) -> Option<String>) -> Vec<Feedback> {
        // From all categories alike, and never the same ticket twice.
        let spread = (0..self.tickets.len()).map(|number| number * 7 % self.tickets.len());
        let flipped: Vec<(usize, String)> =
            spread.filter_map(|number| Some((number, wrong(&self.tickets[number].1, number)?))).take(count).collect();
        let by = |account| format!("eve-{account}");
        (0..accounts)
            .flat_map(|account| flipped.iter().map(move |(number, label)| (account, *number, label)))
            .map(|(account, number, label)| self.correction(number, &by(account), label))
            .collect()
    }

    fn learned(&self) -> Learned {
        let head = &self.model.manifest().heads["category"];
        BTreeMap::from([("category".to_owned(), head.metrics.classes.iter().map(|class| (class.label.clone(), class.examples)).collect())])
    }

    /// The model that learns from `corrections`, against the one before; and how many it learned from.
    fn after(&self, corrections: &[Feedback], trusting: bool) -> (Comparison, usize) {
        let standings = assess(corrections, &self.learned(), &FeedbackRules::default());
        let passed: Vec<&Feedback> =
            corrections.iter().zip(&standings).filter(|(_, standing)| trusting || standing.is_learned_from()).map(|(one, _)| one).collect();
        let more: Vec<Labelled> = passed.iter().map(|one| self.labelled(one)).collect();
        let candidate = trained(self.folder.path(), "candidate", more);
        (compare(&self.model, &candidate, &self.folder.path().join("frozen.jsonl"), BAR).unwrap(), passed.len())
    }

    fn labelled(&self, correction: &Feedback) -> Labelled {
        let number = correction.at.as_millis() as usize;
        let body = self.tickets[number].0.body.as_untrusted().to_owned();
        Labelled { title: String::new(), body, is_html: false, labels: BTreeMap::from([("category".to_owned(), correction.label.clone())]) }
    }
}

fn trained(folder: &Path, name: &str, more: Vec<Labelled>) -> Triage {
    let options = TrainOptions {
        name: name.to_owned(),
        data: vec![folder.join("base.jsonl")],
        dev: None,
        catalogue: None,
        signals: "signals.toml".into(),
        more: Some(("corrections".to_owned(), more)),
        frozen: Some(folder.join("frozen.jsonl")),
        targets: Vec::new(),
        out: folder.join(name),
        seed: 42,
        promised: 0.9,
        licence: "test".to_owned(),
        embedding: None,
        taught: false,
    };
    train(&options, &mut |_| {}).unwrap();
    Triage::load(&folder.join(name), Path::new("models/embedding"), Path::new("models/catalogue.toml"), Path::new("signals.toml")).unwrap()
}

/// Right answers that the frozen texts lost on balance.
fn net_loss(comparison: &Comparison) -> i64 {
    let all = &comparison.targets["category"].all;
    all.lost as i64 - all.gained as i64
}

#[test]
fn poisoned_labels_of_one_and_of_three_accounts_are_refused_or_change_nothing() {
    let desk = Desk::open();
    let base = desk.tickets.len();
    let another = |truth: &str, number: usize| {
        let place = desk.labels.iter().position(|label| label == truth).unwrap();
        Some(desk.labels[(place + 1 + number % (CATEGORIES - 1)) % CATEGORIES].clone())
    };
    let one_for_all = |truth: &str, _: usize| (truth != desk.labels[0]).then(|| desk.labels[0].clone());
    let frozen = desk.labels.len() * 4;
    for percent in [1, 5, 20] {
        let count = (base * percent).div_ceil(100);
        for accounts in [1, 3] {
            let attacks = [
                ("any other label", desk.attack(count, accounts, another)),
                ("one label for all", desk.attack(count, accounts, one_for_all)),
            ];
            for (kind, corrections) in attacks {
                let (comparison, learned) = desk.after(&corrections, false);
                let (loss, refused) = (net_loss(&comparison), !comparison.refusals.is_empty());
                eprintln!(
                    "{percent} % by {accounts}, {kind}: {learned} of {} pass, {loss} of {frozen} frozen answers lost, refused: {refused}",
                    corrections.len()
                );
                assert!(refused || loss * 50 <= frozen as i64, "{percent} % by {accounts}, {kind}: {loss} lost and promoted");
            }
        }
    }
    // The walls do something: without them the same labels do harm that only the promotion stops.
    let (comparison, _) = desk.after(&desk.attack(base, 3, another), true);
    assert!(net_loss(&comparison) * 50 > frozen as i64 && !comparison.refusals.is_empty(), "{comparison:?}");
}
