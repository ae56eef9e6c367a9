//! Measures ranking on labelled queries: recall, reciprocal rank, gain, refusal and time.
//!
//! Reads JSON Lines that the caller names; nothing here is tuned on what it measures. Time is read from a clock that
//! the caller hands in.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufRead,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    calibration::wilson_lower,
    error::RunbookError,
    finding::Finding,
    library::{Known, Library},
    parse::{Places, Sheet},
    query::text_query,
    semantic::Meaning,
};
use crate::domain::{
    digest::Digest,
    name::RunbookId,
    priority::Risk,
    runbook::{Examples, Runbook, Triggers},
};

/// A library under the ids of the corpus it came from.
#[derive(Debug)]
pub struct Collection {
    library: Library,
    names: BTreeMap<RunbookId, String>,
}

/// Queries with known answers.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// JSON Lines of `{"id", "text", "title"? or "alert_words"?}`.
    pub queries: PathBuf,
    /// JSON Lines of `{"query", "doc", "rel"}`.
    pub qrels: PathBuf,
    /// Queries that nothing fits, same form.
    pub nofit: Option<PathBuf>,
    pub field: QueryField,
}

/// A question as it is searched with, and the documents that answer it with how well; none when nothing fits.
pub(crate) struct Asked {
    pub text: String,
    pub gold: BTreeMap<String, f64>,
}

impl Labelled {
    /// Every query with its answers; one without a judged answer is left out, and those that nothing fits come last.
    pub(crate) fn read(&self) -> Result<Vec<Asked>, RunbookError> {
        let mut relevant: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        for judgement in lines::<Judgement>(&self.qrels)?.into_iter().filter(|judgement| judgement.rel > 0.0) {
            relevant.entry(judgement.query).or_default().insert(judgement.doc, judgement.rel);
        }
        let text = |question: Question| match self.field {
            QueryField::Text => question.text,
            QueryField::Named => format!("{} {}\n{}", question.title, question.alert_words, question.text),
        };
        let judged = |question: Question| Some(Asked { gold: relevant.remove(&question.id)?, text: text(question) });
        let mut asked: Vec<Asked> = lines::<Question>(&self.queries)?.into_iter().filter_map(judged).collect();
        if asked.is_empty() {
            return Err(RunbookError::Empty { path: self.queries.clone(), what: "query with a judged document" });
        }
        if let Some(path) = &self.nofit {
            asked.extend(lines::<Question>(path)?.into_iter().map(|question| Asked { text: text(question), gold: BTreeMap::new() }));
        }
        Ok(asked)
    }
}

/// Which words of a query are searched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueryField {
    /// The symptom alone.
    #[default]
    Text,
    /// The title or alert name too.
    Named,
}

#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Evaluation {
    pub documents: usize,
    pub queries: usize,
    pub recall_at_1: f64,
    pub recall_at_5: f64,
    pub mrr_at_10: f64,
    pub ndcg_at_10: f64,
    /// How well P(fits) of the best candidate tells queries with an answer from those without; absent without the latter.
    pub nofit_auroc: Option<f64>,
    /// Threshold from one half of the queries, figures from the other; absent when the target is out of reach.
    pub coverage_at_95: Option<Coverage>,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Coverage {
    pub coverage: f64,
    pub precision: f64,
}

#[derive(Deserialize)]
struct Document {
    id: String,
    title: String,
    #[serde(default)]
    intro: String,
    #[serde(default)]
    body: String,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    text: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    alert_words: String,
}

#[derive(Deserialize)]
struct Judgement {
    query: String,
    doc: String,
    rel: f64,
}

struct Answered {
    /// Corpus ids, best first, at most ten.
    ranked: Vec<String>,
    fit: f64,
    millis: f64,
}

