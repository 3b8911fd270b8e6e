//! A bucket of a test's own: objects with every property, and what became of
//! them.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload,
    CompletedPart, VersioningConfiguration,
};
use futures_util::{StreamExt as _, stream};

use crate::object::{self, Properties, differences};
use crate::servers::unique;
use crate::wait::until;

/// One mebibyte; five of them are the least that a part other than the last
/// may have.
pub const MIB: usize = 1 << 20;

/// Bytes that no other seed gives.
#[must_use]
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut all = Vec::with_capacity(len + 8);
    while all.len() < len {
        // xorshift64: fast, and not compressible.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.extend_from_slice(&state.to_le_bytes());
    }
    all.truncate(len);
    all
}

/// How to upload an object that is made in parts.
#[derive(Debug, Clone, Default)]
pub struct NewObject {
    /// The bytes, one entry a part.
    pub parts: Vec<Vec<u8>>,
    /// The checksum to store, and of what.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// A bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// A client for its server.
    pub client: Client,
    /// Its name.
    pub name: String,
}

impl Bucket {
    /// Makes a bucket.
    pub async fn create(client: Client) -> Self {
        let name = unique("e2e");
        let made = client.create_bucket().bucket(&name).send().await;
        made.expect("a bucket");
        Self { client, name }
    }

    /// Makes a bucket with Object Lock, and so with versions.
    pub async fn create_lockable(client: Client) -> Self {
        let name = unique("lock");
        let request = client.create_bucket().bucket(&name);
        let made = request.object_lock_enabled_for_bucket(true).send().await;
        made.expect("a bucket with Object Lock");
        Self { client, name }
    }

    /// Makes a bucket with versions.
    pub async fn create_versioned(client: Client) -> Self {
        let bucket = Self::create(client).await;
        let on = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        let request = bucket.client.put_bucket_versioning().bucket(&bucket.name);
        let done = request.versioning_configuration(on).send().await;
        done.expect("versioning");
        bucket
    }

    /// A PUT to complete with properties and send.
    #[must_use]
    pub fn put(&self, key: &str, body: &[u8]) -> PutObjectFluentBuilder {
        let request = self.client.put_object().bucket(&self.name).key(key);
        request.body(body.to_vec().into())
    }

    /// Puts a plain object.
    pub async fn put_plain(&self, key: &str, body: &[u8]) {
        let put = self.put(key, body).send().await;
        put.unwrap_or_else(|error| panic!("PUT of {key:?}: {error:?}"));
    }

    /// Takes an object away.
    pub async fn remove(&self, key: &str) {
        let delete = self.client.delete_object().bucket(&self.name).key(key);
        delete.send().await.unwrap();
    }

    /// Puts the same key until the server dates it later than before: dates
    /// have whole seconds, and only another one tells identical bytes apart.
    pub async fn rewrite(&self, key: &str, body: &[u8]) {
        let dated = || async {
            let head = self.client.head_object().bucket(&self.name).key(key);
            head.send()
                .await
                .ok()
                .and_then(|head| head.last_modified().copied())
        };
        let before = dated().await;
        until("the object has a later date", || async {
            self.put_plain(key, body).await;
            (dated().await != before).then_some(())
        })
        .await;
    }

    /// Uploads an object in parts.
    pub async fn upload(&self, key: &str, object: NewObject) {
        let (algorithm, kind) = object.checksum.unzip();
        let create = self.client.create_multipart_upload().bucket(&self.name);
        let create = create
            .key(key)
            .set_checksum_algorithm(algorithm.clone())
            .set_checksum_type(kind.clone());
        let upload = create.send().await.expect("an upload");
        let id = upload.upload_id().expect("its id");
        let mut parts = Vec::new();
        for (number, body) in (1..).zip(object.parts) {
            let part = self.client.upload_part().bucket(&self.name).key(key);
            let part = part
                .upload_id(id)
                .part_number(number)
                .set_checksum_algorithm(algorithm.clone())
                .body(body.into());
            let sent = part.send().await.expect("a part");
            parts.push(
                CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(sent.e_tag)
                    .set_checksum_crc32(sent.checksum_crc32)
                    .set_checksum_crc32_c(sent.checksum_crc32_c)
                    .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
                    .set_checksum_sha256(sent.checksum_sha256)
                    .build(),
            );
        }
        let all = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let complete = self.client.complete_multipart_upload().bucket(&self.name);
        let complete = complete.key(key).upload_id(id).multipart_upload(all);
        let done = complete.set_checksum_type(kind).send().await;
        done.expect("the upload completed");
    }

