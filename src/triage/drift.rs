//! Are the tickets still like those that the model learned from?
//!
//! The population stability index over the labels answered and over how sure the head was, against what training measured on
//! texts held out: the sum of `(live - then) × ln(live / then)`. The usual reading: below 0.1 alike, up to 0.25 moved, above
//! it changed (Siddiqi, "Credit Risk Scorecards", 2006). It says that something changed, never what: look at the tickets.

use serde::{Deserialize, Serialize};

use super::{
    calibration::{self, Bin},
    head::HeadMetrics,
};

/// Fewer answers say nothing: chance alone gives an index of about labels ÷ answers.
pub const FEWEST: usize = 200;

/// What a head answered lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    answers: usize,
    labels: Vec<usize>,
    bins: Vec<usize>,
    unsure: usize,
}

/// How it differs from the time of training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Drift {
    /// Tickets looked at.
    pub answers: usize,
    /// Population stability index of the likeliest labels.
    pub labels: f64,
    /// Population stability index of the probabilities.
    pub confidence: f64,
    /// Share of the tickets that got no label.
    pub unsure: f64,
    /// Share of the held-out texts that got no label in training.
    pub unsure_then: f64,
    pub reading: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    TooFew,
    Alike,
    Moved,
    Changed,
}

impl Reading {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooFew => "too_few",
            Self::Alike => "alike",
            Self::Moved => "moved",
            Self::Changed => "changed",
        }
    }
}

impl Live {
    /// Counts one answer: the likeliest label with its probability, and whether it was given.
    pub fn add(&mut self, then: &HeadMetrics, label: &str, probability: f64, given: bool) {
        self.labels.resize(then.classes.len(), 0);
        self.bins.resize(calibration::BINS, 0);
        let Some(place) = then.classes.iter().position(|class| class.label == label) else { return };
        self.answers += 1;
        self.labels[place] += 1;
        self.bins[calibration::bin_of(probability)] += 1;
        self.unsure += usize::from(!given);
    }

    /// How it differs from `then`; `threshold` is the head's.
    pub fn drift(&self, then: &HeadMetrics, threshold: f64) -> Drift {
        let answered: Vec<usize> = then.classes.iter().map(|class| class.answered).collect();
        let sure: Vec<usize> = then.bins.iter().map(|bin: &Bin| bin.answers).collect();
        let (labels, confidence) = (stability(&answered, &self.labels), stability(&sure, &self.bins));
        let all: usize = sure.iter().sum();
        // What training picked the threshold with says it exactly; of another threshold the bins say it to a bin.
        let picked = then.coverage.iter().find(|picked| (picked.threshold - threshold).abs() < 1e-9).map(|picked| 1.0 - picked.coverage);
        let below: usize = sure.iter().take(calibration::bin_of(threshold.min(1.0))).sum();
        let reading = match labels.max(confidence) {
            _ if self.answers < FEWEST => Reading::TooFew,
            most if most < 0.1 => Reading::Alike,
            most if most < 0.25 => Reading::Moved,
            _ => Reading::Changed,
        };
        Drift {
            answers: self.answers,
            labels,
            confidence,
            unsure: self.unsure as f64 / self.answers.max(1) as f64,
            unsure_then: picked.unwrap_or(below as f64 / all.max(1) as f64),
            reading,
        }
    }
}

/// The population stability index of two counts over the same places; half an answer is added to each, so that an empty
/// place is rare and not impossible.
fn stability(then: &[usize], live: &[usize]) -> f64 {
    let total = |counts: &[usize]| counts.iter().sum::<usize>() as f64 + counts.len() as f64 / 2.0;
    let (all_then, all_live) = (total(then), total(live));
    then.iter()
        .zip(live)
        .map(|(then, live)| {
            let (then, live) = ((*then as f64 + 0.5) / all_then, (*live as f64 + 0.5) / all_live);
            (live - then) * libm::log(live / then)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triage::{evaluate::Confusion, head::ClassMetrics};

    fn then() -> HeadMetrics {
        let class = |label: &str, answered| ClassMetrics { label: label.to_owned(), examples: answered, answered, right: answered };
        let mut bins = vec![Bin::default(); calibration::BINS];
        bins[14] = Bin { answers: 800, claimed: 0.97, right: 780 };
        bins[9] = Bin { answers: 200, claimed: 0.63, right: 130 };
        HeadMetrics {
            examples: 1_000,
            accuracy: 0.91,
            macro_f1: 0.9,
            ece: 0.01,
            coverage: Vec::new(),
            bins,
            classes: vec![class("mail", 500), class("vpn", 500)],
            confusion: Confusion { labels: Vec::new(), counts: Vec::new() },
        }
    }

    fn live(mail: usize, vpn: usize, sure: f64) -> Live {
        let (then, mut live) = (then(), Live::default());
        for (label, count) in [("mail", mail), ("vpn", vpn)] {
            for number in 0..count {
                let probability = if number % 5 == 0 { 0.63 } else { sure };
                live.add(&then, label, probability, probability > 0.9);
            }
        }
        live
    }

    #[test]
    fn the_same_tickets_are_alike_and_few_say_nothing() {
        let drift = live(500, 500, 0.97).drift(&then(), 0.9);
        assert_eq!(drift.reading, Reading::Alike, "{drift:?}");
        assert!((drift.unsure - 0.2).abs() < 1e-9 && (drift.unsure_then - 0.2).abs() < 1e-9);
        assert_eq!(live(10, 10, 0.97).drift(&then(), 0.9).reading, Reading::TooFew);
    }

    #[test]
    fn another_mixture_and_another_certainty_are_seen() {
        assert_eq!(live(900, 100, 0.97).drift(&then(), 0.9).reading, Reading::Changed);
        assert_eq!(live(650, 350, 0.97).drift(&then(), 0.9).reading, Reading::Alike);
        assert_eq!(live(500, 500, 0.5).drift(&then(), 0.9).reading, Reading::Changed);
    }
}
