//! Storage classes on their way from a bucket into a message.

use std::collections::BTreeMap;

use rebucket_protocol::{Pins, RenameTask, StorageClass};
use rebucket_simulator::http::Simulator;
use rebucket_tests::{Bucket, Queue, Servers};
use serde_json::Value;

use crate::submit::receive;
use crate::support::{Bench, csv_text};

fn class(pins: &Pins) -> &str {
    pins.storage_class.as_ref().map_or("", StorageClass::as_str)
}

/// The class of each source that a task names, those of its chain too.
fn classes(tasks: &[RenameTask]) -> BTreeMap<&str, &str> {
    let mut told = BTreeMap::new();
    for task in tasks {
        told.insert(task.source().key.as_str(), class(&task.pins));
        for step in task.then() {
            told.insert(step.source().key.as_str(), class(&step.pins));
        }
    }
    told
}

/// Objects of these classes on the simulator, which lasts as long as it is kept.
async fn simulated(objects: &[(&str, &str)]) -> (Simulator, Bench) {
    let simulator = Simulator::builder().start().await.unwrap();
    let servers = Servers::simulated(&simulator);
    let bucket = Bucket::create(servers.s3_client(&servers.s3)).await;
    let bench = Bench::around(servers, bucket);
    for (key, class) in objects {
        let put = bench.bucket.put(key, key.as_bytes());
        put.storage_class((*class).into()).send().await.unwrap();
    }
    (simulator, bench)
}

#[tokio::test]
async fn a_listing_tells_a_class_and_a_message_carries_it() {
    let objects = [
        ("a", "GLACIER"),
        ("b", "STANDARD"),
        ("c", "STANDARD_IA"),
        ("d", "STANDARD_IA"),
        ("e", "INTELLIGENT_TIERING"),
    ];
    let (_simulator, bench) = simulated(&objects).await;
    let map = bench.rebucket("map --rewrite s|^|new/| --out moves.csv");
    map.arg(&bench.uri("")).end().await.is(0);

    let told = bench.run("estimate moves.csv --format json").await.is(0);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    let counted = serde_json::json!({
        "GLACIER": 1, "INTELLIGENT_TIERING": 1, "STANDARD": 1, "STANDARD_IA": 2,
    });
    assert_eq!(told["storage_classes"], counted, "{told}");
    assert_eq!(told["of_assumed_class"], 0, "{told}");

    bench.run("plan moves.csv --out moves.plan").await.is(0);
    for from in ["moves.csv", "moves.plan"] {
        let queue = Queue::create(&bench.servers, 5).await;
        let submit = bench.rebucket(&format!("submit {from} --job {from} --queue-url"));
        submit.arg(&queue.url).end().await.is(0);
        let tasks = receive(&bench, &queue, objects.len()).await;
        assert_eq!(classes(&tasks), objects.into());
    }
}

#[tokio::test]
async fn each_rename_of_a_chain_has_the_class_of_its_own_object() {
    let objects = [("a", "STANDARD_IA"), ("b", "STANDARD"), ("c", "ONEZONE_IA")];
    let (_simulator, bench) = simulated(&objects).await;
    // One row that says it, one that says another, one that says none.
    let rows = [
        ("a", "b", "STANDARD_IA"),
        ("b", "c", "GLACIER_IR"),
        ("c", "d", ""),
    ];
    let rows = rows.map(|(from, to, class)| [bench.uri(from), bench.uri(to), class.to_owned()]);
    bench.write(
        "moves.csv",
        csv_text(&["source", "destination", "storage_class"], rows),
    );
    let queue = Queue::create(&bench.servers, 5).await;
    let submit = bench.rebucket("submit moves.csv --queue-url");
    submit.arg(&queue.url).end().await.is(0);
    let tasks = receive(&bench, &queue, 1).await;
    assert_eq!(classes(&tasks), objects.into());
}
