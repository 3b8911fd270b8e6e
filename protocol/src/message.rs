//! The queue message: one rename as versioned JSON.
//!
//! Unknown fields and versions are refused, never ignored: a field that this
//! build does not know may be the one that makes the rename safe.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, BucketName, ChainError, ETag, Hop, IfExists, JobId, JobOptions, Leg, ObjectKey,
    ObjectUri, Pins, RenameTask, SelfRename, Step, StorageClass, SubmissionId, TaskId, Timestamp,
    VersionId, VersionPolicy, Waiver,
};

/// The largest message body: 1 MiB (SQS limit, API reference of `SendMessage`).
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// The wire version that this build writes and reads.
pub const WIRE_VERSION: u64 = 1;

/// Why a message is not a task. Every one of these is permanent: the message
/// is parked, never retried.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Over [`MAX_MESSAGE_BYTES`].
    #[error("the message has {0} bytes, at most 1,048,576 are allowed")]
    TooLarge(usize),
    /// A version that this build does not read.
    #[error("the message has version {0}, this build reads version 1; upgrade the workers")]
    Version(u64),
    /// A field that this build does not know.
    #[error("the message has a field that this build does not know: {0}")]
    UnknownField(serde_json::Error),
    /// Not JSON, or a field missing or wrong.
    #[error("the message is malformed: {0}")]
    Malformed(serde_json::Error),
    /// The id belongs to another job.
    #[error("the task id {id} does not belong to the job {job}")]
    ForeignId {
        /// The task's id.
        id: TaskId,
        /// The message's job.
        job: JobId,
    },
    /// Source and destination are the same object.
    #[error(transparent)]
    SelfRename(#[from] SelfRename),
    /// A date for a bucket of which the message says nothing else: it was meant
    /// for another name, whose bucket would not be compared.
    #[error("the message has a date of creation for the bucket {0}, and names no object in it")]
    StrayDate(BucketName),
    /// The renames of a chain do not wait for one another.
    #[error("the message carries what is no chain: {0}")]
    Chain(#[from] ChainError),
}

// What is written is borrowed: a message may carry a thousand renames, and is
// written once for each of them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMessage<'a> {
    v: u64,
    job: Cow<'a, JobId>,
    id: Cow<'a, TaskId>,
    src: WireSource<'a>,
    dst: WireObject<'a>,
    #[serde(default, skip_serializing_if = "is_default")]
    if_exists: IfExists,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    submitted: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    submission: Option<SubmissionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage_class: Option<Cow<'a, StorageClass>>,
    #[serde(default, skip_serializing_if = "is_default")]
    waive: Cow<'a, BTreeSet<Waiver>>,
    #[serde(default, skip_serializing_if = "is_default")]
    versioned: VersionPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<AccountId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    created: BTreeMap<Cow<'a, BucketName>, Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hop: Option<WireHop<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    then: Vec<WireStep<'a>>,
}

/// A rename that waits for the one before it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireStep<'a> {
    id: Cow<'a, TaskId>,
    src: WireSource<'a>,
    dst: WireObject<'a>,
    #[serde(default, skip_serializing_if = "is_default")]
    if_exists: IfExists,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hop: Option<WireHop<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHop<'a> {
    leg: Leg,
    via: WireObject<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    occupant: Option<Cow<'a, Pins>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arrived: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSource<'a> {
    bucket: Cow<'a, BucketName>,
    key: Cow<'a, ObjectKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<Cow<'a, VersionId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<Cow<'a, ETag>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage_class: Option<Cow<'a, StorageClass>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireObject<'a> {
    bucket: Cow<'a, BucketName>,
    key: Cow<'a, ObjectKey>,
}

/// What can be read of a message of another version.
#[derive(Deserialize)]
struct WireVersion {
    v: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Writes a task as a message body.
///
/// # Errors
/// [`MessageError::TooLarge`] when the body would not fit into a message.
pub fn encode(task: &RenameTask) -> Result<String, MessageError> {
    let first = task.step();
    let first = WireStep::from(&first);
    let wire = WireMessage {
        v: WIRE_VERSION,
        job: Cow::Borrowed(task.job()),
        id: first.id,
        src: first.src,
        dst: first.dst,
        if_exists: first.if_exists,
        hop: first.hop,
        submitted: task.submitted,
        submission: task.submission,
        storage_class: task.options.storage_class.as_ref().map(Cow::Borrowed),
        waive: Cow::Borrowed(&task.options.waive),
        versioned: task.options.versioned,
        owner: task.options.owner,
        created: created(task),
        then: task.then().iter().map(WireStep::from).collect(),
    };
    let body = serde_json::to_string(&wire).map_err(MessageError::Malformed)?;
    let body = escape_disallowed(body);
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(MessageError::TooLarge(body.len()));
    }
    Ok(body)
}

/// The dates of the buckets that a task names, and of no others of its job.
fn created(task: &RenameTask) -> BTreeMap<Cow<'_, BucketName>, Timestamp> {
    let known = &task.options.created;
    if known.is_empty() {
        return BTreeMap::new();
    }
    let buckets = task.objects().map(|object| &object.bucket);
    buckets
        .filter_map(|bucket| Some((Cow::Borrowed(bucket), known.get(bucket)?)))
        .collect()
}

