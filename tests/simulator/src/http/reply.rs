//! Answers that no model gave: errors of either service.

use hyper::http::HeaderValue;
use hyper::{Response, StatusCode};

use super::body::{Reply, whole};
use super::operation::Service;
use super::sqs::Refusal;

/// An error as the service would word it.
pub(super) fn error(service: Service, status: u16, code: &str) -> Response<Reply> {
    match service {
        Service::S3 => xml(status, &s3_error(code)),
        Service::Sqs => Refusal::made_up(status, code).into_response(),
    }
}

/// `200 OK` with an error in its body.
pub(super) fn embedded_error(service: Service, code: &str) -> Response<Reply> {
    match service {
        Service::S3 => xml(200, &s3_error(code)),
        Service::Sqs => {
            let mut response = Refusal::made_up(200, code).into_response();
            response.headers_mut().remove("x-amzn-query-error");
            response
        }
    }
}

fn s3_error(code: &str) -> String {
    // The wording of the code is enough: clients go by it.
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>Made up by a fault rule: {code}.</Message>\
         <RequestId>FAULT</RequestId><HostId>simulator</HostId></Error>"
    )
}

fn xml(status: u16, body: &str) -> Response<Reply> {
    let mut response = Response::new(whole(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/xml"));
    headers.insert("x-amz-request-id", HeaderValue::from_static("FAULT"));
    response
}
