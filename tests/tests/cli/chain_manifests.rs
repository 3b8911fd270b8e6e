//! Manifests with chains, given to `run` and `submit` as they are: what was at
//! the keys before the first rename is looked at once, and kept.

use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use rebucket_tests::bucket::{MIB, bytes};
use rebucket_tests::{Proxy, Queue, Rule, Worker, WorkerBuilder};
use rebucket_worker::report::location::ReportStore;

use crate::chains::{ROWS, assert_all_renamed, assert_permuted, bench};
use crate::command::Call;
use crate::support::Bench;

/// Starts the command and kills it at a request.
async fn killed_at(proxy: &Proxy, call: Call, (rule, hold): (Rule, rebucket_tests::proxy::Hold)) {
    let held = proxy.hold((rule, hold));
    let running = call.behind(proxy).start();
    held.reached().await;
    assert_eq!(running.crash().await.code, None);
}

/// Begins `run moves.csv` and kills it when it has renamed a part.
async fn begun(bench: &Bench) {
    let proxy = Proxy::start(&bench.servers).await;
    let call = bench.rebucket("run moves.csv --max-renames 1");
    killed_at(&proxy, call, Rule::on("CopyObject").nth(5).hold_reply()).await;
}

/// The plan that a run has kept.
fn kept(bench: &Bench) -> PathBuf {
    let files = std::fs::read_dir(bench.path("moves.report/moves")).unwrap();
    let mut plans: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "pinned"))
        .collect();
    assert_eq!(plans.len(), 1, "{plans:?}");
    plans.remove(0)
}

#[tokio::test]
async fn a_run_of_the_manifest_is_done_once_and_taken_back() {
    let (bench, before) = bench().await;
    bench.run("run moves.csv").await.is(0);
    assert_permuted(&bench, &before).await;
    let rows = ROWS.len() as u64;
    let counts = [rows, rows, 0, 0, 0, 0];
    bench.assert_counts("moves.report", counts).await;
    // Swaps and cycles could go round for ever.
    bench.run("run moves.csv").await.is(0);
    assert_permuted(&bench, &before).await;
    bench.assert_counts("moves.report", counts).await;

    bench.run("undo moves.report --out back.csv").await.is(0);
    bench.run("run back.csv").await.is(0);
    for (from, _) in ROWS {
        bench.bucket.assert_kept(from, &before[from]).await;
    }
}

#[tokio::test]
async fn a_manifest_from_a_pipe_is_known_again() {
    let (bench, before) = bench().await;
    let text = std::fs::read(bench.path("moves.csv")).unwrap();
    let run = || {
        let call = bench.rebucket("run - --job piped --report out --max-renames 1");
        call.stdin(&text)
    };
    let proxy = Proxy::start(&bench.servers).await;
    killed_at(
        &proxy,
        run(),
        Rule::on("DeleteObject").nth(4).hold_request(),
    )
    .await;
    run().end().await.is(0);
    assert_permuted(&bench, &before).await;
    assert_all_renamed(&bench, "out").await;
}

#[tokio::test]
async fn what_was_pinned_for_a_job_that_did_not_begin_is_pinned_anew() {
    let (bench, mut before) = bench().await;
    let report = bench.uri("reports");
    let run = || bench.rebucket(&format!("run moves.csv --report {report}"));
    // Killed while it pins, and when all is pinned and kept, but the job not
    // recorded.
    let proxy = Proxy::start(&bench.servers).await;
    killed_at(&proxy, run(), Rule::on("HeadObject").nth(7).hold_reply()).await;
    let proxy = Proxy::start(&bench.servers).await;
    let record = Rule::when(|seen| seen.operation == "PutObject" && seen.key.ends_with("job.json"));
    killed_at(&proxy, run(), record.once().hold_request()).await;
    assert_eq!(proxy.count("CopyObject"), 0);
    let keys = bench.bucket.keys().await;
    let plans = keys.iter().filter(|key| key.ends_with(".pinned"));
    assert_eq!(plans.count(), 1, "{keys:?}");
    // Whoever changes an object now changes it before the job.
    bench.bucket.put_plain("s1", b"written since").await;
    before.insert("s1", bench.object("s1").await);
    run().end().await.is(0);
    for (from, to) in ROWS {
        bench.bucket.assert_kept(to, &before[from]).await;
    }
    assert_all_renamed(&bench, &report).await;
}

