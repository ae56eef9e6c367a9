//! `webhook list|enable|new-key`: endpoints through a running service; keys without one.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use super::{Outcome, assemble::System, remote::OptionalRemote};
use crate::{
    domain::ambient::Ambient as _,
    notify::signing::{new_key_pair, new_shared},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the configured webhooks: how each does, and the public keys that verify its events.
    List(ListArgs),
    /// Send to a disabled endpoint again; what waited for it goes on.
    Enable(EnableArgs),
    /// Print a new secret for `secret` of a webhook; shown only now. An Ed25519 one is followed by its public key.
    NewKey(NewKeyArgs),
}

#[derive(Debug, Parser)]
pub struct ListArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Parser)]
pub struct EnableArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    /// As in the configuration.
    webhook: String,
}

#[derive(Debug, Parser)]
pub struct NewKeyArgs {
    /// A secret shared with the receiver (HMAC-SHA256, `v1`) in place of a key pair (Ed25519, `v1a`).
    #[arg(long)]
    shared: bool,
}

pub fn run(command: &Command) -> Outcome {
    match command {
        Command::List(args) => {
            let found = args.remote.require()?.get("/v1/endpoints")?;
            if args.json {
                println!("{}", serde_json::to_string_pretty(&found)?);
                return Ok(ExitCode::SUCCESS);
            }
            for endpoint in found["items"].as_array().into_iter().flatten() {
                println!("{}", lines(endpoint));
            }
        }
        Command::Enable(args) => {
            // A name that a path would read as something else is refused by the service.
            let name = percent_encoding::utf8_percent_encode(&args.webhook, percent_encoding::NON_ALPHANUMERIC);
            args.remote.require()?.post(&format!("/v1/endpoints/{name}/enable"), &json!({}))?;
            println!("webhook `{}` is enabled; what waited for it is sent", args.webhook);
        }
        Command::NewKey(args) => {
            let mut seed = [0; 32];
            seed[..16].copy_from_slice(&System.random().to_le_bytes());
            seed[16..].copy_from_slice(&System.random().to_le_bytes());
            if args.shared {
                println!("{}", new_shared(&seed).expose());
            } else {
                let (private, public) = new_key_pair(&seed);
                println!("{}", private.expose());
                eprintln!("public key, for receivers: {public}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One endpoint: how it does on the first line, its keys below.
fn lines(endpoint: &Value) -> String {
    let text = |key: &str| endpoint[key].as_str().unwrap_or("?");
    let standing = match text("state") {
        "failing" => format!("failing since {}: {}", text("since"), text("why")),
        "disabled" => format!("disabled since {}: {}", text("at"), text("why")),
        state => state.to_owned(),
    };
    let keys = endpoint["public_keys"].as_array().into_iter().flatten().filter_map(Value::as_str).map(|key| format!("\n  {key}"));
    format!("{}  {}  {standing}{}", text("name"), text("host"), keys.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disabled_endpoint_says_since_when_and_why() {
        let endpoint = json!({
            "name": "ops", "host": "https://ops.example.com", "state": "disabled", "since": "a", "at": "2026-11-23T02:00:00.000Z", "why": "410",
            "public_keys": ["whpk_x"],
        });
        assert_eq!(lines(&endpoint), "ops  https://ops.example.com  disabled since 2026-11-23T02:00:00.000Z: 410\n  whpk_x");
    }
}
