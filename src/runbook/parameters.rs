//! Filling a runbook's slots from a ticket: labels and attributes as declared, then typed words in the text.
//!
//! A wrong value is worse than a missing one: two different valid values, or one that cannot be shown in the
//! original text byte for byte, leave the slot to a person. Never asks, never guesses.

use super::{
    extract::{self, Found},
    query::Query,
    validate::{self, Validator, validate},
};
use crate::domain::{
    name::ParameterName,
    recommendation::{FilledParameter, MissingParameter, Origin},
    runbook::{Parameter, ParameterSource, ParameterType, Runbook},
    untrusted::Untrusted,
};

/// The slots of one runbook for one ticket; each parameter is in at most one of the lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filled {
    pub parameters: Vec<FilledParameter>,
    /// Required ones without a value, with why.
    pub missing: Vec<MissingParameter>,
}

/// Fills every parameter from the first of its sources that has a valid value.
pub fn fill(runbook: &Runbook, query: &Query<'_>) -> Filled {
    let mut filled = Filled::default();
    for (name, parameter) in &runbook.parameters {
        match fill_one(name, parameter, query) {
            Ok(value) => filled.parameters.push(value),
            Err(reason) if parameter.required => filled.missing.push(MissingParameter { name: name.clone(), reason }),
            Err(_) => {}
        }
    }
    filled
}

/// What one source says.
enum Said {
    Nothing,
    Value { value: String, origin: Origin, validated_by: Vec<String> },
    /// It has something that cannot be used.
    Unusable(String),
}

fn fill_one(name: &ParameterName, parameter: &Parameter, query: &Query<'_>) -> Result<FilledParameter, String> {
    let mut reasons = Vec::new();
    for source in &parameter.from {
        let said = match source {
            ParameterSource::Label(label) => {
                structured(parameter, query.labels.get(label), &format!("label `{label}`"), Origin::Label { name: label.clone() })
            }
            ParameterSource::Attribute(field) => {
                structured(parameter, query.attributes.get(field), &format!("attribute `{field}`"), Origin::Attribute { name: field.clone() })
            }
            ParameterSource::Requester => requester(parameter, query),
            ParameterSource::Text => from_text(name, parameter, query),
        };
        match said {
            Said::Value { value, origin, validated_by } => return Ok(FilledParameter { name: name.clone(), value, origin, validated_by }),
            Said::Unusable(reason) => reasons.push(reason),
            Said::Nothing => {}
        }
    }
    Err(if reasons.is_empty() { format!("the ticket names no {}", parameter.kind.as_str()) } else { reasons.join("; ") })
}

fn structured(parameter: &Parameter, value: Option<&Untrusted>, what: &str, origin: Origin) -> Said {
    let Some(value) = value.map(Untrusted::as_untrusted).filter(|value| !value.is_empty()) else { return Said::Nothing };
    let (value, mut notes) = normal_form(&parameter.kind, value);
    match validate(parameter, &value) {
        Ok(validated_by) => {
            notes.splice(0..0, validated_by);
            Said::Value { value, origin, validated_by: notes }
        }
        Err(why) => Said::Unusable(format!("the {what} cannot be used: {why}")),
    }
}

/// One spelling for what is one thing: host names and addresses ignore case, and an alert's `instance` may carry a port.
fn normal_form(kind: &ParameterType, value: &str) -> (String, Vec<String>) {
    match kind {
        ParameterType::Hostname => {
            let port = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
            match value.rsplit_once(':').filter(|(host, digits)| validate::is_hostname(host) && port(digits)) {
                Some((host, _)) => (host.to_ascii_lowercase(), vec!["port left off".to_owned()]),
                None => (value.to_ascii_lowercase(), Vec::new()),
            }
        }
        ParameterType::Email => (value.to_ascii_lowercase(), Vec::new()),
        _ => (value.to_owned(), Vec::new()),
    }
}

/// The requester's own address or id. The local part of an address is never taken for a user name: anybody may
/// own `ana@` somewhere.
fn requester(parameter: &Parameter, query: &Query<'_>) -> Said {
    let Some(requester) = query.requester else { return Said::Nothing };
    let email = requester.email.as_ref().filter(|_| parameter.kind == ParameterType::Email);
    structured(parameter, Some(email.unwrap_or(&requester.id)), "requester", Origin::Requester)
}

fn from_text(name: &ParameterName, parameter: &Parameter, query: &Query<'_>) -> Said {
    let validator = match Validator::new(parameter) {
        Ok(validator) => validator,
        Err(why) => return Said::Unusable(why),
    };
    let mut usable: Vec<(Found, Vec<String>, crate::domain::classification::Span)> = Vec::new();
    let mut unshown = false;
    for (field, text) in query.fields() {
        for found in extract::candidates(name, parameter, text) {
            let Ok(validated_by) = validator.check(&found.value) else { continue };
            // Equal length shows that cleaning changed nothing inside: no full-width digit, no hidden character.
            match (query.span_of)(field, found.range.clone()).filter(|span| span.end - span.start == found.range.len()) {
                Some(span) => usable.push((found, validated_by, span)),
                None => unshown = true,
            }
        }
    }
    let mut values: Vec<&str> = usable.iter().map(|(found, ..)| found.value.as_str()).collect();
    values.sort_unstable();
    values.dedup();
    match (values.as_slice(), usable.first()) {
        _ if unshown => Said::Unusable("the text writes it with hidden or look-alike characters".to_owned()),
        ([_], Some((found, validated_by, span))) => {
            Said::Value { value: found.value.clone(), origin: Origin::Text { span: span.clone() }, validated_by: validated_by.clone() }
        }
        ([], _) | (_, None) => Said::Nothing,
        (several, _) => Said::Unusable(format!("the text names more than one: {}", several.iter().take(5).copied().collect::<Vec<_>>().join(", "))),
    }
}
