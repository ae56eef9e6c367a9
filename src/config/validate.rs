//! Rules over a whole configuration: ranges, names given twice, URLs. Opens and reads nothing.

use std::{collections::BTreeMap, time::Duration};

use url::Url;

use super::{
    Config,
    auth::{ConnectorAuth, Proxy},
    console::{MOST_MINUTES, SignInBy},
    engine::{AllowedCall, Engine},
    finding::{Finding, Place},
};

/// A probe is a call like any other, and one a second is a load nobody asked for.
const SHORTEST_PROBE: Duration = Duration::from_secs(5);

/// Everything that is wrong with or doubtful about `config`.
pub fn validate(config: &Config) -> Vec<Finding> {
    let mut checks = Checks { findings: Vec::new() };
    checks.server(config);
    checks.gate(config);
    checks.requesters(config);
    checks.console(config);
    checks.names("sources", config.sources.iter().map(|source| source.name.as_str()));
    checks.names("connectors", config.connectors.iter().map(|connector| connector.name.as_str()));
    for (index, source) in config.sources.iter().enumerate() {
        let Some(write_back) = &source.write_back else { continue };
        let at = format!("sources.{index}.write_back");
        checks.url(format!("{at}.base_url"), &write_back.base_url);
        for (key, message) in write_back.problems() {
            checks.require(false, format!("{at}.{key}"), message);
        }
        for (key, named) in [("categories", &write_back.categories), ("groups", &write_back.groups)] {
            checks.names(&format!("{at}.{key}"), named.iter().map(|named| named.name.as_str()));
        }
        // The mark tells our comment when it comes round; only the actor tells a field that we changed.
        if source.own_actors.is_empty() {
            checks.warn(
                format!("sources.{index}.own_actors"),
                "is empty: the help desk tells of what we change, and it is triaged once more",
            );
        }
    }
    for (index, connector) in config.connectors.iter().enumerate() {
        let at = format!("connectors.{index}");
        checks.url(format!("{at}.base_url"), &connector.base_url);
        checks.way(&at, connector.auth.as_ref(), connector.proxy.as_ref());
        checks.require(!connector.timeout.get().is_zero(), format!("{at}.timeout"), "is zero: every call would fail");
        checks.require(connector.response_limit > 0, format!("{at}.response_limit"), "is zero: every answer would be too large");
        let probe = connector.probe.get();
        checks.require(
            probe.is_zero() || probe >= SHORTEST_PROBE,
            format!("{at}.probe"),
            format!("is {}: at least {} s, or `off`", connector.probe, SHORTEST_PROBE.as_secs()),
        );
        if connector.engine.allows_nothing() {
            checks.warn(format!("{at}.allow"), "is empty: no runbook can call this connector");
        }
        let calls: &[AllowedCall] = if let Engine::Http(calls) = &connector.engine { calls } else { &[] };
        for (number, allowed) in calls.iter().enumerate() {
            let at = format!("{at}.allow.{number}");
            let lower = !allowed.method.is_empty() && allowed.method.bytes().all(|byte| byte.is_ascii_lowercase());
            checks.require(lower, format!("{at}.method"), "is not an HTTP method in lower case, like `post`");
            let clean = allowed.path.starts_with('/') && !allowed.path.split('/').any(|segment| segment == "..");
            checks.require(clean, format!("{at}.path"), "does not start with `/`, or has `..` in it");
        }
    }
    checks.names("directories", config.directories.iter().map(|directory| directory.name.as_str()));
    for (index, directory) in config.directories.iter().enumerate() {
        let at = format!("directories.{index}");
        checks.url(format!("{at}.base_url"), &directory.base_url);
        checks.way(&at, directory.auth.as_ref(), directory.proxy.as_ref());
        checks.require(!directory.timeout.get().is_zero(), format!("{at}.timeout"), "is zero: every look-up would fail");
        checks.require(directory.response_limit > 0, format!("{at}.response_limit"), "is zero: every answer would be too large");
        let places = directory.path.split('/').filter(|segment| *segment == "*").count();
        let wanted = usize::from(directory.query.is_none());
        let path =
            if wanted == 1 { "needs one segment `*` for the value, like `/users/*`" } else { "has a `*`, and `query` carries the value" };
        checks.require(places == wanted, format!("{at}.path"), path);
        // A search answers 200 whether it found something or not.
        let told = directory.query.is_none() || directory.field.is_some();
        checks.require(told, format!("{at}.field"), "is missing: a search answers 200 when nothing was found, too");
        let pointer = directory.field.as_ref().is_none_or(|field| field.starts_with('/'));
        checks.require(pointer, format!("{at}.field"), "is not a JSON pointer, like `/id`");
    }
    checks.outgoing(config);
    checks.findings
}

pub(super) struct Checks {
    findings: Vec<Finding>,
}

