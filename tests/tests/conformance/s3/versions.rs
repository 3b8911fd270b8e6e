//! Versions and delete markers.

use aws_sdk_s3::types::BucketVersioningStatus;

use crate::answer::{Answer as _, Body, Outcome, holds, same, there};
use crate::check::{Check, check};
use crate::s3::{Bucket, S3, read};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        version_of_each_put,
        "Each PUT makes a version; GET and HEAD by version give its bytes, without one the latest."
    ),
    check!(
        version_absent,
        "Without versioning no answer names a version."
    ),
    check!(
        delete_makes_a_marker,
        "DELETE answers with the marker's version; HEAD and GET: 404, the older version stays."
    ),
    check!(
        marker_version,
        "GET and HEAD of a marker by its version: 405 MethodNotAllowed."
    ),
    check!(
        marker_deleted,
        "DELETE of a marker by its version brings the object back."
    ),
    check!(
        version_purged,
        "DELETE of the latest by its version is final, and the older one is the latest again."
    ),
    check!(
        version_missing,
        "GET of a version that was deleted: 404 NoSuchVersion."
    ),
    check!(
        version_deleted_twice,
        "DELETE of a version that is not there: 204."
    ),
    check!(
        copy_of_version,
        "A copy by version copies that one, and its answer names both versions."
    ),
    check!(
        copy_of_marker,
        "A copy of a key whose latest is a marker: 404 NoSuchKey."
    ),
    check!(
        list_versions,
        "ListObjectVersions: the latest first, markers too, one marked as the latest."
    ),
    check!(
        list_hides_markers,
        "ListObjectsV2 does not show a key whose latest is a marker."
    ),
    check!(
        delete_if_match_makes_a_marker,
        "DELETE with If-Match looks at the latest version: the ETag: a marker; an older version's: 412."
    ),
    check!(
        delete_if_match_on_marker,
        "DELETE with If-Match of a key whose latest is a marker: refused (404 or 412)."
    ),
    check!(
        put_if_none_match_over_marker,
        "PUT with If-None-Match: * over a marker: done."
    ),
    check!(
        versioning_suspended,
        "While versioning is suspended PUT makes the version null, over and over; older ones stay."
    ),
];

/// Puts an object, and returns its version.
async fn put(bucket: &Bucket, key: &str, body: &[u8]) -> Result<String, String> {
    let put = bucket.put(key, body).send().await.done("PUT")?;
    there(put.version_id, "version of a PUT")
}

async fn bytes_of(bucket: &Bucket, key: &str, version: &str) -> Result<Body, String> {
    let got = bucket.get(key).version_id(version).send().await;
    read(got.done("GET by version")?).await
}

/// Deletes without a version, and returns the marker's.
async fn mark(bucket: &Bucket, key: &str) -> Result<String, String> {
    let deleted = bucket.delete(key).send().await.done("DELETE")?;
    same("delete marker", deleted.delete_marker(), Some(true))?;
    there(deleted.version_id, "version of a marker")
}

async fn version_of_each_put(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    let first = put(&bucket, "a", b"first").await?;
    let second = put(&bucket, "a", b"second").await?;
    holds(first != second, "two versions with one id")?;
    same("first", bytes_of(&bucket, "a", &first).await?, b"first")?;
    same("second", bytes_of(&bucket, "a", &second).await?, b"second")?;
    same("latest", bucket.bytes("a").await?, b"second")?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    holds(
        head.version_id() == Some(&second),
        "HEAD names another version",
    )?;
    let head = bucket.head("a").version_id(&first).send().await;
    let head = head.done("HEAD by version")?;
    same("size", head.content_length(), Some(5))
}

async fn version_absent(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", b"x").send().await.done("PUT")?;
    same("version of PUT", put.version_id(), None::<&str>)?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    same("version of HEAD", head.version_id(), None::<&str>)?;
    let copy = bucket.copy("a", "b").send().await.done("copy")?;
    same("version of copy", copy.version_id(), None::<&str>)?;
    let delete = bucket.delete("a").send().await.done("DELETE")?;
    same("version of DELETE", delete.version_id(), None::<&str>)?;
    same("marker", delete.delete_marker().unwrap_or(false), false)?;
    holds(!bucket.has("a").await, "still there")
}

async fn delete_makes_a_marker(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    let version = put(&bucket, "a", b"x").await?;
    let marker = mark(&bucket, "a").await?;
    holds(marker != version, "the marker has the object's version")?;
    bucket.head("a").send().await.refused("HEAD", 404, &[])?;
    let get = bucket.get("a").send().await;
    get.refused("GET", 404, &["NoSuchKey"])?;
    same("older", bytes_of(&bucket, "a", &version).await?, b"x")
}

async fn marker_version(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    put(&bucket, "a", b"x").await?;
    let marker = mark(&bucket, "a").await?;
    let get = bucket.get("a").version_id(&marker).send().await;
    get.refused("GET", 405, &["MethodNotAllowed"])?;
    let head = bucket.head("a").version_id(&marker).send().await;
    head.refused("HEAD", 405, &[])
}

async fn marker_deleted(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    put(&bucket, "a", b"x").await?;
    let marker = mark(&bucket, "a").await?;
    let delete = bucket.delete("a").version_id(&marker).send().await;
    let delete = delete.done("DELETE of the marker")?;
    same("delete marker", delete.delete_marker(), Some(true))?;
    same("bytes", bucket.bytes("a").await?, b"x")
}

