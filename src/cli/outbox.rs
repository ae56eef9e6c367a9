//! `outbox list|show|redeliver`: what leaves, through a running service.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use super::{Outcome, remote::OptionalRemote};
use crate::domain::id::OutboxId;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List messages, newest first.
    List(ListArgs),
    /// Show one message with every send of it, as JSON.
    Show(OneArgs),
    /// Send messages again that were delivered or given up. Each keeps its id; a write-back that is there already is not
    /// written twice.
    Redeliver(RedeliverArgs),
}

#[derive(Debug, Parser)]
pub struct ListArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    /// Only this state: `waiting`, `delivered` or `dead`.
    #[arg(long)]
    state: Option<String>,
    /// Only to this destination, like `webhook/ops-events`.
    #[arg(long)]
    to: Option<String>,
    /// The whole messages as JSON lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Parser)]
pub struct OneArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    message: OutboxId,
}

#[derive(Debug, Parser)]
pub struct RedeliverArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    messages: Vec<OutboxId>,
    /// Every message that was given up; with `--to`, of one destination.
    #[arg(long, conflicts_with = "messages")]
    dead: bool,
    #[arg(long, requires = "dead")]
    to: Option<String>,
}

pub fn run(command: &Command) -> Outcome {
    match command {
        Command::List(args) => list(args),
        Command::Show(args) => {
            let found = args.remote.require()?.get(&format!("/v1/outbox/{}", args.message))?;
            println!("{}", serde_json::to_string_pretty(&found)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Redeliver(args) => redeliver(args),
    }
}

fn destination(message: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!("{}/{}", text(&message["destination"]["kind"]), text(&message["destination"]["name"]))
}

/// Every message of the state to the destination, page by page.
fn all(
    remote: &super::remote::Remote,
    state: Option<&str>,
    to: Option<&str>,
) -> Result<Vec<Value>, Box<dyn std::error::Error + Send + Sync>> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let query: Vec<String> = [state.map(|state| format!("state={state}")), cursor.map(|cursor| format!("cursor={cursor}"))]
            .into_iter()
            .flatten()
            .chain(["limit=200".to_owned()])
            .collect();
        let page = remote.get(&format!("/v1/outbox?{}", query.join("&")))?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        found.extend(items.into_iter().filter(|message| to.is_none_or(|to| destination(message) == to)));
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(found),
        }
    }
}

fn list(args: &ListArgs) -> Outcome {
    for message in all(&args.remote.require()?, args.state.as_deref(), args.to.as_deref())? {
        if args.json {
            println!("{message}");
        } else {
            println!("{}", line(&message));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One message on one line: which, where to, how it stands, and why not.
fn line(message: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let what = message["message"]["event_type"].as_str().or_else(|| message["message"]["occasion"].as_str()).unwrap_or("write_back");
    let error = message["last_error"].as_str().map(|error| format!("  {error}")).unwrap_or_default();
    format!(
        "{}  {}  {what}  {}  {} send(s){error}",
        text(&message["id"]),
        destination(message),
        text(&message["state"]),
        message["attempts"]
    )
}

fn redeliver(args: &RedeliverArgs) -> Outcome {
    let remote = args.remote.require()?;
    let mut ids: Vec<String> = args.messages.iter().map(ToString::to_string).collect();
    if args.dead {
        ids = all(&remote, Some("dead"), args.to.as_deref())?.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
        // The oldest first, as they were meant to arrive.
        ids.reverse();
    }
    if ids.is_empty() && !args.dead {
        return Err("name at least one message, or give `--dead`".into());
    }
    for id in ids {
        let again = remote.post(&format!("/v1/outbox/{id}/redeliver"), &json!({}))?;
        println!("{}", line(&again));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_that_says_where_it_stands_and_why() {
        let message = json!({
            "id": "out_1", "destination": { "kind": "webhook", "name": "ops" }, "state": "dead", "attempts": 10, "last_error": "503",
            "message": { "kind": "event", "event_type": "ticket.triaged", "data": {} },
        });
        assert_eq!(line(&message), "out_1  webhook/ops  ticket.triaged  dead  10 send(s)  503");
    }
}
