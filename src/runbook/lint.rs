//! The checks of a runbook that parses: is it safe to run, can its slots be filled, does it find its own examples.
//!
//! Never changes a runbook. Load makes every check here but the examples', which need a ranking each.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use serde::Serialize;

use super::{
    finding::{Finding, Place, Rule, Severity},
    format::nearest,
    library::{Known, Library},
    parse::Sheet,
    query::text_query,
};
use crate::domain::{
    name::{OutputName, ParameterName, StepId},
    runbook::{ParameterSource, ParameterType, Step, StepKind},
    template::Hole,
};

/// Longer than this and a person had better look than a machine go on polling.
const LONGEST_WITHIN: Duration = Duration::from_secs(15 * 60);
/// The same for a job at the other side, which is looked at less often.
const LONGEST_JOB: Duration = Duration::from_secs(60 * 60);
/// Examples wanted of a runbook with steps; fewer is a warning.
const EXAMPLES_WANTED: usize = 6;

/// The outcome of checking a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LintReport {
    /// Runbooks that load; 0 when an error kept the set from loading.
    pub runbooks: usize,
    pub findings: Vec<Finding>,
}

impl LintReport {
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Every check, examples included.
pub fn lint(dir: &Path, known: &Known) -> LintReport {
    match Library::load(dir, known) {
        Err(findings) => LintReport { runbooks: 0, findings },
        Ok(library) => {
            let mut findings = library.warnings().to_vec();
            findings.extend(examples(&library));
            findings.sort();
            LintReport { runbooks: library.len(), findings }
        }
    }
}

/// The checks of one runbook by itself.
pub(crate) fn one(sheet: &Sheet, known: &Known) -> Vec<Finding> {
    let mut check = Check { sheet, findings: Vec::new() };
    check.names(known);
    check.steps();
    check.parameters();
    check.review(known);
    check.findings
}

struct Check<'a> {
    sheet: &'a Sheet,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn error(&mut self, at: Place, rule: Rule, message: String, hint: impl Into<String>) {
        self.findings.push(Finding::error(&self.sheet.file, at, rule, message).hint(hint));
    }

    fn warning(&mut self, at: Place, rule: Rule, message: String, hint: impl Into<String>) {
        self.findings.push(Finding::warning(&self.sheet.file, at, rule, message).hint(hint));
    }

    fn names(&mut self, known: &Known) {
        let sheet = self.sheet;
        if let Some(categories) = &known.categories {
            for (category, at) in sheet.places.categories.iter().filter(|(category, _)| !categories.contains(*category)) {
                let hint = match nearest(category, categories.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name a category of the catalogue (`triage.catalogue`), or add it there".to_owned(),
                };
                self.error(*at, Rule::UnknownCategory, format!("`{category}` is not a category"), hint);
            }
        }
        if let Some(connectors) = &known.connectors {
            for step in sheet.runbook.steps.iter().filter(|step| !connectors.contains(&step.connector)) {
                let hint = match nearest(step.connector.as_str(), connectors.iter().map(|c| c.as_str())) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "configure it under `[[connectors]]`, or use one that is".to_owned(),
                };
                let at = sheet.places.steps.get(&step.id).copied().unwrap_or_default();
                let message = format!("step `{}` uses the connector `{}`, which is not configured", step.id, step.connector);
                self.error(at, Rule::UnknownConnector, message, hint);
            }
        }
        if let Some(owners) = known.owners.as_ref().filter(|owners| !sheet.is_plain() && !owners.contains(&sheet.runbook.owner)) {
            let hint = match nearest(&sheet.runbook.owner, owners.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name an assignment group of the category catalogue, or add the team to `runbooks.owners`".to_owned(),
            };
            self.error(sheet.places.owner, Rule::UnknownOwner, format!("nobody knows the owner `{}`", sheet.runbook.owner), hint);
        }
    }

    fn steps(&mut self) {
        let sheet = self.sheet;
        let steps = &sheet.runbook.steps;
        let at = |id| sheet.places.steps.get(id).copied().unwrap_or_default();
        let last_change = steps.iter().rposition(|step| step.kind == StepKind::Change);
        if let Some(last) = last_change.filter(|last| !steps[*last..].iter().any(|step| step.kind == StepKind::Verify)) {
            let step = &steps[last];
            let message = format!("nothing verifies the change `{}`", step.id);
            self.error(at(&step.id), Rule::ChangeWithoutVerify, message, "add a step of kind `verify` after it");
        }
        for step in steps {
            match (step.kind, &step.rollback) {
                (StepKind::Change, None) if !sheet.irreversible => {
                    let message = format!("the change `{}` has no rollback", step.id);
                    self.error(at(&step.id), Rule::ChangeWithoutRollback, message, "name a `rollback` step, or write `irreversible: true`");
                }
                (StepKind::Change, Some(rollback))
                    if sheet.runbook.step(rollback).is_none_or(|target| target.kind != StepKind::Rollback) =>
                {
                    let message = format!("the rollback `{rollback}` of `{}` is not a step of kind `rollback`", step.id);
                    self.error(at(&step.id), Rule::BadRollback, message, format!("add a step `{rollback}` of kind `rollback`"));
                }
                (kind, Some(_)) if kind != StepKind::Change => {
                    let message = format!("step `{}` changes nothing and names a rollback", step.id);
                    self.error(at(&step.id), Rule::BadRollback, message, "only a `change` has a rollback");
                }
                (StepKind::Rollback, None) if !steps.iter().any(|other| other.rollback.as_ref() == Some(&step.id)) => {
                    let message = format!("no change names the rollback `{}`", step.id);
                    self.error(at(&step.id), Rule::BadRollback, message, "name it in the change that it undoes, or remove it");
                }
                _ => {}
            }
            let within_at = sheet.places.withins.get(&step.id).copied().unwrap_or_default();
            let longest = if step.kind == StepKind::Verify { LONGEST_WITHIN } else { LONGEST_JOB };
            if step.within > longest {
                let message = format!("step `{}` may poll for {} minutes", step.id, step.within.as_secs() / 60);
                self.error(
                    within_at,
                    Rule::OverLongWithin,
                    message,
                    format!("write at most `{}m`: what takes longer, a person looks at", longest.as_secs() / 60),
                );
            }
            if !step.within.is_zero() && step.kind == StepKind::Precheck {
                let message = format!("step `{}` is a `precheck` and has `within`", step.id);
                self.error(within_at, Rule::BadValue, message, "remove it: a precheck looks once");
            }
        }
    }

    fn parameters(&mut self) {
        let sheet = self.sheet;
        let runbook = &sheet.runbook;
        let mut used: BTreeSet<&ParameterName> = BTreeSet::new();
        for step in &runbook.steps {
            for hole in step.with.holes() {
                let name = match hole {
                    Hole::Parameter(name) => name,
                    Hole::Output { step: giver, output } => {
                        self.output(step, giver, output);
                        continue;
                    }
                };
                used.insert(name);
                if !runbook.parameters.contains_key(name) {
                    let at = sheet.places.steps.get(&step.id).copied().unwrap_or_default();
                    let hint = match nearest(name.as_str(), runbook.parameters.keys().map(|name| name.as_str())) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("declare `{name}` under `parameters`"),
                    };
                    let message = format!("step `{}` uses the parameter `{name}`, which is not declared", step.id);
                    self.error(at, Rule::UndeclaredParameter, message, hint);
                }
            }
        }
        for (name, parameter) in &runbook.parameters {
            let at = sheet.places.parameters.get(name).copied().unwrap_or_default();
            // A runbook without steps declares what a person will need; nothing can use it.
            if !used.contains(name) && !runbook.steps.is_empty() {
                self.error(at, Rule::UnusedParameter, format!("no step uses the parameter `{name}`"), "use it or remove it");
            }
            if let Some(pattern) = parameter.pattern.as_deref().filter(|pattern| !is_anchored(pattern)) {
                let at = sheet.places.parameter_patterns.get(name).copied().unwrap_or(at);
                let message = format!("the pattern of `{name}` does not cover the whole value");
                self.error(at, Rule::UnanchoredPattern, message, format!("write `^(?:{})$`", pattern.trim_matches(['^', '$'])));
            }
            let open = parameter.pattern.is_none() && parameter.one_of.is_none();
            let shapeless = matches!(parameter.kind, ParameterType::Hostname | ParameterType::Username | ParameterType::String { .. });
            if open && shapeless && parameter.from.contains(&ParameterSource::Text) {
                let message = format!("any word could be the {} `{name}`, so none can be taken from text", parameter.kind.as_str());
                self.error(at, Rule::UnfindableParameter, message, "give it a `pattern` or a `one_of` list");
            }
        }
    }

    /// A step may use what a step that has run before it gave: prechecks run first, then changes, then verify steps. A
    /// rollback runs where a later change failed or a verify step did, so that nothing after the change it takes back need
    /// have run.
    fn output(&mut self, user: &Step, giver: &StepId, output: &OutputName) {
        let sheet = self.sheet;
        let at = sheet.places.steps.get(&user.id).copied().unwrap_or_default();
        let steps = &sheet.runbook.steps;
        let place = |id: &StepId| steps.iter().position(|step| &step.id == id).map(|index| (steps[index].kind, index));
        let takes_back = |step: &Step| step.rollback.as_ref() == Some(&user.id);
        let runs_before = match (place(giver), place(&user.id)) {
            (Some((StepKind::Change, given)), Some((StepKind::Rollback, _))) => {
                steps.iter().position(takes_back).is_some_and(|change| given <= change)
            }
            (Some((kind, _)), Some((StepKind::Rollback, _))) => kind == StepKind::Precheck,
            (before, after) => before.is_some() && before < after,
        };
        let order = match user.kind {
            StepKind::Rollback => "a rollback may use what prechecks, the change it takes back and earlier ones give",
            _ => "prechecks run first, then changes, then verify steps, in the order written",
        };
        let declared = sheet.runbook.step(giver).is_some_and(|step| step.outputs.contains_key(output));
        let hole = format!("{{{{{giver}.{output}}}}}");
        if !declared {
            let message = format!("step `{}` uses `{hole}`, which no step gives", user.id);
            self.error(
                at,
                Rule::UndeclaredOutput,
                message,
                format!("add `outputs: {{{output}: {{value: …, type: …}}}}` to a step `{giver}`"),
            );
        } else if !runs_before {
            let message = format!("step `{}` uses `{hole}`, and `{giver}` does not run before it", user.id);
            self.error(at, Rule::UndeclaredOutput, message, order);
        }
    }

    fn review(&mut self, known: &Known) {
        let sheet = self.sheet;
        if let Some(today) = known.today.filter(|today| sheet.runbook.is_stale(*today) && !sheet.is_plain()) {
            let so = if sheet.runbook.is_executable() { ": it will not run on its own" } else { "" };
            let message = match sheet.runbook.reviewed {
                Some(reviewed) if sheet.runbook.review_every.is_none() => {
                    format!("reviewed on {reviewed}, and nothing says for how long{so}")
                }
                Some(reviewed) => format!("last reviewed on {reviewed}, overdue on {today}{so}"),
                None => format!("never reviewed{so}"),
            };
            self.warning(sheet.places.reviewed, Rule::StaleReview, message, "check it and set `reviewed` and `review_every`");
        }
        let examples = sheet.runbook.examples.matching.len();
        if sheet.runbook.is_executable() && examples < EXAMPLES_WANTED {
            let message = format!("{examples} examples of tickets it is for; {EXAMPLES_WANTED} show how people say it");
            self.warning(sheet.places.id, Rule::TooFewExamples, message, "add more under `examples.match`");
        }
    }
}

