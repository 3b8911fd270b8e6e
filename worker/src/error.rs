//! Errors of the two services, each with the class that decides what happens
//! next. The class is set once, where the response is read; nothing downstream
//! looks at codes or texts.

use std::fmt;

use crate::store::told::Told;

/// What an error means for the rename, whichever request it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The service asks for fewer requests.
    Throttled,
    /// May go away by itself: an outage, a timeout, a lost connection. The
    /// request may have been carried out all the same.
    Transient,
    /// No such object or version.
    NotFound,
    /// No such bucket or queue.
    ContainerMissing,
    /// No such multipart upload: aborted, completed, or never there.
    UploadMissing,
    /// A condition of the request did not hold (412).
    Precondition,
    /// Another operation interferes (409); the same request may work later.
    Conflict,
    /// The credentials do not permit this.
    Denied,
    /// The object is under a key that only the customer has (SSE-C).
    CustomerKey,
    /// The object must be restored from its archive first.
    Archived,
    /// A message's lease is gone: its receipt handle is no longer valid.
    LeaseLost,
    /// The endpoint does not know this operation.
    Unsupported,
    /// Refused for good: the request itself is wrong.
    Invalid,
}

impl ErrorClass {
    /// True when the same request may succeed later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Transient | Self::Conflict)
    }

    /// The label in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::NotFound => "not_found",
            Self::ContainerMissing => "container_missing",
            Self::UploadMissing => "upload_missing",
            Self::Precondition => "precondition",
            Self::Conflict => "conflict",
            Self::Denied => "denied",
            Self::CustomerKey => "customer_key",
            Self::Archived => "archived",
            Self::LeaseLost => "lease_lost",
            Self::Unsupported => "unsupported",
            Self::Invalid => "invalid",
        }
    }
}

/// A request that a service did not carry out, or may not have.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} on {target}: {fault}")]
pub struct ServiceError {
    /// The API operation, such as `CopyObject`.
    pub operation: &'static str,
    /// The object, bucket or queue.
    pub target: String,
    /// What went wrong.
    pub fault: Fault,
}

/// What went wrong with a request, without saying with which.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What it means.
    pub class: ErrorClass,
    /// The service's error code, or a word for what happened to the request.
    pub code: String,
    /// The service's words.
    pub message: String,
    /// The HTTP status, when there was a response.
    pub status: Option<u16>,
    /// What the answer tells beside.
    pub told: Told,
}

impl Fault {
    /// What went wrong, as far as this side knows.
    #[must_use]
    pub fn new(class: ErrorClass, code: &str, message: impl Into<String>) -> Self {
        Self {
            class,
            code: code.to_owned(),
            message: message.into(),
            status: None,
            told: Told::default(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if let Some(status) = self.status {
            write!(f, " (HTTP {status})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl ServiceError {
    /// An error that this side found in a response, such as a 200 without an
    /// entity tag.
    #[must_use]
    pub fn local(
        operation: &'static str,
        target: impl fmt::Display,
        class: ErrorClass,
        code: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            operation,
            target: target.to_string(),
            fault: Fault::new(class, code, message),
        }
    }

    /// What the error means.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.fault.class
    }
}
