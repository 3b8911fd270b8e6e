//! By what an endpoint's own answers are known: the request ids in their
//! headers, which a page of a proxy does not have.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_smithy_runtime_api::http::Headers;

use crate::store::classify::Foreign;

/// On every answer of AWS, with or without a body (S3 user guide, "Getting
/// Amazon S3 request IDs").
const REQUEST_ID: &str = "x-amz-request-id";

/// The headers that every answer of an endpoint has. Clones share them.
///
/// On AWS they are known. Elsewhere they are what all telling answers had until
/// [`Signs::settle`]: until then nothing is missed.
#[derive(Debug, Clone, Default)]
pub struct Signs(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    known: OnceLock<BTreeSet<String>>,
    /// What all answers so far had; `None` before the first.
    common: Mutex<Option<BTreeSet<String>>>,
}

impl Signs {
    /// Those of AWS.
    #[must_use]
    pub fn aws() -> Self {
        let known = OnceLock::from(BTreeSet::from([REQUEST_ID.to_owned()]));
        Self(Arc::new(Inner {
            known,
            ..Inner::default()
        }))
    }

    /// Ends the learning: what all answers had so far, all further ones must
    /// have. Returns it; empty where the endpoint's answers carry nothing of
    /// the kind.
    #[must_use]
    pub fn settle(&self) -> &BTreeSet<String> {
        self.0.known.get_or_init(|| {
            let common = self.0.common.lock();
            let common = common.unwrap_or_else(PoisonError::into_inner).clone();
            let common = common.unwrap_or_default();
            if common.contains(REQUEST_ID) {
                // Others come and go with what lies between.
                return BTreeSet::from([REQUEST_ID.to_owned()]);
            }
            common
        })
    }

    /// # Errors
    /// [`Foreign`] when an answer lacks what all of the endpoint's have.
    pub(super) fn check(&self, headers: &Headers) -> Result<(), Foreign> {
        let mut known = self.0.known.get().into_iter().flatten();
        match known.find(|name| headers.get(name.as_str()).is_none_or(str::is_empty)) {
            Some(name) => Err(Foreign::s3(format!("the answer has no {name}"))),
            None => Ok(()),
        }
    }

    /// Notes what an answer has that can be nobody else's.
    pub(super) fn learn(&self, headers: &Headers) {
        if self.0.known.get().is_some() {
            return;
        }
        let names = headers.iter().map(|(name, _)| name.to_ascii_lowercase());
        let these: BTreeSet<String> = names.filter(|name| names_a_request(name)).collect();
        let mut common = self.0.common.lock().unwrap_or_else(PoisonError::into_inner);
        match common.as_mut() {
            Some(common) => common.retain(|name| these.contains(name)),
            None => *common = Some(these),
        }
    }
}

/// Whether an answer has the id that a store gives to a request.
pub(super) fn has_request_id(headers: &Headers) -> bool {
    headers.iter().any(|(name, _)| names_a_request(name))
}

/// Whether a header is the id that a store gives to a request, as S3's own and
/// its kin are named (`x-oss-request-id`, `x-trans-id`, `x-guploader-uploadid`).
/// `x-request-id` is what proxies put on their own pages, too.
fn names_a_request(name: &str) -> bool {
    let ends = [
        "-request-id",
        "-requestid",
        "-id-2",
        "-trans-id",
        "-uploadid",
    ];
    name.starts_with("x-") && name != "x-request-id" && ends.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(names: &[&'static str]) -> Headers {
        let mut headers = Headers::new();
        for name in names {
            headers.insert(*name, "1");
        }
        headers
    }

    #[test]
    fn aws_is_known_by_its_request_id() {
        let signs = Signs::aws();
        assert!(signs.check(&headers(&["x-amz-request-id"])).is_ok());
        let error = signs
            .check(&headers(&["x-request-id", "server"]))
            .unwrap_err();
        assert!(error.to_string().contains("x-amz-request-id"), "{error}");
    }

    #[test]
    fn another_endpoint_is_known_by_what_all_its_answers_had() {
        let signs = Signs::default();
        signs.learn(&headers(&[
            "x-oss-request-id",
            "x-amz-id-2",
            "x-amz-version-id",
        ]));
        assert!(signs.check(&headers(&[])).is_ok(), "nothing is settled yet");
        signs.learn(&headers(&["x-oss-request-id", "x-request-id"]));
        let settled: Vec<_> = signs.settle().iter().cloned().collect();
        assert_eq!(settled, ["x-oss-request-id"]);
        signs.learn(&headers(&[]));
        assert!(signs.clone().check(&headers(&["server"])).is_err());
        assert!(signs.check(&headers(&["x-oss-request-id"])).is_ok());
    }

    #[test]
    fn an_endpoint_without_signs_misses_none() {
        let signs = Signs::default();
        signs.learn(&headers(&["server", "x-request-id"]));
        assert!(signs.settle().is_empty());
        assert!(signs.check(&headers(&[])).is_ok());
    }
}
