//! `policy backtest`: what past verdicts would have been under other policies.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use super::{receipts, tell};
use crate::{
    cli::Outcome,
    gate::{PolicySet, backtest::Backtest},
};

#[derive(Debug, Parser)]
pub struct Args {
    /// The folder with the policies to try.
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    /// Receipts as JSON Lines, each an item of `GET /v1/receipts`, instead of a running service's.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "save"])]
    receipts: Option<PathBuf>,
    #[command(flatten)]
    service: receipts::FromService,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Outcome {
    let policies = PolicySet::load(&args.policies)?;
    let mut backtest = Backtest::new(&policies, receipts::threads());
    match &args.receipts {
        Some(path) => receipts::feed_file(path, &mut backtest)?,
        None => args.service.feed(&mut backtest)?,
    }
    let report = backtest.report();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("policy set {} ({})", policies.digest(), args.policies.display());
        print!("{}", tell::told(&report, "receipts"));
    }
    // A change is what a backtest is asked for, so it is no failure.
    Ok(ExitCode::SUCCESS)
}
