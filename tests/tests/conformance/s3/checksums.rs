//! Checksums beside the ETag.

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedPart};

use crate::answer::{Answer as _, Outcome, holds, same, there};
use crate::check::{Check, check};
use crate::s3::{Bucket, FIVE_MIB, S3, Upload};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        checksum_default,
        "An object that was sent without a checksum has one: CRC64NVME, FULL_OBJECT."
    ),
    check!(
        checksum_crc32,
        "A CRC32 of a PUT is kept; HEAD shows it when asked for checksums."
    ),
    check!(checksum_crc32c, "A CRC32C of a PUT is kept."),
    check!(checksum_crc64nvme, "A CRC64NVME of a PUT is kept."),
    check!(checksum_sha1, "A SHA-1 of a PUT is kept."),
    check!(checksum_sha256, "A SHA-256 of a PUT is kept."),
    check!(
        checksum_of_the_sdk,
        "A PUT with the defaults of the SDK stores the bytes alone, and their CRC32."
    ),
    check!(
        checksum_type,
        "The checksum of an object in one piece is of the type FULL_OBJECT."
    ),
    check!(
        checksum_in_answers,
        "The answers to a PUT, a part and a copy name the checksum."
    ),
    check!(
        checksum_hidden,
        "HEAD and GET show no checksum unless asked."
    ),
    check!(
        checksum_wrong,
        "A checksum that is not the body's: 400 BadDigest, nothing is stored."
    ),
    check!(
        checksum_full_object,
        "A complete with the whole's checksum, FULL_OBJECT: done, and HEAD shows it."
    ),
    check!(
        checksum_full_object_wrong,
        "A complete with another checksum than the whole's: 400 BadDigest, nothing is made."
    ),
    check!(
        checksum_full_object_sha,
        "An upload with SHA256 and FULL_OBJECT: 400 InvalidRequest."
    ),
    check!(
        checksum_composite,
        "A COMPOSITE checksum is the checksum of the parts' checksums, and -N."
    ),
    check!(
        checksum_composite_incomplete,
        "A complete of a COMPOSITE upload without the parts' checksums: 400 InvalidRequest."
    ),
    check!(
        checksum_multipart_default,
        "An object in parts without checksums has CRC64NVME, FULL_OBJECT."
    ),
    check!(
        checksum_copied_parts,
        "FULL_OBJECT over copied parts: the right value is done, a wrong one: 400 BadDigest."
    ),
    check!(
        checksum_copy,
        "A copy has the checksum of the same algorithm."
    ),
    check!(
        checksum_copy_other,
        "A copy that names another algorithm has that one."
    ),
    check!(
        checksum_copy_of_composite,
        "A copy in one piece of a COMPOSITE object has a FULL_OBJECT checksum of the same algorithm."
    ),
];

const BODY: &[u8] = b"123456789";
const CRC64: &str = "rosUhgp5mIg=";
const SHA256: &str = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=";
/// Of five MiB of `a` and one `b`.
const CRC64_OF_TWO: &str = "q73CYp7EDYg=";

async fn head(bucket: &Bucket, key: &str) -> Result<HeadObjectOutput, String> {
    let head = bucket.head(key).checksum_mode(ChecksumMode::Enabled);
    head.send().await.done("HEAD")
}

fn kind(head: &HeadObjectOutput) -> &str {
    head.checksum_type().map_or("none", ChecksumType::as_str)
}

async fn checksum_default(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", BODY).await?;
    let head = head(&bucket, "a").await?;
    same("CRC64NVME", head.checksum_crc64_nvme(), Some(CRC64))?;
    same("type", kind(&head), "FULL_OBJECT")
}

async fn checksum_type(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", BODY).checksum_sha256(SHA256);
    put.send().await.done("PUT")?;
    let head = head(&bucket, "a").await?;
    same("type", kind(&head), "FULL_OBJECT")
}

/// Puts an object with a checksum, and expects that one.
async fn is_kept(
    s3: S3,
    set: fn(PutObjectFluentBuilder, &str) -> PutObjectFluentBuilder,
    read: fn(&HeadObjectOutput) -> Option<&str>,
    value: &str,
) -> Outcome {
    let bucket = s3.plain().await?;
    let put = set(bucket.put("a", BODY), value);
    put.send().await.done("PUT")?;
    let head = head(&bucket, "a").await?;
    same("checksum", read(&head), Some(value))
}

async fn checksum_crc32(s3: S3) -> Outcome {
    let read = HeadObjectOutput::checksum_crc32;
    is_kept(s3, |put, sum| put.checksum_crc32(sum), read, "y/Q5Jg==").await
}

async fn checksum_crc32c(s3: S3) -> Outcome {
    let read = HeadObjectOutput::checksum_crc32_c;
    is_kept(s3, |put, sum| put.checksum_crc32_c(sum), read, "4waSgw==").await
}

