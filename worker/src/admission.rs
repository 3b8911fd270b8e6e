//! What a worker agrees to do. Anyone who can send to the queue could
//! otherwise move any object that the worker can reach.

use rebucket_protocol::{
    AccountId, CreationDates, MessageError, ObjectUri, Reason, RenameTask, S3Prefix, decode,
};

/// The buckets and prefixes in which a worker renames.
#[derive(Debug, Clone)]
pub struct Admission {
    allow: Vec<S3Prefix>,
    owner: Option<AccountId>,
    created: CreationDates,
}

/// A message that is not worked on. No request was made for it.
#[derive(Debug)]
pub struct Refusal {
    /// The stable code.
    pub reason: Reason,
    /// The reason in words.
    pub detail: String,
    /// The task, if the message is one.
    pub task: Option<Box<RenameTask>>,
}

impl Admission {
    /// Admits tasks whose source and destination are both under one of these.
    #[must_use]
    pub fn new(allow: Vec<S3Prefix>) -> Self {
        Self {
            allow,
            owner: None,
            created: CreationDates::default(),
        }
    }

    /// The same for buckets of this account, where that is known: tasks that
    /// name another one are refused.
    #[must_use]
    pub fn for_owner(self, owner: Option<AccountId>) -> Self {
        Self { owner, ..self }
    }

    /// The same for a store in which buckets were created at these times, as
    /// far as that is known: tasks that name another time are refused.
    #[must_use]
    pub fn at_store(self, created: CreationDates) -> Self {
        Self { created, ..self }
    }

    /// Reads a message and decides. Makes no request.
    ///
    /// # Errors
    /// [`Refusal`], for the message to be parked with.
    pub fn admit(&self, body: &str) -> Result<RenameTask, Refusal> {
        let task = decode(body).map_err(|error| Refusal {
            reason: reason(&error),
            detail: error.to_string(),
            task: None,
        })?;
        if let Some(detail) = self.at_another_store(&task) {
            return Err(Refusal {
                reason: Reason::WrongStore,
                detail,
                task: Some(Box::new(task)),
            });
        }
        let outside = task.objects().find(|object| !self.covers(object));
        let Some(object) = outside.cloned() else {
            return Ok(task);
        };
        let detail = format!("{object} is not under any prefix of --allow");
        Err(Refusal {
            reason: Reason::NotAllowed,
            detail,
            task: Some(Box::new(task)),
        })
    }

    /// Why the task is for other buckets than those that this worker reaches
    /// by the same names, if it is.
    fn at_another_store(&self, task: &RenameTask) -> Option<String> {
        let options = &task.options;
        if let (Some(meant), Some(ours)) = (options.owner, self.owner)
            && meant != ours
        {
            return Some(format!(
                "the message is for buckets of the account {meant}, and this worker for those of \
                 {ours} (--bucket-owner)"
            ));
        }
        let other = options.created.difference(&self.created)?;
        let (bucket, meant, found) = (other.bucket, other.meant, other.found);
        Some(format!(
            "the message is for the bucket {bucket} that was created at {meant}, and the bucket of \
             this name that the worker reaches was created at {found}: it is another one; start the \
             worker with the endpoint of the store that the job was submitted for, or, if this is \
             that store and it was moved, with --any-store, and send the message again"
        ))
    }

    fn covers(&self, object: &ObjectUri) -> bool {
        self.allow.iter().any(|prefix| prefix.covers(object))
    }
}

