//! The same work on several threads: results come in the order of the jobs, whatever the number of threads.

use rayon::prelude::*;

/// `work` of 0 to `jobs`, each on one thread; the result does not depend on how many there are.
pub(super) fn map<T: Send>(jobs: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    (0..jobs).into_par_iter().with_max_len(1).map(&work).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        assert_eq!(super::map(50, |job| job * 2), (0..50).map(|job| job * 2).collect::<Vec<_>>());
        assert!(super::map(0, |job| job).is_empty());
    }
}
