//! The real binary with pipes on all it says, and its API as three people see it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::time::timeout;

use crate::{secrets::PATIENCE, secrets_garden::Harvest};

pub struct Running {
    pub child: Child,
    pub url: String,
    pub said: Arc<Mutex<Vec<u8>>>,
}

pub fn sluicegate(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command
        .current_dir(folder)
        .args(arguments)
        .arg("--config")
        .arg(folder.join("sluicegate.toml"))
        .env_remove("SLUICEGATE_CONFIG")
        .env("NO_COLOR", "1");
    command
}

impl Running {
    pub async fn start(folder: &Path) -> Self {
        let mut child = sluicegate(folder, &["serve"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (ready, listening) = tokio::sync::oneshot::channel();
        let ready = Arc::new(Mutex::new(Some(ready)));
        let pipes: [Box<dyn std::io::Read + Send>; 2] = [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for pipe in pipes {
            let (said, ready) = (Arc::clone(&said), Arc::clone(&ready));
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    said.lock().unwrap().extend(line.iter().chain(b"\n"));
                    let line: Value = serde_json::from_slice(&line).unwrap_or_default();
                    let address = line.pointer("/fields/address").or_else(|| line.get("address")).and_then(Value::as_str);
                    if let Some(address) = address.filter(|_| line.to_string().contains("sluicegate is ready"))
                        && let Some(ready) = ready.lock().unwrap().take()
                    {
                        let _ = ready.send(address.to_owned());
                    }
                }
            });
        }
        let address = match timeout(PATIENCE, listening).await {
            Ok(Ok(address)) => address,
            _ => panic!("the service did not start:\n{}", String::from_utf8_lossy(&said.lock().unwrap())),
        };
        Self { child, url: format!("http://{address}"), said }
    }
}

/// Runs a command of the binary; keeps what it said.
pub fn say(harvest: &mut Harvest, what: &str, command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    harvest.keep(what, text.clone());
    String::from_utf8(text).unwrap()
}

pub struct Api {
    pub http: reqwest::Client,
    pub url: String,
    /// Of the person who approves.
    pub token: String,
    /// Of all.
    pub tokens: Vec<String>,
}

impl Api {
    /// Asked by the first person who may.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let mut last = (0, String::new());
        for token in &self.tokens {
            let answer = self.http.get(format!("{}{path}", self.url)).bearer_auth(token).send().await.unwrap();
            last = (answer.status().as_u16(), answer.text().await.unwrap());
            if last.0 != 403 {
                break;
            }
        }
        last
    }

    pub async fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn all(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.json(&format!("{path}?limit=100{cursor}")).await;
            items.extend(page["items"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}