fn reason(error: &MessageError) -> Reason {
    match error {
        MessageError::TooLarge(_) => Reason::OversizedMessage,
        MessageError::Version(_) => Reason::UnknownVersion,
        MessageError::UnknownField(_) => Reason::UnknownField,
        MessageError::Malformed(_)
        | MessageError::ForeignId { .. }
        | MessageError::StrayDate(_) => Reason::MalformedMessage,
        MessageError::SelfRename(_) => Reason::SelfRename,
        MessageError::Chain(_) => Reason::BrokenChain,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rebucket_protocol::{BucketName, Timestamp};

    use super::*;

    fn body(source: &str, destination: &str) -> String {
        format!(
            r#"{{"v":1,"job":"j","id":"j/1","src":{{"bucket":"bkt","key":"{source}"}},
               "dst":{{"bucket":"bkt","key":"{destination}"}}}}"#
        )
    }

    #[test]
    fn both_ends_must_be_allowed() {
        let admission = Admission::new(vec!["s3://bkt/in/".parse().unwrap()]);
        assert!(admission.admit(&body("in/a", "in/b")).is_ok());
        for (source, destination) in [("in/a", "out/b"), ("out/a", "in/b"), ("out/a", "out/b")] {
            let refusal = admission.admit(&body(source, destination)).unwrap_err();
            assert_eq!(refusal.reason, Reason::NotAllowed);
            assert!(refusal.task.is_some());
        }
    }

    #[test]
    fn a_message_for_the_buckets_of_another_account_is_refused() {
        let named = body("a", "b").replace("\"v\":1", r#""v":1,"owner":"123456789012""#);
        let allowed = || Admission::new(vec!["s3://bkt/".parse().unwrap()]);
        let of = |owner: &str| allowed().for_owner(Some(owner.parse().unwrap()));
        let refusal = of("210987654321").admit(&named).unwrap_err();
        assert_eq!(refusal.reason, Reason::WrongStore);
        assert!(refusal.task.is_some());
        let task = of("123456789012").admit(&named).unwrap();
        assert_eq!(task.options.owner, Some("123456789012".parse().unwrap()));
        // One that does not know sends what the message names; one that
        // knows takes messages that do not say.
        assert!(allowed().admit(&named).is_ok());
        assert!(of("210987654321").admit(&body("a", "b")).is_ok());
    }

    #[test]
    fn a_message_for_a_bucket_that_was_created_at_another_time_is_refused() {
        let dated = |seconds: i64| -> CreationDates {
            let date = Timestamp::from_unix(seconds, 0).unwrap();
            BTreeMap::from([(BucketName::new("bkt").unwrap(), date)]).into()
        };
        let at = |created| Admission::new(vec!["s3://bkt/".parse().unwrap()]).at_store(created);
        let meant = r#""v":1,"created":{"bkt":"2026-11-20T10:00:00.250Z"}"#;
        let meant = body("a", "b").replace("\"v\":1", meant);
        let seconds = 1_795_168_800;
        let refusal = at(dated(seconds - 60)).admit(&meant).unwrap_err();
        assert_eq!(refusal.reason, Reason::WrongStore);
        assert!(refusal.task.is_some());
        for words in [
            "the bucket bkt ",
            "2026-11-20T10:00:00.25Z",
            "2026-11-20T09:59:00Z",
            "--any-store",
        ] {
            assert!(refusal.detail.contains(words), "{}", refusal.detail);
        }
        // The same to the second; and where either does not know.
        assert!(at(dated(seconds)).admit(&meant).is_ok());
        assert!(at(CreationDates::default()).admit(&meant).is_ok());
        assert!(at(dated(1)).admit(&body("a", "b")).is_ok());
    }

    #[test]
    fn every_unreadable_message_has_its_reason() {
        let admission = Admission::new(vec!["s3://bkt/".parse().unwrap()]);
        let reason = |body: &str| admission.admit(body).unwrap_err().reason;
        assert_eq!(reason("not json"), Reason::MalformedMessage);
        assert_eq!(reason(&body("a", "a")), Reason::SelfRename);
        assert_eq!(
            reason(&body("a", "b").replace("\"v\":1", "\"v\":9")),
            Reason::UnknownVersion
        );
        assert_eq!(
            reason(&body("a", "b").replace("\"v\":1", "\"v\":1,\"x\":1")),
            Reason::UnknownField
        );
    }
}