#[tokio::test]
async fn a_report_on_s3_keeps_the_plan_too() {
    let (bench, before) = bench().await;
    let report = Bench::new().await;
    let location = report.uri("reports");
    let run = || {
        bench.rebucket(&format!(
            "run moves.csv --max-renames 1 --report {location}"
        ))
    };
    let proxy = Proxy::start(&bench.servers).await;
    killed_at(&proxy, run(), Rule::on("CopyObject").nth(5).hold_reply()).await;
    let mut keys = report.bucket.keys().await;
    keys.retain(|key| key.ends_with(".pinned"));
    let [plan] = keys.as_slice() else {
        panic!("{keys:?}")
    };
    let text = report.bytes(plan).await;
    report.bucket.remove(plan).await;
    let ended = run().end().await.is(2);
    ended.says(&[&report.uri(plan), "is not there", "the job moves was begun"]);
    report.bucket.put_plain(plan, &text).await;
    run().end().await.is(0);
    assert_permuted(&bench, &before).await;
    assert_all_renamed(&bench, &location).await;
}

#[tokio::test]
async fn of_two_runs_without_a_lock_the_late_one_does_not_pin_what_the_other_renamed() {
    let (bench, before) = bench().await;
    let report = bench.uri("reports");
    let run = || bench.rebucket(&format!("run moves.csv --report {report}"));
    let proxy = Proxy::start(&bench.servers).await;
    let held = proxy.hold(Rule::on("HeadObject").nth(1).hold_request());
    let late = run().behind(&proxy).start();
    held.reached().await;
    run().end().await.is(0);
    held.release();
    // Its plan is of no use, or cannot even be made: a key is empty now.
    late.end().await.is(2);
    assert_eq!(proxy.count("CopyObject"), 0);
    run().end().await.is(0);
    for (from, to) in ROWS {
        bench.bucket.assert_kept(to, &before[from]).await;
    }
}

#[tokio::test]
async fn a_job_goes_on_with_its_own_plan_or_not_at_all() {
    let (bench, before) = bench().await;
    begun(&bench).await;
    let plan = kept(&bench);
    let text = std::fs::read(&plan).unwrap();
    let now = bench.bucket.keys().await;
    let refused = async |why: &str| {
        let ended = bench.run("run moves.csv").await.is(2);
        let name = plan.file_name().unwrap().to_str().unwrap();
        ended.says(&[
            "moves.report/moves",
            name,
            why,
            "the job moves was begun",
            "Put the file back",
        ]);
        assert_eq!(bench.bucket.keys().await, now);
    };
    std::fs::remove_file(&plan).unwrap();
    refused("is not there").await;
    std::fs::write(&plan, &text[..text.len() - 1]).unwrap();
    refused("cannot be used: the plan is cut short").await;
    bench.run("plan moves.csv --out another.plan").await.is(2);
    bench.manifest("other.csv", &ROWS[9..]);
    bench.run("plan other.csv --out other.plan").await.is(0);
    std::fs::copy(bench.path("other.plan"), &plan).unwrap();
    refused("is another plan").await;
    std::fs::write(&plan, &text).unwrap();

    // Nor does another manifest go on with it.
    bench.manifest("moves.csv", &ROWS[1..]);
    let ended = bench.run("run moves.csv").await.is(2);
    ended.says(&["another manifest", "--job"]);
    bench.manifest("moves.csv", &ROWS);
    bench.run("run moves.csv").await.is(0);
    assert_permuted(&bench, &before).await;
    assert_all_renamed(&bench, "moves.report").await;
}

/// Keys that change places, in so many messages.
async fn swaps(bench: &Bench, count: usize) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for n in 0..count {
        let (a, b) = (format!("a{n}"), format!("b{n}"));
        bench.bucket.put_plain(&a, a.as_bytes()).await;
        bench.bucket.put_plain(&b, b.as_bytes()).await;
        pairs.extend([(a.clone(), b.clone()), (b, a)]);
    }
    bench.manifest("moves.csv", &pairs);
    pairs
}

async fn assert_swapped(bench: &Bench, pairs: &[(String, String)]) {
    for (from, to) in pairs {
        assert_eq!(bench.bytes(to).await, from.as_bytes(), "{to}");
    }
}

/// A worker for the bucket's renames. One for a whole test: a long poll of a
/// worker that has stopped takes messages that come soon after.
fn worker(bench: &Bench, queue: &Queue, report: &str) -> Worker {
    WorkerBuilder::new(&bench.servers)
        .flags(&format!("--queue-url {} --report {report}", queue.url))
        .flags(&format!("--allow s3://{}/", bench.bucket.name))
        .start()
}

