//! `sluicegate evaluate`: a model's figures on labelled texts it was not trained on.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use super::{Outcome, assemble, progress::Bar};
use crate::triage::{EvaluateOptions, error_by_chance, evaluate};

/// Measure a triage model.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model folder.
    #[arg(long)]
    model: PathBuf,
    /// JSON Lines with labels, not among the training data.
    #[arg(long, num_args = 1.., required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    config: assemble::ConfigArgs,
    /// Signals file; the configuration's if not given.
    #[arg(long)]
    signals: Option<PathBuf>,
    /// Folder of the embeddings; the configuration's if not given.
    #[arg(long)]
    embedding_dir: Option<PathBuf>,
    /// Texts outside the domain: measures how well they are told apart.
    #[arg(long)]
    ood: Option<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
///
/// # Errors
/// The configuration is not in order; else as [`evaluate`].
pub fn run(args: &Args) -> Outcome {
    let named = args.config.load()?.triage;
    let options = EvaluateOptions {
        model: args.model.clone(),
        signals: args.signals.clone().unwrap_or(named.signals),
        data: args.data.clone(),
        embedding: args.embedding_dir.clone().unwrap_or(named.embedding),
        ood: args.ood.clone(),
    };
    let start = std::time::Instant::now();
    let mut bar = Bar::new();
    let report = evaluate(&options, &|| start.elapsed(), &mut |at| bar.tell(at))?;
    drop(bar);
    let mut out = std::io::stdout().lock();
    // A closed pipe is the reader's choice, not an error of ours.
    if args.json {
        let _ = writeln!(out, "{}", serde_json::to_string_pretty(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    for (target, figures) in &report.targets {
        let by_chance = error_by_chance(&figures.bins);
        let _ = writeln!(
            out,
            "{target}: n {}, accuracy {:.1} %, macro-F1 {:.1} %, calibration error {:.1} % (true claims: {:.1} % by chance, seldom above {:.1} %)",
            figures.n,
            figures.accuracy * 100.0,
            figures.macro_f1 * 100.0,
            figures.ece * 100.0,
            by_chance.mean * 100.0,
            by_chance.high * 100.0
        );
        for c in [figures.coverage_at_90, figures.coverage_at_95, figures.coverage_at_98] {
            let _ = writeln!(
                out,
                "  promised {:.0} %: answers {:.1} % of texts, {:.1} % of them right (threshold {:.3})",
                c.promised * 100.0,
                c.coverage * 100.0,
                c.accuracy * 100.0,
                c.threshold
            );
        }
        if let (Some(auroc), Some(recall), Some(answered)) = (figures.ood_auroc, figures.ood_recall_at_5fr, figures.ood_answered) {
            let [auroc, recall, answered] = [auroc, recall, answered].map(|share| share * 100.0);
            let _ = writeln!(
                out,
                "  foreign texts: AUROC {auroc:.1} %, found at 5 % false rejections {recall:.1} %, given a label {answered:.1} %"
            );
        }
        for (label, right, of) in &figures.worst {
            let _ = writeln!(out, "  {label}: {right} of {of} right");
        }
        let table = &figures.confusion;
        if !table.labels.is_empty() {
            let _ = writeln!(out, "  most confused: a row is the true label, a column what was answered, the last one any other");
            for (number, (label, counts)) in table.labels.iter().zip(&table.counts).enumerate() {
                let cells: String = counts.iter().map(|count| format!("{count:>6}")).collect();
                let _ = writeln!(out, "  {:>3}{cells}  {label}", number + 1);
            }
        }
    }
    let _ = writeln!(out, "{:.0} texts/s, p50 {:.3} ms, p99 {:.3} ms", report.texts_per_second, report.p50_ms, report.p99_ms);
    Ok(ExitCode::SUCCESS)
}
