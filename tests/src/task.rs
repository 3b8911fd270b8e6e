//! Messages as a submitter would write them, or as it never would.

use rebucket_protocol::Timestamp;
use serde_json::{Value, json};

/// The job of every task in these tests.
pub const JOB: &str = "e2e";

/// One message body in the making.
#[derive(Debug, Clone)]
pub struct Task {
    body: Value,
}

impl Task {
    /// A rename inside one bucket, with every choice at its default.
    #[must_use]
    pub fn new(number: u32, bucket: &str, source: &str, destination: &str) -> Self {
        Self {
            body: json!({
                "v": 1, "job": JOB, "id": Self::id_of(number),
                "src": {"bucket": bucket, "key": source},
                "dst": {"bucket": bucket, "key": destination},
            }),
        }
    }

    /// The id of the task with this number.
    #[must_use]
    pub fn id_of(number: u32) -> String {
        format!("{JOB}/{number:012}")
    }

    /// Sets a field of the message.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.body[field] = value.into();
        self
    }

    /// Sets a pin: `etag`, `size`, `version` or `modified`.
    #[must_use]
    pub fn pinned(mut self, pin: &str, value: impl Into<Value>) -> Self {
        self.body["src"][pin] = value.into();
        self
    }

    /// Names the job's start, as `rebucket submit` does.
    #[must_use]
    pub fn submitted(self, at: Timestamp) -> Self {
        self.with("submitted", at.to_string())
    }

    /// `fail`, `skip` or `overwrite`.
    #[must_use]
    pub fn if_exists(self, choice: &str) -> Self {
        self.with("if_exists", choice)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> String {
        self.body.to_string()
    }
}

/// The start of a job that begins now: the next whole second, which has come
/// when this returns. That is how `rebucket submit` begins one.
pub async fn job_start() -> Timestamp {
    let start = Timestamp::now().ceil_second();
    tokio::time::sleep(start.until()).await;
    start
}
