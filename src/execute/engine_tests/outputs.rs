//! What a step gives to later ones, how long a run may take, and clocks that jump.

use super::*;
use crate::domain::{runbook::Output, runbook::ParameterType, template::Value};

/// As [`runbook`], where `one` gives a number that `two` and its own rollback use, and `look` gives a text.
fn giving() -> Runbook {
    let output = |value: &str, kind| Output { value: value.to_owned(), kind, pattern: None };
    let mut runbook = runbook(false);
    runbook.steps[0].outputs = [("node".parse().unwrap(), output("body.node", ParameterType::Hostname))].into();
    runbook.steps[1].outputs = [("job".parse().unwrap(), output("body.job", ParameterType::Integer { min: 1, max: 99 }))].into();
    runbook.steps[2].with = Argument::parse(&serde_json::json!({"path": "/{{look.node}}", "body": {"job": "{{one.job}}"}})).unwrap();
    runbook.steps[4].with = Argument::parse(&serde_json::json!({"path": "/undo-{{one.job}}"})).unwrap();
    runbook
}

#[tokio::test]
async fn outputs_fill_later_steps_and_rollbacks_each_in_its_type() {
    let bench = Bench::new().await;
    bench.world.set("look", Behaviour::Says(r#"{"node": "db-1"}"#));
    bench.world.set("one", Behaviour::Says(r#"{"job": 7}"#));
    bench.world.set("check", Behaviour::Answer(500));
    let ended = bench.run(&giving()).await;
    assert_eq!(ended.state, ExecutionState::RolledBack, "{:?}", ended.steps);
    assert_eq!(
        bench.world.paths().iter().filter(|path| *path != "check").collect::<Vec<_>>(),
        ["look", "one", "db-1", "undo-two", "undo-7"]
    );
    assert_eq!(bench.world.bodies.lock().unwrap()[2], r#"{"job":7}"#, "a number stays a number");
    let given: Vec<_> = ended.steps.iter().flat_map(|run| run.outputs.iter()).map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert_eq!(given, [("node", Value::Text("db-1".to_owned())), ("job", Value::Integer(7))], "kept with the step, for whoever resumes");
    assert_eq!(bench.current().await, ended);
    bench.check_log().await;
}

#[tokio::test]
async fn an_output_that_is_not_what_was_declared_fails_its_step() {
    for (said, state) in [
        (r#"{"node": "db-1"}"#, ExecutionState::Succeeded),
        (r#"{"node": "db-1/../../admin"}"#, ExecutionState::Refused),
        (r#"{"node": "http://evil"}"#, ExecutionState::Refused),
        (r#"{"node": {"x": 1}}"#, ExecutionState::Refused),
        (r#"{"nodes": "db-1"}"#, ExecutionState::Refused),
        ("", ExecutionState::Refused),
    ] {
        let bench = Bench::new().await;
        bench.world.set("look", Behaviour::Says(said));
        bench.world.set("one", Behaviour::Says(r#"{"job": 7}"#));
        assert_eq!(bench.run(&giving()).await.state, state, "{said}");
    }
    // Of a change the effect is there, and so it is undone as far as what is known reaches: `undo-one` needs the number.
    let bench = Bench::new().await;
    bench.world.set("look", Behaviour::Says(r#"{"node": "db-1"}"#));
    bench.world.set("one", Behaviour::Says(r#"{"job": 700}"#));
    let ended = bench.run(&giving()).await;
    assert_eq!((ended.state, bench.world.count("db-1")), (ExecutionState::Failed, 0));
    assert!(ended.steps.last().unwrap().detail.as_ref().unwrap().contains("output `job` of step `one`"), "{:?}", ended.steps);
    bench.check_log().await;
}

#[tokio::test]
async fn a_run_that_is_resumed_after_a_crash_knows_what_was_given_before_it() {
    let mut cuts = 0;
    for (nth, lands) in (1..).flat_map(|nth| [(nth, false), (nth, true)]) {
        let bench = Bench::new().await;
        bench.world.set("look", Behaviour::Says(r#"{"node": "db-1"}"#));
        bench.world.set("one", Behaviour::Says(r#"{"job": 7}"#));
        let mut runbook = giving();
        runbook.steps.iter_mut().for_each(|step| step.idempotent = true);
        bench.store.cut_at(nth, lands);
        let cut = bench.engine.run(bench.stored(&runbook).await, &runbook, &Free).await.is_err();
        bench.store.heal();
        if cut && !bench.current().await.state.is_final() {
            bench.engine.run(bench.current().await, &runbook, &Free).await.unwrap();
        }
        assert_eq!((bench.current().await.state, bench.world.count("db-1") > 0), (ExecutionState::Succeeded, true), "{nth} {lands}");
        if !cut {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 20, "{cuts}");
}

#[tokio::test]
async fn a_run_whose_time_is_over_begins_nothing_more_and_undoes_what_it_did() {
    let bench = Bench::new().await;
    let spent = Runbook { time_limit: Duration::ZERO, ..runbook(false) };
    assert_eq!((bench.run(&spent).await.state, bench.world.paths().len()), (ExecutionState::Refused, 0));

    // Cut after change one was recorded; an hour later somebody resumes it.
    let bench = Bench::new().await;
    let runbook = runbook(false);
    bench.store.cut_at(6, false);
    assert!(bench.engine.run(bench.stored(&runbook).await, &runbook, &Free).await.is_err());
    bench.store.heal();
    assert_eq!(bench.world.paths(), ["look", "one"]);
    bench.clock.forward(Duration::from_secs(3600));
    let ended = bench.engine.run(bench.current().await, &runbook, &Free).await.unwrap();
    assert_eq!(
        (ended.state, bench.world.paths()),
        (ExecutionState::RolledBack, vec!["look".to_owned(), "one".to_owned(), "undo-one".to_owned()])
    );
    bench.check_log().await;
}

/// Turns the clock an hour, back and forth, whenever it is asked.
struct Jumping(Arc<Turned>, Mutex<bool>);

#[async_trait]
impl Surroundings for Jumping {
    async fn may_proceed(&self, _execution: &Execution, _next: &Step) -> Result<Vec<Condition>, Stop> {
        let mut back = self.1.lock().unwrap();
        match *back {
            true => self.0.back(Duration::from_secs(3600)),
            false => self.0.forward(Duration::from_secs(3600)),
        }
        *back = !*back;
        Ok(Vec::new())
    }

    async fn closing(&self, _execution: &Execution) -> Result<Change, StoreError> {
        Ok(Change::default())
    }
}

#[tokio::test]
async fn a_clock_that_jumps_by_an_hour_at_every_step_changes_nothing() {
    for back_first in [false, true] {
        let bench = Bench::new().await;
        let runbook = runbook(false);
        let jumping = Jumping(Arc::clone(&bench.clock), Mutex::new(back_first));
        let ended = bench.engine.run(bench.stored(&runbook).await, &runbook, &jumping).await.unwrap();
        assert_eq!((ended.state, bench.world.paths().len()), (ExecutionState::Succeeded, 4), "back first: {back_first}");
        bench.check_log().await;
    }
}

#[tokio::test]
async fn an_undo_runs_the_rollbacks_of_what_was_done_in_reverse_with_what_was_given_then() {
    let bench = Bench::new().await;
    bench.world.set("look", Behaviour::Says(r#"{"node": "db-1"}"#));
    bench.world.set("one", Behaviour::Says(r#"{"job": 7}"#));
    let runbook = giving();
    let done = bench.run(&runbook).await;
    assert_eq!(done.state, ExecutionState::Succeeded);
    let undo = bench.undo(&done).await;
    let before = bench.world.paths().len();
    let ended = bench.engine.run(undo.clone(), &runbook, &Free).await.unwrap();
    assert_eq!(ended.state, ExecutionState::RolledBack);
    assert_eq!(bench.world.paths()[before..], ["undo-two", "undo-7"]);
    assert_ne!(undo.idempotency_key(&"undo-one".parse().unwrap()), done.idempotency_key(&"undo-one".parse().unwrap()));
}
