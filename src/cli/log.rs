//! `log verify`: checks an export of the action log offline. Needs the export, the log's public key, and those of the
//! witnesses that are asked about; nothing else.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use super::Outcome;
use crate::{
    domain::{
        digest::Digest,
        entry::{Entry, Event},
        time::Timestamp,
    },
    log::{
        checkpoint::Checkpoint,
        export::{verify_export, verify_export_seeing},
        note::Verifier,
    },
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Recompute every leaf and the tree, and check the signed checkpoint.
    Verify(Verify),
}

#[derive(Debug, Parser)]
pub struct Verify {
    /// The file that `GET /v1/log/export` answered.
    export: PathBuf,
    /// The log's public key, like `origin+hash+base64`; `serve` prints it at start.
    #[arg(long)]
    key: Verifier,
    /// A witness's public key: check that it signed what the export holds, and say up to where. May be given several times.
    #[arg(long = "witness", value_name = "KEY")]
    witnesses: Vec<Verifier>,
}

pub fn run(command: &Command) -> Outcome {
    let Command::Verify(args) = command;
    if let Some(log) = args.witnesses.iter().find(|key| !key.is_witness()) {
        return Err(format!("`--witness {log}` is a log's key: a witness's has the type of cosignatures").into());
    }
    if args.witnesses.is_empty() {
        let report = verify_export(open(&args.export)?, &args.key)?;
        println!("verified: {} entries, root {}, signed by {}", report.size, report.root, report.origin);
        return Ok(ExitCode::SUCCESS);
    }
    let mut claims = Vec::new();
    let report = verify_export_seeing(open(&args.export)?, &args.key, |bytes, _| claims.extend(Claim::in_entry(bytes)))?;
    // What was signed comes before the entry that says so: once more, for the roots at those sizes.
    let mut roots: BTreeMap<u64, Option<Digest>> = claims.iter().map(|claim| (claim.size, None)).collect();
    verify_export_seeing(open(&args.export)?, &args.key, |_, tree| {
        if let Some(root) = roots.get_mut(&tree.size()) {
            *root = Some(Digest::from_bytes(tree.root()));
        }
    })?;
    println!("verified: {} entries, root {}, signed by {}", report.size, report.root, report.origin);
    for witness in &args.witnesses {
        let own: Vec<&Claim> = claims.iter().filter(|claim| claim.witness == witness.name()).collect();
        for claim in &own {
            claim.check(witness, &report.origin, roots.get(&claim.size).copied().flatten())?;
        }
        let last = own.iter().max_by_key(|claim| claim.size);
        let last = last.ok_or_else(|| format!("the export has no signature of the witness {}: it saw nothing of this", witness.name()))?;
        println!(
            "witnessed: {} signed {} of its checkpoints, the last over {} entries at {}",
            witness.name(),
            own.len(),
            last.size,
            last.signed_at
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn open(path: &Path) -> Result<BufReader<File>, String> {
    File::open(path).map(BufReader::new).map_err(|why| format!("{} cannot be opened: {why}", path.display()))
}

/// That a witness signed the log at a size, as an entry says.
struct Claim {
    size: u64,
    root: Digest,
    witness: String,
    line: String,
    signed_at: Timestamp,
}

impl Claim {
    fn in_entry(bytes: &[u8]) -> Option<Self> {
        // Entries of a newer program are none of this one's claims.
        match serde_json::from_slice::<Entry>(bytes).ok()?.event {
            Event::CheckpointCosigned { size, root, witness, line, signed_at } => Some(Self { size, root, witness, line, signed_at }),
            _ => None,
        }
    }

    /// That it signed just what the export holds up to there.
    fn check(&self, witness: &Verifier, origin: &str, root: Option<Digest>) -> Result<(), String> {
        if root != Some(self.root) {
            return Err(format!(
                "an entry says that {} signed the log at {} entries with the root {}, and the export has another there",
                self.witness, self.size, self.root
            ));
        }
        let note = format!("{}\n{}\n", Checkpoint::text(origin, self.size, self.root.as_bytes()), self.line);
        witness.cosigned(&note).map(drop).map_err(|why| format!("the checkpoint over {} entries: {why}", self.size))
    }
}
