//! Commands that ask a running service through its API.

use std::process::ExitCode;

use clap::{Args, Parser};
use serde_json::Value;

use super::Outcome;
use crate::domain::{approval::Mode, name::RunbookId, time::Timestamp};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A running service and who asks.
#[derive(Debug, Args)]
pub struct OptionalRemote {
    /// Address of a running service, like `http://127.0.0.1:8321`.
    #[arg(long, env = "SLUICEGATE_URL")]
    url: Option<String>,
    /// API token; better given by the environment than on the command line, where other users can see it.
    #[arg(long, env = "SLUICEGATE_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl OptionalRemote {
    /// The service, when an address was given.
    pub fn get(&self) -> Result<Option<Remote>, Failure> {
        match (&self.url, &self.token) {
            (None, _) => Ok(None),
            (Some(_), None) => Err("`--url` needs a token: set SLUICEGATE_TOKEN".into()),
            (Some(url), Some(token)) => Ok(Some(Remote { url: url.trim_end_matches('/').to_owned(), token: token.clone() })),
        }
    }

    pub fn require(&self) -> Result<Remote, Failure> {
        self.get()?.ok_or_else(|| "this asks a running service: give `--url` and set SLUICEGATE_TOKEN".into())
    }
}

pub struct Remote {
    url: String,
    token: String,
}

impl Remote {
    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(reqwest::Method::GET, path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(reqwest::Method::POST, path, Some(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(reqwest::Method::PUT, path, Some(body))
    }

    fn send(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        crate::outbound::install_cryptography();
        super::runtime()?.block_on(async {
            let mut request =
                reqwest::Client::builder().no_proxy().build()?.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await.map_err(|why| format!("{} does not answer: {why}", self.url))?;
            let status = answer.status();
            let body: Value = answer.json().await.unwrap_or(Value::Null);
            if status.is_success() {
                Ok(body)
            } else {
                Err(format!("{status}: {}", body["detail"].as_str().unwrap_or("no reason given")).into())
            }
        })
    }
}

#[derive(Debug, Parser)]
pub struct PreApproveArgs {
    #[command(flatten)]
    remote: OptionalRemote,
    runbook: RunbookId,
    /// The digest you read; without it, the one in force is shown and nothing is approved.
    #[arg(long)]
    digest: Option<String>,
    #[arg(long, default_value = "auto", value_parser = mode)]
    mode: Mode,
    /// RFC 3339 time at which the pre-approval ends.
    #[arg(long)]
    expires: Timestamp,
}

pub fn mode(text: &str) -> Result<Mode, String> {
    [Mode::Shadow, Mode::Suggest, Mode::Auto]
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| format!("`{text}` is not a mode: shadow, suggest or auto"))
}

pub fn pre_approve(args: &PreApproveArgs) -> Outcome {
    let remote = args.remote.require()?;
    let Some(digest) = &args.digest else {
        let runbook = remote.get(&format!("/v1/runbooks/{}", args.runbook))?;
        println!("runbook `{}` is at {}", args.runbook, runbook["digest"].as_str().unwrap_or("?"));
        println!("read it, then run this again with --digest");
        return Ok(ExitCode::FAILURE);
    };
    let body = serde_json::json!({"runbook": args.runbook, "digest": digest, "mode": args.mode, "expires_at": args.expires});
    let made = remote.post("/v1/pre-approvals", &body)?;
    println!("{}", serde_json::to_string_pretty(&made)?);
    Ok(ExitCode::SUCCESS)
}
