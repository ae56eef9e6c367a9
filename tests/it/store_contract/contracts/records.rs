//! What was written reads back, to whom it belongs, in pages.

use std::{collections::BTreeSet, sync::Arc};

use sluicegate::{
    domain::{
        account::{Account, Subject},
        approval::{Mode, Modes, Scope},
        digest::Digest,
        dual_authorization::{DualAuthorization, Matter},
        feedback::Feedback,
        id::{DualAuthorizationId, FeedbackId, StormId, TokenId},
        model::{ModelVersion, Models, ShadowAnswer},
        name::{ModelName, PersonId},
        outbox::{OutboxMessage, OutboxState},
        outcome::{Outcome, OutcomeKind},
        principal::{Role, Token},
        recommendation::{Recommendation, RecommendationState},
        state::TicketState,
        storm::Storm,
        ticket::Ticket,
        verdict::Decision,
    },
    store::{
        change::{Change, Expectation, Write},
        interface::{EntryFilter, Page, Store, StoreError, TicketFilter},
        vectors::NewVector,
    },
};

use super::super::samples::*;
use super::{first_page, received};

pub async fn what_is_committed_reads_back(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    assert_eq!(store.ticket(&tenant(), ticket.id).await.unwrap(), Some(ticket.clone()));
    assert_eq!(store.ticket_of(&tenant(), &source(), "1").await.unwrap(), Some(ticket.clone()));
    assert_eq!(store.delivery(&tenant(), ticket.delivery).await.unwrap(), Some(delivery_of(&ticket)));
    assert_eq!(store.shape_count(&tenant(), &shape(), at(1)).await.unwrap(), 1, "the instant itself counts");
    assert_eq!(store.shape_count(&tenant(), &shape(), at(2)).await.unwrap(), 0);

    let recommendation = recommendation(&ticket, 1, Decision::NeedsApproval);
    let execution = execution(&ticket, 1, at(1));
    let message = message(&ticket, 1, "ops");
    let pre_approval = pre_approval();
    let token = Token {
        id: TokenId::new(at(1), 1),
        tenant: tenant(),
        person: PersonId::new("ana").unwrap(),
        roles: BTreeSet::from([Role::Approver, Role::Auditor]),
        secret: Digest::of(b"the secret"),
        created_at: at(1),
        expires_at: None,
        revoked_at: None,
    };
    let modes = Modes { global: Mode::Auto, revision: 1, ..Modes::default() };
    assert_eq!(store.modes(&tenant()).await.unwrap(), Modes::default(), "nobody set any yet");
    let change = Change {
        // What refers to another row comes before it: the order inside a change is the caller's.
        writes: vec![
            Write::Message(Box::new(message.clone())),
            Write::Execution(Box::new(execution.clone())),
            Write::Recommendation(Box::new(recommendation.clone())),
            Write::PreApproval(pre_approval.clone()),
            Write::Token(token.clone()),
            Write::Modes { tenant: tenant(), modes: modes.clone() },
        ],
        expect: vec![Expectation::ModesRevision { tenant: tenant(), revision: 0 }],
        entries: Vec::new(),
    };
    let committed = store.commit(change).await.unwrap();
    assert_eq!(committed.first_index, 1, "without entries it is the log's size");

    assert_eq!(store.recommendation(&tenant(), recommendation.id).await.unwrap(), Some(recommendation.clone()));
    assert_eq!(store.recommendation_for(&tenant(), ticket.id).await.unwrap(), Some(recommendation.clone()));
    assert_eq!(store.recommendations(&tenant(), None, first_page()).await.unwrap(), std::slice::from_ref(&recommendation));
    assert!(store.recommendations(&tenant(), Some(RecommendationState::Expired), first_page()).await.unwrap().is_empty());
    assert_eq!(store.execution(&tenant(), execution.id).await.unwrap(), Some(execution.clone()));
    assert_eq!(store.executions_for(&tenant(), ticket.id).await.unwrap(), [execution]);
    assert_eq!(store.messages(&tenant(), Some(OutboxState::Waiting), first_page()).await.unwrap(), std::slice::from_ref(&message));
    assert_eq!(store.messages_for(&tenant(), ticket.id).await.unwrap(), [message]);
    assert_eq!(store.pre_approvals(&tenant(), None).await.unwrap(), std::slice::from_ref(&pre_approval));
    assert_eq!(store.pre_approvals(&tenant(), Some(&runbook())).await.unwrap(), [pre_approval]);
    assert_eq!(store.token(&token.secret).await.unwrap(), Some(token.clone()));
    assert_eq!(store.token(&Digest::of(b"another")).await.unwrap(), None);
    assert_eq!(store.tokens(&tenant()).await.unwrap(), [token]);
    assert_eq!(store.modes(&tenant()).await.unwrap(), modes);
    store.check().await.unwrap();
}

