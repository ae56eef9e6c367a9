//! Committed entries of the action log counted as metrics: what is counted is exactly what happened.

use crate::{
    domain::{entry::Event, verdict::Verdict},
    gate::EVALUATION_ERROR,
    telemetry::Metrics,
};

/// Counts one committed entry.
pub fn entry(metrics: &Metrics, event: &Event) {
    metrics.log_size.inc();
    match event {
        Event::TicketMoved { from, to, .. } => metrics.ticket_transitions.with_label_values(&[from.as_str(), to.as_str()]).inc(),
        Event::ExecutionMoved { to, .. } if to.is_final() => metrics.executions.with_label_values(&[to.as_str()]).inc(),
        Event::OutcomeRecorded { outcome, automatic, .. } => {
            metrics.outcomes.with_label_values(&[outcome.as_str(), if *automatic { "true" } else { "false" }]).inc();
        }
        Event::RunbookDemoted { runbook, .. } => metrics.demotions.with_label_values(&[runbook.as_str()]).inc(),
        Event::DeliveryDeadLettered { .. } => metrics.dead_letters.inc(),
        Event::DeadLetterReplayed { .. } => metrics.dead_letters.dec(),
        Event::EndpointDisabled { destination, .. } => metrics.endpoints_disabled.with_label_values(&[destination.as_str()]).set(1),
        Event::EndpointEnabled { destination } => metrics.endpoints_disabled.with_label_values(&[destination.as_str()]).set(0),
        _ => {}
    }
}

/// Counts one committed verdict.
pub fn verdict(metrics: &Metrics, verdict: &Verdict) {
    let first = verdict.refusals().next().map_or("none", |reason| reason.id.as_str());
    metrics.verdicts.with_label_values(&[verdict.decision.as_str(), first]).inc();
    evaluation_errors(metrics, verdict);
}

/// Counts the policies that could not be evaluated, whenever the gate was asked.
pub fn evaluation_errors(metrics: &Metrics, verdict: &Verdict) {
    let failed = verdict.refusals().filter(|reason| reason.values.contains_key(EVALUATION_ERROR)).count();
    metrics.gate_errors.inc_by(failed as u64);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::{
        digest::Digest,
        id::{RecommendationId, TicketId},
        name::RunbookId,
        outcome::OutcomeKind,
        time::Timestamp,
        verdict::{Decision, Layer, Reason},
    };

    #[test]
    fn each_policy_that_could_not_be_evaluated_is_counted() {
        let metrics = Metrics::new("0.0.0-test", 0.0);
        let reason = |id: &str, values: &[&str]| Reason {
            id: id.to_owned(),
            layer: Layer::Policy,
            passed: false,
            allows: Decision::NeedsApproval,
            message: "it refuses".to_owned(),
            values: values.iter().map(|name| ((*name).to_owned(), true.into())).collect::<BTreeMap<_, _>>(),
        };
        let reasons = vec![reason("a", &[EVALUATION_ERROR]), reason("b", &["actions"]), reason("c", &[EVALUATION_ERROR])];
        verdict(&metrics, &Verdict { decision: Decision::NeedsApproval, reasons, policies: Digest::of(b""), approvals_needed: 1 });
        assert_eq!(metrics.gate_errors.get(), 2);
        assert_eq!(metrics.verdicts.with_label_values(&["needs_approval", "a"]).get(), 1);
    }

    #[test]
    fn outcomes_and_demotions_are_counted_as_they_are_logged() {
        let metrics = Metrics::new("1.2.3", 0.0);
        let (at, runbook) = (Timestamp::UNIX_EPOCH, RunbookId::new("r").unwrap());
        entry(
            &metrics,
            &Event::OutcomeRecorded {
                recommendation: RecommendationId::new(at, 1),
                ticket: TicketId::new(at, 1),
                runbook: runbook.clone(),
                outcome: OutcomeKind::Undone,
                would_act: true,
                automatic: true,
            },
        );
        entry(&metrics, &Event::RunbookDemoted { runbook, digest: Digest::of(b"r"), outcomes: 9, wrong: 4 });
        let text = metrics.render();
        for line in
            ["sluicegate_outcomes_total{automatic=\"true\",kind=\"undone\"} 1", "sluicegate_runbook_demotions_total{runbook=\"r\"} 1"]
        {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
