//! `pre-approval make|list|revoke`: standard changes, through a running service.

use std::{collections::BTreeSet, process::ExitCode};

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use super::{Outcome, remote::OptionalRemote};
use crate::domain::{
    approval::{Caps, Mode},
    id::PreApprovalId,
    name::{RunbookId, SourceId},
    time::Timestamp,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Pre-approve the version of a runbook that you read.
    Make(Box<MakeArgs>),
    /// List pre-approvals, with what became of each.
    List(ListArgs),
    /// Take a pre-approval back at once.
    Revoke(RevokeArgs),
}

#[derive(Debug, Parser)]
pub struct MakeArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    runbook: RunbookId,
    /// The digest you read; without it, the one in force is shown and nothing is approved.
    #[arg(long)]
    digest: Option<String>,
    #[arg(long, default_value = "auto")]
    mode: Mode,
    /// RFC 3339 time at which the pre-approval ends.
    #[arg(long)]
    expires: Timestamp,
    /// Runs in any hour.
    #[arg(long, default_value_t = Caps::default().per_hour)]
    per_hour: u32,
    /// Runs against one target in any hour.
    #[arg(long, default_value_t = Caps::default().per_target_hour)]
    per_target_hour: u32,
    /// Runs for one requester in any hour.
    #[arg(long, default_value_t = Caps::default().per_requester_hour)]
    per_requester_hour: u32,
    /// Runs at the same time.
    #[arg(long, default_value_t = Caps::default().concurrent)]
    concurrent: u32,
    /// Only tickets of this source; may be given several times.
    #[arg(long = "source")]
    sources: Vec<SourceId>,
    /// Only tickets of this category; may be given several times.
    #[arg(long = "category")]
    categories: Vec<String>,
    /// Only while this calendar window of kind `hours` is in force.
    #[arg(long)]
    during: Option<String>,
}

#[derive(Debug, Parser)]
pub struct ListArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    /// Only this runbook's.
    runbook: Option<RunbookId>,
    /// The whole records as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Parser)]
pub struct RevokeArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    pre_approval: PreApprovalId,
    /// For the runbook's owner.
    #[arg(long)]
    reason: String,
}

pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Make(args) => make(args),
        Command::List(args) => list(args),
        Command::Revoke(args) => {
            let path = format!("/v1/pre-approvals/{}/revoke", args.pre_approval);
            let revoked = args.remote.require()?.post(&path, &json!({"reason": args.reason}))?;
            println!("{}", line(&revoked, Timestamp::UNIX_EPOCH));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn make(args: &MakeArgs) -> Outcome {
    let remote = args.remote.require()?;
    let Some(digest) = &args.digest else {
        let runbook = remote.get(&format!("/v1/runbooks/{}", args.runbook))?;
        println!("runbook `{}` is at {}", args.runbook, runbook["digest"].as_str().unwrap_or("?"));
        println!("read it, then run this again with --digest");
        return Ok(ExitCode::FAILURE);
    };
    let caps = Caps {
        per_hour: args.per_hour,
        per_target_hour: args.per_target_hour,
        per_requester_hour: args.per_requester_hour,
        concurrent: args.concurrent,
    };
    let body = json!({
        "runbook": args.runbook,
        "digest": digest,
        "mode": args.mode,
        "caps": caps,
        "sources": args.sources.iter().collect::<BTreeSet<_>>(),
        "categories": args.categories.iter().collect::<BTreeSet<_>>(),
        "during": args.during,
        "expires_at": args.expires,
    });
    let made = remote.post("/v1/pre-approvals", &body)?;
    println!("{}", serde_json::to_string_pretty(&made)?);
    Ok(ExitCode::SUCCESS)
}

fn list(args: &ListArgs) -> Outcome {
    let query = args.runbook.as_ref().map(|runbook| format!("?runbook={runbook}")).unwrap_or_default();
    let found = args.remote.require()?.get(&format!("/v1/pre-approvals{query}"))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    for record in found["items"].as_array().into_iter().flatten() {
        println!("{}", line(record, now));
    }
    Ok(ExitCode::SUCCESS)
}

/// One record on one line: which, what, by whom, and whether it holds.
fn line(record: &Value, now: Timestamp) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let ended = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok()).is_some_and(|end| end <= now);
    let standing = match (&record["revoked"], &record["voided"]) {
        (Value::Object(revoked), _) => format!("revoked by {}: {}", text(&revoked["by"]), text(&revoked["reason"])),
        (_, Value::Object(voided)) => format!("void since {}: the runbook changed", text(&voided["at"])),
        _ if ended(&record["expires_at"]) => format!("expired at {}", text(&record["expires_at"])),
        _ => format!("until {}", text(&record["expires_at"])),
    };
    format!(
        "{}  {}  {}  by {}  {standing}",
        text(&record["id"]),
        text(&record["runbook"]),
        text(&record["mode"]),
        text(&record["approver"])
    )
}
