//! The loops: claim, work, sleep until a bell, until the service stops.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

use super::{cosign, deliver, digest, execute, expire, probe, publish, similar, triage};
use crate::pipeline::{
    announce::announce,
    error::Result,
    service::{Bells, Service},
};

/// The running loops.
pub struct Workers {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// A poll interval of zero would keep a processor busy.
const SHORTEST_POLL: Duration = Duration::from_millis(10);

/// Starts the loops. Runs have many loops that take one piece each, so none waits for another; messages have one loop with
/// a task for each.
pub fn start(service: &Arc<Service>) -> Workers {
    let (stop, stopped) = watch::channel(false);
    let mut workers = Workers { tasks: JoinSet::new(), stop };
    let settings = &service.config.pipeline;
    // Listens before any worker can commit, and ends with them.
    let announcing = announce(Arc::clone(service), service.store.listen());
    let mut ending = stopped.clone();
    workers.tasks.spawn(async move {
        tokio::select! {
            () = announcing => {}
            _ = ending.changed() => {}
        }
    });
    workers.spawn(service, &stopped, "triage", |bells| &bells.tickets, |service| async move { triage::step(&service).await });
    for _ in 0..settings.executions.max(1) {
        workers.spawn(service, &stopped, "execute", |bells| &bells.executions, |service| async move { execute::step(&service, 1).await });
    }
    workers.tasks.spawn(deliver::run(Arc::clone(service), stopped.clone(), settings.poll.get().max(SHORTEST_POLL)));
    workers.spawn(service, &stopped, "publish", |bells| &bells.clock, |service| async move { publish::step(&service).await });
    workers.spawn(service, &stopped, "cosign", |bells| &bells.clock, |service| async move { cosign::step(&service).await });
    workers.spawn(service, &stopped, "digest", |bells| &bells.clock, |service| async move { digest::step(&service).await });
    workers.spawn(service, &stopped, "expire", |bells| &bells.clock, |service| async move { expire::step(&service).await });
    workers.spawn(service, &stopped, "similar", |bells| &bells.clock, |service| async move { similar::step(&service).await });
    for (connector, every) in service.connectors.probed_every() {
        let (service, mut ending) = (Arc::clone(service), stopped.clone());
        workers.tasks.spawn(async move {
            while !*ending.borrow() {
                probe::step(&service, &connector).await;
                tokio::select! {
                    () = tokio::time::sleep(every) => {}
                    _ = ending.changed() => {}
                }
            }
        });
    }
    workers
}

impl Workers {
    fn spawn<F, Fut>(
        &mut self,
        service: &Arc<Service>,
        stopped: &watch::Receiver<bool>,
        name: &'static str,
        bell: fn(&Bells) -> &Notify,
        step: F,
    ) where
        F: Fn(Arc<Service>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<usize>> + Send + 'static,
    {
        let service = Arc::clone(service);
        let mut stopped = stopped.clone();
        let poll = service.config.pipeline.poll.get().max(SHORTEST_POLL);
        self.tasks.spawn(async move {
            while !*stopped.borrow() {
                // Listen before looking, so that a ring between the two is heard.
                let mut rung = pin!(bell(&service.bells).notified());
                rung.as_mut().enable();
                // In a task of its own, so that a panic ends the step and not the worker.
                let mut one = JoinSet::new();
                one.spawn(step(Arc::clone(&service)));
                match one.join_next().await {
                    Some(Ok(Ok(0))) | None => {}
                    Some(Ok(Ok(_))) => continue,
                    Some(Ok(Err(error))) => tracing::error!(worker = name, %error, "the worker's step failed and will be tried again"),
                    Some(Err(error)) => tracing::error!(worker = name, %error, "the worker's step panicked and will be tried again"),
                }
                tokio::select! {
                    () = &mut rung => {}
                    () = tokio::time::sleep(poll) => {}
                    _ = stopped.changed() => {}
                }
            }
        });
    }

    /// Lets each loop finish the step it is in, then ends.
    pub async fn stop(mut self) {
        // Receivers live as long as the tasks; none left means all ended.
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}
