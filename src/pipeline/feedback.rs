//! Corrections joined with the model in force: what may be corrected to what, which corrections pass, and the examples that
//! training takes from them.
//!
//! Reads only, but for [`given`], which adds a correction to a change.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    error::{ActionError, Result},
    service::Service,
    shape,
};
use crate::{
    domain::{
        entry::{Entry, Event},
        feedback::Feedback,
        id::FeedbackId,
        name::TenantId,
        principal::{Actor, Principal},
        priority::Priority,
        recommendation::Recommendation,
        ticket::Ticket,
        time::Timestamp,
    },
    store::{
        change::{Change, Write},
        interface::{Page, StoreError},
    },
    text::mask,
    triage::{FeedbackRules, Labelled, Learned, Standing, assess},
};

pub const CATEGORY: &str = "category";
pub const GROUP: &str = "assignment_group";
pub const PRIORITY: &str = "priority";

/// A correction with what becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Assessed {
    #[serde(flatten)]
    pub feedback: Feedback,
    #[serde(flatten)]
    pub standing: Standing,
}

/// The labels that a ticket may be corrected to, by target.
pub fn choices(service: &Service) -> BTreeMap<String, BTreeSet<String>> {
    let decider = service.decider();
    let triage = decider.triage();
    let heads = triage.manifest().heads.iter();
    let mut choices: BTreeMap<String, BTreeSet<String>> =
        heads.map(|(target, head)| (target.clone(), head.labels.iter().cloned().collect())).collect();
    choices.entry(CATEGORY.to_owned()).or_default().extend(triage.catalogue().ids());
    choices.entry(GROUP.to_owned()).or_default().extend(triage.catalogue().groups());
    choices.insert(PRIORITY.to_owned(), Priority::ALL.iter().map(|priority| priority.as_str().to_owned()).collect());
    choices
}

/// # Errors
/// There is no such target, or it has no such label; each says what there is.
pub(super) fn check(service: &Service, target: &str, label: &str) -> Result<()> {
    let choices = choices(service);
    let short = |text: &str| text.chars().take(64).collect::<String>();
    let named = |names: &mut dyn Iterator<Item = &String>| names.take(40).map(String::as_str).collect::<Vec<_>>().join(", ");
    let Some(labels) = choices.get(target) else {
        let message = format!("there is no target `{}`: choose one of {}", short(target), named(&mut choices.keys()));
        return Err(ActionError::Invalid { pointer: "/target".to_owned(), message });
    };
    if labels.contains(label) {
        return Ok(());
    }
    let message = format!("`{target}` has no label `{}`: choose one of {}", short(label), named(&mut labels.iter()));
    Err(ActionError::Invalid { pointer: "/label".to_owned(), message })
}

/// Adds a checked correction to `change`. `proposal` is what the model said of the ticket.
pub(super) fn given(
    service: &Service,
    caller: &Principal,
    ticket: &Ticket,
    proposal: &Recommendation,
    (target, label): (&str, &str),
    now: Timestamp,
    change: &mut Change,
) -> Feedback {
    let classification = &proposal.classification;
    let estimate = if target == CATEGORY { Some(&classification.category) } else { classification.others.get(target) };
    let ruled = || match target {
        GROUP => classification.assignment_group.clone(),
        PRIORITY => Some(classification.priority.as_str().to_owned()),
        _ => None,
    };
    // A rule is never sure: it says nothing of how often it is right.
    let (said, probability) = match estimate.and_then(|estimate| estimate.ranked.first()) {
        Some((said, probability)) => (Some(said.clone()), *probability),
        None => (ruled(), 0.0),
    };
    let feedback = Feedback {
        form: Feedback::FORM,
        id: FeedbackId::new(now, service.ambient.random()),
        tenant: ticket.tenant.clone(),
        ticket: ticket.id,
        ticket_version: ticket.version,
        shape: shape::of(&ticket.report),
        target: target.to_owned(),
        label: label.to_owned(),
        said,
        probability,
        model: classification.model,
        by: caller.person.clone(),
        roles: caller.roles.iter().copied().collect(),
        at: now,
        ruling: None,
        revision: 1,
    };
    let event = Event::FeedbackGiven {
        feedback: feedback.id,
        ticket: ticket.id,
        target: feedback.target.clone(),
        label: feedback.label.clone(),
        said: feedback.said.clone(),
    };
    change.entries.push(Entry::new(ticket.tenant.clone(), now, Actor::Person(caller.person.clone()), event));
    change.writes.push(Write::Feedback(Box::new(feedback.clone())));
    feedback
}

/// How many examples of each label the model in force learned from.
fn learned(service: &Service) -> Learned {
    let decider = service.decider();
    let heads = decider.triage().manifest().heads.iter();
    heads
        .map(|(target, head)| (target.clone(), head.metrics.classes.iter().map(|class| (class.label.clone(), class.examples)).collect()))
        .collect()
}

/// Corrections that are looked at, newest first; older ones are past what anybody checks.
const MOST: usize = 20_000;

/// Every correction of the tenant with what becomes of it, newest first.
///
/// # Errors
/// The store failed.
pub async fn assessed(service: &Service, tenant: &TenantId) -> std::result::Result<Vec<Assessed>, StoreError> {
    let mut all: Vec<Feedback> = Vec::new();
    while all.len() < MOST {
        let before = all.last().map(|feedback| feedback.id);
        let page = service.store.feedback_page(tenant, Page { before, limit: 500 }).await?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let standings = assess(&all, &learned(service), &FeedbackRules::default());
    Ok(all.into_iter().zip(standings).map(|(feedback, standing)| Assessed { feedback, standing }).collect())
}

/// What training takes from corrections.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
pub struct TrainingExamples {
    #[schema(value_type = Vec<Object>)]
    pub examples: Vec<Labelled>,
    /// Corrections by what became of them.
    pub standings: BTreeMap<&'static str, usize>,
}

/// The tickets whose corrections pass, with the labels that people gave them. Secrets and personal data in their texts are
/// under stars: a model must not remember them.
///
/// # Errors
/// The store failed.
pub async fn training_examples(service: &Service, tenant: &TenantId) -> std::result::Result<TrainingExamples, StoreError> {
    let mut out = TrainingExamples::default();
    let mut labels: BTreeMap<String, (crate::domain::id::TicketId, BTreeMap<String, String>)> = BTreeMap::new();
    for Assessed { feedback, standing } in assessed(service, tenant).await?.into_iter().rev() {
        *out.standings.entry(standing.as_str()).or_default() += 1;
        if standing.is_learned_from() {
            labels
                .entry(feedback.ticket.to_string())
                .or_insert_with(|| (feedback.ticket, BTreeMap::new()))
                .1
                .insert(feedback.target, feedback.label);
        }
    }
    for (id, labels) in labels.into_values() {
        if let Some(ticket) = service.store.ticket(tenant, id).await? {
            let report = ticket.report;
            out.examples.push(Labelled {
                title: mask(report.title.as_untrusted()),
                body: mask(report.body.as_untrusted()),
                is_html: report.body_is_html,
                labels,
            });
        }
    }
    Ok(out)
}