#[tokio::test]
async fn a_submission_that_is_killed_goes_on_with_what_was_there_at_its_beginning() {
    let bench = Bench::new().await;
    let pairs = swaps(&bench, 25).await;
    let queue = Queue::create(&bench.servers, 5).await;
    let report = bench.path("report").display().to_string();
    let flags = format!("--max-sends 1 --report {report} --queue-url {}", queue.url);
    let submit = || bench.rebucket(&format!("submit moves.csv --job moves {flags}"));
    // Killed while it pins; then with a batch in the queue of which it has not
    // heard, and that is carried out before it goes on: pins that were taken
    // now would have these swapped back.
    let proxy = Proxy::start(&bench.servers).await;
    killed_at(
        &proxy,
        submit(),
        Rule::on("HeadObject").nth(30).hold_reply(),
    )
    .await;
    assert!(!bench.path("moves.csv.checkpoint").exists());
    let proxy = Proxy::start(&bench.servers).await;
    let second = Rule::on("SendMessageBatch").nth(2).hold_reply();
    killed_at(&proxy, submit(), second).await;
    let worker = worker(&bench, &queue, &report);
    queue.until_empty().await;

    let kept = bench.path("moves.csv.checkpoint.pinned");
    let text = std::fs::read(&kept).unwrap();
    std::fs::remove_file(&kept).unwrap();
    let ended = submit().end().await.is(2);
    ended.says(&[
        "moves.csv.checkpoint.pinned is not there",
        "the job moves was begun",
    ]);
    std::fs::write(&kept, &text).unwrap();
    // From elsewhere it is the same job, of which nobody there has the pins.
    let elsewhere = format!("submit moves.csv --checkpoint new --job moves {flags}");
    let ended = bench.run(&elsewhere).await.is(2);
    ended.says(&["a job moves of this manifest that was begun elsewhere"]);
    assert!(queue.is_empty().await);

    let proxy = Proxy::start(&bench.servers).await;
    let ended = submit().behind(&proxy).end().await.is(0);
    assert_eq!(ended.out, "job moves: 25 of 25 messages submitted\n");
    // The one of which it had not heard, and the last one.
    assert_eq!(proxy.count("SendMessageBatch"), 2);
    assert_eq!(proxy.count("HeadObject"), 0);
    assert!(!kept.exists());
    queue.until_empty().await;
    assert_swapped(&bench, &pairs).await;
    let rows = pairs.len() as u64;
    let (json, _) = bench.summary("report").await;
    assert_eq!(
        (&json["submitted"], &json["pending"]),
        (&rows.into(), &0.into()),
        "{json}"
    );

    // It is not sent twice unasked; and when asked, it is another job.
    let again = submit().end().await.is(0);
    assert!(again.out.contains("nothing was sent"), "{}", again.out);
    let ended = submit().arg("--again").end().await.is(2);
    ended.says(&["begun elsewhere", "another --job"]);
    let back = format!("submit moves.csv --again --job back {flags}");
    bench.run(&back).await.is(0);
    worker.drain(&queue).await;
    queue.assert_nothing_parked().await;
    for (from, _) in &pairs {
        assert_eq!(bench.bytes(from).await, from.as_bytes(), "{from}");
    }
}

#[tokio::test]
async fn a_submission_needs_a_place_for_what_was_there() {
    let bench = Bench::new().await;
    let pairs = swaps(&bench, 2).await;
    let queue = Queue::create(&bench.servers, 5).await;
    let text = std::fs::read(bench.path("moves.csv")).unwrap();
    let submit = |flags: &str| {
        let command = format!("submit - --job j {flags} --queue-url {}", queue.url);
        bench.rebucket(&command).stdin(&text)
    };
    let proxy = Proxy::start(&bench.servers).await;
    let ended = submit("").behind(&proxy).end().await.is(2);
    ended.says(&[
        "chains, swaps or cycles",
        "--checkpoint",
        "rebucket plan --out",
    ]);
    assert_eq!(proxy.log(), []);
    submit("--checkpoint piped").end().await.is(0);
    let report = bench.path("report").display().to_string();
    worker(&bench, &queue, &report).drain(&queue).await;
    assert_swapped(&bench, &pairs).await;
}

#[tokio::test]
async fn a_kept_file_may_be_larger_than_a_request() {
    let bench = Bench::new().await;
    let s3 = bench.servers.s3_client(&bench.servers.s3);
    let directory = bench.path("report").display().to_string();
    for location in [bench.uri("report"), directory] {
        let store = ReportStore::new(location.parse().unwrap(), &s3);
        for size in [1, 16 * MIB, 16 * MIB + 1, 40 * MIB] {
            let text = bytes(3, size);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&text).unwrap();
            store.keep("job/large", file).await.unwrap();
            let mut copy = tempfile::tempfile().unwrap();
            let found = store.fetch("job/large", copy.try_clone().unwrap()).await;
            assert!(found.unwrap());
            let mut again = Vec::new();
            copy.rewind().unwrap();
            copy.read_to_end(&mut again).unwrap();
            assert!(again == text, "{location}, {size} bytes");
        }
        let nothing = store
            .fetch("job/nothing", tempfile::tempfile().unwrap())
            .await;
        assert!(!nothing.unwrap());
    }
}
