//! Everything besides the bytes: read from the source, refused where it cannot
//! be carried, compared with what arrived.

use rebucket_protocol::{JobOptions, Reason, Timestamp, Waiver};

use super::plan::CopyPlan;
use super::{Attempt, RenameError, TagsKnown};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Policy};
use crate::store::object::{
    Acl, Attributes, Encryption, ObjectHead, ObjectLock, Permission, PinnedSource, Tags,
};

/// Which of the properties that HEAD does not show must be known. Each that a
/// missing permission hides from HEAD is asked for by name, unless what HEAD
/// shows proves the permission: silence is no property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    tags: Tagging,
    acl: bool,
    /// Mode, date and event hold: what `s3:GetObjectRetention` shows.
    retention: bool,
    legal_hold: bool,
}

/// When to ask for an object's tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tagging {
    Never,
    /// If HEAD counts some. Without the permission to read them, HEAD may
    /// count none: enough only for a copy that the service carries the tags
    /// to, and refuses without that permission.
    IfCounted,
    /// Unless HEAD counts none: what is not asked for now is lost.
    Always,
}

impl Need {
    /// What `CopyObject` does not keep by itself.
    pub(crate) const UNKEPT: Self = Self {
        tags: Tagging::Never,
        acl: true,
        retention: true,
        legal_hold: true,
    };

    /// All, to compare them with those of a copy that `CopyObject` makes.
    pub(crate) const EVERYTHING: Self = Self {
        tags: Tagging::IfCounted,
        acl: true,
        retention: true,
        legal_hold: true,
    };

    /// All, and none by HEAD's silence: to send them with a multipart upload,
    /// or to compare them with those of an object that was found.
    pub(crate) const BY_NAME: Self = Self {
        tags: Tagging::Always,
        acl: true,
        retention: true,
        legal_hold: true,
    };

    /// What a copy of this attempt must be asked for to compare it: it has no
    /// tags, grants or locks that it was not given.
    pub(crate) fn to_compare(expected: &Attributes) -> Self {
        Self {
            tags: if expected.tags.is_empty() {
                Tagging::IfCounted
            } else {
                Tagging::Always
            },
            acl: expected.acl.is_some(),
            retention: expected.lock.shows_retention(),
            legal_hold: expected.lock.legal_hold,
        }
    }

    /// What an object that was found must be asked for: tags and grants that
    /// the source has not would show it to be another one. A lock would not.
    pub(crate) fn to_recognise(expected: &Attributes) -> Self {
        Self {
            retention: expected.lock.shows_retention(),
            legal_hold: expected.lock.legal_hold,
            ..Self::BY_NAME
        }
    }

    /// What is known of the tags of an object that was read by this need.
    pub(crate) fn tags_known(self, head: &ObjectHead) -> TagsKnown {
        match (self.tags, head.tag_count) {
            (Tagging::Never, _) => TagsKnown::Unread,
            (Tagging::IfCounted, None) => TagsKnown::BySilence,
            (Tagging::IfCounted, Some(_)) | (Tagging::Always, _) => TagsKnown::ByName,
        }
    }
}

