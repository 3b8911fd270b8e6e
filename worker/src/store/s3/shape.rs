//! What each of S3's answers has, and no page of a proxy, load balancer or
//! captive portal. Pure: status, headers and body in, a verdict out.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::document::is_rooted_in;
use super::signs::has_request_id;
use crate::store::classify::Foreign;

/// Requests whose success is all in its headers.
pub(super) const HEADERS_ONLY: [&str; 6] = [
    "AbortMultipartUpload",
    "DeleteObject",
    "HeadBucket",
    "HeadObject",
    "PutObject",
    "PutObjectAnnotation",
];

/// Answers with an object's own headers.
pub(super) const OBJECTS: [&str; 2] = ["GetObject", "HeadObject"];

/// Answers to HEAD, which have no body, not even as errors (facts 8.5).
const HEADS: [&str; 2] = ["HeadBucket", "HeadObject"];

/// Requests whose success says that something is gone. S3 answers 204; some
/// stores 200, with nothing in it.
const REMOVALS: [&str; 2] = ["AbortMultipartUpload", "DeleteObject"];

/// Statuses by which others than S3 send a client elsewhere or ask who it is:
/// S3 redirects with 301 and 307, and never asks for a proxy's password (S3
/// API reference, "List of error codes").
const NOT_S3S: [u16; 5] = [302, 303, 308, 407, 511];

/// The headers that every success of an operation has.
fn required(operation: &str) -> &'static [&'static str] {
    match operation {
        "HeadObject" => &["etag", "last-modified", "content-length"],
        "GetObject" => &["etag", "last-modified"],
        "PutObject" => &["etag"],
        _ => &[],
    }
}

/// Judges an answer by its status and headers.
///
/// # Errors
/// [`Foreign`] when S3 cannot have given it.
pub(super) fn check_head(operation: &str, response: &HttpResponse) -> Result<(), Foreign> {
    let (status, headers) = (response.status(), response.headers());
    let code = status.as_u16();
    if NOT_S3S.contains(&code) {
        return Err(Foreign::s3(format!("S3 never answers HTTP {code}")));
    }
    // An object may be a web page; nothing else that S3 sends is one. Stores
    // that call an answer without a body one (moto) give it a request id.
    let object = status.is_success() && OBJECTS.contains(&operation);
    let page = headers.get("content-type").is_some_and(is_web_page);
    if page && !object && !has_request_id(headers) {
        return Err(Foreign::s3("the answer is a web page"));
    }
    if !status.is_success() {
        return Ok(());
    }
    let mut required = required(operation).iter();
    if let Some(name) = required.find(|name| headers.get(**name).is_none_or(str::is_empty)) {
        return Err(Foreign::s3(format!("the success has no {name}")));
    }
    let empty = headers
        .get("content-length")
        .is_none_or(|length| length == "0");
    if REMOVALS.contains(&operation) && (!matches!(code, 200 | 204) || !empty) {
        return Err(Foreign::s3("no success of a delete looks like this one"));
    }
    Ok(())
}

/// Judges an answer by its body, once that is here.
///
/// # Errors
/// [`Foreign`] when S3 cannot have given it.
pub(super) fn check_body(
    operation: &str,
    response: &HttpResponse,
    body: &[u8],
) -> Result<(), Foreign> {
    if response.status().is_success() {
        return if REMOVALS.contains(&operation) && !body.is_empty() {
            Err(Foreign::s3("the success of a delete has a body"))
        } else {
            Ok(())
        };
    }
    if HEADS.contains(&operation) {
        return Ok(());
    }
    match body.trim_ascii() {
        // Only its headers can show where it is from.
        [] if has_request_id(response.headers()) => Ok(()),
        [] => Err(Foreign::s3("the error has neither a code nor a request id")),
        body if is_rooted_in(body, "Error") && contains(body, b"<Code>") => Ok(()),
        _ => Err(Foreign::s3("the error is not written as S3 writes it")),
    }
}

/// Whether an answer that passed the checks can be nobody's but the endpoint's:
/// an object, a document, an error with its code.
pub(super) fn is_telling(operation: &str, response: &HttpResponse) -> bool {
    if response.status().is_success() {
        !REMOVALS.contains(&operation) && operation != "HeadBucket"
    } else {
        !HEADS.contains(&operation) && response.body().bytes().is_some_and(|body| !body.is_empty())
    }
}

