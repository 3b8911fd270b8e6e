//! Lifecycle rules that a renamed object comes under.

use rebucket_simulator::s3::{ExpiryRule, NewObject};
use rebucket_tests::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::stage::{IN_PARTS, Stage, in_parts, small};

fn rule(id: &str, prefix: &str, days: u64) -> ExpiryRule {
    ExpiryRule {
        id: id.to_owned(),
        prefix: prefix.to_owned(),
        days,
    }
}

/// What the worker counts, by its own page.
async fn metrics(log: &str) -> String {
    let (_, rest) = log.split_once("address=").unwrap();
    let address = rest.split_whitespace().next().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}

/// Under `tmp/` all is gone after a week, and under `log/` after a year.
#[tokio::test]
async fn a_copy_that_expires_before_its_source_would_is_told_of() {
    // By the answer to the copy alone, and by HEAD as well.
    for mode in ["response", "head"] {
        let stage = Stage::new().await;
        let rules = vec![rule("a%20week", "tmp/", 7), rule("a%20year", "log/", 365)];
        let bucket = &stage.world.bucket.name;
        stage.simulator.s3().expire(bucket, rules).unwrap();
        let (whole, parts) = (small(NewObject::default()), in_parts(NewObject::default()));
        let renames = [
            // Never, and in a year, and now in a week.
            ("a", "tmp/a", &whole),
            ("b", "tmp/b", &parts),
            ("log/c", "tmp/c", &whole),
            // As before, later, and not at all any more.
            ("d", "dd", &whole),
            ("tmp/e", "tmp/ee", &whole),
            ("tmp/f", "log/f", &parts),
            ("tmp/g", "g", &whole),
        ];
        let tasks = renames.iter().zip(1..).map(|((from, to, object), number)| {
            stage.put(from, object);
            stage.world.task(number, from, to)
        });
        let tasks: Vec<_> = tasks.collect();
        let flags = format!("{IN_PARTS} --verify {mode} --metrics-addr 127.0.0.1:0");
        let worker = stage.start(&flags).await;
        stage.world.queue.send(&tasks).await;
        until("the queue is empty", || async {
            stage.world.queue.is_empty().await.then_some(())
        })
        .await;
        let counted = metrics(&worker.log()).await;
        assert!(
            counted.contains("rebucket_copies_expiring_total 3\n"),
            "{mode}: {counted}"
        );
        let log = worker.terminate().await;
        let told = log.lines().filter(|line| {
            let words = ["WARN", "a lifecycle rule will remove", "a%20week"];
            words.iter().all(|words| line.contains(words))
        });
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), 3, "{mode}: {log}");
        for key in ["/tmp/a ", "/tmp/b ", "/tmp/c "] {
            let named = told.iter().filter(|line| line.contains(key)).count();
            assert_eq!(named, 1, "{key}: {log}");
        }
    }
}
