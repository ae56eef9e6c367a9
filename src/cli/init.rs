//! `init`: a folder to start from, with everything that is shipped inside the binary.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use include_dir::{Dir, include_dir};

use super::Outcome;

static RUNBOOKS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/runbooks");
static MODEL: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/models/service-desk");
// The light embedding travels in the binary; MiniLM is three times the rest together and stays in the repository.
static EMBEDDING: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/models/embedding/static");
// Both embeddings cut texts by the one vocabulary.
const VOCABULARY: &str = include_str!("../../models/embedding/minilm/vocabulary.txt");
const EMBEDDING_MANIFEST: &str = include_str!("../../models/embedding/manifest.json");
const EMBEDDING_NOTICE: &str = include_str!("../../models/embedding/NOTICE");
const FROZEN: &str = include_str!("../../models/service-desk.eval.jsonl");
const CATALOGUE: &str = include_str!("../../models/catalogue.toml");
static POLICIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies");
const SIGNALS: &str = include_str!("../../signals.toml");
const CONFIG: &str = include_str!("../../sluicegate.toml");

#[derive(Debug, Parser)]
pub struct Args {
    /// The folder; made when missing, and left alone when it has a `sluicegate.toml`.
    folder: PathBuf,
}

pub fn run(args: &Args) -> Outcome {
    let config = args.folder.join("sluicegate.toml");
    if config.exists() {
        return Err(format!("{} is there already: choose another folder, or remove it first", config.display()).into());
    }
    write_assets(&args.folder).map_err(|why| format!("{} cannot be written: {why}", args.folder.display()))?;
    std::fs::write(&config, CONFIG)?;
    println!("wrote runbooks, models, policies, signals.toml and sluicegate.toml to {}", args.folder.display());
    println!("next: edit {0}, then `sluicegate config check --config {0}` and `sluicegate serve --config {0}`", config.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes the shipped runbooks, models, policies and signals below `folder`.
pub fn write_assets(folder: &Path) -> std::io::Result<()> {
    for (name, assets) in
        [("runbooks", &RUNBOOKS), ("models/service-desk", &MODEL), ("models/embedding/static", &EMBEDDING), ("policies", &POLICIES)]
    {
        let target = folder.join(name);
        std::fs::create_dir_all(&target)?;
        assets.extract(&target)?;
    }
    std::fs::create_dir_all(folder.join("models/embedding/minilm"))?;
    for (name, text) in [
        ("models/embedding/minilm/vocabulary.txt", VOCABULARY),
        ("models/embedding/manifest.json", EMBEDDING_MANIFEST),
        ("models/embedding/NOTICE", EMBEDDING_NOTICE),
        ("models/catalogue.toml", CATALOGUE),
        ("models/service-desk.eval.jsonl", FROZEN),
        ("signals.toml", SIGNALS),
    ] {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, pipeline::decider::Decider};

    #[test]
    fn what_the_binary_carries_is_all_that_a_first_configuration_needs() {
        let folder = tempfile::tempdir().unwrap();
        write_assets(folder.path()).unwrap();
        let file = folder.path().join("sluicegate.toml");
        std::fs::write(&file, CONFIG).unwrap();
        let config = config::load(Some(&file), std::iter::empty()).unwrap();
        let decider = Decider::load(&config).unwrap();
        // What a promotion needs is there too.
        let bar = crate::triage::PromotionBar { floor: config.triage.promotion_floor, level: config.triage.promotion_level };
        let compared = crate::triage::compare(decider.triage(), decider.triage(), &config.triage.frozen, bar).unwrap();
        assert!(compared.refusals.is_empty() && compared.targets["category"].all.texts > 100);
        assert_eq!(crate::triage::shelf(&config.triage.models).unwrap().len(), 1);
    }
}