/// SQS rejects U+FFFE and U+FFFF (API reference of `SendMessage`), and
/// `serde_json` escapes only the ASCII control characters.
fn escape_disallowed(body: String) -> String {
    // Both begin with this byte, and most bodies do not have it at all: a long
    // body is searched for a byte many times faster than for characters.
    let perhaps = body.as_bytes().contains(&0xef);
    if perhaps && body.contains(['\u{fffe}', '\u{ffff}']) {
        body.replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff")
    } else {
        body
    }
}

/// Reads a message body.
///
/// # Errors
/// [`MessageError`], always permanent.
pub fn decode(body: &str) -> Result<RenameTask, MessageError> {
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(MessageError::TooLarge(body.len()));
    }
    let wire: WireMessage<'_> =
        serde_json::from_str(body).map_err(|error| refusal_of(body, error))?;
    if wire.v != WIRE_VERSION {
        return Err(MessageError::Version(wire.v));
    }
    let job = wire.job.into_owned();
    let first = WireStep {
        id: wire.id,
        src: wire.src,
        dst: wire.dst,
        if_exists: wire.if_exists,
        hop: wire.hop,
    };
    let first = first.into_step(&job)?;
    let then = wire.then.into_iter().map(|step| step.into_step(&job));
    let then = then.collect::<Result<Vec<_>, _>>()?;
    let mut task = RenameTask::chain(job, first, then)?;
    task.submitted = wire.submitted;
    task.submission = wire.submission;
    task.options = JobOptions {
        storage_class: wire.storage_class.map(Cow::into_owned),
        waive: wire.waive.into_owned(),
        versioned: wire.versioned,
        owner: wire.owner,
        created: wire
            .created
            .into_iter()
            .map(|(bucket, date)| (bucket.into_owned(), date))
            .collect::<BTreeMap<_, _>>()
            .into(),
    };
    let has_object = |bucket: &BucketName| task.objects().any(|object| object.bucket == *bucket);
    let stray = task
        .options
        .created
        .iter()
        .find(|(bucket, _)| !has_object(bucket));
    let stray = stray.map(|(bucket, _)| bucket.clone());
    stray.map_or(Ok(task), |bucket| Err(MessageError::StrayDate(bucket)))
}

impl<'a> From<&'a ObjectUri> for WireObject<'a> {
    fn from(object: &'a ObjectUri) -> Self {
        Self {
            bucket: Cow::Borrowed(&object.bucket),
            key: Cow::Borrowed(&object.key),
        }
    }
}

impl WireObject<'_> {
    fn into_uri(self) -> ObjectUri {
        ObjectUri::new(self.bucket.into_owned(), self.key.into_owned())
    }
}

impl<'a> From<&'a Step> for WireStep<'a> {
    fn from(step: &'a Step) -> Self {
        let (source, pins) = (step.source(), &step.pins);
        Self {
            id: Cow::Borrowed(step.id()),
            src: WireSource {
                bucket: Cow::Borrowed(&source.bucket),
                key: Cow::Borrowed(&source.key),
                version: pins.version.as_ref().map(Cow::Borrowed),
                etag: pins.etag.as_ref().map(Cow::Borrowed),
                size: pins.size,
                modified: pins.modified,
                storage_class: pins.storage_class.as_ref().map(Cow::Borrowed),
            },
            dst: step.destination().into(),
            if_exists: step.if_exists,
            hop: step.hop().map(|hop| WireHop {
                leg: hop.leg,
                via: (&hop.via).into(),
                occupant: hop.occupant.as_ref().map(Cow::Borrowed),
                arrived: hop.arrived,
            }),
        }
    }
}

impl WireStep<'_> {
    fn into_step(self, job: &JobId) -> Result<Step, MessageError> {
        if self.id.job() != job.as_str() {
            return Err(MessageError::ForeignId {
                id: self.id.into_owned(),
                job: job.clone(),
            });
        }
        let hop = self.hop.map(|hop| Hop {
            leg: hop.leg,
            via: hop.via.into_uri(),
            occupant: hop.occupant.map(Cow::into_owned),
            arrived: hop.arrived,
        });
        let source = ObjectUri::new(self.src.bucket.into_owned(), self.src.key.into_owned());
        let id = self.id.into_owned();
        let mut step = Step::new(id, source, self.dst.into_uri(), hop)?;
        step.pins = Pins {
            version: self.src.version.map(Cow::into_owned),
            etag: self.src.etag.map(Cow::into_owned),
            size: self.src.size,
            modified: self.src.modified,
            storage_class: self.src.storage_class.map(Cow::into_owned),
        };
        step.if_exists = self.if_exists;
        Ok(step)
    }
}

/// Why a body is not a message of this version. Another version's fields need
/// not be those of this one: it is reported as what it is.
fn refusal_of(body: &str, error: serde_json::Error) -> MessageError {
    match serde_json::from_str::<WireVersion>(body) {
        Ok(version) if version.v != WIRE_VERSION => MessageError::Version(version.v),
        // serde gives unknown fields no error kind of their own, only this text.
        Ok(_) if error.to_string().starts_with("unknown field") => {
            MessageError::UnknownField(error)
        }
        _ => MessageError::Malformed(error),
    }
}

#[cfg(test)]
mod tests;
