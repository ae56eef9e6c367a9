//! How good a model is on texts it was not trained on, and how fast.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    TriageError,
    calibration::{self, Bin, Coverage, Outcome},
    examples::{self, Example},
    head::Head,
    measure,
    model::{self, Model},
    progress::Progress,
    registry,
    signals::SignalSet,
};

/// What a head says of one text, and what is true.
#[derive(Debug, Clone, Copy)]
struct Judged {
    /// The best label.
    label: usize,
    probability: f64,
    /// The head abstains, however sure it is.
    foreign: bool,
    /// `None`: the model has no such label.
    truth: Option<usize>,
}

/// What to measure.
#[derive(Debug, Clone)]
pub struct EvaluateOptions {
    pub model: PathBuf,
    pub signals: PathBuf,
    pub data: Vec<PathBuf>,
    /// Folder of the embeddings.
    pub embedding: PathBuf,
    /// Texts outside the domain; their labels are not looked at.
    pub ood: Option<PathBuf>,
}

/// One target's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetReport {
    /// Texts that have the label.
    pub n: usize,
    pub accuracy: f64,
    pub macro_f1: f64,
    pub ece: f64,
    /// What the thresholds that were picked in training give here.
    pub coverage_at_90: Coverage,
    pub coverage_at_95: Coverage,
    pub coverage_at_98: Coverage,
    /// How well the score of belonging tells foreign texts from these; only with `ood`.
    pub ood_auroc: Option<f64>,
    /// Share of foreign texts found when 5 % of these are taken for foreign.
    pub ood_recall_at_5fr: Option<f64>,
    /// Share of foreign texts that are given a label, at the model's own threshold and floors.
    #[serde(default)]
    pub ood_answered: Option<f64>,
    /// Labels by share of right answers, worst first, at most ten: label, right, of.
    pub worst: Vec<(String, usize, usize)>,
    pub confusion: Confusion,
    /// By how sure the head was.
    pub bins: Vec<Bin>,
}

/// What was taken for what, for the labels with the most wrong answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// At most ten, most wrong answers first.
    pub labels: Vec<String>,
    /// A row a true label: how often each of `labels` was answered, then how often any other.
    pub counts: Vec<Vec<usize>>,
}

/// The whole measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub targets: BTreeMap<String, TargetReport>,
    /// Features and all heads, one thread, cleaned texts given.
    pub texts_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// Measures a model; `clock` gives the time since any fixed moment.
