//! `replay`: a past decision made again from its receipt, compared bit for bit.
//!
//! Takes what `GET /v1/tickets/{id}?as_stored=true` answers, so an auditor needs the answer, the model, the runbooks and
//! the policies, and no access to the service. Without `as_stored`, a ticket with secrets in its text is masked and does
//! not replay.

use std::{io::Read as _, path::PathBuf, process::ExitCode};

use clap::Parser;

use super::{Outcome, assemble};
use crate::pipeline::{decider::Decider, replay};

#[derive(Debug, Parser)]
pub struct Args {
    #[command(flatten)]
    config: assemble::ConfigArgs,
    /// A file with the answer of `GET /v1/tickets/{id}?as_stored=true`; standard input when absent.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub fn run(args: &Args) -> Outcome {
    let mut text = String::new();
    match &args.file {
        Some(path) => text = std::fs::read_to_string(path).map_err(|why| format!("{} cannot be read: {why}", path.display()))?,
        None => {
            std::io::stdin().read_to_string(&mut text)?;
        }
    }
    let past: replay::Past = serde_json::from_str(&text).map_err(|why| format!("this is not a ticket with its recommendation: {why}"))?;
    let decider = Decider::load(&args.config.load()?)?;
    let differences = replay::replay(&decider, &past)?;
    if differences.is_empty() {
        println!(
            "same: decision {} of ticket {} replays bit for bit ({})",
            past.recommendation.id, past.ticket.id, past.recommendation.receipt.outcome
        );
        return Ok(ExitCode::SUCCESS);
    }
    for difference in &differences {
        println!("differs: {difference}");
    }
    Ok(ExitCode::FAILURE)
}
