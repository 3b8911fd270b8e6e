//! The probe of one bucket: a whole rename on scratch keys, and each condition
//! with an object that it must protect.

use rebucket_protocol::{BucketName, ETag, ObjectUri, S3Prefix};

use super::scratch::{plain, remove, unique};
use super::{ProbeError, WRONG_ETAG, refused};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Caller, Policy};
use crate::store::classify::Service;
use crate::store::endpoint::{Abilities, Precondition};
use crate::store::object::{
    Attributes, ChecksumAlgorithm, ChecksumKind, Checksums, ObjectHead, PinnedSource,
};
use crate::store::{
    CompleteRequest, CopyReceipt, CopyRequest, DeleteRequest, HeadScope, ObjectStore, PartRange,
    Replaces, StoreResult, UploadId,
};

/// What the scratch objects hold. A constant, so that its MD5 can be one.
pub(super) const BODY: &[u8] = b"rebucket probes this endpoint before it renames anything on it.\n";

/// The MD5 of [`BODY`], as `md5sum` prints it.
const BODY_MD5: &str = "a28e9fe92ae9866cb46fd67357d8b0b9";

/// The CRC-32 of [`piece`], as base64.
const PIECE_CRC32: &str = "4sTPgg==";

/// Where this probe, and no other, puts its objects.
fn folder(scratch: &S3Prefix) -> S3Prefix {
    S3Prefix {
        bucket: scratch.bucket.clone(),
        prefix: format!("{}{}", scratch.prefix, unique("probe")),
    }
}

/// Whether the scratch source could be given a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tagged {
    Yes,
    Denied,
    Unsupported,
}

/// What an endpoint makes of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Honoured,
    /// It does what was asked all the same.
    Ignored,
    /// It does not take a request with it.
    Refused,
}

pub(super) struct Probe<'a> {
    pub(super) store: &'a dyn ObjectStore,
    caller: &'a Caller,
    bucket: &'a BucketName,
    folder: S3Prefix,
}

impl<'a> Probe<'a> {
    /// A probe with a scratch folder of its own.
    pub(super) fn new(
        store: &'a dyn ObjectStore,
        caller: &'a Caller,
        bucket: &'a BucketName,
        scratch: &S3Prefix,
    ) -> Self {
        Self {
            store,
            caller,
            bucket,
            folder: folder(scratch),
        }
    }

    /// What was found, and why the probe ended early, if it did.
    pub(super) async fn run(&self) -> (Abilities, Result<(), ProbeError>) {
        let mut abilities = Abilities {
            trusted: false,
            replaces_conditionally: false,
            ..Abilities::aws()
        };
        let names = ["source", "wrong", "copy", "parts", "whole"];
        let keys = names.map(|name| self.folder.object(name));
        let [Ok(source), Ok(wrong), Ok(copy), Ok(parts), Ok(whole)] = keys else {
            let full = self.untrustworthy("the scratch prefix leaves no room for a key");
            return (abilities, Err(full));
        };
        let keys = [&source, &wrong, &copy, &parts, &whole];
        let result = self.exercise(keys, &mut abilities).await;
        for key in keys {
            remove(self.store, self.caller, key).await;
        }
        let purge = || self.store.purge_scratch(&self.folder);
        if let Err(error) = self.caller.call(Policy::CLEAN_UP, purge).await {
            // Without the permission, a versioned bucket keeps what was hidden.
            tracing::debug!(%error, "could not remove the versions of scratch objects");
        }
        (abilities, result)
    }

