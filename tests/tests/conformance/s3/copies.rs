//! `CopyObject`: what it keeps, what it resets, what it is told.

use aws_sdk_s3::types::{MetadataDirective, StorageClass, TaggingDirective};

use crate::answer::{Answer as _, Outcome, holds, same, there};
use crate::check::{Check, check};
use crate::s3::{Bucket, FIVE_MIB, S3, tags};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        copy_keeps_headers_and_metadata,
        "A copy keeps the bytes, all content headers and the user metadata."
    ),
    check!(copy_keeps_tags, "A copy keeps the tags."),
    check!(
        copy_result_has_etag,
        "The result of a copy names the new object's ETag, in quotes; it is the MD5."
    ),
    check!(
        copy_resets_storage_class,
        "A copy has the storage class STANDARD, unless it asks for another."
    ),
    check!(
        copy_resets_redirect,
        "A copy does not keep the website redirect."
    ),
    check!(
        copy_replaces_metadata,
        "With MetadataDirective REPLACE a copy has the request's headers and metadata and nothing of the source's."
    ),
    check!(
        copy_replaces_tags,
        "With TaggingDirective REPLACE a copy has the request's tags only."
    ),
    check!(
        copy_onto_itself,
        "A copy of an object onto itself that changes nothing: 400 InvalidRequest."
    ),
    check!(
        copy_of_nothing,
        "A copy of a missing key: 404 NoSuchKey; nothing is made."
    ),
    check!(
        copy_overwrites,
        "A copy without a condition overwrites what is there."
    ),
    check!(
        copy_collapses_parts,
        "A copy of an object that was made in parts has one part, and the MD5 as ETag."
    ),
    check!(
        copy_source_if_match,
        "copy-source-if-match: the source's ETag: done; another: 412, nothing is made."
    ),
    check!(
        copy_source_if_none_match,
        "copy-source-if-none-match with the source's ETag: 412, nothing is made."
    ),
    check!(
        copy_source_if_match_wins,
        "copy-source-if-match that holds, with an if-unmodified-since that fails: done."
    ),
    check!(
        copy_source_if_unmodified_since,
        "copy-source-if-unmodified-since alone, with a date before the source's: 412."
    ),
];

const OTHER: &str = "\"25f9e794323b453885f5181f1b624d0b\"";

async fn described(bucket: &Bucket) -> Outcome {
    let put = bucket
        .put("a", b"hello")
        .content_type("text/x-test")
        .cache_control("max-age=60")
        .content_disposition("inline")
        .content_encoding("gzip")
        .content_language("de")
        .expires(aws_sdk_s3::primitives::DateTime::from_secs(1_792_569_600))
        .metadata("colour", "green")
        .tagging("project=x&space=a%20b");
    put.send().await.done("PUT").map(drop)
}

async fn copy_keeps_headers_and_metadata(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    described(&bucket).await?;
    bucket.copy("a", "b").send().await.done("copy")?;
    same("bytes", bucket.bytes("b").await?, b"hello")?;
    let head = bucket.head("b").send().await.done("HEAD")?;
    same("Content-Type", head.content_type(), Some("text/x-test"))?;
    same("Cache-Control", head.cache_control(), Some("max-age=60"))?;
    same(
        "Content-Disposition",
        head.content_disposition(),
        Some("inline"),
    )?;
    same("Content-Encoding", head.content_encoding(), Some("gzip"))?;
    same("Content-Language", head.content_language(), Some("de"))?;
    same(
        "Expires",
        head.expires_string(),
        Some("Wed, 21 Oct 2026 08:00:00 GMT"),
    )?;
    let metadata = there(head.metadata(), "metadata")?;
    same(
        "metadata",
        metadata.get("colour").map(String::as_str),
        Some("green"),
    )
}

async fn copy_keeps_tags(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    described(&bucket).await?;
    bucket.copy("a", "b").send().await.done("copy")?;
    let wanted = ["project=x", "space=a b"];
    same("tags of the source", tags(&bucket, "a").await?, wanted)?;
    same("tags", tags(&bucket, "b").await?, wanted)
}

async fn copy_result_has_etag(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"hello").await?;
    let copied = bucket.copy("a", "b").send().await.done("copy")?;
    let result = there(copied.copy_object_result(), "result")?;
    same("ETag", result.e_tag(), Some(etag.as_str()))?;
    same(
        "ETag of the source",
        etag,
        "\"5d41402abc4b2a76b9719d911017c592\"",
    )?;
    let head = bucket.head("b").send().await.done("HEAD")?;
    same("ETag of HEAD", head.e_tag(), result.e_tag())
}

async fn copy_resets_storage_class(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket
        .put("a", b"x")
        .storage_class(StorageClass::StandardIa);
    put.send().await.done("PUT")?;
    let copy = bucket.copy("a", "kept");
    let copy = copy.storage_class(StorageClass::StandardIa);
    copy.send().await.done("copy with a class")?;
    bucket.copy("a", "reset").send().await.done("copy")?;
    let class = async |key| {
        let head = bucket.head(key).send().await.done("HEAD")?;
        Ok::<_, String>(head.storage_class().map(|class| class.as_str().to_owned()))
    };
    let infrequent = Some("STANDARD_IA".to_owned());
    same("the source's class", class("a").await?, infrequent.clone())?;
    same("the class asked for", class("kept").await?, infrequent)?;
    let reset = class("reset").await?;
    same(
        "the copy's class",
        reset.as_deref().unwrap_or("STANDARD"),
        "STANDARD",
    )
}

