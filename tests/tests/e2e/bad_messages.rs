//! Messages that are no tasks, or not for this worker: parked with the reason,
//! as they were, and nothing is touched.

use rebucket_protocol::Reason;
use rebucket_tests::{Bucket, Task, World};
use serde_json::json;

/// What is wrong with a message, the reason that it is parked with, and its
/// body. The worker may rename under `in/` of the world's bucket.
fn cases(world: &World, other: &str) -> Vec<(&'static str, &'static str, String)> {
    let good = world.task(1, "in/a", "in/b");
    let mut foreign_destination = serde_json::from_str::<serde_json::Value>(&good.body()).unwrap();
    foreign_destination["dst"]["bucket"] = json!(other);
    let mut without_destination = foreign_destination.clone();
    without_destination.as_object_mut().unwrap().remove("dst");
    let elsewhere = world.task(2, "in/c", "in/d").body();
    let mut unlinked = serde_json::from_str::<serde_json::Value>(&elsewhere).unwrap();
    let step = unlinked.as_object_mut().unwrap();
    step.retain(|field, _| ["id", "src", "dst"].contains(&field.as_str()));
    [
        ("not JSON at all", "malformed_message", "{\"v\":1,".into()),
        ("an empty object", "malformed_message", "{}".into()),
        ("a list", "malformed_message", "[1]".into()),
        (
            "no destination",
            "malformed_message",
            without_destination.to_string(),
        ),
        (
            "a newer version",
            "unknown_version",
            good.clone().with("v", 2).with("new_in_2", true).body(),
        ),
        (
            "an unknown field",
            "unknown_field",
            good.clone().with("dry_run", true).body(),
        ),
        (
            "an unknown field of the source",
            "unknown_field",
            good.clone().pinned("storage", "x").body(),
        ),
        (
            "a rename to itself",
            "self_rename",
            world.task(1, "in/a", "in/a").body(),
        ),
        (
            "another job's id",
            "malformed_message",
            good.clone().with("id", "other/000000000001").body(),
        ),
        (
            "a chain with a field too many",
            "unknown_field",
            good.clone().with("then", json!([{"x": 1}])).body(),
        ),
        (
            "a chain of renames that do not wait for one another",
            "broken_chain",
            good.clone().with("then", json!([unlinked])).body(),
        ),
        (
            "a key that is too long",
            "malformed_message",
            world.task(1, &"k".repeat(1025), "in/b").body(),
        ),
        (
            "a source outside the allowed prefix",
            "not_allowed",
            world.task(2, "outside/a", "in/b").body(),
        ),
        (
            "a destination outside the allowed prefix",
            "not_allowed",
            world.task(3, "in/a", "outside/b").body(),
        ),
        (
            "a source in another bucket",
            "not_allowed",
            Task::new(4, other, "in/a", "in/b").body(),
        ),
        (
            "a destination in another bucket",
            "not_allowed",
            foreign_destination
                .to_string()
                .replace("000000000001", "000000000005"),
        ),
    ]
    .into()
}

#[tokio::test]
async fn every_bad_message_is_parked_with_its_reason_and_nothing_is_renamed() {
    let world = World::new().await;
    let other = Bucket::create(world.bucket.client.clone()).await;
    for key in ["in/a", "outside/a"] {
        world.bucket.put_plain(key, b"here to stay").await;
    }
    other.put_plain("in/a", b"here to stay").await;
    let before = world.bucket.object("in/a").await.unwrap();

    let cases = cases(&world, &other.name);
    for (what, _, body) in &cases {
        assert!(world.queue.send_raw(body).await, "not sent: {what}");
    }
    let allowed = format!("s3://{}/in/", world.bucket.name);
    world.worker_for(&allowed).start().drain(&world.queue).await;

    let parked = world.queue.parked().await;
    for (what, reason, body) in &cases {
        let found = parked.iter().find(|parked| parked.body == *body);
        let found = found.unwrap_or_else(|| panic!("{what}: not parked with its body"));
        assert_eq!(found.reason, *reason, "{what}: {}", found.detail);
        assert!(
            found.detail.len() > 10,
            "{what}: {:?} says little",
            found.detail
        );
    }
    assert_eq!(parked.len(), cases.len());
    // Those that name a task have an outcome; the others have no task.
    for number in 2..=5 {
        world.report.assert_failed(number, Reason::NotAllowed).await;
    }
    assert_eq!(world.report.outcomes().await.len(), 4);
    world.bucket.assert_kept("in/a", &before).await;
    assert_eq!(world.bucket.keys().await, ["in/a", "outside/a"]);
    assert_eq!(other.keys().await, ["in/a"]);
}

/// The largest message that the queue takes: over the limit of 1 MiB where
/// the server does not check it, as AWS does; else just within it.
#[tokio::test]
async fn an_oversized_message_is_parked_and_does_not_stop_the_worker() {
    let world = World::new().await;
    world.bucket.put_plain("in/a", b"small").await;
    let before = world.bucket.object("in/a").await.unwrap();
    let limit = 1 << 20;
    let padded = |len: usize| {
        let body = world.task(1, "in/a", "out/a").body();
        format!("{body}{}", " ".repeat(len - body.len()))
    };
    let oversized = padded(limit + 1);
    let taken = world.queue.send_raw(&oversized).await;
    let huge_field = world
        .task(2, "in/a", "out/b")
        .with("note", "n".repeat(limit - 1000))
        .body();
    let within = world.queue.send_raw(&huge_field).await;
    assert!(taken || within, "the server takes no large message at all");
    world.queue.send(&[world.task(3, "in/a", "out/c")]).await;
    world.worker().start().drain(&world.queue).await;

    let parked = world.queue.parked().await;
    if taken {
        let found = parked.iter().find(|parked| parked.body == oversized);
        assert_eq!(found.unwrap().reason, "oversized_message");
    }
    if within {
        let found = parked.iter().find(|parked| parked.body == huge_field);
        assert_eq!(found.unwrap().reason, "unknown_field");
    }
    world.bucket.assert_moved("in/a", "out/c", &before).await;
    world.report.assert_all_renamed(1).await;
}