async fn version_purged(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    put(&bucket, "a", b"older").await?;
    let latest = put(&bucket, "a", b"latest").await?;
    let delete = bucket.delete("a").version_id(&latest).send().await;
    let delete = delete.done("DELETE by version")?;
    same("marker", delete.delete_marker().unwrap_or(false), false)?;
    same("bytes", bucket.bytes("a").await?, b"older")
}

async fn version_missing(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    let version = put(&bucket, "a", b"x").await?;
    put(&bucket, "a", b"y").await?;
    let delete = bucket.delete("a").version_id(&version).send().await;
    delete.done("DELETE by version")?;
    let get = bucket.get("a").version_id(&version).send().await;
    get.refused("GET", 404, &["NoSuchVersion"])?;
    let head = bucket.head("a").version_id(&version).send().await;
    head.refused("HEAD", 404, &[])
}

async fn version_deleted_twice(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    let version = put(&bucket, "a", b"x").await?;
    for step in ["DELETE", "second DELETE"] {
        let delete = bucket.delete("a").version_id(&version).send().await;
        delete.done(step)?;
    }
    holds(!bucket.has("a").await, "still there")
}

async fn copy_of_version(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    let older = put(&bucket, "a", b"older").await?;
    put(&bucket, "a", b"newer").await?;
    let source = format!("{}?versionId={older}", bucket.source("a"));
    let copy = bucket.copy("a", "b").copy_source(source);
    let copy = copy.send().await.done("copy")?;
    same("bytes", bucket.bytes("b").await?, b"older")?;
    holds(
        copy.copy_source_version_id() == Some(&older),
        "the answer does not name the source's version",
    )?;
    let made = there(copy.version_id(), "version of the copy")?;
    same("the copy", bytes_of(&bucket, "b", made).await?, b"older")
}

async fn copy_of_marker(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    put(&bucket, "a", b"x").await?;
    mark(&bucket, "a").await?;
    let copy = bucket.copy("a", "b").send().await;
    copy.refused("copy", 404, &["NoSuchKey"])?;
    holds(!bucket.has("b").await, "refused, and made")
}

async fn list_versions(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    let first = put(&bucket, "a", b"1").await?;
    let second = put(&bucket, "a", b"22").await?;
    let marker = mark(&bucket, "a").await?;
    let list = bucket.client.list_object_versions().bucket(&bucket.name);
    let listed = list.prefix(&bucket.prefix).send().await.done("list")?;
    let versions = listed.versions().iter();
    let seen: Vec<_> = versions
        .map(|v| (v.version_id(), v.size(), v.is_latest()))
        .collect();
    let wanted = [
        (Some(second.as_str()), Some(2), Some(false)),
        (Some(first.as_str()), Some(1), Some(false)),
    ];
    holds(seen == wanted, "other versions, or in another order")?;
    let markers = listed.delete_markers().iter();
    let seen: Vec<_> = markers.map(|m| (m.version_id(), m.is_latest())).collect();
    holds(
        seen == [(Some(marker.as_str()), Some(true))],
        "the marker is not there, or not the latest",
    )
}

async fn list_hides_markers(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    put(&bucket, "a", b"x").await?;
    put(&bucket, "b", b"x").await?;
    mark(&bucket, "a").await?;
    same("listed", bucket.keys().await?, ["b"])
}

async fn delete_if_match_makes_a_marker(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    let older = bucket.put_plain("a", b"older").await?;
    let latest = bucket.put_plain("a", b"latest").await?;
    let delete = bucket.delete("a").if_match(&older).send().await;
    delete.refused("DELETE, older ETag", 412, &["PreconditionFailed"])?;
    same("bytes", bucket.bytes("a").await?, b"latest")?;
    let delete = bucket.delete("a").if_match(&latest).send().await;
    let delete = delete.done("DELETE that matches")?;
    same("delete marker", delete.delete_marker(), Some(true))?;
    holds(!bucket.has("a").await, "still there")
}

async fn delete_if_match_on_marker(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    let etag = bucket.put_plain("a", b"x").await?;
    mark(&bucket, "a").await?;
    let delete = bucket.delete("a").if_match(&etag).send().await;
    let status = delete.as_ref().err().and_then(|error| error.raw_response());
    if status.map(|raw| raw.status().as_u16()) == Some(412) {
        return Ok(());
    }
    delete.refused("DELETE", 404, &[])
}

async fn put_if_none_match_over_marker(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    put(&bucket, "a", b"x").await?;
    mark(&bucket, "a").await?;
    let put = bucket.put("a", b"y").if_none_match("*");
    put.send().await.done("PUT")?;
    same("bytes", bucket.bytes("a").await?, b"y")
}

async fn versioning_suspended(s3: S3) -> Outcome {
    let bucket = s3.own().await?;
    bucket.versioning(BucketVersioningStatus::Enabled).await?;
    let version = put(&bucket, "a", b"first").await?;
    bucket.versioning(BucketVersioningStatus::Suspended).await?;
    bucket.put_plain("a", b"second").await?;
    bucket.put_plain("a", b"third").await?;
    same("latest", bucket.bytes("a").await?, b"third")?;
    same("null", bytes_of(&bucket, "a", "null").await?, b"third")?;
    same("first", bytes_of(&bucket, "a", &version).await?, b"first")?;
    let list = bucket.client.list_object_versions().bucket(&bucket.name);
    let listed = list.send().await.done("list")?;
    same("versions", listed.versions().len(), 2)
}
