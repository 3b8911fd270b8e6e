//! Uploads in parts.

use aws_sdk_s3::types::CompletedPart;

use crate::answer::{Answer as _, Outcome, holds, same, there};
use crate::check::{Check, check};
use crate::s3::{FIVE_MIB, S3};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        multipart_etag,
        "The ETag of an object in parts is the MD5 of its parts' MD5s, and -N; the result and HEAD name it."
    ),
    check!(
        multipart_boundaries,
        "Other part boundaries give another ETag for the same bytes."
    ),
    check!(
        multipart_is_invisible,
        "Before the complete there is no object, and an older one stays as it is."
    ),
    check!(
        multipart_part_replaced,
        "A part that is sent again replaces the first."
    ),
    check!(
        multipart_gaps,
        "Part numbers may have gaps; parts that are not named are left out."
    ),
    check!(
        multipart_wrong_order,
        "A complete whose parts are not in order: 400 InvalidPartOrder."
    ),
    check!(
        multipart_wrong_etag,
        "A complete with a part's ETag wrong: 400 InvalidPart."
    ),
    check!(
        multipart_missing_part,
        "A complete with a part that was not sent: 400 InvalidPart."
    ),
    check!(
        multipart_small_part,
        "A complete with a part under 5 MiB before the last: 400 EntityTooSmall."
    ),
    check!(
        multipart_no_parts,
        "A complete without any part: 400 InvalidRequest (or MalformedXML)."
    ),
    check!(
        multipart_part_number_limit,
        "A part number over 10,000: 400 InvalidArgument."
    ),
    check!(
        multipart_abort,
        "After an abort the parts are gone: a part or a complete: 404 NoSuchUpload."
    ),
    check!(
        multipart_abort_unknown,
        "An abort of an upload that is not there: 404 NoSuchUpload."
    ),
    check!(
        multipart_complete_twice,
        "A second complete: 404 NoSuchUpload, or 200 with the same ETag; the object stays as it is."
    ),
    check!(
        multipart_list_parts,
        "ListParts shows numbers, sizes and ETags in order, in pages."
    ),
    check!(
        multipart_list_uploads,
        "ListMultipartUploads shows open uploads of a prefix; neither completed nor aborted ones."
    ),
    check!(
        multipart_size_wrong,
        "A complete with an mpu-object-size that is not the parts' sum: 400 InvalidRequest."
    ),
];

const TWO: &str = "\"e5a8c5272b26fc10581a21089559b006-2\"";

async fn multipart_etag(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_parts("a", &[&FIVE_MIB, b"b"]).await?;
    same("ETag", etag, TWO)?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    same("ETag of HEAD", head.e_tag(), Some(TWO))?;
    same("size", head.content_length(), Some(5 * 1024 * 1024 + 1))?;
    let bytes = bucket.bytes("a").await?;
    holds(
        bytes.0.strip_suffix(b"b") == Some(&FIVE_MIB[..]),
        "other bytes",
    )
}

async fn multipart_boundaries(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let first = bucket.put_parts("a", &[&FIVE_MIB, b"b"]).await?;
    let whole = [&FIVE_MIB[..], b"b"].concat();
    let again = bucket.put_parts("b", &[&whole]).await?;
    same("ETag in two parts", first, TWO)?;
    same(
        "ETag in one part",
        again,
        "\"8e715b981d94d35dabbf23ac1177ccd1-1\"",
    )
}

async fn multipart_is_invisible(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("free").await?;
    upload.put(1, b"new").await?;
    let head = bucket.head("free").send().await;
    head.refused("HEAD before the complete", 404, &[])?;
    bucket.put_plain("taken", b"old").await?;
    let upload = bucket.upload("taken").await?;
    let part = upload.put(1, b"new").await?;
    same("bytes before", bucket.bytes("taken").await?, b"old")?;
    same("listed", bucket.keys().await?, ["taken"])?;
    let complete = upload.complete(vec![part]).send().await;
    complete.done("complete")?;
    same("bytes after", bucket.bytes("taken").await?, b"new")
}

async fn multipart_part_replaced(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    upload.put(1, b"first").await?;
    let part = upload.put(1, b"second").await?;
    let complete = upload.complete(vec![part]).send().await;
    complete.done("complete")?;
    same("bytes", bucket.bytes("a").await?, b"second")
}

async fn multipart_gaps(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    let first = upload.put(2, &FIVE_MIB).await?;
    upload.put(5, b"left out").await?;
    let last = upload.put(9, b"b").await?;
    let complete = upload.complete(vec![first, last]).send().await;
    let done = complete.done("complete")?;
    same("ETag", done.e_tag(), Some(TWO))
}

async fn multipart_wrong_order(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    let first = upload.put(1, &FIVE_MIB).await?;
    let second = upload.put(2, &FIVE_MIB).await?;
    let complete = upload.complete(vec![second, first]).send().await;
    complete.refused("complete", 400, &["InvalidPartOrder"])?;
    holds(!bucket.has("a").await, "refused, and made")
}

