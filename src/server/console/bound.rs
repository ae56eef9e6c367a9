//! How a runbook's error bound moved while its outcomes came in, as a chart.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::words;
use crate::{
    domain::{
        digest::Digest,
        id::TicketId,
        name::{RunbookId, TenantId},
        outcome::Outcome,
        time::Timestamp,
    },
    gate::{error_bound, facts::PerMillion},
    store::interface::{Page, Result, Store},
};

/// Outcomes read, newest first; older ones are in the chart's beginning.
const MOST: usize = 2_000;
const PAGE: usize = 500;
/// Points drawn at most.
const POINTS: usize = 120;

/// The record after one more outcome was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub at: Timestamp,
    pub decisions: u64,
    pub wrong: u64,
}

/// The record of this version, outcome by outcome, in the order in which they became known.
///
/// # Errors
/// The store failed.
pub async fn points(store: &dyn Store, tenant: &TenantId, runbook: &RunbookId, version: &Digest) -> Result<Vec<Point>> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut before = None;
    while outcomes.len() < MOST {
        let found = store.outcomes(tenant, Some(runbook), Timestamp::UNIX_EPOCH, Page { before, limit: PAGE }).await?;
        before = found.last().map(|last| last.recommendation);
        let more = found.len() == PAGE;
        outcomes.extend(found.into_iter().filter(|outcome| outcome.runbook_digest == *version && outcome.would_act));
        if !more {
            break;
        }
    }
    let record = store.outcome_record(tenant, runbook, version).await?;
    Ok(moved(outcomes, record.known, record.wrong))
}

/// Each ticket counts once, and is wrong as soon as any outcome of it is. `known` and `wrong` are of all there are, of which
/// these may be the newest.
fn moved(mut outcomes: Vec<Outcome>, known: u64, wrong: u64) -> Vec<Point> {
    outcomes.sort_by_key(|outcome| (outcome.known_at, outcome.recommendation));
    let tickets: BTreeSet<TicketId> = outcomes.iter().map(|outcome| outcome.ticket).collect();
    let bad: BTreeSet<TicketId> = outcomes.iter().filter(|outcome| outcome.kind.is_wrong()).map(|outcome| outcome.ticket).collect();
    let (mut decisions, mut wrong) = (known.saturating_sub(tickets.len() as u64), wrong.saturating_sub(bad.len() as u64));
    let mut seen: BTreeMap<TicketId, bool> = BTreeMap::new();
    let mut points = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let was = seen.insert(outcome.ticket, outcome.kind.is_wrong());
        decisions += u64::from(was.is_none());
        if let Some(bad) = seen.get_mut(&outcome.ticket) {
            wrong += u64::from(*bad && was != Some(true));
            *bad |= was == Some(true);
        }
        points.push(Point { at: outcome.known_at, decisions, wrong });
    }
    points
}

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 196.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 392.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 160.0;