async fn checksum_crc64nvme(s3: S3) -> Outcome {
    let read = HeadObjectOutput::checksum_crc64_nvme;
    is_kept(s3, |put, sum| put.checksum_crc64_nvme(sum), read, CRC64).await
}

async fn checksum_sha1(s3: S3) -> Outcome {
    let read = HeadObjectOutput::checksum_sha1;
    let value = "98O8HYCOBHMq32eZZczDTKeuNEE=";
    is_kept(s3, |put, sum| put.checksum_sha1(sum), read, value).await
}

async fn checksum_sha256(s3: S3) -> Outcome {
    let read = HeadObjectOutput::checksum_sha256;
    is_kept(s3, |put, sum| put.checksum_sha256(sum), read, SHA256).await
}

/// As a client that was not configured sends it: in chunks, the checksum after
/// the last.
async fn checksum_of_the_sdk(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let defaults = aws_sdk_s3::Config::builder()
        .request_checksum_calculation(RequestChecksumCalculation::WhenSupported);
    let put = bucket.put("a", BODY).customize().config_override(defaults);
    put.send().await.done("PUT")?;
    same("bytes", bucket.bytes("a").await?, BODY)?;
    let head = head(&bucket, "a").await?;
    same("CRC32", head.checksum_crc32(), Some("y/Q5Jg=="))?;
    same("Content-Encoding", head.content_encoding(), None::<&str>)
}

async fn checksum_in_answers(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", BODY).checksum_sha256(SHA256);
    let put = put.send().await.done("PUT")?;
    same("PUT", put.checksum_sha256(), Some(SHA256))?;
    let create = bucket.create_upload("b");
    let create = create.checksum_algorithm(ChecksumAlgorithm::Sha256);
    let upload = bucket.upload_as(create, "b").await?;
    let part = upload.part(1, BODY).checksum_sha256(SHA256);
    let part = part.send().await.done("a part")?;
    same("part", part.checksum_sha256(), Some(SHA256))?;
    let copy = bucket.copy("a", "c").send().await.done("copy")?;
    let result = there(copy.copy_object_result(), "result")?;
    same("copy", result.checksum_sha256(), Some(SHA256))
}

async fn checksum_hidden(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", BODY).checksum_sha256(SHA256);
    put.send().await.done("PUT")?;
    let asked = head(&bucket, "a").await?;
    same("asked for", asked.checksum_sha256(), Some(SHA256))?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    same("SHA-256", head.checksum_sha256(), None::<&str>)?;
    let got = bucket.get("a").send().await.done("GET")?;
    same("SHA-256 of GET", got.checksum_sha256(), None::<&str>)
}

async fn checksum_wrong(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    for (name, put) in [
        ("CRC32", bucket.put("a", b"x").checksum_crc32("y/Q5Jg==")),
        (
            "CRC64NVME",
            bucket.put("a", b"x").checksum_crc64_nvme(CRC64),
        ),
        ("SHA-256", bucket.put("a", b"x").checksum_sha256(SHA256)),
    ] {
        put.send().await.refused(name, 400, &["BadDigest"])?;
        holds(!bucket.has("a").await, "refused, and stored")?;
    }
    Ok(())
}

async fn full_object_upload(bucket: &Bucket, key: &str) -> Result<Upload, String> {
    let create = bucket
        .create_upload(key)
        .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
        .checksum_type(ChecksumType::FullObject);
    bucket.upload_as(create, key).await
}

async fn full_object(s3: S3, value: &str) -> Result<(Bucket, Result<(), String>), String> {
    let bucket = s3.plain().await?;
    let upload = full_object_upload(&bucket, "a").await?;
    let first = upload.put(1, &FIVE_MIB).await?;
    let last = upload.put(2, b"b").await?;
    let complete = upload
        .complete(vec![first, last])
        .checksum_type(ChecksumType::FullObject)
        .checksum_crc64_nvme(value)
        .mpu_object_size(5 * 1024 * 1024 + 1);
    let sent = complete.send().await;
    let outcome = if value == CRC64_OF_TWO {
        sent.done("complete").map(drop)
    } else {
        sent.refused("complete", 400, &["BadDigest"])
    };
    Ok((bucket, outcome))
}

async fn checksum_full_object(s3: S3) -> Outcome {
    let (bucket, outcome) = full_object(s3, CRC64_OF_TWO).await?;
    outcome?;
    let head = head(&bucket, "a").await?;
    same("CRC64NVME", head.checksum_crc64_nvme(), Some(CRC64_OF_TWO))?;
    same("type", kind(&head), "FULL_OBJECT")
}

