//! `rebucket submit`: one message for each row, whatever the queue does.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use nix::sys::signal::Signal;
use rebucket_protocol::{
    ETag, IfExists, JobId, RenameTask, StorageClass, TaskId, Timestamp, VersionPolicy, Waiver,
    decode,
};
use rebucket_tests::{Proxy, Queue, Reply, Rule, until};

use crate::command::Call;
use crate::support::{Bench, csv_text};

/// Takes `count` tasks out of a queue that then is empty; by their ids.
pub(crate) async fn receive(bench: &Bench, queue: &Queue, count: usize) -> Vec<RenameTask> {
    let client = bench.servers.sqs_client();
    let tasks = std::cell::RefCell::new(Vec::new());
    until("all messages have come", || async {
        loop {
            let receive = client.receive_message().queue_url(&queue.url);
            let received = receive.max_number_of_messages(10).send().await.unwrap();
            if received.messages().is_empty() {
                return (tasks.borrow().len() >= count).then_some(());
            }
            let mut delete = client.delete_message_batch().queue_url(&queue.url);
            for (entry, message) in received.messages().iter().enumerate() {
                let gone = DeleteMessageBatchRequestEntry::builder().id(entry.to_string());
                let gone = gone.receipt_handle(message.receipt_handle().unwrap());
                delete = delete.entries(gone.build().unwrap());
                let task = decode(message.body().unwrap());
                tasks.borrow_mut().push(task.unwrap());
            }
            let deleted = delete.send().await.unwrap();
            assert!(deleted.failed().is_empty(), "{deleted:?}");
        }
    })
    .await;
    assert!(queue.is_empty().await, "more than {count} messages");
    let mut tasks = tasks.into_inner();
    tasks.sort_by(|a, b| a.id().cmp(b.id()));
    tasks
}

impl Bench {
    async fn queue(&self) -> Queue {
        Queue::create(&self.servers, 5).await
    }

    /// `rebucket submit moves.csv` with these flags.
    fn submit(&self, queue: &str, flags: &str) -> Call {
        let command = format!("submit moves.csv {flags} --queue-url");
        self.rebucket(&command).arg(queue)
    }

    /// A manifest of renames of objects that need not be there.
    fn rows(&self, count: usize) {
        let pairs: Vec<_> = (1..=count)
            .map(|n| (format!("old/{n}"), format!("new/{n}")))
            .collect();
        self.manifest("moves.csv", &pairs);
    }

    fn task(&self, job: &str, row: u64, from: &str, to: &str) -> RenameTask {
        let job = JobId::new(job).unwrap();
        let id = TaskId::for_row(&job, row);
        let (from, to) = (self.uri(from).parse(), self.uri(to).parse());
        RenameTask::new(job, id, from.unwrap(), to.unwrap()).unwrap()
    }
}

#[tokio::test]
async fn every_row_becomes_the_task_that_it_says() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    let keys = [
        ("plain", "to/plain"),
        ("a, \"b\" \u{1f980}\n\u{1}\u{fffd}", "<to> & \\u0041 %41+"),
        ("pinned", "to/pinned"),
        ("choosy", "to/choosy"),
    ];
    let mut expected: Vec<RenameTask> = (1..)
        .zip(keys)
        .map(|(row, (from, to))| bench.task("archive-2026", row, from, to))
        .collect();
    let etag = "\"d41d8cd98f00b204e9800998ecf8427e-3\"";
    expected[2].pins.version = Some("v.1".to_owned().try_into().unwrap());
    expected[2].pins.etag = Some(ETag::new(etag).unwrap());
    expected[2].pins.size = Some(1 << 40);
    expected[2].pins.storage_class = StorageClass::new("COLD_STORE").ok();
    expected[3].if_exists = IfExists::Skip;
    for task in &mut expected {
        task.options.storage_class = Some(StorageClass::new("GLACIER_IR").unwrap());
        task.options.waive = [Waiver::Acl, Waiver::Lock].into();
        task.options.versioned = VersionPolicy::Purge;
    }
    for index in [0, 1, 2] {
        expected[index].if_exists = IfExists::Overwrite;
    }
    let header = [
        "source",
        "destination",
        "version_id",
        "etag",
        "size",
        "storage_class",
        "if_exists",
    ];
    let rows = keys.map(|(from, to)| {
        let (from, to) = (bench.uri(from), bench.uri(to));
        match to.rsplit('/').next().unwrap() {
            "pinned" => {
                [&from, &to, "v.1", etag, "1099511627776", "COLD_STORE", ""].map(str::to_owned)
            }
            "choosy" => [&from, &to, "", "", "", "", "skip"].map(str::to_owned),
            _ => [&from, &to, "", "", "", "", ""].map(str::to_owned),
        }
    });
    bench.write("moves.csv", csv_text(&header, rows));
    let began = Timestamp::now();
    let flags = "--job archive-2026 --if-exists overwrite --storage-class GLACIER_IR \
                 --waive lock --waive acl --versioned purge";
    let ended = bench.submit(&queue.url, flags).end().await.is(0);
    assert_eq!(ended.out, "job archive-2026: 4 of 4 renames submitted\n");
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    let prices = "AWS's list prices, with 1 object at the prices of STANDARD and ";
    let ended = ended.says(&["estimate: 4 renames, about $", prices]);
    assert!(!ended.err.contains("warning"));

    let tasks = receive(&bench, &queue, 4).await;
    let submitted = tasks[0].submitted.unwrap();
    assert!(began <= submitted && submitted <= Timestamp::now());
    let submission = tasks[0].submission;
    assert!(submission.is_some());
    let created = bench.created().await;
    for task in &mut expected {
        (task.submitted, task.submission) = (Some(submitted), submission);
        let bucket = task.source().bucket.clone();
        task.options.created = [(&bucket, created)].into_iter().collect();
    }
    assert_eq!(tasks, expected);
}

