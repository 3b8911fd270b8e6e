//! Answers of SQS, or of what stands between. A message counts as removed,
//! kept or parked only if the answer says so.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use rebucket_protocol::Reason;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::Outgoing;
use rebucket_worker::queue::sqs::SqsQueue;
use rebucket_worker::queue::{EntryResult, ParkReason, Queue as _, ReceiptHandle, Received};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::listener::{Listener, http, sqs_client, unmeasured};
use crate::mutation::{Damage, damage};
use crate::samples::text;

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "0",
    "\\",
    "\\u0000",
    "\"Id\":\"0\"",
    "\"Id\":\"1\"",
    "\"Failed\":[",
    "\"Successful\":[",
    "{}",
    "\r\n\r\n",
    "HTTP/1.1 200",
    "HTTP/1.1 500",
    "content-length: 0\r\n",
    "\"SenderFault\":true",
    "x-amzn-errortype: x\r\n",
];
const KIND: (&str, &str) = ("content-type", "application/x-amz-json-1.0");
const VISIBILITY: Duration = Duration::from_secs(30);

/// Has requests to an open queue answered with these bytes.
fn answered<T>(answer: Vec<u8>, requests: impl AsyncFnOnce(&SqsQueue) -> T) -> T {
    thread_local! {
        static PAIR: (Listener, SqsQueue) = {
            let listener = Listener::new();
            let url = format!("{}/1/renames", listener.url);
            let dead = "arn:aws:sqs:r:1:dead";
            let policy = json!({"deadLetterTargetArn": dead, "maxReceiveCount": 5});
            let answers = [
                json!({"Attributes": {"RedrivePolicy": policy.to_string()}}),
                json!({"QueueUrl": format!("{}/1/dead", listener.url)}),
            ];
            let answers = answers.map(|answer| http(200, &[KIND], answer.to_string().as_bytes()));
            let (client, metrics) = (sqs_client(&listener.url), Metrics::new().unwrap());
            let stop = CancellationToken::new();
            let open = SqsQueue::open(client, &url, metrics, &stop);
            let queue = listener.answering(&answers, open).unwrap();
            (listener, queue)
        };
    }
    PAIR.with(|(listener, queue)| listener.answering(&[answer], requests(queue)))
}

/// A request about several messages.
#[derive(Debug, Clone, Copy)]
enum Batch {
    Acknowledge,
    Extend,
    Send,
}

const BATCHES: [Batch; 3] = [Batch::Acknowledge, Batch::Extend, Batch::Send];

impl Batch {
    fn answered(self, count: usize, answer: Vec<u8>) -> Result<Vec<EntryResult>, String> {
        let receipts: Vec<_> = (0..count).map(|n| ReceiptHandle(format!("r{n}"))).collect();
        let results = answered(answer, async |queue: &SqsQueue| match self {
            Self::Acknowledge => queue.acknowledge(&receipts).await,
            Self::Extend => {
                let entries: Vec<_> = receipts.iter().map(|r| (r.clone(), VISIBILITY)).collect();
                queue.change_visibility(&entries).await
            }
            Self::Send => {
                let message = |receipt: &ReceiptHandle| Outgoing {
                    body: receipt.0.clone(),
                    order: None,
                };
                let messages: Vec<_> = receipts.iter().map(message).collect();
                queue.send_batch(&messages).await
            }
        });
        results.map_err(|error| error.to_string())
    }
}

/// The answer to a batch: who succeeded and who failed, by index.
fn batch_answer(successful: &[usize], failed: &[(usize, String, bool)]) -> Value {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let successful: Vec<Value> = successful
        .iter()
        .map(|n| json!({"Id": n.to_string(), "MessageId": "m", "MD5OfMessageBody": md5}))
        .collect();
    let failed: Vec<Value> = failed
        .iter()
        .map(|(n, code, fault)| json!({"Id": n.to_string(), "Code": code, "SenderFault": fault}))
        .collect();
    json!({"Successful": successful, "Failed": failed})
}

fn messages(bodies: &[String]) -> Value {
    let message = |(number, body): (usize, &String)| {
        json!({
            "MessageId": format!("m{number}"), "ReceiptHandle": format!("r{number}"), "Body": body,
            "Attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1700000000000"},
        })
    };
    json!({"Messages": bodies.iter().enumerate().map(message).collect::<Vec<_>>()})
}

fn receive(answer: Vec<u8>) -> Result<Vec<Received>, String> {
    let received = answered(answer, async |queue: &SqsQueue| {
        queue.receive(10, VISIBILITY, Duration::ZERO).await
    });
    received.map_err(|error| error.to_string())
}

