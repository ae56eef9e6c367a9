//! A headless Chromium through its WebDriver, with what the tests ask of it.
//!
//! Waiting is for something to be there, asked again until a deadline; nothing sleeps in the hope that it will do.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fantoccini::{Client, ClientBuilder, Locator, key::Key, wd::WebDriverCompatibleCommand};
use serde_json::{Value, json};

use crate::demo::Demo;

const PATIENCE: Duration = Duration::from_secs(60);

/// The driver of one browser; it ends with it.
struct Driver(Child);

impl Driver {
    fn start() -> (Self, String) {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|why| {
                panic!("`chromedriver` cannot be started ({why}): install `chromium` and `chromium-driver`, as `./test` does")
            });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = "started successfully on port ";
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| Some(line.split_once(said)?.1.trim_end_matches('.').to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        let port = port.expect("the driver says its port");
        (Self(child), format!("http://127.0.0.1:{port}"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The browser is in the driver's group, and outlives it when a test ends in the middle.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

/// A command of the driver beside the standard.
#[derive(Debug)]
struct Raw {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Raw {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

/// One browser with a profile of its own.
pub struct Browser {
    client: Client,
    _driver: Driver,
    base: String,
}

impl Browser {
    pub async fn open(demo: &Demo) -> Self {
        Self::at(demo.url.clone()).await
    }

    /// Over the service at this address.
    pub async fn at(base: String) -> Self {
        let flags =
            ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--window-size=1280,900"];
        let mut wanted = serde_json::Map::new();
        wanted.insert("goog:chromeOptions".to_owned(), json!({ "args": flags }));
        wanted.insert("goog:loggingPrefs".to_owned(), json!({ "performance": "ALL", "browser": "ALL" }));
        let (driver, address) = Driver::start();
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let client = ClientBuilder::new(connector).capabilities(wanted).connect(&address).await.expect("a browser opens");
        Self { client, _driver: driver, base }
    }

    /// Opens a browser and signs in.
    pub async fn signed_in(demo: &Demo, person: &str) -> Self {
        let browser = Self::open(demo).await;
        browser.sign_in(person, &demo.password).await;
        browser.see("nav.places").await;
        browser
    }

    pub async fn sign_in(&self, person: &str, password: &str) {
        self.go("/login").await;
        self.fill("#name", person).await;
        self.fill("#password", password).await;
        self.click("button[type=submit]").await;
    }

    pub async fn go(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.unwrap();
    }

    /// The path and query of where the browser is.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        url.as_str().strip_prefix(&self.base).unwrap_or(url.as_str()).to_owned()
    }

    pub async fn script(&self, text: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(text, arguments).await.unwrap()
    }

    /// Waits until the script says something that is neither null nor false.
    pub async fn until(&self, what: &str, script: &str, arguments: Vec<Value>) -> Value {
        let start = Instant::now();
        loop {
            // While a page gives way to the next one there is nothing to ask.
            if let Ok(value) = self.client.execute(script, arguments.clone()).await
                && !matches!(value, Value::Null | Value::Bool(false))
            {
                return value;
            }
            if start.elapsed() > PATIENCE {
                let text = self.text("body").await;
                panic!("waited too long for {what} at {}; the page says:\n{text}", self.path().await);
            }
            tokio::task::yield_now().await;
        }
    }

    pub async fn see(&self, css: &str) {
        self.until(
            css,
            "const found = document.querySelector(arguments[0]); return found !== null && found.getClientRects().length > 0",
            vec![css.into()],
        )
        .await;
    }

    /// Waits until the page says so.
    pub async fn says(&self, text: &str) {
        self.until(&format!("`{text}`"), "return document.body.innerText.includes(arguments[0])", vec![text.into()]).await;
    }

    pub async fn text(&self, css: &str) -> String {
        let found = self.script("return document.querySelector(arguments[0])?.innerText ?? ''", vec![css.into()]).await;
        found.as_str().unwrap_or_default().to_owned()
    }

    pub async fn attribute(&self, css: &str, name: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.getAttribute(arguments[1])";
        self.until(&format!("{css} with {name}"), script, vec![css.into(), name.into()]).await.as_str().unwrap().to_owned()
    }

    pub async fn click(&self, css: &str) {
        self.see(css).await;
        // In one go: a live part may be replaced between finding an element and clicking on it.
        let script = "const found = document.querySelector(arguments[0]); found?.scrollIntoView(); found?.click(); return found !== null";
        self.until(css, script, vec![css.into()]).await;
    }

    pub async fn fill(&self, css: &str, text: &str) {
        self.see(css).await;
        let field = self.client.find(Locator::Css(css)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Types into whatever has the focus.
    pub async fn keys(&self, text: &str) {
        self.client.active_element().await.unwrap().send_keys(text).await.unwrap();
    }

    pub async fn enter(&self) {
        self.keys(&String::from(char::from(Key::Enter))).await;
    }

    /// Goes from field to field until the focus is on what fits.
    pub async fn tab_to(&self, css: &str) {
        for _ in 0..200 {
            self.keys(&String::from(char::from(Key::Tab))).await;
            let at = self.script("return document.activeElement.matches(arguments[0])", vec![css.into()]).await;
            if at == Value::Bool(true) {
                return;
            }
        }
        panic!("no number of tabs leads to {css}");
    }

    /// A command of Chrome's own protocol.
    pub async fn cdp(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.client.issue_cmd(Raw { path: "goog/cdp/execute", body }).await.unwrap()
    }

    pub async fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] })).await;
    }

    pub async fn phone(&self) {
        self.cdp("Emulation.setDeviceMetricsOverride", json!({ "width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true }))
            .await;
    }

    pub async fn without_scripts(&self) {
        self.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    }

    /// Fills the form and sends it with the driver's own means, for a browser whose pages run no script.
    pub async fn submit_sign_in(&self, person: &str, password: &str) {
        for (css, text) in [("#name", person), ("#password", password)] {
            self.client.find(Locator::Css(css)).await.unwrap().send_keys(text).await.unwrap();
        }
        self.client.find(Locator::Css("button[type=submit]")).await.unwrap().click().await.unwrap();
        self.client.wait().for_element(Locator::Css("nav.places")).await.unwrap();
    }

    /// The text of an element as the driver reads it.
    pub async fn plain_text(&self, css: &str) -> String {
        self.client.find(Locator::Css(css)).await.unwrap().text().await.unwrap()
    }

    /// The address of every request so far, in their order.
    pub async fn requests(&self) -> Vec<String> {
        self.log("performance")
            .await
            .iter()
            .filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok())
            .filter(|entry| entry["message"]["method"] == "Network.requestWillBeSent")
            .map(|entry| entry["message"]["params"]["request"]["url"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What the browser complains of: errors of scripts, and what the content policy kept out.
    pub async fn complaints(&self) -> Vec<String> {
        let of = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        self.log("browser").await.iter().filter(|entry| entry["level"] == "SEVERE").map(of).collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let found = self.client.issue_cmd(Raw { path: "se/log", body: json!({ "type": kind }) }).await.unwrap();
        found.as_array().cloned().unwrap_or_default()
    }

    /// What axe-core finds wrong with the page, each with where.
    pub async fn violations(&self) -> Vec<String> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&path)
            .unwrap_or_else(|why| panic!("`{}` is missing ({why}): run `./test peers`, which fetches it", path.display()));
        self.client.execute(&axe, Vec::new()).await.unwrap();
        let run = "const done = arguments[arguments.length - 1]; axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.target.join(' ') + ' ' + (node.any[0]?.message ?? node.failureSummary)).slice(0, 4).join(' | ')}`)), (why) => done([String(why)]))";
        let found = self.client.execute_async(run, Vec::new()).await.unwrap();
        found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    /// What is on the screen, as PNG.
    pub async fn picture(&self) -> Vec<u8> {
        self.client.screenshot().await.unwrap()
    }

    pub async fn close(self) {
        self.client.close().await.unwrap();
    }
}