#[tokio::test]
async fn many_rows_go_in_full_batches_and_without_a_bar_in_a_pipe() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    bench.rows(1003);
    let proxy = Proxy::start(&bench.servers).await;
    let ended = bench
        .submit(&queue.url, "")
        .behind(&proxy)
        .end()
        .await
        .is(0);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    let job = ended
        .out
        .strip_suffix(": 1,003 of 1,003 renames submitted\n");
    let job = job.unwrap_or_else(|| panic!("{}", ended.out));
    assert!(job.starts_with("job moves-2"), "{job}");
    assert_eq!(proxy.count("SendMessageBatch"), 101);
    let tasks = receive(&bench, &queue, 1003).await;
    let rows: Vec<u64> = tasks.iter().map(|task| task.id().row().unwrap()).collect();
    assert_eq!(rows, (1..=1003).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_longest_keys_fit() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    // One byte in a key is six in JSON.
    let fills = ["\u{1}", "x", "\u{1f980}", "\"", "\u{7f}\u{e9}"];
    let key = |start: String, fill: &str| {
        let mut key = start;
        while key.len() + fill.len() <= 1024 {
            key.push_str(fill);
        }
        while key.len() < 1024 {
            key.push('y');
        }
        key
    };
    let pairs: Vec<_> = (0..30)
        .map(|n| {
            let fill = fills[n % fills.len()];
            (key(format!("a{n:02}"), fill), key(format!("b{n:02}"), fill))
        })
        .collect();
    bench.manifest("moves.csv", &pairs);
    let proxy = Proxy::start(&bench.servers).await;
    let call = bench.submit(&queue.url, "--job long").behind(&proxy);
    call.end().await.is(0);
    assert_eq!(proxy.count("SendMessageBatch"), 3);
    let tasks = receive(&bench, &queue, 30).await;
    for (task, (from, to)) in tasks.iter().zip(&pairs) {
        assert_eq!(task.source().key.as_str(), from);
        assert_eq!(task.destination().key.as_str(), to);
    }
}

/// The answer to a batch of `size` entries, of which these failed.
fn failed(size: usize, entries: &[usize], sender_fault: bool) -> Reply {
    let (failed, successful): (Vec<usize>, Vec<usize>) =
        (0..size).partition(|entry| entries.contains(entry));
    let failed = failed.iter().map(|entry| {
        serde_json::json!({
            "Id": entry.to_string(), "SenderFault": sender_fault,
            "Code": "InternalError", "Message": "by the test's proxy",
        })
    });
    let successful = successful.iter().map(|entry| {
        serde_json::json!({
            "Id": entry.to_string(), "MessageId": "m", "MD5OfMessageBody": "0",
        })
    });
    let body = serde_json::json!({
        "Successful": successful.collect::<Vec<_>>(),
        "Failed": failed.collect::<Vec<_>>(),
    });
    Reply::new(200, &body.to_string())
}