    async fn exercise(
        &self,
        [source, wrong, copy, parts, whole]: [&ObjectUri; 5],
        abilities: &mut Abilities,
    ) -> Result<(), ProbeError> {
        let (written, tagged) = self.write_source(source).await?;
        abilities.etag_is_md5 = written.etag == self.etag(BODY_MD5)?;
        self.expect_body(source, BODY, "a PutObject stored other bytes")
            .await?;
        let head = self
            .caller
            .call(Policy::READ, || {
                self.store.head(source, HeadScope::default())
            })
            .await
            .map_err(|error| refused("reading a scratch object", self.bucket, error))?;
        let attributes = plain(tagged == Tagged::Yes);
        match tagged {
            Tagged::Yes => {
                abilities.has_tags = self.has_tags(source, &attributes).await?;
                abilities.counts_tags = head.tag_count == Some(1);
            }
            // Nothing is known but that there may be tags.
            Tagged::Denied => {}
            Tagged::Unsupported => abilities.has_tags = false,
        }
        let tagged = tagged == Tagged::Yes;
        let pinned = PinnedSource {
            object: source.clone(),
            etag: head.etag.clone(),
            version: head.version.clone(),
        };
        let mispinned = PinnedSource {
            etag: self.etag(WRONG_ETAG)?,
            ..pinned.clone()
        };
        let request = |from, to| CopyRequest {
            source: from,
            destination: to,
            replaces: Replaces::Nothing,
            attributes: &attributes,
            keep_tags: true,
        };

        let tried = self
            .once(|| self.store.copy(request(&mispinned, wrong)))
            .await?;
        Self::record(
            abilities,
            Precondition::CopySource,
            self.found(Precondition::CopySource, tried)?,
        );

        let copied = self
            .once(|| self.store.copy(request(&pinned, copy)))
            .await?;
        copied.map_err(|error| self.service("copying a scratch object", error))?;
        self.expect_body(copy, BODY, "a CopyObject stored other bytes")
            .await?;
        abilities.copy_keeps_tags = !tagged || self.has_tags(copy, &attributes).await?;

        let tried = self
            .once(|| self.store.copy(request(&pinned, copy)))
            .await?;
        Self::record(
            abilities,
            Precondition::CopyCreates,
            self.found(Precondition::CopyCreates, tried)?,
        );

        self.exercise_delete(copy, abilities).await?;
        self.exercise_parts(&pinned, &mispinned, parts, &attributes, abilities)
            .await?;
        abilities.replaces_conditionally = self
            .replaces_conditionally(&pinned, parts, &mispinned.etag, &attributes)
            .await?;

        for kind in [ChecksumKind::FullObject, ChecksumKind::Composite] {
            abilities.upload_checksum = self.upload_checksum(&pinned, whole, kind).await?;
            if abilities.upload_checksum.is_some() {
                break;
            }
            remove(self.store, self.caller, whole).await;
        }
        // An endpoint that ignores the query answers with the object itself.
        let single = Policy {
            attempts: 1,
            ..Policy::CLEAN_UP
        };
        let listed = self
            .caller
            .call(single, || self.store.annotations(source, None))
            .await;
        abilities.has_annotations = listed.is_ok();
        Ok(())
    }

    /// Writes the source, without tags where it cannot have any.
    async fn write_source(&self, source: &ObjectUri) -> Result<(CopyReceipt, Tagged), ProbeError> {
        let mut tagged = Tagged::Yes;
        loop {
            let attributes = plain(tagged == Tagged::Yes);
            let put = self
                .caller
                .call(Policy::START, || {
                    self.store.put_scratch(source, BODY, &attributes)
                })
                .await;
            tagged = match put {
                Ok(receipt) => return Ok((receipt, tagged)),
                Err(CallError::Failed(error)) if tagged == Tagged::Yes => match error.class() {
                    ErrorClass::Unsupported | ErrorClass::Invalid => Tagged::Unsupported,
                    ErrorClass::Denied => Tagged::Denied,
                    _ => return Err(self.service("writing a scratch object", error)),
                },
                Err(error) => return Err(refused("writing a scratch object", self.bucket, error)),
            };
        }
    }

    /// A delete with a wrong tag must leave the object, and one with the right
    /// tag must remove it.
    async fn exercise_delete(
        &self,
        copy: &ObjectUri,
        abilities: &mut Abilities,
    ) -> Result<(), ProbeError> {
        let there = self
            .head(copy)
            .await?
            .ok_or_else(|| self.untrustworthy("a copy vanished"))?;
        let wrong = self.etag(WRONG_ETAG)?;
        let request = DeleteRequest::IfMatch {
            object: copy,
            etag: &wrong,
        };
        let tried = self.once(|| self.store.delete(request)).await?;
        let mut found = self.found(Precondition::Delete, tried)?;
        if self.head(copy).await?.is_none() {
            Self::record(abilities, Precondition::Delete, Found::Ignored);
            return Ok(());
        }
        if found == Found::Honoured {
            let request = DeleteRequest::IfMatch {
                object: copy,
                etag: &there.etag,
            };
            match self.once(|| self.store.delete(request)).await? {
                Ok(()) => {}
                Err(error) if error.class() == ErrorClass::Precondition => {
                    let bucket = self.bucket;
                    tracing::warn!(%bucket, %error, "If-Match with an object's own ETag is refused");
                    found = Found::Refused;
                }
                Err(error) => return Err(self.service("deleting a scratch object", error)),
            }
        }
        if found != Found::Honoured {
            let request = DeleteRequest::Unconditional { object: copy };
            let deleted = self.once(|| self.store.delete(request)).await?;
            deleted.map_err(|error| self.service("deleting a scratch object", error))?;
        }
        Self::record(abilities, Precondition::Delete, found);
        if self.head(copy).await?.is_some() {
            return Err(self.untrustworthy("a DeleteObject answered success and deleted nothing"));
        }
        Ok(())
    }

