//! `serve`: the service until it is asked to stop.

use std::process::ExitCode;

use clap::Parser;

use super::{Outcome, assemble};
use crate::{
    domain::name::TenantId,
    pipeline::{self, workers},
    server::Application,
    telemetry,
};

#[derive(Debug, Parser)]
pub struct Args {
    #[command(flatten)]
    config: assemble::ConfigArgs,
}

pub fn run(args: &Args) -> Outcome {
    let started = std::time::Instant::now();
    let config = args.config.load()?;
    telemetry::init(config.telemetry.format.as_str(), &config.telemetry.level)?;
    super::runtime()?.block_on(async {
        let service = assemble::service(config).await?;
        pipeline::reload::mark_void(&service).await;
        if let Err(error) = pipeline::actions::endpoint::count_disabled(&service).await {
            tracing::warn!(%error, "which webhooks are disabled does not show in the metrics until one changes");
        }
        let application = Application::bind(service.clone()).await?;
        let workers = workers::start(&service);
        tracing::info!(
            address = %application.address(),
            version = env!("CARGO_PKG_VERSION"),
            log_key = %service.key.verifier(),
            milliseconds = started.elapsed().as_millis() as u64,
            "sluicegate is ready"
        );
        // Not a log line: what reads logs is not meant to get it.
        if let Some(link) = pipeline::actions::invitation::first_admin(&service, &TenantId::default()).await? {
            let until = link.invitation.expires_at;
            eprintln!("nobody can sign in to the console yet; the first admin opens, once, until {until}:");
            eprintln!("    {}", link.link(&service.config.server.public_url));
        }
        let reload = tokio::spawn(reload_on_hangup(service.clone()));
        application.run_until(asked_to_stop()).await?;
        tracing::info!("stopping: requests are drained, workers finish their step");
        reload.abort();
        workers.stop().await;
        service.store.close().await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Completes at the first interrupt or terminate signal.
async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}

/// SIGHUP loads policies, runbooks, signals and model again; what cannot be loaded leaves the last good in force.
async fn reload_on_hangup(service: std::sync::Arc<crate::pipeline::service::Service>) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
        while hangup.recv().await.is_some() {
            crate::pipeline::reload::reload(&service).await;
        }
    }
    #[cfg(not(unix))]
    let _ = service;
}
