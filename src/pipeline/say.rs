//! What Sluicegate says to a help desk: comments. Events are in [`super::events`], notices in [`super::notices`].
//!
//! Pure. Everything said passes through redaction, for a comment may be read by more people than the ticket.

use crate::{
    domain::{
        execution::{Execution, ExecutionState},
        outbox::Message,
        recommendation::Recommendation,
        ticket::Ticket,
        time::Timestamp,
        verdict::Decision,
    },
    text::redact,
};

/// Every tag of ours begins with this, so that they are known again when the help desk sends the ticket.
pub(crate) const TAG: &str = "sluicegate:";

/// Refusals named in a comment; the rest is on the ticket's page.
const REASONS: usize = 3;

/// The comment about a decision. `begins` is when an automatic run does, unless it is now.
pub fn decision(ticket: &Ticket, recommendation: &Recommendation, begins: Option<Timestamp>, public_url: &str) -> Message {
    let classification = &recommendation.classification;
    let category = match &classification.category.label {
        Some(label) => format!("{label} ({})", at_this_score("right", classification.category.probability())),
        None => "category unknown (nothing was likely enough)".to_owned(),
    };
    let mut lines =
        vec![format!("Triage: {category}, priority {}, risk {}.", classification.priority.as_str(), classification.risk.as_str())];
    match recommendation.candidates.iter().find(|candidate| Some(&candidate.runbook) == recommendation.runbook.as_ref()) {
        Some(candidate) => lines.push(format!("Runbook: {} ({}).", candidate.title, at_this_score("fitting", candidate.fit))),
        None => lines.push("No runbook fits; a person owns this ticket.".to_owned()),
    }
    if !recommendation.parameters.is_empty() {
        let values: Vec<String> =
            recommendation.parameters.iter().map(|parameter| format!("{} = {}", parameter.name, parameter.value)).collect();
        lines.push(format!("With: {}.", values.join(", ")));
    }
    if !recommendation.missing.is_empty() {
        lines.push("Missing; add it to the ticket and it is looked at again:".to_owned());
        lines.extend(recommendation.missing.iter().map(|missing| format!("- {}: {}", missing.name, missing.reason)));
    }
    lines.push(match recommendation.verdict.decision {
        Decision::AutoExecute => match begins {
            Some(at) => format!("It is pre-approved and runs by itself at {at}, unless somebody cancels it before."),
            None => "It is pre-approved and runs now.".to_owned(),
        },
        Decision::NeedsApproval => {
            format!("It waits for {} approval(s), until {}.", recommendation.verdict.approvals_needed, recommendation.expires_at)
        }
        Decision::RecommendOnly => "It is a recommendation; nothing runs by itself.".to_owned(),
        Decision::Escalate => "Please look at it now.".to_owned(),
    });
    lines.extend(recommendation.verdict.refusals().take(REASONS).map(|reason| format!("- {}", reason.message)));
    lines.push(link(ticket, public_url));
    Message::WriteBack {
        external_id: ticket.report.external_id.clone(),
        comment: redact(&lines.join("\n")),
        priority: Some(classification.priority),
        category: classification.category.label.clone(),
        assignment_group: classification.assignment_group.clone(),
        resolved: false,
        tags: vec![format!("{TAG}triaged")],
    }
}

/// The comment about a finished run. `resolved` closes the ticket at its sender too; a run that did its work
/// leaves it open when the sender said more meanwhile.
pub fn finished(ticket: &Ticket, execution: &Execution, resolved: bool, title: &str, public_url: &str) -> Message {
    let mut lines = vec![match execution.state {
        ExecutionState::Succeeded => format!("Done: {title}. The change was made and verified."),
        ExecutionState::RolledBack => format!("Not solved: {title} did not help; what it changed was undone. A person takes over."),
        ExecutionState::InDoubt => format!("In doubt: {title} was started and its outcome is not known. A person must look."),
        ExecutionState::Refused | ExecutionState::Cancelled => format!("Not run: {title} was stopped before it changed anything."),
        _ => format!("Failed: {title} did not finish. A person must look."),
    }];
    lines.extend(execution.steps.iter().filter_map(|step| step.detail.as_ref().map(|detail| format!("- {}: {detail}", step.step))));
    lines.push(link(ticket, public_url));
    let resolved = resolved && execution.state == ExecutionState::Succeeded;
    let tag = if execution.state == ExecutionState::Succeeded { "resolved" } else { "needs-person" };
    after_run(ticket, &lines, resolved, tag)
}

fn after_run(ticket: &Ticket, lines: &[String], resolved: bool, tag: &str) -> Message {
    Message::WriteBack {
        external_id: ticket.report.external_id.clone(),
        comment: redact(&lines.join("\n")),
        priority: None,
        category: None,
        assignment_group: None,
        resolved,
        tags: vec![format!("{TAG}{tag}")],
    }
}

/// The comment about a run that a person had taken back.
pub fn undone(ticket: &Ticket, undo: &Execution, title: &str, public_url: &str) -> Message {
    let mut lines = vec![match undo.state {
        ExecutionState::RolledBack => format!("Undone: {title} was taken back. A person takes over."),
        ExecutionState::InDoubt => {
            format!("In doubt: {title} was to be taken back, and it is not known whether it was. A person must look.")
        }
        ExecutionState::Refused | ExecutionState::Cancelled => format!("Not undone: {title} stands as it is."),
        _ => format!("Not undone: {title} could not be taken back. A person must look."),
    }];
    lines.extend(undo.steps.iter().filter_map(|step| step.detail.as_ref().map(|detail| format!("- {}: {detail}", step.step))));
    lines.push(link(ticket, public_url));
    after_run(ticket, &lines, false, "needs-person")
}

/// Where people see the ticket and decide.
pub(super) fn link(ticket: &Ticket, public_url: &str) -> String {
    format!("{}/v1/tickets/{}", public_url.trim_end_matches('/'), ticket.id)
}

/// A probability in words. Rounded down, for nobody is harmed by too little trust.
fn at_this_score(what: &str, probability: f64) -> String {
    match (probability * 100.0).floor() {
        all if all >= 100.0 => format!("at this score {what} in more than 99 of 100"),
        none if none < 1.0 => format!("at this score {what} in fewer than 1 of 100"),
        some => format!("at this score {what} in about {some:.0} of 100"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_is_said_in_words_and_never_rounded_up() {
        for (probability, said) in [
            (0.979, "in about 97 of 100"),
            (0.9999, "in about 99 of 100"),
            (1.0, "in more than 99 of 100"),
            (0.01, "in about 1 of 100"),
            (0.004, "in fewer than 1 of 100"),
            (0.0, "in fewer than 1 of 100"),
        ] {
            assert_eq!(at_this_score("right", probability), format!("at this score right {said}"));
        }
    }
}
