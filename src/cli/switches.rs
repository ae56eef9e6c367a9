//! `mode`, `kill-switch`, `freeze-override`: what operators switch, through a running service.
//!
//! What takes two persons is asked for by one and confirmed by another, each with their own token and password.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

use super::{Outcome, remote::OptionalRemote, stdin_password};
use crate::domain::{
    approval::{Mode, Scope},
    id::{DualAuthorizationId, RecommendationId},
};

#[derive(Debug, Subcommand)]
pub enum ModeCommand {
    /// Show the modes and the kill switch.
    Show(OptionalRemote),
    /// Set a scope to `shadow` or `suggest`.
    Set {
        #[command(flatten)]
        remote: OptionalRemote,
        #[command(flatten)]
        scope: ScopeArg,
        mode: Mode,
    },
    /// Ask for `auto`; another approver confirms it. Your password comes from standard input.
    RequestAuto {
        #[command(flatten)]
        remote: OptionalRemote,
        #[command(flatten)]
        scope: ScopeArg,
        /// Why, for the person who confirms and for the log.
        #[arg(long)]
        reason: String,
    },
    /// Confirm what another approver asked for. Your password comes from standard input.
    Confirm(Confirm),
}

#[derive(Debug, Args)]
pub struct ScopeArg {
    /// `global`, `source/NAME` or `runbook/ID`.
    #[arg(value_parser = scope)]
    scope: Scope,
}

#[derive(Debug, Parser)]
pub struct Confirm {
    #[command(flatten)]
    remote: OptionalRemote,
    id: DualAuthorizationId,
    /// The revision you read; without it, the request is shown and nothing is confirmed.
    #[arg(long)]
    revision: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub enum KillSwitchCommand {
    /// No step of any run starts from now on.
    On(Switch),
    /// Runs may start again. Give the revision that `mode show` says: a stop pulled since then stays.
    Off {
        #[command(flatten)]
        switch: Switch,
        #[arg(long)]
        revision: u64,
    },
}

#[derive(Debug, Parser)]
pub struct Switch {
    #[command(flatten)]
    remote: OptionalRemote,
    /// For whoever finds it switched.
    #[arg(long)]
    reason: String,
}

#[derive(Debug, Subcommand)]
pub enum FreezeOverrideCommand {
    /// Ask that a proposal may be approved although a freeze is in force.
    Request {
        #[command(flatten)]
        remote: OptionalRemote,
        recommendation: RecommendationId,
        /// The binding you read; without it, the proposal is shown and nothing is asked.
        #[arg(long)]
        binding: Option<String>,
        /// Why, for the person who confirms and for the log.
        #[arg(long)]
        reason: String,
    },
    /// Confirm what another person asked for. Your password comes from standard input.
    Confirm(Confirm),
}

fn scope(text: &str) -> Result<Scope, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{why}; write `global`, `source/NAME` or `runbook/ID`");
    match text.split_once('/') {
        None if text == "global" => Ok(Scope::Global),
        Some(("source", name)) => name.parse().map(Scope::Source).map_err(|why| wrong(&why)),
        Some(("runbook", id)) => id.parse().map(Scope::Runbook).map_err(|why| wrong(&why)),
        _ => Err(wrong(&format!("`{text}` is not a scope"))),
    }
}

fn shown(answer: &Value) -> Outcome {
    println!("{}", serde_json::to_string_pretty(answer)?);
    Ok(ExitCode::SUCCESS)
}

pub fn mode(command: &ModeCommand) -> Outcome {
    match command {
        ModeCommand::Show(remote) => shown(&remote.require()?.get("/v1/modes")?),
        ModeCommand::Set { remote, scope, mode } => {
            let remote = remote.require()?;
            let revision = &remote.get("/v1/modes")?["revision"];
            let path = match &scope.scope {
                Scope::Global => "/v1/modes/global".to_owned(),
                Scope::Source(name) => format!("/v1/modes/sources/{name}"),
                Scope::Runbook(id) => format!("/v1/modes/runbooks/{id}"),
            };
            shown(&remote.put(&path, &json!({"mode": mode, "revision": revision}))?)
        }
        ModeCommand::RequestAuto { remote, scope, reason } => {
            let remote = remote.require()?;
            let password = stdin_password::read("your password")?;
            let body = json!({"matter": "auto_mode", "scope": scope.scope, "reason": reason, "password": password.expose()});
            shown(&remote.post("/v1/dual-authorizations", &body)?)
        }
        ModeCommand::Confirm(args) => confirm(args),
    }
}

pub fn kill_switch(command: &KillSwitchCommand) -> Outcome {
    let (switch, body) = match command {
        KillSwitchCommand::On(switch) => (switch, json!({"on": true, "reason": switch.reason})),
        KillSwitchCommand::Off { switch, revision } => (switch, json!({"on": false, "reason": switch.reason, "revision": revision})),
    };
    shown(&switch.remote.require()?.put("/v1/kill-switch", &body)?)
}

pub fn freeze_override(command: &FreezeOverrideCommand) -> Outcome {
    match command {
        FreezeOverrideCommand::Request { remote, recommendation, binding, reason } => {
            let remote = remote.require()?;
            let Some(binding) = binding else {
                shown(&remote.get(&format!("/v1/recommendations/{recommendation}"))?)?;
                eprintln!("read it, then run this again with --binding");
                return Ok(ExitCode::FAILURE);
            };
            let body = json!({"matter": "freeze_override", "recommendation": recommendation, "binding": binding, "reason": reason});
            shown(&remote.post("/v1/dual-authorizations", &body)?)
        }
        FreezeOverrideCommand::Confirm(args) => confirm(args),
    }
}

fn confirm(args: &Confirm) -> Outcome {
    let remote = args.remote.require()?;
    let path = format!("/v1/dual-authorizations/{}", args.id);
    let Some(revision) = args.revision else {
        shown(&remote.get(&path)?)?;
        eprintln!("read it, then run this again with --revision");
        return Ok(ExitCode::FAILURE);
    };
    let password = stdin_password::read("your password")?;
    shown(&remote.post(&format!("{path}/confirm"), &json!({"password": password.expose(), "revision": revision}))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_written_as_the_log_writes_it() {
        for text in ["global", "source/zendesk-emea", "runbook/restart-print-spooler"] {
            assert_eq!(scope(text).unwrap().to_string(), text);
        }
        for text in ["", "everything", "runbook", "runbook/", "runbook/A b", "team/x"] {
            assert!(scope(text).unwrap_err().contains("write `global`"), "{text}");
        }
    }
}
