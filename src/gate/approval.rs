//! Who may say yes to one proposal, and which yeses count: the four-eyes rules.
//!
//! Purely the engine's part, which no policy can loosen; policies may only refuse more
//! (`action approve`). Never reads the clock: `now` is in the facts.
// INVARIANT: a yes counts for exactly one binding digest; anything changed since is another digest.
// INVARIANT: the requester, whoever benefits (the account or address that the run is for), and the runbook's authors never count, under any spelling of
// their identity.

use std::collections::BTreeSet;

use super::facts::{ApprovalFacts, Facts};
use crate::domain::{
    digest::Digest,
    name::PersonId,
    principal::{Principal, Role},
    priority::Risk,
    ticket::Requester,
    time::Timestamp,
    verdict::Decision,
};

/// Why a person's yes does not count. Shown to people as is; the variants are stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error("`{by}` does not have the role `approver`")]
    NotAnApprover { by: PersonId },
    #[error("`{by}` asked for this or benefits from it, and so cannot approve it")]
    IsRequester { by: PersonId },
    #[error("`{by}` wrote or edited the runbook, and so cannot approve its run")]
    IsAuthor { by: PersonId },
    #[error("`{by}` changed the proposal, and above low risk another person has to approve it")]
    IsEditor { by: PersonId },
    #[error("`{by}` approved already: another person is needed")]
    Twice { by: PersonId },
    #[error("this changed since `{by}` saw it, review it again: seen {seen}, now {current}")]
    Changed { by: PersonId, seen: Digest, current: Digest },
    #[error("the proposal expired at {expired}")]
    Expired { expired: Timestamp },
    #[error("`{by}` approved at {at}, which is later than now, {now}")]
    FromTheFuture { by: PersonId, at: Timestamp, now: Timestamp },
    #[error("`{by}` belongs to another tenant")]
    OtherTenant { by: PersonId },
    #[error("no runbook is proposed, so there is nothing to approve")]
    NothingProposed,
    #[error("this cannot be approved: the gate says `{}`", decision.as_str())]
    NotApprovable { decision: Decision },
    #[error("{reason}")]
    Stopped { reason: String },
    #[error("policy `{policy}`: {reason}")]
    Policy { policy: String, reason: String },
}

/// True when two stable identities name one person: identities are ASCII and compared without case, because
/// directories hand out `Ana@example.com` and `ana@example.com` for one account.
pub fn same_person(a: &PersonId, b: &PersonId) -> bool {
    a.as_str().eq_ignore_ascii_case(b.as_str())
}

/// True when `person` may be the one that `named` is: the same identity, or the account name before the `@` of it.
///
/// Directories call one account `bo` here and `bo@example.com` there. A person too many only approves less.
pub fn may_be(named: &PersonId, person: &PersonId) -> bool {
    let account = |id: &PersonId| id.as_str().split_once('@').map(|(account, _)| account.to_owned());
    let bare = |id: &PersonId| account(id).is_none();
    let alike = |bare: &PersonId, full: &PersonId| account(full).is_some_and(|account| account.eq_ignore_ascii_case(bare.as_str()));
    same_person(named, person) || (bare(named) && alike(named, person)) || (bare(person) && alike(person, named))
}

/// The identities under which a requester could sign in: the sender's stable id and the e-mail address, each
/// also without a `+tag`.
///
/// An identity too many only keeps one more person from approving; what cannot be an identity is left out.
pub fn identities(requester: &Requester) -> BTreeSet<PersonId> {
    let written = [Some(&requester.id), requester.email.as_ref()];
    written.into_iter().flatten().flat_map(|text| spellings(text.as_untrusted())).collect()
}

/// The identities that `text` names: itself in lower case, and without a `+tag`.
pub fn spellings(text: &str) -> BTreeSet<PersonId> {
    let text = text.trim().to_ascii_lowercase();
    let untagged = text.split_once('@').and_then(|(local, domain)| Some(format!("{}@{domain}", local.split_once('+')?.0)));
    untagged.into_iter().chain([text]).flat_map(PersonId::new).collect()
}

/// Why `person` may have no say in this proposal: they asked for it, benefit from it, or wrote the runbook.
pub fn too_close(facts: &Facts, person: &PersonId) -> Vec<Refusal> {
    let is_me = |other: &PersonId| may_be(other, person);
    let mut refusals = Vec::new();
    if facts.proposal.iter().flat_map(|proposal| &proposal.beneficiaries).any(is_me)
        || facts.requester.iter().flat_map(|requester| &requester.identities).any(is_me)
    {
        refusals.push(Refusal::IsRequester { by: person.clone() });
    }
    if facts.proposal.iter().flat_map(|proposal| &proposal.authors).any(is_me) {
        refusals.push(Refusal::IsAuthor { by: person.clone() });
    }
    refusals
}

