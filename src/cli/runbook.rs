//! `runbook lint|show|new|import|schema|digest|evaluate|evaluate-params|train-matcher`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};

use clap::{Parser, Subcommand, ValueEnum};
use jiff::tz::TimeZone;

use super::{Outcome, assemble};
use crate::{
    domain::{ambient::Ambient as _, name::ConnectorName},
    pipeline::{load::known_names, vectors},
    runbook::{
        Collection, FRONT_MATTER_SCHEMA, FitPairs, Known, Labelled, Library, LintReport, Meaning, QueryField, RunbookError, Severity,
        evaluate, evaluate_params, example_pairs, fit_calibration, labelled_pairs, lint,
    },
    text::embedding::{CachedEmbedder, Embedder, EmbeddingError, EmbeddingKind},
    triage::Catalogue,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check runbooks, examples included; prints file:line:column and how to put it right.
    Lint(Lint),
    /// Print one runbook as the service reads it.
    Show(super::runbook_show::Show),
    /// Start a runbook: asks what has to be known, and writes a file that lints.
    New(super::runbook_new::New),
    /// Make runbooks of Rundeck jobs (YAML) and CACAO 2.0 playbooks (JSON), and say what could not be carried over.
    Import(super::runbook_import::Import),
    /// Print the JSON Schema of the front matter, for editors.
    Schema,
    /// Print the digest of every runbook: what a pre-approval names.
    Digest(Folder),
    /// Measure retrieval on a corpus with known answers.
    Evaluate(Evaluate),
    /// Fit the coefficients of P(fits) on a library's own examples.
    TrainMatcher(TrainMatcher),
    /// Measure parameter extraction on texts with known values.
    EvaluateParams(EvaluateParams),
}

#[derive(Debug, Parser)]
pub struct Lint {
    #[arg(default_value = "runbooks")]
    folder: PathBuf,
    /// Checks connectors, categories, owners and directories against this configuration.
    #[command(flatten)]
    config: assemble::ConfigArgs,
    /// Findings as a JSON list of file, line, column, severity, rule, message and hint.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Parser)]
pub struct Folder {
    #[arg(default_value = "runbooks")]
    folder: PathBuf,
}

#[derive(Debug, Parser)]
pub struct Evaluate {
    #[arg(long)]
    corpus: PathBuf,
    #[arg(long)]
    queries: PathBuf,
    #[arg(long)]
    qrels: PathBuf,
    /// Queries that nothing in the corpus fits.
    #[arg(long)]
    nofit: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Words::Text)]
    field: Words,
    #[command(flatten)]
    embedding: EmbeddingArgs,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Parser)]
pub struct TrainMatcher {
    #[arg(default_value = "runbooks")]
    folder: PathBuf,
    #[command(flatten)]
    embedding: EmbeddingArgs,
    /// Where the coefficients go; standard output when left out.
    #[arg(long)]
    output: Option<PathBuf>,
    /// Pairs written earlier with `--pairs`, to fit on beside the library's examples.
    #[arg(long, value_name = "FILE")]
    with_pairs: Vec<PathBuf>,
    /// A corpus with known answers to fit on too, as for `evaluate`.
    #[arg(long, requires = "queries", requires = "qrels")]
    corpus: Option<PathBuf>,
    #[arg(long, requires = "corpus")]
    queries: Option<PathBuf>,
    #[arg(long, requires = "corpus")]
    qrels: Option<PathBuf>,
    #[arg(long, requires = "corpus")]
    nofit: Option<PathBuf>,
    /// Write the pairs of that corpus to this file and fit nothing: numbers only, no text.
    #[arg(long, value_name = "FILE", requires = "corpus", requires = "source")]
    pairs: Option<PathBuf>,
    /// What the corpus is and its licence; stands in the file of pairs.
    #[arg(long)]
    source: Option<String>,
}

