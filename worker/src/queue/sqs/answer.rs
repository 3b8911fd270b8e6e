//! Answers that SQS did not give.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::config_bag::ConfigBag;

use crate::store::classify::{Foreign, Service};

/// Looks at every answer of SQS. It has a request id or is JSON (AWS JSON 1.0
/// protocol, which the SDK speaks); the page of a proxy is neither.
#[derive(Debug)]
pub(crate) struct SqsAnswerCheck;

impl Intercept for SqsAnswerCheck {
    fn name(&self) -> &'static str {
        "SqsAnswerCheck"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        Ok(check_head(context.response().headers())?)
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        Ok(check_body(response.headers(), response.body().bytes())?)
    }
}

fn check_head(headers: &Headers) -> Result<(), Foreign> {
    if has_request_id(headers) || is_json(headers) {
        return Ok(());
    }
    Err(foreign(
        "the answer has no x-amzn-requestid and is not JSON",
    ))
}

/// The SDK takes no document for one that says nothing: a queue without
/// messages, without a redrive policy.
fn check_body(headers: &Headers, body: Option<&[u8]>) -> Result<(), Foreign> {
    if has_request_id(headers) || body.is_some_and(|body| !body.is_empty()) {
        return Ok(());
    }
    Err(foreign(
        "the answer has neither x-amzn-requestid nor a document",
    ))
}

fn foreign(because: &str) -> Foreign {
    Foreign {
        service: Service::Sqs,
        because: because.to_owned(),
    }
}

fn has_request_id(headers: &Headers) -> bool {
    let id = headers.get("x-amzn-requestid");
    id.is_some_and(|id| !id.is_empty())
}

fn is_json(headers: &Headers) -> bool {
    let kind = headers.get("content-type").unwrap_or_default();
    kind.to_ascii_lowercase().contains("json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in pairs {
            headers.insert(*name, *value);
        }
        headers
    }

    #[test]
    fn an_answer_of_sqs_has_a_request_id_or_is_json() {
        let json = headers(&[("content-type", "application/x-amz-json-1.0")]);
        let signed = headers(&[("x-amzn-requestid", "1"), ("content-type", "text/xml")]);
        let page = headers(&[("content-type", "text/html"), ("x-request-id", "1")]);
        assert!(check_head(&json).is_ok() && check_head(&signed).is_ok());
        assert!(check_head(&page).is_err() && check_head(&headers(&[])).is_err());
        assert!(check_body(&json, Some(b"{}")).is_ok() && check_body(&signed, Some(b"")).is_ok());
        assert!(check_body(&json, Some(b"")).is_err() && check_body(&json, None).is_err());
    }
}