impl Attempt<'_> {
    /// Reads the properties of an object. Tags and grants are asked for only
    /// where there can be some: HEAD counts the tags, and a bucket may rule
    /// grants out for all of its objects.
    pub(crate) async fn read_attributes(
        &self,
        object: &PinnedSource,
        head: &ObjectHead,
        need: Need,
    ) -> Result<Attributes, RenameError> {
        let tags = self.read_tags(object, head, need.tags).await?;
        let acl = if need.acl {
            self.read_acl(object).await?
        } else {
            None
        };
        let lock = self.read_lock(object, head, need).await?;
        Ok(Attributes {
            headers: head.headers.clone(),
            metadata: head.metadata.clone(),
            tags,
            acl,
            storage_class: head.storage_class.clone(),
            encryption: head.encryption.clone(),
            lock,
            redirect: head.redirect.clone(),
            checksum: head.checksums.algorithm().map(|a| (a, head.checksums.kind)),
        })
    }

    async fn read_tags(
        &self,
        object: &PinnedSource,
        head: &ObjectHead,
        when: Tagging,
    ) -> Result<Tags, RenameError> {
        let abilities = &self.bucket_of(object).abilities;
        let none = match (when, head.tag_count) {
            (Tagging::Never, _) | (_, Some(0)) => true,
            (_, Some(_)) | (Tagging::Always, None) => false,
            (Tagging::IfCounted, None) => abilities.counts_tags,
        };
        if none || !abilities.has_tags || self.task.options.waives(Waiver::Tags) {
            return Ok(Tags::new());
        }
        let version = object.version.as_ref();
        let uri = &object.object;
        let read = self.caller.call(Policy::READ, || async {
            let tags = self.store.tags(uri, version).await?;
            match head.tag_count {
                Some(counted) if u32::try_from(tags.len()) != Ok(counted) => {
                    let message = format!("{} tags, where HEAD counts {counted}", tags.len());
                    let (class, code) = (ErrorClass::Transient, "IncompleteResponse");
                    Err(ServiceError::local(
                        "GetObjectTagging",
                        uri,
                        class,
                        code,
                        message,
                    ))
                }
                _ => Ok(tags),
            }
        });
        read.await.map_err(|error| match error {
            CallError::Failed(error) if error.class() == ErrorClass::Denied => {
                let detail = format!(
                    "{error}; grant s3:GetObjectTagging and s3:PutObjectTagging, or give the tags \
                     up with --waive tags"
                );
                RenameError::failed(Reason::TagsDenied, detail)
            }
            other => other.into(),
        })
    }

    /// The grants, when they are not just the owner's own.
    async fn read_acl(&self, object: &PinnedSource) -> Result<Option<Acl>, RenameError> {
        if !self.bucket_of(object).facts.has_acls || self.task.options.waives(Waiver::Acl) {
            return Ok(None);
        }
        let version = object.version.as_ref();
        let read = self
            .caller
            .call(Policy::READ, || self.store.acl(&object.object, version))
            .await;
        match read {
            Ok(acl) => Ok(Some(acl).filter(|acl| !acl.is_private())),
            // An endpoint that has no lists has none to lose.
            Err(CallError::Failed(error)) if error.class() == ErrorClass::Unsupported => Ok(None),
            Err(CallError::Failed(error)) if error.class() == ErrorClass::Denied => {
                let detail = format!(
                    "{error}; grant s3:GetObjectAcl, or give the grants up with --waive acl"
                );
                Err(RenameError::failed(Reason::AccessDenied, detail))
            }
            Err(other) => Err(other.into()),
        }
    }

    /// The lock, where there can be one. Retention and event hold need one
    /// permission, the legal hold another, and HEAD leaves out what its caller
    /// may not read. So each half that HEAD does not show is asked for by name.
    async fn read_lock(
        &self,
        object: &PinnedSource,
        head: &ObjectHead,
        need: Need,
    ) -> Result<ObjectLock, RenameError> {
        let mut lock = head.lock.clone();
        // Object Lock needs versions, so what has none is not locked.
        let possible = self.bucket_of(object).facts.has_lock && head.version.is_some();
        if !possible || self.task.options.waives(Waiver::Lock) {
            return Ok(lock);
        }
        let (uri, version) = (&object.object, object.version.as_ref());
        if need.retention && !lock.shows_retention() {
            let read = self
                .caller
                .call(Policy::READ, || self.store.retention(uri, version));
            lock = ObjectLock {
                legal_hold: lock.legal_hold,
                ..unless_unlocked(read.await, "s3:GetObjectRetention")?.unwrap_or_default()
            };
        }
        if need.legal_hold && !lock.legal_hold {
            let read = self
                .caller
                .call(Policy::READ, || self.store.legal_hold(uri, version));
            lock.legal_hold =
                unless_unlocked(read.await, "s3:GetObjectLegalHold")?.unwrap_or_default();
        }
        Ok(lock)
    }

    fn bucket_of(&self, object: &PinnedSource) -> &super::Bucket {
        if object.object.bucket == self.task.source().bucket {
            self.source_bucket
        } else {
            self.destination_bucket
        }
    }

    /// Refuses what the destination cannot hold or the copy cannot carry,
    /// unless the operator waived it by name.
    pub(crate) fn refuse_unpreservable(
        &self,
        head: &ObjectHead,
        attributes: &Attributes,
        plan: CopyPlan,
    ) -> Result<(), RenameError> {
        let refuse = |waiver: Waiver, what: &str| {
            if self.task.options.waives(waiver) {
                return Ok(());
            }
            let detail = format!("{what}; give it up with --waive {waiver}");
            Err(RenameError::failed(Reason::NotPreservable, detail))
        };
        let destination = self.destination_bucket;
        if let Some(acl) = &attributes.acl {
            if !destination.facts.has_acls {
                refuse(
                    Waiver::Acl,
                    "the source has grants, the destination bucket takes none",
                )?;
            }
            if acl
                .grants
                .iter()
                .any(|(permission, _)| *permission == Permission::Write)
            {
                refuse(
                    Waiver::Acl,
                    "the source has a WRITE grant, which no copy can carry",
                )?;
            }
        }
        if head.missing_metadata > 0 {
            let what = "the source has metadata that headers cannot carry";
            refuse(Waiver::Metadata, what)?;
        }
        if let Encryption::Other(name) = &attributes.encryption {
            refuse(
                Waiver::Encryption,
                &format!("the encryption {name} is unknown"),
            )?;
        }
        let parts = matches!(plan, CopyPlan::Parts(_));
        if parts && attributes.checksum.is_some() && destination.abilities.upload_checksum.is_none()
        {
            let what = "the endpoint keeps no checksum of a multipart upload";
            refuse(Waiver::Checksum, what)?;
        }
        let tagged = !attributes.tags.is_empty();
        match plan {
            CopyPlan::Parts(_) if tagged && !destination.abilities.upload_takes_tags => refuse(
                Waiver::Tags,
                "the endpoint loses the tags of a multipart upload",
            ),
            CopyPlan::Single if tagged && !destination.abilities.copy_keeps_tags => {
                refuse(Waiver::Tags, "the endpoint loses the tags of a copy")
            }
            _ => Ok(()),
        }
    }
}

