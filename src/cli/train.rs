//! `sluicegate train`: labelled texts or the category catalogue in, a model folder out.

use std::{collections::BTreeMap, io::Write as _, path::PathBuf, process::ExitCode};

use super::{Outcome, assemble, progress::Bar, remote::OptionalRemote};
use crate::{
    config::Config,
    domain::name::TenantId,
    pipeline::feedback,
    triage::{Labelled, TrainOptions, train},
};

/// Train a triage model.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// JSON Lines of `{"text"}` or `{"title", "body"}` and `"labels": {target: value}`.
    #[arg(long, num_args = 1.., required_unless_present_any = ["catalogue", "from_store"])]
    data: Vec<PathBuf>,
    /// JSON Lines to measure on: nothing is learned from them.
    #[arg(long)]
    dev: Option<PathBuf>,
    /// Category catalogue whose examples join the data.
    #[arg(long)]
    catalogue: Option<PathBuf>,
    /// What people corrected joins the data: of a running service with `--url`, or else of the configured store, which no
    /// service may have open.
    #[arg(long)]
    from_store: bool,
    #[command(flatten)]
    config: assemble::ConfigArgs,
    #[command(flatten)]
    remote: OptionalRemote,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// Labelled texts that are left out of whatever is learned from; with `--from-store` the configuration's if not given.
    #[arg(long)]
    frozen: Option<PathBuf>,
    /// Signals file: its signals are features; the configuration's if not given.
    #[arg(long)]
    signals: Option<PathBuf>,
    /// Train only these targets.
    #[arg(long, num_args = 1..)]
    target: Vec<String>,
    /// Model folder to write; one that is there is replaced.
    #[arg(long)]
    out: PathBuf,
    /// Embedding that joins the features: `static` is fast, `minilm` better on prose and tuned to the labels of 1,000 texts and more,
    /// `none` for n-grams only.
    #[arg(long, default_value = "static", value_parser = ["minilm", "static", "none"])]
    embedding: String,
    /// What a `static` model of 1,000 texts and more learns from beside the labels: a MiniLM tuned to them, which takes minutes, or nothing.
    /// [default: minilm]
    #[arg(long, value_parser = ["minilm", "none"])]
    teacher: Option<String>,
    /// Folder of the embeddings; the configuration's if not given.
    #[arg(long)]
    embedding_dir: Option<PathBuf>,
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Accuracy promised when a label is given, in 0.5 to 1.
    #[arg(long, default_value_t = 0.9)]
    promise: f64,
    /// Licence of the training data, for the model card.
    #[arg(long, default_value = "unknown")]
    licence: String,
    /// Print the manifest as JSON.
    #[arg(long)]
    json: bool,
}

/// Trains, with a line of progress on standard error.
///
/// # Errors
/// As [`train`].
pub fn run(args: &Args) -> Outcome {
    if !(0.5..1.0).contains(&args.promise) {
        return Err(format!("`--promise {}` has to be at least 0.5 and below 1", args.promise).into());
    }
    if args.teacher.is_some() && args.embedding != "static" {
        return Err(format!("`--teacher` is for `--embedding static`: a model with `--embedding {}` has no teacher", args.embedding).into());
    }
    let name = args.out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let config = args.config.load()?;
    let named = config.triage.clone();
    let embedding = match args.embedding.as_str() {
        "none" => None,
        name => Some((name.parse()?, args.embedding_dir.clone().unwrap_or(named.embedding))),
    };
    let (more, frozen) = if args.from_store { (Some(corrections(args, config)?), Some(named.frozen)) } else { (None, None) };
    let options = TrainOptions {
        name,
        data: args.data.clone(),
        dev: args.dev.clone(),
        catalogue: args.catalogue.clone(),
        more,
        frozen: args.frozen.clone().or(frozen),
        signals: args.signals.clone().unwrap_or(named.signals),
        targets: args.target.clone(),
        out: args.out.clone(),
        seed: args.seed,
        promised: args.promise,
        licence: args.licence.clone(),
        embedding,
        taught: args.teacher.as_deref() != Some("none"),
    };
    let mut bar = Bar::new();
    let manifest = train(&options, &mut |at| bar.tell(at))?;
    drop(bar);
    let mut out = std::io::stdout().lock();
    // A closed pipe is the reader's choice, not an error of ours.
    if args.json {
        let _ = writeln!(out, "{}", serde_json::to_string_pretty(&manifest)?);
        return Ok(ExitCode::SUCCESS);
    }
    let _ = writeln!(out, "{}: {} n-grams, weights {}", args.out.display(), manifest.features, manifest.weights);
    for (target, head) in &manifest.heads {
        let m = &head.metrics;
        let _ = writeln!(
            out,
            "{target}: {} labels, {} examples; out of fold: accuracy {:.1} %, macro-F1 {:.1} %, calibration error {:.1} %",
            head.labels.len(),
            m.examples,
            m.accuracy * 100.0,
            m.macro_f1 * 100.0,
            m.ece * 100.0
        );
        if let Some(dev) = &head.dev {
            let (accuracy, f1, ece) = (dev.accuracy * 100.0, dev.macro_f1 * 100.0, dev.ece * 100.0);
            let _ = writeln!(
                out,
                "  on the development file: n {}, accuracy {accuracy:.1} %, macro-F1 {f1:.1} %, calibration error {ece:.1} %",
                dev.n
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The examples that people's corrections give, and what to call them.
fn corrections(args: &Args, config: Config) -> Result<(String, Vec<Labelled>), Box<dyn std::error::Error + Send + Sync>> {
    let (examples, standings): (Vec<Labelled>, BTreeMap<String, usize>) = match args.remote.get()? {
        Some(remote) => {
            let answer = remote.get("/v1/feedback-examples")?;
            (serde_json::from_value(answer["examples"].clone())?, serde_json::from_value(answer["standings"].clone())?)
        }
        None => super::runtime()?.block_on(async {
            let service = assemble::service(config).await?;
            let found = feedback::training_examples(&service, &args.tenant).await?;
            service.store.close().await?;
            let standings = found.standings.into_iter().map(|(standing, count)| (standing.to_owned(), count)).collect();
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((found.examples, standings))
        })?,
    };
    let told: Vec<String> = standings.iter().map(|(standing, count)| format!("{count} {standing}")).collect();
    eprintln!(
        "corrections: {}; {} tickets to learn from",
        if told.is_empty() { "none".to_owned() } else { told.join(", ") },
        examples.len()
    );
    Ok(("corrections".to_owned(), examples))
}
