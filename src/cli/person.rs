//! `person set-password`: the password by which a person proves that they are there. Works on the store, so the
//! service must not be running; with `--url` it asks a running service instead.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{Outcome, assemble, remote, stdin_password};
use crate::{
    domain::{
        name::{PersonId, TenantId},
        principal::Actor,
    },
    pipeline::actions::password,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set a person's password, read from standard input.
    SetPassword(SetPassword),
}

#[derive(Debug, Parser)]
pub struct SetPassword {
    #[command(flatten)]
    config: assemble::ConfigArgs,
    /// The person, by the identity that their tokens have.
    person: PersonId,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    #[command(flatten)]
    remote: remote::OptionalRemote,
}

pub fn run(command: &Command) -> Outcome {
    let Command::SetPassword(args) = command;
    let text = stdin_password::read(&format!("new password of {}", args.person))?;
    if let Some(remote) = args.remote.get()? {
        remote.put(&format!("/v1/people/{}/password", args.person), &serde_json::json!({"password": text.expose()}))?;
    } else {
        let config = args.config.load()?;
        super::runtime()?.block_on(async {
            let service = assemble::service(config)?;
            password::put(&service, Actor::Engine, &args.tenant, &args.person, &text).await?;
            service.store.close().await?;
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        })?;
    }
    eprintln!("password of {} set", args.person);
    Ok(ExitCode::SUCCESS)
}
