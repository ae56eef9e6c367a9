//! The store fails at each commit of one ticket's whole way in turn, before and after it is durable.
//!
//! Whatever fails, and whether or not it was written: the acknowledged ticket is there, it ends where the truth is,
//! and a step that must not be sent twice was not.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use sluicegate::{
    domain::{execution::ExecutionState, id::TicketId, state::TicketState},
    pipeline::{reload::reload, workers},
    store::{
        faulty::{Fault, Faulty},
        interface::Store,
    },
};

use crate::{
    app::RUNBOOK,
    way_world::{GENEROUS, World, does_not_print, tenant, within},
};

/// Which commit from now on fails, and how.
#[derive(Clone, Default)]
struct Broken(Arc<Mutex<Option<(u32, Fault)>>>);

impl Broken {
    fn at(&self, commit: u32, fault: Fault) {
        *self.0.lock().unwrap() = Some((commit, fault));
    }

    /// Whole again. True when nothing had failed: the way took fewer commits.
    fn heal(&self) -> bool {
        self.0.lock().unwrap().take().is_some()
    }

    fn next(&self) -> Fault {
        let mut armed = self.0.lock().unwrap();
        match armed.as_mut() {
            Some((1, _)) => armed.take().map_or(Fault::None, |(_, fault)| fault),
            Some((commits, _)) => {
                *commits -= 1;
                Fault::None
            }
            None => Fault::None,
        }
    }
}

/// Every worker steps, whatever it says, and time passes, until none finds anything.
async fn step_through(world: &World) {
    for _ in 0..40 {
        let service = world.service();
        let mut found = 0;
        for _ in 0..4 {
            found += workers::triage::step(service).await.unwrap_or(1);
            found += workers::execute::step(service, 16).await.unwrap_or(1);
            found += workers::deliver::step(service, 16).await.unwrap_or(1);
        }
        if found == 0 {
            return;
        }
        // Longer than a lease, and than the first wait of a message.
        world.app.ambient.turn(Duration::from_secs(61));
    }
    panic!("the workers do not come to rest");
}

/// The sender sends until it is told that the ticket is kept.
async fn acknowledged(world: &World, external_id: &str, host: &str) -> TicketId {
    for _ in 0..3 {
        let answer = world.deliver(&format!("fault_{external_id}"), &does_not_print(external_id, host)).await;
        if answer.status == 202 {
            return answer.json()["tickets"][0].as_str().unwrap().parse().unwrap();
        }
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    panic!("a whole store takes no delivery");
}

/// Walks one ticket after the other with the fault at commit 1, 2, … until the way has no such commit.
async fn fails_at_each_commit(fault: Fault, doubts: u32) {
    let broken = Broken::default();
    let plan = broken.clone();
    let wrap = move |inner: Arc<dyn Store>| -> Arc<dyn Store> {
        Arc::new(Faulty::new(inner, move |call| if call.change.is_some() { plan.next() } else { Fault::None }))
    };
    let world = World::on(|config| config.gate.storm_size = 1000, wrap).await;
    let once = RUNBOOK.replace("idempotent: true", "idempotent: false");
    assert_ne!(once, RUNBOOK);
    std::fs::write(world.app.folder.path().join("runbooks/restart-spooler.md"), once).unwrap();
    assert!(reload(world.service()).await);
    world.automated(GENEROUS).await;

    let (mut commit, mut in_doubt) = (1, 0);
    loop {
        assert!(commit < 60, "the way does not end");
        let (external_id, host) = (commit.to_string(), format!("prn-{commit:05}"));
        broken.at(commit, fault);
        let id = acknowledged(&world, &external_id, &host).await;
        within("the workers to come to rest", step_through(&world)).await;
        let whole = broken.heal();

        let (ticket, runs) = (world.ticket(id).await, world.runs(id).await);
        let restart = format!("/hosts/{host}/restart");
        let calls = world.automation.changes().iter().filter(|call| call.path == restart).count();
        let said = world.desk.comments(&external_id);
        let told =
            format!("{fault:?} at commit {commit}: {} {:?}, {calls} calls, {said:?}", ticket.state, runs.first().map(|run| run.state));
        assert_eq!(runs.len(), 1, "{told}");
        match runs[0].state {
            ExecutionState::Succeeded => assert_eq!((ticket.state, calls), (TicketState::Resolved, 1), "{told}"),
            // Nobody can know whether the call arrived; a person must look.
            ExecutionState::InDoubt => {
                in_doubt += 1;
                assert_eq!(ticket.state, TicketState::InDoubt, "{told}");
                assert!(calls <= 1, "{told}");
            }
            _ => panic!("{told}"),
        }
        let marks: std::collections::BTreeSet<&str> = said.iter().filter_map(|text| text.lines().last()).collect();
        assert_eq!((said.len(), marks.len()), (2, 2), "what was said and the end of it, each once: {told}");
        let waiting = world.store().messages_for(&tenant(), id).await.unwrap();
        assert_eq!(waiting.len(), 2, "{told}");
        world.audit().await;
        if whole {
            break;
        }
        commit += 1;
    }
    // Receiving, triage, the run's begin, three steps with begin and end, its end, two messages with begin and end.
    assert_eq!(commit - 1, 14, "the way has other commits than this test was written for");
    assert_eq!(in_doubt, doubts);
}

#[tokio::test]
async fn a_store_that_fails_before_any_one_commit_loses_nothing_and_repeats_nothing() {
    // A call whose outcome could not be written down is not sent again; the verify step shows that it worked.
    fails_at_each_commit(Fault::Before, 0).await;
}

#[tokio::test]
async fn a_store_that_fails_after_any_one_commit_loses_nothing_and_repeats_nothing() {
    // The begin of the restart is on record, it was never sent, and the verify step does not find it done: only a
    // person can say whether it may be sent.
    fails_at_each_commit(Fault::After, 1).await;
}
