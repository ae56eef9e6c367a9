//! Measures slot filling from free text alone: how many slots are found, and how many of those found are right.
//!
//! Each slot name stands for a typed parameter as a careful author would declare it without knowing the texts;
//! a name that has none counts as not found.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{
    alert_rules::AlertRules,
    error::RunbookError,
    evaluate::lines,
    parameters::fill,
    query::{Query, same_span},
    words,
};
use crate::domain::{
    digest::Digest,
    name::{ParameterName, RunbookId},
    priority::Risk,
    recommendation::FilledParameter,
    runbook::{Examples, Parameter, ParameterSource, ParameterType, Runbook, Triggers},
    untrusted::Untrusted,
};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ParamsEvaluation {
    pub texts: usize,
    pub slots: usize,
    /// From the text alone.
    pub free_text: SlotFigures,
    /// With the alert's own template known, as from a rule file; absent when no row names its template.
    pub template: Option<SlotFigures>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SlotFigures {
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
    #[serde(default)]
    alert: Option<String>,
    /// The annotation that the text was printed from.
    #[serde(default)]
    template: Option<String>,
}

/// (type, pattern) of a slot: shapes as Kubernetes, Prometheus and Linux documentation give them. A slot that has
/// none is any string, which counts only where the text calls it by the slot's name.
fn declared(slot: &str) -> (ParameterType, Option<&'static str>) {
    let string = ParameterType::String { max_length: 128 };
    match slot {
        "instance" => (string, Some(r"^[a-z0-9.-]+:[0-9]{2,5}$")),
        "fqdn" | "node" | "host" | "hostname" => (ParameterType::Hostname, Some(r"^[a-z][a-z0-9-]*[0-9][a-z0-9-]*(?:[.][a-z0-9-]+)*$")),
        "device" => (string, Some(r"^(?:/dev/[a-z0-9/-]+|(?:bond|br|eth|team|veth)[0-9]+|(?:en|wl)[ops][a-z0-9]+)$")),
        "mountpoint" => {
            (ParameterType::Path { under: ["/var", "/mnt", "/home", "/data", "/opt"].map(str::to_owned).to_vec() }, Some(r"^/.*$"))
        }
        "pod" => (string, Some(r"^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?-(?:[0-9]{1,3}|[a-z0-9]{8,10}-[a-z0-9]{5})$")),
        _ => (string, None),
    }
}

/// # Errors
/// A file that cannot be read or a line that is not `{"text", "params"}`.
pub fn evaluate_params(path: &Path) -> Result<ParamsEvaluation, RunbookError> {
    let rows: Vec<Row> = lines(path)?;
    let mut rules = AlertRules::default();
    for row in &rows {
        if let Some(template) = &row.template {
            rules.add(row.alert.as_deref().unwrap_or_default(), template);
        }
    }
    let none = AlertRules::default();
    let mut free = Tally::default();
    let mut inverted = Tally::default();
    for row in &rows {
        let bad = |why: String| RunbookError::BadLine { path: path.to_owned(), line: 0, why };
        free.count(row, &fill_text(row, &runbook(row, false).map_err(bad)?, &none));
        if row.template.is_some() {
            inverted.count(row, &fill_text(row, &runbook(row, true).map_err(bad)?, &rules));
        }
    }
    if free.slots == 0 {
        return Err(RunbookError::Empty { path: path.to_owned(), what: "parameter" });
    }
    Ok(ParamsEvaluation {
        texts: free.texts,
        slots: free.slots,
        free_text: free.figures(),
        template: (inverted.texts > 0).then(|| inverted.figures()),
    })
}

#[derive(Default)]
struct Tally {
    texts: usize,
    slots: usize,
    filled: usize,
    right: usize,
    exact: usize,
}

impl Tally {
    fn count(&mut self, row: &Row, found: &[FilledParameter]) {
        let right =
            row.params.iter().filter(|(slot, value)| found.iter().any(|p| p.name.as_str() == named(slot) && p.value == **value)).count();
        self.texts += 1;
        self.slots += row.params.len();
        self.filled += found.len();
        self.right += right;
        self.exact += usize::from(right == row.params.len() && found.len() == right);
    }

    fn figures(&self) -> SlotFigures {
        let share = |part: usize, of: usize| if of == 0 { 1.0 } else { part as f64 / of as f64 };
        SlotFigures {
            recall: share(self.right, self.slots),
            precision: share(self.right, self.filled),
            exact: share(self.exact, self.texts),
        }
    }
}

/// What is found in the text, the alert's name known when rules are.
fn fill_text(row: &Row, runbook: &Runbook, rules: &AlertRules) -> Vec<FilledParameter> {
    let labels: BTreeMap<String, Untrusted> =
        row.alert.iter().filter(|_| !rules.is_empty()).map(|alert| ("alertname".to_owned(), Untrusted::from(alert.as_str()))).collect();
    let attributes = BTreeMap::new();
    let query = Query {
        title: &row.text,
        body: "",
        labels: &labels,
        attributes: &attributes,
        requester: None,
        category: None,
        span_of: &same_span,
    };
    fill(runbook, rules, &query, &BTreeMap::new()).parameters
}

/// What a parameter for the label `managedBy` is called: `managed_by`.
fn named(slot: &str) -> String {
    words::split(slot).join("_")
}

/// With `open` every slot takes any string, because a template says which words are the value.
fn runbook(row: &Row, open: bool) -> Result<Runbook, String> {
    let mut parameters = BTreeMap::new();
    for slot in row.params.keys() {
        let name = ParameterName::new(named(slot)).map_err(|why| why.to_string())?;
        let (kind, pattern) = if open { (ParameterType::String { max_length: 253 }, None) } else { declared(slot) };
        let from = vec![ParameterSource::Label(slot.clone()), ParameterSource::Text];
        let pattern = pattern.map(str::to_owned);
        parameters.insert(name, Parameter { kind, from, pattern, one_of: None, required: true, description: None });
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
        time_limit: Runbook::USUAL_TIME_LIMIT,
        steps: Vec::new(),
        examples: Examples::default(),
        body: String::new(),
        digest: Digest::of(&[]),
    })
}
