//! Real workflow engines, started here: a runbook runs through the real service and does its work inside them.
//!
//! `./test` puts Node-RED into `target/engines`; n8n is 1.6 GB and its test is a binary of its own, which
//! `./test engines` runs.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::{Value, json};
use sluicegate::{
    config::Config,
    domain::{
        execution::{Execution, ExecutionState},
        template::Value as Given,
    },
    execute::Connectors,
};

use crate::{
    app::RUNBOOK,
    way_world::{GENEROUS, World, does_not_print},
};

const SECRET: &str = "hook-5b1f0c93d2";
const FLOW: &str = include_str!("../../docs/connectors/node_red-flow.json");

/// Longer than an engine takes to start on a busy machine.
const START: Duration = Duration::from_secs(240);

/// A process that ends with the test.
pub struct Engine {
    child: Child,
    /// What it told while it started, up to the line that says it is ready.
    pub told: Vec<String>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `./test` put an engine; a message that says what to do when it is not there.
pub fn installed(engine: &str, script: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/engines").join(engine).join("node_modules").join(script);
    assert!(path.exists(), "{} is not there: `./test` and `./test engines` install it with npm, and Node.js is needed", path.display());
    path
}

/// Starts it, and waits for the line that says it is ready.
pub fn started(command: &mut Command, ready: &str) -> Engine {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|why| panic!("{command:?} does not start: {why}; install Node.js"));
    let (line, lines) = mpsc::channel();
    let output = child.stdout.take().unwrap();
    // Reads to the end, so that the engine never waits for somebody to read.
    std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).for_each(|text| drop(line.send(text))));
    let mut engine = Engine { child, told: Vec::new() };
    loop {
        match lines.recv_timeout(START) {
            Ok(text) => {
                let is_ready = text.contains(ready);
                engine.told.push(text);
                if is_ready {
                    return engine;
                }
            }
            Err(why) => panic!("{command:?} did not come up: {why}: {:#?}", engine.told),
        }
    }
}

/// The shipped runbook's way through two hooks: look, call, look.
pub fn runbook() -> String {
    let steps = r#"steps:
  - {id: look, kind: precheck, use: flows.ask, with: {hook: printer, query: {name: "{{host}}"}}, expect: 'body.state == "faulty"'}
  - id: restart
    kind: change
    use: flows.call
    with: {hook: restart-printer, body: {printer: "{{host}}"}}
    expect: 'body.restarted != ""'
    outputs: {times: {value: body.times, type: "integer(1..1000)"}}
    idempotent: true
    rollback: undo
  - {id: check, kind: verify, use: flows.ask, with: {hook: printer, query: {name: "{{host}}"}}, expect: 'body.state == "healthy"', within: 30s}
  - {id: undo, kind: rollback, use: flows.call, with: {hook: restart-printer, body: {printer: "{{host}}"}}}
"#;
    let (before, rest) = RUNBOOK.split_once("steps:\n").unwrap();
    let (_, after) = rest.split_once("examples:").unwrap();
    format!("{before}{steps}examples:{after}")
}

pub fn connector(kind: &str, base_url: &str, secret: &str) -> Value {
    json!({
        "name": "flows", "kind": kind, "base_url": base_url, "allow_addresses": ["127.0.0.1/32"],
        "auth": {"kind": "header", "name": "X-Hook-Secret", "value": secret},
        "allow": [{"hook": "restart-printer", "arguments": ["printer"]}, {"hook": "printer", "operations": ["ask"]}],
    })
}

/// The service with the runbook above in force, and `connector` configured.
pub async fn world(connector: Value) -> World {
    let runbooks = tempfile::tempdir().unwrap();
    std::fs::write(runbooks.path().join("restart-spooler.md"), runbook()).unwrap();
    let world = World::with(|config: &mut Config| {
        config.runbooks.folder = runbooks.path().to_owned();
        config.connectors.push(serde_json::from_value(connector).unwrap());
    })
    .await;
    world.automated(GENEROUS).await;
    world
}

