//! Pre-approvals: the record that makes a runbook a standard change.
//!
//! A pre-approval names the digest of one runbook version, so a changed runbook has none.
//! Never reads the clock: callers pass `now`. Never counts runs: caps are the invariants'.
// INVARIANT: a pre-approval in force was made by somebody other than the runbook's authors.
// INVARIANT: taking a record away never makes another one come into force.

use std::collections::BTreeSet;

use super::facts::{WindowInForce, WindowKind};
use crate::domain::{
    approval::{Mode, PreApproval},
    digest::Digest,
    name::{PersonId, RunbookId, SourceId, TenantId},
    time::Timestamp,
};

/// Why a runbook may not run on its own. Shown to people as is; the variants are stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error("runbook `{runbook}` has no pre-approval: an approver can make one for {current}")]
    None { runbook: RunbookId, current: Digest },
    #[error("a pre-approval of another runbook or tenant, `{runbook}` of `{tenant}`, was presented")]
    Foreign { runbook: RunbookId, tenant: TenantId },
    #[error("the pre-approval has form {form}, which this version does not know")]
    UnknownForm { form: u32 },
    #[error("runbook `{runbook}` changed since it was approved: approved {approved}, now {current}")]
    DigestChanged { runbook: RunbookId, approved: Digest, current: Digest },
    #[error("the pre-approval of `{runbook}` starts at {starts}")]
    NotYet { runbook: RunbookId, starts: Timestamp },
    #[error("the pre-approval of `{runbook}` expired at {expired}")]
    Expired { runbook: RunbookId, expired: Timestamp },
    #[error("the pre-approval of `{runbook}` was revoked by `{by}` at {at}: {reason}")]
    Revoked { runbook: RunbookId, by: PersonId, at: Timestamp, reason: String },
    #[error("the pre-approval of `{runbook}` is void since {at}, when the runbook was seen changed: approve the version in force anew")]
    Voided { runbook: RunbookId, at: Timestamp },
    #[error("`{approver}` wrote or edited runbook `{runbook}` and so cannot pre-approve it")]
    ByAuthor { runbook: RunbookId, approver: PersonId },
    #[error("the pre-approval of `{runbook}` is for other sources than `{source_id}`")]
    OtherSource { runbook: RunbookId, source_id: SourceId },
    #[error("the pre-approval of `{runbook}` is for other categories than `{}`", category.as_deref().unwrap_or("unknown"))]
    OtherCategory { runbook: RunbookId, category: Option<String> },
    #[error("the pre-approval of `{runbook}` holds during `{hours}` only, and now is outside of it")]
    OutsideHours { runbook: RunbookId, hours: String },
    #[error("the pre-approval of `{runbook}` allows mode `{}` and not `auto`", mode.as_str())]
    NotAuto { runbook: RunbookId, mode: Mode },
}

/// The runbook version that is to run, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub tenant: &'a TenantId,
    pub runbook: &'a RunbookId,
    pub digest: &'a Digest,
    pub authors: &'a BTreeSet<PersonId>,
    pub source: &'a SourceId,
    /// `None` when the classifier abstains.
    pub category: Option<&'a str>,
    /// The calendar windows in force.
    pub windows: &'a [WindowInForce],
}

/// The pre-approvals in force for `asked` at `now`, oldest first, or every reason why there is none.
///
/// Reports all reasons, not the first, because the console lists them.
///
/// # Errors
/// The refusals of every record in the order of `records`; never empty.
pub fn all_in_force<'a>(records: &'a [PreApproval], asked: Asked<'_>, now: Timestamp) -> Result<Vec<&'a PreApproval>, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let mut in_force = Vec::new();
    for record in records {
        let found = refuse(record, asked, now);
        if found.is_empty() {
            in_force.push(record);
        }
        refusals.extend(found);
    }
    if records.is_empty() {
        refusals.push(Refusal::None { runbook: asked.runbook.clone(), current: *asked.digest });
    }
    in_force.sort_by_key(|record| (record.created_at, record.id));
    if in_force.is_empty() { Err(refusals) } else { Ok(in_force) }
}

/// The oldest of [`all_in_force`].
///
/// # Errors
/// As [`all_in_force`].
pub fn in_force<'a>(records: &'a [PreApproval], asked: Asked<'_>, now: Timestamp) -> Result<&'a PreApproval, Vec<Refusal>> {
    // INVARIANT: `all_in_force` returns no empty list.
    all_in_force(records, asked, now).map(|found| found[0])
}

fn refuse(record: &PreApproval, asked: Asked<'_>, now: Timestamp) -> Vec<Refusal> {
    let runbook = || asked.runbook.clone();
    if &record.tenant != asked.tenant || &record.runbook != asked.runbook {
        // The rest of a foreign record is nobody's business here.
        return vec![Refusal::Foreign { runbook: record.runbook.clone(), tenant: record.tenant.clone() }];
    }
    let mut refusals = Vec::new();
    if record.form == 0 || record.form > PreApproval::FORM {
        refusals.push(Refusal::UnknownForm { form: record.form });
    }
    if &record.digest != asked.digest {
        refusals.push(Refusal::DigestChanged { runbook: runbook(), approved: record.digest, current: *asked.digest });
    }
    if record.created_at > now {
        refusals.push(Refusal::NotYet { runbook: runbook(), starts: record.created_at });
    }
    if record.expires_at <= now {
        refusals.push(Refusal::Expired { runbook: runbook(), expired: record.expires_at });
    }
    if let Some(revocation) = &record.revoked {
        let (by, at, reason) = (revocation.by.clone(), revocation.at, revocation.reason.clone());
        refusals.push(Refusal::Revoked { runbook: runbook(), by, at, reason });
    }
    if let Some(voided) = &record.voided {
        refusals.push(Refusal::Voided { runbook: runbook(), at: voided.at });
    }
    if asked.authors.iter().any(|author| super::approval::may_be(author, &record.approver)) {
        refusals.push(Refusal::ByAuthor { runbook: runbook(), approver: record.approver.clone() });
    }
    if !record.sources.is_empty() && !record.sources.contains(asked.source) {
        refusals.push(Refusal::OtherSource { runbook: runbook(), source_id: asked.source.clone() });
    }
    if !record.categories.is_empty() && !asked.category.is_some_and(|category| record.categories.contains(category)) {
        refusals.push(Refusal::OtherCategory { runbook: runbook(), category: asked.category.map(str::to_owned) });
    }
    if let Some(hours) = &record.during
        && !asked.windows.iter().any(|window| window.kind == WindowKind::Hours && &window.name == hours)
    {
        refusals.push(Refusal::OutsideHours { runbook: runbook(), hours: hours.clone() });
    }
    if record.mode != Mode::Auto {
        refusals.push(Refusal::NotAuto { runbook: runbook(), mode: record.mode });
    }
    refusals
}
