//! Commands that ask a running service through its API.

use clap::Args;
use serde_json::Value;

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

    /// An answer that is no JSON.
    pub fn get_text(&self, path: &str) -> Result<String, Failure> {
        self.ask(reqwest::Method::GET, path, None, async |answer| Ok(answer.text().await?))
    }

    pub fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(reqwest::Method::PUT, path, Some(body))
    }

    fn send(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        self.ask(method, path, body, async |answer| Ok(answer.json().await.unwrap_or(Value::Null)))
    }

    /// Sends, and has a success read by `read`; anything else is a problem, whose detail is the failure.
    fn ask<T>(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
        read: impl AsyncFnOnce(reqwest::Response) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        super::runtime()?.block_on(async {
            let mut request =
                reqwest::Client::builder().no_proxy().build()?.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await.map_err(|why| format!("{} does not answer: {why}", self.url))?;
            let status = answer.status();
            if status.is_success() {
                return read(answer).await;
            }
            let problem: Value = answer.json().await.unwrap_or(Value::Null);
            Err(format!("{status}: {}", problem["detail"].as_str().unwrap_or("no reason given")).into())
        })
    }
}