fn park(answer: Vec<u8>) -> Result<(), String> {
    let message = Received {
        id: "m".to_owned(),
        receipt: ReceiptHandle("r".to_owned()),
        body: "{}".to_owned(),
        receive_count: Some(1),
        sent: None,
        deadline: tokio::time::Instant::now() + VISIBILITY,
    };
    let reason = ParkReason {
        reason: Reason::SourceMissing,
        detail: "gone".to_owned(),
    };
    let parked = answered(answer, async |queue: &SqsQueue| {
        queue.park(&message, &reason).await
    });
    parked.map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn an_entry_succeeded_only_if_the_answer_names_it(
        batch in prop::sample::select(&BATCHES[..]),
        count in 1_usize..=10,
        successful in prop::collection::vec(0_usize..12, 0..12),
        failed in prop::collection::vec(
            (0_usize..12, prop::sample::select(vec![
                "ReceiptHandleIsInvalid", "InternalError", "InvalidParameterValue", "",
                "AWS.SimpleQueueService.MessageNotInflight",
            ]).prop_map(str::to_owned), any::<bool>()),
            0..4,
        ),
    ) {
        let answer = batch_answer(&successful, &failed);
        let answer = http(200, &[KIND], answer.to_string().as_bytes());
        let results = batch.answered(count, answer).map_err(TestCaseError::fail)?;
        prop_assert_eq!(results.len(), count);
        for (index, result) in results.iter().enumerate() {
            let named = successful.contains(&index);
            let refused = failed.iter().any(|(n, _, _)| *n == index);
            prop_assert_eq!(result.is_ok(), named && !refused, "{}: {:?}", index, result);
        }
    }

    #[test]
    fn damage_to_a_batch_answer_makes_no_entry_succeed_that_it_does_not_name(
        batch in prop::sample::select(&BATCHES[..]),
        damage in prop::collection::vec(damage(JSON), 1..5),
    ) {
        let whole = batch_answer(&[0], &[(1, "InternalError".to_owned(), false)]);
        let answer = Damage::apply_all(&damage, &http(200, &[KIND], whole.to_string().as_bytes()));
        let said = String::from_utf8_lossy(&answer).into_owned();
        if let Ok(results) = batch.answered(3, answer) {
            prop_assert_eq!(results.len(), 3);
            for (index, result) in results.iter().enumerate() {
                let named = said.contains(&format!("\"{index}\""));
                prop_assert!(result.is_err() || named, "{}: {}", index, said);
            }
        }
    }

    #[test]
    fn an_answer_that_was_cut_off_is_no_answer(
        batch in prop::sample::select(&BATCHES[..]),
        cut in any::<Index>(),
        measured in any::<bool>(),
    ) {
        let whole = batch_answer(&[0, 1, 2], &[]).to_string();
        let part = &whole.as_bytes()[..cut.index(whole.len())];
        let send = if measured { http } else { unmeasured };
        let results = batch.answered(3, send(200, &[KIND], part));
        let none = results.as_ref().map_or(true, |results| results.iter().all(Result::is_err));
        prop_assert!(none, "{:?} of {}", results, String::from_utf8_lossy(part));
    }

    #[test]
    fn a_status_that_is_no_success_makes_no_success(
        batch in prop::sample::select(&BATCHES[..]),
        status in (100_u16..600).prop_filter("none", |status| !(200..300).contains(status)),
    ) {
        let whole = batch_answer(&[0, 1], &[]).to_string();
        let answer = http(status, &[KIND], whole.as_bytes());
        prop_assert!(batch.answered(2, answer).is_err());
        prop_assert!(receive(http(status, &[KIND], messages(&[]).to_string().as_bytes())).is_err());
        let parked = park(http(status, &[KIND], b"{\"MessageId\":\"m\"}"));
        prop_assert!(parked.is_err());
    }

    #[test]
    fn messages_are_received_as_they_were_sent(bodies in prop::collection::vec(text(), 0..11)) {
        let answer = http(200, &[KIND], messages(&bodies).to_string().as_bytes());
        let received = receive(answer).map_err(TestCaseError::fail)?;
        let found: Vec<String> = received.iter().map(|message| message.body.clone()).collect();
        prop_assert_eq!(&found, &bodies);
        for (number, message) in received.iter().enumerate() {
            prop_assert_eq!(&message.receipt.0, &format!("r{number}"));
            prop_assert_eq!(message.receive_count, Some(3));
            prop_assert_eq!(message.sent.unwrap().unix_seconds(), 1_700_000_000);
        }
    }

    #[test]
    fn no_damage_makes_a_receive_panic(
        bodies in prop::collection::vec(text(), 0..4),
        damage in prop::collection::vec(damage(JSON), 1..5),
        count in prop_oneof!["-?[0-9]{1,25}", text()],
        sent in prop_oneof!["-?[0-9]{1,25}", text()],
    ) {
        let mut whole = messages(&bodies);
        for message in whole["Messages"].as_array_mut().unwrap() {
            message["Attributes"] = json!({
                "ApproximateReceiveCount": count, "SentTimestamp": sent,
            });
        }
        let whole = whole.to_string();
        let intact = receive(http(200, &[KIND], whole.as_bytes())).map_err(TestCaseError::fail)?;
        prop_assert_eq!(intact.len(), bodies.len());
        let damaged = Damage::apply_all(&damage, &http(200, &[KIND], whole.as_bytes()));
        for message in receive(damaged).unwrap_or_default() {
            // The deadline errs on the early side, whatever the answer says.
            prop_assert!(message.deadline <= tokio::time::Instant::now() + VISIBILITY);
        }
    }

    #[test]
    fn a_message_is_parked_only_if_the_answer_has_its_id(
        damage in prop::collection::vec(damage(JSON), 0..4),
        body in prop::sample::select(vec![
            "{\"MessageId\":\"m-1\"}", "{\"MessageId\":\"\"}", "{}", "", "null", "[]",
            "{\"MessageId\":null}", "{\"MessageId\":7}", "{\"messageid\":\"m-1\"}",
            "{\"MessageId\":\"m-1\"",
        ]),
    ) {
        let intact = park(http(200, &[KIND], body.as_bytes()));
        let good = body == "{\"MessageId\":\"m-1\"}";
        prop_assert_eq!(intact.is_ok(), good, "{:?} of {}", intact, body);
        let damaged = Damage::apply_all(&damage, &http(200, &[KIND], body.as_bytes()));
        let said = String::from_utf8_lossy(&damaged).into_owned();
        prop_assert!(park(damaged).is_err() || said.contains("MessageId"), "{}", said);
    }
}
