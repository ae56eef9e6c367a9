//! `token create`: an API token, shown once. Works on the store, so the service must not be running;
//! with `--url` it asks a running service instead.

use std::{collections::BTreeSet, process::ExitCode};

use clap::{Parser, Subcommand};

use super::{Outcome, assemble, remote};
use crate::{
    domain::{
        name::{PersonId, TenantId},
        principal::{Actor, Role},
        time::Timestamp,
    },
    pipeline::actions::token,
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token and print it; it is shown only now.
    Create(Create),
}

#[derive(Debug, Parser)]
pub struct Create {
    #[command(flatten)]
    config: assemble::ConfigArgs,
    /// Whom the token speaks for: a stable identity, like an e-mail address.
    #[arg(long)]
    person: PersonId,
    /// What the token may do; give it several times for several roles.
    #[arg(long = "role", required = true)]
    roles: Vec<Role>,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// RFC 3339 time after which the token is refused.
    #[arg(long)]
    expires: Option<Timestamp>,
    #[command(flatten)]
    remote: remote::OptionalRemote,
}

pub fn run(command: &Command) -> Outcome {
    let Command::Create(args) = command;
    let roles: BTreeSet<Role> = args.roles.iter().copied().collect();
    if let Some(remote) = args.remote.get()? {
        let body = serde_json::json!({"person": args.person, "roles": roles, "expires_at": args.expires});
        let made = remote.post("/v1/tokens", &body)?;
        println!("{}", made["secret"].as_str().ok_or("the service answered without a token")?);
        return Ok(ExitCode::SUCCESS);
    }
    let config = args.config.load()?;
    super::runtime()?.block_on(async {
        let service = assemble::service(config).await?;
        let made = token::create(&service, Actor::Engine, args.tenant.clone(), args.person.clone(), roles, args.expires).await?;
        service.store.close().await?;
        eprintln!("token {} for {}; it is shown only now:", made.token.id, made.token.person);
        println!("{}", made.text);
        Ok(ExitCode::SUCCESS)
    })
}
