//! When a job begins, by the clock that objects are dated with.
//!
//! Each message carries that time. It tells what the job wrote, and what others
//! wrote since, from what was there before: so it is compared with dates of
//! objects, which are by the store's clock, and must be by that clock, too.

use std::time::Duration;

use rebucket_protocol::{AccountId, BucketName, Timestamp};
use rebucket_worker::clients::Clients;
use rebucket_worker::clock::MOST_APART;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::store::s3::S3Store;
use tokio::time::Instant;

/// How long the store's time is waited for. It can do without.
const ASKED_FOR: Duration = Duration::from_secs(5);

/// Whom to ask for the time.
pub(super) struct StoreTime<'a> {
    clients: &'a Clients,
    metrics: &'a Metrics,
    bucket: Option<BucketName>,
    owner: Option<AccountId>,
}

/// The beginning of a job.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobStart {
    /// The time that its messages carry, a whole second: what was written
    /// before is dated earlier.
    pub(super) at: Timestamp,
    /// From then on, what is written is dated at that time or later.
    ready: Instant,
}

impl<'a> StoreTime<'a> {
    /// The store that has this bucket of the job, if it has any: there is no
    /// request without one. It says whose the bucket is, where that is known.
    pub(super) fn of(
        clients: &'a Clients,
        metrics: &'a Metrics,
        bucket: Option<&BucketName>,
        owner: Option<AccountId>,
    ) -> Self {
        Self {
            clients,
            metrics,
            bucket: bucket.cloned(),
            owner,
        }
    }

    /// The beginning of a job that begins now. A submitter that cannot reach
    /// the store takes `otherwise`, the queue's time, and without that its own;
    /// and of these the earliest that the store's may be, since what is written
    /// at the source after that is taken for another object.
    pub(super) async fn job_start(&self, otherwise: Option<Timestamp>) -> JobStart {
        let store = S3Store::of_owner(&self.clients.s3, self.metrics.clone(), self.owner);
        let asked = async {
            match &self.bucket {
                Some(bucket) => store.ask_time(bucket).await,
                None => None,
            }
        };
        let told = tokio::time::timeout(ASKED_FOR, asked).await;
        let by_others = || {
            let now = otherwise.unwrap_or_else(Timestamp::now);
            now.saturating_sub(MOST_APART)
        };
        JobStart::after(told.ok().flatten().unwrap_or_else(by_others))
    }
}

impl JobStart {
    /// After a time that was read just now, and that the answer cut to a whole
    /// second.
    fn after(now: Timestamp) -> Self {
        let second = Duration::from_secs(1);
        let whole = Timestamp::from_unix(now.unix_seconds(), 0).unwrap_or(now);
        Self {
            at: whole.saturating_add(second),
            ready: Instant::now() + second,
        }
    }

    /// Waits until the job may begin, and gives the time that its messages
    /// carry.
    pub(super) async fn wait(&self) -> Timestamp {
        tokio::time::sleep_until(self.ready).await;
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_job_begins_with_the_next_second() {
        let read = Timestamp::from_unix(1_790_000_000, 400_000_000).unwrap();
        let start = JobStart::after(read);
        assert_eq!(start.at, Timestamp::from_unix(1_790_000_001, 0).unwrap());
        let before = Instant::now();
        start.wait().await;
        assert_eq!(before.elapsed(), Duration::from_secs(1));
    }
}
