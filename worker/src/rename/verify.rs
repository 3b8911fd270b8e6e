//! The third step: is the copy the source, to the byte and to the property?

use rebucket_protocol::{Reason, Waiver};

use super::attributes::{Need, carried, differences};
use super::compare::{Comparison, Fingerprint, compare};
use super::differing::Missing;
use super::{Attempt, Copy, Origin, Original, RenameError, Source, TagsKnown, VerifyMode};
use crate::store::HeadScope;
use crate::store::object::{Checksums, Encryption, ObjectHead, PinnedSource};

/// A copy that was verified. Only [`Attempt::verify`] makes one, and the
/// delete takes nothing else.
#[derive(Debug)]
pub struct Verified {
    original: Original,
    copy: Copy,
}

impl Verified {
    pub(crate) fn original(&self) -> &Original {
        &self.original
    }

    pub(crate) fn copy(&self) -> &Copy {
        &self.copy
    }
}

impl Attempt<'_> {
    /// Verifies the copy as far as the mode asks. A mismatch fails the rename
    /// and leaves both objects. "Not comparable" goes on only with a success
    /// response of this very attempt, and not in strict mode.
    pub(crate) async fn verify(
        &self,
        source: Source,
        mut copy: Copy,
    ) -> Result<Verified, RenameError> {
        let mode = self.verify_mode();
        let answered = Fingerprint::answered(&copy);
        let mut comparison = self.compare(Fingerprint::of(&source.head), answered);
        let undecided = comparison == Comparison::NotComparable;
        if mode == VerifyMode::Head || (mode == VerifyMode::Strict) {
            let head = self.read_back(&copy).await?;
            let seen = self.compare(Fingerprint::of(&source.head), Fingerprint::of(&head));
            comparison = if undecided || matches!(seen, Comparison::Mismatch(_)) {
                seen
            } else {
                comparison
            };
            self.check_properties(&source, &copy, &head).await?;
            copy.modified = head.modified;
            copy.expiration = head.expiration.or(copy.expiration);
        }
        let verified = self.conclude(source.original(), copy, comparison)?;
        self.tell_of_expiration(&source.head, verified.copy());
        Ok(verified)
    }

    /// Says so where a lifecycle rule of the destination will take away what
    /// none of the source's would have, or not as soon.
    fn tell_of_expiration(&self, source: &ObjectHead, copy: &Copy) {
        let expires = copy.expiration.as_ref();
        let sooner = expires.filter(|at| at.comes_before(source.expiration.as_ref()));
        if let Some(expiration) = sooner {
            self.metrics.copies_expiring.inc();
            tracing::warn!(
                destination = %self.task.destination(),
                date = %expiration.date,
                rule = expiration.rule,
                "a lifecycle rule will remove the renamed object, and would not have removed the \
                 source by then"
            );
        }
    }

    /// The same by the response alone, of an object that nobody looked at: all
    /// that is known of it is in its pins.
    pub(crate) fn verify_unseen(
        &self,
        original: Original,
        copy: Copy,
    ) -> Result<Verified, RenameError> {
        let pinned = Fingerprint {
            size: Some(original.size),
            etag: &original.pinned.etag,
            checksums: &Checksums::default(),
            // Not stated: what its bucket does by default.
            encryption: &Encryption::Unstated,
        };
        let comparison = self.compare(pinned, Fingerprint::answered(&copy));
        self.conclude(original, copy, comparison)
    }

    fn conclude(
        &self,
        original: Original,
        copy: Copy,
        comparison: Comparison,
    ) -> Result<Verified, RenameError> {
        let strict = self.verify_mode() == VerifyMode::Strict;
        match comparison {
            Comparison::Match => Ok(Verified { original, copy }),
            Comparison::NotComparable if !strict && copy.origin == Origin::ThisAttempt => {
                Ok(Verified { original, copy })
            }
            // Recognising it was a proof of its own.
            Comparison::NotComparable if copy.origin == Origin::Recognised => {
                Ok(Verified { original, copy })
            }
            Comparison::NotComparable => Err(self.unverified("it cannot be compared")),
            Comparison::Mismatch(what) => Err(self.unverified(&format!("its {what} differs"))),
        }
    }

    fn unverified(&self, why: &str) -> RenameError {
        let (source, destination) = (self.task.source(), self.task.destination());
        let detail = format!(
            "the copy at {destination} does not verify: {why}; {source} was not deleted, and the \
             copy was left for inspection"
        );
        RenameError::failed(Reason::VerificationFailed, detail)
    }

    /// HEAD of the destination, which must still be the copy.
    async fn read_back(&self, copy: &Copy) -> Result<ObjectHead, RenameError> {
        let scope = HeadScope {
            version: copy.version.as_ref(),
            part: None,
        };
        let head = self.head_if_there(self.task.destination(), scope);
        let Some(head) = head.await? else {
            return Err(self.unverified("it is not there"));
        };
        if head.etag != copy.etag {
            let why = format!("its ETag is {}, the copy's was {}", head.etag, copy.etag);
            return Err(self.unverified(&why));
        }
        Ok(head)
    }

    /// Every property that the copy was to have must be there.
    async fn check_properties(
        &self,
        source: &Source,
        copy: &Copy,
        head: &ObjectHead,
    ) -> Result<(), RenameError> {
        let missing = self.missing_properties(source, copy.origin, head).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let destination = self.task.destination();
        let detail = format!(
            "the endpoint did not carry over {}; {} was not deleted, and the copy at {destination} was \
             left; give them up with --waive {}",
            missing.in_words(),
            self.task.source(),
            missing.waivers(),
        );
        Err(RenameError::failed(Reason::NotPreserved, detail))
    }

    /// The properties of the source that the object at the destination does
    /// not have.
    pub(crate) async fn missing_properties(
        &self,
        source: &Source,
        origin: Origin,
        head: &ObjectHead,
    ) -> Result<Missing, RenameError> {
        let pinned = PinnedSource {
            object: self.task.destination().clone(),
            etag: head.etag.clone(),
            version: head.version.clone(),
        };
        let options = &self.task.options;
        // What a single copy did not need to know was not read yet. The service
        // carried the tags to a copy of this attempt; to one that was found it
        // may not have, and silence about them would hide that.
        let (known, need) = match origin {
            Origin::ThisAttempt => (source.tags_known != TagsKnown::Unread, Need::EVERYTHING),
            Origin::Recognised => (source.tags_known == TagsKnown::ByName, Need::BY_NAME),
        };
        let expected = if known {
            source.attributes.clone()
        } else {
            let read = self
                .read_attributes(&source.pinned, &source.head, need)
                .await?;
            carried(read, options, self.now())
        };
        let need = match origin {
            Origin::ThisAttempt => Need::to_compare(&expected),
            Origin::Recognised => Need::to_recognise(&expected),
        };
        let found = self.read_attributes(&pinned, head, need).await?;
        let mut missing = differences(&expected, &found, options);
        let granted = expected.acl.is_none() && found.acl.is_some();
        if granted && !options.waives(Waiver::Acl) {
            missing.push(Waiver::Acl);
        }
        Ok(Missing::new(missing, &expected, &found))
    }

    /// Compares two objects by what is known of them.
    pub(crate) fn compare(&self, a: Fingerprint<'_>, b: Fingerprint<'_>) -> Comparison {
        let etag_is_md5 = self.source_bucket.abilities.etag_is_md5
            && self.destination_bucket.abilities.etag_is_md5;
        compare(a, b, etag_is_md5)
    }
}
