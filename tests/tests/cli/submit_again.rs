//! `rebucket submit` that is killed, given again, or given something else.

use std::collections::BTreeMap;

use rebucket_protocol::{RenameTask, Timestamp};
use rebucket_tests::{Proxy, Queue, Reply, Rule};

use crate::submit::receive;
use crate::support::Bench;

fn rows(bench: &Bench, count: usize) {
    let pairs: Vec<_> = (1..=count)
        .map(|n| (format!("old/{n}"), format!("new/{n}")))
        .collect();
    bench.manifest("moves.csv", &pairs);
}

/// How often each row is among the tasks; that the tasks are of one job, sent
/// at one time.
fn counts(tasks: &[RenameTask]) -> BTreeMap<u64, usize> {
    let first = tasks.first().unwrap();
    let mut rows = BTreeMap::new();
    for task in tasks {
        assert_eq!((task.job(), task.submitted), (first.job(), first.submitted));
        *rows.entry(task.id().row().unwrap()).or_default() += 1;
    }
    rows
}

#[tokio::test]
async fn a_submission_that_is_killed_goes_on_without_a_gap() {
    let bench = Bench::new().await;
    let queue = Queue::create(&bench.servers, 5).await;
    let report = bench.uri("reports");
    rows(&bench, 1234);
    let command = format!(
        "submit moves.csv --max-sends 4 --report {report} --queue-url {}",
        queue.url
    );
    // Killed twice: with a request under way that never arrives, and with one
    // that arrives and is never answered.
    let proxy = Proxy::start(&bench.servers).await;
    let held = proxy.hold(Rule::on("SendMessageBatch").nth(7).hold_request());
    let running = bench.rebucket(&command).behind(&proxy).start();
    held.reached().await;
    running.crash().await;
    let first = proxy.count("SendMessageBatch");
    let proxy = Proxy::start(&bench.servers).await;
    let held = proxy.hold(Rule::on("SendMessageBatch").nth(9).hold_reply());
    let running = bench.rebucket(&command).behind(&proxy).start();
    held.reached().await;
    running.crash().await;
    let second = proxy.count("SendMessageBatch");
    assert!(first >= 7 && second >= 9);
    let depth: usize = queue.depth().await.iter().sum();
    assert!((100..1234).contains(&depth), "{depth}");

    let proxy = Proxy::start(&bench.servers).await;
    let ended = bench.rebucket(&command).behind(&proxy).end().await.is(0);
    ended.clone().says(&[
        "going on with the job moves-2",
        "of 1,234 renames were submitted before",
    ]);
    let done = ": 1,234 of 1,234 renames submitted\n";
    assert!(ended.out.ends_with(done), "{}", ended.out);
    let total: usize = queue.depth().await.iter().sum();
    let tasks = receive(&bench, &queue, total).await;
    let arrivals = counts(&tasks);
    let all: Vec<u64> = (1..=1234).collect();
    assert_eq!(arrivals.keys().copied().collect::<Vec<_>>(), all);
    // At most what was under way when it was killed, twice.
    let twice = total - 1234;
    assert!(twice <= 2 * 4 * 10, "{twice} came twice");
    let job = tasks[0].job();
    let json = bench.summary(&format!("{report} --job {job}")).await.0;
    assert_eq!(json["submitted"], 1234, "{json}");
}

#[tokio::test]
async fn what_was_confirmed_out_of_order_is_not_sent_again() {
    let bench = Bench::new().await;
    let queue = Queue::create(&bench.servers, 5).await;
    rows(&bench, 300);
    let command = format!("submit moves.csv --max-sends 2 --queue-url {}", queue.url);
    let proxy = Proxy::start(&bench.servers).await;
    // The first batch hangs, and all others get past it.
    let held = proxy.hold(Rule::on("SendMessageBatch").nth(1).hold_request());
    let running = bench.rebucket(&command).behind(&proxy).start();
    held.reached().await;
    rebucket_tests::until("the others have arrived", || async {
        (queue.depth().await[0] == 290).then_some(())
    })
    .await;
    rebucket_tests::until("and are written down", || async {
        let text = std::fs::read_to_string(bench.path("moves.csv.checkpoint")).unwrap();
        (text.lines().count() == 30).then_some(())
    })
    .await;
    running.crash().await;
    let proxy = Proxy::start(&bench.servers).await;
    bench.rebucket(&command).behind(&proxy).end().await.is(0);
    assert_eq!(proxy.count("SendMessageBatch"), 1);
    let tasks = receive(&bench, &queue, 300).await;
    assert_eq!(counts(&tasks), (1..=300).map(|row| (row, 1)).collect());
}

