//! What the auditor says of older versions: no worker destroys one that it was
//! not told to purge.

use rebucket_simulator::s3::{S3, Version, VersionId};

use super::audit::{Audit, Place};

/// The history of a place, oldest first.
pub(super) fn of(place: &Place, s3: &S3) -> Vec<Version> {
    let bucket = s3.bucket(&place.bucket);
    bucket.map_or(Vec::new(), |bucket| bucket.versions(&place.key).to_vec())
}

impl Audit {
    /// Looks for an object that was behind the current version of a place, and
    /// is gone although no request named its version.
    pub(super) fn keeps_history(
        &mut self,
        worker: u16,
        place: &Place,
        before: &[Version],
        named: Option<VersionId>,
        s3: &S3,
    ) {
        if self.gives_up_history(place) {
            return;
        }
        let after = of(place, s3);
        let Some((_, behind)) = before.split_last() else {
            return;
        };
        let gone = behind.iter().find(|version| {
            let stays = after.iter().any(|kept| kept.sequence == version.sequence);
            !stays && !version.is_marker() && named != Some(version.id)
        });
        if let Some(version) = gone {
            let id = version.id;
            self.violation(format!("w{worker} destroyed the version {id} of {place}"));
        }
    }
}
