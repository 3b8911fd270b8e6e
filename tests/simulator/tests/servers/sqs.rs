//! SQS on the wire.

use std::time::{Duration, Instant};

use rebucket_simulator::http::{Action, Rule, Simulator, When};
use rebucket_simulator::sqs::{Outgoing, State};
use serde_json::{Value, json};

use crate::client::sqs;

async fn start() -> (Simulator, String) {
    let simulator = Simulator::builder().start().await.unwrap();
    let now = simulator.clock().now();
    simulator.sqs().create_queue("q", &[], now).unwrap();
    let url = simulator.queue_url("q");
    (simulator, url)
}

async fn ask(simulator: &Simulator, operation: &str, fields: Value) -> Value {
    let reply = sqs(simulator, operation, fields).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn a_message_goes_there_and_back() {
    let (simulator, url) = start().await;
    let attributes = json!({
        "reason": { "DataType": "String", "StringValue": "missing" },
        "n": { "DataType": "Number", "StringValue": "12" },
    });
    let message =
        json!({ "QueueUrl": url, "MessageBody": "hello", "MessageAttributes": attributes });
    let sent = ask(&simulator, "SendMessage", message).await;
    assert_eq!(sent["MD5OfMessageBody"], "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(
        sent["MD5OfMessageAttributes"],
        "caa53965dfd9f040f41e8a3e71d6d1b6"
    );
    let receive = json!({
        "QueueUrl": url,
        "MessageAttributeNames": ["rea.*"],
        "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
    });
    let received = ask(&simulator, "ReceiveMessage", receive.clone()).await;
    let message = &received["Messages"][0];
    assert_eq!(message["MessageId"], sent["MessageId"]);
    assert_eq!(message["MessageAttributes"].as_object().unwrap().len(), 1);
    assert_eq!(
        message["Attributes"],
        json!({ "ApproximateReceiveCount": "1" })
    );
    let entry = json!({ "Id": "a", "ReceiptHandle": message["ReceiptHandle"] });
    let wrong = json!({ "Id": "b", "ReceiptHandle": "no" });
    let delete = json!({ "QueueUrl": url, "Entries": [entry, wrong] });
    let deleted = ask(&simulator, "DeleteMessageBatch", delete).await;
    assert_eq!(deleted["Successful"], json!([{ "Id": "a" }]));
    assert_eq!(deleted["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    assert_eq!(ask(&simulator, "ReceiveMessage", receive).await, json!({}));
}

#[tokio::test]
async fn errors_carry_both_their_names() {
    let (simulator, _) = start().await;
    let fields = json!({ "QueueUrl": "http://localhost/1/none" });
    let reply = sqs(&simulator, "ReceiveMessage", fields).await.unwrap();
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.json()["__type"],
        "com.amazonaws.sqs#QueueDoesNotExist"
    );
    let header = reply.headers["x-amzn-query-error"].to_str().unwrap();
    assert_eq!(header, "AWS.SimpleQueueService.NonExistentQueue;Sender");
    let url = simulator.queue_url("q");
    for fields in [
        json!({}),
        json!({ "QueueUrl": url, "WaitTimeSeconds": "x" }),
        json!(7),
    ] {
        let reply = sqs(&simulator, "ReceiveMessage", fields).await.unwrap();
        assert_eq!(reply.status, 400);
    }
}

#[tokio::test]
async fn a_long_poll_wakes_when_a_message_comes_and_ends_when_none_does() {
    let (simulator, url) = start().await;
    let begin = Instant::now();
    let poll = |seconds| json!({ "QueueUrl": url, "WaitTimeSeconds": seconds });
    let (polled, ()) = tokio::join!(ask(&simulator, "ReceiveMessage", poll(20)), async {
        while simulator.requests().count("ReceiveMessage") == 0 {
            tokio::task::yield_now().await;
        }
        let message = json!({ "QueueUrl": url, "MessageBody": "hello", "DelaySeconds": 1 });
        ask(&simulator, "SendMessage", message).await;
    });
    assert_eq!(polled["Messages"][0]["Body"], "hello");
    let took = begin.elapsed();
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(10),
        "{took:?}"
    );
    assert_eq!(ask(&simulator, "ReceiveMessage", poll(1)).await, json!({}));
}

#[tokio::test]
async fn entries_of_a_batch_fail_applied_or_not() {
    for (when, arrived) in [(When::Before, 1), (When::After, 2)] {
        let (simulator, url) = start().await;
        let action = Action::Entries {
            positions: vec![1],
            code: "InternalError".to_owned(),
            sender_fault: false,
            when,
        };
        simulator.fault(Rule::on("SendMessageBatch", action));
        let entries = json!([{ "Id": "a", "MessageBody": "1" }, { "Id": "b", "MessageBody": "2" }]);
        let batch = json!({ "QueueUrl": url, "Entries": entries });
        let answer = ask(&simulator, "SendMessageBatch", batch).await;
        assert_eq!(answer["Successful"].as_array().unwrap().len(), 1);
        assert_eq!(answer["Failed"][0]["Id"], "b");
        assert_eq!(answer["Failed"][0]["Code"], "InternalError");
        assert_eq!(simulator.sqs().totals("q").unwrap().sent, arrived);
    }
}

#[tokio::test]
async fn a_client_that_leaves_its_long_poll_takes_no_message_with_it() {
    let (simulator, url) = start().await;
    let poll = json!({ "QueueUrl": url, "WaitTimeSeconds": 20 });
    let asked = sqs(&simulator, "ReceiveMessage", poll);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), asked)
            .await
            .is_err()
    );
    while simulator.requests().counts().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    let now = simulator.clock().now();
    simulator
        .sqs()
        .send("q", Outgoing::new("hello"), now)
        .unwrap();
    let messages = simulator.sqs().messages("q", now).unwrap();
    assert!(matches!(messages[0].state, State::Visible { .. }));
}
