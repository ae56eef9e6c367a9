//! `config check` and `config show`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{Outcome, assemble};
use crate::{
    config,
    execute::Connectors,
    notify::Senders,
    pipeline::{decider::Decider, directories::Directories},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load everything the configuration names and say what is wrong, without starting anything.
    Check(Args),
    /// Print the configuration in force, secrets masked.
    Show(Args),
}

#[derive(Debug, Parser)]
pub struct Args {
    #[command(flatten)]
    config: assemble::ConfigArgs,
}

pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Show(args) => {
            print!("{}", config::show(&args.config.load()?));
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(args) => {
            let config = args.config.load()?;
            let mut wrong = Vec::new();
            let mut check = |what: &str, result: Result<(), String>| match result {
                Ok(()) => println!("ok   {what}"),
                Err(why) => {
                    println!("bad  {what}: {why}");
                    wrong.push(what.to_owned());
                }
            };
            for source in &config.sources {
                check(&format!("source `{}`", source.name), assemble::check_source(source));
            }
            check("connectors", Connectors::from_config(&config.connectors).map(drop).map_err(|why| why.to_string()));
            check("directories", Directories::from_config(&config.directories).map(drop).map_err(|why| why.to_string()));
            check("write-back and webhooks", Senders::from_config(&config).map(drop).map_err(|why| why.to_string()));
            let decider = Decider::load(&config);
            let missing = decider.as_ref().map(|decider| decider.missing_connectors(&config)).unwrap_or_default();
            check("model, signals, runbooks, policies, requesters", decider.map(drop).map_err(|why| why.to_string()));
            for (connector, runbooks) in missing {
                println!(
                    "note connector `{connector}` is not configured: {} runbook(s) that use it are recommended and never run",
                    runbooks.len()
                );
            }
            Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
