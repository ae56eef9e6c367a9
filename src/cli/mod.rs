//! The command line: one subcommand a file, progress on standard error, results on standard output.
//!
//! Exit codes: 0 done, 1 refused or not in order (the message says what), 2 wrong usage.

pub mod assemble;
mod config;
mod connector;
mod demo;
mod evaluate;
mod execution;
mod feedback;
mod init;
mod log;
mod model;
mod openapi;
mod outbox;
mod person;
mod policy;
mod pre_approval;
mod progress;
mod remote;
mod replay;
mod runbook;
mod runbook_import;
mod runbook_new;
mod runbook_show;
mod serve;
mod since;
mod stdin_password;
mod switches;
mod token;
mod train;
mod triage;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Whatever stopped a command, as one text for people.
type Outcome = Result<ExitCode, Box<dyn std::error::Error + Send + Sync>>;

/// Self-hosted ticket triage: signed webhooks in, gated runbook automation out, every decision provable.
#[derive(Debug, Parser)]
#[command(name = "sluicegate", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole way of a ticket on sample tickets; nothing to configure.
    Demo(demo::Args),
    /// Run the service.
    Serve(serve::Args),
    /// Write a configuration with the shipped runbooks, policies, signals and model into a folder.
    Init(init::Args),
    /// Decide on one ticket without a server: JSON in, the whole decision out.
    Triage(triage::Args),
    /// Train a model from labelled tickets or from the category catalogue.
    Train(train::Args),
    /// Measure a model on labelled tickets.
    Evaluate(evaluate::Args),
    /// List and show models, compare one with the one in force, promote it, go back, or let it look on.
    #[command(subcommand)]
    Model(model::Command),
    /// Show what people corrected and rule over what was set aside; through a running service.
    #[command(subcommand)]
    Feedback(feedback::Command),
    /// Check, show and measure runbooks.
    #[command(subcommand)]
    Runbook(runbook::Command),
    /// Check and test the gate's policies.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Verify an export of the action log offline.
    #[command(subcommand)]
    Log(log::Command),
    /// Make a past decision again and compare it bit for bit.
    Replay(replay::Args),
    /// Make API tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// Make a runbook a standard change, list those that are, or take one back; through a running service.
    #[command(subcommand)]
    PreApproval(pre_approval::Command),
    /// List and show runs, stop one, say what became of one in doubt, or have one taken back; through a running service.
    #[command(subcommand)]
    Execution(execution::Command),
    /// Set people's passwords.
    #[command(subcommand)]
    Person(person::Command),
    /// Show and set how far Sluicegate may go, through a running service.
    #[command(subcommand)]
    Mode(switches::ModeCommand),
    /// Stop every run before its next step, or let runs start again, through a running service.
    #[command(subcommand)]
    KillSwitch(switches::KillSwitchCommand),
    /// Let people approve a proposal although a freeze is in force, through a running service.
    #[command(subcommand)]
    FreezeOverride(switches::FreezeOverrideCommand),
    /// Show what leaves and what became of it, and send messages again, through a running service.
    #[command(subcommand)]
    Outbox(outbox::Command),
    /// Show how webhook endpoints do, enable one that was disabled, and make signing keys.
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Check and show the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Try the systems that runbooks call.
    #[command(subcommand)]
    Connector(connector::Command),
    /// Print the API document (OpenAPI 3.1).
    Openapi,
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    // Before any command: the first client that is built panics without.
    crate::outbound::install_cryptography();
    let outcome = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Triage(args) => triage::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Model(command) => model::run(&command),
        Command::Feedback(command) => feedback::run(&command),
        Command::Runbook(command) => runbook::run(&command),
        Command::Policy(command) => policy::run(&command),
        Command::Log(command) => log::run(&command),
        Command::Replay(args) => replay::run(&args),
        Command::Token(command) => token::run(&command),
        Command::PreApproval(command) => pre_approval::run(&command),
        Command::Execution(command) => execution::run(&command),
        Command::Person(command) => person::run(&command),
        Command::Mode(command) => switches::mode(&command),
        Command::KillSwitch(command) => switches::kill_switch(&command),
        Command::FreezeOverride(command) => switches::freeze_override(&command),
        Command::Outbox(command) => outbox::run(&command),
        Command::Webhook(command) => webhook::run(&command),
        Command::Config(command) => config::run(&command),
        Command::Connector(command) => connector::run(&command),
        Command::Openapi => openapi::run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        let mut cause = error.source();
        while let Some(next) = cause {
            eprintln!("  because: {next}");
            cause = next.source();
        }
        ExitCode::FAILURE
    })
}

/// The runtime of commands that wait for the network or the store.
///
/// More threads than processors: the gate before a step and the head of a hostile answer are a millisecond of work in one
/// piece, and with a thread a processor a webhook that comes meanwhile would wait for its end. So the system shares
/// the processors (`cargo bench --bench executions`: intake's p99 beside a hundred runs fell from 1.2 times what it is without them to 0.9 times).
///
/// # Errors
/// The system gives no threads.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread().worker_threads(4 * processors).enable_all().build()
}
