//! One rename.

use serde::{Deserialize, Serialize};

use crate::chain::{self, ChainError, Hop, Leg, Step};
use crate::{
    ETag, IfExists, JobId, JobOptions, ObjectUri, StorageClass, SubmissionId, TaskId, Timestamp,
    VersionId,
};

/// What the planner saw of the source, or the manifest says of it. A rename
/// whose source does not match every pin is not carried out, the storage class
/// excepted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// The version to rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// The entity tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<ETag>,
    /// The size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When the source was last modified. The only pin that tells an object
    /// from another with the same bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Its storage class. It does not tell one object from another, since a
    /// lifecycle rule may change it: a copy is given it where nobody looks at
    /// the source itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<StorageClass>,
}

/// One rename, valid by construction: source and destination differ. Of a
/// chain, the rename that is due, and those that wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenameTask {
    job: JobId,
    id: TaskId,
    source: ObjectUri,
    destination: ObjectUri,
    hop: Option<Hop>,
    then: Vec<Step>,
    /// What is known of the source.
    pub pins: Pins,
    /// What to do with another object at the destination.
    pub if_exists: IfExists,
    /// When the job was submitted, by the submitter's clock, rounded up to a
    /// whole second; no task of the job starts before. Tells what a rename
    /// of this job wrote from what was there before it.
    pub submitted: Option<Timestamp>,
    /// The submission that it belongs to: with the id, that tells it from the
    /// tasks of every other job of the same name. `None` in a message that was
    /// made by hand, or by a build before there were submissions.
    pub submission: Option<SubmissionId>,
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
            hop: None,
            then: Vec::new(),
            pins: Pins::default(),
            if_exists: IfExists::default(),
            submitted: None,
            submission: None,
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

    /// The object to rename; of a second leg, the one at the temporary key.
    #[must_use]
    pub fn source(&self) -> &ObjectUri {
        match &self.hop {
            Some(Hop {
                leg: Leg::In, via, ..
            }) => via,
            _ => &self.source,
        }
    }

    /// Its new name; of a first leg, the temporary key.
    #[must_use]
    pub fn destination(&self) -> &ObjectUri {
        match &self.hop {
            Some(Hop {
                leg: Leg::Out, via, ..
            }) => via,
            _ => &self.destination,
        }
    }

    /// The source as the manifest has it, whichever leg this is.
    #[must_use]
    pub fn row_source(&self) -> &ObjectUri {
        &self.source
    }

    /// The destination as the manifest has it, whichever leg this is.
    #[must_use]
    pub fn row_destination(&self) -> &ObjectUri {
        &self.destination
    }

    /// The leg, of a rename in two.
    #[must_use]
    pub fn leg(&self) -> Option<Leg> {
        self.hop.as_ref().map(|hop| hop.leg)
    }

    /// What was at the row's destination before the job, of a first leg. The
    /// second one has to wait until it is gone.
    #[must_use]
    pub fn occupant(&self) -> Option<&Pins> {
        let hop = self.hop.as_ref().filter(|hop| hop.leg == Leg::Out)?;
        let frees = |step: &&Step| *step.source() == self.destination;
        let here = || self.then.iter().find(frees);
        hop.occupant.as_ref().or_else(|| Some(&here()?.pins))
    }

    /// When the object came to the temporary key, of a second leg that was told.
    #[must_use]
    pub fn arrived(&self) -> Option<Timestamp> {
        let hop = self.hop.as_ref().filter(|hop| hop.leg == Leg::In)?;
        hop.arrived
    }

    /// The same first leg, which has brought its object to the temporary key at
    /// this time: its second leg is told so.
    #[must_use]
    pub fn has_arrived(&self, at: Option<Timestamp>) -> Self {
        let mut task = self.clone();
        let own = task.id.clone();
        let of_row = task.then.iter_mut().filter(|step| step.id == own);
        let hops = of_row.filter_map(|step| step.hop.as_mut());
        for hop in hops.chain(task.hop.as_mut()) {
            hop.arrived = at;
        }
        task
    }

    /// The renames that wait for this one, in their order.
    #[must_use]
    pub fn then(&self) -> &[Step] {
        &self.then
    }

    /// Every object that this rename, or one that waits for it, reads or
    /// writes.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectUri> {
        let via = self.hop.as_ref().map(|hop| &hop.via);
        let own = [&self.source, &self.destination].into_iter().chain(via);
        own.chain(self.then.iter().flat_map(Step::objects))
    }

    /// The same rename, as one leg of two.
    ///
    /// # Errors
    /// [`SelfRename`] when the temporary key is one of the rename's own.
    pub fn in_two_legs(mut self, hop: Hop) -> Result<Self, SelfRename> {
        for end in [&self.source, &self.destination] {
            if *end == hop.via {
                return Err(SelfRename(hop.via));
            }
        }
        self.hop = Some(hop);
        Ok(self)
    }

    /// The same rename, with others that wait for it. Pin it before.
    ///
    /// # Errors
    /// [`ChainError`] when they do not wait for it and for one another.
    pub fn followed_by(mut self, then: Vec<Step>) -> Result<Self, ChainError> {
        chain::check(&self.step(), &then)?;
        self.then = then;
        Ok(self)
    }

    /// The task for the rename that waits for this one, with all that wait for
    /// that.
    #[must_use]
    pub fn next(&self) -> Option<Self> {
        let (first, rest) = self.then.split_first()?;
        Some(self.of_step(first.clone(), rest.to_vec()))
    }

    /// The task for the second leg, of a first one that does not bring it
    /// along. Nothing waits for it: its source is a temporary key, which nobody
    /// needs.
    #[must_use]
    pub fn second_leg(&self) -> Option<Self> {
        let second = self.step().second_leg()?;
        let is_second = |step: &Step| step.id == second.id && step.hop == second.hop;
        let brought = self.then.iter().any(is_second);
        (!brought).then(|| self.of_step(second, Vec::new()))
    }

    /// The task for the first step of a chain, with the others waiting for it.
    ///
    /// # Errors
    /// [`ChainError`] when they do not wait for it and for one another.
    pub fn chain(job: JobId, first: Step, then: Vec<Step>) -> Result<Self, ChainError> {
        chain::check(&first, &then)?;
        let blank = Self::new(
            job,
            first.id.clone(),
            first.source.clone(),
            first.destination.clone(),
        )?;
        Ok(blank.of_step(first, then))
    }

    pub(crate) fn step(&self) -> Step {
        Step {
            id: self.id.clone(),
            source: self.source.clone(),
            destination: self.destination.clone(),
            hop: self.hop.clone(),
            pins: self.pins.clone(),
            if_exists: self.if_exists,
        }
    }

    fn of_step(&self, step: Step, then: Vec<Step>) -> Self {
        Self {
            job: self.job.clone(),
            submitted: self.submitted,
            submission: self.submission,
            options: self.options.clone(),
            id: step.id,
            source: step.source,
            destination: step.destination,
            hop: step.hop,
            pins: step.pins,
            if_exists: step.if_exists,
            then,
        }
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