pub async fn one_tenant_never_sees_anothers(store: Arc<dyn Store>) {
    let mine = received(&*store, 1).await;
    let theirs = ticket(&other_tenant(), 2);
    store.commit(intake(&theirs)).await.unwrap();
    assert_eq!(store.ticket(&tenant(), theirs.id).await.unwrap(), None);
    assert_eq!(store.delivery(&tenant(), theirs.delivery).await.unwrap(), None);
    assert_eq!(store.ticket_of(&tenant(), &source(), "2").await.unwrap(), None);
    assert_eq!(store.tickets(&tenant(), &TicketFilter::default(), first_page()).await.unwrap(), [mine]);
    assert_eq!(store.shape_count(&other_tenant(), &shape(), at(0)).await.unwrap(), 1);
    let entries = store.entries(&other_tenant(), &EntryFilter::default(), first_page()).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [1]);

    // A write under another tenant's id changes nothing.
    let stolen = Ticket { tenant: tenant(), state: TicketState::Resolved, ..theirs.clone() };
    let change = Change { writes: vec![Write::Ticket { ticket: Box::new(stolen), shape: shape() }], ..Change::default() };
    assert!(store.commit(change).await.is_err());
    assert_eq!(store.ticket(&other_tenant(), theirs.id).await.unwrap(), Some(theirs));
}

pub async fn lists_come_newest_first_page_by_page(store: Arc<dyn Store>) {
    for n in 1..=25 {
        let ticket = received(&*store, n).await;
        if n % 5 == 0 {
            store.commit(moved(&ticket, TicketState::Triaged).1).await.unwrap();
        }
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = store.tickets(&tenant(), &TicketFilter::default(), Page { before, limit: 10 }).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        seen.extend(page.into_iter().map(|ticket| ticket.report.external_id.parse::<u64>().unwrap()));
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());

    let triaged = TicketFilter { states: vec![TicketState::Triaged, TicketState::Resolved], source: Some(source()) };
    assert_eq!(store.tickets(&tenant(), &triaged, first_page()).await.unwrap().len(), 5);
    let counts = store.ticket_counts(&tenant()).await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(TicketState::Received, 20), (TicketState::Triaged, 5)]);

    let all = store.entries(&tenant(), &EntryFilter::default(), Page { before: Some(20), limit: 3 }).await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.index).collect::<Vec<_>>(), [19, 18, 17]);
    let count = |filter: EntryFilter| {
        let store = Arc::clone(&store);
        async move { store.entries(&tenant(), &filter, first_page()).await.unwrap().len() }
    };
    let any = EntryFilter::default;
    assert_eq!(count(EntryFilter { ticket: Some(ticket(&tenant(), 5).id), ..any() }).await, 2);
    assert_eq!(count(EntryFilter { event: Some("ticket_moved".to_owned()), ..any() }).await, 5);
    assert_eq!(count(EntryFilter { actor: Some("desk".to_owned()), ..any() }).await, 25);
    assert_eq!(count(EntryFilter { runbook: Some(runbook()), ..any() }).await, 0);
    assert_eq!(count(EntryFilter { from: Some(at(5)), until: Some(at(10)), ..any() }).await, 6, "from is in, until is not");
}

pub async fn only_what_awaits_approval_expires(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let waits = recommendation(&ticket, 1, Decision::NeedsApproval);
    let shown = recommendation(&ticket, 2, Decision::RecommendOnly);
    let done = Recommendation { state: RecommendationState::Approved, ..recommendation(&ticket, 3, Decision::NeedsApproval) };
    let writes = [&waits, &shown, &done].map(|r| Write::Recommendation(Box::new(r.clone()))).to_vec();
    store.commit(Change { writes, ..Change::default() }).await.unwrap();
    assert!(store.expired_recommendations(waits.expires_at, 9).await.unwrap().is_empty(), "its last instant is still good");
    assert_eq!(store.expired_recommendations(at(10_000), 9).await.unwrap(), [waits]);
    assert_eq!(store.recommendation_for(&tenant(), ticket.id).await.unwrap(), Some(done), "the newest");
}

