//! What is recorded of a job when it is submitted.

use rebucket_protocol::{JobId, SubmissionId, Timestamp, VersionPolicy};
use serde::{Deserialize, Serialize};

use super::location::{ReportError, ReportStore};

/// The file in a job's folder that holds its record.
pub const JOB_FILE: &str = "job.json";

/// A job's record: what makes a run resumable and a report complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// The job.
    pub job: JobId,
    /// Its submission, whose outcomes are the job's, and nobody else's. It
    /// stays what it is as long as the job goes on, since it names temporary
    /// keys. `None` for a job that was begun before submissions had ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<SubmissionId>,
    /// When it was submitted: [`rebucket_protocol::RenameTask::submitted`].
    pub started: Timestamp,
    /// How many tasks it has, once that is known.
    pub submitted: Option<u64>,
    /// A digest of the plan, by which a resumed run knows its manifest again.
    pub plan: Option<String>,
    /// The digest of the plan with its chains pinned, if the job was begun
    /// with a manifest that has any. Only that plan says what was at the keys
    /// before the first rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// Some of its renames wait for others, and may go through temporary keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub linked: bool,
    /// How its sources in versioned buckets are deleted. What an undo needs to
    /// know: a purge shows the version before.
    #[serde(default, skip_serializing_if = "VersionPolicy::is_marker")]
    pub versioned: VersionPolicy,
}

impl JobRecord {
    fn name(job: &JobId) -> String {
        format!("{job}/{JOB_FILE}")
    }

    /// The record of a job, if there is one.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn load(store: &ReportStore, job: &JobId) -> Result<Option<Self>, ReportError> {
        Self::read(store, &Self::name(job)).await
    }

    /// The record in the file of that name, if it is there.
    pub(super) async fn read(store: &ReportStore, name: &str) -> Result<Option<Self>, ReportError> {
        let Some(text) = store.read(name).await? else {
            return Ok(None);
        };
        let malformed = |error| ReportError::Malformed {
            file: name.to_owned(),
            line: 1,
            error,
        };
        serde_json::from_slice(&text).map(Some).map_err(malformed)
    }

    /// Writes the record, in one step.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn save(&self, store: &ReportStore) -> Result<(), ReportError> {
        let name = Self::name(&self.job);
        let malformed = |error| ReportError::Malformed {
            file: name.clone(),
            line: 1,
            error,
        };
        let text = serde_json::to_vec_pretty(self).map_err(malformed)?;
        store.replace(&name, text).await
    }
}
