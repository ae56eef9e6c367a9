//! `feedback`: what people corrected, what becomes of it, and a ruling over what was set aside; through a running service.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use super::{Outcome, remote::OptionalRemote};
use crate::domain::id::FeedbackId;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List corrections with their standing.
    List {
        #[command(flatten)]
        remote: OptionalRemote,
        /// Only these: `passes`, `quarantined`, `kept`, `discarded` or `replaced`.
        #[arg(long)]
        standing: Option<String>,
        /// As JSON, for machines.
        #[arg(long)]
        json: bool,
    },
    /// Learn from a correction that was set aside.
    Keep(Ruling),
    /// Never learn from a correction.
    Discard(Ruling),
}

#[derive(Debug, Parser)]
pub struct Ruling {
    #[command(flatten)]
    remote: OptionalRemote,
    id: FeedbackId,
    /// The revision that `list` showed.
    #[arg(long)]
    revision: u64,
    /// Why, for the log.
    #[arg(long)]
    reason: String,
}

pub fn run(command: &Command) -> Outcome {
    match command {
        Command::List { remote, standing, json } => {
            let query = standing.as_ref().map_or(String::new(), |standing| format!("?standing={standing}"));
            let answer = remote.require()?.get(&format!("/v1/feedback{query}"))?;
            if *json {
                println!("{}", serde_json::to_string_pretty(&answer)?);
                return Ok(ExitCode::SUCCESS);
            }
            for one in answer["items"].as_array().into_iter().flatten() {
                let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
                println!(
                    "{} r{} {:<11} {} {}: `{}`, the model `{}` {:.0} %; by {}{}",
                    text("id"),
                    one["revision"],
                    text("standing"),
                    text("ticket"),
                    text("target"),
                    text("label"),
                    text("said"),
                    one["probability"].as_f64().unwrap_or(0.0) * 100.0,
                    text("by"),
                    one["reason"].as_str().map_or(String::new(), |reason| format!("; {reason}"))
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Keep(args) => rule(args, true),
        Command::Discard(args) => rule(args, false),
    }
}

fn rule(args: &Ruling, kept: bool) -> Outcome {
    let body = json!({"kept": kept, "reason": args.reason, "revision": args.revision});
    let ruled: Value = args.remote.require()?.post(&format!("/v1/feedback/{}/ruling", args.id), &body)?;
    println!("{}", serde_json::to_string_pretty(&ruled)?);
    Ok(ExitCode::SUCCESS)
}
