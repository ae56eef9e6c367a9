//! The process dies while a request is open: at every request of a run, before and after its effect.

use super::*;

/// look, three changes of which the last uses what the second gave, check: five steps, each change with its rollback.
pub(super) fn five_steps(idempotent: bool) -> Runbook {
    use StepKind::{Change, Precheck, Rollback, Verify};
    Runbook {
        steps: vec![
            step("look", Precheck, true, None),
            step("one", Change, idempotent, Some("undo-one")),
            step("two", Change, idempotent, Some("undo-two")),
            step("three", Change, idempotent, Some("undo-three")),
            step("check", Verify, true, None),
            step("undo-one", Rollback, idempotent, None),
            step("undo-two", Rollback, idempotent, None),
            step("undo-three", Rollback, idempotent, None),
        ],
        ..runbook(idempotent)
    }
}

/// Runs until the process dies at a request or the run ends. True when it died.
async fn until_it_dies(bench: &Bench, runbook: &Runbook, execution: Execution, at: usize, takes_effect: bool) -> bool {
    let (dies, died) = tokio::sync::oneshot::channel();
    *bench.world.crash.lock().unwrap() = Some((at, takes_effect, dies));
    tokio::select! {
        _ = bench.engine.run(execution, runbook, &Free) => false,
        // Dropping the run in the middle is what a crash does to it.
        Ok(()) = died => true,
    }
}

#[tokio::test]
async fn a_crash_at_any_request_of_a_five_step_runbook_ends_in_the_truth_and_never_in_a_second_call() {
    let changes = ["one", "two", "three", "undo-one", "undo-two", "undo-three"];
    let mut worlds = tokio::task::JoinSet::new();
    for idempotent in [false, true] {
        for broken in ["none", "look", "one", "two", "three", "check"] {
            for takes_effect in [false, true] {
                worlds.spawn(async move {
                    let (runbook, mut points) = (five_steps(idempotent), 0);
                    for nth in 1.. {
                        let bench = Bench::new().await;
                        bench.world.set("check", Behaviour::Tells("three"));
                        bench.world.set(broken, Behaviour::Answer(if broken == "look" { 404 } else { 500 }));
                        let died = until_it_dies(&bench, &runbook, bench.stored(&runbook).await, nth, takes_effect).await;
                        if died {
                            bench.engine.run(bench.current().await, &runbook, &Free).await.unwrap();
                        }
                        let state = bench.current().await.state;
                        let told = format!(
                            "{broken} idempotent {idempotent} request {nth} effect {takes_effect}: {state:?} {:?}",
                            bench.world.paths()
                        );
                        bench.check_log().await;
                        let count = |path: &str| bench.world.count(path);
                        for change in changes {
                            // An idempotent one that fails is tried three times, and once more for the answer that was lost.
                            let most = if idempotent { 4 } else { 1 };
                            assert!(count(change) <= most, "{told}");
                        }
                        let all = count("one") > 0 && count("two") > 0 && count("three") > 0;
                        let any = count("one") + count("two") + count("three") > 0;
                        match state {
                            // What took effect while the process died is found by the verify, whatever the next answer had been.
                            ExecutionState::Succeeded => {
                                assert!(all && count("check") > 0 && (broken == "none" || died && takes_effect), "{told}");
                            }
                            ExecutionState::Refused => assert!(!any && broken == "look", "{told}"),
                            ExecutionState::RolledBack => {
                                assert!(!matches!(broken, "none" | "look"), "{told}");
                                for (change, undo) in [("one", "undo-one"), ("two", "undo-two"), ("three", "undo-three")] {
                                    assert!(count(change) == 0 || count(undo) > 0, "{change} was left in place: {told}");
                                }
                            }
                            // Only what cannot be asked about or sent again leaves a doubt.
                            ExecutionState::InDoubt => assert!(died && !idempotent, "{told}"),
                            other => panic!("{other:?}: {told}"),
                        }
                        if !died {
                            break;
                        }
                        points += 1;
                    }
                    points
                });
            }
        }
    }
    let mut points = 0;
    while let Some(crashed) = worlds.join_next().await {
        points += crashed.unwrap();
    }
    assert!(points >= 100, "{points}");
}
