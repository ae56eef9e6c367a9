//! Runs that are stopped, and runs whose store does not answer for a moment.

use super::*;
use crate::store::faulty::{Fault, Faulty};

/// Answers the nth question before one step, counted from 1, in a way of its own, and every other one with yes.
struct At {
    step: &'static str,
    nth: usize,
    answer: fn() -> Stop,
    asked: AtomicUsize,
}

impl At {
    fn new(step: &'static str, nth: usize, answer: fn() -> Stop) -> Self {
        Self { step, nth, answer, asked: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Surroundings for At {
    async fn may_proceed(&self, _execution: &Execution, next: &Step) -> Result<Vec<Condition>, Stop> {
        let here = next.id.as_str() == self.step && self.asked.fetch_add(1, Ordering::SeqCst) + 1 == self.nth;
        if here { Err((self.answer)()) } else { Ok(Vec::new()) }
    }

    async fn closing(&self, _execution: &Execution) -> Result<Change, StoreError> {
        Ok(Change::default())
    }
}

fn refused() -> Stop {
    Stop::Refused("the kill switch is on".to_owned())
}

fn no_answer() -> Stop {
    Stop::Unknown(StoreError::Unavailable("the disk was away".to_owned()))
}

#[tokio::test]
async fn a_store_that_could_not_say_leaves_the_run_where_it_is_and_it_goes_on_from_there() {
    for step in ["look", "one", "two"] {
        let bench = Bench::new().await;
        let (runbook, surroundings) = (runbook(false), At::new(step, 1, no_answer));
        let stopped = bench.engine.run(bench.stored(&runbook).await, &runbook, &surroundings).await;
        assert!(matches!(stopped, Err(ExecuteError::Store(StoreError::Unavailable(_)))), "{step}: {stopped:?}");
        assert!(!bench.current().await.state.is_final());
        let ended = bench.engine.run(bench.current().await, &runbook, &surroundings).await.unwrap();
        assert_eq!(ended.state, ExecutionState::Succeeded, "{step}");
        assert_eq!(bench.world.paths(), ["look", "one", "two", "check"]);
        bench.check_log().await;
    }
}

#[tokio::test]
async fn what_a_call_came_to_is_kept_while_the_store_has_too_much_to_do() {
    // The commits of a run without a fault: its move, a start and an end for each of four steps, its last move.
    for nth in [3, 5, 7, 9, 10] {
        let mut bench = Bench::new().await;
        bench.engine.store = Arc::new(Faulty::on_commits(bench.store.shared(), (nth..nth + 3).map(|nth| (nth, Fault::Overloaded))));
        let runbook = runbook(false);
        let ended = bench.run(&runbook).await;
        assert_eq!((ended.state, ended.steps.len()), (ExecutionState::Succeeded, 4), "overloaded at commit {nth}");
        assert_eq!(bench.world.paths(), ["look", "one", "two", "check"]);
        assert_eq!(bench.current().await, ended);
        bench.check_log().await;
    }
}

#[tokio::test]
async fn an_undo_that_is_stopped_before_its_first_rollback_took_nothing_back_and_may_be_asked_for_again() {
    let bench = Bench::new().await;
    let runbook = runbook(false);
    let done = bench.run(&runbook).await;
    let before = bench.world.paths().len();
    let ended = bench.engine.run(bench.undo(&done).await, &runbook, &At::new("undo-two", 1, refused)).await.unwrap();
    assert_eq!((ended.state, ended.steps.len()), (ExecutionState::Refused, 0));
    assert_eq!(bench.world.paths().len(), before);
}

#[tokio::test]
async fn a_rollback_that_may_have_worked_is_in_doubt_however_the_run_ends() {
    // Received and not answered; then refused by the other side, or not sent again.
    for stops in [false, true] {
        let bench = Bench::new().await;
        bench.world.set("check", Behaviour::Answer(500));
        bench.world.set("undo-two", Behaviour::CutOnceThen(404));
        let runbook = runbook(true);
        let surroundings = At::new("undo-two", if stops { 2 } else { usize::MAX }, refused);
        let ended = bench.engine.run(bench.stored(&runbook).await, &runbook, &surroundings).await.unwrap();
        assert_eq!(ended.state, ExecutionState::InDoubt, "stopped: {stops}");
        assert_eq!((bench.world.count("undo-two"), bench.world.count("undo-one")), (if stops { 1 } else { 2 }, 0));
        bench.check_log().await;
    }
}

#[tokio::test]
async fn the_time_of_a_job_is_counted_once_after_a_crash() {
    let bench = Bench::new().await;
    let mut runbook = runbook(false);
    runbook.time_limit = Duration::from_secs(100);
    let job = Step { within: Duration::from_secs(90), ..runbook.steps[1].clone() };
    let elapsed = |before| Elapsed { before: Duration::from_secs(before), since: Instant::now() };
    let patience =
        |before, spent| bench.engine.patience(&runbook, &job, &elapsed(before), Duration::from_secs(spent)).as_secs_f64().round();
    assert_eq!(patience(0, 0), 90.0);
    // Forty seconds of the run were the job's: it has what is left of its own time, and no more than the run has.
    assert_eq!(patience(40, 40), 50.0);
    assert_eq!(patience(80, 40), 20.0);
    assert_eq!(patience(120, 90), 0.0);
}
