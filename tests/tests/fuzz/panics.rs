//! A bug, ours or the SDK's, that an object or an answer sets off: it must not
//! cost more than the one rename.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept};
use aws_sdk_s3::error::BoxError;
use rebucket_protocol::{JobId, Reason, RenameTask, S3Prefix, TaskId, encode};
use rebucket_worker::admission::Admission;
use rebucket_worker::host::Host;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::lease::LeaseSettings;
use rebucket_worker::queue::memory::MemoryQueue;
use rebucket_worker::report::Recorder;
use rebucket_worker::shutdown::Shutdown;
use rebucket_worker::worker::{DrainCheck, Worker, WorkerSettings};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::engine::renamer;
use crate::listener::s3_client;

const DELIVERIES: u32 = 3;

/// Panics in the midst of every request.
#[derive(Debug)]
struct Panics;

impl Intercept for Panics {
    fn name(&self) -> &'static str {
        "Panics"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        panic!("a bug of the SDK")
    }
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_panics_is_tried_again_and_parked_in_the_end() {
    let prefix: S3Prefix = "s3://bkt/".parse().unwrap();
    let requests = Arc::new(Semaphore::new(2));
    let config = s3_client("http://127.0.0.1:1").config().to_builder();
    let client = aws_sdk_s3::Client::from_conf(config.interceptor(Panics).build());
    let queue = Arc::new(MemoryQueue::new(DELIVERIES));
    let uri = |text: &str| text.parse().unwrap();
    let job = JobId::new("j").unwrap();
    let id = TaskId::for_row(&job, 1);
    let task = RenameTask::new(job, id, uri("s3://bkt/old"), uri("s3://bkt/new")).unwrap();
    queue.send(encode(&task).unwrap());
    let worker = Worker::new(
        Arc::clone(&queue) as _,
        renamer(&client, &prefix, 1 << 30, &requests),
        Admission::new(vec![prefix]),
        Recorder::log_only(),
        WorkerSettings {
            host: Host::this_process(),
            max_renames: 1,
            lease: LeaseSettings::new(Duration::from_mins(5)),
            exit_when_empty: Some(DrainCheck {
                readings: 1,
                pause: Duration::from_millis(10),
                poll: Duration::from_secs(1),
            }),
            resumed: false,
        },
        Metrics::new().unwrap(),
    );
    let began = Instant::now();
    let ended = timeout(Duration::from_hours(1), worker.run(&Shutdown::new())).await;
    ended.expect("the worker drains the queue");
    let parked = queue.parked();
    let [(_, reason)] = &parked[..] else {
        panic!("{parked:?}");
    };
    assert_eq!(reason.reason, Reason::RetriesExhausted);
    let says = |text: &str| reason.detail.contains(text);
    assert!(
        says("after 3 deliveries") && says("a bug of the SDK"),
        "{}",
        reason.detail
    );
    assert!(queue.is_empty());
    assert_eq!(
        (worker.tally().failed, requests.available_permits()),
        (1, 2)
    );
    // Handed back with a delay, and not left until its lease was over.
    assert!(
        began.elapsed() < Duration::from_mins(1),
        "{:?}",
        began.elapsed()
    );
}
