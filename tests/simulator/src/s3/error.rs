//! Errors with the codes and statuses of Amazon S3.

use std::borrow::Cow;
use std::fmt;

use super::VersionId;

/// What every operation of the model returns.
pub type S3Result<T> = Result<T, S3Error>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $text:literal $status:literal;)*) => {
        /// An error code of S3.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// The code as it stands in the `<Code>` of an error body.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that comes with it.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// The caller may not do this, or the version is locked.
    AccessDenied "AccessDenied" 403;
    /// The bucket has its ACLs switched off.
    AccessControlListNotSupported "AccessControlListNotSupported" 400;
    /// An object has its 1,000 annotations.
    AnnotationLimitExceeded "AnnotationLimitExceeded" 400;
    /// An annotation's name is over 512 bytes.
    AnnotationNameTooLong "AnnotationNameTooLong" 400;
    /// A checksum or Content-MD5 is not that of the body.
    BadDigest "BadDigest" 400;
    /// The request is wrong.
    BadRequest "BadRequest" 400;
    /// The bucket exists.
    BucketAlreadyOwnedByYou "BucketAlreadyOwnedByYou" 409;
    /// The bucket holds versions or uploads.
    BucketNotEmpty "BucketNotEmpty" 409;
    /// A conditional write met another write.
    ConditionalRequestConflict "ConditionalRequestConflict" 409;
    /// A part other than the last is under 5 MiB.
    EntityTooSmall "EntityTooSmall" 400;
    /// A part or body is over 5 GiB, or the object over the limit.
    EntityTooLarge "EntityTooLarge" 400;
    /// A client token came again with other parameters.
    IdempotentParameterMismatch "IdempotentParameterMismatch" 400;
    /// An annotation's name is not allowed.
    InvalidAnnotationName "InvalidAnnotationName" 400;
    /// What S3 answers to some requests that make no sense.
    InternalError "InternalError" 500;
    /// An argument is out of its range.
    InvalidArgument "InvalidArgument" 400;
    /// SSE-C with another algorithm than AES256.
    InvalidEncryptionAlgorithm "InvalidEncryptionAlgorithmError" 400;
    /// The object is in an archive.
    InvalidObjectState "InvalidObjectState" 403;
    /// A part of a Complete is missing or has another ETag.
    InvalidPart "InvalidPart" 400;
    /// The object has no such part.
    InvalidPartNumber "InvalidPartNumber" 416;
    /// The parts of a Complete are not in ascending order.
    InvalidPartOrder "InvalidPartOrder" 400;
    /// No byte of the range exists.
    InvalidRange "InvalidRange" 416;
    /// The request contradicts itself or the object.
    InvalidRequest "InvalidRequest" 400;
    /// No such storage class.
    InvalidStorageClass "InvalidStorageClass" 400;
    /// A tag's key or value is not allowed.
    InvalidTag "InvalidTag" 400;
    /// The bucket's state does not allow this.
    InvalidBucketState "InvalidBucketState" 409;
    /// A key over 1,024 bytes.
    KeyTooLong "KeyTooLongError" 400;
    /// The XML does not parse.
    MalformedXml "MalformedXML" 400;
    /// User metadata over 2 KB.
    MetadataTooLarge "MetadataTooLarge" 400;
    /// The version is a delete marker.
    MethodNotAllowed "MethodNotAllowed" 405;
    /// No such annotation.
    NoSuchAnnotation "NoSuchAnnotation" 404;
    /// No such bucket.
    NoSuchBucket "NoSuchBucket" 404;
    /// No current object under the key.
    NoSuchKey "NoSuchKey" 404;
    /// The object has no retention or legal hold.
    NoSuchObjectLockConfiguration "NoSuchObjectLockConfiguration" 404;
    /// The bucket has no tags.
    NoSuchTagSet "NoSuchTagSet" 404;
    /// The upload is unknown, completed or aborted.
    NoSuchUpload "NoSuchUpload" 404;
    /// No such version.
    NoSuchVersion "NoSuchVersion" 404;
    /// The operation is not for this bucket.
    NotImplemented "NotImplemented" 501;
    /// A conditional read found what the caller has.
    NotModified "NotModified" 304;
    /// The bucket has no Object Lock.
    ObjectLockConfigurationNotFound "ObjectLockConfigurationNotFoundError" 404;
    /// The bucket has no ownership controls.
    OwnershipControlsNotFound "OwnershipControlsNotFoundError" 404;
    /// A condition does not hold.
    PreconditionFailed "PreconditionFailed" 412;
    /// A restore is already under way.
    RestoreAlreadyInProgress "RestoreAlreadyInProgress" 409;
    /// The payload is not UTF-8.
    UnsupportedMediaType "UnsupportedMediaType" 415;
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Error {
    /// The code.
    pub code: ErrorCode,
    /// The HTTP status.
    pub status: u16,
    /// For people.
    pub message: Cow<'static, str>,
    /// Set when a delete marker was met: `x-amz-delete-marker: true` and its
    /// version belong in the reply.
    pub delete_marker: Option<VersionId>,
    /// Further elements of the error's body, such as the condition that failed.
    pub details: Vec<(&'static str, String)>,
}

impl S3Error {
    /// An error with the status of its code.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status: code.status(),
            message: message.into(),
            delete_marker: None,
            details: Vec::new(),
        }
    }

    /// The same error with one more element in its body.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // For texts and numbers alike.
    pub fn with(mut self, name: &'static str, text: impl ToString) -> Self {
        self.details.push((name, text.to_string()));
        self
    }

    /// The text of an element of its body, such as `Condition` or `Key`.
    #[must_use]
    pub fn detail(&self, name: &str) -> Option<&str> {
        let found = self.details.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| text.as_str())
    }

    /// What a delete marker that was asked for is answered with.
    pub(super) fn of_marker(marker: VersionId) -> Self {
        Self::new(
            ErrorCode::MethodNotAllowed,
            "The specified method is not allowed against this resource.",
        )
        .with("ResourceType", "DeleteMarker")
        .at_marker(marker)
    }

    /// The same error, met at a delete marker.
    #[must_use]
    pub fn at_marker(mut self, marker: VersionId) -> Self {
        self.delete_marker = Some(marker);
        self
    }

    pub(super) fn no_such_key(key: &str) -> Self {
        Self::new(ErrorCode::NoSuchKey, "The specified key does not exist.").with("Key", key)
    }

    pub(super) fn no_such_upload(id: &str) -> Self {
        Self::new(
            ErrorCode::NoSuchUpload,
            "The specified upload does not exist. The upload ID may be invalid, or the upload may \
             have been aborted or completed.",
        )
        .with("UploadId", id)
    }

    /// `which` is the header whose condition does not hold.
    pub(super) fn precondition(which: impl fmt::Display) -> Self {
        Self::new(
            ErrorCode::PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold",
        )
        .with("Condition", which)
    }

    /// A header that this operation has not, or not with this value.
    pub(crate) fn not_implemented(header: &str) -> Self {
        Self::new(
            ErrorCode::NotImplemented,
            "A header you provided implies functionality that is not implemented",
        )
        .with("Header", header)
    }

    pub(crate) fn argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    /// A header or parameter with a value that it cannot have.
    pub(crate) fn argument_of(
        name: &str,
        value: &str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::argument(message)
            .with("ArgumentName", name)
            .with("ArgumentValue", value)
    }

    pub(crate) fn request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): {}",
            self.code.as_str(),
            self.status,
            self.message
        )
    }
}

impl std::error::Error for S3Error {}
