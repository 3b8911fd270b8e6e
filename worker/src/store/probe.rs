//! The start-up probe: the whole rename on scratch keys, bytes included,
//! because on an endpoint that is not AWS a 2xx proves nothing (facts,
//! section 7).

use rebucket_protocol::{BucketName, ETag, ObjectUri, S3Prefix, StorageClass};

use super::endpoint::{Abilities, Precondition};
use super::object::{Attributes, Checksums, ContentHeaders, Encryption, ObjectLock, PinnedSource};
use super::{
    CompleteRequest, CopyReceipt, CopyRequest, DeleteRequest, HeadScope, ObjectStore, PartRange,
    StoreResult,
};
use crate::error::{ErrorClass, ServiceError};
use crate::rename::Bucket;
use crate::retry::{CallError, Caller, Policy};

/// What the scratch objects hold. A constant, so that its MD5 can be one.
const BODY: &[u8] = b"rebucket probes this endpoint before it renames anything on it.\n";

/// The MD5 of [`BODY`], as `md5sum` prints it.
const BODY_MD5: &str = "a28e9fe92ae9866cb46fd67357d8b0b9";

/// A tag that no object has.
const WRONG_ETAG: &str = "00000000000000000000000000000000";

/// What to do when an endpoint ignores a condition that safety needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissingPrecondition {
    /// Rename nothing on it.
    Refuse,
    /// Make up for it with further HEAD requests, which leaves a window.
    Emulate,
}

/// Why a bucket cannot be worked in.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The bucket could not be asked, or the scratch keys not written.
    #[error("{doing} in the bucket {bucket}: {error}")]
    Service {
        /// What the probe was at.
        doing: &'static str,
        /// The bucket.
        bucket: BucketName,
        /// The endpoint's answer.
        #[source]
        error: ServiceError,
    },
    /// The probe was told to stop.
    #[error("interrupted")]
    Interrupted,
    /// Conditions are ignored, and the operator did not say to go on.
    #[error(
        "the endpoint of bucket {bucket} ignores {}: objects could be overwritten or lost; \
         rebucket does not rename on it. --on-missing-precondition emulate goes on with further \
         HEAD requests in their place, which leaves a window between check and act",
        .ignored.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    Unsafe {
        /// The bucket.
        bucket: BucketName,
        /// The conditions.
        ignored: Vec<Precondition>,
    },
    /// The endpoint says that it did what it did not do. Nothing makes up for
    /// that.
    #[error("the endpoint of bucket {bucket} cannot be trusted: {lie}")]
    Untrustworthy {
        /// The bucket.
        bucket: BucketName,
        /// What it claimed.
        lie: &'static str,
    },
}

impl ProbeError {
    /// True when the endpoint could not be reached or denied us, as opposed
    /// to being unfit.
    #[must_use]
    pub fn is_access(&self) -> bool {
        matches!(self, Self::Service { .. })
    }
}

/// Everything about a bucket that is asked once and not per object.
///
/// # Errors
/// [`ProbeError`].
pub async fn survey(
    store: &dyn ObjectStore,
    caller: &Caller,
    bucket: &BucketName,
    scratch: &S3Prefix,
    is_aws: bool,
    on_missing: OnMissingPrecondition,
) -> Result<Bucket, ProbeError> {
    let facts = caller
        .call(Policy::START, || store.bucket_facts(scratch))
        .await
        .map_err(|error| refused("listing", bucket, error))?;
    let abilities = if is_aws {
        Abilities::aws()
    } else {
        let probe = Probe {
            store,
            caller,
            bucket,
            folder: folder(scratch),
        };
        probe.run().await?
    };
    if !abilities.ignored.is_empty() {
        let ignored = abilities.ignored.clone();
        match on_missing {
            OnMissingPrecondition::Refuse => {
                return Err(ProbeError::Unsafe {
                    bucket: bucket.clone(),
                    ignored,
                });
            }
            OnMissingPrecondition::Emulate => {
                for condition in ignored {
                    tracing::warn!(%bucket, %condition, "ignored by the endpoint; emulated with HEAD requests, which leaves a window");
                }
            }
        }
    }
    Ok(Bucket {
        facts,
        abilities,
        scratch: scratch.clone(),
    })
}

/// Where this probe, and no other, puts its objects.
fn folder(scratch: &S3Prefix) -> S3Prefix {
    let unique = format!("probe-{}-{}/", std::process::id(), nanos());
    S3Prefix {
        bucket: scratch.bucket.clone(),
        prefix: format!("{}{unique}", scratch.prefix),
    }
}