/// How many different persons must say yes: two at high risk, and two where nobody can tell whether one of them asked.
pub fn needed(facts: &Facts) -> u8 {
    let unknown_to_us = facts.requester.as_ref().is_some_and(|requester| !is_comparable(&requester.identities));
    match facts.risk() {
        Risk::Low | Risk::Medium if !unknown_to_us => 1,
        Risk::Low | Risk::Medium | Risk::High => 2,
    }
}

/// True when one of the identities could be that of a sign-in. A help desk that names its people by the numbers of its
/// own table, and sends no address, says nothing that an approver could be compared with.
fn is_comparable(identities: &BTreeSet<PersonId>) -> bool {
    identities.iter().any(|identity| !identity.as_str().bytes().all(|byte| byte.is_ascii_digit()))
}

/// The yeses that count and those that do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally<'a> {
    /// Different persons, in the order they approved.
    pub valid: Vec<&'a ApprovalFacts>,
    pub refused: Vec<Refusal>,
}

/// Counts the approvals in `facts`.
pub fn tally(facts: &Facts) -> Tally<'_> {
    let mut in_order: Vec<_> = facts.approvals.iter().collect();
    in_order.sort_by_key(|approval| (approval.at, &approval.by));
    let mut tally = Tally { valid: Vec::new(), refused: Vec::new() };
    for approval in in_order {
        let refusals = refuse(facts, approval, &tally.valid);
        if refusals.is_empty() {
            tally.valid.push(approval);
        } else {
            tally.refused.extend(refusals);
        }
    }
    tally
}

/// Whether `person`, who has the digest `seen` on screen, may approve now; by the engine's rules alone.
///
/// # Errors
/// Every reason why not; never empty.
pub(crate) fn may_approve(facts: &Facts, person: &Principal, seen: &Digest) -> Result<(), Vec<Refusal>> {
    let approval = ApprovalFacts { by: person.person.clone(), at: facts.now, binding: *seen, roles: person.roles.clone() };
    let mut refusals = refuse(facts, &approval, &tally(facts).valid);
    if person.tenant != facts.tenant {
        refusals.push(Refusal::OtherTenant { by: person.person.clone() });
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// Whether `person` may have a run taken back; by the engine's rules alone.
///
/// # Errors
/// Every reason why not; never empty.
pub(crate) fn may_undo(facts: &Facts, person: &Principal) -> Result<(), Vec<Refusal>> {
    let mut refusals = too_close(facts, &person.person);
    if !person.roles.contains(&Role::Approver) {
        refusals.push(Refusal::NotAnApprover { by: person.person.clone() });
    }
    if person.tenant != facts.tenant {
        refusals.push(Refusal::OtherTenant { by: person.person.clone() });
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

fn refuse(facts: &Facts, approval: &ApprovalFacts, counted: &[&ApprovalFacts]) -> Vec<Refusal> {
    let by = || approval.by.clone();
    let is_me = |person: &PersonId| may_be(person, &approval.by);
    let Some(proposal) = &facts.proposal else {
        return vec![Refusal::NothingProposed];
    };
    let mut refusals = Vec::new();
    if !approval.roles.contains(&Role::Approver) {
        refusals.push(Refusal::NotAnApprover { by: by() });
    }
    refusals.extend(too_close(facts, &approval.by));
    // At low risk one engineer at night may mend a value and go on; above it the values are looked at by somebody else.
    if facts.risk() > Risk::Low && proposal.edited_by.as_ref().is_some_and(is_me) {
        refusals.push(Refusal::IsEditor { by: by() });
    }
    if counted.iter().any(|other| is_me(&other.by)) {
        refusals.push(Refusal::Twice { by: by() });
    }
    // Both: the binding as proposed and as it is now must be what the person saw.
    for current in BTreeSet::from([proposal.binding, proposal.binding_now]) {
        if approval.binding != current {
            refusals.push(Refusal::Changed { by: by(), seen: approval.binding, current });
        }
    }
    if proposal.expires_at <= facts.now {
        refusals.push(Refusal::Expired { expired: proposal.expires_at });
    }
    if approval.at > facts.now {
        refusals.push(Refusal::FromTheFuture { by: by(), at: approval.at, now: facts.now });
    }
    refusals
}
