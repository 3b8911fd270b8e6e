//! Everything that an S3 request can meet, at every request of a rename.

use std::time::Duration;

use rebucket_simulator::http::{Action, Rule, Service, When};
use rebucket_simulator::s3::{
    AclRequest, BucketSettings, CannedAcl, NewObject, Object, ObjectRef, Ownership,
    PutAnnotationRequest, SparseObject,
};
use rebucket_tests::Task;

use crate::stage::{IN_PARTS, Stage, in_parts, small};

/// So many requests of an operation are struck in each rename.
const TIMES: u64 = 2;

/// One rename `N/a` to `N/b` for each operation and action, all at once; the
/// faults of each strike at its own prefix only.
struct Strikes {
    stage: Stage,
    tasks: Vec<Task>,
    rules: Vec<Rule>,
    before: Vec<Object>,
}

/// Something of everything that takes requests of its own.
fn properties() -> NewObject {
    NewObject {
        tags: std::sync::Arc::new([("a".to_owned(), "b".to_owned())].into()),
        acl: AclRequest::Canned(CannedAcl::PublicRead),
        ..NewObject::default()
    }
}

impl Strikes {
    async fn new() -> Self {
        let stage = Stage::with(BucketSettings {
            ownership: Ownership::BucketOwnerPreferred,
            ..BucketSettings::default()
        })
        .await;
        Self {
            stage,
            tasks: Vec::new(),
            rules: Vec::new(),
            before: Vec::new(),
        }
    }

    /// Adds a rename of this object, at which `operation` is struck.
    fn add(&mut self, object: &SparseObject, operation: &str, action: Action) {
        let number = u32::try_from(self.tasks.len()).unwrap() + 1;
        let (from, to) = (format!("{number}/a"), format!("{number}/b"));
        let object = SparseObject {
            seed: number.into(),
            ..object.clone()
        };
        self.stage.put(&from, &object);
        let bucket = &self.stage.world.bucket.name;
        let annotation = PutAnnotationRequest {
            object: ObjectRef::new(bucket, &from),
            name: "review".to_owned(),
            payload: "good in every respect".into(),
            ..PutAnnotationRequest::default()
        };
        let now = self.stage.simulator.clock().now();
        let put = self
            .stage
            .simulator
            .s3()
            .put_object_annotation(annotation, now);
        put.unwrap();
        self.before.push(self.stage.object(&from).unwrap());
        self.tasks.push(self.stage.world.task(number, &from, &to));
        let prefix = format!("{number}/");
        let rule = Rule::on(operation, action).prefix(&prefix).times(TIMES);
        self.rules.push(rule);
    }

    async fn survive(self) {
        self.stage
            .carry_out(IN_PARTS, &self.tasks, self.rules)
            .await;
        let standing = self.stage.simulator.faults().list();
        for (number, (before, fault)) in (1..).zip(self.before.iter().zip(&standing)) {
            let (operations, action) = (&fault.rule.operations, &fault.rule.action);
            println!("{number}: {operations:?} {action}, {} times", fault.struck);
            assert!(fault.struck > 0, "{operations:?} was never asked for");
            let (from, to) = (format!("{number}/a"), format!("{number}/b"));
            self.stage.assert_moved(&from, &to, before);
        }
        self.stage.assert_all_ended(standing.len()).await;
        assert_eq!(self.stage.keys().len(), standing.len());
        // Only an upload whose creator never heard of it may be left.
        let log = self.stage.simulator.requests().log().into_iter();
        let mut unheard: Vec<String> = log
            .filter(|r| r.operation.name == "CreateMultipartUpload" && r.applied)
            .filter(|r| r.fault.as_deref().is_some_and(is_lost))
            .filter_map(|r| r.operation.key)
            .collect();
        let mut left = self.stage.uploads();
        unheard.sort();
        left.sort();
        assert_eq!(left, unheard);
    }
}

/// Whether the answer was lost for good, and not only late.
fn is_lost(fault: &str) -> bool {
    !fault.starts_with("stall") && !fault.starts_with("slow")
}

const OF_SMALL: [&str; 4] = ["HeadObject", "GetObjectAcl", "CopyObject", "DeleteObject"];
const OF_PARTS: [&str; 10] = [
    "HeadObject",
    "GetObjectAcl",
    "GetObjectTagging",
    "ListObjectAnnotations",
    "GetObjectAnnotation",
    "CreateMultipartUpload",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "PutObjectAnnotation",
    "DeleteObject",
];
/// Those whose success has a body.
const WITH_BODIES: [&str; 7] = [
    "GetObjectAcl",
    "GetObjectTagging",
    "ListObjectAnnotations",
    "CreateMultipartUpload",
    "CopyObject",
    "UploadPartCopy",
    "CompleteMultipartUpload",
];

/// Every operation of both renames, with a rename for each of `actions`.
async fn survive_everywhere(actions: &[Action], only: impl Fn(&str) -> bool) {
    let mut strikes = Strikes::new().await;
    let single = OF_SMALL.map(|operation| (small(properties()), operation));
    let parts = OF_PARTS.map(|operation| (in_parts(properties()), operation));
    for (object, operation) in single.into_iter().chain(parts) {
        for action in actions.iter().filter(|_| only(operation)) {
            strikes.add(&object, operation, action.clone());
        }
    }
    strikes.survive().await;
}

const BOTH: [When; 2] = [When::Before, When::After];