    /// An object with everything that it has; `None` when it is not there.
    pub async fn object(&self, key: &str) -> Option<Properties> {
        object::read(&self.client, &self.name, key).await
    }

    /// Many objects by their keys, read side by side.
    pub async fn objects(&self, keys: &[String]) -> BTreeMap<String, Option<Properties>> {
        let reads = keys.iter().map(|key| async {
            let object = self.object(key).await;
            (key.clone(), object)
        });
        stream::iter(reads).buffer_unordered(16).collect().await
    }

    /// The ETag and the date of an object, as pins name them.
    pub async fn pins(&self, key: &str) -> (String, String) {
        let head = self.client.head_object().bucket(&self.name).key(key);
        let head = head.send().await.expect("the object");
        let modified = head.last_modified().expect("a date");
        let modified = modified.fmt(aws_sdk_s3::primitives::DateTimeFormat::DateTime);
        let etag = head.e_tag().expect("an ETag").to_owned();
        (etag, modified.expect("a date"))
    }

    /// Every key, scratch ones included.
    pub async fn keys(&self) -> Vec<String> {
        let request = self.client.list_objects_v2().bucket(&self.name);
        let listed = request.send().await.expect("a listing");
        let keys = listed.contents().iter().filter_map(|object| object.key());
        keys.map(str::to_owned).collect()
    }

    /// Every version and every delete marker, as `key` and `key (marker)`.
    pub async fn versions(&self) -> Vec<String> {
        let request = self.client.list_object_versions().bucket(&self.name);
        let listed = request.send().await.expect("a listing of versions");
        let objects = listed
            .versions()
            .iter()
            .filter_map(|v| v.key().map(str::to_owned));
        let markers = listed.delete_markers().iter().filter_map(|v| v.key());
        let mut all: Vec<String> = objects
            .chain(markers.map(|key| format!("{key} (marker)")))
            .collect();
        all.sort();
        all
    }

    /// The keys of multipart uploads that were neither completed nor aborted.
    pub async fn open_uploads(&self) -> Vec<String> {
        let request = self.client.list_multipart_uploads().bucket(&self.name);
        let listed = request.send().await.expect("a listing of uploads");
        let keys = listed.uploads().iter().filter_map(|upload| upload.key());
        keys.map(str::to_owned).collect()
    }

    /// Asserts that the object at `to` is the one that was at `from`, to the
    /// last property, and that nothing is left at `from`.
    pub async fn assert_moved(&self, from: &str, to: &str, before: &Properties) {
        let after = self.object(to).await;
        let after = after.unwrap_or_else(|| panic!("nothing arrived at {to:?}"));
        let changed = differences(before, &after);
        assert!(changed.is_empty(), "{from:?} -> {to:?}:\n{changed}");
        assert!(self.object(from).await.is_none(), "{from:?} is still there");
    }

    /// Asserts that the object at `key` is as it was.
    pub async fn assert_kept(&self, key: &str, before: &Properties) {
        let after = self.object(key).await;
        let after = after.unwrap_or_else(|| panic!("{key:?} is gone"));
        let changed = differences(before, &after);
        assert!(changed.is_empty(), "{key:?}:\n{changed}");
    }

    /// Asserts that no upload was left open, and no scratch object.
    pub async fn assert_no_remains(&self) {
        let uploads = self.open_uploads().await;
        assert!(uploads.is_empty(), "open uploads: {uploads:?}");
        let mut keys = self.keys().await;
        keys.retain(|key| key.contains(".rebucket/"));
        assert!(keys.is_empty(), "scratch objects: {keys:?}");
    }
}
