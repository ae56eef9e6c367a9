//! `policy check` and `policy test`: the gate's policies, before they are put in force.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use super::Outcome;
use crate::gate::{PolicySet, cases, check, freeze::Calendar};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Validate policies against the schema and point out rules that cannot do what they look like.
    Check(Args),
    /// Run the cases beside the policies.
    Test(Args),
}

#[derive(Debug, Parser)]
pub struct Args {
    /// The folder with `*.cedar`, `freeze.toml` and `tests/`.
    #[arg(default_value = "policies")]
    folder: PathBuf,
}

pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Check(Args { folder }) => {
            let policies = PolicySet::load(folder)?;
            Calendar::load(&folder.join("freeze.toml"))?;
            let findings = check::check_folder(&policies, folder);
            for finding in &findings {
                println!("{finding}");
            }
            println!("policy set {}: {} finding(s)", policies.digest(), findings.len());
            Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Test(Args { folder }) => {
            let results = cases::run_cases(&PolicySet::load(folder)?, &folder.join("tests"))?;
            for result in &results {
                println!("{} {}: {}", if result.passed() { "ok  " } else { "FAIL" }, result.file, result.name);
                for failure in &result.failures {
                    println!("       {failure}");
                }
            }
            let failed = results.iter().filter(|result| !result.passed()).count();
            println!("{} passed, {failed} failed", results.len() - failed);
            Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
