//! Every kind of fault: what the client sees, and whether it was applied.

use std::time::{Duration, Instant};

use rebucket_simulator::clock::Clock;
use rebucket_simulator::http::{Action, Rule, Simulator, When};
use rebucket_simulator::s3::BucketSettings;

use crate::client::{Broken, Reply, s3};

async fn start() -> Simulator {
    let simulator = Simulator::builder().start().await.unwrap();
    let now = simulator.clock().now();
    let bucket = simulator
        .s3()
        .create_bucket("b", BucketSettings::default(), now);
    bucket.unwrap();
    simulator
}

fn exists(simulator: &Simulator, key: &str) -> bool {
    let s3 = simulator.s3();
    s3.bucket("b").unwrap().current(key).is_some()
}

async fn put(simulator: &Simulator, key: &str) -> Result<Reply, Broken> {
    s3(simulator, "PUT", &format!("/b/{key}"), &[], "hello").await
}

#[tokio::test]
async fn an_error_strikes_before_or_after_the_request_is_applied() {
    let simulator = start().await;
    for (action, applied) in [
        (Action::error(503, "SlowDown"), false),
        (Action::lost_reply(500, "InternalError"), true),
    ] {
        simulator.fault(Rule::on("PutObject", action).times(1));
        let key = format!("applied-{applied}");
        let reply = put(&simulator, &key).await.unwrap();
        assert_eq!(reply.status, if applied { 500 } else { 503 });
        assert!(reply.text().contains("<Error><Code>"), "{}", reply.text());
        assert_eq!(exists(&simulator, &key), applied);
        let last = simulator.requests().log().pop().unwrap();
        assert_eq!(last.applied, applied);
        assert!(last.fault.unwrap().starts_with("error"));
    }
    assert_eq!(put(&simulator, "k").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_reset_strikes_before_or_after_the_request_is_applied() {
    let simulator = start().await;
    for (when, applied) in [(When::Before, false), (When::After, true)] {
        simulator.fault(Rule::on("PutObject", Action::Reset { when }).times(1));
        let key = format!("applied-{applied}");
        assert!(put(&simulator, &key).await.is_err());
        assert_eq!(exists(&simulator, &key), applied);
        assert_eq!(simulator.requests().log().pop().unwrap().status, None);
    }
}

#[tokio::test]
async fn a_success_may_say_that_it_is_none_or_nothing_or_half_of_it() {
    let simulator = start().await;
    put(&simulator, "old").await.unwrap();
    let code = "InternalError".to_owned();
    for (number, action) in [
        Action::EmbeddedError {
            code,
            when: When::Before,
        },
        Action::Empty { when: When::After },
        Action::Truncate {
            keep: Some(20),
            cut: false,
        },
        Action::Truncate {
            keep: Some(20),
            cut: true,
        },
    ]
    .into_iter()
    .enumerate()
    {
        let cut = matches!(action, Action::Truncate { cut: true, .. });
        simulator.fault(Rule::on("CopyObject", action).times(1));
        let new = format!("/b/new-{number}");
        let source = [("x-amz-copy-source", "/b/old")];
        let reply = s3(&simulator, "PUT", &new, &source, "").await;
        assert_eq!(reply.is_err(), cut);
        let Ok(reply) = reply else { continue };
        assert_eq!(reply.status, 200);
        match number {
            0 => assert!(reply.text().contains("<Code>InternalError</Code>")),
            1 => assert!(reply.body.is_empty()),
            _ => assert_eq!(reply.body.len(), 20),
        }
    }
    let made: Vec<_> = (0..4)
        .map(|n| exists(&simulator, &format!("new-{n}")))
        .collect();
    assert_eq!(made, [false, true, true, true]);
}

#[tokio::test]
async fn a_stalled_request_is_applied_even_if_its_client_has_gone() {
    let simulator = start().await;
    let when = When::Before;
    simulator.fault(Rule::on("PutObject", Action::Stall { ms: 200, when }));
    let gave_up = tokio::time::timeout(Duration::from_millis(50), put(&simulator, "late")).await;
    assert!(gave_up.is_err());
    assert!(!exists(&simulator, "late"));
    let begin = Instant::now();
    while !exists(&simulator, "late") {
        assert!(begin.elapsed() < Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_slow_body_takes_its_time() {
    let simulator = start().await;
    put(&simulator, "k").await.unwrap();
    let bytes_per_second = 20;
    simulator.fault(Rule::on("GetObject", Action::Slow { bytes_per_second }));
    let begin = Instant::now();
    let reply = s3(&simulator, "GET", "/b/k", &[], "").await.unwrap();
    assert_eq!(reply.text(), "hello");
    assert!(begin.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_prefix_can_be_slowed_down_for_a_while() {
    let clock = Clock::manual(Clock::system().now());
    let simulator = Simulator::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let bucket = simulator
        .s3()
        .create_bucket("b", BucketSettings::default(), clock.now());
    bucket.unwrap();
    let slow = Rule::new(Action::error(503, "SlowDown")).prefix("hot/");
    simulator.fault(slow.lasting(Duration::from_mins(1)));
    let bulk =
        "<Delete><Object><Key>cold/a</Key></Object><Object><Key>hot/a</Key></Object></Delete>";
    let delete = s3(&simulator, "POST", "/b?delete", &[], bulk)
        .await
        .unwrap();
    assert_eq!(delete.status, 503);
    assert_eq!(put(&simulator, "cold/a").await.unwrap().status, 200);
    assert_eq!(put(&simulator, "hot/a").await.unwrap().status, 503);
    clock.advance(Duration::from_mins(1));
    assert_eq!(put(&simulator, "hot/a").await.unwrap().status, 200);
}
