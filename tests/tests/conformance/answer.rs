//! Answers of a server, put in a few words.
//!
//! The words end up in the table of known differences and are compared with
//! it, so they hold nothing that changes from run to run.

use std::fmt::{Debug, Formatter};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// `Ok` when the server does what AWS does, or else what it did.
pub(crate) type Outcome = Result<(), String>;

/// What came back from a server.
pub(crate) trait Answer<T>: Sized {
    /// The answer of a request that must succeed.
    fn done(self, step: &str) -> Result<T, String>;

    /// Of a request that must be refused with this status and one of these
    /// codes; with any code, when none is named (an answer to a HEAD has no
    /// body, and so no code).
    fn refused(self, step: &str, status: u16, codes: &[&str]) -> Outcome;
}

impl<T, E: ProvideErrorMetadata> Answer<T> for Result<T, SdkError<E, HttpResponse>> {
    fn done(self, step: &str) -> Result<T, String> {
        self.map_err(|error| format!("{step}: {}", refusal(&error)))
    }

    fn refused(self, step: &str, status: u16, codes: &[&str]) -> Outcome {
        let Err(error) = self else {
            return Err(format!("{step}: done"));
        };
        let seen = error.raw_response().map(|raw| raw.status().as_u16());
        let code = code(&error);
        if seen == Some(status) && (codes.is_empty() || codes.contains(&code)) {
            return Ok(());
        }
        Err(format!("{step}: {}", refusal(&error)))
    }
}

/// The error's code. SQS prefixes some with its name in one of its protocols.
fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> &str {
    let code = error
        .as_service_error()
        .and_then(|error| error.meta().code());
    code.unwrap_or("")
        .trim_start_matches("AWS.SimpleQueueService.")
}

fn refusal<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> String {
    let Some(raw) = error.raw_response() else {
        return match error {
            SdkError::ConstructionFailure(_) => "not sent: the SDK refuses".to_owned(),
            SdkError::TimeoutError(_) => "no answer in time".to_owned(),
            _ => "no answer".to_owned(),
        };
    };
    let status = raw.status().as_u16();
    if (200..300).contains(&status) && code(error).is_empty() {
        return format!("{status}, unreadable");
    }
    format!("{status} {}", code(error)).trim_end().to_owned()
}

/// That something is as it must be.
#[allow(
    clippy::needless_pass_by_value,
    reason = "a check reads better without the borrows"
)]
pub(crate) fn same<A: Debug + PartialEq<B>, B: Debug>(what: &str, seen: A, wanted: B) -> Outcome {
    if seen == wanted {
        return Ok(());
    }
    Err(format!("{what}: {}", words(&format!("{seen:?}"))))
}

/// The debug text of a value without what only Rust needs, and not too long.
fn words(debug: &str) -> String {
    let inner = debug
        .strip_prefix("Some(")
        .and_then(|text| text.strip_suffix(')'));
    let text = inner.unwrap_or(debug);
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let text = match inner.unwrap_or(text) {
        "None" => "nothing".to_owned(),
        "" => "empty".to_owned(),
        text => text.replace("\\\"", "\""),
    };
    if text.chars().count() <= 80 {
        return text;
    }
    text.chars().take(77).chain("...".chars()).collect()
}

/// The bytes of an object; their debug text is readable.
pub(crate) struct Body(pub(crate) Vec<u8>);

impl Debug for Body {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

impl PartialEq<&[u8]> for Body {
    fn eq(&self, other: &&[u8]) -> bool {
        self.0 == *other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Body {
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.0 == *other
    }
}

/// That something holds; `otherwise` says what was seen instead.
pub(crate) fn holds(condition: bool, otherwise: &str) -> Outcome {
    if condition {
        return Ok(());
    }
    Err(otherwise.to_owned())
}

/// That something is there.
pub(crate) fn there<T>(value: Option<T>, what: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("no {what}"))
}
