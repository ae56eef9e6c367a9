//! Facts for tests: the baseline of the shipped cases, and random ones around every threshold.

use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

use crate::{
    domain::{
        approval::{Caps, Mode, PreApproval, Revocation, Voided},
        digest::Digest,
        id::{DualAuthorizationId, PreApprovalId},
        name::{ParameterName, PersonId, SourceId, TenantId},
        principal::Role,
        priority::{Priority, Risk},
        time::Timestamp,
    },
    gate::{PolicySet, facts::*},
};

pub(in crate::gate) const BASELINE: &str = include_str!("../../../policies/tests/baseline.json");

pub(in crate::gate) fn baseline() -> Facts {
    static FACTS: LazyLock<Facts> = LazyLock::new(|| Facts::read(&serde_json::from_str(BASELINE).unwrap()).unwrap());
    FACTS.clone()
}

/// The shipped policies.
pub(in crate::gate) fn shipped() -> PolicySet {
    static SET: LazyLock<PolicySet> =
        LazyLock::new(|| PolicySet::load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap());
    SET.clone()
}

/// One file of policies.
pub(in crate::gate) fn policies(text: &str) -> PolicySet {
    PolicySet::from_files([("p.cedar".to_owned(), text.to_owned())]).unwrap()
}

/// Cedar that refuses nothing, so that the invariants alone decide.
pub(in crate::gate) fn permissive() -> PolicySet {
    static SET: LazyLock<PolicySet> =
        LazyLock::new(|| policies("@id(\"all\") @reason(\"everything\") permit (principal, action, resource);"));
    SET.clone()
}

pub(in crate::gate) fn person(name: &str) -> PersonId {
    PersonId::new(name).unwrap()
}

pub(in crate::gate) fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

pub(in crate::gate) fn approval(facts: &Facts, by: &str) -> ApprovalFacts {
    let binding = facts.proposal.as_ref().map_or_else(|| digest("none"), |proposal| proposal.binding);
    ApprovalFacts { by: person(by), at: facts.now, binding, roles: BTreeSet::from([Role::Approver]) }
}

/// What Bo asked for and Cy confirmed.
pub(in crate::gate) fn freeze_override(proposal: &ProposalFacts, now: Timestamp) -> FreezeOverride {
    FreezeOverride {
        authorization: DualAuthorizationId::new(now, 0),
        windows: BTreeSet::from(["window".to_owned()]),
        revision: 2,
        binding: proposal.binding,
        requested_by: person("bo@example.com"),
        confirmed_by: person("cy@example.com"),
        reason: "the release cannot wait".to_owned(),
        expires_at: now.plus(Duration::from_millis(1)),
    }
}

/// SplitMix64 (G. Steele et al., 2014): the same facts in every run.
pub(in crate::gate) struct Dice {
    state: u64,
    /// One attribute in so many is troubled.
    rarity: u64,
}

impl Dice {
    pub(in crate::gate) fn new(seed: u64) -> Self {
        Self { state: seed, rarity: 1 }
    }