/// How often each row is in the queue.
async fn arrivals(bench: &Bench, queue: &Queue, count: usize) -> BTreeMap<u64, usize> {
    let mut rows = BTreeMap::new();
    for task in receive(bench, queue, count).await {
        *rows.entry(task.id().row().unwrap()).or_default() += 1;
    }
    rows
}

#[tokio::test]
async fn entries_that_failed_and_no_others_are_sent_again() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    bench.rows(10);
    let proxy = Proxy::start(&bench.servers).await;
    // The proxy lies: all ten arrive, so that what is sent again shows.
    let batch = || Rule::on("SendMessageBatch");
    proxy.rule(
        batch()
            .once()
            .forward_but_answer(failed(10, &[2, 5, 9], false)),
    );
    proxy.rule(batch().once().forward_but_answer(failed(3, &[1], false)));
    let ended = bench
        .submit(&queue.url, "--job j")
        .behind(&proxy)
        .end()
        .await;
    let ended = ended.is(0);
    assert_eq!(ended.out, "job j: 10 of 10 renames submitted\n");
    let mut expected: BTreeMap<u64, usize> = (1..=10).map(|row| (row, 1)).collect();
    expected.extend([(3, 2), (10, 2), (6, 3)]);
    assert_eq!(arrivals(&bench, &queue, 14).await, expected);
}

#[tokio::test]
async fn an_entry_that_the_answer_does_not_name_was_not_accepted() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    bench.rows(10);
    let proxy = Proxy::start(&bench.servers).await;
    let silent = Reply::new(200, "{\"Successful\":[],\"Failed\":[]}");
    proxy.rule(Rule::on("SendMessageBatch").once().answer(silent));
    let call = bench.submit(&queue.url, "--job j").behind(&proxy);
    let ended = call.end().await.is(0);
    assert_eq!(ended.out, "job j: 10 of 10 renames submitted\n");
    let expected: BTreeMap<u64, usize> = (1..=10).map(|row| (row, 1)).collect();
    assert_eq!(arrivals(&bench, &queue, 10).await, expected);
}

#[tokio::test]
async fn a_queue_that_is_overloaded_for_a_while_gets_every_row_once() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    bench.rows(95);
    let proxy = Proxy::start(&bench.servers).await;
    let unavailable = Reply::new(503, "{\"__type\":\"ServiceUnavailable\"}");
    proxy.rule(Rule::on("SendMessageBatch").times(5).answer(unavailable));
    let refused = Reply::new(400, "{\"__type\":\"RequestThrottled\"}");
    proxy.rule(Rule::on("SendMessageBatch").times(5).answer(refused));
    let opening = Rule::on("GetQueueAttributes");
    proxy.rule(opening.once().answer(Reply::new(503, "{}")));
    let ended = bench
        .submit(&queue.url, "--job j")
        .behind(&proxy)
        .end()
        .await;
    assert_eq!(ended.is(0).out, "job j: 95 of 95 renames submitted\n");
    let expected: BTreeMap<u64, usize> = (1..=95).map(|row| (row, 1)).collect();
    assert_eq!(arrivals(&bench, &queue, 95).await, expected);
}

#[tokio::test]
async fn an_entry_that_is_refused_ends_it_with_true_counts() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    bench.rows(10);
    let proxy = Proxy::start(&bench.servers).await;
    let rule = Rule::on("SendMessageBatch").once();
    proxy.rule(rule.forward_but_answer(failed(10, &[0], true)));
    let ended = bench
        .submit(&queue.url, "--job j")
        .behind(&proxy)
        .end()
        .await;
    let ended = ended.is(3);
    assert_eq!(ended.out, "");
    ended.says(&["9 of 10 renames submitted", "with --job j", "InternalError"]);
}

#[tokio::test]
async fn an_interrupted_submit_counts_truly_and_says_how_to_go_on() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    bench.rows(2000);
    let proxy = Proxy::start(&bench.servers).await;
    let held = proxy.hold(Rule::on("SendMessageBatch").nth(3).hold_request());
    let call = bench.submit(&queue.url, "--job j --max-sends 1");
    let running = call.behind(&proxy).start();
    held.reached().await;
    running.signal(Signal::SIGINT);
    // What is under way is waited for, and what was sent is counted.
    held.release();
    let ended = running.end().await.is(130);
    let ended = ended.says(&[" of 2,000 renames submitted", "--job j"]);
    let (_, count) = ended.err.split_once("rebucket: job j: ").unwrap();
    let count = count.split(' ').next().unwrap().replace(',', "");
    let count: u64 = count.parse().unwrap();
    assert!((30..2000).contains(&count), "{}", ended.err);
    let first = arrivals(&bench, &queue, usize::try_from(count).unwrap()).await;
    assert_eq!(first, (1..=count).map(|row| (row, 1)).collect());
    // Everything else the second time, and the same ids with another account:
    // they count once.
    let ended = bench.submit(&queue.url, "--job j").end().await.is(0);
    assert_eq!(ended.out, "job j: 2,000 of 2,000 renames submitted\n");
    let rest = arrivals(&bench, &queue, 2000 - usize::try_from(count).unwrap()).await;
    assert_eq!(rest, (count + 1..=2000).map(|row| (row, 1)).collect());
    bench.rows(40);
    bench.submit(&queue.url, "--job j").end().await.is(0);
    let second = arrivals(&bench, &queue, 40).await;
    assert_eq!(second, (1..=40).map(|row| (row, 1)).collect());
}

