//! Measures slot filling from free text alone: how many slots are found, and how many of those found are right.
//!
//! Each slot name stands for a typed parameter as a careful author would declare it without knowing the texts;
//! a name that has none counts as not found.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{error::RunbookError, evaluate::lines, parameters::fill, query::text_query};
use crate::domain::{
    digest::Digest,
    name::{ParameterName, RunbookId},
    priority::Risk,
    runbook::{Examples, Parameter, ParameterSource, ParameterType, Runbook, Triggers},
};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ParamsEvaluation {
    pub texts: usize,
    pub slots: usize,
    /// Of all slots, those filled with the right value.
    pub recall: f64,
    /// Of the slots filled, those with the right value; 1 when none was filled.
    pub precision: f64,
    /// Of all texts, those with every slot right.
    pub exact: f64,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    params: BTreeMap<String, String>,
}

/// (slot names, type, pattern): shapes as Kubernetes, Prometheus and Linux documentation give them.
fn declared(slot: &str) -> Option<(ParameterType, &'static str)> {
    let string = ParameterType::String { max_length: 128 };
    Some(match slot {
        "instance" => (string, r"^[a-z0-9.-]+:[0-9]{2,5}$"),
        "fqdn" | "node" | "host" | "hostname" => (ParameterType::Hostname, r"^[a-z][a-z0-9-]*[0-9][a-z0-9-]*(?:[.][a-z0-9-]+)*$"),
        "device" => (ParameterType::Path { under: vec!["/dev".to_owned()] }, r"^/dev/[a-z0-9/-]+$"),
        "mountpoint" => (ParameterType::Path { under: ["/var", "/mnt", "/home", "/data", "/opt"].map(str::to_owned).to_vec() }, r"^/.*$"),
        "pod" => (string, r"^[a-z0-9-]+-[a-z0-9]{9,10}-[a-z0-9]{5}$"),
        _ => return None,
    })
}

/// # Errors
/// A file that cannot be read or a line that is not `{"text", "params"}`.
pub fn evaluate_params(path: &Path) -> Result<ParamsEvaluation, RunbookError> {
    let rows: Vec<Row> = lines(path)?;
    let (mut slots, mut filled, mut right, mut exact) = (0usize, 0usize, 0usize, 0usize);
    for row in &rows {
        let bad = |why: String| RunbookError::BadLine { path: path.to_owned(), line: 0, why };
        let runbook = runbook(row.params.keys()).map_err(bad)?;
        let found = text_query(&row.text, None, |query| fill(&runbook, query)).parameters;
        let correct = found.iter().filter(|p| row.params.get(p.name.as_str()) == Some(&p.value)).count();
        slots += row.params.len();
        filled += found.len();
        right += correct;
        exact += usize::from(correct == row.params.len());
    }
    if slots == 0 {
        return Err(RunbookError::Empty { path: path.to_owned(), what: "parameter" });
    }
    let share = |part: usize, of: usize| if of == 0 { 1.0 } else { part as f64 / of as f64 };
    Ok(ParamsEvaluation {
        texts: rows.len(),
        slots,
        recall: share(right, slots),
        precision: share(right, filled),
        exact: share(exact, rows.len()),
    })
}

fn runbook<'a>(slots: impl Iterator<Item = &'a String>) -> Result<Runbook, String> {
    let mut parameters = BTreeMap::new();
    for slot in slots {
        // A slot whose name no parameter may have has no declaration either.
        let Some((kind, pattern)) = declared(slot) else { continue };
        let name = ParameterName::new(slot.as_str()).map_err(|why| why.to_string())?;
        let from = vec![ParameterSource::Text];
        parameters
            .insert(name, Parameter { kind, from, pattern: Some(pattern.to_owned()), one_of: None, required: true, description: None });
    }
    Ok(Runbook {
        id: RunbookId::new("evaluation").map_err(|why| why.to_string())?,
        title: String::new(),
        owner: String::new(),
        authors: BTreeSet::new(),
        reviewed: None,
        review_every: None,
        triggers: Triggers::default(),
        symptoms: Vec::new(),
        categories: BTreeSet::new(),
        parameters,
        risk: Risk::High,
        reversible: false,
        steps: Vec::new(),
        examples: Examples::default(),
        body: String::new(),
        digest: Digest::of(&[]),
    })
}
