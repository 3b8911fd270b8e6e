//! Messages on their way to a queue.

use rebucket_protocol::{Leg, RenameTask, Step};

/// A message on its way to the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The body.
    pub body: String,
    /// What a FIFO queue wants to know besides; `None` for a standard queue.
    pub order: Option<FifoOrder>,
}

/// How a FIFO queue tells messages apart. Each text has 1 to 128 printable
/// ASCII characters (SQS limit, API reference of `SendMessage`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FifoOrder {
    group: String,
    deduplication: String,
}

impl FifoOrder {
    /// What a job's name may have at most, so that its tasks have room in a
    /// deduplication id.
    pub const LONGEST_JOB: usize = 112;

    /// Where a submitted task's message belongs: renames into one bucket are
    /// a group, unless others wait for them.
    #[must_use]
    pub fn of(task: &RenameTask) -> Self {
        if task.then().is_empty() && task.leg().is_none() {
            let bucket = &task.destination().bucket;
            Self::new(bucket.to_string(), task)
        } else {
            Self::of_chain(task)
        }
    }

    /// Where the message of a chain's member belongs. They are a group, so
    /// that no two of them are ever delivered at once.
    #[must_use]
    pub fn of_chain(task: &RenameTask) -> Self {
        // The last member is the same for all of them.
        let last = task.then().last().map_or(task.id(), Step::id);
        Self::new(last.to_string(), task)
    }

    fn new(group: String, task: &RenameTask) -> Self {
        // A queue takes no id twice: two jobs of one name must not share any.
        let row = match task.submission {
            Some(submission) => format!("{submission}/{}", task.id().name()),
            None => task.id().to_string(),
        };
        // The second leg of a row is another message than the first.
        let leg = match task.leg() {
            Some(Leg::In) => ".in",
            _ => "",
        };
        Self {
            group,
            deduplication: format!("{row}{leg}"),
        }
    }

    /// Messages of one group are delivered one after the other.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// A second message with the same within five minutes is not taken.
    #[must_use]
    pub fn deduplication(&self) -> &str {
        &self.deduplication
    }

    /// Both.
    #[must_use]
    pub fn into_parts(self) -> (String, String) {
        (self.group, self.deduplication)
    }
}
