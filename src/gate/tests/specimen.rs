//! Facts for tests: the baseline of the shipped cases, and random ones around every threshold.

use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

use crate::{
    domain::{
        approval::{Caps, Mode, PreApproval, Revocation},
        digest::Digest,
        id::PreApprovalId,
        name::{ParameterName, PersonId, SourceId, TenantId},
        principal::Role,
        priority::{Priority, Risk},
        time::Timestamp,
    },
    gate::{PolicySet, facts::*},
};

pub(super) const BASELINE: &str = include_str!("../../../policies/tests/baseline.json");

pub(super) fn baseline() -> Facts {
    static FACTS: LazyLock<Facts> = LazyLock::new(|| Facts::read(&serde_json::from_str(BASELINE).unwrap()).unwrap());
    FACTS.clone()
}

/// The shipped policies.
pub(super) fn shipped() -> PolicySet {
    static SET: LazyLock<PolicySet> =
        LazyLock::new(|| PolicySet::load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")).unwrap());
    SET.clone()
}

/// One file of policies.
pub(super) fn policies(text: &str) -> PolicySet {
    PolicySet::from_files([("p.cedar".to_owned(), text.to_owned())]).unwrap()
}

/// Cedar that refuses nothing, so that the invariants alone decide.
pub(super) fn permissive() -> PolicySet {
    static SET: LazyLock<PolicySet> =
        LazyLock::new(|| policies("@id(\"all\") @reason(\"everything\") permit (principal, action, resource);"));
    SET.clone()
}

pub(super) fn person(name: &str) -> PersonId {
    PersonId::new(name).unwrap()
}

pub(super) fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

pub(super) fn approval(facts: &Facts, by: &str) -> ApprovalFacts {
    let binding = facts.proposal.as_ref().map_or_else(|| digest("none"), |proposal| proposal.binding);
    ApprovalFacts { by: person(by), at: facts.now, binding, roles: BTreeSet::from([Role::Approver]) }
}

/// SplitMix64 (G. Steele et al., 2014): the same facts in every run, a million of them in a second.
pub(super) struct Dice(pub u64);

impl Dice {
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// True once in `sides`: rare, so that most facts break few rules and the rules' interplay is met.
    fn once_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn risk(&mut self) -> Risk {
        self.pick(&[Risk::Low, Risk::Low, Risk::Low, Risk::Low, Risk::Medium, Risk::High])
    }

    fn mode(&mut self) -> Mode {
        self.pick(&[Mode::Auto, Mode::Auto, Mode::Auto, Mode::Auto, Mode::Auto, Mode::Suggest, Mode::Shadow])
    }

    /// Facts in which every attribute that a check reads varies, on both sides of every threshold.
    pub(super) fn facts(&mut self) -> Facts {
        let mut facts = baseline();
        let now = facts.now;
        facts.phase = self.pick(&[Phase::Proposal, Phase::Execution]);
        facts.ticket.risk = self.risk();
        facts.ticket.priority = self.pick(&Priority::ALL);
        if self.once_in(10) {
            facts.ticket.category = None;
        }
        facts.modes = Modes { global: self.mode(), source: self.mode(), runbook: self.mode() };
        if self.once_in(12) {
            facts.kill_switch = KillSwitch::On { reason: "drill".to_owned() };
        }
        if self.once_in(8) {
            let kind = self.pick(&[WindowKind::Freeze, WindowKind::Peak]);
            facts.windows.push(WindowInForce { name: "window".to_owned(), kind, until: now.plus(Duration::from_secs(60)) });
        }
        facts.storm.size = self.pick(&[0, 1, 9, 10, 10, 11]);
        facts.usage = Usage {
            runbook_hour: self.pick(&[0, 1, 8, 9, 9, 10]),
            target_hour: self.pick(&[0, 0, 0, 0, 1]),
            requester_hour: self.pick(&[0, 0, 1, 1, 2]),
            running: self.pick(&[0, 0, 1, 1, 2]),
        };
        // 1 of 93 is the largest error of Wilks' table within 5 % at 95 %; 1 of 92 is outside.
        (facts.record.decisions, facts.record.wrong) =
            self.pick(&[(93, 1), (93, 1), (92, 1), (59, 0), (58, 0), (0, 0), (124, 2), (123, 2), (181, 4), (180, 4), (1000, 30), (3, 3)]);
        facts.record.limit = self.pick(&[50_000, 50_000, 50_000, 1_000_000]).pipe(PerMillion::new);
        facts.record.demoted = self.once_in(12);
        match self.below(8) {
            0 => facts.requester = None,
            n => {
                let requester = facts.requester.as_mut().unwrap();
                (requester.flagged, requester.vip) = (n == 1, n == 2);
                requester.entitled = self.pick(&[None, Some(true), Some(true), Some(false)]);
            }
        }
        if self.once_in(10) {
            facts.connectors.values_mut().for_each(|health| *health = ConnectorHealth::Unhealthy { reason: "circuit open".to_owned() });
        } else if self.once_in(20) {
            facts.connectors.clear();
        }
        if self.once_in(12) {
            facts.proposal = None;
            return facts;
        }
        let records = self.pick(&[0, 1, 1, 1, 1, 2]);
        let (fit, risk) = (self.pick(&[949_999, 950_000, 950_000, 950_001]), self.risk());
        let proposal = facts.proposal.as_mut().unwrap();
        (proposal.fit, proposal.risk) = (PerMillion::new(fit), risk);
        proposal.reversible = !self.once_in(4);
        proposal.idempotent = !self.once_in(4);
        proposal.executable = !self.once_in(12);
        proposal.stale = self.once_in(10);
        if self.once_in(10) {
            proposal.missing.insert(ParameterName::new("host").unwrap());
        }
        match self.below(24) {
            0 => proposal.in_force = None,
            1 => proposal.in_force = Some(digest("newer")),
            2 => proposal.binding_now = digest("changed"),
            3 => proposal.expires_at = now,
            _ => {}
        }
        let template = proposal.pre_approvals[0].clone();
        proposal.pre_approvals = (0..records).map(|n| self.pre_approval(&template, now, n)).collect();
        for by in ["bo@example.com", "cy@example.com", "ANA@example.com", "wren@example.com"] {
            if self.once_in(2) {
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

    fn pre_approval(&mut self, template: &PreApproval, now: Timestamp, n: u32) -> PreApproval {
        let mut record = template.clone();
        record.id = PreApprovalId::new(now, u128::from(n));
        record.caps = Caps { per_hour: self.pick(&[10, 10, 0, 100]), ..record.caps };
        match self.below(24) {
            0 => record.digest = digest("older"),
            1 => record.expires_at = now,
            2 => record.created_at = now.plus(Duration::from_millis(1)),
            3 => record.approver = person("Wren@example.com"),
            4 => record.mode = Mode::Suggest,
            5 => record.sources = BTreeSet::from([SourceId::new("other").unwrap()]),
            6 => record.tenant = TenantId::new("other").unwrap(),
            7 => record.form = 2,
            8 => record.revoked = Some(Revocation { by: person("pat@example.com"), at: now, reason: "drill".to_owned() }),
            9 => record.sources = BTreeSet::from([SourceId::new("zendesk-emea").unwrap()]),
            _ => {}
        }
        record
    }
}

trait Pipe: Sized {
    fn pipe<T>(self, into: impl FnOnce(Self) -> T) -> T {
        into(self)
    }
}
impl Pipe for u32 {}