pub async fn outcomes_of_one_version_are_counted_and_never_turn_right(store: Arc<dyn Store>) {
    let mut writes = Vec::new();
    for (n, kind) in (1..).zip(OutcomeKind::ALL) {
        let decided = recommendation(&received(&*store, n).await, n, Decision::AutoExecute);
        writes.extend([Write::Outcome(Box::new(outcome(&decided, kind))), Write::Recommendation(Box::new(decided))]);
    }
    let old = Recommendation {
        runbook_digest: Some(Digest::of(b"old")),
        ..recommendation(&received(&*store, 90).await, 90, Decision::AutoExecute)
    };
    let asked = Recommendation { would_act: false, ..recommendation(&received(&*store, 91).await, 91, Decision::NeedsApproval) };
    let ticket = received(&*store, 92).await;
    let approved = recommendation(&ticket, 92, Decision::NeedsApproval);
    let by_person = Outcome { automatic: false, ..outcome(&approved, OutcomeKind::Verified) };
    for (decided, outcome) in [
        (&old, outcome(&old, OutcomeKind::Undone)),
        (&asked, Outcome { automatic: false, ..outcome(&asked, OutcomeKind::Undone) }),
        (&approved, by_person.clone()),
    ] {
        writes.extend([Write::Outcome(Box::new(outcome)), Write::Recommendation(Box::new(decided.clone()))]);
    }
    store.commit(Change { writes, ..Change::default() }).await.unwrap();

    let record = |of: Digest| {
        let store = Arc::clone(&store);
        async move { store.outcome_record(&tenant(), &runbook(), &of).await.unwrap() }
    };
    let found = record(version()).await;
    assert_eq!((found.known, found.wrong), (9, 6), "two kinds are right, and so is the approved run");
    let old_record = record(Digest::of(b"old")).await;
    assert_eq!((old_record.known, old_record.wrong), (1, 1));

    let wrong = OutcomeKind::ALL.map(OutcomeKind::is_wrong);
    let (digest, id, mine) = (version(), runbook(), tenant());
    let since = async |seconds| {
        let found = store.automatic_outcomes(&mine, &id, &digest, at(seconds)).await.unwrap();
        assert!(found.is_sorted_by_key(|one| one.recommendation), "ids sort by the time of the decision");
        found.iter().map(|one| one.wrong).collect::<Vec<_>>()
    };
    assert_eq!(since(0).await, wrong, "in the order of the decisions, without the approved run");
    assert_eq!(since(3).await, wrong[2..], "the instant itself counts");
    let would_act = store.would_act(&tenant(), at(0)).await.unwrap();
    assert_eq!(would_act.iter().map(|of| (of.digest, of.decisions)).collect::<Vec<_>>(), [(version(), 9), (Digest::of(b"old"), 1)]);
    assert_eq!(store.would_act(&tenant(), at(90)).await.unwrap().len(), 2, "one decision of each is left");
    let newest = store.outcomes(&tenant(), Some(&runbook()), at(8), first_page()).await.unwrap();
    assert_eq!(newest.iter().map(|outcome| outcome.recommendation).collect::<Vec<_>>()[..2], [approved.id, old.id]);
    assert_eq!(newest.len(), 3, "the one that would not have acted is no shadow decision");
    assert_eq!(store.outcome(&tenant(), approved.id).await.unwrap(), Some(by_person.clone()));
    assert_eq!(store.outcome(&other_tenant(), approved.id).await.unwrap(), None);

    let late = Outcome { kind: OutcomeKind::Reopened, known_at: at(200), revision: 2, ..by_person.clone() };
    let write = |outcome: &Outcome| Change { writes: vec![Write::Outcome(Box::new(outcome.clone()))], ..Change::default() };
    store.commit(write(&late)).await.unwrap();
    assert_eq!(record(version()).await.wrong, 7);
    assert!(store.commit(write(&Outcome { revision: 3, ..by_person.clone() })).await.is_err(), "wrong never turns right");
    let again = recommendation(&ticket, 93, Decision::NeedsApproval);
    let praised = Outcome { recommendation: again.id, decided_at: again.created_at, ..by_person };
    let writes = vec![Write::Recommendation(Box::new(again)), Write::Outcome(Box::new(praised))];
    store.commit(Change { writes, ..Change::default() }).await.unwrap();
    let found = record(version()).await;
    assert_eq!((found.known, found.wrong), (9, 7), "a ticket counts once, however often it is triaged");
    assert_eq!(store.outcome(&tenant(), approved.id).await.unwrap(), Some(late));
}

