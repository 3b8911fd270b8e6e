//! What a checkpoint belongs to.

use std::collections::BTreeSet;

use rebucket_planner::JobChoices;
use rebucket_protocol::{AccountId, IfExists, StorageClass, VersionPolicy, Waiver};
use serde::{Deserialize, Serialize};

/// What makes two submissions the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::commands::submit) struct Identity {
    /// The digest of the renames.
    pub(in crate::commands::submit) plan: String,
    /// The queue's URL.
    pub(in crate::commands::submit) queue: String,
    /// Where the job is recorded.
    pub(in crate::commands::submit) report: Option<String>,
    pub(super) if_exists: IfExists,
    storage_class: Option<StorageClass>,
    waive: BTreeSet<Waiver>,
    pub(super) versioned: VersionPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<AccountId>,
}

impl Identity {
    /// What is submitted where.
    pub(in crate::commands::submit) fn new(
        plan: String,
        queue: String,
        report: Option<String>,
        choices: &JobChoices,
    ) -> Self {
        Self {
            plan,
            queue,
            report,
            if_exists: choices.if_exists.unwrap_or_default(),
            storage_class: choices.storage_class.clone(),
            waive: choices.waive.clone(),
            versioned: choices.versioned.unwrap_or_default(),
            owner: None,
        }
    }

    /// The same for buckets of this account, where it is named.
    pub(in crate::commands::submit) fn of_owner(self, owner: Option<AccountId>) -> Self {
        Self { owner, ..self }
    }

    /// The first thing in which two differ, in the operator's words.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.plan != other.plan {
            Some("manifest (the renames are not the same)")
        } else if self.queue != other.queue {
            Some("--queue-url")
        } else if self.report != other.report {
            Some("--report")
        } else if self.if_exists != other.if_exists {
            Some("--if-exists")
        } else if self.storage_class != other.storage_class {
            Some("--storage-class")
        } else if self.waive != other.waive {
            Some("--waive")
        } else if self.owner != other.owner {
            Some("--bucket-owner")
        } else {
            (self.versioned != other.versioned).then_some("--versioned")
        }
    }
}
