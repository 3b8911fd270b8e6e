//! Identities: of a job (one manifest) and of a task (one of its renames).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a job: 1 to 128 characters of `A-Za-z0-9._-`, not starting with
/// a dot. It names a folder of the report and a scratch prefix, hence the
/// narrow alphabet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

/// Why a string is not a job's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a job name has 1 to 128 characters of A-Z a-z 0-9 . _ - and does not start with a dot, \
     unlike {0:?}"
)]
pub struct JobIdError(String);

impl JobId {
    /// Checks `id` and wraps it.
    ///
    /// # Errors
    /// [`JobIdError`] when it breaks the rule above.
    pub fn new(id: impl Into<String>) -> Result<Self, JobIdError> {
        let id = id.into();
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if id.is_empty() || id.len() > 128 || id.starts_with('.') || !id.bytes().all(legal) {
            return Err(JobIdError(id));
        }
        Ok(Self(id))
    }

    /// The name as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of one task: its job, a slash, and 1 to 64 characters of the same
/// alphabet, for a manifest's row `job/000000000042`. Stable across redeliveries:
/// of one submission, outcomes are counted by it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId {
    text: String,
    job_len: usize,
}

/// Why a string is not a task's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a task id is JOB/NUMBER such as archive-2026/000000000042, unlike {0:?}")]
pub struct TaskIdError(String);

impl TaskId {
    /// The task of a manifest's row, counted from 1 without the header.
    #[must_use]
    pub fn for_row(job: &JobId, row: u64) -> Self {
        Self {
            text: format!("{job}/{row:012}"),
            job_len: job.as_str().len(),
        }
    }

    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the slash.
    #[must_use]
    pub fn job(&self) -> &str {
        &self.text[..self.job_len]
    }

    /// The part after the slash.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[self.job_len + 1..]
    }

    /// The manifest row of a task made by [`TaskId::for_row`].
    #[must_use]
    pub fn row(&self) -> Option<u64> {
        self.name().parse().ok()
    }
}

impl TryFrom<String> for TaskId {
    type Error = TaskIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        match text.split_once('/') {
            Some((job, tail))
                if JobId::new(job).is_ok()
                    && (1..=64).contains(&tail.len())
                    && tail.bytes().all(legal) =>
            {
                let job_len = job.len();
                Ok(Self { text, job_len })
            }
            _ => Err(TaskIdError(text)),
        }
    }
}

impl TryFrom<String> for JobId {
    type Error = JobIdError;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.text
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_stable_id() {
        let job = JobId::new("archive-2026").unwrap();
        let task = TaskId::for_row(&job, 42);
        assert_eq!(task.as_str(), "archive-2026/000000000042");
        assert_eq!((task.job(), task.row()), ("archive-2026", Some(42)));
        assert_eq!(task.name(), "000000000042");
        assert_eq!(TaskId::try_from(task.to_string()).unwrap(), task);
    }

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "a\\b",
            "\u{e9}",
            &"x".repeat(129),
        ] {
            assert!(JobId::new(id).is_err(), "{id:?} was accepted");
        }
        for id in ["a", "a/", "/1", "a/b/c", "../1", "a/ 1"] {
            assert!(
                TaskId::try_from(id.to_owned()).is_err(),
                "{id:?} was accepted"
            );
        }
    }
}
