//! From what the SDK returns to an [`ErrorClass`], for S3 and SQS alike.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::told::Told;
use crate::clients::{Moved, causes};
use crate::error::{ErrorClass, Fault};

/// The code of an answer that came, but not whole.
pub const UNREADABLE: &str = "UnreadableResponse";

/// The code of an answer that names another region, where the next request
/// goes.
pub(crate) const OTHER_REGION: &str = "OtherRegion";

/// Codes by which a service refuses the credentials themselves, whatever was
/// asked (S3 API reference, "List of error codes"; SQS API reference, "Common
/// errors"). It says nothing about an object, and other credentials may come: an
/// outage.
pub(crate) const CREDENTIALS_REFUSED: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

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
    let response = error.raw_response();
    let status = response.map(|response| response.status().as_u16());
    let local = |class, code: &str, message: String| Fault {
        status,
        ..Fault::new(class, code, message)
    };
    if let Some(foreign) = cause::<Foreign>(error) {
        let code = foreign.service.foreign();
        return local(ErrorClass::Transient, code, foreign.to_string());
    }
    if let Some(moved) = cause::<Moved>(error) {
        return local(ErrorClass::Transient, OTHER_REGION, moved.to_string());
    }
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or_default();
            let code = if code.is_empty() {
                word_for(status)
            } else {
                code
            };
            let said = service.err().message().unwrap_or_default();
            let said = said.trim_end_matches(['.', ' ']);
            let message = match remedy(code) {
                Some(remedy) if said.is_empty() => remedy.to_owned(),
                Some(remedy) => format!("{said}; {remedy}"),
                None if said.is_empty() => plain_words(innermost(error)),
                None => said.to_owned(),
            };
            let class = match said {
                said if said.contains(CUSTOMER_KEY) => ErrorClass::CustomerKey,
                _ => class_of(
                    status.unwrap_or(0),
                    service.err().code().unwrap_or_default(),
                ),
            };
            Fault {
                told: response.map(Told::in_answer).unwrap_or_default(),
                ..local(class, code, message)
            }
        }
        SdkError::TimeoutError(_) => {
            local(ErrorClass::Transient, "RequestTimedOut", innermost(error))
        }
        // Their source may recover, and must not cost a queue of tasks.
        error if cause::<CredentialsError>(error).is_some() => {
            let why = cause::<CredentialsError>(error).map(|error| causes(error));
            let message = format!(
                "{}; set AWS_PROFILE, or another source of credentials that the AWS CLI knows",
                why.unwrap_or_default()
            );
            local(ErrorClass::Transient, "NoCredentials", message)
        }
        SdkError::DispatchFailure(failure) if failure.is_user() => {
            local(ErrorClass::Invalid, "RequestNotSent", innermost(error))
        }
        SdkError::DispatchFailure(_) => {
            local(ErrorClass::Transient, "ConnectionFailed", innermost(error))
        }
        // The status line came, but not an answer that can be read. What the
        // service did is unknown.
        SdkError::ResponseError(_) => local(ErrorClass::Transient, UNREADABLE, innermost(error)),
        _ => local(ErrorClass::Invalid, "RequestNotSent", innermost(error)),
    }
}

/// In S3's words about an object under SSE-C, which says so with no code of its
/// own (S3 API reference, `HeadObject`).
const CUSTOMER_KEY: &str = "stored using a form of Server Side Encryption";

/// The last error of the chain: the one that names the cause.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Nothing, if it is Rust's own way to print a value: nobody can use that.
fn plain_words(text: String) -> String {
    if text.contains(" { ") {
        String::new()
    } else {
        text
    }
}

/// A word for an answer without a code.
fn word_for(status: Option<u16>) -> &'static str {
    match status {
        Some(301) => "PermanentRedirect",
        Some(307) => "TemporaryRedirect",
        Some(400) => "BadRequest",
        Some(403) => "Forbidden",
        Some(404) => "NotFound",
        Some(412) => "PreconditionFailed",
        Some(503) => "ServiceUnavailable",
        _ => "Unknown",
    }
}

/// What the operator can do about an error, where its code alone tells.
fn remedy(code: &str) -> Option<&'static str> {
    Some(match code {
        "RequestTimeTooSkewed" => {
            "the clocks of this machine and of the service are more than 15 minutes apart: set this \
             machine's"
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => {
            "the credentials have expired: renew them where they come from, and they are read again"
        }
        "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidToken"
        | "UnrecognizedClientException" => {
            "the service does not know these credentials: give others where they come from, and they \
             are read again"
        }
        "SignatureDoesNotMatch" => {
            "the secret key is not the one of this access key, or something on the way changes requests"
        }
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => {
            "set AWS_REGION to the region that the bucket is in"
        }
        "TemporaryRedirect" => "a bucket that is new or was moved; it is asked again later",
        "BadRequest" => {
            "the answer says no more; look at the key, the endpoint and the credentials"
        }
        "Forbidden" => {
            "the answer says no more; look at the permissions, and at this machine's clock"
        }
        "NoSuchBucket" => "look at the bucket's name, and at whether this is the right endpoint",
        "KMS.DisabledException" => "enable the key, or give up the object",
        _ => return None,
    })
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
        code if CREDENTIALS_REFUSED.contains(&code) => ErrorClass::Transient,
        "InternalError"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "RequestTimeTooSkewed"
        | "TemporaryRedirect"
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
        | "SignatureDoesNotMatch"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "NotSignedUp"
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
            200..300 | 307 | 408 | 500.. => ErrorClass::Transient,
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
