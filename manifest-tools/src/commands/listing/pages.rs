//! One request of a listing each, decoded.

use std::sync::Arc;

use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::EncodingType;
use rebucket_mapper::coverage::Order;
use rebucket_mapper::decode::url_decoded;
use rebucket_mapper::{Entry, Listed};
use rebucket_protocol::{ETag, ObjectKey, S3Prefix, StorageClass, Timestamp, VersionId};
use rebucket_worker::error::{ErrorClass, ServiceError};
use rebucket_worker::metrics::Metrics;
use rebucket_worker::retry::{CallError, Caller, Policy};
use rebucket_worker::setup::StartError;
use rebucket_worker::store::classify::classify;
use rebucket_worker::store::paging::next_page;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::commands::CommandError;

/// Sends the requests of a listing.
#[derive(Clone)]
pub(super) struct Pages {
    s3: aws_sdk_s3::Client,
    caller: Caller,
    place: Arc<S3Prefix>,
    versions: bool,
}

/// A page of keys.
pub(super) struct Page {
    /// The keys, and what is at each, in the order in which they are listed.
    pub(super) keys: Vec<(String, Listed)>,
    /// From here on they are delete markers, which come after all versions.
    markers_at: usize,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<Next>,
}

/// Where a page begins.
#[derive(Debug, Clone)]
pub(super) enum Next {
    /// After a key, or at the start.
    After(Option<String>),
    /// Where this token says.
    Token(String),
    /// After a version of a key.
    Marker(String, Option<String>),
}

const OBJECTS: &str = "ListObjectsV2";
const VERSIONS: &str = "ListObjectVersions";

impl Pages {
    pub(super) fn new(
        s3: aws_sdk_s3::Client,
        place: S3Prefix,
        versions: bool,
        in_flight: u16,
    ) -> Result<Self, CommandError> {
        let metrics = Metrics::new().map_err(StartError::from)?;
        let in_flight = Arc::new(Semaphore::new(usize::from(in_flight)));
        Ok(Self {
            s3,
            caller: Caller::new(metrics, in_flight, CancellationToken::new()),
            place: Arc::new(place),
            versions,
        })
    }

    fn request(&self, prefix: &str) -> ListObjectsV2FluentBuilder {
        // Without, a key with a control character makes the page unreadable.
        let request = self.s3.list_objects_v2().encoding_type(EncodingType::Url);
        request
            .bucket(self.place.bucket.as_str())
            .prefix(prefix.to_owned())
    }

    fn broken(&self, operation: &'static str, message: impl Into<String>) -> ServiceError {
        let class = ErrorClass::Invalid;
        ServiceError::local(operation, &self.place, class, "UnreadableListing", message)
    }

    fn decoded(
        &self,
        operation: &'static str,
        encoding: Option<&EncodingType>,
        text: Option<&str>,
    ) -> Result<String, ServiceError> {
        let text = text.ok_or_else(|| self.broken(operation, "an entry without a key"))?;
        if encoding != Some(&EncodingType::Url) {
            return Ok(text.to_owned());
        }
        url_decoded(text).map_err(|error| self.broken(operation, format!("{text:?}: {error}")))
    }

    fn entry(&self, operation: &'static str, key: &str) -> Result<Entry, ServiceError> {
        let checked = ObjectKey::new(key);
        let checked =
            checked.map_err(|error| self.broken(operation, format!("{key:?}: {error}")))?;
        Ok(Entry::new(self.place.bucket.clone(), checked))
    }

    /// A page of keys. The first contact with an endpoint gives up sooner.
    pub(super) async fn page(&self, at: &Next, first: bool) -> Result<Page, CallError> {
        let policy = if first { Policy::START } else { Policy::READ };
        if self.versions {
            self.caller.call(policy, || self.versions_page(at)).await
        } else {
            self.caller.call(policy, || self.objects_page(at)).await
        }
    }

    async fn objects_page(&self, at: &Next) -> Result<Page, ServiceError> {
        let request = self.request(&self.place.prefix);
        let request = match at {
            Next::After(after) => request.set_start_after(after.clone()),
            Next::Token(token) => request.continuation_token(token),
            Next::Marker(..) => return Err(self.broken(OBJECTS, "a marker of versions")),
        };
        let answer = request
            .send()
            .await
            .map_err(|error| self.failed(OBJECTS, &error))?;
        let mut keys = Vec::with_capacity(answer.contents().len());
        for object in answer.contents() {
            let key = self.decoded(OBJECTS, answer.encoding_type(), object.key())?;
            let mut entry = self.entry(OBJECTS, &key)?;
            entry.etag = object.e_tag().and_then(|etag| ETag::new(etag).ok());
            entry.size = object.size().and_then(|size| u64::try_from(size).ok());
            entry.modified = object.last_modified().and_then(timestamp);
            let class = object.storage_class();
            entry.storage_class = class.and_then(|class| StorageClass::new(class.as_str()).ok());
            keys.push((key, Listed::Current(entry)));
        }
        let next = match (answer.is_truncated(), answer.next_continuation_token()) {
            (Some(true), Some(token)) if !token.is_empty() => {
                let asked = match at {
                    Next::Token(token) => Some(token.as_str()),
                    _ => None,
                };
                next_page(OBJECTS, &self.place, asked, Some(token))?.map(Next::Token)
            }
            (Some(true), _) => return Err(self.broken(OBJECTS, "there is more, but no token")),
            _ => None,
        };
        let markers_at = keys.len();
        Ok(Page {
            keys,
            markers_at,
            next,
        })
    }