///
/// # Errors
/// The model or a data file cannot be read, or no line has a label of the model's targets.
pub fn evaluate(
    options: &EvaluateOptions,
    clock: &dyn Fn() -> Duration,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Report, TriageError> {
    let signals = SignalSet::load(&options.signals)?;
    let (model, manifest, _) = registry::load(&options.model, &options.embedding)?;
    let mut all = Vec::new();
    for path in &options.data {
        progress(Progress::Stage(&format!("reading {}", path.display())));
        all.extend(examples::read(path)?.0);
    }
    progress(Progress::Stage("measuring"));
    let mut answers: BTreeMap<&str, Vec<Judged>> = BTreeMap::new();
    let mut belonging: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut times = Vec::with_capacity(all.len());
    for (done, example) in all.iter().enumerate() {
        if done % 256 == 0 {
            progress(Progress::Part { done, of: all.len() });
        }
        let start = clock();
        let features = model.features(&example.text, &signals.hits(&example.text));
        let said: Vec<model::Answer> = model.heads.iter().map(|head| model.answer(head, &features)).collect();
        times.push(clock().saturating_sub(start).as_secs_f64() * 1e3);
        for (head, said) in model.heads.iter().zip(said) {
            belonging.entry(&head.target).or_default().push(said.belonging);
            let Some(truth) = example.labels.get(&head.target) else { continue };
            answers.entry(&head.target).or_default().push(judged(&head.labels, &said, truth));
        }
    }
    let foreign = match &options.ood {
        None => None,
        Some(path) => {
            let texts = examples::read(path)?.0;
            Some(texts.iter().map(|example| model.features(&example.text, &signals.hits(&example.text))).collect::<Vec<_>>())
        }
    };
    let mut targets = BTreeMap::new();
    for (target, answers) in answers {
        let Some(head) = manifest.heads.get(target) else { continue };
        let mut figures = report(&head.labels, &head.metrics.coverage, &answers);
        if let (Some(foreign), Some(head), Some(own)) = (&foreign, model.head(target), belonging.get_mut(target)) {
            let said: Vec<model::Answer> = foreign.iter().map(|features| model.answer(head, features)).collect();
            let foreign: Vec<f64> = said.iter().map(|said| said.belonging).collect();
            figures.ood_auroc = Some(measure::auroc(own, &foreign));
            let floor = measure::quantile(own, 0.05);
            let share = |count: usize| Some(count as f64 / foreign.len().max(1) as f64);
            figures.ood_recall_at_5fr = share(foreign.iter().filter(|score| **score < floor).count());
            let answered = |said: &&model::Answer| !said.foreign && said.probabilities.iter().any(|one| *one >= head.threshold);
            figures.ood_answered = share(said.iter().filter(answered).count());
        }
        targets.insert(target.to_owned(), figures);
    }
    if targets.is_empty() {
        let known: Vec<&str> = manifest.heads.keys().map(String::as_str).collect();
        return Err(TriageError::Training(format!("no line has a label for the model's targets: {}", known.join(", "))));
    }
    let total: f64 = times.iter().sum();
    Ok(Report {
        targets,
        texts_per_second: all.len() as f64 / (total / 1e3).max(1e-9),
        p50_ms: measure::quantile(&mut times, 0.5),
        p99_ms: measure::quantile(&mut times, 0.99),
    })
}

fn judged(labels: &[String], said: &model::Answer, truth: &str) -> Judged {
    let (label, probability) = measure::highest(said.probabilities.iter().copied());
    Judged { label, probability, foreign: said.foreign, truth: labels.iter().position(|known| known == truth) }
}

/// The figures of one head of a model in the making on texts it did not learn from; none has a label: nothing.
pub(super) fn held_out(model: &Model, head: &Head, picked: &[Coverage], signals: &SignalSet, examples: &[Example]) -> Option<TargetReport> {
    let answers: Vec<Judged> = examples
        .iter()
        .filter_map(|example| {
            let truth = example.labels.get(&head.target)?;
            let features = model.features(&example.text, &signals.hits(&example.text));
            Some(judged(&head.labels, &model.answer(head, &features), truth))
        })
        .collect();
    (!answers.is_empty()).then(|| report(&head.labels, picked, &answers))
}

/// The labels with the most wrong answers and what they were taken for.
pub(super) fn confusion(labels: &[String], predicted: &[usize], truth: &[usize]) -> Confusion {
    const MOST: usize = 10;
    let mut wrong = vec![0usize; labels.len() + 1];
    for (predicted, truth) in predicted.iter().zip(truth).filter(|(predicted, truth)| predicted != truth) {
        wrong[*predicted] += 1;
        wrong[*truth] += 1;
    }
    let mut shown: Vec<usize> = (0..labels.len()).filter(|label| wrong[*label] > 0).collect();
    shown.sort_by_key(|label| (std::cmp::Reverse(wrong[*label]), *label));
    shown.truncate(MOST);
    let place = |label: usize| shown.iter().position(|shown| *shown == label);
    let mut counts = vec![vec![0; shown.len() + 1]; shown.len()];
    for (predicted, truth) in predicted.iter().zip(truth) {
        if let Some(row) = place(*truth) {
            counts[row][place(*predicted).unwrap_or(shown.len())] += 1;
        }
    }
    Confusion { labels: shown.iter().map(|label| labels[*label].clone()).collect(), counts }
}

/// A truth that the model has no label for counts as wrong, as a class of its own.
fn report(labels: &[String], picked: &[Coverage], answers: &[Judged]) -> TargetReport {
    let outcome = |answer: &Judged| Outcome { probability: answer.probability, correct: Some(answer.label) == answer.truth };
    let outcomes: Vec<Outcome> = answers.iter().map(outcome).collect();
    let predicted: Vec<usize> = answers.iter().map(|answer| answer.label).collect();
    let truth: Vec<usize> = answers.iter().map(|answer| answer.truth.unwrap_or(labels.len())).collect();
    let mut by_label = vec![(0usize, 0usize); labels.len() + 1];
    for (outcome, truth) in outcomes.iter().zip(&truth) {
        by_label[*truth].1 += 1;
        by_label[*truth].0 += usize::from(outcome.correct);
    }
    let mut worst: Vec<(String, usize, usize)> = by_label
        .iter()
        .enumerate()
        .filter(|(_, (right, of))| right < of)
        .map(|(label, (right, of))| (labels.get(label).map_or("(unknown label)", String::as_str).to_owned(), *right, *of))
        .collect();
    worst.sort_by(|a, b| (a.1 * b.2).cmp(&(b.1 * a.2)).then_with(|| b.2.cmp(&a.2)).then_with(|| a.0.cmp(&b.0)));
    worst.truncate(10);
    let own: Vec<Outcome> = answers.iter().zip(&outcomes).filter(|(answer, _)| !answer.foreign).map(|(_, outcome)| *outcome).collect();
    let reached = |promised: f64| {
        let picked = picked.iter().copied().find(|coverage| (coverage.promised - promised).abs() < 1e-9);
        let picked = picked.unwrap_or(Coverage { promised, threshold: 1.01, coverage: 0.0, accuracy: 0.0 });
        calibration::reached(&own, answers.len(), picked)
    };
    TargetReport {
        n: answers.len(),
        accuracy: outcomes.iter().filter(|outcome| outcome.correct).count() as f64 / outcomes.len().max(1) as f64,
        macro_f1: measure::macro_f1(&predicted, &truth, labels.len() + 1),
        ece: calibration::expected_calibration_error(&outcomes),
        coverage_at_90: reached(0.90),
        coverage_at_95: reached(0.95),
        coverage_at_98: reached(0.98),
        ood_auroc: None,
        ood_recall_at_5fr: None,
        ood_answered: None,
        worst,
        confusion: confusion(labels, &predicted, &truth),
        bins: calibration::bins(&outcomes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        text::embedding::EmbeddingKind,
        triage::{TrainOptions, train},
    };

    #[test]
    fn the_confusion_table_has_the_most_mixed_labels_and_counts_the_rest_together() {
        let labels: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
        // `a` is taken for `b` twice; `d` is a label that the model does not have, taken for `c`.
        let table = confusion(&labels, &[1, 1, 0, 1, 2, 3], &[0, 0, 0, 1, 4, 3]);
        assert_eq!(table.labels, ["a", "b", "c"]);
        assert_eq!(table.counts, [[1, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]);
    }

    #[test]
    fn talk_of_other_things_in_ordinary_words_gets_no_label_and_nearly_all_of_the_models_own_texts_do() {
        // Own texts begin with them now and then, so that every word of theirs is known.
        let foreign = [
            "what was the score of the game last night",
            "can you tell me how tall the eiffel tower is",
            "should i put butter or oil into the pancakes",
            "who wrote the song about the yellow submarine",
            "how many moons does the planet saturn have",
            "please remind me when my sister has her birthday",
            "is it better to plant tomatoes in april or in may",
            "what year did the second world war end",
        ];
        let topics = [
            (
                "printer",
                "the",
                ["printer", "scanner", "print queue", "toner cartridge"],
                ["is jammed", "prints blank pages", "shows an error"],
            ),
            (
                "vpn",
                "my",
                ["vpn", "tunnel", "remote access", "vpn client"],
                ["drops every hour", "does not connect", "asks for the password"],
            ),
            ("mail", "our", ["mailbox", "outlook", "shared mailbox", "calendar"], ["does not open", "loses messages", "is full"]),
        ];
        let places =
            ["since monday", "after the update", "on floor 3", "at home", "in the lobby", "again", "on all laptops", "for our team"];
        let mut files = [String::new(), String::new()];
        for (label, article, things, troubles) in topics {
            let troubles = things.iter().flat_map(|thing| troubles.map(|trouble| format!("{article} {thing} {trouble}")));
            let texts = troubles.flat_map(|trouble| places.map(|place| format!("{trouble} {place}")));
            for (number, text) in texts.enumerate() {
                let talk = foreign.get(number * 5 % 24).map_or(String::new(), |talk| format!("{talk} and "));
                let file = &mut files[usize::from(number % 7 == 3)];
                *file += &format!("{{\"text\": \"{talk}{text}\", \"labels\": {{\"category\": \"{label}\"}}}}\n");
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let [learned, own] = files;
        let foreign: String = foreign.iter().map(|text| format!("{{\"text\": \"{text}\"}}\n")).collect();
        for (name, text) in [("learned", learned), ("own", own), ("foreign", foreign)] {
            std::fs::write(path(name), text).unwrap();
        }
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let embedding = root.join("models/embedding");
        let options = TrainOptions {
            name: "three".to_owned(),
            data: vec![path("learned")],
            dev: None,
            catalogue: None,
            more: None,
            frozen: None,
            signals: root.join("signals.toml"),
            targets: Vec::new(),
            out: path("model"),
            seed: 1,
            promised: 0.9,
            licence: "test".to_owned(),
            embedding: Some((EmbeddingKind::Static, embedding.clone())),
            taught: false,
        };
        train(&options, &mut |_| {}).unwrap();
        let options = EvaluateOptions {
            model: path("model"),
            signals: options.signals,
            data: vec![path("own")],
            embedding,
            ood: Some(path("foreign")),
        };
        let report = evaluate(&options, &|| Duration::ZERO, &mut |_| {}).unwrap();
        let figures = &report.targets["category"];
        assert!(figures.coverage_at_90.coverage > 0.9 && figures.coverage_at_90.accuracy > 0.95, "{figures:?}");
        assert_eq!(figures.ood_answered, Some(0.0), "{figures:?}");
    }

    #[test]
    fn a_foreign_text_counts_in_the_calibration_error_as_it_was_claimed_and_is_never_answered() {
        let labels: Vec<String> = ["a", "b"].map(str::to_owned).into();
        // Nine in ten right at 90 %, half of the texts foreign.
        let answers: Vec<Judged> =
            (0..100).map(|n| Judged { label: usize::from(n % 10 == 0), probability: 0.9, foreign: n % 20 < 10, truth: Some(0) }).collect();
        let picked = [Coverage { promised: 0.9, threshold: 0.5, coverage: 1.0, accuracy: 0.9 }];
        let report = report(&labels, &picked, &answers);
        assert!(report.ece < 1e-9, "{}", report.ece);
        assert!((report.coverage_at_90.coverage - 0.5).abs() < 1e-12 && (report.coverage_at_90.accuracy - 0.9).abs() < 1e-12);
        assert!((report.accuracy - 0.9).abs() < 1e-12);
    }
}
