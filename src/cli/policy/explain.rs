//! `policy explain`: one decision on one screen, from a running service or from what one answered.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

use crate::{
    cli::{Outcome, remote},
    domain::{
        id::TicketId,
        verdict::{Decision, Layer, Reason},
    },
    gate::{
        PolicySet,
        explain::{Explanation, PolicyLine, PolicyLines, explain},
    },
    pipeline::replay::Past,
};

#[derive(Debug, Parser)]
pub struct Args {
    /// The ticket, asked of a running service.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    ticket: Option<TicketId>,
    #[command(flatten)]
    remote: remote::OptionalRemote,
    /// A file with the answer of `GET /v1/tickets/{id}` instead.
    #[arg(long)]
    file: Option<PathBuf>,
    /// With `--file`, the folder of the policies that were asked: says which of them did not apply.
    #[arg(long, requires = "file", value_name = "FOLDER")]
    policies: Option<PathBuf>,
    /// Show the values of the checks that hold, too.
    #[arg(long)]
    values: bool,
    /// Print the explanation, with all values, as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Outcome {
    let (answer, at_hand) = match (&args.ticket, &args.file) {
        (Some(ticket), _) => {
            let remote = args.remote.require()?;
            let policies: PolicyLines = serde_json::from_value(remote.get("/v1/policies")?)?;
            (remote.get(&format!("/v1/tickets/{ticket}"))?, Some(policies))
        }
        (None, Some(path)) => (serde_json::from_str(&read(path)?)?, args.policies.as_deref().map(lines).transpose()?),
        (None, None) => return Err("name a ticket, or a `--file` with the service's answer".into()),
    };
    if answer["recommendation"].is_null() {
        return Err("triage has not decided on this ticket yet: ask again in a moment".into());
    }
    let past: Past = serde_json::from_value(answer).map_err(|why| format!("this is not a ticket with its recommendation: {why}"))?;
    let explanation = explain(&past.recommendation, at_hand);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&explanation)?);
    } else {
        print!("{}", screen(&explanation, args.values));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|why| format!("{} cannot be read: {why}", path.display()))
}

fn lines(folder: &Path) -> Result<PolicyLines, crate::gate::GateError> {
    let policies = PolicySet::load(folder)?;
    Ok(PolicyLines { digest: policies.digest(), items: policies.policies().map(PolicyLine::from).collect() })
}

fn screen(explanation: &Explanation, all_values: bool) -> String {
    let runbook = explanation.runbook.as_ref().map_or_else(|| "no runbook".to_owned(), |runbook| format!("runbook {runbook}"));
    let mut text = format!("{} {}: {runbook}\n{}\n", explanation.ticket, explanation.recommendation, decided(explanation));
    let _ = writeln!(text, "policy set {}", explanation.policies);
    if let Some(other) = explanation.other_set {
        let _ = writeln!(text, "another set is at hand, {other}: what is said below of policies that did not apply is of that one");
    }
    section(&mut text, "refuses", &explanation.refuses, "✗", true);
    section(&mut text, "holds", &explanation.holds, "✓", all_values);
    listed(&mut text, "does not apply here", explanation.silent.as_deref());
    listed(&mut text, "asked when a person approves", explanation.of_approvers.as_deref());
    text
}

fn decided(explanation: &Explanation) -> String {
    let by: Vec<&str> = explanation.approved_by.iter().map(|person| person.as_str()).collect();
    match explanation.decision {
        Decision::AutoExecute => "auto_execute: it may run with no person's yes".to_owned(),
        Decision::NeedsApproval => {
            if explanation.allowed {
                return format!("needs_approval, and {} said yes: what the gate saw when it let it run", by.join(", "));
            }
            let needed = explanation.approvals_needed;
            let persons = if needed == 1 { "1 person has".to_owned() } else { format!("{needed} different persons have") };
            let so_far = if by.is_empty() { "nobody did yet".to_owned() } else { format!("so far {}", by.join(", ")) };
            format!("needs_approval: {persons} to say yes; {so_far}")
        }
        Decision::RecommendOnly => "recommend_only: a person does the work, nothing may run".to_owned(),
        Decision::Escalate => "escalate: a person must look now".to_owned(),
    }
}

fn section(text: &mut String, title: &str, reasons: &[Reason], sign: &str, with_values: bool) {
    if reasons.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for reason in reasons {
        let layer = match reason.layer {
            Layer::Invariant => "check",
            Layer::Policy => "policy",
        };
        let leaves = if reason.passed { String::new() } else { format!(" [leaves {}]", reason.allows.as_str()) };
        let _ = writeln!(text, "  {sign} {layer:<6} {:<26} {}{leaves}", reason.id, reason.message);
        let values: Vec<String> = reason.values.iter().map(|(name, value)| format!("{name} = {}", plain(value))).collect();
        if with_values && !values.is_empty() {
            let _ = writeln!(text, "           {}", values.join(", "));
        }
    }
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn listed(text: &mut String, title: &str, policies: Option<&[PolicyLine]>) {
    let Some(policies) = policies.filter(|policies| !policies.is_empty()) else { return };
    let _ = writeln!(text, "\n{title}");
    for policy in policies {
        let _ = writeln!(text, "  - {:<6} {}: {}", policy.effect, policy.id, policy.reason);
    }
}
