//! One test for each trap.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::clock::Millis;

const T0: Millis = Millis(1_700_000_000_000);

fn at(seconds: u64) -> Millis {
    T0 + Duration::from_secs(seconds)
}

/// A queue `q` with attributes and a message for each body.
fn queue(attributes: &[(&str, &str)], bodies: &[&str]) -> Sqs {
    let mut sqs = Sqs::new();
    sqs.create_queue("q", attributes, T0).unwrap();
    for body in bodies {
        sqs.send("q", Outgoing::new(*body), T0).unwrap();
    }
    sqs
}

fn receive(sqs: &mut Sqs, now: Millis) -> Vec<Received> {
    sqs.receive("q", 10, None, now).unwrap()
}

fn bodies(received: &[Received]) -> Vec<&str> {
    received.iter().map(Received::body).collect()
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> Code {
    result.unwrap_err().code
}

/// `sent + moved_in + undeleted` is accounted for.
fn assert_balanced(sqs: &Sqs, name: &str, now: Millis) {
    let totals = sqs.totals(name).unwrap();
    let messages = sqs.messages(name, now).unwrap();
    let present = messages.iter().filter(|m| m.state != State::Deleted);
    let gone = totals.deleted + totals.expired + totals.moved_out + totals.purged;
    let come = totals.sent + totals.moved_in + totals.undeleted;
    assert_eq!(come, gone + present.count() as u64, "{totals:?}");
}

#[test]
fn a_received_message_is_hidden_until_its_timeout_and_no_longer() {
    let mut sqs = queue(&[("VisibilityTimeout", "30")], &["a"]);
    assert_eq!(receive(&mut sqs, at(0))[0].receive_count, 1);
    assert_eq!(sqs.next_visible("q", at(1)).unwrap(), Some(at(30)));
    assert!(
        sqs.receive("q", 10, None, Millis(at(30).0 - 1))
            .unwrap()
            .is_empty()
    );
    let again = receive(&mut sqs, at(30));
    assert_eq!(again[0].receive_count, 2);
    assert_eq!(again[0].first_received_at, at(0));
    assert_eq!(again[0].sent_at, T0);
}

#[test]
fn a_delay_hides_a_new_message() {
    let mut sqs = queue(&[("DelaySeconds", "5")], &["a"]);
    sqs.send("q", Outgoing::new("b").delayed(0), T0).unwrap();
    assert_eq!(bodies(&receive(&mut sqs, at(0))), ["b"]);
    assert_eq!(
        sqs.attributes("q", at(0)).unwrap()["ApproximateNumberOfMessagesDelayed"],
        "1"
    );
    assert_eq!(sqs.next_visible("q", at(0)).unwrap(), Some(at(5)));
    assert_eq!(bodies(&receive(&mut sqs, at(5))), ["a"]);
    let refused = sqs.send("q", Outgoing::new("c").delayed(901), T0);
    assert_eq!(code(refused), Code::InvalidParameterValue);
}

#[test]
fn an_old_handle_deletes_nothing_once_somebody_else_received() {
    let mut sqs = queue(&[], &["a"]);
    let first = receive(&mut sqs, at(0)).remove(0).receipt_handle;
    let second = receive(&mut sqs, at(30)).remove(0).receipt_handle;
    sqs.delete("q", &first, at(31)).unwrap();
    assert_eq!(sqs.totals("q").unwrap().deleted, 0);
    let extend = sqs.change_visibility("q", &first, 60, at(31));
    assert_eq!(code(extend), Code::InvalidParameterValue);
    sqs.delete("q", &second, at(31)).unwrap();
    sqs.delete("q", &second, at(31)).unwrap();
    assert_eq!(sqs.totals("q").unwrap().deleted, 1);
    assert_balanced(&sqs, "q", at(31));
}

#[test]
fn a_lapsed_handle_still_deletes_while_nobody_else_received() {
    let mut sqs = queue(&[], &["a"]);
    let handle = receive(&mut sqs, at(0)).remove(0).receipt_handle;
    // And hides the message again.
    sqs.change_visibility("q", &handle, 60, at(40)).unwrap();
    assert!(receive(&mut sqs, at(99)).is_empty());
    let lapsed = at(101);
    sqs.change_visibility("q", &handle, 0, lapsed).unwrap();
    let extend = sqs.change_visibility("q", &handle, 60, lapsed);
    assert_eq!(code(extend), Code::MessageNotInflight);
    sqs.delete("q", &handle, lapsed).unwrap();
    assert!(receive(&mut sqs, lapsed).is_empty());
    let extend = sqs.change_visibility("q", &handle, 60, lapsed);
    assert_eq!(code(extend), Code::InvalidParameterValue);
}

#[test]
fn old_handles_do_as_the_queue_is_told() {
    for (stale, deleted) in [(Stale::Ignore, 0), (Stale::Refuse, 0), (Stale::Obey, 1)] {
        let mut sqs = queue(&[], &["a"]);
        let both = StaleHandles {
            delete: stale,
            extend: stale,
        };
        sqs.set_stale_handles("q", both).unwrap();
        let handle = receive(&mut sqs, at(0)).remove(0).receipt_handle;
        receive(&mut sqs, at(30));
        let extended = sqs.change_visibility("q", &handle, 600, at(31));
        assert_eq!(extended.is_err(), stale == Stale::Refuse);
        let lease = if stale == Stale::Obey { 631 } else { 60 };
        assert_eq!(sqs.next_visible("q", at(31)).unwrap(), Some(at(lease)));
        let answer = sqs.delete("q", &handle, at(31));
        assert_eq!(answer.is_err(), stale == Stale::Refuse);
        assert_eq!(sqs.totals("q").unwrap().deleted, deleted);
    }
}

#[test]
fn handles_are_checked() {
    let mut sqs = queue(&[], &["a"]);
    sqs.create_queue("other", &[], T0).unwrap();
    let handle = receive(&mut sqs, T0).remove(0).receipt_handle;
    for (queue, handle) in [
        ("q", "nonsense"),
        ("q", ""),
        ("q", "AQEBé"),
        ("other", &handle),
    ] {
        let deleted = sqs.delete(queue, handle, T0);
        assert_eq!(code(deleted), Code::ReceiptHandleIsInvalid);
    }
}

#[test]
fn twelve_hours_are_all_there_is() {
    let mut sqs = queue(&[], &["a"]);
    let handle = receive(&mut sqs, at(0)).remove(0).receipt_handle;
    assert_eq!(
        code(sqs.change_visibility("q", &handle, 43_201, at(1))),
        Code::InvalidParameterValue
    );
    sqs.change_visibility("q", &handle, 43_200, at(0)).unwrap();
    let beyond = sqs.change_visibility("q", &handle, 201, at(43_000));
    assert!(beyond.unwrap_err().message.contains("beyond the limit"));
    sqs.change_visibility("q", &handle, 200, at(43_000))
        .unwrap();
    assert_eq!(receive(&mut sqs, at(43_200))[0].receive_count, 2);
}

#[test]
fn visibility_zero_hands_back_at_once() {
    let mut sqs = queue(&[], &["a"]);
    let handle = receive(&mut sqs, at(0)).remove(0).receipt_handle;
    sqs.change_visibility("q", &handle, 0, at(1)).unwrap();
    assert_eq!(receive(&mut sqs, at(1))[0].receive_count, 2);
}

fn with_dead_letters() -> Sqs {
    let mut sqs = queue(&[], &[]);
    sqs.create_queue("dead", &[("MessageRetentionPeriod", "600")], T0)
        .unwrap();
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"2"}"#;
    sqs.set_attributes("q", &[("RedrivePolicy", policy)], T0)
        .unwrap();
    sqs
}