pub async fn accounts_and_dual_authorizations_read_back(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    let recommendation = recommendation(&ticket, 1, Decision::NeedsApproval);
    let asked = freeze_override(&recommendation);
    let auto = DualAuthorization {
        id: DualAuthorizationId::new(at(2), 2),
        matter: Matter::AutoMode { scope: Scope::Runbook(runbook()) },
        ..asked.clone()
    };
    let account = Account {
        subject: Some(Subject { issuer: "https://id.example".to_owned(), subject: "s-17".to_owned() }),
        form: Account::FORM,
        tenant: tenant(),
        person: PersonId::new("ana").unwrap(),
        password: Some("$argon2id$made-up".to_owned()),
        roles: std::collections::BTreeSet::from([sluicegate::domain::principal::Role::Approver]),
        disabled_at: None,
        changed_at: at(1),
        changed_by: PersonId::new("root").unwrap(),
    };
    let writes = vec![
        Write::DualAuthorization(Box::new(asked.clone())),
        Write::DualAuthorization(Box::new(auto.clone())),
        Write::Recommendation(Box::new(recommendation.clone())),
        Write::Account(account.clone()),
    ];
    store.commit(Change { writes, ..Change::default() }).await.unwrap();
    assert_eq!(store.dual_authorization(&tenant(), asked.id).await.unwrap(), Some(asked.clone()));
    assert_eq!(store.dual_authorization(&other_tenant(), asked.id).await.unwrap(), None);
    assert_eq!(store.dual_authorizations(&tenant(), first_page()).await.unwrap(), [auto, asked]);
    assert_eq!(store.account(&tenant(), &account.person).await.unwrap(), Some(account.clone()));
    assert_eq!(store.account(&other_tenant(), &account.person).await.unwrap(), None);
    let set_at = |second| Expectation::AccountChangedAt { tenant: tenant(), person: account.person.clone(), changed_at: at(second) };
    let expecting = |expectation| Change { expect: vec![expectation], ..Change::default() };
    store.commit(expecting(set_at(1))).await.unwrap();
    assert!(store.commit(expecting(set_at(2))).await.is_err(), "the password was set at another time");

    let requester = ticket.requester_digest().unwrap();
    assert_eq!(store.requester_count(&tenant(), &requester, at(1)).await.unwrap(), 1, "the instant itself counts");
    assert_eq!(store.requester_count(&tenant(), &requester, at(2)).await.unwrap(), 0);
    assert_eq!(store.requester_count(&other_tenant(), &requester, at(0)).await.unwrap(), 0);
    let unsaid = OutboxMessage { ticket: None, ..message(&ticket, 1, "ops") };
    store.commit(queued(&unsaid)).await.unwrap();
    assert_eq!(store.claim_messages(at(1), super::LEASE, 9, 9).await.unwrap(), [unsaid], "a message may be about no ticket");
}

pub async fn a_closed_store_says_so(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    store.close().await.unwrap();
    assert!(matches!(store.commit(intake(&ticket)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.ticket(&tenant(), ticket.id).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))));
    store.close().await.unwrap();
}

