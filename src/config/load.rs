//! Loading: file, then environment over it, then secrets from their files, then the rules of [`super::validate`].
//!
//! Everything that is wrong is reported at once. Relative paths are relative to the file's folder.
//! Environment variables are `SLUICEGATE__` and the key's parts joined by `__`, in upper case:
//! `SLUICEGATE__SERVER__LISTEN=0.0.0.0:8321`. An entry of a list of tables is addressed by its name
//! (`-` written `_`) or its number from 0: `SLUICEGATE__SOURCES__ZENDESK_EMEA__AUTH__SECRETS_FILE=/run/secrets/zendesk`.
//! Lists are separated by commas, or written as a TOML array.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    Config, environment,
    finding::{ConfigError, Finding, Place, Severity},
    schema::{self, Node},
    secret_file,
    validate::validate,
};

/// A configuration that may be used, and what is doubtful about it.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Finding>,
}

/// Loads the configuration; without a path, defaults and environment only.
///
/// # Errors
/// [`ConfigError`] with every finding.
pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigError> {
    load_with_warnings(path, env).map(|loaded| loaded.config)
}

/// As [`load`], with the warnings.
///
/// # Errors
/// As [`load`].
pub fn load_with_warnings(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, ConfigError> {
    let text = match path {
        Some(path) => std::fs::read_to_string(path).map_err(|reason| ConfigError::Unreadable { path: path.to_owned(), reason })?,
        None => String::new(),
    };
    let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
    let file = path.unwrap_or(Path::new("")).to_owned();
    let mut loading = Loading { findings: Vec::new(), places: BTreeMap::new() };

    let mut table = loading.file(&file, &text);
    environment::apply(&mut loading, &mut table, env);
    secret_file::read_all(&mut loading, &mut table, folder);
    // What is missing because it was refused above would only be reported again.
    let mut config = if loading.has_errors() { None } else { Some(loading.typed(table)) };
    if let Some(config) = &mut config {
        relative_to(folder, config);
        for finding in validate(config) {
            let place = loading.place(&finding.key);
            loading.findings.push(Finding { place, ..finding });
        }
    }
    loading.findings.sort();
    loading.findings.dedup();
    match config {
        Some(config) if !loading.has_errors() => Ok(Loaded { config, warnings: loading.findings }),
        _ => Err(ConfigError::Findings(loading.findings)),
    }
}

/// What is known so far: problems, and where each key was set.
pub(super) struct Loading {
    pub(super) findings: Vec<Finding>,
    pub(super) places: BTreeMap<String, Place>,
}

impl Loading {
    fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Where `key`, or the nearest table around it, was set.
    pub(super) fn place(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
                return place.clone();
            }
            match key.rsplit_once('.') {
                Some((outer, _)) => key = outer,
                None => return Place::None,
            }
        }
    }

    fn file(&mut self, path: &Path, text: &str) -> Table {
        let parsed = match DeTable::parse(text) {
            Ok(parsed) => parsed,
            Err(error) => {
                let place = place(path, text, error.span().map_or(0, |span| span.start));
                self.findings.push(Finding::error("", place, format!("is not TOML: {}", error.message().replace('\n', ", "))));
                return Table::new();
            }
        };
        self.table(path, text, "", parsed.get_ref(), schema::ROOT);
        // The same text parsed a moment ago.
        text.parse().unwrap_or_default()
    }

    fn table(&mut self, path: &Path, text: &str, at: &str, table: &DeTable<'_>, fields: &[(&'static str, Node)]) {
        for (key, value) in table {
            let full = join(at, key.get_ref());
            let place = place(path, text, key.span().start);
            let Some((_, node, twin)) = schema::find(fields, key.get_ref()) else {
                let message = format!("is not a known key: did you mean `{}`?", schema::nearest(fields, key.get_ref()));
                self.findings.push(Finding::error(full, place, message));
                continue;
            };
            self.places.insert(full.clone(), place);
            match (node, value.get_ref()) {
                _ if twin => {}
                (Node::Table(inner), DeValue::Table(table)) => self.table(path, text, &full, table, inner),
                (Node::Tables(inner), DeValue::Array(entries)) => {
                    for (index, entry) in entries.iter().enumerate() {
                        let full = join(&full, &index.to_string());
                        self.places.insert(full.clone(), self::place(path, text, entry.span().start));
                        if let DeValue::Table(table) = entry.get_ref() {
                            self.table(path, text, &full, table, inner);
                        }
                    }
                }
                // A wrong type is found when the value is read into its struct.
                _ => {}
            }
        }
    }

    /// Each section by itself, so that one wrong value does not hide the next.
    fn typed(&mut self, mut table: Table) -> Config {
        let default = Config::default();
        Config {
            server: self.section(&mut table, "server").unwrap_or(default.server),
            store: self.section(&mut table, "store").unwrap_or(default.store),
            log: self.section(&mut table, "log").unwrap_or(default.log),
            triage: self.section(&mut table, "triage").unwrap_or(default.triage),
            runbooks: self.section(&mut table, "runbooks").unwrap_or(default.runbooks),
            gate: self.section(&mut table, "gate").unwrap_or(default.gate),
            requesters: self.section(&mut table, "requesters").unwrap_or(default.requesters),
            pipeline: self.section(&mut table, "pipeline").unwrap_or(default.pipeline),
            console: self.section(&mut table, "console").unwrap_or(default.console),
            telemetry: self.section(&mut table, "telemetry").unwrap_or(default.telemetry),
            sources: self.sections(&mut table, "sources"),
            connectors: self.sections(&mut table, "connectors"),
            directories: self.sections(&mut table, "directories"),
            webhooks: self.sections(&mut table, "webhooks"),
            chats: self.sections(&mut table, "chats"),
            mail: self.section(&mut table, "mail").unwrap_or(default.mail),
            recipients: self.sections(&mut table, "recipients"),
            digests: self.sections(&mut table, "digests"),
        }
    }

    fn section<T: DeserializeOwned>(&mut self, table: &mut Table, key: &str) -> Option<T> {
        let value = table.remove(key)?;
        self.read(value, key)
    }

    fn sections<T: DeserializeOwned>(&mut self, table: &mut Table, key: &str) -> Vec<T> {
        match table.remove(key) {
            None => Vec::new(),
            Some(Value::Array(entries)) => {
                entries.into_iter().enumerate().filter_map(|(index, entry)| self.read(entry, &join(key, &index.to_string()))).collect()
            }
            Some(_) => {
                let place = self.place(key);
                self.findings.push(Finding::error(key, place, format!("is not a list of tables: write `[[{key}]]`")));
                Vec::new()
            }
        }
    }

    fn read<T: DeserializeOwned>(&mut self, value: Value, at: &str) -> Option<T> {
        let error = match T::deserialize(value) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        // Only `Display` tells the key, as a last line: in `a.b`.
        let text = error.to_string();
        let inner = text.lines().last().and_then(|line| line.strip_prefix("in `")?.strip_suffix('`')).unwrap_or_default();
        let key = if inner.is_empty() { at.to_owned() } else { join(at, inner) };
        let place = self.place(&key);
        self.findings.push(Finding::error(key, place, error.message().to_owned()));
        None
    }
}

pub(super) fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

fn place(path: &Path, text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place::File { path: path.to_owned(), line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

fn relative_to(folder: &Path, config: &mut Config) {
    let paths: [&mut PathBuf; 11] = [
        &mut config.store.folder,
        &mut config.triage.model,
        &mut config.triage.models,
        &mut config.triage.frozen,
        &mut config.triage.embedding,
        &mut config.triage.catalogue,
        &mut config.triage.signals,
        &mut config.runbooks.folder,
        &mut config.runbooks.embedding_folder,
        &mut config.runbooks.vectors,
        &mut config.gate.policies,
    ];
    let named = [&mut config.requesters.file, &mut config.mail.authorities].into_iter().filter(|file| !file.as_os_str().is_empty());
    for path in paths.into_iter().chain(&mut config.runbooks.alert_rules).chain(named) {
        // `join` leaves an absolute path as it is.
        *path = folder.join(&*path);
    }
}
