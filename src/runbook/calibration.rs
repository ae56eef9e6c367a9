//! P(this runbook fits): a logistic model over how a candidate stands, fitted on examples left out.
//!
//! The shipped coefficients are `models/matcher/*.json`, one file for each embedding and one without, written by
//! [`fit_calibration`] over the shipped library's own examples; a test fits them again and compares. Never learns from ticket text at run time.
// INVARIANT: probabilities are rounded, so that replay gives the same bits.

use linfa::{Dataset, traits::Fit};
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use super::{error::RunbookError, index::Scored, triggers::Trigger};
use crate::text::embedding::EmbeddingKind;

pub(crate) const NAMES: [&str; 11] = [
    "exact_name",
    "exact_pattern",
    "margin",
    "coverage",
    "title_coverage",
    "pair_coverage",
    "strength",
    "agreement",
    "similarity",
    "similarity_margin",
    "both_first",
];

/// How one candidate stands for one ticket; every value is within `-1..=1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Features([f64; NAMES.len()]);

impl Features {
    pub(crate) fn new(exact: Trigger, margin: f64, scored: &Scored, agreement: f64, meaning: Option<Nearness>) -> Self {
        let flag = |is: bool| f64::from(u8::from(is));
        // The absolute score saturates: past this much evidence, more of it says little.
        let strength = scored.score / (scored.score + 20.0);
        Self([
            flag(exact >= Trigger::Label),
            flag(exact == Trigger::Pattern),
            margin.clamp(-1.0, 1.0),
            scored.coverage,
            scored.title_coverage,
            scored.pair_coverage,
            strength,
            agreement * 2.0 - 1.0,
            meaning.map_or(0.0, |meaning| meaning.similarity),
            meaning.map_or(0.0, |meaning| meaning.margin.clamp(-1.0, 1.0)),
            flag(meaning.is_some_and(|meaning| meaning.both_first)),
        ])
    }
}

impl Features {
    /// `None` for another number of values, or one outside `-1..=1`.
    pub(crate) fn from_values(values: &[f64]) -> Option<Self> {
        values.iter().all(|value| (-1.0..=1.0).contains(value)).then_some(Self(values.try_into().ok()?))
    }

    pub(crate) fn values(&self) -> [f64; NAMES.len()] {
        self.0.map(six_decimals)
    }
}

/// How one candidate stands by meaning alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nearness {
    pub similarity: f64,
    /// Over the nearest other one.
    pub margin: f64,
    /// Both scorers put it first.
    pub both_first: bool,
}

/// Fitted coefficients with the threshold of "none fits".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Version of this stored form.
    form: u32,
    /// Names of the features in the order of `coefficients`; another set of features refuses to load.
    features: Vec<String>,
    intercept: f64,
    coefficients: Vec<f64>,
    /// Propose at or above this probability.
    threshold: f64,
    /// What it was fitted on.
    positive: usize,
    negative: usize,
    /// On the pairs it was fitted on: share of best candidates above the threshold, and how many of those fit.
    coverage: f64,
    precision: f64,
}

const FORM: u32 = 1;
/// Strength of the L2 penalty; keeps a feature that is always right in a small set from becoming certainty.
const PENALTY: f64 = 1.0;
/// Of the proposals above the threshold this share has to fit, as a lower 95 % confidence bound.
const PRECISION_TARGET: f64 = 0.9;
/// What is more likely wrong than right is not proposed, however good its neighbours are.
const NEVER_BELOW: f64 = 0.5;

impl Calibration {
    /// The coefficients this program ships with for ranking by words alone, or with an embedding.
    ///
    /// # Errors
    /// Never for the files in this repository; a test reads them.
    pub fn shipped(embedding: Option<EmbeddingKind>) -> Result<Self, RunbookError> {
        Self::from_json(match embedding {
            None => include_str!("../../models/matcher/none.json"),
            Some(EmbeddingKind::Static) => include_str!("../../models/matcher/static.json"),
            Some(EmbeddingKind::Minilm) => include_str!("../../models/matcher/minilm.json"),
        })
    }

