//! Does a text belong to what a head learned from, or is it foreign to it?
//!
//! Two measures, each in standard deviations of texts that the head did not learn from: the free energy of its scores (Liu et al. 2020,
//! "Energy-based out-of-distribution detection"), which knows the words, and the cosine to the nearest of the examples that the model
//! keeps, which knows what is meant. A probability does not tell: it is of the labels there are, and some label is always the likeliest.

use serde::{Deserialize, Serialize};

use super::measure;

/// Share of the texts held out that belong less than the least that is answered. Of clinc150's foreign texts three in five belong less
/// than a hundredth of its own, four in five less than a fiftieth.
const REFUSED: f64 = 0.02;

/// How a head tells.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Belonging {
    energy: Spread,
    nearness: Spread,
    /// The least that is answered.
    floor: f64,
}

/// Of one measure over texts held out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Spread {
    mean: f64,
    deviation: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let square = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        Self { mean, deviation: square.sqrt() }
    }

    /// In standard deviations above the mean; a measure that never varied says nothing.
    fn standard(self, value: f64) -> f64 {
        if self.deviation > 1e-9 { (value - self.mean) / self.deviation } else { 0.0 }
    }
}

impl Belonging {
    /// Of the two measures of texts held out, in one order.
    pub(super) fn fit(energies: &[f64], nearness: &[f64]) -> Self {
        let mut fitted = Self { energy: Spread::of(energies), nearness: Spread::of(nearness), floor: 0.0 };
        let mut all: Vec<f64> = energies.iter().zip(nearness).map(|(energy, nearness)| fitted.of(*energy, *nearness)).collect();
        fitted.floor = measure::quantile(&mut all, REFUSED);
        fitted
    }

    /// How much a text belongs; 0 on the mean, more is nearer.
    pub(super) fn of(&self, energy: f64, nearness: f64) -> f64 {
        self.energy.standard(energy) + self.nearness.standard(nearness)
    }

    pub(super) fn is_foreign(&self, belonging: f64) -> bool {
        belonging < self.floor
    }
}

/// The logarithm of the sum of the exponentials of a head's scores.
pub(super) fn free_energy(scores: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = scores.clone().fold(f64::NEG_INFINITY, f64::max);
    most + libm::log(scores.map(|score| libm::exp(score - most)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_in_fifty_of_those_held_out_is_foreign_and_so_is_whatever_is_further_by_both_together() {
        let energies: Vec<f64> = (0..1000).map(|n| 5.0 + f64::from(n % 37) / 10.0).collect();
        let nearness: Vec<f64> = (0..1000).map(|n| 0.6 + f64::from(n % 29) / 100.0).collect();
        let fitted = Belonging::fit(&energies, &nearness);
        let foreign = energies.iter().zip(&nearness).filter(|(energy, nearness)| fitted.is_foreign(fitted.of(**energy, **nearness)));
        assert!((12..=20).contains(&foreign.count()));
        assert!(fitted.is_foreign(fitted.of(3.0, 0.5)), "neither the words nor the meaning");
        assert!(!fitted.is_foreign(fitted.of(5.0, 0.95)) && !fitted.is_foreign(fitted.of(9.0, 0.6)), "one makes up for the other");
    }

    #[test]
    fn without_an_embedding_the_energy_tells_alone() {
        let energies: Vec<f64> = (0..200).map(f64::from).collect();
        let fitted = Belonging::fit(&energies, &[0.0; 200]);
        assert!(fitted.is_foreign(fitted.of(3.0, 0.0)) && !fitted.is_foreign(fitted.of(5.0, 0.0)));
        assert_eq!(fitted.of(100.0, 0.0), fitted.of(100.0, 0.7));
    }

    #[test]
    fn the_free_energy_of_large_scores_is_finite() {
        assert!((free_energy([1000.0, 1000.0].into_iter()) - (1000.0 + 2f64.ln())).abs() < 1e-9);
        assert!((free_energy([0.0, 1.0, 2.0].into_iter()) - (1.0 + 1f64.exp() + 2f64.exp()).ln()).abs() < 1e-12);
    }
}
