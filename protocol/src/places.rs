//! Where rebucket keeps objects of its own in the buckets that it works in.
//!
//! Two kinds, in folders of their own. What is in [`SCRATCH`] was made by
//! rebucket and may be swept at any time: probes and proofs. What is in
//! [`IN_TRANSIT`] is the **only copy** of somebody's object, between the two
//! legs of its rename, and must never be swept.

use crate::key::KeyError;
use crate::{BucketName, ObjectUri, S3Prefix, SubmissionId, TaskId};

/// The folder of scratch objects, unless the operator chooses another.
pub const SCRATCH: &str = ".rebucket/";

/// The folder of objects between the two legs of their renames.
pub const IN_TRANSIT: &str = ".rebucket-in-transit/";

/// Whose object a key of rebucket's own folders is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Own {
    /// A scratch object.
    Scratch,
    /// Somebody's object, between the two legs of its rename.
    InTransit,
}

impl Own {
    /// Whether a key is in one of rebucket's folders, which may be in any
    /// folder of the bucket. A scratch folder with a name that the operator
    /// chose is not known.
    #[must_use]
    pub fn of(key: &str) -> Option<Self> {
        let has = |folder: &str| {
            key.match_indices(folder)
                .any(|(at, _)| at == 0 || key.as_bytes()[at - 1] == b'/')
        };
        if has(IN_TRANSIT) {
            Some(Self::InTransit)
        } else {
            has(SCRATCH).then_some(Self::Scratch)
        }
    }
}

/// The folder of objects in transit, where the scratch objects of the same
/// bucket go to `scratch`: beside it, since a rule that sweeps `scratch` must
/// not reach what is here. Without `scratch`, in the root of the bucket.
#[must_use]
pub fn in_transit(bucket: &BucketName, scratch: Option<&S3Prefix>) -> S3Prefix {
    let scratch = scratch.map_or("", |scratch| scratch.prefix.trim_end_matches('/'));
    let parent = scratch.rfind('/').map_or("", |slash| &scratch[..=slash]);
    S3Prefix {
        bucket: bucket.clone(),
        prefix: format!("{parent}{IN_TRANSIT}"),
    }
}

/// The temporary key of a row: of this submission, and of no other.
///
/// # Errors
/// [`KeyError`] when the folder leaves no room for it.
pub fn temporary_key(
    folder: &S3Prefix,
    submission: SubmissionId,
    task: &TaskId,
) -> Result<ObjectUri, KeyError> {
    folder.object(&format!("{submission}/{}", task.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JobId;

    #[test]
    fn own_keys_are_known_in_any_folder() {
        for (key, own) in [
            (".rebucket/probe-1/a", Some(Own::Scratch)),
            ("a/.rebucket/hop/j/1", Some(Own::Scratch)),
            (".rebucket-in-transit/0/1", Some(Own::InTransit)),
            ("a/b/.rebucket-in-transit/0/1", Some(Own::InTransit)),
            // The sole copy, wherever somebody put the scratch folder.
            (".rebucket/.rebucket-in-transit/0/1", Some(Own::InTransit)),
            ("a.rebucket/b", None),
            ("a/x.rebucket-in-transit/b", None),
            (".rebucket", None),
            ("x.rebucket/.rebucket/b", Some(Own::Scratch)),
        ] {
            assert_eq!(Own::of(key), own, "{key}");
        }
    }

    #[test]
    fn sole_copies_are_beside_what_may_be_swept() {
        let bucket = BucketName::new("bkt").unwrap();
        for (scratch, folder) in [
            (None, ".rebucket-in-transit/"),
            (Some("s3://bkt/tmp/"), ".rebucket-in-transit/"),
            (Some("s3://bkt/tmp"), ".rebucket-in-transit/"),
            (Some("s3://bkt/"), ".rebucket-in-transit/"),
            (Some("s3://bkt/a/.rebucket/"), "a/.rebucket-in-transit/"),
            (Some("s3://bkt/a/b/c//"), "a/b/.rebucket-in-transit/"),
        ] {
            let scratch: Option<S3Prefix> = scratch.map(|text| text.parse().unwrap());
            let folder = format!("s3://bkt/{folder}");
            assert_eq!(in_transit(&bucket, scratch.as_ref()).to_string(), folder);
        }
    }

    #[test]
    fn two_submissions_of_one_job_have_no_key_in_common() {
        let folder = in_transit(&BucketName::new("bkt").unwrap(), None);
        let task = TaskId::for_row(&JobId::new("swap").unwrap(), 2);
        let key = |bits| {
            let made = temporary_key(&folder, SubmissionId::from_bits(bits), &task);
            made.unwrap().key.to_string()
        };
        let first = key(1);
        assert_eq!(
            first,
            ".rebucket-in-transit/00000000000000000000000000000001/000000000002"
        );
        assert_ne!(first, key(2));
    }
}
