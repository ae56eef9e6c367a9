//! From labelled texts to a model folder: read everything, fit, measure, write at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use ndarray::{Array2, Axis, Slice};

use super::{
    TriageError, card,
    catalogue::Catalogue,
    distillation::Student,
    evaluate,
    examples::{self, Example, Labelled},
    head::{Features, Head, HeadMetrics, HeadOptions},
    measure,
    model::{self, Model},
    neighbours::{Neighbours, Vectors},
    parallel,
    plot::{self, Place},
    progress::Progress,
    promotion::FrozenTexts,
    registry::{self, EmbeddingManifest, HeadManifest, Manifest},
    signals::SignalSet,
    sparse::SparseMatrix,
    tuning::{self, Task, Tuned},
    vectorizer::{Cut, Vectorizer},
};
use crate::{
    domain::{canonical, digest::Digest},
    text::embedding::{CachedEmbedder, Embedder, EmbeddingError, EmbeddingKind},
};

/// What to train on and where to put it.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    pub name: String,
    /// JSON Lines files.
    pub data: Vec<PathBuf>,
    /// JSON Lines that are only measured on: nothing is learned or chosen from them.
    pub dev: Option<PathBuf>,
    /// Its examples join the data: the cold start.
    pub catalogue: Option<PathBuf>,
    pub signals: PathBuf,
    /// Join the data under this name: what people corrected.
    pub more: Option<(String, Vec<Labelled>)>,
    /// Texts that are left out of whatever is learned from: what a promotion is judged by.
    pub frozen: Option<PathBuf>,
    /// Only these targets; empty means all that the data has.
    pub targets: Vec<String>,
    pub out: PathBuf,
    pub seed: u64,
    /// Accuracy promised above the abstention threshold, in `0.5..1`.
    pub promised: f64,
    pub licence: String,
    /// The embedding that joins the features, and the folder it stands in.
    pub embedding: Option<(EmbeddingKind, PathBuf)>,
    /// Whether the n-grams and the static embedding learn from a MiniLM that was tuned to the labels, too.
    pub taught: bool,
}

/// Texts that are embedded between two words of progress.
const PART: usize = 1_024;
/// Labels with fewer examples are left out: they could be neither learned nor measured.
const FEWEST: usize = 2;

