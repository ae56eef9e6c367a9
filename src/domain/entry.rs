//! An entry of the action log: one state change, in a form whose canonical bytes never change.
//!
//! Text that may need erasure (what a ticket says) is not in an entry; its digest is.
// INVARIANT: `bytes` of a stored entry are what its leaf hash was taken over; a new field gets a new `form`.

use serde::{Deserialize, Serialize};

use super::{
    approval::Mode,
    digest::Digest,
    execution::{ExecutionState, Job, StepOutcome},
    id::{
        DeadLetterId, DeliveryId, DualAuthorizationId, ExecutionId, FeedbackId, InvitationId, OutboxId, PreApprovalId, RecommendationId,
        SessionId, StormId, TicketId, TokenId,
    },
    model::ModelVersion,
    name::{ModelName, PersonId, RunbookId, SourceId, StepId, TenantId},
    outcome::OutcomeKind,
    principal::{Actor, Role},
    session::SignIn,
    state::TicketState,
    time::Timestamp,
    verdict::Decision,
};

/// One state change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Entry {
    pub form: u32,
    pub tenant: TenantId,
    pub at: Timestamp,
    pub actor: Actor,
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    pub const FORM: u32 = 1;

    pub fn new(tenant: TenantId, at: Timestamp, actor: Actor, event: Event) -> Self {
        Self { form: Self::FORM, tenant, at, actor, event }
    }

    /// The bytes that are stored and hashed.
    ///
    /// # Errors
    /// Never for values this program makes; the canonical writer's signature has an error.
    pub fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        super::canonical::bytes(self)
    }
}

