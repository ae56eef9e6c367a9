//! `policy check`: everything that can be said of policies without a ticket.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use crate::{
    cli::Outcome,
    gate::{PolicySet, check, freeze::Calendar},
};

#[derive(Debug, Parser)]
pub struct Args {
    /// The folder with `*.cedar` and `freeze.toml`.
    #[arg(default_value = "policies")]
    folder: PathBuf,
}

pub fn run(Args { folder }: &Args) -> Outcome {
    let policies = PolicySet::load(folder)?;
    Calendar::load(&folder.join("freeze.toml"))?;
    let findings = check::check_folder(&policies, folder);
    for finding in &findings {
        println!("{finding}");
    }
    println!("policy set {}: {} policies, {} finding(s)", policies.digest(), policies.policies().count(), findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