/// `clock` tells the time since some fixed moment.
///
/// # Errors
/// A file that cannot be read, or a line of another form.
pub fn evaluate(collection: &Collection, labelled: &Labelled, clock: &dyn Fn() -> Duration) -> Result<Evaluation, RunbookError> {
    let library = &collection.library;
    let answer = |asked: &Asked| {
        let started = clock();
        let (ranked, fit) = text_query(&asked.text, None, |query| {
            let standings = library.standings(query);
            let fit = standings.first().map_or(0.0, |best| library.calibration().probability(&best.features));
            (standings.iter().take(10).map(|standing| collection.name(&standing.runbook.id).to_owned()).collect(), fit)
        });
        Answered { ranked, fit, millis: clock().saturating_sub(started).as_secs_f64() * 1e3 }
    };
    let asked = labelled.read()?;
    let answers: Vec<Answered> = asked.iter().map(answer).collect();
    let (answers, refused) = answers.split_at(asked.iter().take_while(|asked| !asked.gold.is_empty()).count());
    let judged: Vec<(&Answered, &BTreeMap<String, f64>)> = answers.iter().zip(asked.iter().map(|asked| &asked.gold)).collect();
    let mean = |of: &dyn Fn(&Answered, &BTreeMap<String, f64>) -> f64| {
        judged.iter().map(|(answer, gold)| of(answer, gold)).sum::<f64>() / judged.len() as f64
    };
    let hit = |answer: &Answered, gold: &BTreeMap<String, f64>, within: usize| {
        answer.ranked.iter().take(within).position(|doc| gold.get(doc).is_some_and(|rel| *rel > 0.0))
    };
    let mut times: Vec<f64> = answers.iter().map(|answer| answer.millis).collect();
    times.sort_by(f64::total_cmp);
    let outcomes: Vec<(f64, bool)> = judged
        .iter()
        .map(|(answer, gold)| (answer.fit, hit(answer, gold, 1).is_some()))
        .chain(refused.iter().map(|answer| (answer.fit, false)))
        .collect();
    Ok(Evaluation {
        documents: library.len(),
        queries: judged.len(),
        recall_at_1: mean(&|answer, gold| f64::from(u8::from(hit(answer, gold, 1).is_some()))),
        recall_at_5: mean(&|answer, gold| f64::from(u8::from(hit(answer, gold, 5).is_some()))),
        mrr_at_10: mean(&|answer, gold| hit(answer, gold, 10).map_or(0.0, |at| 1.0 / (at + 1) as f64)),
        ndcg_at_10: mean(&ndcg),
        nofit_auroc: auroc(&answers.iter().map(|a| a.fit).collect::<Vec<_>>(), &refused.iter().map(|a| a.fit).collect::<Vec<_>>()),
        coverage_at_95: coverage(&outcomes, 0.95),
        p50_ms: times[times.len() / 2],
        p99_ms: times[(times.len() * 99 / 100).min(times.len() - 1)],
    })
}

fn ndcg(answer: &Answered, gold: &BTreeMap<String, f64>) -> f64 {
    let discount = |at: usize| ((at + 2) as f64).log2();
    let got: f64 = answer.ranked.iter().take(10).enumerate().map(|(at, doc)| gold.get(doc).copied().unwrap_or(0.0) / discount(at)).sum();
    let mut ideal: Vec<f64> = gold.values().copied().collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let best: f64 = ideal.iter().take(10).enumerate().map(|(at, rel)| rel / discount(at)).sum();
    if best > 0.0 { got / best } else { 0.0 }
}

/// The chance that a query with an answer stands above one without; ties count half.
pub(crate) fn auroc(with: &[f64], without: &[f64]) -> Option<f64> {
    if with.is_empty() || without.is_empty() {
        return None;
    }
    let wins: f64 = with
        .iter()
        .flat_map(|a| {
            without.iter().map(move |b| {
                if a > b {
                    1.0
                } else if a == b {
                    0.5
                } else {
                    0.0
                }
            })
        })
        .sum();
    Some(wins / (with.len() * without.len()) as f64)
}

/// The lowest threshold of the even rows whose precision has the target as its lower bound, tried on the odd rows.
fn coverage(outcomes: &[(f64, bool)], target: f64) -> Option<Coverage> {
    let half = |rest: usize| outcomes.iter().enumerate().filter(move |(index, _)| index % 2 == rest).map(|(_, outcome)| *outcome);
    let mut fitted: Vec<(f64, bool)> = half(0).collect();
    fitted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut right, mut threshold) = (0, None);
    for (index, (fit, is_right)) in fitted.iter().enumerate() {
        right += usize::from(*is_right);
        if fitted.get(index + 1).is_none_or(|next| next.0 < *fit) && wilson_lower(right, index + 1) >= target {
            threshold = Some(*fit);
        }
    }
    let threshold = threshold?;
    let held: Vec<(f64, bool)> = half(1).collect();
    let taken: Vec<bool> = held.iter().filter(|(fit, _)| *fit >= threshold).map(|(_, is_right)| *is_right).collect();
    if taken.is_empty() {
        return None;
    }
    let right = taken.iter().filter(|is_right| **is_right).count();
    Some(Coverage { coverage: taken.len() as f64 / held.len() as f64, precision: right as f64 / taken.len() as f64 })
}

