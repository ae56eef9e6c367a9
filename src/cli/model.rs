//! `model`: which models there are, which decides, put another in its place, go back, let one look on.
//!
//! `list` and `show` read the folder of models; with `--url` they ask a running service, which also knows which was promoted.
//! What changes anything goes through a running service: it is the one that compares, records and puts in force.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use super::{Outcome, assemble, remote::OptionalRemote};
use crate::{
    domain::name::ModelName,
    triage::{self, Manifest, interval},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the models.
    List(List),
    /// Show one model: its data, metrics and digests.
    Show(Show),
    /// Compare a model with the one in force on the frozen texts: what a promotion goes by.
    Compare(One),
    /// Put a model in force, through a running service. A significant loss on any label is refused.
    Promote(One),
    /// Put the model before the last promotion back in force, through a running service.
    Rollback(Change),
    /// Let a model answer beside the one in force, through a running service; `--end` ends it.
    Shadow(Shadow),
}

#[derive(Debug, Parser)]
pub struct List {
    #[command(flatten)]
    config: assemble::ConfigArgs,
    #[command(flatten)]
    remote: OptionalRemote,
    /// As JSON, for machines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Parser)]
pub struct Show {
    #[command(flatten)]
    list: List,
    name: ModelName,
}

#[derive(Debug, Parser)]
pub struct One {
    #[command(flatten)]
    change: Change,
    name: ModelName,
}

#[derive(Debug, Parser)]
pub struct Change {
    #[command(flatten)]
    remote: OptionalRemote,
    /// As JSON, for machines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Parser)]
pub struct Shadow {
    #[command(flatten)]
    change: Change,
    #[arg(required_unless_present = "end")]
    name: Option<ModelName>,
    /// No model looks on any longer.
    #[arg(long, conflicts_with = "name")]
    end: bool,
}

pub fn run(command: &Command) -> Outcome {
    match command {
        Command::List(args) => list(args),
        Command::Show(args) => show(args),
        Command::Compare(args) => {
            let answer = args.change.remote.require()?.get(&format!("/v1/models/{}/comparison", args.name))?;
            compared(&answer["comparison"], args.change.json)
        }
        Command::Promote(args) => {
            let remote = args.change.remote.require()?;
            let revision = revision(&remote)?;
            let answer = remote.post(&format!("/v1/models/{}/promote", args.name), &json!({"revision": revision}))?;
            eprintln!("`{}` is in force", args.name);
            compared(&answer["comparison"], args.change.json)
        }
        Command::Rollback(args) => {
            let remote = args.remote.require()?;
            let answer = remote.post("/v1/model-rollback", &json!({"revision": revision(&remote)?}))?;
            chosen(&answer, args.json)
        }
        Command::Shadow(args) => {
            let remote = args.change.remote.require()?;
            let body = json!({"model": args.name, "revision": revision(&remote)?});
            chosen(&remote.put("/v1/model-shadow", &body)?, args.change.json)
        }
    }
}

fn revision(remote: &super::remote::Remote) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
    Ok(remote.get("/v1/models")?["chosen"]["revision"].clone())
}

fn printed(value: &Value) -> Outcome {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(ExitCode::SUCCESS)
}

fn chosen(models: &Value, as_json: bool) -> Outcome {
    if as_json {
        return printed(models);
    }
    println!("in force: {}", models["in_force"]["name"].as_str().unwrap_or("as configured"));
    println!("looks on: {}", models["shadow"]["version"]["name"].as_str().unwrap_or("none"));
    Ok(ExitCode::SUCCESS)
}

/// 1 when a promotion would be refused.
fn compared(comparison: &Value, as_json: bool) -> Outcome {
    let refusals: Vec<&str> = comparison["refusals"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if as_json {
        printed(comparison)?;
    } else {
        for (target, change) in comparison["targets"].as_object().into_iter().flatten() {
            let all = &change["all"];
            println!(
                "{target}: {} of {} right, before {}; loses {}, gains {}",
                all["right_after"], all["texts"], all["right_before"], all["lost"], all["gained"]
            );
        }
        refusals.iter().for_each(|refusal| println!("refused: {refusal}"));
    }
    Ok(if refusals.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every model as `GET /v1/models` gives it; without a service, as the folder has it, with the configured one in force.
fn listed(args: &List) -> Result<Vec<Value>, Box<dyn std::error::Error + Send + Sync>> {
    if let Some(remote) = args.remote.get()? {
        return Ok(remote.get("/v1/models")?["models"].as_array().cloned().unwrap_or_default());
    }
    let config = args.config.load()?.triage;
    let configured = config.model.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let line = |shelved: triage::Shelved| {
        let standing = if shelved.name == configured { "configured" } else { "candidate" };
        Ok(match shelved.manifest {
            Ok((manifest, digest)) => json!({"name": shelved.name, "standing": standing, "digest": digest, "manifest": manifest}),
            Err(why) => json!({"name": shelved.name, "standing": "unusable", "refused": why.to_string()}),
        })
    };
    triage::shelf(&config.models)?.into_iter().map(line).collect()
}

fn list(args: &List) -> Outcome {
    let models = listed(args)?;
    if args.json {
        return printed(&json!({"models": models}));
    }
    for model in &models {
        let (name, standing) = (model["name"].as_str().unwrap_or_default(), model["standing"].as_str().unwrap_or_default());
        let said = match serde_json::from_value::<Manifest>(model["manifest"].clone()) {
            Ok(manifest) => manifest
                .heads
                .iter()
                .map(|(target, head)| format!("{target} {:.1} % of {}", head.metrics.accuracy * 100.0, head.metrics.examples))
                .collect::<Vec<_>>()
                .join(", "),
            Err(_) => model["refused"].as_str().unwrap_or_default().to_owned(),
        };
        println!("{name:<24} {standing:<10} {said}");
    }
    Ok(ExitCode::SUCCESS)
}

fn show(args: &Show) -> Outcome {
    let found = listed(&args.list)?.into_iter().find(|model| model["name"] == args.name.as_str());
    let Some(model) = found else { return Err(format!("there is no model `{}`; `sluicegate model list` has all", args.name).into()) };
    if args.list.json {
        return printed(&model);
    }
    let Ok(manifest) = serde_json::from_value::<Manifest>(model["manifest"].clone()) else {
        return Err(model["refused"].as_str().unwrap_or("its manifest cannot be read").into());
    };
    println!("{}: {}", args.name, model["standing"].as_str().unwrap_or_default());
    println!("manifest {}", model["digest"].as_str().unwrap_or_default());
    println!("weights  {}", manifest.weights);
    println!("trained by {}, seed {}, licence {}", manifest.engine, manifest.seed, manifest.licence);
    manifest.data.iter().for_each(|(name, digest)| println!("data     {name} {digest}"));
    for (target, head) in &manifest.heads {
        let m = &head.metrics;
        let (low, high) = interval((m.accuracy * m.examples as f64).round() as usize, m.examples);
        println!(
            "{target}: {} labels, {} examples, out of fold: accuracy {:.1} % ({:.1} to {:.1}), macro-F1 {:.1} %, calibration error {:.1} %",
            head.labels.len(),
            m.examples,
            m.accuracy * 100.0,
            low * 100.0,
            high * 100.0,
            m.macro_f1 * 100.0,
            m.ece * 100.0
        );
        println!("  claimed   right of answers");
        for bin in m.bins.iter().filter(|bin| bin.answers > 0) {
            println!("  {:>5.1} %   {} of {}", bin.claimed * 100.0, bin.right, bin.answers);
        }
    }
    Ok(ExitCode::SUCCESS)
}
