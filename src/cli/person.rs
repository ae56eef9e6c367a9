//! `person invite`, `person list`: who may sign in to the console. `person set-password`: the password by which a person
//! proves that they are there. Works on the store, so the service must not be running; with `--url` setting a password asks
//! a running service instead, as an admin or for one's own.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{Outcome, assemble, remote, stdin_password};
use crate::{
    config::secret::Secret,
    domain::{
        name::{PersonId, TenantId},
        principal::{Actor, Role},
    },
    pipeline::actions::{invitation, password},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set a person's password, read from standard input.
    SetPassword(SetPassword),
    /// Make a link by which a person sets their password and has their account; printed once.
    Invite(Invite),
    /// List the accounts.
    List(List),
}

#[derive(Debug, Parser)]
pub struct Invite {
    #[command(flatten)]
    config: assemble::ConfigArgs,
    /// The name that stands beside all the person does, like an e-mail address.
    person: PersonId,
    /// What the person may do; repeat it. For an account that is there already none is needed: the roles stay.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<Role>,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
}

#[derive(Debug, Parser)]
pub struct List {
    #[command(flatten)]
    config: assemble::ConfigArgs,
    #[arg(long, default_value = "default")]
    tenant: TenantId,
    /// As JSON, for machines.
    #[arg(long)]
    json: bool,
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
    match command {
        Command::SetPassword(args) => set_password(args),
        Command::Invite(args) => invite(args),
        Command::List(args) => list(args),
    }
}

fn invite(args: &Invite) -> Outcome {
    let config = args.config.load()?;
    super::runtime()?.block_on(async {
        let service = assemble::service(config).await?;
        let roles = args.roles.iter().copied().collect();
        let made = invitation::make_for(&service, Actor::Engine, &args.tenant, &args.person, roles).await?;
        eprintln!("the link works once, until {}:", made.invitation.expires_at);
        println!("{}", made.link(&service.config.server.public_url));
        service.store.close().await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn list(args: &List) -> Outcome {
    let config = args.config.load()?;
    super::runtime()?.block_on(async {
        let service = assemble::service(config).await?;
        let accounts = service.store.accounts(&args.tenant).await?;
        if args.json {
            println!("{}", serde_json::to_string(&accounts)?);
        } else {
            for account in &accounts {
                let roles: Vec<&str> = account.roles.iter().map(|role| role.as_str()).collect();
                let state = match (&account.disabled_at, roles.is_empty()) {
                    (Some(at), _) => format!("disabled since {at}"),
                    (None, true) => "no role: cannot sign in".to_owned(),
                    (None, false) => roles.join(", "),
                };
                println!("{}  {state}", account.person);
            }
        }
        service.store.close().await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn set_password(args: &SetPassword) -> Outcome {
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
            let service = assemble::service(config).await?;
            password::put(&service, Actor::Engine, &args.tenant, &args.person, &text).await?;
            service.store.close().await?;
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        })?;
    }
    eprintln!("password of {} set", args.person);
    Ok(ExitCode::SUCCESS)
}
