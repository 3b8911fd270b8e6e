//! Answers that no model gave: errors of either service.

use hyper::http::HeaderValue;
use hyper::{Response, StatusCode};

use super::body::{Reply, whole};
use super::identity::RequestId;
use super::operation::Service;
use super::sqs::Refusal;

/// An error as the service would word it.
pub(super) fn error(service: Service, status: u16, code: &str, id: RequestId) -> Response<Reply> {
    match service {
        Service::S3 => xml(status, &s3_error(code, id)),
        Service::Sqs => Refusal::made_up(status, code).into_response(),
    }
}

/// `200 OK` with an error in its body.
pub(super) fn embedded_error(service: Service, code: &str, id: RequestId) -> Response<Reply> {
    match service {
        Service::S3 => xml(200, &s3_error(code, id)),
        Service::Sqs => {
            let mut response = Refusal::made_up(200, code).into_response();
            response.headers_mut().remove("x-amzn-query-error");
            response
        }
    }
}

/// An answer that the service did not give: nothing in it says that it did.
pub(super) fn proxy(status: u16, content_type: &str, body: String) -> Response<Reply> {
    let mut response = Response::new(whole(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    if let Ok(kind) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert("content-type", kind);
    }
    response
}

fn s3_error(code: &str, id: RequestId) -> String {
    // The wording of the code is enough: clients go by it.
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>Made up by a fault rule: {code}.</Message>\
         <RequestId>{}</RequestId><HostId>{}</HostId></Error>",
        id.s3(),
        id.host()
    )
}

fn xml(status: u16, body: &str) -> Response<Reply> {
    let mut response = Response::new(whole(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/xml"));
    response
}