#[test]
fn received_too_often_moves_with_id_age_and_source() {
    let mut sqs = with_dead_letters();
    let sent = sqs.send("q", Outgoing::new("a"), T0).unwrap();
    assert_eq!(receive(&mut sqs, at(0)).len(), 1);
    assert_eq!(receive(&mut sqs, at(30)).len(), 1);
    assert!(receive(&mut sqs, at(60)).is_empty());
    let dead = sqs.receive("dead", 1, None, at(61)).unwrap().remove(0);
    assert_eq!((dead.message_id, dead.sent_at), (sent.message_id, T0));
    assert_eq!(dead.receive_count, 3);
    let source = dead.dead_letter_source.as_deref();
    assert_eq!(source, Some("arn:aws:sqs:us-east-1:000000000000:q"));
    assert_eq!(sqs.list_dead_letter_source_queues("dead").unwrap(), ["q"]);
    assert_balanced(&sqs, "q", at(61));
    assert_balanced(&sqs, "dead", at(61));
    // The age counts from the first sending: 600 s after it, not after the move.
    assert!(sqs.receive("dead", 1, None, at(600)).unwrap().is_empty());
    assert_eq!(sqs.totals("dead").unwrap().expired, 1);
}

#[test]
fn a_move_task_makes_new_messages_of_them() {
    let mut sqs = with_dead_letters();
    sqs.send("q", Outgoing::new("a"), T0).unwrap();
    for n in 0..3 {
        receive(&mut sqs, at(n * 30));
    }
    let refused = sqs.start_message_move_task(&sqs.arn("q"), None, at(70));
    assert_eq!(code(refused), Code::InvalidParameterValue);
    let task = sqs
        .start_message_move_task(&sqs.arn("dead"), None, at(70))
        .unwrap();
    assert_eq!((task.moved, task.status), (1, MoveStatus::Completed));
    let back = receive(&mut sqs, at(71)).remove(0);
    assert_eq!((back.receive_count, back.sent_at), (1, at(70)));
    assert_eq!(back.dead_letter_source, None);
    assert_eq!(
        sqs.list_message_move_tasks(&sqs.arn("dead")).unwrap().len(),
        1
    );
    assert_balanced(&sqs, "q", at(71));
}

