//! Nothing to rename under the source's key: was it us, earlier?

use std::sync::atomic::Ordering;

use rebucket_protocol::{Evidence, Leg, Pins, Reason};

use super::compare::{Comparison, Fingerprint, compare_etags};
use super::distinct::Sighting;
use super::ended::Landed;
use super::inspect::{Absence, contradiction};
use super::{Attempt, Finished, RenameError, Source};
use crate::store::HeadScope;
use crate::store::object::ObjectHead;

impl Attempt<'_> {
    /// Ends a task whose source is gone or another object. If the destination
    /// is what an earlier delivery made, the task is done; else it failed.
    /// Nothing is written or deleted either way.
    ///
    /// `seen` is the source as this attempt inspected it, where it went away
    /// only afterwards.
    pub(crate) async fn settle(
        &self,
        absence: Absence,
        seen: Option<&Source>,
    ) -> Result<Finished, RenameError> {
        let destination = self.task.destination();
        let head = self.head_if_there(destination, HeadScope::default());
        let mut head = head.await?;
        let left_it = head.is_none() && self.task.leg() == Some(Leg::Out);
        if left_it {
            // The second leg may be done as well.
            let last = self.task.row_destination();
            let found = self.head_if_there(last, HeadScope::default()).await?;
            let occupant = self.task.occupant();
            let moved_in =
                |found: &ObjectHead| occupant.is_none_or(|was| contradiction(was, found).is_some());
            head = found.filter(moved_in);
        }
        let Some(head) = head else {
            return Err(self.nowhere(absence));
        };
        let gone = absence.reason == Reason::SourceMissing;
        let known = match seen {
            Some(source) if gone => {
                self.compare(Fingerprint::of(&source.head), Fingerprint::of(&head))
            }
            _ => self.matches_pins(&self.task.pins, &head),
        };
        let instead = absence.instead.as_ref();
        let ours = match known {
            // By way of a temporary key it came to its destination last.
            Comparison::Match => left_it || instead.is_none_or(|it| self.came_after(it, &head)),
            Comparison::Mismatch(_) => false,
            // Where the source is another object now, only pins can tell.
            Comparison::NotComparable => gone && self.written_by_this_job(&head),
        };
        if ours {
            // What only its date speaks for may be somebody else's.
            let by_date = known == Comparison::NotComparable;
            let mut landed = Landed::found(head);
            // Not when it came to the temporary key.
            landed.modified = landed.modified.filter(|_| !left_it);
            return Ok(Finished::AlreadyRenamed {
                landed,
                evidence: by_date.then_some(Evidence::Date),
            });
        }
        let absence = self.on_its_way(absence);
        let detail = format!(
            "{}; the object at {destination} is not known to be its copy",
            absence.detail
        );
        Err(RenameError::failed(absence.reason, detail))
    }

    /// Whether what is at the source came there after the copy was made, and is
    /// another object than it. With the same bytes it is the task's own that
    /// only looks late, or one object under two names, unless it is later.
    fn came_after(&self, instead: &Sighting, copy: &ObjectHead) -> bool {
        if instead.etag != copy.etag || instead.size != copy.size {
            return true;
        }
        match (copy.modified, instead.modified) {
            // What waits for the source's place may take it in the same second.
            (Some(copied), Some(came)) if copied == came => !self.task.then().is_empty(),
            (Some(copied), Some(came)) => copied < came,
            _ => false,
        }
    }

    /// Whether the object at the destination is what the pins describe.
    fn matches_pins(&self, pins: &Pins, head: &ObjectHead) -> Comparison {
        if pins.size.is_some_and(|size| size != head.size) {
            return Comparison::Mismatch("size");
        }
        match &pins.etag {
            Some(etag) if self.destination_bucket.abilities.etag_is_md5 => {
                compare_etags(etag, &head.etag, &[&head.encryption])
            }
            _ => Comparison::NotComparable,
        }
    }

    /// Whether this task can have made an object with this date: a request of
    /// this attempt was not answered, or there was an earlier delivery.
    pub(crate) fn may_have_made(&self, head: &ObjectHead) -> bool {
        let tried = self.delivery.redelivered || self.unanswered.load(Ordering::SeqCst);
        let dated = match (self.first_sent(), head.modified) {
            (Some(sent), Some(modified)) => modified.unix_seconds() >= sent.unix_seconds(),
            _ => true,
        };
        tried && dated
    }

    /// Dated after the job began. Without pins this is all that is left of an
    /// earlier delivery that died between its delete and its record; being
    /// wrong costs a line of the report, never an object, and the line says
    /// what it rests on.
    fn written_by_this_job(&self, head: &ObjectHead) -> bool {
        match (self.first_sent(), head.modified) {
            // Dates of objects are cut to the second.
            (Some(sent), Some(modified)) => {
                let sent = sent.saturating_sub(self.clock_tolerance());
                modified.unix_seconds() >= sent.unix_seconds()
            }
            _ => false,
        }
    }
}