impl Checks {
    pub(super) fn require(&mut self, holds: bool, key: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.findings.push(Finding::error(key, Place::None, message));
        }
    }

    pub(super) fn warn(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.findings.push(Finding::warning(key, Place::None, message));
    }

    fn server(&mut self, config: &Config) {
        let server = &config.server;
        self.require(server.body_limit >= 1024, "server.body_limit", format!("is {}: at least 1024 bytes", server.body_limit));
        match Url::parse(&server.public_url) {
            Ok(url) => self.url("server.public_url".to_owned(), &url),
            Err(error) => self.require(false, "server.public_url", format!("is `{}`: {error}", server.public_url)),
        }
        self.require(config.store.queue > 0, "store.queue", "is zero: nothing could be stored");
        let origin = &config.log.origin;
        let plain = !origin.is_empty() && !origin.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
        self.require(
            plain,
            "log.origin",
            format!("is `{origin}`: expected a name without spaces or `+`, like `sluicegate.example.com/log`"),
        );
        for (index, witness) in config.log.witnesses.iter().enumerate() {
            self.url(format!("log.witnesses.{index}.url"), &witness.url);
            self.require(witness.url.query().is_none(), format!("log.witnesses.{index}.url"), "has a query: a path is added to it");
        }
    }

    fn gate(&mut self, config: &Config) {
        let gate = &config.gate;
        for (key, value) in [("gate.least_fit", gate.least_fit), ("gate.error_limit", gate.error_limit)] {
            self.require((0.0..=1.0).contains(&value), key, format!("is {value}: expected 0 to 1"));
        }
        let confidence = gate.error_confidence;
        self.require(
            confidence > 0.0 && confidence < 1.0,
            "gate.error_confidence",
            format!("is {confidence}: expected more than 0 and less than 1"),
        );
        self.require(
            (0.0..1.0).contains(&gate.demotion_alpha),
            "gate.demotion_alpha",
            format!("is {}: expected 0 or more and less than 1", gate.demotion_alpha),
        );
        self.require(!gate.approval_lifetime.get().is_zero(), "gate.approval_lifetime", "is zero: every approval would expire at once");
        self.require(gate.storm_size > 0, "gate.storm_size", "is zero: every ticket would be a storm");
        let pipeline = &config.pipeline;
        for (key, value) in [("pipeline.batch", pipeline.batch), ("pipeline.executions", pipeline.executions)] {
            self.require(value > 0, key, "is zero: no ticket would move");
        }
        for (key, value) in [("pipeline.lease", pipeline.lease), ("pipeline.poll", pipeline.poll)] {
            self.require(!value.get().is_zero(), key, "is zero");
        }
    }

    fn console(&mut self, config: &Config) {
        let console = &config.console;
        let minutes = |minutes: u32| (1..=MOST_MINUTES).contains(&minutes);
        let range = |minutes: u32| format!("is {minutes}: 1 to {MOST_MINUTES} minutes");
        self.require(minutes(console.manual_minutes), "console.manual_minutes", range(console.manual_minutes));
        if console.sign_in != SignInBy::Local {
            let oidc = &console.oidc;
            match Url::parse(&oidc.issuer) {
                Ok(url) => {
                    self.url("console.oidc.issuer".to_owned(), &url);
                    let here = url.host_str().is_some_and(|host| host == "localhost" || host == "127.0.0.1" || host == "[::1]");
                    self.require(
                        url.scheme() == "https" || here,
                        "console.oidc.issuer",
                        "has no TLS: whoever sits between could be anybody",
                    );
                }
                Err(error) => self.require(false, "console.oidc.issuer", format!("is `{}`: {error}", oidc.issuer)),
            }
            self.require(!oidc.client_id.is_empty(), "console.oidc.client_id", "is empty");
            self.require(!oidc.groups.is_empty(), "console.oidc.groups", "is empty: nobody would have a role");
        }
        self.names("console.oidc.groups", console.oidc.groups.iter().map(|group| group.name.as_str()));
        self.names("console.by_hand", console.by_hand.iter().map(|runbook| runbook.name.as_str()));
        for (index, runbook) in console.by_hand.iter().enumerate() {
            self.require(minutes(runbook.minutes), format!("console.by_hand.{index}.minutes"), range(runbook.minutes));
        }
    }

    fn requesters(&mut self, config: &Config) {
        let Some(name) = config.requesters.directory() else { return };
        let key = "requesters.directory";
        self.require(config.requesters.file().is_none(), key, "is set, and `requesters.file` too: keep one");
        match config.directories.iter().find(|directory| directory.name == name) {
            // A search answers with a list, and whose record is whose would be guessed.
            Some(directory) => self.require(
                directory.query.is_none(),
                key,
                format!("names `{name}`, which is a search: it takes a directory with one path a requester, like `/people/*`"),
            ),
            None => self.require(false, key, format!("is `{name}`, which is no entry of `directories`")),
        }
    }

    pub(super) fn names<'a>(&mut self, key: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeMap::new();
        for (index, name) in names.enumerate() {
            self.require(!name.is_empty(), format!("{key}.{index}.name"), "is empty");
            // Environment variables cannot tell `-` from `_`.
            if let Some(first) = seen.insert(name.replace('-', "_"), index) {
                self.require(
                    false,
                    format!("{key}.{index}.name"),
                    format!("is `{name}`, as entry {first} of `{key}` is named: every name stands once"),
                );
            }
        }
    }

    /// What stands between us and a target beside its own URL.
    fn way(&mut self, at: &str, auth: Option<&ConnectorAuth>, proxy: Option<&Proxy>) {
        if let Some(ConnectorAuth::OAuth2 { token_url, .. }) = auth {
            self.url(format!("{at}.auth.token_url"), token_url);
        }
        if let Some(proxy) = proxy {
            self.url(format!("{at}.proxy.url"), &proxy.url);
        }
    }

    pub(super) fn url(&mut self, key: String, url: &Url) {
        let http = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
        self.require(http, &key, format!("has the scheme `{}`: expected `http` or `https`", url.scheme()));
        let bare = url.username().is_empty() && url.password().is_none();
        self.require(bare, key, "has a user name or a password in it: URLs end up in logs");
    }
}
