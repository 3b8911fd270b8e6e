//! The choices of a job as far as they have been made: on the command line, or
//! by the one who wrote the plan.

use std::collections::BTreeSet;

use rebucket_protocol::{
    CreationDates, IfExists, JobId, JobOptions, StorageClass, VersionPolicy, Waiver,
};

/// What was chosen for a job. A choice that nobody made is `None` or empty, so
/// that `submit` can tell "not given" from "given as the default".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobChoices {
    /// The job's name.
    pub job: Option<JobId>,
    /// What to do with another object at a destination, for rows that do not
    /// say it themselves.
    pub if_exists: Option<IfExists>,
    /// Store the copies in this class.
    pub storage_class: Option<StorageClass>,
    /// Properties that may be lost.
    pub waive: BTreeSet<Waiver>,
    /// How a source in a versioned bucket is deleted.
    pub versioned: Option<VersionPolicy>,
}

impl JobChoices {
    /// These choices, completed from `earlier` ones: what is given now wins
    /// over what a plan says.
    #[must_use]
    pub fn or(self, earlier: Self) -> Self {
        Self {
            job: self.job.or(earlier.job),
            if_exists: self.if_exists.or(earlier.if_exists),
            storage_class: self.storage_class.or(earlier.storage_class),
            waive: if self.waive.is_empty() {
                earlier.waive
            } else {
                self.waive
            },
            versioned: self.versioned.or(earlier.versioned),
        }
    }

    /// The choices that travel in every message, with defaults filled in.
    #[must_use]
    pub fn job_options(&self) -> JobOptions {
        JobOptions {
            storage_class: self.storage_class.clone(),
            waive: self.waive.clone(),
            versioned: self.versioned.unwrap_or_default(),
            owner: None,
            created: CreationDates::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_now_wins_field_by_field() {
        let earlier = JobChoices {
            job: Some(JobId::new("old").unwrap()),
            if_exists: Some(IfExists::Skip),
            storage_class: Some(StorageClass::new("STANDARD_IA").unwrap()),
            waive: BTreeSet::from([Waiver::Acl]),
            versioned: Some(VersionPolicy::Purge),
        };
        assert_eq!(JobChoices::default().or(earlier.clone()), earlier);
        let now = JobChoices {
            job: Some(JobId::new("new").unwrap()),
            if_exists: Some(IfExists::Fail),
            storage_class: Some(StorageClass::new("GLACIER_IR").unwrap()),
            waive: BTreeSet::from([Waiver::Tags]),
            versioned: Some(VersionPolicy::Marker),
        };
        assert_eq!(now.clone().or(earlier), now);
    }
}
