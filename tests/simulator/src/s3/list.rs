//! Listings of objects, versions and uploads.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::limits::MAX_PAGE;
use super::{Bucket, ChecksumKept, ETag, S3, S3Error, S3Result, StorageClass, Version, VersionId};
use crate::clock::Millis;

/// `ListObjectsV2`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListObjectsRequest {
    /// The bucket.
    pub bucket: String,
    /// Only keys that begin so.
    pub prefix: String,
    /// Keys that agree up to this text, after the prefix, are rolled into one
    /// common prefix.
    pub delimiter: Option<String>,
    /// Only keys after this one.
    pub start_after: Option<String>,
    /// [`ListObjectsResponse::next`] of the page before.
    pub continuation: Option<String>,
    /// At most this many keys and prefixes together, and at most 1,000.
    pub max_keys: Option<usize>,
}

impl ListObjectsRequest {
    /// Everything that begins so.
    #[must_use]
    pub fn new(bucket: &str, prefix: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            ..Self::default()
        }
    }
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// The key.
    pub key: String,
    /// When it was made.
    pub modified: Millis,
    /// The entity tag.
    pub etag: ETag,
    /// The size in bytes.
    pub size: u64,
    /// The storage class.
    pub storage_class: StorageClass,
    /// Which checksum it has.
    pub checksum: Option<ChecksumKept>,
}

/// A page of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListObjectsResponse {
    /// The objects, in the order of their keys.
    pub objects: Vec<ListedObject>,
    /// The common prefixes, in order.
    pub common_prefixes: Vec<String>,
    /// The last key or prefix of the page, when there are more: opaque to
    /// `ListObjectsV2`, the marker of `ListObjects`.
    pub next: Option<String>,
}

/// `ListObjectVersions`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListVersionsRequest {
    /// The bucket.
    pub bucket: String,
    /// Only keys that begin so.
    pub prefix: String,
    /// As in [`ListObjectsRequest`].
    pub delimiter: Option<String>,
    /// Only keys after this one, or of it after `version_marker`.
    pub key_marker: Option<String>,
    /// The last version of the page before.
    pub version_marker: Option<VersionId>,
    /// At most this many versions and prefixes together, and at most 1,000.
    pub max_keys: Option<usize>,
}

/// A version or a delete marker in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// The key.
    pub key: String,
    /// The version.
    pub version_id: VersionId,
    /// Whether it is current.
    pub is_latest: bool,
    /// When it was made.
    pub modified: Millis,
    /// The object, or `None` for a delete marker.
    pub object: Option<ListedObject>,
}

/// A page of versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListVersionsResponse {
    /// By key, and the newest of a key first.
    pub versions: Vec<ListedVersion>,
    /// The common prefixes, in order.
    pub common_prefixes: Vec<String>,
    /// The markers of the next page, when there is one.
    pub next: Option<(String, Option<VersionId>)>,
}

/// `ListMultipartUploads`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListUploadsRequest {
    /// The bucket.
    pub bucket: String,
    /// Only keys that begin so.
    pub prefix: String,
    /// As in [`ListObjectsRequest`].
    pub delimiter: Option<String>,
    /// Only keys after this one, or of it after `upload_id_marker`.
    pub key_marker: Option<String>,
    /// The last upload of the page before.
    pub upload_id_marker: Option<String>,
    /// At most this many, and at most 1,000.
    pub max_uploads: Option<usize>,
}

/// An upload in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUpload {
    /// The key.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// When it was started.
    pub initiated: Millis,
    /// The storage class that the object will have.
    pub storage_class: StorageClass,
    /// The checksum that was asked for.
    pub checksum: Option<ChecksumKept>,
}

/// A page of uploads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListUploadsResponse {
    /// By key, and the oldest of a key first.
    pub uploads: Vec<ListedUpload>,
    /// The common prefixes, in order.
    pub common_prefixes: Vec<String>,
    /// Key and upload to go on after, when there are more.
    pub next: Option<(String, String)>,
}

/// The common prefix that a key is rolled into, if any.
fn rolled<'k>(key: &'k str, prefix: &str, delimiter: Option<&str>) -> Option<&'k str> {
    let delimiter = delimiter.filter(|d| !d.is_empty())?;
    let at = key.get(prefix.len()..)?.find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

fn page(max: Option<usize>) -> usize {
    max.unwrap_or(MAX_PAGE).min(MAX_PAGE)
}

fn listed(key: &str, version: &Version) -> Option<ListedObject> {
    let object = version.object.as_ref()?;
    Some(ListedObject {
        key: key.to_owned(),
        modified: version.modified,
        etag: object.etag.clone(),
        size: object.content.size(),
        storage_class: object.storage_class,
        checksum: object.checksum,
    })
}

impl Bucket {
    /// The histories of the keys with a prefix that come after `after`. A marker
    /// that is a common prefix covers every key in it.
    fn histories<'a>(
        &'a self,
        prefix: &'a str,
        delimiter: Option<&'a str>,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a String, &'a Vec<Version>)> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.keys
            .from(start)
            .take_while(move |(key, _)| key.starts_with(prefix))
            .skip_while(move |(key, _)| {
                after.is_some_and(|a| rolled(key, prefix, delimiter) == Some(a))
            })
    }
}

