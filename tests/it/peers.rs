//! Others' programs that tests hold ours against: fetched by `./test` into the target folder, started here.
//!
//! A test that needs one and does not find it fails and says what to do; it is never skipped.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

/// Where `./test` puts what it fetches.
fn fetched() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    for part in
        ["node_modules/standardwebhooks", "node_modules/oidc-provider", "python/standardwebhooks", "python/aiosmtpd", "python/aics_witness"]
    {
        assert!(folder.join(part).exists(), "`{}` is missing: run `./test peers`, which fetches it", folder.join(part).display());
    }
    folder
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

fn python(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", fetched().join("python")).arg(script(name));
    command
}

/// Gives the program `input` and reads a line of JSON after the other from it.
fn ask(mut command: Command, what: &str, input: &Value) -> Vec<Value> {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = started.unwrap_or_else(|why| panic!("{what} cannot be started ({why}): install it, as `./test` does"));
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{what} failed; what it said stands above");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the official library of npm says of each delivery, and Node's own Ed25519 of `v1a`.
pub fn verify_with_node(input: &Value) -> Vec<Value> {
    let mut command = Command::new("node");
    command.arg(script("verify.mjs")).arg(fetched());
    ask(command, "node", input)
}

/// What the official library of PyPI says of each delivery.
pub fn verify_with_python(input: &Value) -> Vec<Value> {
    ask(python("verify.py"), "python3", input)
}

/// A real SMTP server, until it is dropped.
pub struct SmtpServer {
    pub port: u16,
    child: Child,
    /// Its end is what stops the server.
    _input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl SmtpServer {
    /// `speaks` is `plain`, `starttls` or `tls`; with a login it takes mail from nobody else.
    pub fn start(speaks: &str, login: Option<&str>) -> Self {
        let mut command = python("smtp_server.py");
        command.args([Path::new(speaks), &script("localhost.pem"), &script("localhost.key")]).args(login);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is installed, as `./test` does");
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut server = Self { port: 0, child, _input: input, output };
        server.port = u16::try_from(server.next()["port"].as_u64().unwrap()).unwrap();
        server
    }

    /// The next mail it took; waits for it.
    pub fn next(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|why| panic!("the mail server said `{line}`: {why}"))
    }

    /// The authority that vouches for its certificate.
    pub fn authority() -> PathBuf {
        script("authority.pem")
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A real witness of transparency logs, until it is dropped.
pub struct Witness {
    pub url: String,
    /// Its public key.
    pub key: String,
    child: Child,
    /// What it says must go somewhere.
    _says: BufReader<ChildStderr>,
}

impl Witness {
    /// Keeps its state in `folder`, and knows the log with this name and key.
    pub fn start(folder: &Path, origin: &str, log: &str) -> Self {
        let command = |arguments: &[&str]| {
            let mut command = Command::new("python3");
            command.args(["-m", "aics_witness"]).args(arguments);
            command.env("PYTHONPATH", fetched().join("python")).env("AICS_WITNESS_CONFIG", folder.join("witness.json"));
            command
        };
        let made = command(&["init", "--name", "witness.test/w1"]).output().expect("python3 is installed, as `./test` does");
        let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        assert!(made.status.success() && key.starts_with("witness.test/w1+"), "{key}\n{}", String::from_utf8_lossy(&made.stderr));
        assert!(command(&["add-log", "--origin", origin, "--vkey", log]).output().unwrap().status.success());
        let mut child = command(&["serve", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
        let (mut says, mut line) = (BufReader::new(child.stderr.take().unwrap()), String::new());
        let url = loop {
            line.clear();
            assert!(says.read_line(&mut line).unwrap() > 0, "the witness ended before it listened");
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
        };
        Self { url, key, child, _says: says }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A real OpenID Connect provider, until it is dropped.
pub struct OidcProvider {
    pub issuer: String,
    child: Child,
    /// Its end is what stops the provider.
    _input: ChildStdin,
    /// It says more than its port, and ends when nobody takes it.
    _output: BufReader<ChildStdout>,
}

impl OidcProvider {
    /// Sends people back to `back` and nowhere else.
    pub fn start(back: &str) -> Self {
        let mut command = Command::new("node");
        command
            .arg(script("oidc_provider.mjs"))
            .arg(fetched())
            .arg(back)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("node is installed, as `./test` does");
        let (input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|why| panic!("the provider said `{line}`: {why}"));
        Self { issuer: format!("http://127.0.0.1:{}", said["port"]), child, _input: input, _output: output }
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
