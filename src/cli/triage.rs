//! `triage`: the whole decision on one ticket, without a server.

use std::{io::Read as _, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Parser;

use super::{Outcome, assemble};
use crate::{
    domain::{
        ambient::Ambient as _,
        id::{DeliveryId, RecommendationId, TicketId},
        name::{SourceId, TenantId},
        state::TicketState,
        ticket::{Report, Ticket},
    },
    intake::adapters::json,
    pipeline::{circumstances::Circumstances, decider::Decider, directories::Directories, look_up},
    telemetry::Metrics,
};

#[derive(Debug, Parser)]
pub struct Args {
    #[command(flatten)]
    config: assemble::ConfigArgs,
    /// The ticket in the canonical form, as `POST /v1/tickets` takes it; standard input when absent.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The source the ticket counts as coming from.
    #[arg(long, default_value = "api")]
    source: SourceId,
}

pub fn run(args: &Args) -> Outcome {
    let config = args.config.load()?;
    let decider = Arc::new(Decider::load(&config)?);
    let directories = Directories::from_config(&config.directories)?;
    let mut body = Vec::new();
    match &args.file {
        Some(path) => body = std::fs::read(path).map_err(|why| format!("{} cannot be read: {why}", path.display()))?,
        None => {
            std::io::stdin().read_to_end(&mut body)?;
        }
    }
    let ticket = ticket(json::report(&body)?, args.source.clone());
    let proposal = decider.propose(&ticket, Vec::new());
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), 0.0);
    let settled = look_up::settle(&directories, &decider, &ticket, proposal, &assemble::System, &metrics);
    let proposal = super::runtime()?.block_on(settled);
    let circumstances = Circumstances::alone(ticket.received_at, decider.runbook_of(&proposal)?.map(|(runbook, _)| runbook));
    let recommendation = decider.judge(&ticket, proposal, &circumstances, RecommendationId::new(ticket.received_at, 0))?;
    println!("{}", serde_json::to_string_pretty(&recommendation)?);
    Ok(ExitCode::SUCCESS)
}

/// A ticket that no store holds.
fn ticket(report: Report, source: SourceId) -> Ticket {
    let now = assemble::System.now();
    Ticket {
        form: Ticket::FORM,
        id: TicketId::new(now, 0),
        tenant: TenantId::default(),
        source,
        delivery: DeliveryId::new(now, 0),
        report,
        state: TicketState::Received,
        version: 1,
        received_at: now,
        updated_at: now,
    }
}