impl S3 {
    /// `ListObjectsV2`, and `ListObjects` with its marker as `start_after`.
    pub fn list_objects_v2(
        &self,
        request: &ListObjectsRequest,
        _now: Millis,
    ) -> S3Result<ListObjectsResponse> {
        let bucket = self.bucket_or_err(&request.bucket)?;
        let max = page(request.max_keys);
        let delimiter = request.delimiter.as_deref();
        let after = request
            .continuation
            .as_deref()
            .or(request.start_after.as_deref());
        let mut out = ListObjectsResponse::default();
        let mut last: Option<String> = None;
        if max == 0 {
            return Ok(out);
        }
        for (key, versions) in bucket.histories(&request.prefix, delimiter, after) {
            let Some(object) = versions.last().and_then(|v| listed(key, v)) else {
                continue;
            };
            let common = rolled(key, &request.prefix, delimiter);
            if common.is_some() && out.common_prefixes.last().map(String::as_str) == common {
                continue;
            }
            if out.objects.len() + out.common_prefixes.len() == max {
                out.next = last;
                break;
            }
            if let Some(common) = common {
                last = Some(common.to_owned());
                out.common_prefixes.push(common.to_owned());
            } else {
                last = Some(key.clone());
                out.objects.push(object);
            }
        }
        Ok(out)
    }

    /// `ListObjectVersions`.
    pub fn list_object_versions(
        &self,
        request: &ListVersionsRequest,
        _now: Millis,
    ) -> S3Result<ListVersionsResponse> {
        let bucket = self.bucket_or_err(&request.bucket)?;
        if request.version_marker.is_some() && request.key_marker.is_none() {
            return Err(S3Error::argument(
                "A version-id marker cannot be specified without a key marker.",
            ));
        }
        let max = page(request.max_keys);
        let delimiter = request.delimiter.as_deref();
        let mut out = ListVersionsResponse::default();
        let mut last: Option<(String, Option<VersionId>)> = None;
        if max == 0 {
            return Ok(out);
        }
        // What is left of the key that the page before ended in comes first.
        let half = request.key_marker.as_ref().zip(request.version_marker);
        let rest = half.and_then(|(key, marker)| {
            let (key, versions) = bucket.keys.get_key_value(key)?;
            let at = versions.iter().position(|v| v.id == marker)?;
            Some((key, versions, at))
        });
        let whole = bucket
            .histories(&request.prefix, delimiter, request.key_marker.as_deref())
            .map(|(key, versions)| (key, versions, versions.len()));
        for (key, versions, below) in rest.into_iter().chain(whole) {
            let common = rolled(key, &request.prefix, delimiter);
            if common.is_some() && out.common_prefixes.last().map(String::as_str) == common {
                continue;
            }
            for (at, version) in versions.iter().enumerate().take(below).rev() {
                if out.versions.len() + out.common_prefixes.len() == max {
                    out.next = last;
                    return Ok(out);
                }
                if let Some(common) = common {
                    last = Some((common.to_owned(), None));
                    out.common_prefixes.push(common.to_owned());
                    break;
                }
                last = Some((key.clone(), Some(version.id)));
                out.versions.push(ListedVersion {
                    key: key.clone(),
                    version_id: version.id,
                    is_latest: at + 1 == versions.len(),
                    modified: version.modified,
                    object: listed(key, version),
                });
            }
        }
        Ok(out)
    }

    /// `ListMultipartUploads`.
    pub fn list_multipart_uploads(
        &self,
        request: &ListUploadsRequest,
        _now: Millis,
    ) -> S3Result<ListUploadsResponse> {
        let bucket = self.bucket_or_err(&request.bucket)?;
        let max = page(request.max_uploads);
        let key_marker = request.key_marker.as_deref().unwrap_or_default();
        let sorted: BTreeSet<(&str, &str)> = bucket
            .uploads
            .iter()
            .map(|(id, upload)| (upload.key.as_str(), id.as_str()))
            .filter(|(key, id)| {
                let after = match &request.upload_id_marker {
                    Some(marker) => (*key, *id) > (key_marker, marker.as_str()),
                    None => request.key_marker.is_none() || *key > key_marker,
                };
                after && key.starts_with(&request.prefix)
            })
            .collect();
        let mut out = ListUploadsResponse::default();
        let mut last: Option<(String, String)> = None;
        for (key, id) in sorted {
            let common = rolled(key, &request.prefix, request.delimiter.as_deref());
            if common.is_some() && out.common_prefixes.last().map(String::as_str) == common {
                continue;
            }
            if out.uploads.len() + out.common_prefixes.len() == max {
                out.next = last;
                break;
            }
            last = Some((key.to_owned(), id.to_owned()));
            if let Some(common) = common {
                out.common_prefixes.push(common.to_owned());
                continue;
            }
            let Some(upload) = bucket.uploads.get(id) else {
                continue;
            };
            out.uploads.push(ListedUpload {
                key: key.to_owned(),
                upload_id: id.to_owned(),
                initiated: upload.initiated,
                storage_class: upload.properties.storage_class.unwrap_or_default(),
                checksum: upload.checksum,
            });
        }
        Ok(out)
    }
}
