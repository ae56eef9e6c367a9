//! `connector test`: asks configured connectors, harmlessly, about everything that runbooks may do with them.
//!
//! Never runs a step. Exit codes: 0 all is well, 1 something is not.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use super::{Outcome, assemble, runtime};
use crate::{
    config::Config,
    domain::name::ConnectorName,
    execute::{Connectors, connectors::Probed},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Connect to connectors, prove who we are, and ask about everything that is allowed; nothing is changed.
    Test(Args),
}

#[derive(Debug, Parser)]
pub struct Args {
    /// Name of a connector; all of them when none is given.
    names: Vec<String>,
    /// Print JSON instead of lines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: assemble::ConfigArgs,
}

#[derive(Debug, Serialize)]
struct Tested {
    connector: String,
    kind: &'static str,
    ok: bool,
    checks: Vec<Probed>,
}

pub fn run(command: &Command) -> Outcome {
    let Command::Test(args) = command;
    let config = args.config.load()?;
    let wanted = wanted(&config, &args.names)?;
    let connectors = Connectors::from_config(&config.connectors)?;
    let tested = runtime()?.block_on(async {
        let mut tested = Vec::new();
        for (name, kind) in wanted {
            let checks = connectors.test(&name).await.unwrap_or_default();
            let ok = checks.iter().all(|check| check.failure.is_none());
            tested.push(Tested { connector: name.to_string(), kind, ok, checks });
        }
        tested
    });
    if args.json {
        println!("{}", serde_json::to_string_pretty(&tested)?);
    } else {
        for one in &tested {
            if one.checks.is_empty() {
                println!("note connector `{}`: `allow` is empty, so there is nothing to ask", one.connector);
            }
            for check in &one.checks {
                match &check.failure {
                    None => println!("ok   connector `{}` ({}): {}", one.connector, one.kind, check.about),
                    Some(failure) => println!("bad  connector `{}` ({}): {}: {failure}", one.connector, one.kind, check.about),
                }
            }
        }
    }
    Ok(if tested.iter().all(|one| one.ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The named connectors, or all.
fn wanted(config: &Config, names: &[String]) -> Result<Vec<(ConnectorName, &'static str)>, Box<dyn std::error::Error + Send + Sync>> {
    if config.connectors.is_empty() {
        return Err("no connector is configured: add `[[connectors]]`".into());
    }
    if let Some(odd) = names.iter().find(|name| config.connectors.iter().all(|known| known.name != **name)) {
        let known: Vec<String> = config.connectors.iter().map(|known| format!("`{}`", known.name)).collect();
        return Err(format!("no connector is named `{odd}`: configured are {}", known.join(", ")).into());
    }
    let is_wanted = |name: &String| names.is_empty() || names.contains(name);
    let wanted = config.connectors.iter().filter(|known| is_wanted(&known.name));
    wanted.map(|known| Ok((ConnectorName::new(known.name.as_str())?, known.engine.as_str()))).collect()
}