async fn multipart_wrong_etag(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    upload.put(1, b"x").await?;
    let part = CompletedPart::builder().part_number(1);
    let part = part.e_tag("\"25f9e794323b453885f5181f1b624d0b\"").build();
    let complete = upload.complete(vec![part]).send().await;
    complete.refused("complete", 400, &["InvalidPart"])?;
    holds(!bucket.has("a").await, "refused, and made")
}

async fn multipart_missing_part(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    let part = upload.put(1, &FIVE_MIB).await?;
    let other = CompletedPart::builder().part_number(2);
    let other = other.set_e_tag(part.e_tag.clone()).build();
    let complete = upload.complete(vec![part, other]).send().await;
    complete.refused("complete", 400, &["InvalidPart"])?;
    holds(!bucket.has("a").await, "refused, and made")
}

async fn multipart_small_part(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    let first = upload.put(1, &FIVE_MIB[1..]).await?;
    let last = upload.put(2, b"b").await?;
    let complete = upload.complete(vec![first, last]).send().await;
    complete.refused("complete", 400, &["EntityTooSmall"])?;
    holds(!bucket.has("a").await, "refused, and made")
}

async fn multipart_no_parts(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    let complete = upload.complete(Vec::new()).send().await;
    complete.refused("complete", 400, &["InvalidRequest", "MalformedXML"])?;
    holds(!bucket.has("a").await, "refused, and made")
}

async fn multipart_part_number_limit(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    upload.put(10_000, b"x").await?;
    let part = upload.part(10_001, b"x").send().await;
    part.refused("a part", 400, &["InvalidArgument"])
}

async fn multipart_abort(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    let part = upload.put(1, b"x").await?;
    upload.abort().send().await.done("abort")?;
    let codes = &["NoSuchUpload"];
    let complete = upload.complete(vec![part]).send().await;
    complete.refused("complete", 404, codes)?;
    let part = upload.part(1, b"x").send().await;
    part.refused("a part", 404, codes)?;
    holds(!bucket.has("a").await, "refused, and made")
}

async fn multipart_abort_unknown(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    upload.abort().send().await.done("abort")?;
    let again = upload.abort().send().await;
    again.refused("second abort", 404, &["NoSuchUpload"])
}

async fn multipart_complete_twice(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    let part = upload.put(1, b"x").await?;
    let done = upload.complete(vec![part.clone()]).send().await;
    let done = done.done("complete")?;
    there(done.e_tag(), "ETag")?;
    let again = upload.complete(vec![part]).send().await;
    match again {
        Ok(again) => same("ETag", again.e_tag(), done.e_tag())?,
        refused => refused.refused("second complete", 404, &["NoSuchUpload"])?,
    }
    same("bytes", bucket.bytes("a").await?, b"x")
}

async fn multipart_list_parts(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    let mut sent = Vec::new();
    for number in [3, 1, 2] {
        let body: Vec<u8> = (0..number).map(|_| b'x').collect();
        let part = upload.put(number, &body).await?;
        sent.push((Some(number), Some(i64::from(number)), part.e_tag));
    }
    sent.sort();
    let mut seen = Vec::new();
    let mut marker = None;
    for _ in 0..2 {
        let request = bucket.client.list_parts().bucket(&bucket.name);
        let request = request.key(bucket.key("a")).upload_id(&upload.id);
        let request = request.max_parts(2).set_part_number_marker(marker);
        let page = request.send().await.done("ListParts")?;
        let parts = page.parts().iter();
        seen.extend(parts.map(|part| (part.part_number, part.size, part.e_tag.clone())));
        marker = page.next_part_number_marker;
    }
    same("parts", seen, sent)
}

async fn multipart_list_uploads(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let open = bucket.upload("open").await?;
    let completed = bucket.upload("completed").await?;
    let aborted = bucket.upload("aborted").await?;
    let part = completed.put(1, b"x").await?;
    let complete = completed.complete(vec![part]).send().await;
    complete.done("complete")?;
    aborted.abort().send().await.done("abort")?;
    let list = bucket.client.list_multipart_uploads();
    let list = list.bucket(&bucket.name).prefix(&bucket.prefix);
    let listed = list.send().await.done("ListMultipartUploads")?;
    let uploads = listed.uploads().iter();
    let seen: Vec<_> = uploads
        .map(|one| (one.key(), one.upload_id() == Some(&open.id)))
        .collect();
    same("uploads", seen, [(Some(bucket.key("open").as_str()), true)])
}

async fn multipart_size_wrong(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    let part = upload.put(1, b"x").await?;
    let complete = upload.complete(vec![part]).mpu_object_size(2);
    let complete = complete.send().await;
    complete.refused("complete", 400, &["InvalidRequest"])?;
    holds(!bucket.has("a").await, "refused, and made")
}