/// The chart; nothing without an outcome.
pub fn draw(points: &[Point], confidence: PerMillion, limit: f64) -> Option<String> {
    let (first, last) = (points.first()?, points.last()?);
    let bound = |point: &Point| error_bound::upper(point.decisions, point.wrong, confidence).as_f64();
    let step = points.len().div_ceil(POINTS);
    let mut drawn: Vec<(usize, &Point)> = points.iter().enumerate().step_by(step).collect();
    if drawn.last().is_none_or(|(place, _)| place + 1 != points.len()) {
        drawn.push((points.len() - 1, last));
    }
    let now = bound(last);
    let said = format!(
        "After {} with {} wrong, the error is below {} with {} confidence; the limit is {}.",
        words::counted(last.decisions, "known outcome", "known outcomes"),
        last.wrong,
        words::percent(now),
        words::percent(confidence.as_f64()),
        words::percent(limit),
    );
    let widest = (points.len().max(2) - 1) as f64;
    let x = |place: usize| LEFT + (RIGHT - LEFT) * place as f64 / widest;
    let y = |share: f64| BOTTOM - (BOTTOM - TOP) * share;
    let mut svg = format!(
        "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         role=\"img\" aria-labelledby=\"bound-title bound-desc\"><title id=\"bound-title\">How the error bound moved</title>\
         <desc id=\"bound-desc\">{said}</desc>"
    );
    for share in [0.0, 0.5, 1.0] {
        let (line, text) = (y(share), y(share) + 4.0);
        let _ = write!(svg, "<path class=\"grid\" d=\"M{LEFT} {line:.1}H{RIGHT}\"/>");
        let _ =
            write!(svg, "<text class=\"faint\" x=\"{:.0}\" y=\"{text:.1}\" text-anchor=\"end\">{:.0} %</text>", LEFT - 6.0, share * 100.0);
    }
    let _ = write!(svg, "<path class=\"limit\" d=\"M{LEFT} {:.1}H{RIGHT}\"/>", y(limit));
    let mut path = String::new();
    for (place, point) in &drawn {
        let _ = match path.is_empty() {
            true => write!(path, "M{:.1} {:.1}", x(*place), y(bound(point))),
            // It stays until the next outcome is known.
            false => write!(path, "H{:.1}V{:.1}", x(*place), y(bound(point))),
        };
    }
    let _ = write!(svg, "<path class=\"line\" d=\"{path}\"/>");
    for (anchor, place, point) in [("start", LEFT, first), ("end", RIGHT, last)] {
        // Below one another: beside one another there is no room for two.
        for (text, below) in [(words::counted(point.decisions, "outcome", "outcomes"), 16.0), (words::minute(point.at), 30.0)] {
            let _ = write!(svg, "<text class=\"faint\" x=\"{place}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{text}</text>", BOTTOM + below);
        }
        if points.len() == 1 {
            break;
        }
    }
    svg.push_str("</svg>");
    Some(format!("{svg}<p class=\"help\">{said}</p>"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id::RecommendationId, outcome::OutcomeKind, principal::Actor};

    fn outcome(number: u64, ticket: u64, kind: OutcomeKind) -> Outcome {
        let at = Timestamp::from_millis(number as i64 * 1000);
        Outcome {
            form: Outcome::FORM,
            recommendation: RecommendationId::new(at, u128::from(number)),
            tenant: TenantId::default(),
            ticket: TicketId::new(Timestamp::UNIX_EPOCH, u128::from(ticket)),
            runbook: RunbookId::new("r").unwrap(),
            runbook_digest: Digest::of(b""),
            would_act: true,
            automatic: false,
            kind,
            another_runbook: None,
            category: None,
            comment: None,
            by: Actor::Engine,
            decided_at: at,
            known_at: at,
            revision: 0,
        }
    }

    #[test]
    fn each_ticket_counts_once_and_the_last_point_is_the_record() {
        use OutcomeKind::{Rejected, SameRunbook, Verified};
        let outcomes = vec![
            outcome(4, 2, Verified),
            outcome(1, 1, Verified),
            outcome(2, 2, Rejected),
            outcome(3, 1, Rejected),
            outcome(5, 3, SameRunbook),
        ];
        let counts = |points: Vec<Point>| points.iter().map(|point| (point.decisions, point.wrong)).collect::<Vec<_>>();
        assert_eq!(counts(moved(outcomes.clone(), 3, 2)), [(1, 0), (2, 1), (2, 2), (2, 2), (3, 2)]);
        // Of a longer record, these are the newest.
        assert_eq!(counts(moved(outcomes, 13, 4)).last(), Some(&(13, 4)));
        assert_eq!(moved(Vec::new(), 0, 0), []);
    }

    #[test]
    fn the_chart_says_in_words_where_the_bound_is_and_is_small_however_many_outcomes_there_are() {
        let confidence = PerMillion::at_least(0.95);
        assert_eq!(draw(&[], confidence, 0.02), None);
        let many: Vec<Outcome> = (1..=5_000).map(|number| outcome(number, number, OutcomeKind::Verified)).collect();
        let points = moved(many, 5_000, 0);
        let svg = draw(&points, confidence, 0.02).unwrap();
        assert!(svg.contains("After 5,000 known outcomes with 0 wrong, the error is below 0.1 %"), "{svg}");
        assert!(svg.len() < 6_000, "{} bytes", svg.len());
        assert!(draw(&points[..1], confidence, 0.02).unwrap().contains("below 95.0 %"));
    }
}
