//! Objects: bytes, headers, metadata, ranges, conditions on reads.

use crate::answer::{Answer as _, Outcome, holds, same, there};
use crate::check::{Check, check};
use crate::s3::{S3, read};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        put_round_trip,
        "GET and HEAD give back the bytes, their number, and as ETag their MD5 in quotes."
    ),
    check!(empty_object, "An object may have no bytes."),
    check!(
        headers_round_trip,
        "Content-Type, Cache-Control, Content-Disposition, Content-Encoding, Content-Language and Expires come back as they were sent."
    ),
    check!(
        expires_text,
        "An Expires that is no date comes back as it was sent."
    ),
    check!(
        metadata_round_trip,
        "User metadata comes back, values as they were sent."
    ),
    check!(
        metadata_too_large,
        "User metadata over 2 KB: 400 MetadataTooLarge."
    ),
    check!(
        default_content_type,
        "An object without a Content-Type gets binary/octet-stream."
    ),
    check!(
        put_replaces_everything,
        "A PUT over an object keeps nothing of it: no header, no metadata, no tag."
    ),
    check!(
        content_md5_mismatch,
        "A Content-MD5 that is not the body's: 400 BadDigest, nothing is stored."
    ),
    check!(
        missing_key,
        "GET of a missing key: 404 NoSuchKey; HEAD: 404."
    ),
    check!(
        missing_bucket,
        "PUT, GET, copy and list in a missing bucket: 404 NoSuchBucket."
    ),
    check!(
        ranges,
        "A Range selects bytes, from the end too: 206 with Content-Range."
    ),
    check!(
        range_past_the_end,
        "A Range that begins past the end: 416 InvalidRange."
    ),
    check!(
        conditional_reads,
        "GET and HEAD: If-Match that fails: 412; If-None-Match that matches: 304."
    ),
    check!(
        wrong_signature,
        "A wrong signature: 403 SignatureDoesNotMatch."
    ),
    check!(
        unknown_access_key,
        "An unknown access key: 403 InvalidAccessKeyId."
    ),
];

async fn put_round_trip(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"123456789").await?;
    same("ETag", etag, "\"25f9e794323b453885f5181f1b624d0b\"")?;
    same("bytes", bucket.bytes("a").await?, b"123456789")?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    same("size", head.content_length(), Some(9))?;
    same(
        "ETag of HEAD",
        head.e_tag(),
        Some("\"25f9e794323b453885f5181f1b624d0b\""),
    )?;
    holds(head.last_modified().is_some(), "HEAD: no Last-Modified")
}

async fn empty_object(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"").await?;
    same("ETag", etag, "\"d41d8cd98f00b204e9800998ecf8427e\"")?;
    same("bytes", bucket.bytes("a").await?, b"")?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    same("size", head.content_length(), Some(0))
}

async fn headers_round_trip(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket
        .put("a", b"x")
        .content_type("text/x-test; charset=utf-8")
        .cache_control("max-age=60, public")
        .content_disposition("attachment; filename=\"a b.txt\"; filename*=UTF-8''%C3%A9.txt")
        .content_encoding("gzip")
        .content_language("de-CH, en")
        .expires(aws_sdk_s3::primitives::DateTime::from_secs(1_792_569_600));
    put.send().await.done("PUT")?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    same(
        "Content-Type",
        head.content_type(),
        Some("text/x-test; charset=utf-8"),
    )?;
    same(
        "Cache-Control",
        head.cache_control(),
        Some("max-age=60, public"),
    )?;
    same(
        "Content-Disposition",
        head.content_disposition(),
        Some("attachment; filename=\"a b.txt\"; filename*=UTF-8''%C3%A9.txt"),
    )?;
    same("Content-Encoding", head.content_encoding(), Some("gzip"))?;
    same(
        "Content-Language",
        head.content_language(),
        Some("de-CH, en"),
    )?;
    let got = bucket.get("a").send().await.done("GET")?;
    same(
        "Expires",
        got.expires_string(),
        Some("Wed, 21 Oct 2026 08:00:00 GMT"),
    )
}

async fn expires_text(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", b"x").customize();
    let put = put.mutate_request(|http| {
        http.headers_mut().insert("expires", "never, or so");
    });
    put.send().await.done("PUT")?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    same("Expires", head.expires_string(), Some("never, or so"))
}

async fn metadata_round_trip(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let sent = [
        ("colour", "green and blue"),
        ("with-dash", "a=b&c;d, \"quoted\""),
        ("encoded", "=?UTF-8?B?w6nDvMOf?="),
    ];
    let put = sent
        .iter()
        .fold(bucket.put("a", b"x"), |put, (name, value)| {
            put.metadata(*name, *value)
        });
    put.send().await.done("PUT")?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    let seen = there(head.metadata(), "metadata")?;
    same("entries", seen.len(), sent.len())?;
    for (name, value) in sent {
        same(name, seen.get(name).map(String::as_str), Some(value))?;
    }
    Ok(())
}

