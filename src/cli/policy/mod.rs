//! `policy …`: the gate's policies, before they are put in force and after.

mod backtest;
mod cases;
mod check;
mod diff;
mod explain;
mod receipts;
mod shadow_report;
mod tell;

use clap::Subcommand;

use super::Outcome;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Validate policies against the schema and point out rules that cannot do what they look like.
    Check(check::Args),
    /// Run the cases beside the policies.
    Test(cases::Args),
    /// Show one decision on one screen: what refused, what held, which policies had nothing to say.
    Explain(explain::Args),
    /// Compare two policy folders: rules, and the verdicts that change.
    Diff(diff::Args),
    /// Make past decisions again under other policies and list each verdict that would change.
    Backtest(backtest::Args),
    /// Would have acted so often, and what people then did: agreement per runbook, and every disagreement.
    ShadowReport(shadow_report::Args),
}

pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Check(args) => check::run(args),
        Command::Test(args) => cases::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Backtest(args) => backtest::run(args),
        Command::ShadowReport(args) => shadow_report::run(args),
    }
}