async fn copy_resets_redirect(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", b"x").website_redirect_location("/b");
    put.send().await.done("PUT")?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    same("redirect", head.website_redirect_location(), Some("/b"))?;
    bucket.copy("a", "b").send().await.done("copy")?;
    let head = bucket.head("b").send().await.done("HEAD")?;
    same(
        "redirect of the copy",
        head.website_redirect_location(),
        None::<&str>,
    )?;
    let copy = bucket.copy("a", "c").website_redirect_location("/c");
    copy.send().await.done("copy")?;
    let head = bucket.head("c").send().await.done("HEAD")?;
    same(
        "redirect asked for",
        head.website_redirect_location(),
        Some("/c"),
    )
}

async fn copy_replaces_metadata(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    described(&bucket).await?;
    let copy = bucket
        .copy("a", "b")
        .metadata_directive(MetadataDirective::Replace)
        .content_type("text/other")
        .metadata("shape", "round");
    copy.send().await.done("copy")?;
    let head = bucket.head("b").send().await.done("HEAD")?;
    same("Content-Type", head.content_type(), Some("text/other"))?;
    same("Cache-Control", head.cache_control(), None::<&str>)?;
    same("Content-Encoding", head.content_encoding(), None::<&str>)?;
    same("Expires", head.expires_string(), None::<&str>)?;
    let metadata = there(head.metadata(), "metadata")?;
    let mut names: Vec<_> = metadata.keys().collect();
    names.sort();
    same("metadata", names, ["shape"])?;
    let wanted = ["project=x", "space=a b"];
    same("tags", tags(&bucket, "b").await?, wanted)
}

async fn copy_replaces_tags(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    described(&bucket).await?;
    let copy = bucket.copy("a", "b");
    let copy = copy.tagging_directive(TaggingDirective::Replace);
    copy.tagging("other=1").send().await.done("copy")?;
    same("tags", tags(&bucket, "b").await?, ["other=1"])?;
    let head = bucket.head("b").send().await.done("HEAD")?;
    same("Content-Type", head.content_type(), Some("text/x-test"))
}

async fn copy_onto_itself(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"x").await?;
    let copy = bucket.copy("a", "a").send().await;
    copy.refused("copy", 400, &["InvalidRequest"])?;
    let copy = bucket.copy("a", "a");
    let copy = copy.metadata_directive(MetadataDirective::Replace);
    let copy = copy.metadata("colour", "green").send().await;
    copy.done("copy with new metadata")?;
    same("bytes", bucket.bytes("a").await?, b"x")
}

async fn copy_of_nothing(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let copy = bucket.copy("nothing", "b").send().await;
    copy.refused("copy", 404, &["NoSuchKey"])?;
    holds(!bucket.has("b").await, "refused, and made")
}

async fn copy_overwrites(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"new").await?;
    let put = bucket.put("b", b"old").metadata("colour", "green");
    put.send().await.done("PUT")?;
    bucket.copy("a", "b").send().await.done("copy")?;
    same("bytes", bucket.bytes("b").await?, b"new")?;
    let head = bucket.head("b").send().await.done("HEAD")?;
    holds(
        head.metadata()
            .is_none_or(std::collections::HashMap::is_empty),
        "metadata of the old object is left",
    )
}

async fn copy_collapses_parts(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_parts("a", &[&FIVE_MIB, b"b"]).await?;
    same(
        "ETag of the source",
        etag,
        "\"e5a8c5272b26fc10581a21089559b006-2\"",
    )?;
    bucket.copy("a", "b").send().await.done("copy")?;
    let head = bucket.head("b").part_number(1);
    let head = head.send().await.done("HEAD of part 1")?;
    same(
        "ETag",
        head.e_tag(),
        Some("\"ad8356a4d8256639d7a35e4c221289ea\""),
    )?;
    same("size", head.content_length(), Some(5 * 1024 * 1024 + 1))?;
    holds(
        head.parts_count().is_none_or(|count| count == 1),
        "more than one part",
    )
}

async fn copy_source_if_match(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"hello").await?;
    let copy = bucket.copy("a", "b").copy_source_if_match(OTHER);
    let codes = &["PreconditionFailed"];
    copy.send().await.refused("copy", 412, codes)?;
    holds(!bucket.has("b").await, "refused, and made")?;
    let copy = bucket.copy("a", "b").copy_source_if_match(&etag);
    copy.send().await.done("copy that matches")?;
    same("bytes", bucket.bytes("b").await?, b"hello")
}

async fn copy_source_if_none_match(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"hello").await?;
    let copy = bucket.copy("a", "b").copy_source_if_none_match(&etag);
    let codes = &["PreconditionFailed"];
    copy.send().await.refused("copy", 412, codes)?;
    holds(!bucket.has("b").await, "refused, and made")?;
    let copy = bucket.copy("a", "b").copy_source_if_none_match(OTHER);
    copy.send().await.done("copy that differs").map(drop)
}

async fn copy_source_if_match_wins(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"hello").await?;
    let long_ago = aws_sdk_s3::primitives::DateTime::from_secs(1_000_000_000);
    let copy = bucket.copy("a", "b").copy_source_if_match(&etag);
    let copy = copy.copy_source_if_unmodified_since(long_ago);
    copy.send().await.done("copy")?;
    same("bytes", bucket.bytes("b").await?, b"hello")
}

async fn copy_source_if_unmodified_since(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"hello").await?;
    let long_ago = aws_sdk_s3::primitives::DateTime::from_secs(1_000_000_000);
    let copy = bucket.copy("a", "b");
    let copy = copy.copy_source_if_unmodified_since(long_ago);
    let codes = &["PreconditionFailed"];
    copy.send().await.refused("copy", 412, codes)?;
    holds(!bucket.has("b").await, "refused, and made")
}
