//! Objects that were made in parts: what was given at the create, and what
//! they show of their parts.

use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder as Create;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ServerSideEncryption, StorageClass};

use crate::answer::{Answer as _, Outcome, holds, same, there};
use crate::check::{Check, check};
use crate::s3::{FIVE_MIB, S3, tags};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        multipart_headers,
        "Headers, metadata and tags given at the create are the object's."
    ),
    check!(
        multipart_storage_class,
        "The storage class given at the create is the object's."
    ),
    check!(
        multipart_redirect,
        "The website redirect given at the create is the object's."
    ),
    check!(
        multipart_encryption,
        "The encryption given at the create is the object's."
    ),
    check!(
        head_part_number,
        "HEAD with partNumber=1: 206, the first part's size, and the count of parts."
    ),
    check!(
        head_part_number_of_one,
        "HEAD with partNumber=1 of an object in one piece: its size, no count of parts."
    ),
    check!(
        multipart_version,
        "With versioning the answer to a complete names the version that it made."
    ),
];

const TWO: &str = "\"e5a8c5272b26fc10581a21089559b006-2\"";

async fn multipart_headers(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let create = bucket
        .create_upload("a")
        .content_type("text/x-test")
        .cache_control("max-age=60")
        .content_disposition("inline")
        .content_encoding("gzip")
        .content_language("de")
        .expires(aws_sdk_s3::primitives::DateTime::from_secs(1_792_569_600))
        .metadata("colour", "green")
        .tagging("project=x&space=a%20b");
    let upload = bucket.upload_as(create, "a").await?;
    let part = upload.put(1, b"x").await?;
    let complete = upload.complete(vec![part]).send().await;
    complete.done("complete")?;
    let head = bucket.head("a").send().await.done("HEAD")?;
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
    let colour = metadata.get("colour").map(String::as_str);
    same("metadata", colour, Some("green"))?;
    let wanted = ["project=x", "space=a b"];
    same("tags", tags(&bucket, "a").await?, wanted)
}

/// An object made in parts by an upload with properties, as HEAD shows it.
async fn made_with(
    s3: S3,
    with: impl FnOnce(Create) -> Create,
) -> Result<HeadObjectOutput, String> {
    let bucket = s3.plain().await?;
    let create = with(bucket.create_upload("a"));
    let upload = bucket.upload_as(create, "a").await?;
    let part = upload.put(1, b"x").await?;
    let complete = upload.complete(vec![part]).send().await;
    complete.done("complete")?;
    bucket.head("a").send().await.done("HEAD")
}

async fn multipart_storage_class(s3: S3) -> Outcome {
    let head = made_with(s3, |create| create.storage_class(StorageClass::StandardIa)).await?;
    let class = head.storage_class().map(StorageClass::as_str);
    same("storage class", class, Some("STANDARD_IA"))
}

async fn multipart_redirect(s3: S3) -> Outcome {
    let head = made_with(s3, |create| create.website_redirect_location("/b")).await?;
    same("redirect", head.website_redirect_location(), Some("/b"))
}

async fn multipart_encryption(s3: S3) -> Outcome {
    let key = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let head = made_with(s3, |create| {
        let create = create.server_side_encryption(ServerSideEncryption::AwsKms);
        create.ssekms_key_id(key).bucket_key_enabled(true)
    });
    let head = head.await?;
    let kind = head
        .server_side_encryption()
        .map(ServerSideEncryption::as_str);
    same("encryption", kind, Some("aws:kms"))?;
    same("key", head.ssekms_key_id(), Some(key))?;
    same("bucket key", head.bucket_key_enabled(), Some(true))
}

async fn head_part_number(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_parts("a", &[&FIVE_MIB, b"b"]).await?;
    let head = bucket.head("a").part_number(1).send().await;
    let head = head.done("HEAD of part 1")?;
    same(
        "size of part 1",
        head.content_length(),
        Some(5 * 1024 * 1024),
    )?;
    same("parts", head.parts_count(), Some(2))?;
    same("ETag", head.e_tag(), Some(TWO))?;
    let head = bucket.head("a").part_number(2).send().await;
    let head = head.done("HEAD of part 2")?;
    same("size of part 2", head.content_length(), Some(1))
}

async fn head_part_number_of_one(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"hello").await?;
    let head = bucket.head("a").part_number(1).send().await;
    let head = head.done("HEAD")?;
    same("size", head.content_length(), Some(5))?;
    same("parts", head.parts_count(), None)
}

async fn multipart_version(s3: S3) -> Outcome {
    let bucket = s3.versioned().await?;
    let upload = bucket.upload("a").await?;
    let part = upload.put(1, b"x").await?;
    let complete = upload.complete(vec![part]).send().await;
    let version = complete.done("complete")?.version_id;
    let version = there(version, "version of the complete")?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    holds(
        head.version_id == Some(version),
        "HEAD names another version",
    )
}
