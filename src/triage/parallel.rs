//! The same work on several threads: results come in the order of the jobs, whatever the number of threads.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// `work` of 0 to `jobs`, each on one thread; the result does not depend on how many there are.
pub(super) fn map<T: Send>(jobs: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(jobs);
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, T)> = thread::scope(|scope| {
        let turn = || {
            let mut done = Vec::new();
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                if job >= jobs {
                    return done;
                }
                done.push((job, work(job)));
            }
        };
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(turn)).collect();
        let mut done = turn();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(cause) => std::panic::resume_unwind(cause),
            }
        }
        done
    });
    done.sort_by_key(|(job, _)| *job);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        assert_eq!(super::map(50, |job| job * 2), (0..50).map(|job| job * 2).collect::<Vec<_>>());
        assert!(super::map(0, |job| job).is_empty());
    }
}
