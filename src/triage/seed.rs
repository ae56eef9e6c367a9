//! Reproducible shuffles and folds: splitmix64 (Steele, Lea, Flood 2014), because results must not depend on
//! the version of a random number crate.

/// A stream of shuffles that depends on the seed alone.
#[derive(Debug, Clone)]
pub(super) struct Shuffle(u64);

impl Shuffle {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number from 0 to below 1.
    #[cfg(test)]
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Fisher-Yates; the bias of taking a 64-bit remainder is far below what a fold could feel.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
    }
}

/// A fold number for each row, each class spread as evenly as it goes.
pub(super) fn stratified_folds(targets: &[usize], classes: usize, folds: usize, seed: u64) -> Vec<usize> {
    let mut by_class = vec![Vec::new(); classes];
    for (row, class) in targets.iter().enumerate() {
        by_class[*class].push(row);
    }
    let mut shuffle = Shuffle::new(seed);
    let mut fold_of = vec![0; targets.len()];
    // The next class goes on where the last one stopped, so rare classes do not all fall into fold 0.
    let mut next = 0;
    for rows in &mut by_class {
        shuffle.shuffle(rows);
        for row in rows {
            fold_of[*row] = next % folds;
            next += 1;
        }
    }
    fold_of
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_even_in_size_and_in_every_class() {
        let targets: Vec<usize> = (0..103).map(|n| n % 4).collect();
        let folds = stratified_folds(&targets, 4, 5, 1);
        for fold in 0..5 {
            let size = folds.iter().filter(|f| **f == fold).count();
            assert!((20..=21).contains(&size), "{size}");
            for class in 0..4 {
                let size = folds.iter().zip(&targets).filter(|(f, t)| **f == fold && **t == class).count();
                assert!((5..=6).contains(&size), "{size}");
            }
        }
        assert_ne!(folds, stratified_folds(&targets, 4, 5, 2));
    }
}
