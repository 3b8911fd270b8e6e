//! What is counted and written down.

use std::time::{Duration, Instant};

use rebucket_simulator::http::{Delay, Service, Simulator};
use serde_json::json;

use crate::client::{s3, send, sqs};

#[tokio::test]
async fn every_request_is_counted_and_logged_in_order() {
    let simulator = Simulator::builder().start().await.unwrap();
    s3(&simulator, "PUT", "/b", &[], "").await.unwrap();
    s3(&simulator, "PUT", "/b/a%20b", &[], "hello")
        .await
        .unwrap();
    s3(&simulator, "GET", "/b/a%20b", &[], "").await.unwrap();
    s3(&simulator, "GET", "/b/none", &[], "").await.unwrap();
    let create = json!({ "QueueName": "q" });
    sqs(&simulator, "CreateQueue", create.clone())
        .await
        .unwrap();

    let log = simulator.requests().log();
    let names: Vec<_> = log
        .iter()
        .map(|record| record.operation.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "CreateBucket",
            "PutObject",
            "GetObject",
            "GetObject",
            "CreateQueue"
        ]
    );
    let statuses: Vec<_> = log.iter().map(|record| record.status).collect();
    assert_eq!(statuses, [200, 200, 200, 404, 200].map(Some));
    assert_eq!(log[1].operation.key.as_deref(), Some("a b"));
    assert_eq!(log[4].operation.service, Service::Sqs);
    assert_eq!(log[4].operation.queue.as_deref(), Some("q"));

    let counts = simulator.requests().counts();
    assert_eq!((counts.total, counts.faults, counts.in_flight), (5, 0, 0));
    assert_eq!(counts.operations["GetObject"], 2);
    assert_eq!(counts.statuses[&404], 1);
    let sent = "hello".len() + create.to_string().len();
    assert_eq!(counts.bytes_in, u64::try_from(sent).unwrap());

    simulator.requests().reset();
    assert_eq!(simulator.requests().counts().total, 0);
    assert_eq!(simulator.requests().log(), []);
}

#[tokio::test]
async fn the_peak_of_requests_in_flight_is_known_and_latency_is_kept() {
    let every = Delay::fixed(Duration::from_millis(100)).jitter(Duration::from_millis(20));
    let simulator = Simulator::builder().latency(every).start().await.unwrap();
    simulator.latency().set_for("HeadObject", Delay::default());
    let begin = Instant::now();
    let get = || s3(&simulator, "GET", "/b/k", &[], "");
    let (a, b, c) = tokio::join!(get(), get(), get());
    assert!(
        [a, b, c]
            .iter()
            .all(|reply| reply.as_ref().unwrap().status == 404)
    );
    assert!(begin.elapsed() >= Duration::from_millis(100));
    assert_eq!(simulator.requests().counts().peak_in_flight, 3);
}

#[tokio::test]
async fn only_the_right_keys_are_let_in_if_any_are_named() {
    let simulator = Simulator::builder()
        .auth("mine", "secret")
        .start()
        .await
        .unwrap();
    let unsigned = s3(&simulator, "GET", "/", &[], "").await.unwrap();
    assert_eq!(unsigned.status, 403);
    let unsigned = sqs(&simulator, "ListQueues", json!({})).await.unwrap();
    assert_eq!(unsigned.status, 403);
    for (key, status) in [("mine", 200), ("yours", 403)] {
        let authorization = format!("AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sqs/x");
        let headers = [
            ("x-amz-target", "AmazonSQS.ListQueues"),
            ("authorization", authorization.as_str()),
        ];
        let reply = send(simulator.sqs_url(), "POST", "/", &headers, "{}")
            .await
            .unwrap();
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn stopping_waits_for_the_request_under_way() {
    let delay = Delay::fixed(Duration::from_millis(200));
    let simulator = Simulator::builder().latency(delay).start().await.unwrap();
    let url = simulator.s3_url().to_owned();
    let under_way = tokio::spawn(async move { send(&url, "GET", "/", &[], "").await });
    while simulator.requests().counts().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    simulator.stop().await;
    assert_eq!(under_way.await.unwrap().unwrap().status, 200);
}
