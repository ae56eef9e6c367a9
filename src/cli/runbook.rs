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
    domain::{
        ambient::Ambient as _,
        name::{ConnectorName, DirectoryName},
    },
    runbook::{
        EvaluationInput, FRONT_MATTER_SCHEMA, Known, Library, LintReport, Meaning, QueryField, Severity, evaluate, evaluate_params, lint,
        train,
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
    /// Check connectors, categories, owners and directories against this configuration.
    #[command(flatten)]
    config: assemble::ConfigArgs,
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
            let input = EvaluationInput {
                corpus: args.corpus.clone(),
                queries: args.queries.clone(),
                qrels: args.qrels.clone(),
                nofit: args.nofit.clone(),
                field,
                meaning: args.embedding.load()?,
            };
            let started = Instant::now();
            print(&evaluate(&input, &|| started.elapsed())?, args.json)
        }
        Command::TrainMatcher(args) => {
            let known = Known { meaning: args.embedding.load()?, ..Known::default() };
            let library = load(&args.folder, &known)?;
            let fitted = serde_json::to_string_pretty(&train(&library)?)? + "\n";
            match &args.output {
                Some(path) => std::fs::write(path, fitted)?,
                None => print!("{fitted}"),
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::EvaluateParams(args) => print(&evaluate_params(&args.data)?, args.json),
    }
}

pub(super) fn load(folder: &Path, known: &Known) -> Result<Library, String> {
    Library::load(folder, known).map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
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
    let categories = catalogue.as_ref().map(Catalogue::ids);
    let owners = catalogue.map(|catalogue| catalogue.groups().into_iter().chain(config.runbooks.owners.iter().cloned()).collect());
    let connectors: BTreeSet<ConnectorName> =
        config.connectors.iter().filter_map(|connector| ConnectorName::new(connector.name.as_str()).ok()).collect();
    Ok(Known {
        categories,
        owners,
        connectors: (!connectors.is_empty()).then_some(connectors),
        directories: Some(config.directories.iter().filter_map(|directory| DirectoryName::new(&directory.name).ok()).collect()),
        today: Some(TimeZone::UTC.to_datetime(assemble::System.now().as_jiff()).date()),
        ..Known::default()
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