fn is_web_page(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    let kind = kind.trim();
    kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml")
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    const OBJECT: [(&str, &str); 3] = [
        ("etag", "\"1\""),
        ("last-modified", "Sun, 29 Nov 2026 21:15:00 GMT"),
        ("content-length", "1"),
    ];
    const PAGE: (&str, &str) = ("content-type", "text/html; charset=utf-8");
    const ID: (&str, &str) = ("x-amz-request-id", "1");
    const ERROR: &[u8] = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>";

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> HttpResponse {
        let status = status.try_into().unwrap();
        let mut response = HttpResponse::new(status, SdkBody::empty());
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        response
    }

    #[test]
    fn what_s3_and_its_kin_send_is_theirs() {
        for (operation, response) in [
            ("HeadObject", answer(200, &OBJECT)),
            ("HeadObject", answer(200, &[&OBJECT[..], &[PAGE]].concat())),
            ("GetObject", answer(200, &[&OBJECT[..], &[PAGE]].concat())),
            ("HeadObject", answer(404, &[])),
            ("PutObject", answer(200, &OBJECT[..1])),
            ("DeleteObject", answer(204, &[])),
            ("DeleteObject", answer(200, &[("content-length", "0")])),
            // moto calls what has no body a page.
            (
                "DeleteObject",
                answer(204, &[PAGE, ("x-amzn-requestid", "1")]),
            ),
            (
                "HeadObject",
                answer(404, &[PAGE, ("x-amzn-requestid", "1")]),
            ),
            (
                "CopyObject",
                answer(301, &[("content-type", "application/xml")]),
            ),
            ("CopyObject", answer(307, &[])),
        ] {
            let checked = check_head(operation, &response);
            assert!(checked.is_ok(), "{operation} {response:?}: {checked:?}");
        }
    }

    #[test]
    fn what_lies_between_sends_other_things() {
        let mut missing: Vec<(&str, HttpResponse)> = Vec::new();
        for left_out in 0..OBJECT.len() {
            let mut headers = OBJECT.to_vec();
            headers.remove(left_out);
            missing.push(("HeadObject", answer(200, &headers)));
        }
        let others = [
            ("HeadObject", answer(200, &[PAGE])),
            ("HeadObject", answer(404, &[PAGE])),
            ("HeadObject", answer(302, &[])),
            ("GetObject", answer(200, &[PAGE])),
            ("PutObject", answer(200, &[])),
            ("PutObject", answer(407, &OBJECT[..1])),
            ("DeleteObject", answer(204, &[PAGE])),
            ("DeleteObject", answer(202, &[])),
            ("DeleteObject", answer(200, &[("content-length", "7")])),
            ("CopyObject", answer(200, &[PAGE])),
            ("CopyObject", answer(412, &[PAGE, ("x-request-id", "1")])),
            ("ListObjectsV2", answer(511, &[])),
        ];
        for (operation, response) in missing.into_iter().chain(others) {
            let checked = check_head(operation, &response);
            assert!(checked.is_err(), "{operation} {response:?}");
        }
    }

    #[test]
    fn an_error_has_its_code_or_a_request_id() {
        let (error, signed) = (answer(404, &[]), answer(404, &[ID]));
        assert!(check_body("DeleteObject", &error, ERROR).is_ok());
        assert!(check_body("HeadObject", &error, b"").is_ok());
        assert!(check_body("DeleteObject", &signed, b"").is_ok());
        assert!(check_body("DeleteObject", &error, b"").is_err());
        for body in [
            &b"<html><body>Not found</body></html>"[..],
            b"<Error>no code</Error>",
            b"not found",
            &ERROR[..ERROR.len() - 4],
        ] {
            for response in [&error, &signed] {
                let checked = check_body("CopyObject", response, body);
                assert!(checked.is_err(), "{:?}", str::from_utf8(body));
            }
        }
    }

    #[test]
    fn the_success_of_a_delete_has_nothing_in_it() {
        assert!(check_body("DeleteObject", &answer(200, &[ID]), b"").is_ok());
        assert!(check_body("DeleteObject", &answer(200, &[ID]), b"gone").is_err());
        assert!(check_body("CopyObject", &answer(200, &[ID]), b"<a/>").is_ok());
    }

    #[test]
    fn only_what_can_be_nobody_elses_is_learned_from() {
        assert!(is_telling("HeadObject", &answer(200, &OBJECT)));
        assert!(!is_telling("HeadObject", &answer(404, &[])));
        assert!(!is_telling("DeleteObject", &answer(204, &[])));
        assert!(!is_telling("DeleteObject", &answer(404, &[])));
    }
}