#[tokio::test]
async fn a_finished_submission_is_not_repeated_unasked() {
    let bench = Bench::new().await;
    let queue = Queue::create(&bench.servers, 5).await;
    rows(&bench, 3);
    let command = format!("submit moves.csv --queue-url {}", queue.url);
    let first = bench.run(&command).await.is(0);
    let job = first.out.split(' ').nth(1).unwrap().trim_end_matches(':');
    let proxy = Proxy::start(&bench.servers).await;
    let again = bench.rebucket(&command).behind(&proxy).end().await.is(0);
    for word in [
        job,
        "3 of 3 renames were submitted at 2",
        "already",
        "--again",
    ] {
        assert!(again.out.contains(word), "{word}: {}", again.out);
    }
    assert_eq!(proxy.log(), []);
    let before = receive(&bench, &queue, 3).await;

    // A second is the least by which the new name differs.
    let named = before[0].submitted.unwrap();
    rebucket_tests::until("a second has passed", || async {
        (Timestamp::now().unix_seconds() > named.unix_seconds()).then_some(())
    })
    .await;
    bench.run(&format!("{command} --again")).await.is(0);
    let after = receive(&bench, &queue, 3).await;
    assert_ne!(before[0].job(), after[0].job());
    assert!(before[0].submitted < after[0].submitted);

    let other = format!("{command} --if-exists skip");
    bench
        .run(&other)
        .await
        .is(2)
        .says(&["--if-exists", "--again"]);
    assert!(queue.is_empty().await);
    // Another queue, another job, other renames: each is something new.
    let elsewhere = Queue::create(&bench.servers, 5).await;
    let command = format!("submit moves.csv --queue-url {}", elsewhere.url);
    bench.run(&command).await.is(0);
    bench.run(&format!("{command} --job named")).await.is(0);
    rows(&bench, 4);
    bench.run(&command).await.is(0);
    receive(&bench, &elsewhere, 10).await;
}

/// The name in a plan is that of the job that was submitted.
#[tokio::test]
async fn a_plan_that_is_submitted_again_is_another_job() {
    let bench = Bench::new().await;
    let queue = Queue::create(&bench.servers, 5).await;
    rows(&bench, 1);
    bench
        .run("plan moves.csv --out m.plan --job named")
        .await
        .is(0);
    let command = format!("submit m.plan --queue-url {}", queue.url);
    bench.run(&command).await.is(0);
    bench.run(&format!("{command} --again")).await.is(0);
    // Whatever the new one is called, it was submitted.
    let done = bench.run(&command).await.is(0);
    assert!(done.out.starts_with("job named-2"), "{}", done.out);
    assert!(done.out.contains("submitted at"), "{}", done.out);
    bench
        .run(&format!("{command} --again --job named"))
        .await
        .is(0);
    let tasks = receive(&bench, &queue, 3).await;
    let mut jobs: Vec<_> = tasks.iter().map(|task| task.job().as_str()).collect();
    jobs.sort_unstable();
    assert_eq!(jobs[..2], ["named", "named"]);
    assert!(jobs[2].starts_with("named-2"), "{jobs:?}");
}

#[tokio::test]
async fn a_plan_whose_second_job_was_killed_goes_on_with_that_one() {
    let bench = Bench::new().await;
    let queue = Queue::create(&bench.servers, 5).await;
    rows(&bench, 30);
    let plan = "plan moves.csv --out m.plan --job named";
    bench.run(plan).await.is(0);
    let command = format!("submit m.plan --max-sends 1 --queue-url {}", queue.url);
    let proxy = Proxy::start(&bench.servers).await;
    let held = proxy.hold(Rule::on("SendMessageBatch").nth(2).hold_request());
    let running = bench.rebucket(&format!("{command} --again"));
    let running = running.behind(&proxy).start();
    held.reached().await;
    rebucket_tests::until("the first batch is written down", || async {
        let text = std::fs::read_to_string(bench.path("m.plan.checkpoint")).unwrap();
        (text.lines().count() == 2).then_some(())
    })
    .await;
    running.crash().await;
    // Asked for by the plan's old name, it is another one.
    let other = format!("{command} --job named");
    bench.run(&other).await.is(2).says(&["without --again"]);
    let ended = bench.run(&command).await.is(0);
    ended.says(&["going on with the job named-2", "10 of 30"]);
    let tasks = receive(&bench, &queue, 30).await;
    assert_eq!(counts(&tasks), (1..=30).map(|row| (row, 1)).collect());
    // And so it does when it is given once more.
    let done = bench.run(&command).await.is(0);
    assert!(done.out.contains("submitted at"), "{}", done.out);
    assert!(queue.is_empty().await);
}

