//! `policy test`: the cases beside the policies.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use crate::{
    cli::Outcome,
    gate::{PolicySet, cases},
};

#[derive(Debug, Parser)]
pub struct Args {
    /// The folder with `*.cedar` and `tests/`.
    #[arg(default_value = "policies")]
    folder: PathBuf,
}

pub fn run(Args { folder }: &Args) -> Outcome {
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
