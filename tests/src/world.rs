//! What nearly every test begins with.

use rebucket_simulator::http::Simulator;
use rebucket_simulator::s3::BucketSettings;

use crate::bucket::Bucket;
use crate::proxy::Proxy;
use crate::queue::Queue;
use crate::report::Report;
use crate::servers::{Servers, unique};
use crate::task::Task;
use crate::worker::WorkerBuilder;

/// How often a message is delivered before the queue gives up on it.
const MAX_RECEIVES: u32 = 5;

/// A bucket, a queue and a report of a test's own.
#[derive(Debug)]
pub struct World {
    /// The servers.
    pub servers: Servers,
    /// The bucket.
    pub bucket: Bucket,
    /// The queue.
    pub queue: Queue,
    /// The report of all its workers.
    pub report: Report,
}

impl World {
    /// A plain bucket on SeaweedFS.
    pub async fn new() -> Self {
        let servers = Servers::from_env();
        let bucket = Bucket::create(servers.s3_client(&servers.s3)).await;
        Self::around(servers, bucket).await
    }

    /// A plain bucket on moto.
    pub async fn on_moto() -> Self {
        let servers = Servers::from_env();
        let bucket = Bucket::create(servers.s3_client(&servers.moto)).await;
        let servers = Servers {
            s3: servers.moto.clone(),
            ..servers
        };
        Self::around(servers, bucket).await
    }

    /// A bucket with these settings on a simulator.
    pub async fn simulated(simulator: &Simulator, settings: BucketSettings) -> Self {
        let servers = Servers::simulated(simulator);
        let bucket = Bucket {
            client: servers.s3_client(&servers.s3),
            name: unique("simulated"),
        };
        let made = simulator
            .s3()
            .create_bucket(&bucket.name, settings, simulator.clock().now());
        made.expect("a bucket");
        Self::around(servers, bucket).await
    }

    /// A queue and a report for a bucket that is there.
    pub async fn around(servers: Servers, bucket: Bucket) -> Self {
        let queue = Queue::create(&servers, MAX_RECEIVES).await;
        let report = Report::new(bucket.client.clone());
        Self {
            servers,
            bucket,
            queue,
            report,
        }
    }

    /// A task in the bucket.
    #[must_use]
    pub fn task(&self, number: u32, source: &str, destination: &str) -> Task {
        Task::new(number, &self.bucket.name, source, destination)
    }

    /// A worker for the whole bucket.
    #[must_use]
    pub fn worker(&self) -> WorkerBuilder {
        self.worker_for(&format!("s3://{}/", self.bucket.name))
    }

    /// A worker for one prefix.
    #[must_use]
    pub fn worker_for(&self, allowed: &str) -> WorkerBuilder {
        let report = self.report.path().to_str().expect("a UTF-8 path");
        WorkerBuilder::new(&self.servers)
            .flags("--queue-url")
            .arg(&self.queue.url)
            .arg("--allow")
            .arg(allowed)
            .arg("--report")
            .arg(report)
    }

    /// A worker for the whole bucket that reaches both servers through a
    /// proxy.
    #[must_use]
    pub fn worker_behind(&self, proxy: &Proxy) -> WorkerBuilder {
        self.worker()
            .env("AWS_ENDPOINT_URL_S3", &proxy.s3)
            .env("AWS_ENDPOINT_URL_SQS", &proxy.sqs)
    }

    /// Sends tasks, and lets one plain worker carry them out.
    pub async fn carry_out(&self, tasks: &[Task]) {
        self.queue.send(tasks).await;
        self.worker().start().drain(&self.queue).await;
    }
}
