//! What can go wrong between us and a help desk, at every request of every kind: in the end exactly one comment, and the
//! fields as they should be.

use std::time::Duration;

use sluicegate::{
    config::write_back::DeskKind,
    domain::{ambient::Ambient as _, outbox::OutboxState},
    store::faulty::Fault as StoreFault,
};

use super::{
    bench::{Bench, everything},
    fake::{Fault, Ticket},
    models,
};

/// What a ticket looks like after one undisturbed delivery, and how many requests that takes.
async fn undisturbed(kind: DeskKind) -> (Ticket, usize) {
    let bench = Bench::new(kind).await;
    bench.deliver(bench.queue(everything(kind)).await).await;
    (bench.desk.ticket(models::id(kind)), bench.desk.seen().len())
}

/// As [`undisturbed`] has it, whatever number of writes it took.
fn assert_same(kind: DeskKind, got: &Ticket, wanted: &Ticket, what: &str) {
    assert_eq!(got.comments.len(), 1, "{kind:?}, {what}: {:?}", got.comments);
    assert_eq!((&got.fields, &got.tags, &got.public), (&wanted.fields, &wanted.tags, &wanted.public), "{kind:?}, {what}");
}

#[tokio::test]
async fn a_fault_at_any_request_ends_in_one_comment_and_the_final_fields() {
    let mut cases = 0;
    for kind in DeskKind::ALL {
        let (wanted, requests) = undisturbed(kind).await;
        let bench = Bench::new(kind).await;
        for at in 0..requests {
            for fault in Fault::ALL {
                bench.desk.forget();
                bench.desk.fails_at(at, fault);
                let message = bench.queue(everything(kind)).await;
                let waiting = bench.deliver(message.clone()).await;
                assert_eq!(waiting.state, OutboxState::Waiting, "{kind:?}, {fault:?} at {at}");
                let settled = bench.until_settled(&message).await;
                assert_eq!((settled.state, settled.attempts), (OutboxState::Delivered, 2), "{kind:?}, {fault:?} at {at}");
                assert_same(kind, &bench.desk.ticket(models::id(kind)), &wanted, &format!("{fault:?} at {at}"));
                bench.desk.keeps_the_contract();
                cases += 1;
            }
        }
    }
    assert!(cases > 200, "{cases}");
}

#[tokio::test]
async fn every_second_request_may_fail_and_there_is_one_comment() {
    for kind in DeskKind::ALL {
        let (wanted, _) = undisturbed(kind).await;
        let bench = Bench::new(kind).await;
        for fault in Fault::ALL {
            bench.desk.forget();
            for at in (0..8).step_by(2) {
                bench.desk.fails_at(at, fault);
            }
            let message = bench.queue(everything(kind)).await;
            assert_eq!(bench.until_settled(&message).await.state, OutboxState::Delivered, "{kind:?}, {fault:?}");
            assert_same(kind, &bench.desk.ticket(models::id(kind)), &wanted, &format!("{fault:?} at every second request"));
            bench.desk.keeps_the_contract();
        }
    }
}

#[tokio::test]
async fn a_crash_before_or_after_the_write_ends_in_one_comment() {
    for kind in DeskKind::ALL {
        let (wanted, _) = undisturbed(kind).await;
        let bench = Bench::new(kind).await;
        for nth in [1, 2] {
            for fault in [StoreFault::Before, StoreFault::After] {
                bench.desk.forget();
                let message = bench.queue(everything(kind)).await;
                bench.deliver_and_crash(message.clone(), nth, fault).await.unwrap_err();
                // A new process reads what is stored, and nothing else.
                let settled = bench.until_settled(&message).await;
                assert_eq!(settled.state, OutboxState::Delivered, "{kind:?}, {fault:?} at commit {nth}");
                assert_same(kind, &bench.desk.ticket(models::id(kind)), &wanted, &format!("{fault:?} at commit {nth}"));
            }
        }
    }
}

