//! Checks of the surroundings: kill switch, mode, connectors, and whether the category is known.

use super::{Outcome, Seen, Values, holds, refuses, values};
use crate::{
    domain::{
        approval::Mode,
        verdict::Decision::{NeedsApproval, RecommendOnly},
    },
    gate::facts::{ConnectorHealth, Facts, KillSwitch, Phase},
};

// INVARIANT: while the switch is on nothing runs, whoever approved it; people still see what they could do.
pub(super) fn kill_switch_off(facts: &Facts) -> (Outcome, Values) {
    match &facts.kill_switch {
        KillSwitch::Off => (holds("the kill switch is off"), Values::new()),
        KillSwitch::On { reason } => {
            (refuses(RecommendOnly, format!("the kill switch is on: {reason}")), values! {"reason" => reason.as_str()})
        }
    }
}

/// In shadow nothing is said and nobody could have approved, so nothing runs either way.
pub(super) fn mode_auto(facts: &Facts) -> (Outcome, Values) {
    let modes = facts.modes;
    let said = || format!("global `{}`, source `{}`, runbook `{}`", modes.global.as_str(), modes.source.as_str(), modes.runbook.as_str());
    let outcome = match modes.lowest() {
        Mode::Auto => holds("the mode is `auto`"),
        Mode::Suggest => refuses(NeedsApproval, format!("the mode is `suggest` ({}): people act", said())),
        Mode::Shadow => refuses(RecommendOnly, format!("the mode is `shadow` ({}): decide and say nothing", said())),
    };
    (outcome, values! {"global" => modes.global.as_str(), "source" => modes.source.as_str(), "runbook" => modes.runbook.as_str()})
}

/// An abstaining classifier may still have met an exact trigger, so a person can approve what is proposed.
pub(super) fn category_known(facts: &Facts) -> (Outcome, Values) {
    match &facts.ticket.category {
        Some(category) => (
            holds(format!("category `{}` with probability {}", category.label, category.probability)),
            values! {"category" => category.label.as_str(), "probability" => category.probability.as_f64()},
        ),
        None => (refuses(NeedsApproval, "the classifier is not sure of the category: a person decides"), Values::new()),
    }
}

/// A proposal may wait for a connector to heal; a run may not start, or go on, without it.
pub(super) fn connector_healthy(seen: &Seen<'_>) -> (Outcome, Values) {
    let broken: Vec<String> = seen
        .facts
        .connectors
        .iter()
        .filter_map(|(name, health)| match health {
            ConnectorHealth::Healthy => None,
            ConnectorHealth::Unhealthy { reason } => Some(format!("`{name}`: {reason}")),
        })
        .collect();
    let allows = match seen.facts.phase {
        Phase::Proposal => NeedsApproval,
        Phase::Execution => RecommendOnly,
    };
    let outcome = if !broken.is_empty() {
        refuses(allows, format!("connector not healthy: {}", broken.join("; ")))
    } else if seen.proposal.executable && seen.facts.connectors.is_empty() {
        // A caller that forgot to look must not read as "all healthy".
        refuses(allows, "the health of no connector is known")
    } else {
        holds("every connector that the runbook uses is healthy")
    };
    let names: Vec<&str> = seen.facts.connectors.keys().map(|name| name.as_str()).collect();
    (outcome, values! {"connectors" => names})
}
