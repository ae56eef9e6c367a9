//! An entry of the action log as a sentence: who did what, in the words of the pages.
//!
//! Names every event, so that a new one does not compile until somebody says it.

use super::words::{self, counted};
use crate::domain::{
    entry::{Entry, Event},
    execution::StepOutcome,
    principal::Role,
    session::SignIn,
    verdict::Decision,
};

/// What happened, without who: pages show the actor beside it.
pub fn sentence(entry: &Entry) -> String {
    match &entry.event {
        Event::TicketReceived { source, external_id, .. } => format!("received ticket {external_id} from {source}"),
        Event::TicketUpdated { source, version, .. } => format!("took an update from {source}, version {version}"),
        Event::DeliveryDeadLettered { source, reason, .. } => format!("kept a delivery of {source} that cannot be read: {reason}"),
        Event::TicketMoved { from, to, .. } => format!("moved the ticket from {} to {}", words::state(*from).text, words::state(*to).text),
        Event::TicketTriaged { category, priority, risk, runbook, decision, refused_by, .. } => {
            let category = category.as_deref().unwrap_or("not sure of the category");
            let runbook = runbook.as_ref().map_or("no runbook fits".to_owned(), |runbook| format!("runbook {runbook}"));
            let why = match refused_by.as_slice() {
                [] => String::new(),
                [first] => format!(" because of {first}"),
                [first, rest @ ..] => format!(" because of {first} and {}", counted(rest.len() as u64, "other check", "other checks")),
            };
            let priority = format!("{priority:?}");
            format!("triaged: {category}, {priority}, risk {}, {runbook}: {}{why}", risk.as_str(), decided(*decision))
        }
        Event::TicketTaken { from: None, .. } => "took the ticket".to_owned(),
        Event::TicketTaken { from: Some(from), .. } => format!("took the ticket over from {from}"),
        Event::TicketReleased { .. } => "gave the ticket back".to_owned(),
        Event::TicketSnoozed { until, .. } => format!("snoozed the ticket until {}", words::minute(*until)),
        Event::TicketWoken { .. } => "put the ticket back into the queue".to_owned(),
        Event::RecommendationEdited { runbook, typed, decision, .. } => {
            let typed: Vec<&str> = typed.iter().map(|name| name.as_str()).collect();
            let values = if typed.is_empty() { String::new() } else { format!(" with {} typed in", typed.join(", ")) };
            format!("proposed {runbook}{values}: {}", decided(*decision))
        }
        Event::RecommendationApproved { runbook, comment, .. } => format!("approved {runbook}{}", because(comment.as_deref())),
        Event::RecommendationRejected { runbook, reason, .. } => {
            format!("rejected {}: {reason}", runbook.as_ref().map_or("the proposal".to_owned(), ToString::to_string))
        }
        Event::RecommendationSuperseded { reason, .. } => format!("put a newer proposal in place of this one: {reason}"),
        Event::RecommendationExpired { .. } => "the proposal expired: nobody decided in time".to_owned(),
        Event::ExecutionCreated { runbook, undoes, .. } => match undoes {
            Some(run) => format!("began to take back {run} of {runbook}"),
            None => format!("set a run of {runbook} going"),
        },
        Event::StepRecorded { step, attempt, outcome, status, .. } => {
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            let answer = status.map_or(String::new(), |status| format!(" ({status})"));
            let what = match outcome {
                StepOutcome::Started => "began",
                StepOutcome::Accepted => "started a job at the other side",
                StepOutcome::Succeeded => "succeeded",
                StepOutcome::Failed => "failed",
            };
            format!("step {step} {what}{answer}{again}")
        }
        Event::CancellationRequested { runbook, reason, .. } => {
            format!("asked to cancel the run of {runbook}{}", because(reason.as_deref()))
        }
        Event::ExecutionMoved { runbook, to, reason, .. } => {
            format!("the run of {runbook} is {}{}", words::plain(to.as_str()), because(reason.as_deref()))
        }
        Event::MessageQueued { destination, .. } => format!("has something to say to {destination}"),
        Event::MessageDelivered { destination, attempts, .. } => {
            format!("told {destination}{}", if *attempts > 1 { format!(", at attempt {attempts}") } else { String::new() })
        }
        Event::MessageDead { destination, attempts, reason, .. } => {
            format!("gave up telling {destination} after {}: {reason}", counted(u64::from(*attempts), "attempt", "attempts"))
        }
        Event::MessageRedelivered { destination, .. } => format!("sends the message to {destination} again"),
        Event::EndpointDisabled { destination, failing_since, reason } => {
            format!("disabled {destination}, which has failed since {}: {reason}", words::minute(*failing_since))
        }
        Event::EndpointEnabled { destination } => format!("enabled {destination}"),
        Event::CheckpointPublished { size, .. } => format!("published a checkpoint over {}", counted(*size, "entry", "entries")),
        Event::CheckpointCosigned { size, witness, .. } => {
            format!("{witness} witnessed that the log only grew to {}", counted(*size, "entry", "entries"))
        }
        Event::PreApprovalMade { runbook, mode, expires_at, .. } => {
            format!("pre-approved {runbook} for {} until {}", mode.as_str(), words::minute(*expires_at))
        }
        Event::PreApprovalRevoked { runbook, reason, .. } => format!("revoked the pre-approval of {runbook}: {reason}"),
        Event::PreApprovalVoided { runbook, current, .. } => match current {
            Some(_) => format!("the pre-approval of {runbook} is void: the runbook changed"),
            None => format!("the pre-approval of {runbook} is void: the runbook was withdrawn"),
        },
        Event::OutcomeRecorded { runbook, outcome, .. } => {
            let counts = if outcome.is_wrong() { "counts against" } else { "counts for" };
            format!("the outcome is known: {}, which {counts} {runbook}", words::plain(outcome.as_str()))
        }
        Event::RunbookDemoted { runbook, outcomes, wrong, .. } => {
            format!("demoted {runbook} to suggest: {wrong} wrong of {}", counted(*outcomes, "automatic run", "automatic runs"))
        }
        Event::AuthorizationRequested { matter, about, reason, .. } => {
            format!("asked for a second person: {} for {about}: {reason}", words::plain(matter))
        }
        Event::AuthorizationConfirmed { matter, about, requested_by, .. } => {
            format!("confirmed what {requested_by} asked for: {} for {about}", words::plain(matter))
        }
        Event::AuthorizationWithdrawn { matter, .. } => format!("withdrew the request for {}", words::plain(matter)),
        Event::PasswordSet { person } => format!("set the password of {person}"),
        Event::ReauthenticationFailed { person } => format!("{person} could not prove to be there"),
        Event::SessionStarted { person, by, .. } => match by {
            SignIn::Password => format!("{person} signed in with a password"),
            SignIn::Oidc => format!("{person} signed in by single sign-on"),
        },
        Event::SessionEnded { person, .. } => format!("ended a session of {person}"),
        Event::SessionProven { .. } => "proved once more to be there".to_owned(),
        Event::SessionsEnded { person } => format!("ended all other sessions of {person}"),
        Event::SignInFailed { person, locks: true } => format!("a wrong password for {person}, whose account is now closed for a while"),
        Event::SignInFailed { person, locks: false } => format!("a wrong password for {person}"),
        Event::InvitationMade { person: Some(person), .. } => format!("made a link for {person}"),
        Event::InvitationMade { person: None, .. } => "made a link for the first admin".to_owned(),
        Event::InvitationUsed { person, .. } => format!("{person} used their link"),
        Event::InvitationWithdrawn { .. } => "took back a link".to_owned(),
        Event::AccountChanged { person, disabled: true, .. } => format!("disabled the account of {person}"),
        Event::AccountChanged { person, roles, disabled: false } => format!("gave {person} the roles {}", named(roles)),
        Event::ModeChanged { scope, from, to } => format!("set the mode of {scope} from {} to {}", from.as_str(), to.as_str()),
        Event::ModelPromoted { model, from, .. } => format!("put the model `{model}` in the place of `{}`", from.name),
        Event::ModelRolledBack { model, from, .. } => format!("went back to the model `{model}` from `{}`", from.name),
        Event::ModelShadowed { shadow: Some(shadow) } => format!("let the model `{}` answer beside the one in force", shadow.name),
        Event::ModelShadowed { shadow: None } => "let no model answer beside the one in force any longer".to_owned(),
        Event::StormDetected { size, .. } => format!("found {size} near-equal tickets in a short time: this one came first"),
        Event::FeedbackGiven { target, label, said: Some(said), .. } => format!("said that the {target} is `{label}`, not `{said}`"),
        Event::FeedbackGiven { target, label, .. } => format!("said that the {target} is `{label}`"),
        Event::FeedbackRuled { kept: true, reason, .. } => format!("kept a correction for training: {reason}"),
        Event::FeedbackRuled { kept: false, reason, .. } => format!("discarded a correction: {reason}"),
        Event::KillSwitch { on: true, reason } => format!("pulled the kill switch: {reason}"),
        Event::KillSwitch { on: false, reason } => format!("released the kill switch: {reason}"),
        Event::TokenCreated { person, roles, .. } => format!("made a token for {person} with the roles {}", named(roles)),
        Event::TokenRevoked { person, .. } => format!("revoked a token of {person}"),
        Event::DeadLetterReplayed { tickets, .. } => {
            format!("replayed a dead letter: {}", counted(tickets.len() as u64, "ticket", "tickets"))
        }
        Event::ServiceStarted { version } => format!("started, version {version}"),
    }
}

