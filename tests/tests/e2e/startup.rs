//! Starting: every condition that makes work impossible ends the worker at
//! once, with its exit code and in words that say what to do.

use rebucket_tests::wait::PATIENCE;
use rebucket_tests::{Exit, Queue, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Nothing that lets others act in our name may be in a log.
fn assert_no_credentials(world: &World, log: &str) {
    for secret in [&world.servers.secret_key, "Signature=", "X-Amz-Signature"] {
        assert!(!log.contains(secret), "the log has a credential:\n{log}");
    }
}

fn assert_refused(exit: &Exit, code: i32, names: &[&str]) {
    assert_eq!(exit.code, Some(code), "{}", exit.log);
    for name in names {
        assert!(
            exit.log.contains(name),
            "{name:?} is not named in:\n{}",
            exit.log
        );
    }
    let last = exit.log.trim_end().lines().last().unwrap_or_default();
    assert!(!last.contains("panicked"), "{}", exit.log);
}

#[tokio::test]
async fn a_queue_that_is_missing_or_has_no_dead_letter_queue_is_refused() {
    let world = World::new().await;
    let allow = format!("s3://{}/", world.bucket.name);
    let start = |url: &str| {
        let worker = rebucket_tests::WorkerBuilder::new(&world.servers).flags("--queue-url");
        worker.arg(url).arg("--allow").arg(&allow).start().exit()
    };
    let missing = format!("{}-missing", world.queue.url);
    assert_refused(&start(&missing).await, 3, &["-missing"]);
    let plain = Queue::create_without_redrive(&world.servers).await;
    assert_refused(&start(&plain).await, 2, &["redrive policy", &plain]);
}

#[tokio::test]
async fn a_dead_letter_queue_that_is_gone_or_of_another_kind_is_named() {
    let mut world = World::new().await;
    world.queue.delete_dead_letters().await;
    let exit = world.worker().start().exit().await;
    let names = ["the dead-letter queue", "does not exist", &world.queue.url];
    assert_refused(&exit, 3, &names);
    let fifo = Queue::create_fifo(&world.servers, 5).await;
    for (queue, dead) in [
        (Queue::create(&world.servers, 5).await, &fifo),
        (fifo.clone(), &Queue::create(&world.servers, 5).await),
    ] {
        queue.name_dead_letters(&dead.arn().await).await;
        world.queue = queue;
        let exit = world.worker().start().exit().await;
        assert_refused(&exit, 2, &["are not of one kind", ".fifo"]);
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_refused() {
    let world = World::new().await;
    let exit = world
        .worker_for("s3://no-such-bucket-anywhere/")
        .start()
        .exit()
        .await;
    assert_refused(&exit, 3, &["no-such-bucket-anywhere"]);
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_not_logged() {
    let world = World::new().await;
    let worker = world
        .worker()
        .env("AWS_SECRET_ACCESS_KEY", "not-the-secret-key");
    let exit = worker.start().exit().await;
    assert_refused(&exit, 3, &[&world.bucket.name]);
    assert!(!exit.log.contains("not-the-secret-key"), "{}", exit.log);

    let worker = world.worker().env("AWS_ACCESS_KEY_ID", "nobody");
    assert_refused(&worker.start().exit().await, 3, &[&world.bucket.name]);
}

/// Long enough for a container that starts beside us, and no longer.
#[tokio::test]
async fn an_endpoint_that_is_down_is_given_up_on() {
    let world = World::new().await;
    // Nothing listens at a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let no_s3 = world
        .worker()
        .env("AWS_ENDPOINT_URL_S3", &nowhere)
        .start()
        .exit();
    let no_sqs = world
        .worker()
        .env("AWS_ENDPOINT_URL_SQS", &nowhere)
        .start()
        .exit();
    let (no_s3, no_sqs) = tokio::join!(no_s3, no_sqs);
    assert_refused(&no_s3, 3, &[&world.bucket.name]);
    assert_refused(&no_sqs, 3, &[&world.queue.url]);
}

#[tokio::test]
async fn an_endpoint_that_ignores_conditions_is_refused_and_left_clean() {
    let world = World::on_moto().await;
    world.bucket.put_plain("in/a", b"stays").await;
    world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
    let exit = world.worker().start().exit().await;
    let conditions = [
        "copy-source-if-match on CopyObject",
        "If-None-Match on CopyObject",
        "--on-missing-precondition",
    ];
    assert_refused(&exit, 2, &conditions);
    assert_eq!(world.bucket.keys().await, ["in/a"]);
    world.bucket.assert_no_remains().await;
    assert_eq!(
        world.queue.depth().await,
        [1, 0, 0],
        "the task waits for a fit worker"
    );
}

#[tokio::test]
async fn a_wrong_command_line_is_refused() {
    let world = World::new().await;
    let bucket = format!("s3://{}/", world.bucket.name);
    for (flags, named) in [
        ("--part-size 1MiB".to_owned(), "--part-size"),
        (
            "--multipart-threshold 6TB".to_owned(),
            "--multipart-threshold",
        ),
        ("--visibility-timeout 3s".to_owned(), "--visibility-timeout"),
        ("--max-renames 0".to_owned(), "--max-renames"),
        ("--grace soon".to_owned(), "--grace"),
        ("--no-such-flag".to_owned(), "--no-such-flag"),
        (
            format!("--scratch {bucket}a --scratch {bucket}b"),
            "--scratch",
        ),
    ] {
        let builder = rebucket_tests::WorkerBuilder::new(&world.servers);
        let worker = builder
            .flags("--queue-url")
            .arg(&world.queue.url)
            .arg("--allow")
            .arg(&bucket)
            .flags(&flags);
        assert_refused(&worker.start().exit().await, 2, &[named]);
    }
    let nothing_allowed = rebucket_tests::WorkerBuilder::new(&world.servers);
    let worker = nothing_allowed.flags("--queue-url").arg(&world.queue.url);
    assert_refused(&worker.start().exit().await, 2, &["--allow"]);
}

/// GET over a bare socket: status and body.
async fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn address_in(log: &str) -> &str {
    let (_, rest) = log.split_once("address=").expect("the address is logged");
    rest.split_whitespace().next().unwrap()
}

#[tokio::test]
async fn health_readiness_and_metrics_are_served() {
    let world = World::new().await;
    for n in 1..=3 {
        world
            .bucket
            .put_plain(&format!("in/{n}"), format!("1234{n}").as_bytes())
            .await;
    }
    let mut worker = world.worker().flags("--metrics-addr 127.0.0.1:0").start();
    worker.until_working().await;
    let log = worker.log();
    let address = address_in(&log);
    assert_eq!(get(address, "/healthz").await.0, 200);
    assert_eq!(get(address, "/readyz").await.0, 200);
    assert_eq!(get(address, "/else").await.0, 404);
    let tasks = [
        world.task(1, "in/1", "out/1"),
        world.task(2, "in/2", "out/2"),
        world.task(3, "in/3", "out/2"),
        world.task(4, "in/4", "out/4"),
    ];
    world.queue.send(&tasks).await;
    world.queue.until_empty().await;
    let (status, metrics) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    let value = |prefix: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(prefix));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    };
    let exactly = |prefix: &str, expected: f64| {
        assert!(
            (value(prefix) - expected).abs() < 0.5,
            "{prefix} in:\n{metrics}"
        );
    };
    exactly("rebucket_renames_total{outcome=\"renamed\"", 2.0);
    exactly("rebucket_renames_total{outcome=\"failed\"", 2.0);
    exactly("rebucket_renamed_bytes_total", 10.0);
    exactly("rebucket_parked_total", 2.0);
    exactly("rebucket_renames_in_flight", 0.0);
    worker.terminate().await;
}

#[tokio::test]
async fn logs_hold_no_credentials_in_either_format() {
    let world = World::new().await;
    for format in ["text", "json"] {
        let (good, bad) = (format!("in/{format}"), format!("in/{format}-missing"));
        world.bucket.put_plain(&good, b"hello").await;
        let tasks = [
            world.task(1, &good, &format!("out/{format}")),
            world.task(2, &bad, "out/missing"),
        ];
        world.queue.send(&tasks).await;
        let worker = world
            .worker()
            .arg("--log-format")
            .arg(format)
            .env("RUST_LOG", "trace,hyper=info,h2=info");
        let log = worker.start().drain(&world.queue).await;
        assert_no_credentials(&world, &log);
        assert!(!log.is_empty());
    }
    // At its own level, every line of the JSON format is an object.
    let worker = world
        .worker()
        .flags("--log-format json")
        .env("RUST_LOG", "info");
    world
        .queue
        .send(&[world.task(3, "in/nothing", "out/nothing")])
        .await;
    let log = worker.start().drain(&world.queue).await;
    for line in log.lines() {
        let parsed: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            parsed["level"].is_string() && parsed["message"].is_string(),
            "{line}"
        );
    }
    assert_no_credentials(&world, &log);
}