async fn metadata_too_large(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let fits = bucket.put("a", b"x").metadata("name", "x".repeat(2000));
    fits.send().await.done("PUT of 2,004 bytes of metadata")?;
    let put = bucket.put("b", b"x").metadata("name", "x".repeat(2100));
    put.send().await.refused("PUT", 400, &["MetadataTooLarge"])
}

async fn default_content_type(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", b"x").customize();
    // The SDK would send one of its own.
    let put = put.mutate_request(|http| {
        http.headers_mut().remove("content-type");
    });
    put.send().await.done("PUT")?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    same(
        "Content-Type",
        head.content_type(),
        Some("binary/octet-stream"),
    )
}

async fn put_replaces_everything(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", b"first").metadata("colour", "green");
    let put = put.cache_control("no-store").tagging("a=b");
    put.send().await.done("PUT")?;
    bucket.put_plain("a", b"second").await?;
    same("bytes", bucket.bytes("a").await?, b"second")?;
    let got = bucket.get("a").send().await.done("GET")?;
    holds(
        got.metadata()
            .is_none_or(std::collections::HashMap::is_empty),
        "metadata is left",
    )?;
    same("Cache-Control", got.cache_control(), None::<&str>)?;
    same("tags", got.tag_count().unwrap_or(0), 0)
}

async fn content_md5_mismatch(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", b"something else");
    let put = put.content_md5("JfnnlDI7RTiF9RgfG2JNCw==");
    put.send().await.refused("PUT", 400, &["BadDigest"])?;
    holds(!bucket.has("a").await, "refused, and stored")
}

async fn missing_key(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let get = bucket.get("nothing").send().await;
    get.refused("GET", 404, &["NoSuchKey"])?;
    let head = bucket.head("nothing").send().await;
    head.refused("HEAD", 404, &[])
}

async fn missing_bucket(s3: S3) -> Outcome {
    let real = s3.plain().await?;
    real.put_plain("a", b"x").await?;
    let mut bucket = real.clone();
    bucket.name = rebucket_tests::servers::unique("no-such-bucket");
    let codes = &["NoSuchBucket"];
    let put = bucket.put("a", b"x").send().await;
    put.refused("PUT", 404, codes)?;
    bucket.get("a").send().await.refused("GET", 404, codes)?;
    let copy = bucket.copy("a", "b").copy_source(real.source("a"));
    copy.send().await.refused("copy", 404, codes)?;
    let list = s3.client().list_objects_v2().bucket(&bucket.name);
    list.send().await.refused("list", 404, codes)
}

async fn ranges(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"123456789").await?;
    for (range, wanted, content_range) in [
        ("bytes=2-4", &b"345"[..], "bytes 2-4/9"),
        ("bytes=7-", b"89", "bytes 7-8/9"),
        ("bytes=-3", b"789", "bytes 6-8/9"),
        ("bytes=7-100", b"89", "bytes 7-8/9"),
    ] {
        let got = bucket.get("a").range(range).send().await.done(range)?;
        same(range, got.content_range(), Some(content_range))?;
        same(range, read(got).await?, wanted)?;
    }
    Ok(())
}

async fn range_past_the_end(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"123456789").await?;
    let get = bucket.get("a").range("bytes=9-12").send().await;
    get.refused("GET", 416, &["InvalidRange"])
}

async fn conditional_reads(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"x").await?;
    let other = "\"25f9e794323b453885f5181f1b624d0b\"";
    let matching = bucket.get("a").if_match(&etag).send().await;
    matching.done("GET, If-Match that holds")?;
    let get = bucket.get("a").if_match(other).send().await;
    get.refused("GET, If-Match", 412, &["PreconditionFailed"])?;
    let head = bucket.head("a").if_match(other).send().await;
    head.refused("HEAD, If-Match", 412, &[])?;
    let get = bucket.get("a").if_none_match(&etag).send().await;
    get.refused("GET, If-None-Match", 304, &[])?;
    let head = bucket.head("a").if_none_match(&etag).send().await;
    head.refused("HEAD, If-None-Match", 304, &[])
}

async fn wrong_signature(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"x").await?;
    let get = s3.stranger(None).get_object().bucket(&bucket.name);
    let get = get.key(bucket.key("a")).send().await;
    get.refused("GET", 403, &["SignatureDoesNotMatch"])
}

async fn unknown_access_key(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"x").await?;
    let stranger = s3.stranger(Some("AKIANOBODYKNOWSTHIS0"));
    let get = stranger.get_object().bucket(&bucket.name);
    let get = get.key(bucket.key("a")).send().await;
    get.refused("GET", 403, &["InvalidAccessKeyId"])
}
