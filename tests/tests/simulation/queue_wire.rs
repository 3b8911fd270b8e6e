//! What the adapter of SQS asks for, and what it makes of the answers.

use std::time::Duration;

use rebucket_protocol::{Reason, Timestamp};
use rebucket_worker::error::ErrorClass;
use rebucket_worker::queue::{ParkReason, Queue as _, ReceiptHandle, Received};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::tapped::{Sent, send_to_queue};

const VISIBILITY: Duration = Duration::from_secs(30);

fn body(sent: &Sent) -> Value {
    serde_json::from_str(&sent.body).unwrap()
}

fn message() -> Value {
    json!({
        "MessageId": "m", "ReceiptHandle": "r", "Body": "b",
        "Attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1700000000000"},
    })
}

#[test]
fn a_message_is_asked_for_with_its_age_and_its_deliveries() {
    let (sent, told) = send_to_queue(vec![json!({"Messages": [message()]})], async |queue| {
        queue.receive(1, VISIBILITY, Duration::ZERO).await
    });
    let received = told.unwrap().remove(0);
    assert_eq!(received.receive_count, Some(3));
    assert_eq!(received.sent, Timestamp::from_unix(1_700_000_000, 0));
    let mut names = body(&sent[0])["MessageSystemAttributeNames"].clone();
    names
        .as_array_mut()
        .unwrap()
        .sort_by_key(ToString::to_string);
    assert_eq!(names, json!(["ApproximateReceiveCount", "SentTimestamp"]));
}

#[test]
fn a_message_s_deadline_counts_from_before_it_was_asked_for() {
    let (sent, told) = send_to_queue(vec![json!({"Messages": [message()]})], async |queue| {
        queue.receive(1, VISIBILITY, Duration::ZERO).await
    });
    assert!(told.unwrap()[0].deadline <= sent[0].at + VISIBILITY);
}

#[test]
fn a_message_is_parked_in_the_dead_letter_queue() {
    let answer = json!({"MessageId": "m", "MD5OfMessageBody": "92eb5ffee6ae2fec3ad71c777531578f"});
    let (sent, told) = send_to_queue(vec![answer], async |queue| {
        let message = Received {
            id: "m".to_owned(),
            receipt: ReceiptHandle("r".to_owned()),
            body: "b".to_owned(),
            receive_count: Some(1),
            sent: None,
            deadline: Instant::now(),
        };
        let reason = ParkReason {
            reason: Reason::SourceMissing,
            detail: "gone".to_owned(),
        };
        queue.park(&message, &reason).await
    });
    told.unwrap();
    assert_eq!(body(&sent[0])["QueueUrl"], "http://queue.test/1/dead");
}

#[test]
fn a_receipt_that_the_queue_no_longer_knows_is_a_lost_lease() {
    for code in ["ReceiptHandleIsInvalid", "MessageNotInflight"] {
        let failed = json!([{"Id": "0", "Code": code, "SenderFault": true}]);
        let answer = json!({"Successful": [], "Failed": failed});
        let (_, told) = send_to_queue(vec![answer], async |queue| {
            let entry = (ReceiptHandle("r".to_owned()), VISIBILITY);
            queue.change_visibility(&[entry]).await
        });
        let error = told.unwrap().remove(0).unwrap_err();
        assert_eq!(error.class(), ErrorClass::LeaseLost, "{code}");
    }
}

#[test]
fn a_queue_that_does_not_say_how_full_it_is_does_not_look_empty() {
    for attributes in [json!({}), json!({"ApproximateNumberOfMessages": "many"})] {
        let (_, told) = send_to_queue(vec![json!({"Attributes": attributes})], async |queue| {
            queue.depth().await
        });
        told.unwrap_err();
    }
}
