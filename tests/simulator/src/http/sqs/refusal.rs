//! Errors as the JSON protocol carries them.

use hyper::Response;
use hyper::http::HeaderValue;
use serde_json::json;

use super::json_response;
use crate::http::body::Reply;
use crate::sqs::{Code, SqsError};

/// An error to answer with.
#[derive(Debug, Clone)]
pub(in crate::http) struct Refusal {
    status: u16,
    kind: String,
    query_code: String,
    message: String,
}

impl From<SqsError> for Refusal {
    fn from(error: SqsError) -> Self {
        Self {
            status: error.status(),
            kind: error.code.json_type(),
            query_code: error.code.query_code(),
            message: error.message,
        }
    }
}

impl Refusal {
    fn new(status: u16, kind: &str, query_code: &str, message: &str) -> Self {
        Self {
            status,
            kind: kind.to_owned(),
            query_code: query_code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// An error that a fault rule asks for.
    pub(in crate::http) fn made_up(status: u16, code: &str) -> Self {
        let kind = format!("com.amazonaws.sqs#{code}");
        let message = format!("Made up by a fault rule: {code}.");
        Self::new(status, &kind, code, &message)
    }

    pub(super) fn missing(name: &str) -> Self {
        SqsError::new(
            Code::MissingParameter,
            format!("The request must contain the parameter {name}."),
        )
        .into()
    }

    pub(super) fn bad_address(url: &str) -> Self {
        let message = format!("The address {url} is not valid for this endpoint.");
        Self::new(
            404,
            "com.amazonaws.sqs#InvalidAddress",
            "InvalidAddress",
            &message,
        )
    }

    pub(super) fn malformed(error: &serde_json::Error) -> Self {
        Self::new(
            400,
            "com.amazon.coral.service#SerializationException",
            "SerializationException",
            &error.to_string(),
        )
    }

    pub(super) fn not_json() -> Self {
        Self::new(
            400,
            "com.amazon.coral.service#UnknownOperationException",
            "UnknownOperationException",
            "Only the AWS JSON protocol is simulated (a header x-amz-target: AmazonSQS.Operation), \
             not the older query protocol.",
        )
    }

    pub(super) fn unauthenticated() -> Self {
        Self::new(
            403,
            "com.amazon.coral.service#MissingAuthenticationTokenException",
            "MissingAuthenticationToken",
            "Request is missing Authentication Token",
        )
    }

    pub(super) fn unknown_key() -> Self {
        Self::new(
            403,
            "com.amazon.coral.service#UnrecognizedClientException",
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        )
    }

    pub(in crate::http) fn into_response(self) -> Response<Reply> {
        let body = json!({ "__type": self.kind, "message": self.message });
        let mut response = json_response(self.status, &body);
        let whose = if self.status < 500 {
            "Sender"
        } else {
            "Receiver"
        };
        let header = HeaderValue::from_str(&format!("{};{whose}", self.query_code));
        if let Ok(header) = header {
            response.headers_mut().insert("x-amzn-query-error", header);
        }
        response
    }
}