#[tokio::test]
async fn a_place_for_temporary_keys_that_nobody_will_use_is_refused() {
    let bench = Bench::new().await;
    let queue = Queue::create(&bench.servers, 5).await;
    rows(&bench, 1);
    let (one, two) = (bench.uri("x/"), bench.uri("y/"));
    for (scratch, why) in [
        (
            format!("--scratch {one} --scratch {two}"),
            "more than one prefix",
        ),
        (
            "--scratch s3://nothing-there/x/".to_owned(),
            "that nothing is renamed in",
        ),
    ] {
        let command = format!("submit moves.csv --queue-url {} {scratch}", queue.url);
        bench.run(&command).await.is(2).says(&[why]);
    }
    assert!(queue.is_empty().await);
    assert!(!bench.path("moves.csv.checkpoint").exists());
    // The workers of a fleet may be for more buckets than this manifest names.
    let command = format!("submit moves.csv --queue-url {}", queue.url);
    let all = format!("{one},s3://nothing-there/x/");
    let call = bench.rebucket(&command).env("REBUCKET_SCRATCH", &all);
    call.end().await.is(0);
    receive(&bench, &queue, 1).await;
}

#[tokio::test]
async fn an_unfinished_submission_is_not_forgotten_unasked() {
    let bench = Bench::new().await;
    let queue = Queue::create(&bench.servers, 5).await;
    rows(&bench, 30);
    let command = format!(
        "submit moves.csv --checkpoint kept --queue-url {}",
        queue.url
    );
    let proxy = Proxy::start(&bench.servers).await;
    let refused = Reply::new(400, "{\"__type\":\"InvalidMessageContents\"}");
    proxy.rule(Rule::on("SendMessageBatch").nth(2).answer(refused));
    let call = bench.rebucket(&format!("{command} --max-sends 1"));
    let ended = call.behind(&proxy).end().await.is(3);
    ended.says(&[
        "10 of 30 renames submitted",
        "the checkpoint kept",
        "--job moves-2",
    ]);
    receive(&bench, &queue, 10).await;
    rows(&bench, 31);
    let ended = bench.run(&command).await.is(2);
    ended.says(&["kept", "another manifest", "10 of 30", "--again"]);
    rows(&bench, 30);
    let skipping = format!("{command} --if-exists skip");
    bench
        .run(&skipping)
        .await
        .is(2)
        .says(&["another --if-exists"]);
    assert!(queue.is_empty().await);
    let other = skipping.replace("kept", "other");
    bench.run(&other).await.is(0);
    receive(&bench, &queue, 30).await;
    let ended = bench.run(&format!("{command} --job j")).await.is(2);
    ended.says(&["another --job"]);
    bench.run(&command).await.is(0);
    let tasks = receive(&bench, &queue, 20).await;
    assert_eq!(counts(&tasks), (11..=30).map(|row| (row, 1)).collect());
    bench.write("kept", "source,destination\n");
    let ended = bench.run(&command).await.is(2);
    ended.says(&["kept is not a checkpoint"]);
}

#[tokio::test]
async fn a_manifest_from_a_pipe_has_a_checkpoint_only_where_told() {
    let bench = Bench::new().await;
    let queue = Queue::create(&bench.servers, 5).await;
    rows(&bench, 5);
    let text = std::fs::read(bench.path("moves.csv")).unwrap();
    let submit = |flags: &str| {
        let command = format!("submit - {flags} --queue-url {}", queue.url);
        bench.rebucket(&command).stdin(&text)
    };
    for _ in 0..2 {
        submit("").end().await.is(0);
    }
    receive(&bench, &queue, 10).await;
    for _ in 0..2 {
        submit("--checkpoint piped").end().await.is(0);
    }
    receive(&bench, &queue, 5).await;
    let ended = submit("--checkpoint nowhere/x").end().await.is(2);
    ended.says(&["the checkpoint nowhere/x", "--checkpoint"]);
    assert!(queue.is_empty().await);
}