    pub(in crate::gate) fn below(&mut self, sides: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn trouble(&mut self) -> bool {
        let rarity = self.rarity;
        self.below(rarity) == 0
    }

    fn any<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Mostly one of `good`, in trouble one of `bad`.
    fn pick<T: Copy>(&mut self, good: &[T], bad: &[T]) -> T {
        if self.trouble() { self.any(bad) } else { self.any(good) }
    }

    fn risk(&mut self) -> Risk {
        self.pick(&[Risk::Low], &[Risk::Medium, Risk::High])
    }

    fn mode(&mut self) -> Mode {
        self.pick(&[Mode::Auto], &[Mode::Suggest, Mode::Suggest, Mode::Shadow])
    }

    /// Facts in which every attribute that a check reads varies, on both sides of every threshold.
    ///
    /// In some most attributes are fine and in some few are, so that each decision is common.
    pub(in crate::gate) fn facts(&mut self) -> Facts {
        self.rarity = self.any(&[6, 25, 80]);
        let mut facts = baseline();
        let now = facts.now;
        facts.phase = self.any(&[Phase::Proposal, Phase::Execution]);
        facts.ticket.risk = self.risk();
        facts.ticket.priority = self.pick(&[Priority::P2, Priority::P3, Priority::P4], &[Priority::P1]);
        if self.trouble() {
            facts.ticket.category = None;
        }
        facts.ticket.environment = self.any(&[None, Some("production"), Some("test")]).map(str::to_owned);
        facts.modes = Modes { global: self.mode(), source: self.mode(), runbook: self.mode() };
        if self.trouble() {
            facts.kill_switch = KillSwitch::On { reason: "drill".to_owned() };
        }
        for kind in [WindowKind::Freeze, WindowKind::Peak] {
            if self.trouble() {
                facts.windows.push(WindowInForce { name: "window".to_owned(), kind, until: now.plus(Duration::from_secs(60)) });
            }
        }
        if self.coin() {
            let until = now.plus(Duration::from_secs(60));
            facts.windows.push(WindowInForce { name: "office-hours".to_owned(), kind: WindowKind::Hours, until });
        }
        facts.storm.size = self.pick(&[0, 1, 9, 10], &[11, 300]);
        facts.usage = Usage {
            runbook_hour: self.pick(&[0, 1, 9], &[10, 11]),
            target_hour: self.pick(&[0], &[1]),
            requester_hour: self.pick(&[0, 1], &[2]),
            running: self.pick(&[0, 1], &[2]),
        };
        // 1 of 93 is the largest error of Wilks' table within 5 % at 95 %; 1 of 92 is outside.
        (facts.record.decisions, facts.record.wrong) =
            self.pick(&[(93, 1), (59, 0), (124, 2), (181, 4), (1000, 30)], &[(92, 1), (58, 0), (0, 0), (123, 2), (180, 4), (3, 3)]);
        facts.record.limit = PerMillion::new(self.any(&[50_000, 50_000, 50_000, 1_000_000]));
        facts.record.demoted = self.trouble();
        if self.below(6) == 0 {
            facts.requester = None;
        } else if let Some(requester) = &mut facts.requester {
            if self.trouble() {
                requester.identities = BTreeSet::from([person("12345")]);
            }
            (requester.flagged, requester.vip) = (self.trouble(), self.trouble());
            requester.entitled = self.pick(&[None, Some(true)], &[Some(false)]);
            requester.groups = self.any(&[None, Some("staff"), Some("contractors")]).into_iter().map(str::to_owned).collect();
            // One trouble of the two at a time, so that automation stays common.
            let trouble = self.pick(&[0], &[1, 2]);
            requester.standing = match (trouble, self.below(3)) {
                (1, _) => Some(StandingFacts::Unknown { reason: "the directory answered 503".to_owned() }),
                (_, 0) => None,
                (_, 1) => Some(StandingFacts::Listed),
                _ => Some(StandingFacts::Answered { at: now }),
            };
            requester.rate = match (trouble, self.below(3)) {
                (2, _) => Some(RequestRate { tickets_hour: 4, limit: 3 }),
                (_, 0) => None,
                (_, n) => Some(RequestRate { tickets_hour: 1 + n as u32, limit: 3 }),
            };
        }
        if self.trouble() {
            facts.connectors.values_mut().for_each(|health| *health = ConnectorHealth::Unhealthy { reason: "circuit open".to_owned() });
        } else if self.trouble() {
            facts.connectors.clear();
        }
        if self.trouble() {
            facts.proposal = None;
            return facts;
        }
        let (fit, risk) = (self.pick(&[950_000, 950_001], &[949_999]), self.risk());
        let proposal = facts.proposal.as_mut().unwrap();
        (proposal.fit, proposal.risk) = (PerMillion::new(fit), risk);
        (proposal.reversible, proposal.idempotent) = self.pick(&[(true, true), (true, false), (false, true)], &[(false, false)]);
        (proposal.executable, proposal.stale) = (!self.trouble(), self.trouble());
        if self.trouble() {
            proposal.missing.insert(ParameterName::new("host").unwrap());
        }
        if self.trouble() {
            match self.below(4) {
                0 => proposal.in_force = None,
                1 => proposal.in_force = Some(digest("newer")),
                2 => proposal.binding_now = digest("changed"),
                _ => proposal.expires_at = now,
            }
        }
        if self.trouble() {
            proposal.beneficiaries = BTreeSet::from([person(self.any(&["bo", "CY@example.com", "nobody"]))]);
        }
        proposal.freeze_override = self.freeze_override(proposal, now);
        let template = proposal.pre_approvals[0].clone();
        let records = self.pick(&[1, 1, 2], &[0]);
        proposal.pre_approvals = (0..records).map(|n| self.pre_approval(&template, now, n)).collect();
        for by in ["bo@example.com", "cy@example.com", "ANA@example.com", "wren@example.com"] {
            if self.coin() {
                let mut yes = approval(&facts, by);
                match self.below(10) {
                    0 => yes.binding = digest("seen before the change"),
                    1 => yes.roles = BTreeSet::from([Role::Responder]),
                    2 => yes.at = now.plus(Duration::from_secs(1)),
                    _ => {}
                }
                facts.approvals.push(yes);
            }
        }
        facts
    }

    /// Half of them in order, so that a freeze is lifted about as often as not.
    pub(in crate::gate) fn freeze_override(&mut self, proposal: &ProposalFacts, now: Timestamp) -> Option<FreezeOverride> {
        let mut given = freeze_override(proposal, now);
        match self.below(12) {
            0 => given.binding = digest("seen before the change"),
            1 => given.expires_at = now,
            2 => given.confirmed_by = person("BO@example.com"),
            3 => given.requested_by = person("Ana@example.com"),
            4 => given.confirmed_by = person("WREN@example.com"),
            5 => return None,
            _ => {}
        }
        Some(given)
    }

    fn pre_approval(&mut self, template: &PreApproval, now: Timestamp, n: u32) -> PreApproval {
        let mut record = template.clone();
        record.id = PreApprovalId::new(now, u128::from(n));
        record.caps = Caps { per_hour: self.pick(&[10, 100], &[0]), ..record.caps };
        let flaw = if self.trouble() || (n > 0 && self.coin()) { self.below(14) } else { 14 };
        match flaw {
            0 => record.digest = digest("older"),
            1 => record.expires_at = now,
            2 => record.created_at = now.plus(Duration::from_millis(1)),
            3 => record.approver = person("Wren@example.com"),
            4 => record.mode = Mode::Suggest,
            5 => record.sources = BTreeSet::from([SourceId::new("other").unwrap()]),
            6 => record.tenant = TenantId::new("other").unwrap(),
            7 => record.form = 3,
            8 => record.revoked = Some(Revocation { by: person("pat@example.com"), at: now, reason: "drill".to_owned() }),
            10 => record.categories = BTreeSet::from(["hardware/printer".to_owned()]),
            11 => record.categories = BTreeSet::from(["access".to_owned()]),
            12 => record.during = Some("office-hours".to_owned()),
            13 => record.voided = Some(Voided { at: now, current: None }),
            9 => record.sources = BTreeSet::from([SourceId::new("zendesk-emea").unwrap()]),
            _ => {}
        }
        record
    }
}