impl Collection {
    /// A folder of runbooks, or JSON Lines of `{"id", "title", "body", "intro"?}`.
    ///
    /// # Errors
    /// A file that cannot be read, a line of another form, or runbooks that do not load.
    pub fn load(path: &Path, meaning: Option<Meaning>) -> Result<Self, RunbookError> {
        let bad = |why: String| RunbookError::BadLine { path: path.to_owned(), line: 0, why };
        let refused = |findings: Vec<Finding>| bad(findings.first().map_or_else(|| "it does not load".to_owned(), ToString::to_string));
        let known = Known { meaning, ..Known::default() };
        if path.is_dir() {
            let library = Library::load(path, &known).map_err(refused)?;
            let names = library.iter().map(|runbook| (runbook.id.clone(), runbook.id.to_string())).collect();
            return Ok(Self { library, names });
        }
        let documents: Vec<Document> = lines(path)?;
        let sheets = documents.into_iter().enumerate().map(|(number, document)| sheet(number, document));
        let sheets: Vec<Sheet> = sheets.collect::<Result<_, _>>().map_err(bad)?;
        let names = sheets.iter().map(|sheet| (sheet.runbook.id.clone(), sheet.file.clone())).collect();
        Ok(Self { library: Library::from_sheets(sheets, &known).map_err(refused)?, names })
    }

    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The name in the corpus.
    pub(crate) fn name<'a>(&'a self, id: &'a RunbookId) -> &'a str {
        self.names.get(id).map_or(id.as_str(), String::as_str)
    }
}

fn sheet(number: usize, document: Document) -> Result<Sheet, String> {
    let id = RunbookId::new(format!("document-{number:08}")).map_err(|why| why.to_string())?;
    let runbook = Runbook {
        id,
        title: document.title,
        owner: String::new(),
        authors: BTreeSet::new(),
        reviewed: None,
        review_every: None,
        triggers: Triggers::default(),
        symptoms: vec![document.intro],
        categories: BTreeSet::new(),
        parameters: BTreeMap::new(),
        risk: Risk::High,
        reversible: false,
        time_limit: Runbook::USUAL_TIME_LIMIT,
        steps: Vec::new(),
        examples: Examples::default(),
        digest: Digest::of(document.body.as_bytes()),
        body: document.body,
    };
    Ok(Sheet { file: document.id, runbook, irreversible: false, places: Places::default(), compiled: std::sync::Arc::default() })
}

/// Every non-empty line as JSON.
pub(crate) fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RunbookError> {
    let unreadable = |why| RunbookError::Unreadable { path: path.to_owned(), why };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut rows = Vec::new();
    for (number, line) in std::io::BufReader::new(file).lines().enumerate() {
        let line = line.map_err(unreadable)?;
        if !line.trim().is_empty() {
            let bad = |why: serde_json::Error| RunbookError::BadLine { path: path.to_owned(), line: number + 1, why: why.to_string() };
            rows.push(serde_json::from_str(&line).map_err(bad)?);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn figures_of_a_small_set_are_the_ones_worked_out_by_hand() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = write(
            folder.path(),
            "corpus",
            "{\"id\":\"a/A.md\",\"title\":\"Disk full\",\"body\":\"space\"}\n{\"id\":\"b\",\"title\":\"Printer\",\"body\":\"spooler disk\"}\n",
        );
        let labelled = Labelled {
            queries: write(
                folder.path(),
                "queries",
                "{\"id\":\"1\",\"text\":\"disk full\"}\n{\"id\":\"2\",\"text\":\"disk\"}\n{\"id\":\"unjudged\",\"text\":\"x\"}\n",
            ),
            qrels: write(
                folder.path(),
                "qrels",
                "{\"query\":\"1\",\"doc\":\"a/A.md\",\"rel\":1}\n{\"query\":\"2\",\"doc\":\"b\",\"rel\":1}\n",
            ),
            nofit: Some(write(folder.path(), "nofit", "{\"id\":\"3\",\"text\":\"lunch menu\"}\n")),
            field: QueryField::Text,
        };
        let collection = Collection::load(&corpus, None).unwrap();
        let ticks = std::cell::Cell::new(0);
        let ticking = || {
            ticks.set(ticks.get() + 2);
            Duration::from_millis(ticks.get())
        };
        let figures = evaluate(&collection, &labelled, &ticking).unwrap();
        assert_eq!((figures.documents, figures.queries), (2, 2));
        assert_eq!((figures.recall_at_1, figures.recall_at_5, figures.mrr_at_10), (0.5, 1.0, 0.75));
        assert!((figures.ndcg_at_10 - f64::midpoint(1.0, 1.0 / 3f64.log2())).abs() < 1e-12);
        assert_eq!(figures.nofit_auroc, Some(1.0));
        assert_eq!((figures.p50_ms, figures.p99_ms), (2.0, 2.0));
        let error = evaluate(&collection, &Labelled { qrels: corpus, ..labelled }, &ticking).unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
    }

    #[test]
    fn auroc_counts_ties_as_half() {
        assert_eq!(auroc(&[0.9, 0.5], &[0.5, 0.1]), Some(0.875));
        assert_eq!(auroc(&[], &[0.5]), None);
    }
}