    async fn exercise_parts(
        &self,
        pinned: &PinnedSource,
        mispinned: &PinnedSource,
        parts: &ObjectUri,
        attributes: &Attributes,
        abilities: &mut Abilities,
    ) -> Result<(), ProbeError> {
        let (piece, range) = piece();
        let doing = "copying a scratch object in parts";
        // The first upload creates the object, the second must not replace it.
        for first in [true, false] {
            let upload = self
                .once(|| self.store.create_upload(parts, attributes))
                .await?;
            let upload = upload.map_err(|error| self.service(doing, error))?;
            if first {
                let tried = self
                    .once(|| self.store.copy_part(mispinned, parts, &upload, range))
                    .await?;
                Self::record(
                    abilities,
                    Precondition::PartSource,
                    self.found(Precondition::PartSource, tried)?,
                );
            }
            let copied = self
                .once(|| self.store.copy_part(pinned, parts, &upload, range))
                .await?;
            let copied = match copied {
                Ok(copied) => [copied],
                Err(error) => {
                    self.abort(parts, &upload).await;
                    return Err(self.service(doing, error));
                }
            };
            let request = CompleteRequest {
                destination: parts,
                upload: &upload,
                parts: &copied,
                replaces: Replaces::Nothing,
                size: range.len,
                expected: &Checksums::default(),
            };
            let completed = self.once(|| self.store.complete_upload(request)).await?;
            if completed.is_err() {
                self.abort(parts, &upload).await;
            }
            if first {
                completed.map_err(|error| self.service(doing, error))?;
                self.expect_body(parts, piece, "an UploadPartCopy stored other bytes")
                    .await?;
                abilities.upload_takes_tags =
                    attributes.tags.is_empty() || self.has_tags(parts, attributes).await?;
            } else {
                Self::record(
                    abilities,
                    Precondition::CompleteCreates,
                    self.found(Precondition::CompleteCreates, completed)?,
                );
            }
        }
        Ok(())
    }

    /// This kind of checksum, if a multipart upload can have it: of all bytes,
    /// which it is completed with and then has, or of its parts.
    async fn upload_checksum(
        &self,
        pinned: &PinnedSource,
        whole: &ObjectUri,
        kind: ChecksumKind,
    ) -> Result<Option<ChecksumKind>, ProbeError> {
        let algorithm = ChecksumAlgorithm::Crc32;
        let attributes = Attributes {
            checksum: Some((algorithm, Some(kind))),
            ..plain(false)
        };
        let created = self.once(|| self.store.create_upload(whole, &attributes));
        let Ok(upload) = created.await? else {
            return Ok(None);
        };
        let (_, range) = piece();
        let copied = self.once(|| self.store.copy_part(pinned, whole, &upload, range));
        let Ok(copied) = copied.await?.map(|part| [part]) else {
            self.abort(whole, &upload).await;
            return Ok(None);
        };
        let full = kind == ChecksumKind::FullObject;
        let mut expected = Checksums::default();
        if full {
            expected.kind = Some(kind);
            expected.insert(algorithm, PIECE_CRC32);
        }
        let request = CompleteRequest {
            destination: whole,
            upload: &upload,
            parts: &copied,
            replaces: Replaces::Nothing,
            size: range.len,
            expected: &expected,
        };
        if self
            .once(|| self.store.complete_upload(request))
            .await?
            .is_err()
        {
            self.abort(whole, &upload).await;
            return Ok(None);
        }
        let head = self.head(whole).await?;
        let kept = head.is_some_and(|head| {
            let found = &head.checksums;
            found.algorithm() == Some(algorithm) && (!full || found.values == expected.values)
        });
        Ok(kept.then_some(kind))
    }

    pub(super) async fn abort(&self, parts: &ObjectUri, upload: &UploadId) {
        let aborted = self
            .caller
            .call(Policy::CLEAN_UP, || self.store.abort_upload(parts, upload))
            .await;
        if let Err(error) = aborted {
            tracing::debug!(%error, "could not abort the probe's upload");
        }
    }