    /// # Errors
    /// JSON of another form, for other features, or with numbers out of range.
    pub fn from_json(text: &str) -> Result<Self, RunbookError> {
        let read: Self = serde_json::from_str(text).map_err(|why| RunbookError::BadCalibration(why.to_string()))?;
        let refuse = |why: &str| Err(RunbookError::BadCalibration(why.to_owned()));
        if read.form != FORM {
            return refuse(&format!("form {} is not {FORM}", read.form));
        }
        if read.features != NAMES || read.coefficients.len() != NAMES.len() {
            return refuse("it is for other features");
        }
        let finite = read.coefficients.iter().chain([&read.intercept]).all(|value| value.is_finite() && value.abs() < 1e3);
        if !finite || !(0.0..=1.0).contains(&read.threshold) {
            return refuse("a number is out of range");
        }
        Ok(read)
    }

    /// The probability, in `0..=1` with six decimals, that the candidate fits.
    pub fn probability(&self, features: &Features) -> f64 {
        let logit: f64 = self.coefficients.iter().zip(features.0).fold(self.intercept, |sum, (c, x)| sum + c * x);
        six_decimals(1.0 / (1.0 + (-logit).exp()))
    }

    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The largest difference between the numbers of two calibrations.
    #[cfg(test)]
    pub(crate) fn distance(&self, other: &Self) -> f64 {
        let pairs = self.coefficients.iter().zip(&other.coefficients);
        let rest = [(&self.intercept, &other.intercept), (&self.threshold, &other.threshold)];
        pairs.chain(rest).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }
}

/// Fits coefficients and threshold on `pairs` of how a best candidate stood and whether it was right.
///
/// # Errors
/// Fewer than ten pairs of either kind, or a fit that does not converge.
pub fn fit_calibration(pairs: &[(Features, bool)]) -> Result<Calibration, RunbookError> {
    let positive = pairs.iter().filter(|(_, fits)| *fits).count();
    let negative = pairs.len() - positive;
    if positive < 10 || negative < 10 {
        return Err(RunbookError::TooFewPairs { positive, negative });
    }
    let bad = |why: String| RunbookError::BadCalibration(why);
    let flat: Vec<f64> = pairs.iter().flat_map(|(features, _)| features.0).collect();
    let records = Array2::from_shape_vec((pairs.len(), NAMES.len()), flat).map_err(|why| bad(why.to_string()))?;
    let targets: Array1<bool> = pairs.iter().map(|(_, fits)| *fits).collect();
    let model = LogisticRegression::default()
        .alpha(PENALTY)
        .max_iterations(1_000)
        .gradient_tolerance(1e-8)
        .fit(&Dataset::new(records, targets))
        .map_err(|why| bad(why.to_string()))?;
    // linfa names the classes itself; turn the sign so that larger means "fits".
    let sign = if model.labels().pos.class { 1.0 } else { -1.0 };
    let mut fitted = Calibration {
        form: FORM,
        features: NAMES.map(str::to_owned).to_vec(),
        intercept: six_decimals(sign * model.intercept()),
        coefficients: model.params().iter().map(|c| six_decimals(sign * c)).collect(),
        threshold: 1.0,
        positive,
        negative,
        coverage: 0.0,
        precision: 0.0,
    };
    fitted.choose_threshold(pairs);
    Ok(fitted)
}

impl Calibration {
    /// The lowest threshold whose proposals keep the target as a lower confidence bound, not as a point estimate.
    fn choose_threshold(&mut self, pairs: &[(Features, bool)]) {
        let mut rows: Vec<(f64, bool)> = pairs.iter().map(|(features, fits)| (self.probability(features), *fits)).collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        let (mut right, mut best) = (0usize, None);
        for (index, (probability, fits)) in rows.iter().enumerate() {
            right += usize::from(*fits);
            let taken = index + 1;
            let last_of_its_value = rows.get(taken).is_none_or(|next| next.0 < *probability);
            if last_of_its_value && *probability >= NEVER_BELOW && wilson_lower(right, taken) >= PRECISION_TARGET {
                best = Some((*probability, taken, right));
            }
        }
        if let Some((threshold, taken, right)) = best {
            self.threshold = threshold;
            self.coverage = six_decimals(taken as f64 / rows.len() as f64);
            self.precision = six_decimals(right as f64 / taken as f64);
        }
    }
}

/// Wilson's one-sided lower 95 % bound of a share (Wilson 1927; z = 1.6449).
pub(crate) fn wilson_lower(right: usize, of: usize) -> f64 {
    const Z: f64 = 1.644_853_626_951_472_7;
    if of == 0 {
        return 0.0;
    }
    let (n, share) = (of as f64, right as f64 / of as f64);
    let centre = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    (centre - spread) / (1.0 + Z * Z / n)
}

fn six_decimals(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