/// What changed. The tag is stable: queries and exports name it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    TicketReceived {
        ticket: TicketId,
        delivery: DeliveryId,
        source: SourceId,
        external_id: String,
        input: Digest,
    },
    TicketUpdated {
        ticket: TicketId,
        delivery: DeliveryId,
        source: SourceId,
        version: u64,
        input: Digest,
    },
    DeliveryDeadLettered {
        dead_letter: DeadLetterId,
        delivery: DeliveryId,
        source: SourceId,
        body: Digest,
        reason: String,
    },
    TicketMoved {
        ticket: TicketId,
        from: TicketState,
        to: TicketState,
        version: u64,
    },
    TicketTriaged {
        ticket: TicketId,
        version: u64,
        recommendation: RecommendationId,
        category: Option<String>,
        priority: super::priority::Priority,
        risk: super::priority::Risk,
        runbook: Option<RunbookId>,
        runbook_digest: Option<Digest>,
        decision: Decision,
        /// Ids of the checks that refused more.
        refused_by: Vec<String>,
        /// Digest of the receipt.
        receipt: Digest,
    },
    /// Somebody works on it; `from` had it before.
    TicketTaken {
        ticket: TicketId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<PersonId>,
    },
    TicketReleased {
        ticket: TicketId,
    },
    /// It is out of the queue until then.
    TicketSnoozed {
        ticket: TicketId,
        until: Timestamp,
    },
    TicketWoken {
        ticket: TicketId,
    },
    /// A person chose another runbook, or typed values in: a new proposal.
    RecommendationEdited {
        recommendation: RecommendationId,
        ticket: TicketId,
        runbook: RunbookId,
        /// Names of the values that were typed in.
        typed: Vec<crate::domain::name::ParameterName>,
        decision: Decision,
        /// Digest of the receipt.
        receipt: Digest,
    },
    RecommendationApproved {
        recommendation: RecommendationId,
        ticket: TicketId,
        runbook: RunbookId,
        binding: Digest,
        comment: Option<String>,
    },
    RecommendationRejected {
        recommendation: RecommendationId,
        ticket: TicketId,
        runbook: Option<RunbookId>,
        reason: String,
    },
    RecommendationSuperseded {
        recommendation: RecommendationId,
        ticket: TicketId,
        reason: String,
    },
    RecommendationExpired {
        recommendation: RecommendationId,
        ticket: TicketId,
    },
    ExecutionCreated {
        execution: ExecutionId,
        ticket: TicketId,
        recommendation: RecommendationId,
        runbook: RunbookId,
        runbook_digest: Digest,
        parameters: Digest,
        /// Digest of the verdict by which people's approvals let it run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        allowed: Option<Digest>,
        /// The run that this one takes back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<ExecutionId>,
    },
    StepRecorded {
        execution: ExecutionId,
        ticket: TicketId,
        runbook: RunbookId,
        step: StepId,
        attempt: u32,
        outcome: StepOutcome,
        status: Option<u16>,
        request: Digest,
        /// The job that the call started at the other side.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<Job>,
    },
    /// A person wants the run to go no further.
    CancellationRequested {
        execution: ExecutionId,
        ticket: TicketId,
        runbook: RunbookId,
        reason: Option<String>,
    },
    ExecutionMoved {
        execution: ExecutionId,
        ticket: TicketId,
        runbook: RunbookId,
        from: ExecutionState,
        to: ExecutionState,
        reason: Option<String>,
    },
    MessageQueued {
        message: OutboxId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<TicketId>,
        destination: String,
    },
    MessageDelivered {
        message: OutboxId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<TicketId>,
        destination: String,
        attempts: u32,
    },
    MessageDead {
        message: OutboxId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<TicketId>,
        destination: String,
        attempts: u32,
        reason: String,
    },
    /// An operator sends a message again that was delivered or given up.
    MessageRedelivered {
        message: OutboxId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<TicketId>,
        destination: String,
        /// Sends begun before.
        attempts: u32,
    },
    /// A webhook endpoint failed for too long, or said that it is gone: what is meant for it waits.
    EndpointDisabled {
        destination: String,
        failing_since: Timestamp,
        reason: String,
    },
    EndpointEnabled {
        destination: String,
    },
    /// The signed checkpoint of the log's first `size` entries was sent to who listens, and witnesses are asked to sign it.
    CheckpointPublished {
        size: u64,
        root: Digest,
    },
    /// A witness was shown that the log only grew to its first `size` entries, and signed that.
    CheckpointCosigned {
        size: u64,
        root: Digest,
        /// The name of its key.
        witness: String,
        /// Its line of the signed note.
        line: String,
        /// By its clock.
        signed_at: Timestamp,
    },
    PreApprovalMade {
        pre_approval: PreApprovalId,
        runbook: RunbookId,
        digest: Digest,
        mode: Mode,
        expires_at: Timestamp,
        /// Digest of the whole record: caps, sources, categories, hours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<Digest>,
    },
    PreApprovalRevoked {
        pre_approval: PreApprovalId,
        runbook: RunbookId,
        reason: String,
    },
    /// The runbook's bytes are no longer those that were approved.
    PreApprovalVoided {
        pre_approval: PreApprovalId,
        runbook: RunbookId,
        approved: Digest,
        /// `None` when the runbook was withdrawn.
        current: Option<Digest>,
    },
    /// It became known whether a proposal was right, or a right one turned out wrong.
    OutcomeRecorded {
        recommendation: RecommendationId,
        ticket: TicketId,
        runbook: RunbookId,
        outcome: OutcomeKind,
        would_act: bool,
        automatic: bool,
    },
    /// The outcomes of automatic runs showed more errors than the limit allows; the mode goes to `suggest`.
    RunbookDemoted {
        runbook: RunbookId,
        digest: Digest,
        outcomes: u64,
        wrong: u64,
    },
    /// A second person is asked for.
    AuthorizationRequested {
        authorization: DualAuthorizationId,
        /// What for: `auto_mode` or `freeze_override`.
        matter: String,
        ticket: Option<TicketId>,
        /// The scope of the mode, or the binding of the proposal.
        about: String,
        reason: String,
        expires_at: Timestamp,
    },
    AuthorizationConfirmed {
        authorization: DualAuthorizationId,
        matter: String,
        ticket: Option<TicketId>,
        about: String,
        requested_by: PersonId,
    },
    AuthorizationWithdrawn {
        authorization: DualAuthorizationId,
        matter: String,
        ticket: Option<TicketId>,
    },
    PasswordSet {
        person: PersonId,
    },
    /// Somebody with a person's token could not prove to be that person.
    ReauthenticationFailed {
        person: PersonId,
    },
    /// A person signed in to the console.
    SessionStarted {
        session: SessionId,
        person: PersonId,
        by: SignIn,
        roles: Vec<Role>,
    },
    SessionEnded {
        session: SessionId,
        person: PersonId,
    },
    /// A person proved to the single sign-on provider once more that they are there.
    SessionProven {
        session: SessionId,
        person: PersonId,
    },
    /// Every session of a person but the actor's own was ended.
    SessionsEnded {
        person: PersonId,
    },
    /// Somebody tried a wrong password for an account. From the try that `locks` on, every try fails for a while.
    SignInFailed {
        person: PersonId,
        locks: bool,
    },
    InvitationMade {
        invitation: InvitationId,
        /// `None` for the first admin.
        person: Option<PersonId>,
        roles: Vec<Role>,
        expires_at: Timestamp,
    },
    InvitationUsed {
        invitation: InvitationId,
        person: PersonId,
    },
    InvitationWithdrawn {
        invitation: InvitationId,
    },
    /// What a person may do, or whether they may sign in at all.
    AccountChanged {
        person: PersonId,
        roles: Vec<Role>,
        disabled: bool,
    },
    ModeChanged {
        scope: String,
        from: Mode,
        to: Mode,
    },
    KillSwitch {
        on: bool,
        reason: String,
    },
    /// More near-duplicates than the limit came inside the window: a major-incident candidate.
    StormDetected {
        storm: StormId,
        /// The ticket that came first.
        ticket: TicketId,
        size: u64,
    },
    /// A person said what a label should have been.
    FeedbackGiven {
        feedback: FeedbackId,
        ticket: TicketId,
        target: String,
        label: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<String>,
    },
    /// Another person keeps a correction for training, or discards it.
    FeedbackRuled {
        feedback: FeedbackId,
        ticket: TicketId,
        kept: bool,
        reason: String,
    },
    /// Another model decides from now on.
    ModelPromoted {
        model: ModelName,
        /// Of its manifest.
        digest: Digest,
        /// The one before.
        from: ModelVersion,
        /// Digest of the comparison on the frozen texts.
        comparison: Digest,
    },
    /// The model before the last promotion decides again.
    ModelRolledBack {
        model: ModelName,
        digest: Digest,
        from: ModelVersion,
    },
    /// A model looks on, or none does any longer.
    ModelShadowed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shadow: Option<ModelVersion>,
    },
    TokenCreated {
        token: TokenId,
        person: PersonId,
        roles: Vec<Role>,
    },
    TokenRevoked {
        token: TokenId,
        person: PersonId,
    },
    DeadLetterReplayed {
        dead_letter: DeadLetterId,
        tickets: Vec<TicketId>,
    },
    ServiceStarted {
        version: String,
    },
}