fn decided(decision: Decision) -> String {
    words::decision(decision).text
}

fn because(reason: Option<&str>) -> String {
    reason.map_or(String::new(), |reason| format!(": {reason}"))
}

fn named(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

/// Every tag, for the filter of the log; the test holds it against the entries themselves.
pub const EVENTS: &[&str] = &[
    "account_changed",
    "authorization_confirmed",
    "authorization_requested",
    "authorization_withdrawn",
    "cancellation_requested",
    "checkpoint_cosigned",
    "checkpoint_published",
    "dead_letter_replayed",
    "delivery_dead_lettered",
    "endpoint_disabled",
    "endpoint_enabled",
    "execution_created",
    "execution_moved",
    "feedback_given",
    "feedback_ruled",
    "invitation_made",
    "invitation_used",
    "invitation_withdrawn",
    "kill_switch",
    "message_dead",
    "message_delivered",
    "message_queued",
    "message_redelivered",
    "mode_changed",
    "model_promoted",
    "model_rolled_back",
    "model_shadowed",
    "outcome_recorded",
    "password_set",
    "pre_approval_made",
    "pre_approval_revoked",
    "pre_approval_voided",
    "reauthentication_failed",
    "recommendation_approved",
    "recommendation_edited",
    "recommendation_expired",
    "recommendation_rejected",
    "recommendation_superseded",
    "runbook_demoted",
    "service_started",
    "session_ended",
    "session_proven",
    "session_started",
    "sessions_ended",
    "sign_in_failed",
    "step_recorded",
    "storm_detected",
    "ticket_moved",
    "ticket_received",
    "ticket_released",
    "ticket_snoozed",
    "ticket_taken",
    "ticket_triaged",
    "ticket_updated",
    "ticket_woken",
    "token_created",
    "token_revoked",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        name::{PersonId, TenantId},
        principal::Actor,
        time::Timestamp,
    };

    #[test]
    fn the_filter_knows_every_event_that_the_log_can_have() {
        // The tags stand once in the code that gives them; what a page offers must be the same set.
        let source = include_str!("../../domain/entry.rs");
        let tags = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once("{ .. } => \"")?.1.strip_suffix("\","));
        let mut tags: Vec<&str> = tags.collect();
        tags.sort_unstable();
        assert_eq!(tags, EVENTS);
    }

    #[test]
    fn an_entry_reads_as_a_person_would_say_it() {
        let say = |event| sentence(&Entry::new(TenantId::default(), Timestamp::UNIX_EPOCH, Actor::Engine, event));
        let ana = PersonId::new("ana").unwrap();
        assert_eq!(say(Event::KillSwitch { on: true, reason: "drill".to_owned() }), "pulled the kill switch: drill");
        assert_eq!(
            say(Event::SignInFailed { person: ana, locks: true }),
            "a wrong password for ana, whose account is now closed for a while"
        );
        assert_eq!(
            say(Event::CheckpointPublished { size: 1, root: crate::domain::digest::Digest::of(b"") }),
            "published a checkpoint over 1 entry"
        );
    }
}
