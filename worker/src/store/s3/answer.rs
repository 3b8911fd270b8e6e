//! Answers that the SDK would take for something else: a document without its
//! end for a short one, a header that is no text for a reason to panic.

use std::error::Error;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use crate::error::{ErrorClass, Fault};

/// Requests whose answer is all in its headers.
const HEADERS_ONLY: [&str; 5] = [
    "AbortMultipartUpload",
    "DeleteObject",
    "HeadObject",
    "PutObject",
    "PutObjectAnnotation",
];

/// Requests whose answer lists what an object or a bucket has: what is missing
/// there would be missing at the destination. None of them answers nothing
/// when there is nothing (S3 sends an empty set, or a 404).
const PROPERTIES: [&str; 6] = [
    "GetObjectAcl",
    "GetObjectLegalHold",
    "GetObjectLockConfiguration",
    "GetObjectRetention",
    "GetObjectTagging",
    "ListObjectAnnotations",
];

/// Answers with an object's own headers.
const OBJECTS: [&str; 2] = ["GetObject", "HeadObject"];

/// The document of a success is not there as a whole. What the service did is
/// unknown.
#[derive(Debug, thiserror::Error)]
#[error("the answer's document is incomplete")]
struct Incomplete;

/// A header of an object holds bytes that are no text. No request could send
/// it again.
#[derive(Debug, thiserror::Error)]
#[error(
    "the object's {0} header is no text, which cannot be carried over; replace the header, then \
     try again"
)]
struct NoText(String);

/// Looks at every answer: at its headers before the SDK reads them, at its
/// document after it was received whole.
#[derive(Debug)]
pub(super) struct AnswerCheck;

impl Intercept for AnswerCheck {
    fn name(&self) -> &'static str {
        "AnswerCheck"
    }

    /// Before any hook that may change the answer: the SDK's own for `Expires`
    /// panics at such a header, and runs in spite of an error of its like.
    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !OBJECTS.contains(&operation(config)) {
            return Ok(());
        }
        let mut headers = context.response().headers().iter_bytes();
        match headers.find(|(name, value)| is_property(name) && str::from_utf8(value).is_err()) {
            Some((name, _)) => Err(NoText(name.to_owned()).into()),
            None => Ok(()),
        }
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (operation, response) = (operation(config), context.response());
        if !response.status().is_success() || HEADERS_ONLY.contains(&operation) {
            return Ok(());
        }
        // An object's content is not read yet.
        let Some(body) = response.body().bytes() else {
            return Ok(());
        };
        // Without a document a copy has no ETag, an upload no id.
        if body.is_empty() && !PROPERTIES.contains(&operation) {
            return Ok(());
        }
        if !is_complete(body) {
            return Err(Incomplete.into());
        }
        Ok(())
    }
}

fn operation(config: &ConfigBag) -> &str {
    config.load::<Metadata>().map_or("", Metadata::name)
}

/// What the object is judged for, if [`AnswerCheck`] refused its answer. A
/// header of a failure is not the object's.
pub(super) fn refused(
    error: &(dyn Error + 'static),
    response: Option<&HttpResponse>,
) -> Option<Fault> {
    let status = response.map(HttpResponse::status)?;
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(no_text) = error.downcast_ref::<NoText>() {
            return status.is_success().then(|| Fault {
                class: ErrorClass::Invalid,
                code: "HeaderNotText".to_owned(),
                message: no_text.to_string(),
                status: Some(status.as_u16()),
            });
        }
        cause = error.source();
    }
    None
}

fn is_property(header: &str) -> bool {
    matches!(header, "cache-control" | "expires")
        || header.starts_with("content-")
        || header.starts_with("x-amz-")
}

/// True for a document that ends with the end of its root element. The SDK's
/// decoder takes every document as ended where its bytes end, and a body that
/// ends with its connection shows no other sign.
fn is_complete(body: &[u8]) -> bool {
    let Some(root) = str::from_utf8(body).ok().and_then(root_element) else {
        return false;
    };
    let Some((tag, rest)) = root.split_once('>') else {
        return false;
    };
    let name = tag.trim_start_matches('<');
    let name = name.split(|c: char| c.is_whitespace() || c == '/').next();
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return false;
    };
    if tag.ends_with('/') {
        return rest.is_empty();
    }
    let end = rest.strip_suffix('>').map(str::trim_end);
    let end = end.and_then(|end| end.strip_suffix(name));
    end.is_some_and(|end| end.ends_with("</"))
}

/// A document from its root element on. S3 sends white space before it, to
/// keep a connection alive while it copies.
fn root_element(document: &str) -> Option<&str> {
    let mut rest = document.trim_start_matches('\u{feff}').trim();
    loop {
        let end = match rest {
            _ if rest.starts_with("<?") => "?>",
            _ if rest.starts_with("<!--") => "-->",
            _ if rest.starts_with("<!") => ">",
            _ => return rest.starts_with('<').then_some(rest),
        };
        rest = rest.split_once(end)?.1.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_complete_with_the_end_of_its_root() {
        for whole in [
            "<Tagging/>",
            "<Tagging />",
            "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>\n",
            "<Tagging><TagSet/></Tagging>",
            "<t:Tagging xmlns:t='x'><t:TagSet></t:TagSet></t:Tagging >\n",
            "\u{feff}<?xml version=\"1.0\"?>\n<!-- > --><!DOCTYPE Tagging>\n \n<Tagging></Tagging>",
        ] {
            assert!(is_complete(whole.as_bytes()), "{whole}");
        }
    }

    #[test]
    fn no_part_of_a_document_is_complete() {
        let whole = "<?xml version=\"1.0\"?>\n <!-- <a/> --> <Tagging xmlns=\"x\"><TagSet><Tag><Key>\
                     </Tagging </Key><Value>/></Value></Tag><Tag/><XTagging></XTagging></TagSet>\
                     </Tagging>";
        assert!(is_complete(whole.as_bytes()));
        for end in 0..whole.len() {
            assert!(!is_complete(&whole.as_bytes()[..end]), "{}", &whole[..end]);
        }
        for other in [
            "{}", "ok", "</>", "<>", "<></>", "< />", "<a/><b/>", "<a/>b",
        ] {
            assert!(!is_complete(other.as_bytes()), "{other}");
        }
    }
}
