//! `UploadPartCopy`.

use aws_sdk_s3::types::CompletedPart;

use crate::answer::{Answer as _, Outcome, holds, same, there};
use crate::check::{Check, check};
use crate::s3::{Bucket, FIVE_MIB, S3, Upload};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        part_copy_same_boundaries,
        "A copy by ranges with the source's part boundaries has its bytes and its -N ETag."
    ),
    check!(
        part_copy_result_has_etag,
        "The result of a copied part names the MD5 of its bytes, in quotes."
    ),
    check!(
        part_copy_without_range,
        "A part that is copied without a range is the whole source."
    ),
    check!(
        part_copy_range_past_the_end,
        "A range that goes past the source's end: 400 InvalidArgument (or 416 InvalidRange)."
    ),
    check!(
        part_copy_of_nothing,
        "A part of a missing key: 404 NoSuchKey."
    ),
    check!(
        part_copy_if_match,
        "copy-source-if-match on a part: the source's ETag: done; another: 412."
    ),
    check!(
        part_copy_if_match_wins,
        "copy-source-if-match that holds on a part, with an if-unmodified-since that fails: done."
    ),
    check!(
        part_copy_after_abort,
        "A part for an upload that was aborted: 404 NoSuchUpload."
    ),
    check!(
        part_copy_drops_properties,
        "An object that was copied in parts has none of the source's headers, metadata and tags unless they were given."
    ),
    check!(
        part_copy_by_version,
        "A part names the version of its source, also under a newer one."
    ),
];

const TWO: &str = "\"e5a8c5272b26fc10581a21089559b006-2\"";

async fn copied(
    upload: &Upload,
    number: i32,
    from: &str,
    range: &str,
) -> Result<CompletedPart, String> {
    let copy = upload.part_copy(number, from).copy_source_range(range);
    let done = copy.send().await.done("a copied part")?;
    let result = there(done.copy_part_result(), "result of a copied part")?;
    let etag = there(result.e_tag(), "ETag of a copied part")?;
    let part = CompletedPart::builder().part_number(number);
    Ok(part.e_tag(etag).build())
}

async fn source_in_parts(bucket: &Bucket) -> Outcome {
    let etag = bucket.put_parts("a", &[&FIVE_MIB, b"b"]).await?;
    same("ETag of the source", etag, TWO)
}

async fn part_copy_same_boundaries(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    source_in_parts(&bucket).await?;
    let upload = bucket.upload("b").await?;
    let first = copied(&upload, 1, "a", "bytes=0-5242879").await?;
    let last = copied(&upload, 2, "a", "bytes=5242880-5242880").await?;
    let complete = upload.complete(vec![first, last]).send().await;
    let done = complete.done("complete")?;
    let bytes = bucket.bytes("b").await?;
    holds(
        bytes.0.strip_suffix(b"b") == Some(&FIVE_MIB[..]),
        "other bytes",
    )?;
    same("ETag", done.e_tag(), Some(TWO))
}

async fn part_copy_result_has_etag(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"0123456789").await?;
    let upload = bucket.upload("b").await?;
    let part = copied(&upload, 1, "a", "bytes=1-9").await?;
    same(
        "ETag",
        part.e_tag(),
        Some("\"25f9e794323b453885f5181f1b624d0b\""),
    )
}

async fn part_copy_without_range(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"hello").await?;
    let upload = bucket.upload("b").await?;
    let copy = upload.part_copy(1, "a").send().await;
    let copy = copy.done("a copied part")?;
    let result = there(copy.copy_part_result, "result")?;
    let part = CompletedPart::builder().part_number(1);
    let part = part.set_e_tag(result.e_tag).build();
    let complete = upload.complete(vec![part]).send().await;
    complete.done("complete")?;
    same("bytes", bucket.bytes("b").await?, b"hello")
}

async fn part_copy_range_past_the_end(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    source_in_parts(&bucket).await?;
    let upload = bucket.upload("b").await?;
    let copy = upload.part_copy(1, "a");
    let copy = copy.copy_source_range("bytes=0-5242881").send().await;
    let status = copy.as_ref().err().and_then(|error| error.raw_response());
    if status.map(|raw| raw.status().as_u16()) == Some(416) {
        return copy.refused("copy", 416, &["InvalidRange"]);
    }
    copy.refused("copy", 400, &["InvalidArgument", "InvalidRange"])
}

async fn part_copy_of_nothing(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("b").await?;
    let copy = upload.part_copy(1, "nothing").send().await;
    copy.refused("copy", 404, &["NoSuchKey"])
}

async fn part_copy_if_match(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"hello").await?;
    let upload = bucket.upload("b").await?;
    let copy = upload.part_copy(1, "a");
    let copy = copy.copy_source_if_match("\"25f9e794323b453885f5181f1b624d0b\"");
    let copy = copy.send().await;
    copy.refused("copy", 412, &["PreconditionFailed"])?;
    let copy = upload.part_copy(1, "a").copy_source_if_match(&etag);
    copy.send().await.done("copy that matches").map(drop)
}

async fn part_copy_if_match_wins(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"hello").await?;
    let upload = bucket.upload("b").await?;
    let long_ago = aws_sdk_s3::primitives::DateTime::from_secs(1_000_000_000);
    let copy = upload.part_copy(1, "a").copy_source_if_match(&etag);
    let copy = copy.copy_source_if_unmodified_since(long_ago);
    let done = copy.send().await.done("copy")?;
    holds(done.copy_part_result().is_some(), "no result")
}

async fn part_copy_after_abort(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"hello").await?;
    let upload = bucket.upload("b").await?;
    upload.abort().send().await.done("abort")?;
    let copy = upload.part_copy(1, "a").send().await;
    copy.refused("copy", 404, &["NoSuchUpload"])
}

async fn part_copy_drops_properties(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", b"hello").metadata("colour", "green");
    let put = put.cache_control("no-store").tagging("a=b");
    put.send().await.done("PUT")?;
    let upload = bucket.upload("b").await?;
    let part = copied(&upload, 1, "a", "bytes=0-4").await?;
    let complete = upload.complete(vec![part]).send().await;
    complete.done("complete")?;
    let got = bucket.get("b").send().await.done("GET")?;
    same("Cache-Control", got.cache_control(), None::<&str>)?;
    same("tags", got.tag_count().unwrap_or(0), 0)?;
    holds(
        got.metadata()
            .is_none_or(std::collections::HashMap::is_empty),
        "metadata is kept",
    )
}

async fn part_copy_by_version(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    let put = bucket.put("a", b"older").send().await.done("PUT")?;
    let version = there(put.version_id(), "version")?;
    bucket.put_plain("a", b"newer").await?;
    let upload = bucket.upload("b").await?;
    let source = format!("{}?versionId={version}", bucket.source("a"));
    let copy = upload.part_copy(1, "a").copy_source(source);
    let copy = copy.copy_source_range("bytes=0-4").send().await;
    let copy = copy.done("a copied part")?;
    same(
        "copy-source-version-id",
        copy.copy_source_version_id(),
        Some(version),
    )?;
    let result = there(copy.copy_part_result, "result")?;
    let part = CompletedPart::builder().part_number(1);
    let part = part.set_e_tag(result.e_tag).build();
    let complete = upload.complete(vec![part]).send().await;
    complete.done("complete")?;
    same("bytes", bucket.bytes("b").await?, b"older")
}
