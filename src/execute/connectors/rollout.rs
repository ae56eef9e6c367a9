//! Whether a rollout of Kubernetes is over, read from the object as `kubectl rollout status` reads it.
//!
//! Pure. A field that is missing counts as zero or as not there, as the API leaves out zeros.

use serde_json::Value;

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rollout {
    Complete,
    Waiting(&'static str),
    /// It will not come to an end by itself.
    Stuck(&'static str),
}

pub(super) fn generation(object: &Value) -> Option<u64> {
    object.pointer("/metadata/generation")?.as_u64()
}

fn number(object: &Value, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

pub(super) fn of(object: &Value) -> Rollout {
    let Some(wanted) = generation(object) else { return Rollout::Waiting("the answer is not an object of a cluster") };
    if number(object, "/status/observedGeneration") < wanted {
        return Rollout::Waiting("its controller has not seen the change yet");
    }
    match object.get("kind").and_then(Value::as_str) {
        Some("Deployment") => of_deployment(object),
        Some("StatefulSet") => of_stateful_set(object),
        Some("DaemonSet") => of_daemon_set(object),
        _ => Rollout::Waiting("objects of its kind are not rolled out"),
    }
}

fn replicas(object: &Value) -> u64 {
    // The API server fills in 1 where nothing was given.
    object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1)
}

fn of_deployment(object: &Value) -> Rollout {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let late = |condition: &Value| {
        condition.get("type").and_then(Value::as_str) == Some("Progressing")
            && condition.get("reason").and_then(Value::as_str) == Some("ProgressDeadlineExceeded")
    };
    if conditions.into_iter().flatten().any(late) {
        return Rollout::Stuck("it did not progress within its deadline");
    }
    let updated = number(object, "/status/updatedReplicas");
    if updated < replicas(object) {
        Rollout::Waiting("new replicas are still to be made")
    } else if number(object, "/status/replicas") > updated {
        Rollout::Waiting("old replicas are still to end")
    } else if number(object, "/status/availableReplicas") < updated {
        Rollout::Waiting("new replicas are still to become available")
    } else {
        Rollout::Complete
    }
}

fn updates_itself(object: &Value) -> bool {
    object.pointer("/spec/updateStrategy/type").and_then(Value::as_str).is_none_or(|kind| kind == "RollingUpdate")
}

fn of_stateful_set(object: &Value) -> Rollout {
    if !updates_itself(object) {
        return Rollout::Stuck("its update strategy leaves its pods as they are");
    }
    let wanted = replicas(object);
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    if number(object, "/status/readyReplicas") < wanted {
        Rollout::Waiting("pods are still to become ready")
    } else if partition > 0 {
        match number(object, "/status/updatedReplicas") < wanted.saturating_sub(partition) {
            true => Rollout::Waiting("pods above the partition are still to be replaced"),
            false => Rollout::Complete,
        }
    } else if object.pointer("/status/updateRevision") != object.pointer("/status/currentRevision") {
        Rollout::Waiting("pods are still to be replaced")
    } else {
        Rollout::Complete
    }
}

fn of_daemon_set(object: &Value) -> Rollout {
    if !updates_itself(object) {
        return Rollout::Stuck("its update strategy leaves its pods as they are");
    }
    let wanted = number(object, "/status/desiredNumberScheduled");
    if number(object, "/status/updatedNumberScheduled") < wanted {
        Rollout::Waiting("pods are still to be replaced")
    } else if number(object, "/status/numberAvailable") < wanted {
        Rollout::Waiting("new pods are still to become available")
    } else {
        Rollout::Complete
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(status: &Value) -> Value {
        json!({"kind": "Deployment", "metadata": {"generation": 4}, "spec": {"replicas": 3}, "status": status})
    }

    #[test]
    fn a_deployment_is_rolled_out_when_all_of_it_is_new_and_available() {
        let done = json!({"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3});
        assert_eq!(of(&deployment(&done)), Rollout::Complete);
        for (field, value) in [("observedGeneration", 3), ("updatedReplicas", 2), ("replicas", 4), ("availableReplicas", 2)] {
            let mut status = done.clone();
            status[field] = value.into();
            assert!(matches!(of(&deployment(&status)), Rollout::Waiting(_)), "{field}");
            status.as_object_mut().unwrap().remove(field);
            let left_out = of(&deployment(&status));
            assert_eq!(left_out == Rollout::Complete, field == "replicas", "{field} left out: {left_out:?}");
        }
        let mut late = done;
        late["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
        assert!(matches!(of(&deployment(&late)), Rollout::Stuck(_)));
    }

    #[test]
    fn a_stateful_set_and_a_daemon_set_are_rolled_out_by_their_own_counts() {
        let set = |revision: &str, ready: u64| {
            json!({"kind": "StatefulSet", "metadata": {"generation": 2}, "spec": {"replicas": 2},
                   "status": {"observedGeneration": 2, "readyReplicas": ready, "currentRevision": "a", "updateRevision": revision}})
        };
        assert_eq!(of(&set("a", 2)), Rollout::Complete);
        assert!(matches!(of(&set("b", 2)), Rollout::Waiting(_)) && matches!(of(&set("a", 1)), Rollout::Waiting(_)));
        let daemons = |updated: u64, available: u64| {
            json!({"kind": "DaemonSet", "metadata": {"generation": 2}, "spec": {},
                   "status": {"observedGeneration": 2, "desiredNumberScheduled": 5, "updatedNumberScheduled": updated, "numberAvailable": available}})
        };
        assert_eq!(of(&daemons(5, 5)), Rollout::Complete);
        assert!(matches!(of(&daemons(4, 5)), Rollout::Waiting(_)) && matches!(of(&daemons(5, 4)), Rollout::Waiting(_)));
        let by_hand = json!({"kind": "DaemonSet", "metadata": {"generation": 1}, "spec": {"updateStrategy": {"type": "OnDelete"}},
                             "status": {"observedGeneration": 1}});
        assert!(matches!(of(&by_hand), Rollout::Stuck(_)));
    }

    #[test]
    fn what_is_no_object_is_never_complete() {
        for odd in
            [json!(null), json!({}), json!({"kind": "Pod", "metadata": {"generation": 1}, "status": {"observedGeneration": 1}}), json!([])]
        {
            assert!(matches!(of(&odd), Rollout::Waiting(_)), "{odd}");
        }
    }
}