pub async fn models_corrections_and_storms_read_back(store: Arc<dyn Store>) {
    let ticket = received(&*store, 1).await;
    assert_eq!(store.models().await.unwrap(), Models::default(), "nobody chose any yet");
    let version = |name: &str| ModelVersion { name: ModelName::new(name).unwrap(), digest: Digest::of(name.as_bytes()) };
    let models = Models::default().promoted(version("old"), version("new"));
    let shadow = Digest::of(b"looks on");
    let answer = |number: u64, said: Option<&str>| ShadowAnswer {
        tenant: tenant(),
        ticket: ticket.id,
        ticket_version: number,
        shadow,
        said: said.map(str::to_owned),
        shadow_said: Some("vpn".to_owned()),
        at: at(1),
    };
    let feedback = Feedback {
        form: Feedback::FORM,
        id: FeedbackId::new(at(1), 1),
        tenant: tenant(),
        ticket: ticket.id,
        ticket_version: 1,
        shape: shape(),
        target: "category".to_owned(),
        label: "vpn".to_owned(),
        said: None,
        probability: 0.25,
        model: Digest::of(b"model"),
        by: PersonId::new("ana").unwrap(),
        roles: vec![Role::Responder],
        at: at(1),
        ruling: None,
        revision: 1,
    };
    let later = Feedback { id: FeedbackId::new(at(2), 2), ..feedback.clone() };
    let storm = Storm { form: Storm::FORM, id: StormId::new(at(1), 1), tenant: tenant(), first: ticket.id, size: 21, detected_at: at(1) };
    let raised =
        Change { expect: vec![Expectation::NewStorm { first: ticket.id }], writes: vec![Write::Storm(storm.clone())], ..Change::default() };
    let writes = vec![
        Write::Models(models.clone()),
        Write::ShadowAnswer(answer(1, None)),
        Write::ShadowAnswer(answer(2, Some("mail"))),
        Write::ShadowAnswer(answer(2, None)),
        Write::Feedback(Box::new(feedback.clone())),
        Write::Feedback(Box::new(later.clone())),
    ];
    let expect = vec![Expectation::ModelsRevision { revision: 0 }];
    store.commit(Change { expect: expect.clone(), writes, ..Change::default() }).await.unwrap();
    assert_eq!(store.models().await.unwrap(), models);
    assert!(store.commit(Change { expect, ..Change::default() }).await.is_err(), "somebody chose meanwhile");
    let pairs = store.shadow_pairs(&shadow).await.unwrap();
    assert_eq!(
        pairs.iter().map(|pair| (pair.said.as_deref(), pair.tickets)).collect::<Vec<_>>(),
        [(None, 2)],
        "the last word on each version"
    );
    assert!(store.shadow_pairs(&Digest::of(b"another")).await.unwrap().is_empty());

    assert_eq!(store.feedback(&tenant(), feedback.id).await.unwrap(), Some(feedback.clone()));
    assert_eq!(store.feedback(&other_tenant(), feedback.id).await.unwrap(), None);
    assert_eq!(store.feedback_page(&tenant(), first_page()).await.unwrap(), [later.clone(), feedback.clone()]);
    assert_eq!(store.feedback_of(&tenant(), ticket.id).await.unwrap(), [later, feedback.clone()]);
    assert!(store.feedback_of(&other_tenant(), ticket.id).await.unwrap().is_empty());
    let at_revision = |revision| Expectation::FeedbackRevision { feedback: feedback.id, revision };
    store.commit(Change { expect: vec![at_revision(1)], ..Change::default() }).await.unwrap();
    assert!(store.commit(Change { expect: vec![at_revision(2)], ..Change::default() }).await.is_err());

    store.commit(raised.clone()).await.unwrap();
    assert!(store.commit(raised).await.is_err(), "one storm for a first ticket");
    assert_eq!(store.storms(&tenant(), first_page()).await.unwrap(), [storm]);
    assert!(store.storms(&other_tenant(), first_page()).await.unwrap().is_empty());
}

pub async fn vectors_are_of_resolved_tickets_in_one_space_and_followed_by_place(store: Arc<dyn Store>) {
    let mut ticket = received(&*store, 1).await;
    let (space, other) = (Digest::of(b"space"), Digest::of(b"another space"));
    let vector = |ticket: &Ticket, version: u64| {
        Write::TicketVector(NewVector { tenant: tenant(), ticket: ticket.id, version, code: vec![1; 8], vector: vec![2; 64] })
    };
    let commit = async |writes: Vec<Write>| store.commit(Change { writes, ..Change::default() }).await.unwrap();
    assert_eq!(store.vector_space().await.unwrap(), None);
    commit(vec![Write::VectorSpace(space)]).await;
    assert_eq!(store.vector_space().await.unwrap(), Some(space));
    assert!(store.tickets_without_vector(9).await.unwrap().is_empty(), "it is not resolved");
    ticket.state = TicketState::Resolved;
    ticket.version += 1;
    commit(vec![Write::Ticket { ticket: Box::new(ticket.clone()), shape: shape() }]).await;
    assert_eq!(store.tickets_without_vector(9).await.unwrap(), std::slice::from_ref(&ticket));

    commit(vec![vector(&ticket, ticket.version - 1)]).await;
    assert!(store.codes_after(0, 9).await.unwrap().is_empty(), "the ticket changed since it was read");
    commit(vec![vector(&ticket, ticket.version)]).await;
    assert!(store.tickets_without_vector(9).await.unwrap().is_empty());
    let codes = store.codes_after(0, 9).await.unwrap();
    assert_eq!((codes.len(), &codes[0].tenant, &codes[0].code), (1, &tenant(), &vec![1; 8]));
    assert!(store.codes_after(codes[0].place, 9).await.unwrap().is_empty());
    let found = store.vectors_at(&tenant(), &[codes[0].place, 99]).await.unwrap();
    assert_eq!(found.iter().map(|found| (found.ticket, &found.vector)).collect::<Vec<_>>(), [(ticket.id, &vec![2; 64])]);
    assert!(store.vectors_at(&other_tenant(), &[codes[0].place]).await.unwrap().is_empty());

    commit(vec![Write::VectorSpace(other)]).await;
    assert!(store.codes_after(0, 9).await.unwrap().is_empty(), "vectors of two embeddings have nothing to do with each other");
    assert_eq!(store.tickets_without_vector(9).await.unwrap(), [ticket]);
}
