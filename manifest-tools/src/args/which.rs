//! Which of the submissions of a job.

use std::fmt;
use std::str::FromStr;

use rebucket_protocol::SubmissionId;
use rebucket_protocol::submission::SubmissionIdError;

/// What stands for tasks whose messages named no submission.
const NONE: &str = "none";

/// A submission by its id, or the tasks whose messages named none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Which(pub Option<SubmissionId>);

impl FromStr for Which {
    type Err = SubmissionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            NONE => Ok(Self(None)),
            id => SubmissionId::new(id).map(|id| Self(Some(id))),
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => fmt::Display::fmt(&id, f),
            None => f.write_str(NONE),
        }
    }
}