#[tokio::test]
async fn a_comment_is_found_again_among_hundreds() {
    for kind in DeskKind::ALL {
        for (older, newer) in [(250, 0), (0, 130), (99, 0), (100, 0)] {
            // Opsgenie shows a hundred notes at once, and ours is minutes old.
            if kind == DeskKind::Opsgenie && newer > 99 {
                continue;
            }
            let bench = Bench::new(kind).await;
            let others = |ticket: &mut Ticket, number: usize| {
                ticket.comments.extend((0..number).map(|number| format!("comment {number} by a person")));
                ticket.public.extend(vec![false; number]);
            };
            bench.desk.touch(models::id(kind), |ticket| others(ticket, older));
            let message = bench.queue(everything(kind)).await;
            bench.deliver_and_crash(message.clone(), 2, StoreFault::Before).await.unwrap_err();
            bench.desk.touch(models::id(kind), |ticket| others(ticket, newer));
            assert_eq!(bench.until_settled(&message).await.state, OutboxState::Delivered);
            let ticket = bench.desk.ticket(models::id(kind));
            assert_eq!(ticket.comments.len(), older + newer + 1, "{kind:?} with {older} older and {newer} newer");
            bench.desk.keeps_the_contract();
        }
    }
}

#[tokio::test]
async fn what_a_person_changed_after_our_comment_came_is_not_changed_back() {
    for kind in DeskKind::ALL {
        let bench = Bench::new(kind).await;
        let message = bench.queue(everything(kind)).await;
        bench.deliver_and_crash(message.clone(), 2, StoreFault::Before).await.unwrap_err();
        bench.desk.touch(models::id(kind), |ticket| {
            ticket.fields.clear();
            ticket.tags.clear();
        });
        assert_eq!(bench.until_settled(&message).await.state, OutboxState::Delivered);
        let ticket = bench.desk.ticket(models::id(kind));
        assert!(ticket.fields.is_empty() && ticket.tags.is_empty() && ticket.comments.len() == 1, "{kind:?}: {ticket:?}");
    }
}

#[tokio::test]
async fn patience_asked_for_in_seconds_or_as_a_date_holds_for_all_messages_of_the_help_desk() {
    // The help desk's clock is years away from ours.
    let as_date = [("date", "Wed, 21 Oct 2015 07:28:00 GMT"), ("retry-after", "Wed, 21 Oct 2015 07:38:00 GMT")];
    let as_limit = [("date", "Wed, 21 Oct 2015 07:28:00 GMT"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1445413080")];
    for kind in DeskKind::ALL {
        for (headers, least) in [(&[("retry-after", "600")][..], 600), (&as_date[..], 600), (&as_limit[..], 600), (&[][..], 60)] {
            let bench = Bench::new(kind).await;
            bench.desk.errors_carry(headers);
            bench.desk.fails_at(0, Fault::Status(429));
            let mut messages = Vec::new();
            for _ in 0..20 {
                messages.push(bench.queue(everything(kind)).await);
            }
            let mut waiting = Vec::new();
            for message in &messages {
                waiting.push(bench.deliver(message.clone()).await);
            }
            assert_eq!(bench.desk.seen().len(), 1, "{kind:?}: one request, and then none");
            assert_eq!(waiting.iter().map(|message| message.attempts).collect::<Vec<_>>(), [&[1][..], &[0; 19][..]].concat());
            for message in &waiting {
                assert_eq!(*message, bench.stored(message).await);
                let wait = message.next_attempt_at.since(bench.time.now());
                assert!((least..=least * 11 / 10).contains(&wait.as_secs()), "{kind:?} {headers:?}: {wait:?}");
            }
            bench.time.turn(Duration::from_secs(least * 11 / 10 + 1));
            for message in waiting {
                assert_eq!(bench.deliver(message).await.state, OutboxState::Delivered);
            }
            assert_eq!(bench.desk.ticket(models::id(kind)).comments.len(), 20);
            bench.desk.keeps_the_contract();
        }
    }
}