async fn checksum_full_object_wrong(s3: S3) -> Outcome {
    let (bucket, outcome) = full_object(s3, CRC64).await?;
    outcome?;
    holds(!bucket.has("a").await, "refused, and made")
}

async fn checksum_full_object_sha(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let create = bucket
        .create_upload("a")
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .checksum_type(ChecksumType::FullObject);
    let create = create.send().await;
    create.refused("create an upload", 400, &["InvalidRequest"])
}

/// Makes an object of two parts with a composite SHA-256.
async fn composite(bucket: &Bucket, key: &str, with_checksums: bool) -> Result<Outcome, String> {
    let create = bucket
        .create_upload(key)
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .checksum_type(ChecksumType::Composite);
    let upload = bucket.upload_as(create, key).await?;
    let mut parts = Vec::new();
    for (number, body, sum) in [
        (
            1,
            &FIVE_MIB[..],
            "oplo+tLngqqfIECjXwWtuX7Yl56x9XLIyOp4Y34nXzw=",
        ),
        (2, b"b", "PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0="),
    ] {
        let part = upload.part(number, body).checksum_sha256(sum);
        let sent = part.send().await.done("a part")?;
        let part = CompletedPart::builder().part_number(number);
        let part = part.set_e_tag(sent.e_tag);
        parts.push(
            part.set_checksum_sha256(with_checksums.then(|| sum.to_owned()))
                .build(),
        );
    }
    let complete = upload.complete(parts).send().await;
    Ok(if with_checksums {
        complete.done("complete").map(drop)
    } else {
        complete.refused("complete", 400, &["InvalidRequest", "InvalidPart"])
    })
}

async fn checksum_composite(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    composite(&bucket, "a", true).await??;
    let head = head(&bucket, "a").await?;
    same(
        "SHA-256",
        head.checksum_sha256(),
        Some("tfmzeY9XeH2OXmxrtS4iDWlNIKUTAFv0/csHs2lsoD8=-2"),
    )?;
    same("type", kind(&head), "COMPOSITE")
}

async fn checksum_composite_incomplete(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    composite(&bucket, "a", false).await??;
    holds(!bucket.has("a").await, "refused, and made")
}

async fn checksum_multipart_default(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_parts("a", &[&FIVE_MIB, b"b"]).await?;
    let head = head(&bucket, "a").await?;
    same("CRC64NVME", head.checksum_crc64_nvme(), Some(CRC64_OF_TWO))?;
    same("type", kind(&head), "FULL_OBJECT")
}

async fn checksum_copied_parts(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", BODY).await?;
    for (to, value, right) in [("wrong", CRC64_OF_TWO, false), ("right", CRC64, true)] {
        let upload = full_object_upload(&bucket, to).await?;
        let copy = upload.part_copy(1, "a").send().await;
        let copy = copy.done("a copied part")?;
        let result = there(copy.copy_part_result, "result")?;
        let part = CompletedPart::builder().part_number(1);
        let part = part.set_e_tag(result.e_tag).build();
        let complete = upload
            .complete(vec![part])
            .checksum_type(ChecksumType::FullObject)
            .checksum_crc64_nvme(value);
        let sent = complete.send().await;
        if right {
            sent.done("complete")?;
        } else {
            sent.refused("complete with a wrong value", 400, &["BadDigest"])?;
            holds(!bucket.has(to).await, "refused, and made")?;
        }
    }
    let head = head(&bucket, "right").await?;
    same("CRC64NVME", head.checksum_crc64_nvme(), Some(CRC64))
}

async fn checksum_copy(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", BODY).checksum_sha256(SHA256);
    put.send().await.done("PUT")?;
    bucket.copy("a", "b").send().await.done("copy")?;
    let head = head(&bucket, "b").await?;
    same("SHA-256", head.checksum_sha256(), Some(SHA256))?;
    same("CRC64NVME", head.checksum_crc64_nvme(), None::<&str>)
}

async fn checksum_copy_other(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", BODY).checksum_sha256(SHA256);
    put.send().await.done("PUT")?;
    let copy = bucket.copy("a", "b");
    let copy = copy.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
    copy.send().await.done("copy")?;
    let head = head(&bucket, "b").await?;
    same("CRC64NVME", head.checksum_crc64_nvme(), Some(CRC64))?;
    same("SHA-256", head.checksum_sha256(), None::<&str>)
}

async fn checksum_copy_of_composite(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    composite(&bucket, "a", true).await??;
    bucket.copy("a", "b").send().await.done("copy")?;
    let head = head(&bucket, "b").await?;
    same(
        "SHA-256",
        head.checksum_sha256(),
        Some("qEjiacD+MVkLyrd35NmxtYkuaREC8+3HH204mPOFhN4="),
    )?;
    same("type", kind(&head), "FULL_OBJECT")
}
