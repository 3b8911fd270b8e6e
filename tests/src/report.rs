//! The report that workers write.

use std::path::Path;

use rebucket_manifest::outcomes::{Report as Read, Scratch};
use rebucket_protocol::{JobId, Outcome, OutcomeRecord, Reason};
use rebucket_worker::report::location::ReportStore;
use tempfile::TempDir;

use crate::task::{JOB, Task};

/// A report in a folder of its own.
#[derive(Debug)]
pub struct Report {
    folder: TempDir,
    s3: aws_sdk_s3::Client,
}

impl Report {
    /// An empty report.
    #[must_use]
    pub fn new(s3: aws_sdk_s3::Client) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder, s3 }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The terminal outcome of every task, in the order of their numbers.
    pub async fn outcomes(&self) -> Vec<OutcomeRecord> {
        let location = self.path().to_str().expect("a UTF-8 path").parse();
        let store = ReportStore::new(location.expect("a location"), &self.s3);
        let job = JobId::new(JOB).expect("a job's name");
        let report = Read::of_job(&store, &job, &Scratch::new(None)).await;
        let report = report.unwrap_or_else(|error| panic!("no report could be read: {error}"));
        let outcomes = report.outcomes().expect("outcomes that can be read");
        let outcomes: Result<Vec<_>, _> = outcomes.collect();
        outcomes.expect("outcomes that can be read")
    }

    /// The terminal outcome of one task.
    ///
    /// # Panics
    /// When the task has not ended.
    pub async fn outcome(&self, number: u32) -> OutcomeRecord {
        let id = Task::id_of(number);
        let outcomes = self.outcomes().await;
        let found = outcomes
            .into_iter()
            .find(|record| record.task.as_str() == id);
        found.unwrap_or_else(|| panic!("task {number} has no outcome"))
    }

    /// Asserts that tasks 1 to `count`, and no others, were renamed, by this
    /// delivery or an earlier one.
    pub async fn assert_all_renamed(&self, count: usize) {
        let outcomes = self.outcomes().await;
        for record in &outcomes {
            assert!(
                matches!(record.outcome, Outcome::Renamed | Outcome::AlreadyRenamed),
                "{} from {} ended as {}: {:?} {:?}",
                record.task,
                record.source,
                record.outcome,
                record.reason,
                record.detail
            );
        }
        assert_eq!(outcomes.len(), count, "tasks with an outcome");
    }

    /// Asserts that a task ended in this way, and returns its record.
    pub async fn assert_ended(
        &self,
        number: u32,
        outcome: Outcome,
        reason: Option<Reason>,
    ) -> OutcomeRecord {
        let record = self.outcome(number).await;
        assert_eq!(
            (record.outcome, record.reason),
            (outcome, reason),
            "task {number}: {:?}",
            record.detail
        );
        record
    }

    /// Asserts that a task failed for this reason, and returns its record.
    pub async fn assert_failed(&self, number: u32, reason: Reason) -> OutcomeRecord {
        self.assert_ended(number, Outcome::Failed, Some(reason))
            .await
    }
}