/// An object without a lock answers 404, and one that cannot have any 400.
fn unless_unlocked<T>(
    answer: Result<T, CallError>,
    permission: &str,
) -> Result<Option<T>, RenameError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(CallError::Failed(error)) => match error.class() {
            ErrorClass::NotFound | ErrorClass::Invalid | ErrorClass::Unsupported => Ok(None),
            ErrorClass::Denied => {
                let detail = format!(
                    "{error}; grant {permission}, without which HEAD hides locks, or give locks \
                     up with --waive lock"
                );
                Err(RenameError::failed(Reason::AccessDenied, detail))
            }
            _ => Err(CallError::Failed(error).into()),
        },
        Err(interrupted) => Err(interrupted.into()),
    }
}

/// What a copy of an object with these properties is to have: the same, but
/// for what the job chose or gave up.
pub(crate) fn carried(source: Attributes, options: &JobOptions, now: Timestamp) -> Attributes {
    Attributes {
        storage_class: options
            .storage_class
            .clone()
            .unwrap_or(source.storage_class),
        encryption: unless_waived(options, Waiver::Encryption, source.encryption),
        lock: unexpired(unless_waived(options, Waiver::Lock, source.lock), now),
        redirect: unless_waived(options, Waiver::Redirect, source.redirect),
        ..source
    }
}

