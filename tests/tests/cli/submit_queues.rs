//! `rebucket submit` and how queues are set up.

use std::collections::BTreeSet;

use aws_sdk_sqs::types::QueueAttributeName as Name;
use rebucket_protocol::{RenameTask, decode};
use rebucket_tests::{Bucket, Queue, WorkerBuilder};

use crate::support::{Bench, csv_text};

#[tokio::test]
async fn each_unfit_attribute_is_warned_of_before_anything_is_sent() {
    let bench = Bench::new().await;
    bench.manifest("moves.csv", &[("a", "b")]);
    let queue = Queue::create(&bench.servers, 2).await;
    queue.set(Name::VisibilityTimeout, "5").await;
    queue.set(Name::MessageRetentionPeriod, "1209600").await;
    let ended = bench
        .run(&format!("submit moves.csv --queue-url {}", queue.url))
        .await
        .is(0);
    let warnings: Vec<&str> = ended
        .err
        .lines()
        .filter(|line| line.starts_with("warning: "))
        .collect();
    assert_eq!(warnings.len(), 3, "{}", ended.err);
    let words = [
        "maxReceiveCount 2",
        "visibility timeout is 5 s",
        "dead-letter queue keeps",
    ];
    for (warning, words) in warnings.iter().zip(words) {
        assert!(
            warning.contains(&queue.url) && warning.contains(words),
            "{warning}"
        );
    }
}

#[tokio::test]
async fn a_task_that_the_queue_would_not_take_is_named_before_anything_is_sent() {
    let bench = Bench::new().await;
    let queue = Queue::create(&bench.servers, 5).await;
    let long = "x".repeat(900);
    // Behind others that the queue would have taken.
    let mut pairs: Vec<_> = (0..40)
        .map(|n| (format!("a{n}"), format!("b{n}")))
        .collect();
    pairs[30].1 = long;
    bench.manifest("moves.csv", &pairs);
    queue.set(Name::MaximumMessageSize, "1024").await;
    let command = format!("submit moves.csv --queue-url {}", queue.url);
    let ended = bench.run(&command).await.is(2);
    ended.says(&["line 32", "MaximumMessageSize", "1024"]);
    assert!(queue.is_empty().await);
    // Nothing was begun, so nothing stands in the way of a mended queue.
    queue.set(Name::MaximumMessageSize, "2048").await;
    bench.run(&command).await.is(0);
    assert_eq!(queue.depth().await[0], 40);
}

#[tokio::test]
async fn a_fifo_queue_gets_a_group_for_each_bucket_and_an_id_for_each_task() {
    let bench = Bench::new().await;
    let other = Bucket::create(bench.bucket.client.clone()).await;
    let queue = Queue::create_fifo(&bench.servers, 5).await;
    let rows = (0..25).map(|n| {
        let bucket = if n % 3 == 0 {
            &other.name
        } else {
            &bench.bucket.name
        };
        [
            bench.uri(&format!("old/{n}")),
            format!("s3://{bucket}/new/{n}"),
        ]
    });
    bench.write("moves.csv", csv_text(&["source", "destination"], rows));
    let command = format!("submit moves.csv --queue-url {} --job j", queue.url);
    let ended = bench.run(&command).await.is(0);
    ended.says(&["message group", "3,000 messages"]);
    // SQS itself takes no id twice within five minutes. Another submission of
    // the same name has ids of its own: none of its messages may be missing.
    bench.run(&format!("{command} --again")).await.is(0);
    let messages = queue.take_in_order().await;
    let mut ids = BTreeSet::new();
    for [group, id, body] in &messages {
        let task = decode(body).unwrap();
        assert_eq!(group, task.destination().bucket.as_str());
        assert_eq!(*id, deduplication(&task));
        ids.insert(id);
    }
    assert_eq!((messages.len(), ids.len()), (50, 50));
    let name = "j".repeat(112);
    let ended = bench.run(&format!("{command}{name} --again")).await.is(2);
    ended.says(&["113 characters", "FIFO"]);
}

#[tokio::test]
async fn in_a_fifo_queue_those_that_wait_for_one_another_are_a_group() {
    let bench = Bench::new().await;
    let queue = Queue::create_fifo(&bench.servers, 5).await;
    let rows = [("a", "b"), ("b", "c"), ("x", "y"), ("y", "x"), ("1", "2")];
    for (key, _) in rows {
        bench.bucket.put_plain(key, key.as_bytes()).await;
    }
    bench.manifest("moves.csv", &rows);
    let submit = format!("submit moves.csv --queue-url {} --job j", queue.url);
    bench.run(&submit).await.is(0);
    let messages = queue.take_in_order().await;
    let groups: Vec<_> = messages
        .iter()
        .map(|[group, id, body]| {
            let task = decode(body).unwrap();
            assert_eq!(*id, deduplication(&task));
            (&**group, task.id().to_string())
        })
        .collect();
    let bucket = bench.bucket.name.as_str();
    // The last of each chain: the row that ends it, or that opens and closes the
    // swap.
    let [path, swap] = ["j/000000000001", "j/000000000004"];
    assert_eq!(
        groups,
        [
            (bucket, "j/000000000005".to_owned()),
            (path, "j/000000000002".to_owned()),
            (swap, swap.to_owned())
        ]
    );
}

/// What nobody else's message has.
fn deduplication(task: &RenameTask) -> String {
    let submission = task.submission.expect("every message of ours has one");
    format!("{submission}/{}", task.id().name())
}

#[tokio::test]
async fn a_worker_renames_from_a_fifo_queue_and_parks_what_fails() {
    let bench = Bench::new().await;
    let queue = Queue::create_fifo(&bench.servers, 5).await;
    let mut pairs = bench.renames("moves.csv", 12).await;
    pairs.push(("missing".to_owned(), "new/missing".to_owned()));
    bench.manifest("moves.csv", &pairs);
    bench
        .run(&format!("submit moves.csv --queue-url {}", queue.url))
        .await
        .is(0);
    let worker = WorkerBuilder::new(&bench.servers).flags("--queue-url");
    let worker = worker.arg(&queue.url).arg("--allow").arg(&bench.uri(""));
    worker.start().drain(&queue).await;
    pairs.pop();
    bench.assert_renamed(&pairs).await;
    let parked = queue.parked().await;
    let reasons: Vec<_> = parked
        .iter()
        .map(|message| message.reason.as_str())
        .collect();
    assert_eq!(reasons, ["source_missing"]);
}