#[tokio::test]
async fn an_interrupted_submit_does_not_wait_for_ever() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    bench.rows(50);
    let proxy = Proxy::start(&bench.servers).await;
    let held = proxy.hold(Rule::on("SendMessageBatch").nth(3).hold_request());
    let call = bench.submit(&queue.url, "--job j --max-sends 1");
    let running = call.behind(&proxy).start();
    held.reached().await;
    running.signal(Signal::SIGINT);
    let ended = running.end_within(Duration::from_secs(45)).await.is(130);
    ended.says(&["20 of 50 renames submitted", "--job j"]);
}

#[tokio::test]
async fn nothing_is_sent_of_a_manifest_with_a_problem() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    bench.rows(30);
    let good = std::fs::read_to_string(bench.path("moves.csv")).unwrap();
    bench.write("moves.csv", good + "s3://bkt/x,y\r\n");
    let proxy = Proxy::start(&bench.servers).await;
    let call = bench.submit(&queue.url, "").behind(&proxy);
    let ended = call.end().await.is(2);
    ended.says(&["moves.csv:32:", "1 problem", "nothing was renamed"]);
    assert_eq!(proxy.log(), []);
    assert!(queue.is_empty().await);
}

#[tokio::test]
async fn a_queue_that_cannot_be_used_is_refused() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    bench.rows(3);
    let unknown = format!("{}-unknown", queue.url);
    let ended = bench.submit(&unknown, "").end().await.is(3);
    ended.says(&[&unknown]);
    let plain = Queue::create_without_redrive(&bench.servers).await;
    let ended = bench.submit(&plain, "").end().await.is(2);
    ended.says(&[&plain, "redrive policy", "dead-letter queue"]);
    // Port 1 is nobody's.
    let nowhere = "http://127.0.0.1:1";
    let call = bench.submit(&queue.url, "");
    let ended = call.env("AWS_ENDPOINT_URL_SQS", nowhere).end().await.is(3);
    ended.says(&["GetQueueAttributes"]);
    bench
        .run("submit moves.csv")
        .await
        .is(2)
        .says(&["--queue-url"]);
    bench.submit(&queue.url, "--job .").end().await.is(2);
    for wrong in ["--max-sends 0", "--rate 0", "--confirm-above -1"] {
        bench.submit(&queue.url, wrong).end().await.is(2);
    }
    assert!(queue.is_empty().await);
}

#[tokio::test]
async fn a_limit_on_dollars_holds_where_nobody_can_be_asked() {
    let bench = Bench::new().await;
    let queue = bench.queue().await;
    bench.rows(1000);
    let call = bench.submit(&queue.url, "--confirm-above 0.005");
    let ended = call.end().await.is(2);
    ended.says(&[
        "estimated at $0.01",
        "--confirm-above 0.005",
        "--yes",
        "nothing was sent",
    ]);
    assert!(queue.is_empty().await);
    let flags = "--confirm-above 0.005 --yes";
    bench.submit(&queue.url, flags).end().await.is(0);
    // Without a limit of its own, a script is not held up; nor is one that
    // goes on.
    bench.write("dear.toml", DEAR);
    let flags = "--prices dear.toml --again";
    let ended = bench.submit(&queue.url, flags).end().await.is(0);
    ended.says(&["about $300.00 at"]);
}

/// A thousand renames for 300 dollars.
const DEAR: &str = "region = \"here\"\nas_of = \"today\"\n\
    [sqs]\nstandard_per_million = 0\nfifo_per_million = 0\n[kms]\nper_million = 0\n\
    [s3.STANDARD]\nwrite_per_million = 300000\nread_per_million = 0\n";
