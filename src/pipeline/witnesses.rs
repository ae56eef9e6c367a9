//! Others who keep an eye on the action log, and what they signed.
//!
//! What they sign is an entry of the log itself, so an export carries it and whoever knows a witness's key can check it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hyper::Method;

use super::error::{ActionError, Result};
use crate::{
    config,
    domain::{entry::Event, name::TenantId, time::Timestamp},
    log::{
        hash::Hash,
        note::{NoteError, Verifier},
        proof::Plan,
        witness::{self, Said, WitnessError},
    },
    outbound::{Client, Limits, Path, Refusal, Request},
    store::{
        interface::{EntryFilter, LoggedEntry, Page, Store},
        tree,
    },
};

/// A log's proof and a few lines.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response: 16 * 1024 };

/// Why a witness cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum BadWitness {
    #[error("`log.witnesses.{index}.key`: {why}")]
    Key { index: usize, why: NoteError },
    #[error("`log.witnesses.{index}.key` is `{key}`, which is a log's key: a witness's has the type of cosignatures")]
    LogKey { index: usize, key: Box<Verifier> },
    #[error("`log.witnesses.{index}.url`: {why}")]
    Url { index: usize, why: Refusal },
}

/// One witness.
#[derive(Debug)]
pub struct Witness {
    pub key: Verifier,
    client: Client,
    failed: Mutex<Option<Failed>>,
}

/// Why it last gave no signature, and when.
#[derive(Debug, Clone)]
pub struct Failed {
    pub why: String,
    pub at: Timestamp,
}

/// A checkpoint as a witness is shown it.
pub struct Shown<'a> {
    pub size: u64,
    pub root: &'a Hash,
    /// Signed by the log.
    pub note: &'a str,
}

impl Witness {
    /// Its signature line of the checkpoint, without the line break, and when it signed. `old` is the size it saw last, as far
    /// as we know; it knows better.
    ///
    /// # Errors
    /// The store's; inside, why there is no signature.
    pub async fn ask(&self, store: &dyn Store, shown: &Shown<'_>, old: u64) -> Result<std::result::Result<(String, Timestamp), String>> {
        let mut old = old;
        // What it says of itself is asked with once: else a witness could keep us asking.
        for _ in 0..2 {
            if old > shown.size {
                return Ok(Err(format!("it saw {old} entries of this log, of which there are {}: {}", shown.size, WitnessError::OtherLog)));
            }
            let plan = Plan::consistency(old, shown.size).map_err(|why| ActionError::Internal(why.to_string()))?;
            let proof = if old == 0 { Vec::new() } else { tree::prove(store, &plan).await? };
            let path = Path::parse("/add-checkpoint").map_err(|why| ActionError::Internal(why.to_string()))?;
            let mut request = Request::new(Method::POST, Some(path));
            request.body = Some(witness::add_checkpoint(old, &proof, shown.note).into_bytes());
            let answer = match self.client.send(request).await {
                Ok(answer) => answer,
                Err(why) => return Ok(Err(why.to_string())),
            };
            match witness::read(answer.status, &answer.body, shown.note, &self.key) {
                Ok(Said::Cosigned { line, second }) => {
                    let at = Timestamp::from_millis(i64::try_from(second).unwrap_or(i64::MAX / 1000).saturating_mul(1000));
                    return Ok(Ok((line.trim_end().to_owned(), at)));
                }
                Ok(Said::LastSaw { size }) => old = size,
                Err(why) => return Ok(Err(why.to_string())),
            }
        }
        Ok(Err("it says of itself what it then does not accept".to_owned()))
    }

    pub fn failed(&self) -> Option<Failed> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_failed(&self, failed: Option<Failed>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Witnesses(Vec<Witness>);

impl Witnesses {
    /// # Errors
    /// A key or an address cannot be used.
    pub fn from_config(config: &config::storage::Log) -> std::result::Result<Self, BadWitness> {
        let witness = |(index, witness): (usize, &config::storage::Witness)| {
            let key: Verifier = witness.key.parse().map_err(|why| BadWitness::Key { index, why })?;
            if !key.is_witness() {
                return Err(BadWitness::LogKey { index, key: Box::new(key) });
            }
            let client = Client::new(&witness.url, &witness.allow_addresses, LIMITS).map_err(|why| BadWitness::Url { index, why })?;
            Ok(Witness { key, client, failed: Mutex::default() })
        };
        config.witnesses.iter().enumerate().map(witness).collect::<std::result::Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Witness> {
        self.0.iter()
    }
}

/// What one witness signed.
#[derive(Debug, Clone)]
pub struct Cosigned {
    pub size: u64,
    pub root: Hash,
    pub witness: String,
    /// Its line of the signed note, without the line break.
    pub line: String,
    pub signed_at: Timestamp,
}

/// Signatures read at once; a page of checkpoints has fewer.
const READ: usize = 200;

/// The newest signatures of witnesses, as the log has them, newest first.
///
/// # Errors
/// The store failed.
pub async fn cosigned(store: &dyn Store, tenant: &TenantId) -> Result<Vec<Cosigned>> {
    let filter = EntryFilter { event: Some("checkpoint_cosigned".to_owned()), ..EntryFilter::default() };
    let found = store.entries(tenant, &filter, Page { before: None, limit: READ }).await?;
    let read = |LoggedEntry { entry, .. }| match entry.event {
        Event::CheckpointCosigned { size, root, witness, line, signed_at } => {
            Some(Cosigned { size, root: *root.as_bytes(), witness, line, signed_at })
        }
        _ => None,
    };
    Ok(found.into_iter().filter_map(read).collect())
}

/// The lines by the size that they are of.
pub fn by_size(cosigned: Vec<Cosigned>) -> BTreeMap<u64, Vec<Cosigned>> {
    let mut all: BTreeMap<u64, Vec<Cosigned>> = BTreeMap::new();
    for one in cosigned {
        all.entry(one.size).or_default().push(one);
    }
    all
}