/// The one run of a ticket about a printer.
pub async fn run(world: &World, ticket: &str, printer: &str) -> Execution {
    let id = world.tell(&does_not_print(ticket, printer)).await;
    world.work().await;
    let mut runs = world.runs(id).await;
    assert_eq!(runs.len(), 1, "{:?}", world.proposal(id).await.verdict);
    runs.remove(0)
}

struct NodeRed {
    engine: Engine,
    url: String,
    _folder: tempfile::TempDir,
}

impl NodeRed {
    /// Node-RED with our flow, deployed through its own admin API.
    async fn new() -> Self {
        let script = installed("node-red", "node-red/red.js");
        let folder = tempfile::tempdir().unwrap();
        let settings = "module.exports = { uiHost: '127.0.0.1', telemetry: { enabled: false, updateNotification: false } };\n";
        std::fs::write(folder.path().join("settings.js"), settings).unwrap();
        let mut command = Command::new("node");
        command.arg(script).arg("--userDir").arg(folder.path()).args(["--port", "0"]).env("HOOK_SECRET", SECRET);
        let engine = tokio::task::spawn_blocking(move || started(&mut command, "Started flows")).await.unwrap();
        let line = engine.told.iter().find_map(|line| line.split_once("Server now running at ")).unwrap();
        let url = line.1.trim().to_owned();
        let deployed = reqwest::Client::new()
            .post(format!("{url}flows"))
            .header("node-red-deployment-type", "full")
            .json(&serde_json::from_str::<Value>(FLOW).unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(deployed.status(), 204);
        Self { engine, url, _folder: folder }
    }

    /// How often the flow restarted each printer, as Node-RED itself tells.
    async fn restarts(&self) -> Value {
        let context: Value = reqwest::get(format!("{}context/global", self.url)).await.unwrap().json().await.unwrap();
        context["memory"]["restarts"]["msg"].as_str().map_or_else(|| json!({}), |text| serde_json::from_str(text).unwrap())
    }
}

#[tokio::test]
async fn a_runbook_restarts_a_printer_inside_node_red_and_proves_it_there() {
    let node_red = NodeRed::new().await;
    let world = world(connector("node_red", &node_red.url, SECRET)).await;
    let done = run(&world, "21", "prn-00021").await;
    assert_eq!(done.state, ExecutionState::Succeeded, "{:?}", done.steps);
    assert_eq!(node_red.restarts().await, json!({"prn-00021": 1}));
    assert_eq!(done.steps[1].outputs.values().collect::<Vec<_>>(), [&Given::Integer(1)]);

    // It is well now, so another run finds nothing to do and changes nothing.
    let again = run(&world, "22", "prn-00021").await;
    assert_eq!(again.state, ExecutionState::Refused);
    assert_eq!(node_red.restarts().await, json!({"prn-00021": 1}));

    let tested = world.service().connectors.test(&"flows".parse().unwrap()).await.unwrap();
    assert_eq!(tested.iter().map(|probed| probed.failure.clone()).collect::<Vec<_>>(), [None]);
    world.audit().await;
}

#[tokio::test]
async fn node_red_that_does_not_know_us_or_is_gone_refuses_the_run_and_nothing_is_restarted() {
    let mut node_red = NodeRed::new().await;
    let stranger = world(connector("node_red", &node_red.url, "another secret")).await;
    let refused = run(&stranger, "23", "prn-00023").await;
    assert_eq!((refused.state, refused.steps[0].status), (ExecutionState::Refused, Some(401)));
    assert_eq!(node_red.restarts().await, json!({}));

    node_red.engine.child.kill().unwrap();
    node_red.engine.child.wait().unwrap();
    let gone = run(&stranger, "24", "prn-00024").await;
    assert_eq!((gone.state, gone.steps[0].status), (ExecutionState::Refused, None));
    let config = [serde_json::from_value(connector("node_red", &node_red.url, SECRET)).unwrap()];
    let tested = Connectors::from_config(&config).unwrap().test(&"flows".parse().unwrap()).await.unwrap();
    let failure = tested[0].failure.clone().unwrap();
    assert!(failure.starts_with("no connection: ") && failure.contains("check the host and port of `base_url`"), "{failure}");
}
