//! A copy that is refused for a reason that the endpoint itself contradicts: as
//! if there were no source, which it shows, or as if an object were at the
//! destination, where it shows none.
//!
//! Once, that is a race: somebody was there between two requests. Again and
//! again, with the very same object at the source, it is the endpoint: stores
//! that keep keys as files do not copy one that ends in a slash, and do not
//! write one whose name is a folder's. So it is asked a few times, within about
//! a second, and believed then. Nothing is deleted on this way, and a copy that
//! is sent again is the same request under the same conditions. AWS is never
//! taken for such a store.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rebucket_protocol::Reason;

use super::plan::CopyPlan;
use super::{Attempt, RenameError, Source};
use crate::error::ServiceError;
use crate::retry::CallError;

/// Refusals that are no accident.
const ENOUGH: u32 = 3;

/// What lies between two of them.
const PAUSE: Duration = Duration::from_millis(400);

/// How often a copy was refused without a reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals(u32);

/// What follows from a refusal.
enum Verdict {
    /// The copy may be sent again.
    Again,
    /// It will always be so.
    ForGood,
    /// That cannot be told here.
    Unknown,
}

impl Attempt<'_> {
    /// After a copy that was refused as if there were no source: an error,
    /// unless it is to be sent again.
    pub(crate) async fn again_as_if_missing(
        &self,
        source: &Source,
        error: ServiceError,
        refusals: &mut Refusals,
    ) -> Result<(), RenameError> {
        match self.verdict(source, refusals).await? {
            Verdict::Again => Ok(()),
            Verdict::Unknown => Err(CallError::Failed(error).into()),
            Verdict::ForGood => {
                let object = self.task.source();
                let kind = if object.key.as_str().ends_with('/') {
                    "keys that end in a slash"
                } else {
                    "keys of this kind"
                };
                let detail = format!(
                    "this endpoint does not copy {kind}: it shows {object}, and answers each copy of \
                     it as if there were none ({error}). Nothing was changed; write the object to \
                     its new key by other means, or leave the row out"
                );
                Err(RenameError::failed(Reason::KeyUnsupported, detail))
            }
        }
    }

    /// The same of one that was refused as if an object were at the
    /// destination.
    pub(crate) async fn again_as_if_taken(
        &self,
        source: &Source,
        refusals: &mut Refusals,
    ) -> Result<(), RenameError> {
        match self.verdict(source, refusals).await? {
            Verdict::Again => Ok(()),
            Verdict::Unknown => {
                let error = self.in_the_way("there is none any more");
                Err(RenameError::Retry(error))
            }
            Verdict::ForGood => {
                let destination = self.task.destination();
                let detail = format!(
                    "this endpoint does not write {destination}: it answers each copy as if an object \
                     were there, and shows none. It has a folder of that name, for keys that begin \
                     with {destination}/, or does not take such a key. Nothing was changed; choose \
                     another key"
                );
                Err(RenameError::failed(Reason::KeyUnsupported, detail))
            }
        }
    }

    /// Only of a copy in one request, all of which were answered: parts take
    /// long, and what was not answered may have been carried out.
    async fn verdict(
        &self,
        source: &Source,
        Refusals(count): &mut Refusals,
    ) -> Result<Verdict, RenameError> {
        let trusted =
            self.source_bucket.abilities.trusted || self.destination_bucket.abilities.trusted;
        let unanswered = self.unanswered.load(Ordering::SeqCst);
        if trusted || unanswered || source.plan != CopyPlan::Single {
            return Ok(Verdict::Unknown);
        }
        *count += 1;
        let enough = *count >= ENOUGH;
        if !enough {
            tokio::select! {
                biased;
                () = self.delivery.stop.cancelled() => return Err(RenameError::Interrupted),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        // The last thing before another copy: in a chain, an object with the
        // same tag may have taken the source's place.
        Ok(match (self.recheck(&source.original()).await?, enough) {
            (Some(_), _) => Verdict::Unknown,
            (None, true) => Verdict::ForGood,
            (None, false) => Verdict::Again,
        })
    }
}