/// A retention that is over at `now` binds nobody, and none can be set in the
/// past. Under an event hold its mode is still that of the retention to come.
fn unexpired(lock: ObjectLock, now: Timestamp) -> ObjectLock {
    if lock.retain_until.is_some_and(|at| at <= now) {
        ObjectLock {
            mode: lock.mode.filter(|_| lock.event_hold.is_some()),
            retain_until: None,
            ..lock
        }
    } else {
        lock
    }
}

fn unless_waived<T: Default>(options: &JobOptions, waiver: Waiver, property: T) -> T {
    if options.waives(waiver) {
        T::default()
    } else {
        property
    }
}

/// The properties in which `found` falls short of `expected`, by the names of
/// the waivers that would permit it.
pub(crate) fn differences(
    expected: &Attributes,
    found: &Attributes,
    options: &JobOptions,
) -> Vec<Waiver> {
    let mut differ = Vec::new();
    let mut check = |waiver: Waiver, same: bool| {
        if !same && !options.waives(waiver) {
            differ.push(waiver);
        }
    };
    check(
        Waiver::Metadata,
        same_headers(expected, found) && expected.metadata == found.metadata,
    );
    check(Waiver::Tags, expected.tags == found.tags);
    check(
        Waiver::Acl,
        expected.acl.is_none() || same_grants(expected, found),
    );
    check(
        Waiver::StorageClass,
        expected.storage_class == found.storage_class,
    );
    check(
        Waiver::Encryption,
        same_encryption(&expected.encryption, &found.encryption),
    );
    check(Waiver::Lock, same_lock(&expected.lock, &found.lock));
    check(Waiver::Redirect, expected.redirect == found.redirect);
    let algorithm = |attributes: &Attributes| attributes.checksum.map(|(algorithm, _)| algorithm);
    check(
        Waiver::Checksum,
        expected.checksum.is_none() || algorithm(expected) == algorithm(found),
    );
    differ
}

fn same_headers(expected: &Attributes, found: &Attributes) -> bool {
    let mut expected = expected.headers.clone();
    // An object without a type gets the endpoint's default one when copied.
    if expected.content_type.is_none() {
        expected
            .content_type
            .clone_from(&found.headers.content_type);
    }
    expected == found.headers
}

fn same_grants(expected: &Attributes, found: &Attributes) -> bool {
    expected.acl.as_ref().map(|acl| &acl.grants) == found.acl.as_ref().map(|acl| &acl.grants)
}

/// A destination may be encrypted where the source is not: its bucket says so.
fn same_encryption(expected: &Encryption, found: &Encryption) -> bool {
    *expected == Encryption::Unstated || expected == found
}

/// A destination may be locked where the source is not: its bucket says so. So
/// each part of the lock counts only where the source has it. Dates are kept in
/// whole seconds by some endpoints.
fn same_lock(expected: &ObjectLock, found: &ObjectLock) -> bool {
    let seconds = |lock: &ObjectLock| lock.retain_until.map(|at| at.unix_seconds());
    let retained = expected.mode.is_none() && expected.retain_until.is_none()
        || (expected.mode == found.mode && seconds(expected) == seconds(found));
    let held = !expected.legal_hold || found.legal_hold;
    let event_held = expected.event_hold.is_none() || expected.event_hold == found.event_hold;
    retained && held && event_held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::object::EventHold;

    #[test]
    fn a_retention_that_is_over_is_dropped_and_its_mode_too_unless_an_event_hold_needs_it() {
        let at = |seconds| Timestamp::from_unix(seconds, 0).unwrap();
        let over = ObjectLock {
            mode: Some("GOVERNANCE".to_owned()),
            retain_until: Some(at(1_000)),
            ..ObjectLock::default()
        };
        assert_eq!(unexpired(over.clone(), at(999)), over);
        assert!(unexpired(over.clone(), at(1_000)).is_none());
        let held = ObjectLock {
            event_hold: Some(EventHold { then: None }),
            ..over.clone()
        };
        let kept = unexpired(held.clone(), at(1_000));
        assert_eq!((kept.mode, kept.retain_until), (over.mode, None));
        assert_eq!(kept.event_hold, held.event_hold);
    }
}
