//! The demo as a process of its own: the binary that people get.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

/// Whoever is on call in the demo: responder and approver.
pub const ON_CALL: &str = "olu.adeyemi@example.com";
/// Approver and operator.
pub const SECOND: &str = "ines.duarte@example.com";
/// Auditor and admin.
pub const AUDITOR: &str = "ravi.menon@example.com";

/// A running demo that has dealt with its sample tickets.
pub struct Demo {
    pub url: String,
    pub password: String,
    token: String,
    process: Child,
}

impl Demo {
    pub fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_sluicegate"))
            .args(["demo", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (mut url, mut password, mut token) = (String::new(), String::new(), String::new());
        for line in &mut lines {
            let line = line.unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["service", address] => url = (*address).to_owned(),
                ["console", .., last] => password = last.trim_end_matches(')').to_owned(),
                ["token", text, ..] => token = (*text).to_owned(),
                ["The", "service", "stays", "up", ..] => break,
                _ => {}
            }
        }
        // Read on, so that the demo never waits for somebody to take its lines.
        std::thread::spawn(move || lines.for_each(drop));
        assert!(url.starts_with("http://127.0.0.1:") && password.starts_with("demo-"), "{url} {password}");
        Self { url, password, token, process }
    }

    /// Posts a ticket through the API and waits until triage has looked at it; gives its id.
    pub async fn post(&self, title: &str, body: &str) -> String {
        let ticket = json!({ "external_id": format!("browser-{}", title.len() * 1000 + body.len()), "title": title, "body": body });
        sluicegate::outbound::install_cryptography();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("{}/v1/tickets?wait=10s", self.url)).bearer_auth(&self.token).json(&ticket);
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status} {text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        value["tickets"][0].as_str().unwrap_or_else(|| panic!("no ticket in {text}")).to_owned()
    }

    /// Ends the service as a power cut does.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stop();
    }
}