#[test]
fn a_redrive_policy_must_name_a_queue() {
    let mut sqs = queue(&[], &[]);
    for (policy, expected) in [
        ("{}", Code::InvalidAttributeValue),
        (
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:no","maxReceiveCount":2}"#,
            Code::InvalidParameterValue,
        ),
        (
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:q","maxReceiveCount":0}"#,
            Code::InvalidAttributeValue,
        ),
    ] {
        let set = sqs.set_attributes("q", &[("RedrivePolicy", policy)], T0);
        assert_eq!(code(set), expected, "{policy}");
    }
}

#[test]
fn sizes_are_limited_for_each_message_and_for_the_batch() {
    let mut sqs = queue(&[], &[]);
    let full = "x".repeat(MAX_BYTES);
    sqs.send("q", Outgoing::new(full.clone()), T0).unwrap();
    assert_eq!(
        code(sqs.send("q", Outgoing::new(full + "x"), T0)),
        Code::InvalidParameterValue
    );
    let half = "x".repeat(MAX_BYTES / 2);
    let batch = |last: &str| {
        vec![
            ("a".to_owned(), Outgoing::new(half.clone())),
            ("b".to_owned(), Outgoing::new(format!("{half}{last}"))),
        ]
    };
    assert_eq!(
        code(sqs.send_batch("q", batch("x"), T0)),
        Code::BatchRequestTooLong
    );
    assert!(
        sqs.send_batch("q", batch(""), T0)
            .unwrap()
            .iter()
            .all(|(_, r)| r.is_ok())
    );
    sqs.set_attributes("q", &[("MaximumMessageSize", "1024")], T0)
        .unwrap();
    let small = vec![
        ("a".to_owned(), Outgoing::new("x".repeat(1_025))),
        ("b".to_owned(), Outgoing::new("x")),
    ];
    let results = sqs.send_batch("q", small, T0).unwrap();
    assert_eq!(
        results[0].1.clone().unwrap_err().code,
        Code::InvalidParameterValue
    );
    assert!(results[1].1.is_ok());
}

#[test]
fn batches_fail_as_a_whole_or_entry_by_entry() {
    let mut sqs = queue(&[], &[]);
    let entries = |ids: &[&str]| -> Vec<_> {
        ids.iter()
            .map(|id| ((*id).to_owned(), Outgoing::new("x")))
            .collect()
    };
    let eleven: Vec<_> = (0..11).map(|n| n.to_string()).collect();
    let eleven: Vec<_> = eleven.iter().map(String::as_str).collect();
    for (ids, expected) in [
        (&[][..], Code::EmptyBatchRequest),
        (&["a", "a"], Code::BatchEntryIdsNotDistinct),
        (&["a b"], Code::InvalidBatchEntryId),
        (&eleven, Code::TooManyEntriesInBatchRequest),
    ] {
        assert_eq!(code(sqs.send_batch("q", entries(ids), T0)), expected);
    }
    let mut mixed = entries(&["good", "bad"]);
    mixed[1].1 = Outgoing::new("a\u{1}b");
    let results = sqs.send_batch("q", mixed, T0).unwrap();
    assert!(results[0].1.is_ok());
    assert_eq!(
        results[1].1.clone().unwrap_err().code,
        Code::InvalidMessageContents
    );
    let handle = receive(&mut sqs, T0).remove(0).receipt_handle;
    let ends = [("a".to_owned(), handle), ("b".to_owned(), "no".to_owned())];
    let results = sqs.delete_batch("q", &ends, T0).unwrap();
    assert!(results[0].1.is_ok());
    assert_eq!(
        results[1].1.clone().unwrap_err().code,
        Code::ReceiptHandleIsInvalid
    );
}

