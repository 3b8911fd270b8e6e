//! From what the SDK returns to an [`ErrorClass`], for S3 and SQS alike.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::{ErrorClass, Fault};

/// The code of an answer that came, but not whole.
pub const UNREADABLE: &str = "UnreadableResponse";

/// A service that answers us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The object store.
    S3,
    /// The queue.
    Sqs,
}

impl Service {
    /// The code of an answer that this service did not give.
    #[must_use]
    pub fn foreign(self) -> &'static str {
        match self {
            Self::S3 => "NotFromS3",
            Self::Sqs => "NotFromSqs",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::S3 => "S3",
            Self::Sqs => "SQS",
        })
    }
}

/// An answer that does not look like the service's: a proxy, a load balancer or
/// a captive portal gave it. It says nothing of what it was asked about, neither
/// that something is there nor that it is not, and not whether the request was
/// carried out. So it is an outage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "something between us and {service} answered: {because}; look at the proxies and load \
     balancers on the way, and at the endpoint's URL"
)]
pub struct Foreign {
    /// Who should have answered.
    pub service: Service,
    /// What gave the answer away.
    pub because: String,
}

impl Foreign {
    /// An answer that S3 did not give.
    #[must_use]
    pub fn s3(because: impl Into<String>) -> Self {
        Self {
            service: Service::S3,
            because: because.into(),
        }
    }
}

/// The first error of this type in a chain of causes.
pub(crate) fn cause<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Classifies a failed request.
pub fn classify<E>(error: &SdkError<E, HttpResponse>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    let local = |class, code: &str| Fault {
        class,
        code: code.to_owned(),
        message: innermost(error),
        status,
    };
    if let Some(foreign) = cause::<Foreign>(error) {
        return local(ErrorClass::Transient, foreign.service.foreign());
    }
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or_default();
            Fault {
                class: class_of(status.unwrap_or(0), code),
                code: if code.is_empty() {
                    word_for(status)
                } else {
                    code.to_owned()
                },
                message: match service.err().message() {
                    Some(message) => message.to_owned(),
                    None => innermost(error),
                },
                status,
            }
        }
        SdkError::TimeoutError(_) => local(ErrorClass::Transient, "RequestTimedOut"),
        SdkError::DispatchFailure(failure) if failure.is_user() => {
            local(ErrorClass::Invalid, "RequestNotSent")
        }
        SdkError::DispatchFailure(_) if lacks_credentials(error) => {
            local(ErrorClass::Transient, "NoCredentials")
        }
        SdkError::DispatchFailure(_) => local(ErrorClass::Transient, "ConnectionFailed"),
        // The status line came, but not an answer that can be read. What the
        // service did is unknown.
        SdkError::ResponseError(_) => local(ErrorClass::Transient, UNREADABLE),
        _ if lacks_credentials(error) => local(ErrorClass::Transient, "NoCredentials"),
        _ => local(ErrorClass::Invalid, "RequestNotSent"),
    }
}

/// Credentials are resolved while a request is made, and their absence has no
/// kind of its own, only words. Their source may recover, and must not cost a
/// queue of tasks.
fn lacks_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    let text = DisplayErrorContext(error).to_string();
    text.contains("credentials") || text.contains("CredentialsNotLoaded")
}

/// The last error of the chain: the one that names the cause.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn word_for(status: Option<u16>) -> String {
    match status {
        Some(403) => "Forbidden".to_owned(),
        Some(404) => "NotFound".to_owned(),
        Some(412) => "PreconditionFailed".to_owned(),
        Some(503) => "ServiceUnavailable".to_owned(),
        _ => "Unknown".to_owned(),
    }
}

/// Codes go first: an error inside a 200 has no other sign, and one status
/// stands for several things. The status decides where a HEAD's answer has no
/// body.
#[must_use]
pub fn class_of(status: u16, code: &str) -> ErrorClass {
    match code {
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "RequestThrottled"
        | "OverLimit"
        | "KMS.ThrottlingException" => ErrorClass::Throttled,
        "InternalError"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "RequestTimeTooSkewed"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "IncompleteBody"
        | "ServerBusy" => ErrorClass::Transient,
        "NoSuchKey" | "NoSuchVersion" => ErrorClass::NotFound,
        "NoSuchBucket"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "QueueDoesNotExist"
        | "com.amazonaws.sqs#QueueDoesNotExist" => ErrorClass::ContainerMissing,
        "NoSuchUpload" => ErrorClass::UploadMissing,
        "PreconditionFailed" => ErrorClass::Precondition,
        "OperationAborted" | "ConditionalRequestConflict" => ErrorClass::Conflict,
        "AccessDenied"
        | "AccessDeniedException"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "NotSignedUp"
        | "InvalidToken"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "KMS.AccessDeniedException" => ErrorClass::Denied,
        "InvalidObjectState" => ErrorClass::Archived,
        "ReceiptHandleIsInvalid"
        | "MessageNotInflight"
        | "AWS.SimpleQueueService.MessageNotInflight" => ErrorClass::LeaseLost,
        "NotImplemented" | "MethodNotAllowed" => ErrorClass::Unsupported,
        _ => match status {
            403 | 401 => ErrorClass::Denied,
            404 => ErrorClass::NotFound,
            409 => ErrorClass::Conflict,
            412 => ErrorClass::Precondition,
            429 | 503 => ErrorClass::Throttled,
            405 | 501 => ErrorClass::Unsupported,
            // An error without a code inside a 2xx: nothing is known. A HEAD with an
            // expired token answers a bare 400.
            200..300 | 408 | 500.. => ErrorClass::Transient,
            400 if code.is_empty() => ErrorClass::Transient,
            _ => ErrorClass::Invalid,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_inside_a_200_is_judged_by_its_code() {
        assert_eq!(class_of(200, "SlowDown"), ErrorClass::Throttled);
        assert_eq!(class_of(200, "InternalError"), ErrorClass::Transient);
        assert_eq!(
            class_of(200, "ConditionalRequestConflict"),
            ErrorClass::Conflict
        );
        assert_eq!(class_of(200, ""), ErrorClass::Transient);
    }

    #[test]
    fn a_missing_bucket_or_queue_is_no_missing_object() {
        for code in ["NoSuchBucket", "AWS.SimpleQueueService.NonExistentQueue"] {
            assert_eq!(class_of(404, code), ErrorClass::ContainerMissing, "{code}");
        }
        assert_eq!(class_of(404, "NoSuchKey"), ErrorClass::NotFound);
    }

    #[test]
    fn a_head_without_a_body_is_judged_by_its_status() {
        assert_eq!(class_of(404, ""), ErrorClass::NotFound);
        assert_eq!(class_of(403, ""), ErrorClass::Denied);
        assert_eq!(class_of(412, ""), ErrorClass::Precondition);
        assert_eq!(class_of(500, ""), ErrorClass::Transient);
    }

    #[test]
    fn what_cannot_work_later_is_not_retried() {
        for (status, code) in [
            (400, "InvalidRequest"),
            (400, "EntityTooLarge"),
            (403, "AccessDenied"),
            (403, "InvalidObjectState"),
            (404, "NoSuchBucket"),
        ] {
            assert!(!class_of(status, code).is_retryable(), "{code}");
        }
    }
}
