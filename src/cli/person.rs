//! `person set-password`: the password by which a person proves that they are there. Works on the store, so the
//! service must not be running; with `--url` it asks a running service instead, as an admin or for one's own.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{Outcome, assemble, remote, stdin_password};
use crate::{
    config::secret::Secret,
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
    /// It is your own: the current password comes first, from SLUICEGATE_PASSWORD or a line of its own.
    #[arg(long, requires = "url")]
    own: bool,
    #[command(flatten)]
    remote: remote::OptionalRemote,
}

pub fn run(command: &Command) -> Outcome {
    let Command::SetPassword(args) = command;
    let current = if args.own { Some(stdin_password::read("your current password")?) } else { None };
    let text = stdin_password::read_new(&format!("new password of {}", args.person))?;
    if let Some(remote) = args.remote.get()? {
        remote.put(
            &format!("/v1/people/{}/password", args.person),
            &serde_json::json!({"password": text.expose(), "current": current.as_ref().map(Secret::expose)}),
        )?;
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
