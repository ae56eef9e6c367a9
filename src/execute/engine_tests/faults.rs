//! A connector that lies, hangs, half-succeeds, refuses or fails, at every step of a five-step run and at every rollback.

use super::{crashes::five_steps, *};

/// Where a run ends when step `failing` behaves so, in a runbook of steps that are not idempotent.
fn truth(failing: &str, behaviour: Behaviour) -> ExecutionState {
    use Behaviour::{Answer, EffectThenCut, Hang};
    use ExecutionState::{Failed, InDoubt, Refused, RolledBack, Succeeded};
    let unknown = matches!(behaviour, Hang | EffectThenCut);
    match failing {
        "look" => Refused,
        // Received and refused before anything was changed.
        "one" if behaviour == Answer(404) => Refused,
        // What comes next would build on it.
        "one" | "two" if unknown => InDoubt,
        // The verify can tell: it was received.
        "three" if unknown => Succeeded,
        "one" | "two" | "three" | "check" => RolledBack,
        _ if unknown => InDoubt,
        _ => Failed,
    }
}

#[tokio::test]
async fn a_fault_of_any_kind_at_any_step_ends_in_the_state_that_tells_the_truth() {
    let mut cases = tokio::task::JoinSet::new();
    for failing in ["look", "one", "two", "three", "check", "undo-one", "undo-two", "undo-three"] {
        for behaviour in [
            Behaviour::Lie,
            Behaviour::Hang,
            Behaviour::EffectThenCut,
            Behaviour::Answer(302),
            Behaviour::Answer(404),
            Behaviour::Answer(500),
        ] {
            cases.spawn(async move {
                let bench = Bench::new().await;
                bench.world.set("check", Behaviour::Tells("three"));
                if failing.starts_with("undo") {
                    bench.world.set("check", Behaviour::Answer(500));
                }
                bench.world.set(failing, behaviour);
                let mut runbook = five_steps(false);
                for step in &mut runbook.steps {
                    step.expect = Some("status == 200 && body.ok == true".to_owned());
                    if step.id.as_str() == failing && behaviour == Behaviour::Hang {
                        step.timeout = Duration::from_millis(250);
                    }
                }
                let ended = bench.run(&runbook).await;
                let told = format!("{failing} {behaviour:?}: {:?}", bench.world.paths());
                assert_eq!(ended.state, truth(failing, behaviour), "{told}");
                bench.check_log().await;
                for (change, undo) in [("one", "undo-one"), ("two", "undo-two"), ("three", "undo-three")] {
                    assert!(bench.world.count(change) <= 1 && bench.world.count(undo) <= 1, "{told}");
                    // What was received and refused has nothing to undo; everything else that was sent has.
                    let refused = failing == change && behaviour == Behaviour::Answer(404);
                    if ended.state == ExecutionState::RolledBack && bench.world.count(change) == 1 && !refused {
                        assert_eq!(bench.world.count(undo), 1, "{told}");
                    }
                }
            });
        }
    }
    assert_eq!(cases.len(), 48);
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}