/// Anchored at both ends on the outside: `^a|b$` covers neither branch whole.
fn is_anchored(pattern: &str) -> bool {
    let Some(inner) = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')) else { return false };
    // `\$` at the end is a dollar sign, not an anchor.
    let escapes = inner.bytes().rev().take_while(|b| *b == b'\\').count();
    escapes % 2 == 0 && !has_outer_branch(inner)
}

fn has_outer_branch(pattern: &str) -> bool {
    let (mut depth, mut in_class, mut escaped) = (0usize, false, false);
    for byte in pattern.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' if !in_class => in_class = true,
            b']' => in_class = false,
            b'(' if !in_class => depth += 1,
            b')' if !in_class => depth = depth.saturating_sub(1),
            b'|' if !in_class && depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// The checks between runbooks: ids and exact triggers stand once.
pub(crate) fn together(sheets: &[Sheet]) -> Vec<Finding> {
    let mut seen: BTreeMap<(Rule, String), &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for sheet in sheets {
        let (runbook, places) = (&sheet.runbook, &sheet.places);
        let mut claims = vec![(Rule::DuplicateId, format!("the id `{}`", runbook.id), places.id)];
        claims.extend(places.alertnames.iter().map(|(name, at)| (Rule::DuplicateTrigger, format!("the alert name `{name}`"), *at)));
        if !runbook.triggers.labels.is_empty() {
            let labels: Vec<String> = runbook.triggers.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            claims.push((Rule::DuplicateTrigger, format!("the set of labels `{}`", labels.join(" ")), places.labels));
        }
        let patterns = runbook.triggers.patterns.iter().zip(&places.patterns);
        claims.extend(patterns.map(|(pattern, at)| (Rule::DuplicateTrigger, format!("the pattern `{pattern}`"), *at)));
        for (rule, claim, at) in claims {
            if let Some(first) = seen.insert((rule, claim.clone()), &sheet.file) {
                let hint = match rule {
                    Rule::DuplicateId if sheet.is_plain() => "give one of them another title, or front matter with an `id` of its own",
                    Rule::DuplicateId => "give one of them another `id`",
                    _ => "keep it in one of them: one ticket cannot be for both",
                };
                findings.push(Finding::error(&sheet.file, at, rule, format!("{claim} is also in `{first}`")).hint(hint));
            }
        }
    }
    findings
}

/// Each `match` example ranks its runbook first; no `no_match` example does.
pub(crate) fn examples(library: &Library) -> Vec<Finding> {
    let first = |text: &str| text_query(text, None, |query| library.standings(query).first().map(|best| best.runbook.id.clone()));
    let mut findings = Vec::new();
    for sheet in library.sheets() {
        let runbook = &sheet.runbook;
        for (example, at) in runbook.examples.matching.iter().zip(&sheet.places.matching) {
            let got = first(example);
            if got.as_ref() != Some(&runbook.id) {
                let got = got.map_or("nothing".to_owned(), |id| format!("`{id}`"));
                let message = format!("the example `{example}` finds {got} first");
                let hint = "add its words to `symptoms`, or a pattern; or `not_patterns` to the other runbook";
                findings.push(Finding::error(&sheet.file, *at, Rule::MatchNotFirst, message).hint(hint));
            }
        }
        for (example, at) in runbook.examples.not_matching.iter().zip(&sheet.places.no_match) {
            if first(example).as_ref() == Some(&runbook.id) {
                let message = format!("the example `{example}` finds this runbook first");
                let hint = "add a `not_patterns` entry that tells it apart";
                findings.push(Finding::error(&sheet.file, *at, Rule::NoMatchFirst, message).hint(hint));
            }
        }
    }
    findings
}
