//! One rename.

use crate::{ETag, IfExists, JobId, JobOptions, ObjectUri, TaskId, Timestamp, VersionId};

/// What the planner saw of the source, or the manifest says of it. A rename
/// whose source does not match every pin is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pins {
    /// The version to rename.
    pub version: Option<VersionId>,
    /// The entity tag.
    pub etag: Option<ETag>,
    /// The size in bytes.
    pub size: Option<u64>,
    /// When the source was last modified. The only pin that tells an object
    /// from another with the same bytes.
    pub modified: Option<Timestamp>,
}

/// One rename, valid by construction: source and destination differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameTask {
    job: JobId,
    id: TaskId,
    source: ObjectUri,
    destination: ObjectUri,
    /// What is known of the source.
    pub pins: Pins,
    /// What to do with another object at the destination.
    pub if_exists: IfExists,
    /// When the job was submitted, by the submitter's clock, rounded up to a
    /// whole second; no task of the job starts before. Tells what a rename
    /// of this job wrote from what was there before it.
    pub submitted: Option<Timestamp>,
    /// The job's choices.
    pub options: JobOptions,
}

/// A rename of an object to itself. Deleting the "source" would delete the
/// object, which is how several tools lost data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} would be renamed to itself")]
pub struct SelfRename(pub ObjectUri);

impl RenameTask {
    /// A rename without pins and with all choices at their defaults.
    ///
    /// # Errors
    /// [`SelfRename`] when source and destination are the same object.
    pub fn new(
        job: JobId,
        id: TaskId,
        source: ObjectUri,
        destination: ObjectUri,
    ) -> Result<Self, SelfRename> {
        if source == destination {
            return Err(SelfRename(source));
        }
        Ok(Self {
            job,
            id,
            source,
            destination,
            pins: Pins::default(),
            if_exists: IfExists::default(),
            submitted: None,
            options: JobOptions::default(),
        })
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> &JobId {
        &self.job
    }

    /// The task's id, unique in its job.
    #[must_use]
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// The object to rename.
    #[must_use]
    pub fn source(&self) -> &ObjectUri {
        &self.source
    }

    /// Its new name.
    #[must_use]
    pub fn destination(&self) -> &ObjectUri {
        &self.destination
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_self_rename_cannot_be_constructed() {
        let job = JobId::new("j").unwrap();
        let uri: ObjectUri = "s3://bkt/a".parse().unwrap();
        let made = RenameTask::new(
            job.clone(),
            TaskId::for_row(&job, 1),
            uri.clone(),
            uri.clone(),
        );
        assert_eq!(made, Err(SelfRename(uri)));
    }
}
