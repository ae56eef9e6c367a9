//! `runbook show`: everything the service reads from one runbook, with what lint says of it.
//!
//! Never fills a parameter: requests are shown as templates, and lists by their path and size.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use clap::Parser;
use serde_json::json;

use super::{Outcome, assemble, runbook};
use crate::{
    domain::{
        name::RunbookId,
        runbook::{Directory, Parameter, ParameterSource, ParameterType, Runbook, Step, StepKind},
    },
    runbook::{Finding, Known, lint},
};

#[derive(Debug, Parser)]
pub struct Show {
    id: String,
    #[arg(long, default_value = "runbooks")]
    folder: PathBuf,
    /// Its categories, owners, connectors and directories are what lint checks against.
    #[command(flatten)]
    config: assemble::ConfigArgs,
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Show) -> Outcome {
    let known = runbook::known(&args.config)?;
    let report = lint(&args.folder, &known);
    // Read without the configuration: a runbook whose connector is not there yet can still be shown.
    let library = runbook::load(&args.folder, &Known::default())?;
    let id = RunbookId::new(args.id.as_str())?;
    let sheet = library.sheets().find(|sheet| sheet.runbook.id == id);
    let sheet = sheet.ok_or_else(|| format!("there is no runbook `{id}` in `{}`", args.folder.display()))?;
    let (shown, file) = (&sheet.runbook, sheet.file.as_str());
    let findings: Vec<&Finding> = report.findings.iter().filter(|finding| finding.file == file).collect();
    let review = review(shown, known.today);
    if args.json {
        // In the words of the format: what is copied from here into a runbook means the same.
        let mut whole = serde_json::to_value(shown)?;
        whole["review_every"] = json!(shown.review_every.map(span));
        for (name, parameter) in &shown.parameters {
            let entry = &mut whole["parameters"][name.as_str()];
            entry["from"] = json!(parameter.from.iter().map(source).collect::<Vec<_>>());
            entry["one_of"] = json!(parameter.one_of.as_ref().map(ToString::to_string));
            entry["validator"] = json!(validator(parameter));
            if let ParameterType::Duration { max } = parameter.kind {
                entry["max"] = json!(span(max));
            }
        }
        for (at, step) in shown.steps.iter().enumerate() {
            whole["steps"][at]["with"] = step.with.written();
            whole["steps"][at]["timeout"] = json!(span(step.timeout));
            whole["steps"][at]["within"] = json!(span(step.within));
        }
        let stale = known.today.map(|today| shown.is_stale(today));
        whole["file"] = json!(file);
        whole["executable"] = json!(shown.is_executable());
        whole["stale"] = json!(stale);
        whole["review"] = json!(review);
        whole["findings"] = serde_json::to_value(&findings)?;
        println!("{}", serde_json::to_string_pretty(&whole)?);
    } else {
        print!("{}", page(shown, file, &review, &findings));
    }
    Ok(ExitCode::SUCCESS)
}

fn review(runbook: &Runbook, today: Option<jiff::civil::Date>) -> String {
    let last = match (runbook.reviewed, runbook.review_every) {
        (None, _) => return "never reviewed: not automatic".to_owned(),
        (Some(reviewed), None) => return format!("{reviewed}, nothing says for how long: not automatic"),
        (Some(reviewed), Some(every)) => format!("{reviewed}, every {}", span(every)),
    };
    match today {
        Some(today) if runbook.is_stale(today) => format!("{last}; overdue: not automatic"),
        _ => last,
    }
}

