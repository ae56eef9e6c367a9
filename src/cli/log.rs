//! `log verify`: checks an export of the action log offline. Needs the export and the log's public key, nothing else.

use std::{fs::File, io::BufReader, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use super::Outcome;
use crate::log::{export::verify_export, note::Verifier};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Recompute every leaf and the tree, and check the signed checkpoint.
    Verify(Verify),
}

#[derive(Debug, Parser)]
pub struct Verify {
    /// The file that `GET /v1/log/export` answered.
    export: PathBuf,
    /// The log's public key, like `origin+hash+base64`; `serve` prints it at start.
    #[arg(long)]
    key: Verifier,
}

pub fn run(command: &Command) -> Outcome {
    let Command::Verify(args) = command;
    let file = File::open(&args.export).map_err(|why| format!("{} cannot be opened: {why}", args.export.display()))?;
    let report = verify_export(BufReader::new(file), &args.key)?;
    println!("verified: {} entries, root {}, signed by {}", report.size, report.root, report.origin);
    Ok(ExitCode::SUCCESS)
}
