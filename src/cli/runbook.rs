//! `runbook lint|digest|evaluate|evaluate-params`.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode, time::Instant};

use clap::{Parser, Subcommand, ValueEnum};
use jiff::tz::TimeZone;

use super::{Outcome, assemble};
use crate::{
    domain::{ambient::Ambient as _, name::ConnectorName},
    runbook::{EvaluationInput, Known, Library, QueryField, evaluate, evaluate_params, lint},
    triage::Catalogue,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check runbooks, examples included; prints file:line:column and how to put it right.
    Lint(Lint),
    /// Print the digest of every runbook: what a pre-approval names.
    Digest(Folder),
    /// Measure retrieval on a corpus with known answers.
    Evaluate(Evaluate),
    /// Measure parameter extraction on texts with known values.
    EvaluateParams(EvaluateParams),
}

#[derive(Debug, Parser)]
pub struct Lint {
    #[arg(default_value = "runbooks")]
    folder: PathBuf,
    /// Also check connectors and categories against this configuration.
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
    #[arg(long)]
    json: bool,
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
        Command::Digest(args) => {
            let library = Library::load(&args.folder, &Known::default())
                .map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
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
            };
            let started = Instant::now();
            print(&evaluate(&input, &|| started.elapsed())?, args.json)
        }
        Command::EvaluateParams(args) => print(&evaluate_params(&args.data)?, args.json),
    }
}

fn run_lint(args: &Lint) -> Outcome {
    let config = args.config.load()?;
    let categories = Catalogue::load(&config.triage.catalogue).map(|catalogue| catalogue.ids()).ok();
    let connectors: BTreeSet<ConnectorName> =
        config.connectors.iter().filter_map(|connector| ConnectorName::new(connector.name.as_str()).ok()).collect();
    let known = Known {
        categories,
        connectors: (!connectors.is_empty()).then_some(connectors),
        today: Some(TimeZone::UTC.to_datetime(assemble::System.now().as_jiff()).date()),
        ..Known::default()
    };
    let report = lint(&args.folder, &known);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report.findings)?);
    } else {
        for finding in &report.findings {
            println!("{finding}");
        }
        println!("{} runbooks, {} finding(s)", report.runbooks, report.findings.len());
    }
    Ok(if report.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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
