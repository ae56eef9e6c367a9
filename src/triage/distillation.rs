//! Teaches n-grams and the light embedding what MiniLM knows once it is tuned to the labels, so that a ticket is answered without MiniLM.
//!
//! The scores of the tuned networks say of every text how near each label is, where the label itself says only which one it is (Hinton,
//! Vinyals and Dean 2015, "Distilling the knowledge in a neural network"). A ridge regression towards them is the second that scores
//! beside stage 1. It is as linear as stage 1, so both are one set of hyperplanes in the end: a model that was taught is no larger or
//! slower than one that was not, and its words are as plain.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::{
    head::Head,
    linear::{Hyperplanes, LinearParams, Wanted},
    logistic::Mix,
    parallel,
    selection::split,
    sparse::SparseMatrix,
    tuning::Teachers,
};

/// What a text's own label is raised by: of a hard set the networks do not give it to one text in four that they did not learn from.
const RAISE: f32 = 3.0;
/// liblinear's C, of the regression: with 3.3 stage 2 does the same.
const COST: f32 = 1.25;
const EPOCHS: usize = 40;
/// In units of the scores, which are logits.
const TOLERANCE: f32 = 0.01;

/// What was learned from the networks.
pub(super) struct Student {
    /// Of the n-grams and, behind them, of the dense features.
    planes: Hyperplanes,
    /// A score a class of each text, by one that learned from other texts and from the network that did so too.
    pub(super) held_out: Array2<f32>,
}

impl Student {
    /// Learns of texts with n-grams `rows`, dense features and labels `truth`.
    pub(super) fn learn(rows: &SparseMatrix, dense: &Array2<f32>, truth: &[usize], classes: usize, teachers: &Teachers, seed: u64) -> Self {
        let rows = rows.beside(dense);
        let params = LinearParams { cost: COST, epochs: EPOCHS, tolerance: TOLERANCE, classes, seed };
        let learned = |from: &[usize], scores: Array2<f32>| {
            let wanted = wanted(scores, truth);
            params.solve(&rows, Wanted::Scores(wanted.view()), from, None).planes
        };
        let of_all = || {
            let nothing = Array2::zeros((truth.len(), classes));
            let sum = teachers.scores.iter().fold(nothing, |sum, scores| sum + scores);
            learned(&(0..truth.len()).collect::<Vec<_>>(), sum / teachers.scores.len() as f32)
        };
        let of_each = || {
            parallel::map(teachers.scores.len(), |fold| {
                let (learn, hold) = split(&teachers.fold_of, fold);
                let planes = learned(&learn, teachers.scores[fold].clone());
                let said = |row: usize| {
                    let mut scores = vec![0.0; classes];
                    planes.scores_into(rows.row(row), &mut scores);
                    (row, scores)
                };
                hold.into_iter().map(said).collect::<Vec<_>>()
            })
        };
        let (planes, said) = rayon::join(of_all, of_each);
        let mut held_out = Array2::zeros((truth.len(), classes));
        for (row, scores) in said.into_iter().flatten() {
            held_out.row_mut(row).assign(&ArrayView1::from(&scores));
        }
        Self { planes, held_out }
    }

    /// The head that answers by itself as `head` does with these scores between those of its stage 1 and the dense features.
    pub(super) fn through(&self, head: Head) -> Head {
        let classes = head.labels.len();
        let mix = table(&head.mix.weights, classes);
        let (own, rest) = mix.split_at(Axis(0), classes);
        let (taught, dense) = rest.split_at(Axis(0), classes);
        let planes = table(&self.planes.weights, classes).mapv(f64::from);
        let (words, others) = planes.view().split_at(Axis(0), head.stage1.weights.len() / classes);
        let bias = |bias: &[f32]| Array1::from_iter(bias.iter().map(|bias| f64::from(*bias)));
        let weights = table(&head.stage1.weights, classes).mapv(f64::from).dot(&own) + words.dot(&taught);
        let at_bias = bias(&head.stage1.bias).dot(&own) + bias(&self.planes.bias).dot(&taught);
        // Stage 1 gives each class its own score now: the mix takes it as it is.
        let as_it_is = Array2::<f64>::eye(classes);
        let dense = &dense + &others.dot(&taught);
        Head {
            stage1: Hyperplanes {
                classes,
                weights: weights.iter().map(|weight| *weight as f32).collect(),
                bias: at_bias.iter().map(|bias| *bias as f32).collect(),
            },
            mix: Mix { weights: as_it_is.into_iter().chain(dense).collect(), bias: head.mix.bias },
            ..head
        }
    }
}

