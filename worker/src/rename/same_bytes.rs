//! An object that takes the place of one with the same bytes. `If-Match` on
//! their entity tag cannot tell the two apart, so a delete of the first one
//! that is still under way somewhere would remove the second.
//!
//! Nobody waits without need. Of all deliveries of a rename, however many
//! there are at once, the endpoint lets only one create the copy, and:
//!
//! - Whoever finds a copy instead of making it waits for [`LONGEST_REQUEST`]
//!   and looks at the source once more, before it deletes.
//! - So for that long, the delivery that made the copy is the only one to send
//!   a delete. If it was answered in good time, none is under way, and the
//!   place is free for the next object: [`Others::None`].
//! - In every other case, [`LONGEST_REQUEST`] passes after the delete before
//!   the next object may take the place.

use std::time::Duration;

use rebucket_protocol::{IfExists, Pins, RenameTask, Step};
use tokio_util::sync::CancellationToken;

use super::plan::CopyPlan;
use super::{Attempt, Copy, Origin, Original, Others, RenameError};
use crate::store::endpoint::Precondition;

/// So long after a request was sent, it is answered or dead: nobody waits for
/// it any more, and services cut off what takes so long to arrive.
pub const LONGEST_REQUEST: Duration = Duration::from_mins(1);

/// What is sure for [`LONGEST_REQUEST`] from a copy on is believed for so
/// long: the rest is margin for clocks that run at different rates.
const SURE: Duration = Duration::from_secs(30);

/// Whether the object that takes the source's place has the same bytes.
#[must_use]
pub fn is_followed_by_same_bytes(task: &RenameTask) -> bool {
    let same = |next: &Step| have_same_bytes(&task.pins, &next.pins);
    task.then().first().is_some_and(same)
}

/// Whether the pins of two objects do not tell their bytes apart.
#[must_use]
pub fn have_same_bytes(one: &Pins, other: &Pins) -> bool {
    one.etag == other.etag && one.size == other.size
}

/// Waits until no request of others is under way any more. False when told to
/// stop before.
pub async fn outlast_requests(stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = tokio::time::sleep(LONGEST_REQUEST) => true,
    }
}

impl Attempt<'_> {
    /// Leaves the delete to the delivery that made the copy, should it still
    /// be at it.
    pub(crate) async fn let_others_finish(&self, copy: &Copy) -> Result<(), RenameError> {
        let theirs = copy.origin == Origin::Recognised;
        if !theirs || !is_followed_by_same_bytes(self.task) {
            return Ok(());
        }
        if outlast_requests(&self.delivery.stop).await {
            Ok(())
        } else {
            Err(RenameError::Interrupted)
        }
    }

    /// Who may have a delete of the source under way, now that it is gone.
    /// `unanswered` says that one of our own may be.
    pub(crate) fn others(&self, source: &Original, copy: &Copy, unanswered: bool) -> Others {
        let creates = match source.plan {
            CopyPlan::Single => Precondition::CopyCreates,
            CopyPlan::Parts(_) => Precondition::CompleteCreates,
        };
        let only_maker = copy.origin == Origin::ThisAttempt
            && self.task.if_exists != IfExists::Overwrite
            && !self.lacks(creates);
        // The copy was made after the attempt began.
        if only_maker && !unanswered && self.began.elapsed() <= SURE {
            Others::None
        } else {
            Others::Perhaps
        }
    }
}
