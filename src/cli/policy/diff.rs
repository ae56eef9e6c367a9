//! `policy diff`: two policy folders, rule by rule, and the verdicts that change.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use clap::Parser;

use super::{receipts, tell};
use crate::{
    cli::Outcome,
    gate::{
        PolicySet,
        backtest::{Again, Backtest},
        cases,
        diff::{Difference, What, differences},
    },
};

#[derive(Debug, Parser)]
pub struct Args {
    /// The folder that is compared with.
    before: PathBuf,
    after: PathBuf,
    /// Receipts as JSON Lines (`policy backtest --save` makes them): which of their verdicts differ.
    #[arg(long, value_name = "FILE")]
    receipts: Option<PathBuf>,
    /// Print the differences as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Outcome {
    let (before, after) = (PolicySet::load(&args.before)?, PolicySet::load(&args.after)?);
    let rules = differences(&before, &after);
    let mut of_cases = Backtest::between(&before, &after, receipts::threads());
    // A case that stands in both folders is looked at once.
    let mut facts = BTreeMap::new();
    for folder in [&args.before, &args.after].map(|folder| folder.join("tests")) {
        if folder.exists() {
            for (name, found) in cases::facts_of(&folder)? {
                facts.insert(name, serde_json::to_value(&found)?);
            }
        }
    }
    let asked: Vec<Again<'_>> =
        facts.iter().map(|(name, facts)| Again { name: format!("`{name}`"), runbook: None, facts, past: None }).collect();
    of_cases.take(&asked);
    let of_cases = of_cases.report();
    let of_receipts = match &args.receipts {
        Some(path) => {
            let mut backtest = Backtest::between(&before, &after, receipts::threads());
            receipts::feed_file(path, &mut backtest)?;
            Some(backtest.report())
        }
        None => None,
    };
    let same = rules.is_empty() && of_cases.changed() == 0 && of_receipts.as_ref().is_none_or(|report| report.changed() == 0);
    if args.json {
        let all = serde_json::json!({"rules": rules, "cases": of_cases, "receipts": of_receipts});
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        println!("before {} ({})\nafter  {} ({})", before.digest(), args.before.display(), after.digest(), args.after.display());
        println!("{} rule(s) differ", rules.len());
        rules.iter().for_each(tell_rule);
        print!("\n{}", tell::told(&of_cases, "cases"));
        if let Some(report) = &of_receipts {
            print!("\n{}", tell::told(report, "receipts"));
        }
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell_rule(difference: &Difference) {
    let sign = match difference.what {
        What::Added => "+",
        What::Removed => "-",
        What::Rule | What::Reason => "~",
    };
    if let Some(info) = difference.after.as_ref().or(difference.before.as_ref()) {
        println!("{sign} {} `{}`: {}", info.effect(), difference.id, info.reason);
    }
    let indented = |sign: &str, source: &str| source.lines().for_each(|line| println!("    {sign} {line}"));
    match (difference.what, &difference.before, &difference.after) {
        (What::Rule, Some(before), Some(after)) => {
            indented("-", &before.source);
            indented("+", &after.source);
        }
        (What::Reason, Some(before), _) => println!("    its reason was: {}", before.reason),
        _ => {}
    }
}