    async fn versions_page(&self, at: &Next) -> Result<Page, ServiceError> {
        let request = self
            .s3
            .list_object_versions()
            .encoding_type(EncodingType::Url);
        let request = request
            .bucket(self.place.bucket.as_str())
            .prefix(&self.place.prefix);
        let request = match at {
            Next::After(after) => request.set_key_marker(after.clone()),
            Next::Marker(key, version) => request
                .key_marker(key)
                .set_version_id_marker(version.clone()),
            Next::Token(_) => return Err(self.broken(VERSIONS, "a token of objects")),
        };
        let answer = request
            .send()
            .await
            .map_err(|error| self.failed(VERSIONS, &error))?;
        let encoding = answer.encoding_type();
        let mut keys = Vec::new();
        for version in answer.versions() {
            let key = self.decoded(VERSIONS, encoding, version.key())?;
            if version.is_latest() != Some(true) {
                keys.push((key, Listed::Noncurrent));
                continue;
            }
            let mut entry = self.entry(VERSIONS, &key)?;
            entry.etag = version.e_tag().and_then(|etag| ETag::new(etag).ok());
            entry.size = version.size().and_then(|size| u64::try_from(size).ok());
            entry.modified = version.last_modified().and_then(timestamp);
            let class = version.storage_class();
            entry.storage_class = class.and_then(|class| StorageClass::new(class.as_str()).ok());
            entry.version = version.version_id().and_then(|id| VersionId::new(id).ok());
            keys.push((key, Listed::Current(entry)));
        }
        let markers_at = keys.len();
        for marker in answer.delete_markers() {
            let key = self.decoded(VERSIONS, encoding, marker.key())?;
            let listed = match marker.is_latest() {
                Some(true) => Listed::DeleteMarker,
                _ => Listed::Noncurrent,
            };
            keys.push((key, listed));
        }
        let next = match (answer.is_truncated(), answer.next_key_marker()) {
            (Some(true), Some(key)) => {
                let key = self.decoded(VERSIONS, encoding, Some(key))?;
                let version = answer.next_version_id_marker().filter(|id| !id.is_empty());
                let version = version.map(str::to_owned);
                if matches!(at, Next::Marker(k, v) if *k == key && *v == version) {
                    return Err(self.broken(VERSIONS, "the next page is the one just read"));
                }
                Some(Next::Marker(key, version))
            }
            (Some(true), None) => return Err(self.broken(VERSIONS, "there is more, but no marker")),
            _ => None,
        };
        Ok(Page {
            keys,
            markers_at,
            next,
        })
    }

    /// The folders in `prefix` after a key, and whether there are more.
    pub(super) async fn folders(
        &self,
        prefix: &str,
        after: &str,
    ) -> Result<(Vec<String>, bool), CallError> {
        let list = || async {
            let request = self.request(prefix).delimiter("/").start_after(after);
            let answer = request
                .send()
                .await
                .map_err(|error| self.failed(OBJECTS, &error))?;
            let mut folders = Vec::new();
            for folder in answer.common_prefixes() {
                folders.push(self.decoded(OBJECTS, answer.encoding_type(), folder.prefix())?);
            }
            Ok((folders, answer.is_truncated() == Some(true)))
        };
        self.caller.call(Policy::READ, list).await
    }

    /// The first key after this one.
    pub(super) async fn first_after(
        &self,
        after: &str,
        order: Order,
    ) -> Result<Option<String>, CallError> {
        if self.versions {
            // The seams are between listings of versions, which see keys that
            // have nothing but a delete marker.
            let at = Next::After(Some(after.to_owned()));
            let mut page = self.page(&at, false).await?;
            page.merge(order);
            return Ok(page.keys.into_iter().next().map(|(key, _)| key));
        }
        let list = || async {
            let request = self
                .request(&self.place.prefix)
                .start_after(after)
                .max_keys(1);
            let answer = request
                .send()
                .await
                .map_err(|error| self.failed(OBJECTS, &error))?;
            match answer.contents().first() {
                None => Ok(None),
                Some(first) => self
                    .decoded(OBJECTS, answer.encoding_type(), first.key())
                    .map(Some),
            }
        };
        self.caller.call(Policy::READ, list).await
    }

    fn failed<E>(
        &self,
        operation: &'static str,
        error: &aws_sdk_s3::error::SdkError<E, aws_sdk_s3::config::http::HttpResponse>,
    ) -> ServiceError
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        ServiceError {
            operation,
            target: self.place.to_string(),
            fault: classify(error),
        }
    }
}

impl Page {
    /// Puts versions and delete markers together, in the order of their keys.
    /// Where either is not in this order, that is left to be seen.
    pub(super) fn merge(&mut self, order: Order) {
        let (versions, markers) = self.keys.split_at(self.markers_at);
        let in_order = |keys: &[(String, Listed)]| {
            keys.is_sorted_by(|(a, _), (b, _)| order.compare(a, b).is_le())
        };
        if !markers.is_empty() && in_order(versions) && in_order(markers) {
            self.keys.sort_by(|(a, _), (b, _)| order.compare(a, b));
        }
    }
}

fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_unix(at.secs(), at.subsec_nanos())
}