/// A length of time as front matter writes it.
fn span(length: std::time::Duration) -> String {
    let seconds = length.as_secs();
    match [(86_400, "d"), (3_600, "h"), (60, "m")].iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)) {
        Some((unit, sign)) => format!("{}{sign}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// What a value has to be, one part a check.
fn validator(parameter: &Parameter) -> Vec<String> {
    let mut checks = vec![match &parameter.kind {
        ParameterType::Integer { min, max } => format!("integer {min}..{max}"),
        ParameterType::Duration { max } => format!("duration up to {}", span(*max)),
        ParameterType::Enum { values } => format!("one of {}", values.join(", ")),
        ParameterType::Path { under } => format!("path under {}", under.join(", ")),
        ParameterType::String { max_length } => format!("string up to {max_length}"),
        plain => plain.as_str().to_owned(),
    }];
    checks.extend(parameter.pattern.iter().map(|pattern| format!("matches {pattern}")));
    checks.extend(parameter.one_of.iter().map(|list| match list {
        Directory::List { path, values } => format!("in {path} ({} values)", values.len()),
        Directory::Service { .. } => format!("in {list}"),
    }));
    checks
}

fn source(source: &ParameterSource) -> String {
    match source {
        ParameterSource::Label(name) => format!("label:{name}"),
        ParameterSource::Attribute(name) => format!("attribute:{name}"),
        ParameterSource::Requester => "requester".to_owned(),
        ParameterSource::Text => "text".to_owned(),
    }
}

const fn kind(step: &Step) -> &'static str {
    match step.kind {
        StepKind::Precheck => "precheck",
        StepKind::Change => "change",
        StepKind::Verify => "verify",
        StepKind::Rollback => "rollback",
    }
}

/// Rows of a name and its text, names padded to one width; a name repeated stands once.
struct Page(String);

impl Page {
    fn row(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.0, "{name:<14} {text}");
    }

    fn rows<'a>(&mut self, name: &str, texts: impl IntoIterator<Item = &'a String>) {
        for (at, text) in texts.into_iter().enumerate() {
            self.row(if at == 0 { name } else { "" }, text);
        }
    }

    fn under(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.0, "  {name:<12} {text}");
    }
}

fn page(runbook: &Runbook, file: &str, review: &str, findings: &[&Finding]) -> String {
    let mut page = Page(format!("{}\n\n", runbook.title));
    page.row("id", runbook.id.as_str());
    page.row("file", file);
    page.row("digest", &runbook.digest.to_string());
    page.row("owner", if runbook.owner.is_empty() { "-" } else { &runbook.owner });
    let authors: Vec<&str> = runbook.authors.iter().map(|author| author.as_str()).collect();
    page.row("authors", if authors.is_empty() { "-".to_owned() } else { authors.join(", ") }.as_str());
    page.row("reviewed", review);
    page.row("risk", runbook.risk.as_str());
    page.row("reversible", if runbook.reversible { "yes" } else { "no" });
    page.row("runs", if runbook.is_executable() { "yes, as far as the gate allows" } else { "no: it changes nothing and is for people" });
    if runbook.categories.is_empty() {
        page.row("categories", "any");
    }
    page.rows("categories", &runbook.categories);
    page.rows("alert names", &runbook.triggers.alertnames);
    let labels: Vec<String> = runbook.triggers.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    page.rows("labels", &labels);
    page.rows("patterns", &runbook.triggers.patterns);
    page.rows("not patterns", &runbook.triggers.not_patterns);
    page.rows("symptoms", &runbook.symptoms);
    for (name, parameter) in &runbook.parameters {
        page.0.push('\n');
        page.row("parameter", &format!("{name}{}", if parameter.required { "" } else { " (may be missing)" }));
        if let Some(description) = &parameter.description {
            page.under("what", description);
        }
        page.under("from", &parameter.from.iter().map(source).collect::<Vec<_>>().join(", "));
        for check in validator(parameter) {
            page.under("checked", &check);
        }
    }
    for step in &runbook.steps {
        page.0.push('\n');
        page.row(kind(step), step.id.as_str());
        page.under("request", &format!("{}.{} {}", step.connector, step.operation, step.with.written()));
        page.under("expects", step.expect.as_deref().unwrap_or("any answer of 200 to 299"));
        page.under("timeout", &span(step.timeout));
        if step.kind == StepKind::Verify {
            page.under("within", &if step.within.is_zero() { "one look".to_owned() } else { span(step.within) });
        }
        page.under("idempotent", if step.idempotent { "yes: may be sent again" } else { "no: sent once" });
        if step.kind == StepKind::Change {
            page.under("rollback", step.rollback.as_ref().map_or("none: cannot be undone", |rollback| rollback.as_str()));
        }
    }
    if !runbook.examples.matching.is_empty() || !runbook.examples.not_matching.is_empty() {
        page.0.push('\n');
        page.rows("for", &runbook.examples.matching);
        page.rows("not for", &runbook.examples.not_matching);
    }
    page.0.push('\n');
    let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
    page.rows("lint", if found.is_empty() { vec!["nothing found".to_owned()] } else { found }.iter());
    let _ = write!(page.0, "\n{}\n", runbook.body.trim());
    // A file from elsewhere must not speak to the terminal.
    page.0.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "?")
}
