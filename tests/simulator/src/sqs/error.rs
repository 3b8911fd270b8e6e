//! The errors of SQS, with their names in both protocols.

use std::fmt;

/// What went wrong, as SQS names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // The names are the API's own.
pub enum Code {
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidBatchEntryId,
    InvalidMessageContents,
    InvalidParameterValue,
    MessageNotInflight,
    MissingParameter,
    OverLimit,
    PurgeQueueInProgress,
    QueueDeletedRecently,
    QueueDoesNotExist,
    QueueNameExists,
    ReceiptHandleIsInvalid,
    ResourceNotFound,
    TooManyEntriesInBatchRequest,
    UnsupportedOperation,
}

impl Code {
    /// The `__type` of a JSON error.
    #[must_use]
    pub fn json_type(self) -> String {
        let coral = |name: &str| format!("com.amazon.coral.service#{name}");
        match self {
            Self::InvalidParameterValue => coral("InvalidParameterValueException"),
            Self::MissingParameter => coral("MissingRequiredParameterException"),
            Self::ResourceNotFound => "com.amazonaws.sqs#ResourceNotFoundException".to_owned(),
            modelled => format!("com.amazonaws.sqs#{modelled:?}"),
        }
    }

    /// The code of the older query protocol: what the `x-amzn-query-error`
    /// header carries, and what SDKs show.
    #[must_use]
    pub fn query_code(self) -> String {
        match self {
            Self::BatchEntryIdsNotDistinct
            | Self::BatchRequestTooLong
            | Self::EmptyBatchRequest
            | Self::InvalidBatchEntryId
            | Self::MessageNotInflight
            | Self::PurgeQueueInProgress
            | Self::QueueDeletedRecently
            | Self::TooManyEntriesInBatchRequest
            | Self::UnsupportedOperation => format!("AWS.SimpleQueueService.{self:?}"),
            Self::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
            Self::QueueNameExists => "QueueAlreadyExists".to_owned(),
            Self::ResourceNotFound => "ResourceNotFoundException".to_owned(),
            same => format!("{same:?}"),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::OverLimit | Self::PurgeQueueInProgress => 403,
            Self::ResourceNotFound => 404,
            _ => 400,
        }
    }
}

/// A refused operation. Nothing was changed by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqsError {
    /// What went wrong.
    pub code: Code,
    /// The same in a sentence.
    pub message: String,
}

impl SqsError {
    /// An error with its sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.code.status()
    }

    pub(super) fn parameter(name: &str, value: impl fmt::Display, reason: &str) -> Self {
        Self::new(
            Code::InvalidParameterValue,
            format!("Value {value} for parameter {name} is invalid. Reason: {reason}"),
        )
    }

    pub(super) fn missing(name: &str) -> Self {
        Self::new(
            Code::MissingParameter,
            format!("The request must contain the parameter {name}."),
        )
    }
}

impl fmt::Display for SqsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)
    }
}

impl std::error::Error for SqsError {}