#[derive(Debug, Parser)]
pub struct EmbeddingArgs {
    /// What runbooks are found by beside their words.
    #[arg(long, value_enum, default_value_t = Embedding::None)]
    embedding: Embedding,
    /// Folder of the embedding's files.
    #[arg(long, default_value = "models/embedding")]
    embedding_folder: PathBuf,
    /// Folder that keeps the vectors of runbooks between runs.
    #[arg(long)]
    vectors: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Embedding {
    Minilm,
    Static,
    None,
}

/// Texts remembered while a command runs: every example of a large library.
const REMEMBERED: usize = 16_384;

impl EmbeddingArgs {
    fn load(&self) -> Result<Option<Meaning>, EmbeddingError> {
        let kind = match self.embedding {
            Embedding::None => return Ok(None),
            Embedding::Minilm => EmbeddingKind::Minilm,
            Embedding::Static => EmbeddingKind::Static,
        };
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let embedder = Embedder::load(&self.embedding_folder, kind)?.with_threads(threads);
        Ok(Some(Meaning { embedder: Arc::new(CachedEmbedder::new(embedder, REMEMBERED)), kept_in: self.vectors.clone() }))
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Words {
    /// The symptom alone.
    Text,
    /// The title or alert name too.
    Named,
}

#[derive(Debug, Parser)]
pub struct EvaluateParams {
    #[arg(long)]
    data: PathBuf,
    #[arg(long)]
    json: bool,
}

pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Lint(args) => run_lint(args),
        Command::Show(args) => super::runbook_show::run(args),
        Command::New(args) => super::runbook_new::run(args),
        Command::Import(args) => super::runbook_import::run(args),
        Command::Schema => {
            print!("{FRONT_MATTER_SCHEMA}");
            Ok(ExitCode::SUCCESS)
        }
        Command::Digest(args) => {
            let library = load(&args.folder, &Known::default())?;
            for runbook in library.iter() {
                println!("{}  {}", runbook.digest, runbook.id);
            }
            println!("{}  (all)", library.digest());
            Ok(ExitCode::SUCCESS)
        }
        Command::Evaluate(args) => {
            let field = match args.field {
                Words::Text => QueryField::Text,
                Words::Named => QueryField::Named,
            };
            let collection = collection(&args.corpus, args.embedding.load()?)?;
            let labelled = Labelled { queries: args.queries.clone(), qrels: args.qrels.clone(), nofit: args.nofit.clone(), field };
            let started = Instant::now();
            print(&evaluate(&collection, &labelled, &|| started.elapsed())?, args.json)
        }
        Command::TrainMatcher(args) => run_train(args),
        Command::EvaluateParams(args) => print(&evaluate_params(&args.data)?, args.json),
    }
}

fn run_train(args: &TrainMatcher) -> Outcome {
    let meaning = args.embedding.load()?;
    let mut pairs = Vec::new();
    for file in &args.with_pairs {
        pairs.extend(FitPairs::read(file)?.pairs());
    }
    if let (Some(corpus), Some(queries), Some(qrels)) = (&args.corpus, &args.queries, &args.qrels) {
        let labelled = Labelled { queries: queries.clone(), qrels: qrels.clone(), nofit: args.nofit.clone(), field: QueryField::Text };
        pairs.extend(labelled_pairs(&collection(corpus, meaning.clone())?, &labelled)?);
    }
    if let Some(path) = &args.pairs {
        return write(Some(path), &FitPairs::new(args.source.clone().unwrap_or_default(), &pairs).to_json_lines());
    }
    let library = load(&args.folder, &Known { meaning, ..Known::default() })?;
    pairs.extend(example_pairs(&library));
    write(args.output.as_deref(), &(serde_json::to_string_pretty(&fit_calibration(&pairs)?)? + "\n"))
}

fn write(path: Option<&Path>, text: &str) -> Outcome {
    match path {
        Some(path) => std::fs::write(path, text).map_err(|why| format!("cannot write `{}`: {why}", path.display()))?,
        None => print!("{text}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn collection(corpus: &Path, meaning: Option<Meaning>) -> Result<Collection, RunbookError> {
    let collection = Collection::load(corpus, meaning)?;
    vectors::keep(collection.library());
    Ok(collection)
}

pub(super) fn load(folder: &Path, known: &Known) -> Result<Library, String> {
    let library =
        Library::load(folder, known).map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    vectors::keep(&library);
    Ok(library)
}

fn run_lint(args: &Lint) -> Outcome {
    let report = lint(&args.folder, &known(&args.config)?);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report.findings)?);
    } else {
        for finding in &report.findings {
            println!("{finding}");
        }
        println!("{}", summary(&report));
    }
    Ok(if report.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn summary(report: &LintReport) -> String {
    let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let warnings = report.findings.len() - errors;
    match (errors, report.runbooks) {
        (0, runbooks) => format!("{runbooks} runbook(s), no errors, {warnings} warning(s)"),
        (_, 0) => format!("{errors} error(s), {warnings} warning(s): nothing loads, and no example is tried, until the errors are gone"),
        (_, runbooks) => format!("{runbooks} runbook(s), {errors} error(s), {warnings} warning(s)"),
    }
}

/// What the configuration says of the names that runbooks use.
pub(super) fn known(config: &assemble::ConfigArgs) -> Result<Known, Box<dyn std::error::Error + Send + Sync>> {
    let config = config.load()?;
    let catalogue = Catalogue::load(&config.triage.catalogue).ok();
    let connectors: BTreeSet<ConnectorName> =
        config.connectors.iter().filter_map(|connector| ConnectorName::new(connector.name.as_str()).ok()).collect();
    Ok(Known {
        connectors: (!connectors.is_empty()).then_some(connectors),
        today: Some(TimeZone::UTC.to_datetime(assemble::System.now().as_jiff()).date()),
        ..known_names(&config, catalogue.as_ref())
    })
}

/// One value a line for people, one object for machines.
fn print<T: serde::Serialize>(measured: &T, json: bool) -> Outcome {
    let value = serde_json::to_value(measured)?;
    match value.as_object().filter(|_| !json) {
        Some(fields) => fields.iter().for_each(|(name, value)| println!("{name:<24} {value}")),
        None => println!("{}", serde_json::to_string_pretty(&value)?),
    }
    Ok(ExitCode::SUCCESS)
}