fn nanos() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_nanos())
}

fn refused(doing: &'static str, bucket: &BucketName, error: CallError) -> ProbeError {
    match error {
        CallError::Interrupted => ProbeError::Interrupted,
        CallError::Failed(error) => ProbeError::Service {
            doing,
            bucket: bucket.clone(),
            error,
        },
    }
}

/// True when a condition was honoured. Any other failure says nothing.
fn honoured<T>(result: &StoreResult<T>) -> Option<bool> {
    match result {
        Ok(_) => Some(false),
        Err(error) if error.class() == ErrorClass::Precondition => Some(true),
        Err(error) if error.class() == ErrorClass::Conflict => Some(true),
        Err(_) => None,
    }
}

struct Probe<'a> {
    store: &'a dyn ObjectStore,
    caller: &'a Caller,
    bucket: &'a BucketName,
    folder: S3Prefix,
}

impl Probe<'_> {
    async fn run(&self) -> Result<Abilities, ProbeError> {
        let keys = ["source", "wrong", "copy", "parts"].map(|name| self.folder.object(name));
        let [Ok(source), Ok(wrong), Ok(copy), Ok(parts)] = keys else {
            return Err(self.untrustworthy("the scratch prefix leaves no room for a key"));
        };
        let result = self.exercise(&source, &wrong, &copy, &parts).await;
        for key in [&source, &wrong, &copy, &parts] {
            self.remove(key).await;
        }
        result
    }

    async fn exercise(
        &self,
        source: &ObjectUri,
        wrong: &ObjectUri,
        copy: &ObjectUri,
        parts: &ObjectUri,
    ) -> Result<Abilities, ProbeError> {
        let mut abilities = Abilities {
            trusted: false,
            ..Abilities::aws()
        };
        let (written, tagged) = self.write_source(source).await?;
        abilities.etag_is_md5 = written.etag == self.etag(BODY_MD5)?;
        self.expect_body(source, "a PutObject stored other bytes")
            .await?;
        let head = self
            .caller
            .call(Policy::READ, || {
                self.store.head(source, HeadScope::default())
            })
            .await
            .map_err(|error| refused("reading a scratch object", self.bucket, error))?;
        let attributes = plain(tagged);
        abilities.has_tags = tagged && self.has_tags(source, &attributes).await?;
        abilities.counts_tags = head.tag_count == Some(1);
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
            create_only: true,
            attributes: &attributes,
            keep_tags: true,
        };

        let tried = self
            .once(|| self.store.copy(request(&mispinned, wrong)))
            .await?;
        self.record(&mut abilities, Precondition::CopySource, honoured(&tried));

        let copied = self
            .once(|| self.store.copy(request(&pinned, copy)))
            .await?;
        copied.map_err(|error| self.service("copying a scratch object", error))?;
        self.expect_body(copy, "a CopyObject stored other bytes")
            .await?;
        abilities.copy_keeps_tags = !tagged || self.has_tags(copy, &attributes).await?;

        let tried = self
            .once(|| self.store.copy(request(&pinned, copy)))
            .await?;
        self.record(&mut abilities, Precondition::CopyCreates, honoured(&tried));

        self.exercise_delete(copy, &mut abilities).await?;
        self.exercise_parts(&pinned, &mispinned, parts, &attributes, &mut abilities)
            .await?;

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
        Ok(abilities)
    }

    /// Writes the source, without tags where the endpoint has none.
    async fn write_source(&self, source: &ObjectUri) -> Result<(CopyReceipt, bool), ProbeError> {
        let doing = "writing a scratch object";
        for tagged in [true, false] {
            let attributes = plain(tagged);
            let put = self
                .caller
                .call(Policy::START, || {
                    self.store.put_scratch(source, BODY, &attributes)
                })
                .await;
            match put {
                Ok(receipt) => return Ok((receipt, tagged)),
                Err(CallError::Failed(error))
                    if tagged
                        && matches!(
                            error.class(),
                            ErrorClass::Unsupported | ErrorClass::Invalid | ErrorClass::Denied
                        ) => {}
                Err(error) => return Err(refused(doing, self.bucket, error)),
            }
        }
        Err(self.untrustworthy("a scratch object could not be written"))
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
        let honoured = match honoured(&tried) {
            Some(true) => self.head(copy).await?.is_some(),
            _ => false,
        };
        self.record(abilities, Precondition::Delete, Some(honoured));
        if self.head(copy).await?.is_some() {
            let request = DeleteRequest::IfMatch {
                object: copy,
                etag: &there.etag,
            };
            let deleted = self.once(|| self.store.delete(request)).await?;
            deleted.map_err(|error| self.service("deleting a scratch object", error))?;
            if self.head(copy).await?.is_some() {
                return Err(
                    self.untrustworthy("a DeleteObject answered success and deleted nothing")
                );
            }
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
        let range = PartRange {
            number: 1,
            start: 0,
            len: BODY.len() as u64,
        };
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
                self.record(abilities, Precondition::PartSource, honoured(&tried));
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
                create_only: true,
                size: BODY.len() as u64,
                expected: &Checksums::default(),
            };
            let completed = self.once(|| self.store.complete_upload(request)).await?;
            if completed.is_err() {
                self.abort(parts, &upload).await;
            }
            if first {
                completed.map_err(|error| self.service(doing, error))?;
                self.expect_body(parts, "an UploadPartCopy stored other bytes")
                    .await?;
                abilities.upload_takes_tags =
                    attributes.tags.is_empty() || self.has_tags(parts, attributes).await?;
            } else {
                self.record(
                    abilities,
                    Precondition::CompleteCreates,
                    honoured(&completed),
                );
            }
        }
        Ok(())
    }

    async fn abort(&self, parts: &ObjectUri, upload: &super::UploadId) {
        let aborted = self
            .caller
            .call(Policy::CLEAN_UP, || self.store.abort_upload(parts, upload))
            .await;
        if let Err(error) = aborted {
            tracing::debug!(%error, "could not abort the probe's upload");
        }
    }

    fn record(&self, abilities: &mut Abilities, condition: Precondition, honoured: Option<bool>) {
        // A refusal of another kind does not show that the condition was read.
        if honoured != Some(true) {
            tracing::debug!(bucket = %self.bucket, %condition, "not honoured");
            abilities.ignored.push(condition);
        }
    }

    /// Sends a request whose failure may be the finding: retried only while
    /// the endpoint is in trouble.
    async fn once<T, F>(&self, request: impl FnMut() -> F) -> Result<StoreResult<T>, ProbeError>
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

    async fn head(
        &self,
        object: &ObjectUri,
    ) -> Result<Option<super::object::ObjectHead>, ProbeError> {
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

    async fn expect_body(&self, object: &ObjectUri, lie: &'static str) -> Result<(), ProbeError> {
        let body = self
            .caller
            .call(Policy::READ, || self.store.get_scratch(object))
            .await
            .map_err(|error| refused("reading a scratch object", self.bucket, error))?;
        let size = self.head(object).await?.map(|head| head.size);
        if body == BODY && size == Some(BODY.len() as u64) {
            Ok(())
        } else {
            Err(self.untrustworthy(lie))
        }
    }

    async fn has_tags(
        &self,
        object: &ObjectUri,
        expected: &Attributes,
    ) -> Result<bool, ProbeError> {
        let tags = self.once(|| self.store.tags(object, None)).await?;
        Ok(tags.is_ok_and(|tags| tags == expected.tags))
    }

    /// Removes a scratch object, in a versioned bucket for good.
    async fn remove(&self, object: &ObjectUri) {
        let Ok(Some(head)) = self.head(object).await else {
            return;
        };
        let request = match &head.version {
            Some(version) => DeleteRequest::Version { object, version },
            _ => DeleteRequest::IfMatch {
                object,
                etag: &head.etag,
            },
        };
        if let Err(error) = self
            .caller
            .call(Policy::CLEAN_UP, || self.store.delete(request))
            .await
        {
            tracing::warn!(%error, %object, "could not remove a scratch object");
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

/// The properties of the scratch objects: one tag, or none.
fn plain(tagged: bool) -> Attributes {
    let mut tags = super::object::Tags::new();
    if tagged {
        tags.insert("rebucket".to_owned(), "probe +1".to_owned());
    }
    Attributes {
        headers: ContentHeaders {
            content_type: Some("text/plain".to_owned()),
            ..ContentHeaders::default()
        },
        metadata: [("rebucket".to_owned(), "probe".to_owned())].into(),
        tags,
        acl: None,
        storage_class: StorageClass::standard(),
        encryption: Encryption::Unstated,
        lock: ObjectLock::default(),
        redirect: None,
        checksum: None,
    }
}