impl Event {
    /// The stable tag.
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::TicketReceived { .. } => "ticket_received",
            Self::TicketUpdated { .. } => "ticket_updated",
            Self::DeliveryDeadLettered { .. } => "delivery_dead_lettered",
            Self::TicketMoved { .. } => "ticket_moved",
            Self::TicketTriaged { .. } => "ticket_triaged",
            Self::TicketTaken { .. } => "ticket_taken",
            Self::TicketReleased { .. } => "ticket_released",
            Self::TicketSnoozed { .. } => "ticket_snoozed",
            Self::TicketWoken { .. } => "ticket_woken",
            Self::RecommendationEdited { .. } => "recommendation_edited",
            Self::RecommendationApproved { .. } => "recommendation_approved",
            Self::RecommendationRejected { .. } => "recommendation_rejected",
            Self::RecommendationSuperseded { .. } => "recommendation_superseded",
            Self::RecommendationExpired { .. } => "recommendation_expired",
            Self::ExecutionCreated { .. } => "execution_created",
            Self::StepRecorded { .. } => "step_recorded",
            Self::CancellationRequested { .. } => "cancellation_requested",
            Self::ExecutionMoved { .. } => "execution_moved",
            Self::MessageQueued { .. } => "message_queued",
            Self::MessageDelivered { .. } => "message_delivered",
            Self::MessageDead { .. } => "message_dead",
            Self::MessageRedelivered { .. } => "message_redelivered",
            Self::EndpointDisabled { .. } => "endpoint_disabled",
            Self::EndpointEnabled { .. } => "endpoint_enabled",
            Self::CheckpointPublished { .. } => "checkpoint_published",
            Self::CheckpointCosigned { .. } => "checkpoint_cosigned",
            Self::PreApprovalMade { .. } => "pre_approval_made",
            Self::PreApprovalRevoked { .. } => "pre_approval_revoked",
            Self::PreApprovalVoided { .. } => "pre_approval_voided",
            Self::OutcomeRecorded { .. } => "outcome_recorded",
            Self::RunbookDemoted { .. } => "runbook_demoted",
            Self::AuthorizationRequested { .. } => "authorization_requested",
            Self::AuthorizationConfirmed { .. } => "authorization_confirmed",
            Self::AuthorizationWithdrawn { .. } => "authorization_withdrawn",
            Self::PasswordSet { .. } => "password_set",
            Self::ReauthenticationFailed { .. } => "reauthentication_failed",
            Self::SessionStarted { .. } => "session_started",
            Self::SessionEnded { .. } => "session_ended",
            Self::SessionProven { .. } => "session_proven",
            Self::SessionsEnded { .. } => "sessions_ended",
            Self::SignInFailed { .. } => "sign_in_failed",
            Self::InvitationMade { .. } => "invitation_made",
            Self::InvitationUsed { .. } => "invitation_used",
            Self::InvitationWithdrawn { .. } => "invitation_withdrawn",
            Self::AccountChanged { .. } => "account_changed",
            Self::ModeChanged { .. } => "mode_changed",
            Self::KillSwitch { .. } => "kill_switch",
            Self::StormDetected { .. } => "storm_detected",
            Self::FeedbackGiven { .. } => "feedback_given",
            Self::FeedbackRuled { .. } => "feedback_ruled",
            Self::ModelPromoted { .. } => "model_promoted",
            Self::ModelRolledBack { .. } => "model_rolled_back",
            Self::ModelShadowed { .. } => "model_shadowed",
            Self::TokenCreated { .. } => "token_created",
            Self::TokenRevoked { .. } => "token_revoked",
            Self::DeadLetterReplayed { .. } => "dead_letter_replayed",
            Self::ServiceStarted { .. } => "service_started",
        }
    }

    /// The ticket it is about, when there is one.
    pub const fn ticket(&self) -> Option<TicketId> {
        match self {
            Self::TicketReceived { ticket, .. }
            | Self::TicketUpdated { ticket, .. }
            | Self::TicketMoved { ticket, .. }
            | Self::TicketTriaged { ticket, .. }
            | Self::TicketTaken { ticket, .. }
            | Self::TicketReleased { ticket, .. }
            | Self::TicketSnoozed { ticket, .. }
            | Self::TicketWoken { ticket, .. }
            | Self::RecommendationEdited { ticket, .. }
            | Self::StormDetected { ticket, .. }
            | Self::FeedbackGiven { ticket, .. }
            | Self::FeedbackRuled { ticket, .. }
            | Self::RecommendationApproved { ticket, .. }
            | Self::RecommendationRejected { ticket, .. }
            | Self::RecommendationSuperseded { ticket, .. }
            | Self::RecommendationExpired { ticket, .. }
            | Self::ExecutionCreated { ticket, .. }
            | Self::StepRecorded { ticket, .. }
            | Self::CancellationRequested { ticket, .. }
            | Self::ExecutionMoved { ticket, .. }
            | Self::OutcomeRecorded { ticket, .. } => Some(*ticket),
            Self::MessageQueued { ticket, .. }
            | Self::MessageDelivered { ticket, .. }
            | Self::MessageDead { ticket, .. }
            | Self::MessageRedelivered { ticket, .. }
            | Self::AuthorizationRequested { ticket, .. }
            | Self::AuthorizationConfirmed { ticket, .. }
            | Self::AuthorizationWithdrawn { ticket, .. } => *ticket,
            _ => None,
        }
    }

    /// The runbook it is about, when there is one.
    pub const fn runbook(&self) -> Option<&RunbookId> {
        match self {
            Self::RecommendationEdited { runbook, .. }
            | Self::RecommendationApproved { runbook, .. }
            | Self::ExecutionCreated { runbook, .. }
            | Self::StepRecorded { runbook, .. }
            | Self::ExecutionMoved { runbook, .. }
            | Self::PreApprovalMade { runbook, .. }
            | Self::PreApprovalRevoked { runbook, .. }
            | Self::PreApprovalVoided { runbook, .. }
            | Self::OutcomeRecorded { runbook, .. }
            | Self::RunbookDemoted { runbook, .. } => Some(runbook),
            Self::TicketTriaged { runbook, .. } | Self::RecommendationRejected { runbook, .. } => runbook.as_ref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_an_entry_are_golden_and_read_back() {
        let entry = Entry::new(
            TenantId::default(),
            Timestamp::from_millis(1_700_000_000_000),
            Actor::Person(PersonId::new("ana").unwrap()),
            Event::KillSwitch { on: true, reason: "drill".to_owned() },
        );
        let bytes = entry.bytes().unwrap();
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            r#"{"actor":{"id":"ana","kind":"person"},"at":"2023-11-14T22:13:20.000Z","event":"kill_switch","form":1,"on":true,"reason":"drill","tenant":"default"}"#
        );
        assert_eq!(serde_json::from_slice::<Entry>(&bytes).unwrap(), entry);
        assert_eq!(serde_json::to_value(&entry).unwrap()["event"], entry.event.tag());
    }
}
