//! Cases beside the policies: facts and the verdict an operator expects of them (`policy test`).
//!
//! A case says only what differs from a baseline, as a JSON merge patch (RFC 7386) written in TOML, so that
//! it reads as the one thing it is about. Pure but for reading the folder.
// INVARIANT: a case with an unknown key, a baseline that is no facts, or no cases at all is an error, never a pass.

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize;

use super::{GateError, PolicySet, evaluate, facts::Facts};
use crate::domain::verdict::{Decision, Verdict};

/// The complete facts that every case starts from; alone they must be decided `auto_execute`.
pub const BASELINE: &str = "baseline.json";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    #[serde(rename = "case")]
    cases: Vec<Case>,
}

/// One case as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    decision: Decision,
    /// Persons that must say yes, when that is what the case is about.
    approvals_needed: Option<u8>,
    /// Exactly the checks and policies that refuse, when that is what the case is about.
    refused_by: Option<BTreeSet<String>>,
    /// What differs from the baseline. TOML has no null; `"null"` removes a member.
    #[serde(default)]
    facts: toml::Table,
}

/// How one case came out.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CaseResult {
    pub file: String,
    pub name: String,
    /// Empty when it passed; each says what was expected and what came.
    pub failures: Vec<String>,
    pub verdict: Verdict,
}

impl CaseResult {
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Runs every `.toml` file of `dir` in the order of their names.
///
/// # Errors
/// A file that cannot be read, or a case that is no case. A case that fails is no error: see [`CaseResult`].
pub fn run_cases(policies: &PolicySet, dir: &Path) -> Result<Vec<CaseResult>, GateError> {
    let mut results = Vec::new();
    each_file(dir, |baseline, file, text| {
        results.extend(run_file(policies, baseline, file, text)?);
        Ok(())
    })?;
    if results.is_empty() {
        return Err(GateError::File {
            file: dir.display().to_string(),
            message: "no cases: write `[[case]]` tables in `.toml` files there".to_owned(),
        });
    }
    Ok(results)
}

/// The facts of every case of `dir`, each with the name of its file and its own.
///
/// # Errors
/// As [`run_cases`], but for a folder with no cases.
pub fn facts_of(dir: &Path) -> Result<Vec<(String, Facts)>, GateError> {
    let mut found = Vec::new();
    each_file(dir, |baseline, file, text| {
        found.extend(read_file(baseline, file, text)?.into_iter().map(|(case, facts)| (format!("{file}: {}", case.name), facts)));
        Ok(())
    })?;
    Ok(found)
}

/// Gives the baseline, the name and the text of every `.toml` file of `dir`, in the order of their names.
fn each_file(dir: &Path, mut take: impl FnMut(&serde_json::Value, &str, &str) -> Result<(), GateError>) -> Result<(), GateError> {
    let file_name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|why| GateError::Unreadable { path: path.display().to_string(), why: why.to_string() })
    };
    let baseline: serde_json::Value = serde_json::from_str(&read(&dir.join(BASELINE))?)
        .map_err(|why| GateError::File { file: BASELINE.to_owned(), message: why.to_string() })?;
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>())
        .map_err(|why| GateError::Unreadable { path: dir.display().to_string(), why: why.to_string() })?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.iter().try_for_each(|path| take(&baseline, &file_name(path), &read(path)?))
}

/// Runs the cases of one file.
///
/// # Errors
/// As [`run_cases`].
pub fn run_file(policies: &PolicySet, baseline: &serde_json::Value, file: &str, text: &str) -> Result<Vec<CaseResult>, GateError> {
    let judged = |(case, facts): (Case, Facts)| judge(file, case, evaluate(policies, &facts));
    Ok(read_file(baseline, file, text)?.into_iter().map(judged).collect())
}

fn read_file(baseline: &serde_json::Value, file: &str, text: &str) -> Result<Vec<(Case, Facts)>, GateError> {
    let fail = |message: String| GateError::File { file: file.to_owned(), message };
    let read: CaseFile = toml::from_str(text).map_err(|why| fail(why.to_string()))?;
    read.cases
        .into_iter()
        .map(|case| {
            let patch = serde_json::to_value(&case.facts).map_err(|why| fail(why.to_string()))?;
            let mut patched = baseline.clone();
            merge(&mut patched, patch);
            let facts = Facts::read(&patched).map_err(|why| fail(format!("case `{}`: {why}", case.name)))?;
            Ok((case, facts))
        })
        .collect()
}

fn judge(file: &str, case: Case, verdict: Verdict) -> CaseResult {
    let mut failures = Vec::new();
    if verdict.decision != case.decision {
        failures.push(format!("expected `{}`, got `{}`", case.decision.as_str(), verdict.decision.as_str()));
    }
    if let Some(expected) = case.approvals_needed.filter(|expected| *expected != verdict.approvals_needed) {
        failures.push(format!("expected {expected} approvals, got {}", verdict.approvals_needed));
    }
    let refused_by: BTreeSet<String> = verdict.refusals().map(|reason| reason.id.clone()).collect();
    if let Some(expected) = case.refused_by.filter(|expected| *expected != refused_by) {
        let list = |ids: &BTreeSet<String>| ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        failures.push(format!("expected refusals by [{}], got [{}]", list(&expected), list(&refused_by)));
    }
    CaseResult { file: file.to_owned(), name: case.name, failures, verdict }
}

/// RFC 7386; the text `null` stands for null.
fn merge(target: &mut serde_json::Value, patch: serde_json::Value) {
    use serde_json::Value;
    match patch {
        Value::Object(patch) => {
            if !target.is_object() {
                *target = Value::Object(serde_json::Map::new());
            }
            if let Value::Object(members) = target {
                for (name, value) in patch {
                    if value == "null" {
                        members.insert(name, Value::Null);
                    } else {
                        merge(members.entry(name).or_insert(Value::Null), value);
                    }
                }
            }
        }
        other => *target = other,
    }
}