#[test]
fn contents_are_checked() {
    let mut sqs = queue(&[], &[]);
    for body in ["\u{0}", "\u{b}", "a\u{fffe}", "\u{ffff}"] {
        assert_eq!(
            code(sqs.send("q", Outgoing::new(body), T0)),
            Code::InvalidMessageContents
        );
    }
    assert_eq!(
        code(sqs.send("q", Outgoing::new(""), T0)),
        Code::MissingParameter
    );
    for body in ["\t\n\r", "é\u{85}", "\u{10ffff}", "\u{fffd}"] {
        sqs.send("q", Outgoing::new(body), T0).unwrap();
    }
    for name in ["", "AWS.x", "a..b", ".a", "a b"] {
        let message = Outgoing::new("x").attribute(name, AttributeValue::string("v"));
        assert_eq!(
            code(sqs.send("q", message, T0)),
            Code::InvalidParameterValue,
            "{name}"
        );
    }
}

/// The digests that boto3 and the SDKs compute for the same attributes.
#[test]
fn attributes_travel_and_have_the_known_digest() {
    let mut sqs = queue(&[], &[]);
    let number = AttributeValue {
        data_type: "Number".to_owned(),
        value: b"12".to_vec(),
    };
    let message = Outgoing::new("hello")
        .attribute("reason", AttributeValue::string("missing"))
        .attribute("n", number);
    let sent = sqs.send("q", message, T0).unwrap();
    assert_eq!(
        sent.payload.md5_of_body(),
        "5d41402abc4b2a76b9719d911017c592"
    );
    let all = sent.payload.md5_of_attributes().unwrap();
    assert_eq!(all, "caa53965dfd9f040f41e8a3e71d6d1b6");
    assert_ne!(sent.payload.md5_of_some(|n| n == "n").unwrap(), all);
    assert_eq!(sent.payload.md5_of_some(|_| false), None);
    let received = receive(&mut sqs, T0).remove(0);
    assert_eq!(received.payload.attributes["reason"].text(), "missing");
    assert_eq!(received.payload.md5_of_attributes().unwrap(), all);
}

#[test]
fn too_many_in_flight_is_an_error() {
    let mut sqs = queue(&[], &["a", "b", "c"]);
    sqs.set_in_flight_limit("q", 2).unwrap();
    assert_eq!(receive(&mut sqs, T0).len(), 2);
    assert_eq!(code(sqs.receive("q", 1, None, T0)), Code::OverLimit);
    assert_eq!(receive(&mut sqs, at(30)).len(), 2);
}

#[test]
fn an_explicit_repeat_is_a_second_delivery_of_the_same_message() {
    let mut sqs = queue(&[], &["a"]);
    let first = receive(&mut sqs, T0).remove(0);
    assert!(sqs.deliver_again("q", first.message_id, T0).unwrap());
    let second = receive(&mut sqs, at(1)).remove(0);
    assert_eq!(
        (second.message_id, second.receive_count),
        (first.message_id, 2)
    );
    assert!(receive(&mut sqs, at(2)).is_empty());
    sqs.delete("q", &second.receipt_handle, at(3)).unwrap();
    assert!(sqs.deliver_again("q", first.message_id, at(4)).unwrap());
    assert_eq!(receive(&mut sqs, at(4))[0].receive_count, 3);
    assert!(!sqs.deliver_again("q", MessageId(99), at(4)).unwrap());
    assert_balanced(&sqs, "q", at(5));
}

#[test]
fn a_picker_chooses_order_lateness_and_duplicates() {
    let mut sqs = queue(&[], &["a", "b", "c"]);
    let mut take = |positions: &[usize]| {
        let mut pick = |_: &[Candidate]| positions.to_vec();
        sqs.receive_with("q", 10, None, T0, &mut pick).unwrap()
    };
    assert_eq!(bodies(&take(&[2, 0, 9, 0])), ["c", "a"]);
    // Now b is receivable; a and c are in flight.
    assert_eq!(bodies(&take(&[1])), ["a"]);
    assert_eq!(bodies(&take(&[0])), ["b"]);
}

