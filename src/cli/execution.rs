//! `execution list|show|cancel|settle|undo`: runs, through a running service.

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{Outcome, remote::OptionalRemote};
use crate::domain::{id::ExecutionId, time::Timestamp};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List runs, the newest first; those that are not over unless told otherwise.
    List(ListArgs),
    /// Show a run with its intent log.
    Show(ShowArgs),
    /// Stop a run before its next step; what it changed is undone.
    Cancel(CancelArgs),
    /// Say what became of a run in doubt.
    Settle(SettleArgs),
    /// Have a run that worked taken back by its declared rollbacks.
    Undo(UndoArgs),
}

#[derive(Debug, Parser)]
pub struct ListArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    /// Only these states, separated by commas.
    #[arg(long, default_value = "pending,running,rolling_back,in_doubt")]
    state: String,
    /// The page as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Parser)]
pub struct ShowArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    execution: ExecutionId,
    /// The whole record as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Parser)]
pub struct CancelArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    execution: ExecutionId,
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Parser)]
pub struct SettleArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    execution: ExecutionId,
    #[arg(long)]
    found: Found,
    /// What you looked at.
    #[arg(long)]
    comment: String,
    /// The revision you looked at; without it, the run is shown and nothing is settled.
    #[arg(long)]
    revision: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Found {
    Succeeded,
    RolledBack,
    Failed,
}

#[derive(Debug, Parser)]
pub struct UndoArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    execution: ExecutionId,
    /// The revision you looked at; without it, the run is shown and nothing is undone.
    #[arg(long)]
    revision: Option<u64>,
}

pub fn run(command: &Command) -> Outcome {
    match command {
        Command::List(args) => {
            let page = args.remote.require()?.get(&format!("/v1/executions?limit=200&state={}", args.state))?;
            if args.json {
                println!("{page:#}");
            } else {
                page["items"].as_array().into_iter().flatten().for_each(|run| println!("{}", line(run)));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Show(args) => {
            let run = args.remote.require()?.get(&format!("/v1/executions/{}", args.execution))?;
            if args.json {
                println!("{run:#}");
            } else {
                show(&run);
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Cancel(args) => {
            let path = format!("/v1/executions/{}/cancel", args.execution);
            show(&args.remote.require()?.post(&path, &json!({"reason": args.reason}))?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Settle(args) => {
            let found = args.found.to_possible_value().map_or_else(String::new, |found| found.get_name().to_owned());
            act(&args.remote, args.execution, "settle", args.revision, json!({"found": found, "comment": args.comment}))
        }
        Command::Undo(args) => act(&args.remote, args.execution, "undo", args.revision, json!({})),
    }
}

/// Does `what` to the run at the revision that was looked at, or shows it.
fn act(remote: &OptionalRemote, execution: ExecutionId, what: &str, revision: Option<u64>, mut body: Value) -> Outcome {
    let remote = remote.require()?;
    let path = format!("/v1/executions/{execution}");
    let Some(revision) = revision else {
        show(&remote.get(&path)?);
        eprintln!("read it, then run this again with --revision");
        return Ok(ExitCode::FAILURE);
    };
    body["revision"] = revision.into();
    show(&remote.post(&format!("{path}/{what}"), &body)?);
    Ok(ExitCode::SUCCESS)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}

fn line(run: &Value) -> String {
    format!("{}  {:<12}  {}  ticket {}{}", text(run, "id"), text(run, "state"), text(run, "runbook"), text(run, "ticket"), hold(run))
}

/// The countdown of a run in its hold.
fn hold(run: &Value) -> String {
    let begins = text(run, "not_before").parse::<Timestamp>().ok().filter(|_| text(run, "state") == "pending");
    let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    let left = begins.map(|begins| begins.since(now).as_secs()).filter(|left| *left > 0);
    left.map_or_else(String::new, |left| format!("  begins in {left} s unless cancelled"))
}

fn show(run: &Value) {
    println!("{}", line(run));
    println!("  revision {}", run["revision"]);
    if let Some(cancel) = run.get("cancel").filter(|cancel| !cancel.is_null()) {
        println!("  cancelled by {} at {}  {}", text(cancel, "by"), text(cancel, "at"), text(cancel, "reason"));
    }
    if let Some(undo) = run.get("undoes").filter(|undo| !undo.is_null()) {
        println!("  takes back {}", text(undo, "of"));
    }
    if !text(run, "undone_by").is_empty() {
        println!("  taken back by {}", text(run, "undone_by"));
    }
    for step in run["steps"].as_array().into_iter().flatten() {
        let status = step["status"].as_u64().map_or_else(String::new, |status| format!("  {status}"));
        println!(
            "  {} {:<10} {:<9}{status}  {}",
            text(step, "started_at"),
            text(step, "step"),
            text(step, "outcome"),
            text(step, "request")
        );
        for (name, value) in [("job", text(step, "job")), ("", text(step, "detail"))] {
            if !value.is_empty() {
                println!("    {name}{}{value}", if name.is_empty() { "" } else { " " });
            }
        }
    }
}
