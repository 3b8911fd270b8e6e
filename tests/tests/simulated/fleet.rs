//! Two workers, many objects, and a bad day.

use std::collections::BTreeMap;

use rebucket_simulator::http::{Action, Rule, Service, When};
use rebucket_simulator::s3::NewObject;

use crate::stage::{IN_PARTS, Stage, in_parts, small};

const OBJECTS: u32 = 300;

/// Each of four kinds with so much, 5 % together.
const EACH: f64 = 0.0125;

#[tokio::test]
async fn one_request_in_twenty_fails_and_nothing_is_lost_or_done_twice() {
    let stage = Stage::new().await;
    let mut tasks = Vec::new();
    let mut origins = BTreeMap::new();
    for number in 1..=OBJECTS {
        let (from, to) = (format!("in/{number}"), format!("out/{number}"));
        let mut object = match number % 10 {
            0 => in_parts(NewObject::default()),
            _ => small(NewObject::default()),
        };
        // Some have the same bytes: only their origins tell them apart.
        object.seed = (number % 100).into();
        let before = stage.put(&from, &object);
        tasks.push(stage.world.task(number, &from, &to));
        origins.insert(to, before.origin);
    }
    let first = stage.start(IN_PARTS).await;
    let second = stage.start(IN_PARTS).await;
    let actions = [
        Action::error(503, "SlowDown"),
        Action::lost_reply(500, "InternalError"),
        Action::Reset { when: When::Before },
        Action::Reset { when: When::After },
    ];
    for (seed, action) in (1..).zip(actions) {
        let mut rule = Rule::new(action).probability(EACH, seed);
        rule.service = Some(Service::S3);
        stage.simulator.fault(rule);
    }
    stage.world.queue.send(&tasks).await;
    let queue = &stage.world.queue;
    tokio::join!(first.drain(queue), second.drain(queue));
    stage.assert_all_ended(origins.len()).await;
    let arrived: BTreeMap<String, u64> = {
        let s3 = stage.simulator.s3();
        let bucket = s3.bucket(&stage.world.bucket.name).unwrap();
        let objects = bucket.current_objects();
        objects
            .map(|(key, _, o)| (key.to_owned(), o.origin))
            .collect()
    };
    assert_eq!(arrived, origins);
    let standing = stage.simulator.faults().list();
    assert!(standing.iter().all(|rule| rule.struck > 5), "{standing:#?}");
    // Both had a share of it, and no upload is left that its creator knew of.
    let outcomes = stage.world.report.outcomes().await;
    let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
    for record in &outcomes {
        *shares.entry(record.worker.as_str()).or_default() += 1;
    }
    assert_eq!(shares.len(), 2, "{shares:?}");
    let log = stage.simulator.requests().log().into_iter();
    let unheard = log
        .filter(|r| r.operation.name == "CreateMultipartUpload" && r.applied && r.fault.is_some());
    assert_eq!(stage.uploads().len(), unheard.count());
}