/// Trains and writes a model; tells `progress` what it is at.
///
/// # Errors
/// A file is unreadable or has a bad line, a target has fewer than two labels, or the folder cannot be written.
/// Then nothing is written.
pub fn train(options: &TrainOptions, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Manifest, TriageError> {
    let signals = SignalSet::load(&options.signals)?;
    let mut examples: Vec<Example> = Vec::new();
    let mut data: Vec<(String, Digest)> = Vec::new();
    let name = |path: &std::path::Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for path in &options.data {
        progress(Progress::Stage(&format!("reading {}", path.display())));
        let (more, digest) = examples::read(path)?;
        examples.extend(more);
        data.push((name(path), digest));
    }
    if let Some(path) = &options.catalogue {
        let catalogue = Catalogue::load(path)?;
        examples.extend(examples::from_catalogue(&catalogue));
        data.push((name(path), catalogue.digest()));
    }
    let mut corrected: Vec<Example> = Vec::new();
    if let Some((name, labelled)) = &options.more {
        corrected.extend(labelled.iter().map(Example::from));
        data.push((name.clone(), canonical::digest(labelled).map_err(|error| TriageError::Training(error.to_string()))?));
    }
    let before = examples.len() + corrected.len();
    if let Some(frozen) = options.frozen.as_ref().map(|path| FrozenTexts::load(path)).transpose()? {
        examples.retain(|example| !frozen.has(&example.text));
        corrected.retain(|example| !frozen.has(&example.text));
    }
    let given = examples.len();
    examples.extend(corrected);
    let left_out = before - examples.len();
    if left_out > 0 {
        progress(Progress::Stage(&format!("left out {left_out} texts that are among the frozen ones")));
    }
    let dev = options.dev.as_ref().map(|path| examples::read(path)).transpose()?.map(|(dev, _)| dev);
    let targets = targets(&examples, &options.targets)?;

    progress(Progress::Stage("cutting features"));
    // Few texts have to live with rarer n-grams; many texts make them noise.
    let cut = Cut { min_documents: 2 };
    let vectorizer = Vectorizer::fit(examples.iter().map(|example| &example.text), cut);
    let known_floor = known_floor(&examples, cut);
    let structured_names = model::structured_names(&signals);
    let rows = vectorizer.matrix(examples.iter().map(|example| &example.text));
    let mut structured = Array2::<f32>::zeros((examples.len(), structured_names.len()));
    for (example, mut row) in examples.iter().zip(structured.rows_mut()) {
        let values = model::structured_values(&structured_names, &signals.hits(&example.text));
        row.iter_mut().zip(values).for_each(|(out, value)| *out = value as f32);
    }
    // Tickets that were corrected are one tenant's, and an excerpt is shown to all of them.
    let kept = if options.embedding.is_some() { Neighbours::choose(&examples[..given], options.seed) } else { Vec::new() };
    let read = Read {
        kept,
        tasks: targets.into_iter().map(|target| task(&examples, target)).collect(),
        passages: examples.iter().map(|example| model::passage(&example.text)).collect(),
        rows,
        structured,
        options: HeadOptions { promised: options.promised, seed: options.seed, ..HeadOptions::default() },
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let load = |(kind, folder): &(EmbeddingKind, PathBuf)| Embedder::load(folder, *kind).map(|embedder| embedder.with_threads(threads));
    let mut fitted = Fitted::new(&read, options.embedding.as_ref().map(load).transpose()?, None, progress)?;
    let tuned = match &options.embedding {
        Some((kind, folder)) if *kind == EmbeddingKind::Minilm || options.taught => tuned(&read, folder, threads, progress)?,
        _ => None,
    };
    // What the heads have of it: its layers, or what some of them learned.
    let (mut layers, mut taught) = (None, BTreeSet::new());
    match (&options.embedding, &tuned) {
        (Some((EmbeddingKind::Minilm, folder)), Some(tuned)) => {
            let embedder = Embedder::load_tuned(folder, &tuned.layers)?.with_threads(threads);
            let other = Fitted::new(&read, Some(embedder), Some(Use::Answers(tuned)), progress)?;
            fitted.compared(&other, ["MiniLM as it ships", "tuned"], progress);
            // One embedding is in all heads: they are better on the whole, or not.
            let all = |fitted: &Fitted| fitted.heads.iter().map(|(_, metrics)| quality(metrics)).sum::<f64>();
            if all(&other) > all(&fitted) {
                fitted = other;
                layers = Some(&tuned.layers);
            }
        }
        (Some(light), Some(tuned)) => {
            let other = Fitted::new(&read, Some(load(light)?), Some(Use::Teaches(tuned)), progress)?;
            fitted.compared(&other, ["of the labels alone", "taught by MiniLM"], progress);
            for (alone, with) in fitted.heads.iter_mut().zip(other.heads) {
                if quality(&with.1) > quality(&alone.1) {
                    *alone = with;
                    taught.insert(alone.0.target.clone());
                }
            }
        }
        _ => {}
    }
    let Fitted { embedder, vectors, heads: fitted } = fitted;
    let neighbours = Neighbours::new(&examples, &read.kept, vectors);

    let (mut heads, mut manifests) = (Vec::new(), BTreeMap::new());
    for (head, metrics) in fitted {
        let entry = HeadManifest {
            labels: head.labels.clone(),
            temperature: head.temperature,
            confidence: head.confidence,
            threshold: head.threshold,
            belonging: head.belonging,
            metrics,
            taught: taught.contains(&head.target),
            dev: None,
        };
        manifests.insert(head.target.clone(), entry);
        heads.push(head);
    }
    let embedding = embedder.as_ref().map(|embedder| EmbeddingManifest {
        kind: embedder.kind(),
        dimensions: embedder.dimensions(),
        digest: embedder.digest(),
        tuned: layers.is_some(),
    });
    // The model is only written, never asked: it needs no memory of vectors.
    let embedder = embedder.map(|embedder| Arc::new(CachedEmbedder::new(embedder, 1)));
    let model = Model { vectorizer, structured: structured_names, known_floor, embedding: embedder, neighbours, heads };
    if let Some(dev) = &dev {
        progress(Progress::Stage("measuring on the development file"));
        for head in &model.heads {
            if let Some(entry) = manifests.get_mut(&head.target) {
                entry.dev = evaluate::held_out(&model, head, &entry.metrics.coverage, &signals, dev);
            }
        }
    }
    let manifest = Manifest {
        form: registry::FORM,
        name: options.name.clone(),
        engine: concat!("sluicegate ", env!("CARGO_PKG_VERSION")).to_owned(),
        seed: options.seed,
        licence: options.licence.clone(),
        weights: Digest::of(b""),
        data,
        left_out,
        signals: signals.digest(),
        cut,
        features: model.vectorizer.columns(),
        words: model.vectorizer.words,
        structured: model.structured.clone(),
        embedding,
        known_floor: f64::from(known_floor),
        heads: manifests,
    };
    progress(Progress::Stage("writing"));
    let mut papers = vec![(registry::CARD.to_owned(), card::card(&manifest, examples.len()))];
    for (target, head) in &manifest.heads {
        papers.push((card::plot_name(target), plot::calibration_plot(target, &head.metrics.bins, Place::Alone)));
    }
    registry::save(&options.out, &model, layers, manifest, &papers)
}

/// What is to be learned of `target`.
fn task(examples: &[Example], target: String) -> Task {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for label in examples.iter().filter_map(|example| example.labels.get(&target)) {
        *counts.entry(label).or_default() += 1;
    }
    let labels: Vec<String> = counts.into_iter().filter(|(_, count)| *count >= FEWEST).map(|(label, _)| label.to_owned()).collect();
    let truth = examples.iter().map(|example| labels.binary_search(example.labels.get(&target)?).ok()).collect();
    Task { target, labels, truth }
}

/// `work` of some texts after the others, with a word of progress after each part.
///
/// Sorted by length inside a part, so that a part costs what its texts do.
fn in_parts(texts: &[String], progress: &mut dyn FnMut(Progress<'_>), mut work: impl FnMut(&[&str])) {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut done = 0;
    for part in texts.chunks(PART) {
        work(part);
        done += part.len();
        progress(Progress::Part { done, of: texts.len() });
    }
}

/// What is learned from.
struct Read {
    tasks: Vec<Task>,
    passages: Vec<String>,
    rows: SparseMatrix,
    structured: Array2<f32>,
    /// Rows that the model keeps as examples.
    kept: Vec<usize>,
    options: HeadOptions,
}

/// What a MiniLM that was tuned to the labels is for.
enum Use<'a> {
    Answers(&'a Tuned),
    Teaches(&'a Tuned),
}

/// The heads over one embedding.
struct Fitted {
    embedder: Option<Embedder>,
    /// Of the examples that are kept.
    vectors: Vectors,
    heads: Vec<(Head, HeadMetrics)>,
}

impl Fitted {
    /// Where the tuned one answers, `embedder` is that one.
    fn new(
        read: &Read,
        embedder: Option<Embedder>,
        tuned: Option<Use<'_>>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, TriageError> {
        let first = read.structured.ncols();
        let mut dense = Array2::zeros((read.passages.len(), first + embedder.as_ref().map_or(0, Embedder::dimensions)));
        dense.slice_axis_mut(Axis(1), Slice::from(..first)).assign(&read.structured);
        if let Some(embedder) = &embedder {
            progress(Progress::Stage("embedding"));
            let mut rows = dense.rows_mut().into_iter();
            in_parts(&read.passages, progress, |part| {
                for (vector, mut row) in embedder.embed(part).iter().zip(&mut rows) {
                    row.iter_mut().skip(first).zip(model::scaled(vector)).for_each(|(out, value)| *out = value as f32);
                }
            });
        }
        let vector = |row: usize| dense.row(row).iter().skip(first).copied().collect::<Vec<f32>>();
        let vectors = Vectors::of(read.kept.iter().map(|row| vector(*row)));
        let itself: BTreeMap<usize, usize> = read.kept.iter().enumerate().map(|(at, row)| (*row, at)).collect();
        let mut nearness = parallel::map(dense.nrows(), |row| vectors.nearness(&vector(row), itself.get(&row).copied()));
        if let Some(Use::Answers(tuned)) = &tuned {
            tuned.set_nearness(&mut nearness);
        }
        let mut heads = Vec::with_capacity(read.tasks.len());
        for (at, Task { target, labels, truth }) in read.tasks.iter().enumerate() {
            let (chosen, truth): (Vec<usize>, Vec<usize>) =
                truth.iter().enumerate().filter_map(|(row, class)| Some((row, (*class)?))).unzip();
            let rows = read.rows.select(&chosen);
            let nearness = chosen.iter().map(|row| nearness[*row]).collect();
            let (scores, student, dense) = match &tuned {
                // The vectors are of a network that learned these very labels; its scores are not, where it did.
                Some(Use::Answers(tuned)) => {
                    let (structured, vectors) = dense.view().split_at(Axis(1), first);
                    (Some(tuned.scores(at, vectors).select(Axis(0), &chosen)), None, structured.select(Axis(0), &chosen))
                }
                Some(Use::Teaches(tuned)) => {
                    progress(Progress::Stage(&format!("{target}: learning from MiniLM")));
                    let dense = dense.select(Axis(0), &chosen);
                    let student = Student::learn(&rows, &dense, &truth, labels.len(), &tuned.teachers(at, &chosen), read.options.seed);
                    (Some(student.held_out.clone()), Some(student), dense)
                }
                None => (None, None, dense.select(Axis(0), &chosen)),
            };
            let features = Features { rows, scores, dense, nearness };
            let (head, metrics) = Head::fit(target, labels.clone(), features, &truth, &read.options, progress)?;
            let head = match (&tuned, student) {
                (Some(Use::Answers(tuned)), _) => Head { mix: tuned.scorers[at].through(&head.mix), ..head },
                (_, Some(student)) => student.through(head),
                _ => head,
            };
            heads.push((head, metrics));
        }
        Ok(Self { embedder, vectors, heads })
    }

    /// Tells how good each head is, and how good with what it has in the other ones.
    fn compared(&self, other: &Self, names: [&str; 2], progress: &mut dyn FnMut(Progress<'_>)) {
        for ((head, one), (_, other)) in self.heads.iter().zip(&other.heads) {
            let [one, other] = [one, other].map(|metrics| format!("accuracy {:.4}, macro-F1 {:.4}", metrics.accuracy, metrics.macro_f1));
            progress(Progress::Stage(&format!("{}: {}: {one}; {}: {other}", head.target, names[0], names[1])));
        }
    }
}

/// As stage 2 is chosen: accuracy and macro-F1 out of fold.
fn quality(metrics: &HeadMetrics) -> f64 {
    metrics.accuracy + metrics.macro_f1
}

/// MiniLM tuned to the labels, unless they are too few or too many.
fn tuned(read: &Read, folder: &Path, threads: usize, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Option<Tuned>, TriageError> {
    let has_label = |row: &usize| read.tasks.iter().any(|task| task.truth[*row].is_some());
    let rows: Vec<usize> = (0..read.passages.len()).filter(has_label).collect();
    if rows.len() < tuning::FEWEST {
        return Ok(None);
    }
    let shipped = match Embedder::load(folder, EmbeddingKind::Minilm) {
        // Not every folder of embeddings has the larger one.
        Err(EmbeddingError::Unreadable { path, source }) if source.kind() == std::io::ErrorKind::NotFound => {
            progress(Progress::Stage(&format!(
                "nothing is learned from MiniLM: there is no `{}`; `--embedding-dir` can name another folder",
                path.display()
            )));
            return Ok(None);
        }
        loaded => loaded?.with_threads(threads),
    };
    let tokens: usize = rows.iter().map(|row| shipped.count(&read.passages[*row], tuning::TOKENS)).sum();
    if tokens > tuning::MOST_TOKENS {
        progress(Progress::Stage(&format!(
            "MiniLM is not tuned: the texts have {tokens} tokens, and it is tuned to {} at most",
            tuning::MOST_TOKENS
        )));
        return Ok(None);
    }
    tune(read, rows, &shipped, folder, progress).map(Some)
}

/// Of the texts `rows`.
fn tune(
    read: &Read,
    rows: Vec<usize>,
    shipped: &Embedder,
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Tuned, TriageError> {
    let layers = Embedder::shipped_layers(folder)?;
    progress(Progress::Stage("reading texts for MiniLM's tuning"));
    let texts: Vec<String> = rows.iter().map(|row| read.passages[*row].clone()).collect();
    let mut hidden = Vec::with_capacity(rows.len());
    in_parts(&texts, progress, |part| hidden.extend(shipped.below(part, tuning::TOKENS)));
    let tasks: Vec<Task> = read.tasks.iter().map(|task| task.of(&rows)).collect();
    let kept: Vec<usize> = read.kept.iter().filter_map(|row| rows.binary_search(row).ok()).collect();
    tuning::tune(&layers, &hidden, rows, &tasks, &kept, read.options.seed, progress)
}

fn targets(examples: &[Example], asked: &[String]) -> Result<BTreeSet<String>, TriageError> {
    let present: BTreeSet<String> = examples.iter().flat_map(|example| example.labels.keys().cloned()).collect();
    if let Some(missing) = asked.iter().find(|target| !present.contains(*target)) {
        let present: Vec<&str> = present.iter().map(String::as_str).collect();
        return Err(TriageError::Training(format!("target `{missing}` is in no label: the data has {}", present.join(", "))));
    }
    if present.is_empty() {
        return Err(TriageError::Training("no line has a label".to_owned()));
    }
    Ok(if asked.is_empty() { present } else { asked.iter().cloned().collect() })
}

/// The share of known n-grams that 99 of 100 texts of the domain reach, measured on texts held out of the vocabulary.
fn known_floor(examples: &[Example], cut: Cut) -> f32 {
    const MOST: usize = 4_000;
    let sample: Vec<&Example> = examples.iter().step_by(examples.len().div_ceil(MOST)).collect();
    let part = |held: bool| sample.iter().enumerate().filter(move |(index, _)| (index % 5 == 0) == held).map(|(_, example)| &example.text);
    let vectorizer = Vectorizer::fit(part(false), cut);
    let mut known: Vec<f64> = part(true).filter(|text| !text.is_empty()).map(|text| f64::from(vectorizer.row(text).known)).collect();
    measure::quantile(&mut known, 0.01) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::clean_fields;

    /// Forty texts, all of a printer or a VPN; every third one lacks the second target, which is the same.
    fn read() -> Read {
        let examples: Vec<Example> = (0..40)
            .map(|at| {
                let (text, label) = match at % 2 {
                    0 => (format!("the printer on floor {at} is out of toner"), "printer"),
                    _ => (format!("vpn drops on laptop {at} at home"), "vpn"),
                };
                let targets = ["category", "group"].into_iter().take(if at % 3 == 0 { 1 } else { 2 });
                Example {
                    text: clean_fields("", &text, false),
                    labels: targets.map(|target| (target.to_owned(), label.to_owned())).collect(),
                }
            })
            .collect();
        let texts = || examples.iter().map(|example| &example.text);
        Read {
            tasks: ["category", "group"].map(|target| task(&examples, target.to_owned())).into(),
            passages: texts().map(model::passage).collect(),
            rows: Vectorizer::fit(texts(), Cut { min_documents: 1 }).matrix(texts()),
            structured: Array2::zeros((examples.len(), 1)),
            kept: vec![0, 1],
            options: HeadOptions::default(),
        }
    }

    #[test]
    fn a_head_that_was_taught_answers_by_n_grams_and_the_light_embedding_alone_also_where_texts_lack_its_target() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/embedding");
        let minilm = Embedder::load(&folder, EmbeddingKind::Minilm).unwrap();
        let read = read();
        let tuned = tune(&read, (0..40).collect(), &minilm, &folder, &mut |_| {}).unwrap();
        let light = || Some(Embedder::load(&folder, EmbeddingKind::Static).unwrap());
        let alone = Fitted::new(&read, light(), None, &mut |_| {}).unwrap();
        let taught = Fitted::new(&read, light(), Some(Use::Teaches(&tuned)), &mut |_| {}).unwrap();
        let embedder = light().unwrap();
        for ((at, (head, metrics)), (other, _)) in taught.heads.iter().enumerate().zip(&alone.heads) {
            assert_eq!(metrics.examples, [40, 26][at]);
            assert!(metrics.accuracy > 0.9, "{}: {metrics:?}", head.target);
            assert_eq!((head.stage1.weights.len(), head.mix.weights.len()), (other.stage1.weights.len(), other.mix.weights.len()));
            assert_ne!(head.stage1, other.stage1);
            // All forty, also those that it did not learn from.
            for row in 0..40 {
                let entries: Vec<(u32, f32)> = read.rows.row(row).map(|(column, value)| (column as u32, value)).collect();
                let vector = embedder.embed(&[&read.passages[row]]).remove(0);
                let dense: Vec<f64> = std::iter::once(0.0).chain(model::scaled(&vector)).collect();
                let scores = head.scores(&entries, &dense);
                assert_eq!(usize::from(scores[1] > scores[0]), row % 2, "{}, row {row}: {scores:?}", head.target);
            }
        }
    }
}