    /// What became of a request that must fail its condition. Any other failure
    /// says nothing about it.
    fn found<T>(
        &self,
        condition: Precondition,
        tried: StoreResult<T>,
    ) -> Result<Found, ProbeError> {
        match tried {
            Ok(_) => Ok(Found::Ignored),
            Err(error) => match error.class() {
                ErrorClass::Precondition | ErrorClass::Conflict => Ok(Found::Honoured),
                ErrorClass::Unsupported | ErrorClass::Invalid => {
                    tracing::warn!(bucket = %self.bucket, %condition, %error, "refused");
                    Ok(Found::Refused)
                }
                _ => Err(self.service("trying a condition", error)),
            },
        }
    }

    fn record(abilities: &mut Abilities, condition: Precondition, found: Found) {
        match found {
            Found::Honoured => {}
            Found::Ignored => abilities.ignored.push(condition),
            Found::Refused => abilities.refused.push(condition),
        }
    }

    /// Sends a request whose failure may be the finding: retried only while
    /// the endpoint is in trouble.
    pub(super) async fn once<T, F>(
        &self,
        request: impl FnMut() -> F,
    ) -> Result<StoreResult<T>, ProbeError>
    where
        F: Future<Output = StoreResult<T>>,
    {
        let policy = Policy {
            retry_conflict: false,
            ..Policy::CLEAN_UP
        };
        match self.caller.call(policy, request).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(CallError::Failed(error)) => Ok(Err(error)),
            Err(CallError::Interrupted) => Err(ProbeError::Interrupted),
        }
    }

    pub(super) async fn head(&self, object: &ObjectUri) -> Result<Option<ObjectHead>, ProbeError> {
        let head = self
            .caller
            .call(Policy::READ, || {
                self.store.head(object, HeadScope::default())
            })
            .await;
        match head {
            Ok(head) => Ok(Some(head)),
            Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => Ok(None),
            Err(error) => Err(refused("reading a scratch object", self.bucket, error)),
        }
    }

    async fn expect_body(
        &self,
        object: &ObjectUri,
        expected: &[u8],
        lie: &'static str,
    ) -> Result<(), ProbeError> {
        if self.holds(object, expected).await? {
            Ok(())
        } else {
            Err(self.untrustworthy(lie))
        }
    }

    /// Whether the object's bytes, and its size, are these.
    pub(super) async fn holds(
        &self,
        object: &ObjectUri,
        expected: &[u8],
    ) -> Result<bool, ProbeError> {
        let body = self
            .caller
            .call(Policy::READ, || self.store.get_scratch(object))
            .await
            .map_err(|error| refused("reading a scratch object", self.bucket, error))?;
        let size = self.head(object).await?.map(|head| head.size);
        Ok(body == expected && size == Some(expected.len() as u64))
    }

    /// Whether the object has the tags that it was given. Where they may not
    /// be read, it is taken to have them: the renames will say so.
    async fn has_tags(
        &self,
        object: &ObjectUri,
        expected: &Attributes,
    ) -> Result<bool, ProbeError> {
        match self.once(|| self.store.tags(object, None)).await? {
            Ok(tags) => Ok(tags == expected.tags),
            Err(error) => match error.class() {
                ErrorClass::Unsupported | ErrorClass::Invalid => Ok(false),
                ErrorClass::Denied => Ok(true),
                // Endpoints that do not know the query answer anything.
                _ if error.fault.status == Some(200)
                    && error.fault.code != Service::S3.foreign() =>
                {
                    Ok(false)
                }
                _ => Err(self.service("reading the tags of a scratch object", error)),
            },
        }
    }

    fn etag(&self, text: &str) -> Result<ETag, ProbeError> {
        ETag::new(text).map_err(|_| self.untrustworthy("an ETag of the probe is malformed"))
    }

    fn service(&self, doing: &'static str, error: ServiceError) -> ProbeError {
        ProbeError::Service {
            doing,
            bucket: self.bucket.clone(),
            error,
        }
    }

    fn untrustworthy(&self, lie: &'static str) -> ProbeError {
        ProbeError::Untrustworthy {
            bucket: self.bucket.clone(),
            lie,
        }
    }
}

/// What is copied as a part: not from the start and not to the end, since an
/// endpoint that ignores the range would copy every part whole.
pub(super) fn piece() -> (&'static [u8], PartRange) {
    let (start, end) = (8, 41);
    let piece = &BODY[start..end];
    let range = PartRange {
        number: 1,
        start: start as u64,
        len: piece.len() as u64,
    };
    (piece, range)
}