/// What a student is to say: logits with the mean nought, and more for the text's own label.
fn wanted(mut scores: Array2<f32>, truth: &[usize]) -> Array2<f32> {
    for (mut scores, truth) in scores.rows_mut().into_iter().zip(truth) {
        let mean = scores.sum() / scores.len() as f32;
        scores -= mean;
        scores[*truth] += RAISE;
    }
    scores
}

/// A row an input, a column a class.
fn table<T>(weights: &[T], classes: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((weights.len() / classes, classes), weights).expect("there is a weight for each class")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triage::{belonging::Belonging, calibration::Confidence};

    /// Texts of three classes: a word of its own each, a word of none, and a dense feature. Texts of the first class that have the last
    /// word are of the third one's kind, and only the networks say so.
    fn texts() -> (SparseMatrix, Array2<f32>, Vec<usize>, Teachers) {
        let mut rows = SparseMatrix::new(4);
        let truth: Vec<usize> = (0..90).map(|row| row % 3).collect();
        for (row, class) in truth.iter().enumerate() {
            let own = (*class as u32, 1.0);
            if row % 2 == 0 { rows.push(&[own, (3, 1.0)]) } else { rows.push(&[own]) }
        }
        let dense = Array2::from_shape_fn((90, 1), |(row, _)| (row % 5) as f32);
        let said = Array2::from_shape_fn((90, 3), |(row, class)| {
            if class == truth[row] {
                4.0
            } else if class == 2 && row % 2 == 0 {
                2.0
            } else {
                -3.0
            }
        });
        let teachers = Teachers { scores: vec![said.clone(), said * 1.1], fold_of: (0..90).map(|row| row / 6 % 2).collect() };
        (rows, dense, truth, teachers)
    }

    #[test]
    fn a_student_says_of_texts_it_did_not_learn_from_what_the_networks_say_beside_the_label() {
        let (rows, dense, truth, teachers) = texts();
        // How much more texts of the first class that have the last word are the third one's than those without are.
        let nearer = |teachers: &Teachers| {
            let held_out = Student::learn(&rows, &dense, &truth, 3, teachers, 1).held_out;
            let mut by_word = [0.0f32; 2];
            for row in (0..90).filter(|row| truth[*row] == 0) {
                let said = held_out.row(row);
                assert!(said[0] > said[1] && said[0] > said[2], "row {row}: {said}");
                by_word[row % 2] += (said[2] - said[1]) / 15.0;
            }
            by_word[0] - by_word[1]
        };
        assert!(nearer(&teachers) > 2.0, "{}", nearer(&teachers));
        let silent = Teachers { scores: teachers.scores.iter().map(|said| said * 0.0).collect(), ..teachers };
        assert!(nearer(&silent).abs() < 0.2, "{}", nearer(&silent));
    }

    #[test]
    fn the_folded_head_gives_the_scores_that_stage_1_the_student_and_the_mix_give_one_after_the_other() {
        let (rows, dense, truth, teachers) = texts();
        let student = Student::learn(&rows, &dense, &truth, 3, &teachers, 1);
        let number = |at: usize| ((at * 37 % 23) as f64 - 11.0) / 7.0;
        let head = Head {
            target: "category".to_owned(),
            labels: ["a", "b", "c"].map(str::to_owned).into(),
            stage1: Hyperplanes { classes: 3, weights: (0..12).map(|at| number(at) as f32).collect(), bias: vec![0.5, -0.25, 0.0] },
            // Scores of stage 1, of the student, the dense feature.
            mix: Mix { weights: (0..21).map(|at| number(at + 5)).collect(), bias: vec![0.1, 0.2, 0.3] },
            temperature: 1.5,
            confidence: Confidence::AS_IS,
            threshold: 0.5,
            belonging: Belonging::fit(&[0.0, 1.0], &[0.5, 0.6]),
        };
        let row = [(1u32, 0.5f32), (3, 2.0)];
        let both = |planes: &Hyperplanes, row: &[(u32, f32)]| {
            let mut scores = vec![0.0; 3];
            planes.scores_into(row.iter().map(|(column, value)| (*column as usize, *value)), &mut scores);
            scores.into_iter().map(f64::from).collect::<Vec<_>>()
        };
        let taught = both(&student.planes, &[&row[..], &[(4, 0.75)]].concat());
        let expected = head.mix.logits(both(&head.stage1, &row).into_iter().chain(taught).chain([0.75]));
        let folded = student.through(head);
        for (score, expected) in folded.scores(&row, &[0.75]).iter().zip(expected) {
            assert!((score - expected / 1.5).abs() < 1e-4, "{score} {expected}");
        }
    }
}