#[tokio::test]
async fn connections_that_are_reset_before_or_after() {
    let actions = BOTH.map(|when| Action::Reset { when });
    survive_everywhere(&actions, |_| true).await;
}

#[tokio::test]
async fn errors_before_or_after_the_request_was_carried_out() {
    let actions = [
        Action::error(503, "SlowDown"),
        Action::lost_reply(500, "InternalError"),
        Action::lost_reply(503, "SlowDown"),
    ];
    survive_everywhere(&actions, |_| true).await;
}

#[tokio::test]
async fn errors_inside_a_200() {
    let code = "InternalError".to_owned();
    let actions = BOTH.map(|when| {
        let code = code.clone();
        Action::EmbeddedError { code, when }
    });
    survive_everywhere(&actions, |operation| WITH_BODIES.contains(&operation)).await;
}

#[tokio::test]
async fn a_200_without_a_body() {
    let actions = BOTH.map(|when| Action::Empty { when });
    survive_everywhere(&actions, |operation| WITH_BODIES.contains(&operation)).await;
}

#[tokio::test]
async fn half_an_answer() {
    let actions = [true, false].map(|cut| Action::Truncate { keep: None, cut });
    survive_everywhere(&actions, |operation| WITH_BODIES.contains(&operation)).await;
}

#[tokio::test]
async fn answers_that_take_their_time() {
    let stall = BOTH.map(|when| Action::Stall { ms: 500, when });
    let slow = Action::Slow {
        bytes_per_second: 300,
    };
    let [before, after] = stall;
    survive_everywhere(&[before, after, slow], |_| true).await;
}

/// What a proxy, a load balancer or a captive portal says is nothing that S3
/// says: not that an object is there or is not, not that it was copied or
/// deleted, not that we may not.
#[tokio::test]
async fn pages_of_proxies_and_captive_portals() {
    let pages = [200, 302, 403, 404, 409, 412].map(Action::proxy);
    survive_everywhere(&pages, |_| true).await;
}

fn bare(status: u16, when: When) -> Action {
    Action::Proxy {
        status,
        content_type: "text/plain".to_owned(),
        body: String::new(),
        when,
    }
}

#[tokio::test]
async fn answers_of_others_that_are_not_even_pages() {
    let bare = [200, 204, 301, 403, 404, 412].map(|status| bare(status, When::Before));
    survive_everywhere(&bare, |_| true).await;
}

#[tokio::test]
async fn pages_in_the_place_of_answers_that_were_given() {
    let pages = [200, 404].map(|status| Action::Proxy {
        status,
        content_type: "text/html".to_owned(),
        body: "<html></html>".to_owned(),
        when: When::After,
    });
    survive_everywhere(&pages, |_| true).await;
}

/// The looks in the middle of a rename, and the one right before the delete.
#[tokio::test]
async fn every_look_is_answered_by_somebody_else() {
    let mut strikes = Strikes::new().await;
    for skip in 0..5 {
        for action in [bare(404, When::Before), Action::proxy(404)] {
            strikes.add(&in_parts(properties()), "HeadObject", action);
            let last = strikes.rules.pop().unwrap();
            strikes.rules.push(last.skip(skip).times(1));
        }
    }
    strikes.survive().await;
}

/// The queue's answers are looked at in the same way.
#[tokio::test]
async fn pages_in_front_of_the_queue() {
    let stage = Stage::new().await;
    let mut tasks = Vec::new();
    for number in 1..=4 {
        let (from, to) = (format!("{number}/a"), format!("{number}/b"));
        stage.put(&from, &small(NewObject::default()));
        tasks.push(stage.world.task(number, &from, &to));
    }
    let mut faults = Vec::new();
    for operation in ["ReceiveMessage", "DeleteMessageBatch"] {
        for action in [
            Action::proxy(200),
            Action::proxy(404),
            bare(200, When::Before),
        ] {
            faults.push(Rule::on(operation, action).times(1));
        }
    }
    stage.carry_out("", &tasks, faults).await;
    for fault in stage.simulator.faults().list() {
        assert!(
            fault.struck > 0,
            "{:?} was never asked for",
            fault.rule.operations
        );
    }
    stage.assert_all_renamed(4).await;
}

/// A prefix that is throttled slows down nobody else.
#[tokio::test]
async fn a_prefix_that_is_throttled_for_a_while() {
    const EACH: u32 = 20;
    let stage = Stage::new().await;
    let mut tasks = Vec::new();
    for number in 1..=2 * EACH {
        let side = if number <= EACH { "hot" } else { "cold" };
        let (from, to) = (format!("{side}/{number}"), format!("{side}/{number}-new"));
        stage.put(&from, &small(NewObject::default()));
        tasks.push(stage.world.task(number, &from, &to));
    }
    let mut throttle = Rule::new(Action::error(503, "SlowDown")).prefix("hot/");
    throttle.service = Some(Service::S3);
    let throttle = throttle.lasting(Duration::from_secs(2));
    stage.carry_out("", &tasks, vec![throttle]).await;
    stage.assert_all_renamed(40).await;
    assert!(stage.simulator.faults().list()[0].struck >= 20);
    let keys = stage.keys();
    assert_eq!(keys.len(), 40);
    assert!(keys.iter().all(|key| key.ends_with("-new")), "{keys:?}");
    // Nobody else paid for it, and everybody was delivered once.
    let cold = |(_, key): &&(String, String)| key.starts_with("cold/");
    assert_eq!(stage.requests().iter().filter(cold).count(), 100);
    assert_eq!(stage.totals().delivered, 40);
}
