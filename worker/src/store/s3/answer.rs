//! Answers that the SDK would take for something else: one that S3 did not
//! give for one of its own, a document without its end for a short one, a
//! header that is no text for a reason to panic.

use std::error::Error;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::document::is_complete;
use super::shape::{self, HEADERS_ONLY, OBJECTS};
use super::signs::Signs;
use crate::error::{ErrorClass, Fault};
use crate::store::classify::cause;

/// Requests whose answer lists what an object or a bucket has, or which buckets
/// there are: what is missing there would be missing at the destination, or from
/// what is known of the bucket. None of them answers nothing when there is nothing (S3 sends an
/// empty set, or a 404).
const LISTS: [&str; 10] = [
    "GetBucketVersioning",
    "GetObjectAcl",
    "GetObjectLegalHold",
    "GetObjectLockConfiguration",
    "GetObjectRetention",
    "GetObjectTagging",
    "ListBuckets",
    "ListObjectAnnotations",
    "ListObjectVersions",
    "ListObjectsV2",
];

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
pub(crate) struct AnswerCheck {
    signs: Signs,
}

impl AnswerCheck {
    /// A check for an endpoint whose answers carry these signs.
    pub(crate) fn new(signs: Signs) -> Self {
        Self { signs }
    }
}

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
        let (operation, response) = (operation(config), context.response());
        self.signs.check(response.headers())?;
        shape::check_head(operation, response)?;
        if !OBJECTS.contains(&operation) {
            return Ok(());
        }
        let mut headers = response.headers().iter_bytes();
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
        // An object's content is not read yet.
        if let Some(body) = response.body().bytes() {
            shape::check_body(operation, response, body)?;
            let documents = response.status().is_success() && !HEADERS_ONLY.contains(&operation);
            // Without a document a copy has no ETag, an upload no id.
            let needed = !body.is_empty() || LISTS.contains(&operation);
            if documents && needed && !is_complete(body) {
                return Err(Incomplete.into());
            }
        }
        if shape::is_telling(operation, response) {
            self.signs.learn(response.headers());
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
    let no_text = cause::<NoText>(error)?;
    status.is_success().then(|| Fault {
        status: Some(status.as_u16()),
        ..Fault::new(ErrorClass::Invalid, "HeaderNotText", no_text.to_string())
    })
}

fn is_property(header: &str) -> bool {
    matches!(header, "cache-control" | "expires")
        || header.starts_with("content-")
        || header.starts_with("x-amz-")
}