#[test]
fn seeded_disorder_repeats_itself_and_loses_nothing() {
    let run = |seed| {
        let names: Vec<_> = (0..50).map(|n| n.to_string()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut sqs = queue(&[], &names);
        let disorder = Disorder {
            duplicate: 0.3,
            reorder: 0.5,
            late: 0.2,
            undead: 0.1,
            seed,
            ..Disorder::default()
        };
        sqs.set_disorder("q", Some(disorder)).unwrap();
        let mut seen = Vec::new();
        let mut now = T0;
        while let Some(next) = sqs.next_visible("q", now).unwrap() {
            now = next;
            for message in receive(&mut sqs, now) {
                seen.push(message.body().to_owned());
                sqs.delete("q", &message.receipt_handle, now).unwrap();
            }
        }
        assert_balanced(&sqs, "q", now);
        seen
    };
    let seen = run(1);
    assert!(seen.len() > 50);
    assert_eq!(
        seen.iter().collect::<std::collections::BTreeSet<_>>().len(),
        50
    );
    assert_eq!(seen, run(1));
    assert_ne!(seen, run(2));
}

#[test]
fn certain_disorder_still_ends() {
    let mut sqs = queue(&[], &["a"]);
    let disorder = Disorder {
        duplicate: 1.0,
        undead: 1.0,
        ..Disorder::default()
    };
    sqs.set_disorder("q", Some(disorder)).unwrap();
    let mut deliveries = 0;
    while let Some(message) = receive(&mut sqs, T0).pop() {
        deliveries += 1;
        // The receiver of the first of two deliveries is too late.
        if deliveries % 2 == 0 {
            sqs.delete("q", &message.receipt_handle, T0).unwrap();
        }
    }
    assert_eq!(deliveries, 4);
    assert_balanced(&sqs, "q", T0);
}

#[test]
fn fifo_keeps_order_within_a_group_and_drops_duplicates() {
    let mut sqs = Sqs::new();
    assert_eq!(
        code(sqs.create_queue("f", &[("FifoQueue", "true")], T0)),
        Code::InvalidParameterValue
    );
    let attributes = [("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];
    sqs.create_queue("f.fifo", &attributes, T0).unwrap();
    let mut send = |body: &str, group: &str, now| {
        sqs.send("f.fifo", Outgoing::new(body).group(group), now)
            .unwrap()
    };
    let first = send("a1", "a", at(0));
    send("b1", "b", at(0));
    send("a2", "a", at(0));
    assert_eq!(send("a1", "a", at(299)).message_id, first.message_id);
    let mut take = |max, now| sqs.receive("f.fifo", max, Some(30), now).unwrap();
    let a1 = take(1, at(300)).remove(0);
    assert_eq!(a1.body(), "a1");
    let b1 = take(10, at(301));
    assert_eq!(bodies(&b1), ["b1"], "a waits for a1");
    assert_eq!(bodies(&take(10, at(330))), ["a1", "a2"]);
    let late = sqs.delete("f.fifo", &a1.receipt_handle, at(331));
    assert!(late.unwrap_err().message.contains("expired"));
    sqs.send("f.fifo", Outgoing::new("a1").group("a"), at(300))
        .unwrap();
    assert_eq!(
        sqs.totals("f.fifo").unwrap().sent,
        4,
        "after 5 minutes it is new"
    );
    let refused = sqs.send("f.fifo", Outgoing::new("x"), T0);
    assert_eq!(code(refused), Code::MissingParameter);
}

#[test]
fn queues_are_created_once_and_deleted_for_a_minute() {
    let mut sqs = queue(&[("VisibilityTimeout", "60")], &["a"]);
    sqs.create_queue("q", &[("VisibilityTimeout", "60")], T0)
        .unwrap();
    sqs.create_queue("q", &[], T0).unwrap();
    let other = sqs.create_queue("q", &[("VisibilityTimeout", "61")], T0);
    assert_eq!(code(other), Code::QueueNameExists);
    assert_eq!(
        code(sqs.create_queue("a b", &[], T0)),
        Code::InvalidParameterValue
    );
    let unknown = sqs.set_attributes("q", &[("Nonsense", "1")], T0);
    assert_eq!(code(unknown), Code::InvalidAttributeName);
    sqs.purge("q", T0).unwrap();
    assert_eq!(code(sqs.purge("q", at(59))), Code::PurgeQueueInProgress);
    assert_balanced(&sqs, "q", T0);
    sqs.delete_queue("q", T0).unwrap();
    assert_eq!(code(sqs.receive("q", 1, None, T0)), Code::QueueDoesNotExist);
    assert_eq!(
        code(sqs.create_queue("q", &[], at(59))),
        Code::QueueDeletedRecently
    );
    sqs.create_queue("q", &[], at(60)).unwrap();
    assert_eq!(sqs.list_queues("q"), ["q"]);
}
