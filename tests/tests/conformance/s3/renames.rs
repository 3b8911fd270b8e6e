//! What only some buckets or servers have: `RenameObject`, annotations.

use crate::answer::{Answer as _, Outcome, holds, same};
use crate::check::{Check, check};
use crate::s3::{Bucket, S3};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        rename_object,
        "RenameObject in a directory bucket: bytes, headers and metadata are at the new key, nothing at the old."
    ),
    check!(
        rename_if_none_match,
        "RenameObject with If-None-Match: * onto a key that is taken: 412, nothing changes."
    ),
    check!(
        rename_source_if_match,
        "RenameObject with another ETag of the source: 412, nothing changes."
    ),
    check!(rename_of_nothing, "RenameObject of a missing key: 404."),
    check!(
        rename_in_a_plain_bucket,
        "RenameObject in a bucket that is no directory bucket: refused, nothing changes."
    ),
    check!(
        rename_with_token,
        "RenameObject again with the same client token: done, and nothing changes."
    ),
    check!(
        rename_trailing_slash,
        "RenameObject onto a key that ends in /: 400, nothing changes."
    ),
    check!(
        annotations_round_trip,
        "An annotation comes back by its name, and is listed."
    ),
    check!(
        annotations_of_a_copy,
        "CopyObject copies annotations; an object that is copied in parts has none."
    ),
];

type Rename = aws_sdk_s3::operation::rename_object::builders::RenameObjectFluentBuilder;

fn rename(bucket: &Bucket, from: &str, to: &str) -> Rename {
    let request = bucket.client.rename_object().bucket(&bucket.name);
    let source = bucket.source(from);
    let key = source
        .trim_start_matches(&format!("{}/", bucket.name))
        .to_owned();
    request.key(bucket.key(to)).rename_source(key)
}

async fn rename_object(s3: S3) -> Outcome {
    let bucket = s3.directory().await?;
    let put = bucket.put("a b", b"hello").content_type("text/x-test");
    let put = put.metadata("colour", "green").send().await;
    put.done("PUT")?;
    rename(&bucket, "a b", "c").send().await.done("rename")?;
    same("bytes", bucket.bytes("c").await?, b"hello")?;
    let head = bucket.head("c").send().await.done("HEAD")?;
    same("Content-Type", head.content_type(), Some("text/x-test"))?;
    let metadata = head.metadata().and_then(|all| all.get("colour"));
    same("metadata", metadata.map(String::as_str), Some("green"))?;
    holds(!bucket.has("a b").await, "the old key is still there")
}

async fn rename_if_none_match(s3: S3) -> Outcome {
    let bucket = s3.directory().await?;
    bucket.put_plain("a", b"new").await?;
    bucket.put_plain("b", b"old").await?;
    let rename = rename(&bucket, "a", "b").destination_if_none_match("*");
    let rename = rename.send().await;
    rename.refused("rename", 412, &["PreconditionFailed"])?;
    same("source", bucket.bytes("a").await?, b"new")?;
    same("destination", bucket.bytes("b").await?, b"old")
}

async fn rename_source_if_match(s3: S3) -> Outcome {
    let bucket = s3.directory().await?;
    let etag = bucket.put_plain("a", b"hello").await?;
    let request = rename(&bucket, "a", "b");
    let request = request.source_if_match("\"25f9e794323b453885f5181f1b624d0b\"");
    let request = request.send().await;
    request.refused("rename", 412, &["PreconditionFailed"])?;
    same("source", bucket.bytes("a").await?, b"hello")?;
    holds(!bucket.has("b").await, "refused, and made")?;
    let request = rename(&bucket, "a", "b").source_if_match(etag);
    request.send().await.done("rename that matches")?;
    same("destination", bucket.bytes("b").await?, b"hello")
}

async fn rename_of_nothing(s3: S3) -> Outcome {
    let bucket = s3.directory().await?;
    let rename = rename(&bucket, "nothing", "b").send().await;
    rename.refused("rename", 404, &[])?;
    holds(!bucket.has("b").await, "refused, and made")
}

async fn rename_in_a_plain_bucket(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"hello").await?;
    let rename = rename(&bucket, "a", "b").send().await;
    holds(rename.is_err(), "rename: done")?;
    same("source", bucket.bytes("a").await?, b"hello")?;
    holds(!bucket.has("b").await, "refused, and made")
}

async fn rename_with_token(s3: S3) -> Outcome {
    let bucket = s3.directory().await?;
    bucket.put_plain("a", b"hello").await?;
    let token = rebucket_tests::servers::unique("token");
    for step in ["rename", "rename again"] {
        let rename = rename(&bucket, "a", "b").client_token(&token);
        rename.send().await.done(step)?;
    }
    same("bytes", bucket.bytes("b").await?, b"hello")?;
    holds(!bucket.has("a").await, "the old key is still there")
}

async fn rename_trailing_slash(s3: S3) -> Outcome {
    let bucket = s3.directory().await?;
    bucket.put_plain("a", b"hello").await?;
    let rename = rename(&bucket, "a", "b/").send().await;
    rename.refused("rename", 400, &[])?;
    same("bytes", bucket.bytes("a").await?, b"hello")
}

async fn annotate(bucket: &Bucket, key: &str) -> Outcome {
    let put = bucket.client.put_object_annotation().bucket(&bucket.name);
    let put = put.key(bucket.key(key)).annotation_name("note");
    let put = put.annotation_payload(b"remember".to_vec().into());
    put.send().await.done("PutObjectAnnotation").map(drop)
}

async fn annotations(bucket: &Bucket, key: &str) -> Result<Vec<String>, String> {
    let list = bucket.client.list_object_annotations();
    let list = list.bucket(&bucket.name).key(bucket.key(key));
    let listed = list.send().await.done("ListObjectAnnotations")?;
    let names = listed.annotations().iter();
    Ok(names.map(|one| one.annotation_name().to_owned()).collect())
}

async fn annotations_round_trip(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"hello").await?;
    annotate(&bucket, "a").await?;
    same("names", annotations(&bucket, "a").await?, ["note"])?;
    let get = bucket.client.get_object_annotation().bucket(&bucket.name);
    let get = get.key(bucket.key("a")).annotation_name("note");
    let got = get.send().await.done("GetObjectAnnotation")?;
    let bytes = got.annotation_payload.collect().await;
    let bytes = bytes.map_err(|_| "the payload breaks off".to_owned())?;
    same("payload", bytes.to_vec(), b"remember")?;
    same("bytes", bucket.bytes("a").await?, b"hello")
}

async fn annotations_of_a_copy(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"hello").await?;
    annotate(&bucket, "a").await?;
    bucket.copy("a", "b").send().await.done("copy")?;
    same(
        "names of the copy",
        annotations(&bucket, "b").await?,
        ["note"],
    )?;
    let upload = bucket.upload("c").await?;
    let copy = upload.part_copy(1, "a").send().await;
    let result = copy.done("a copied part")?.copy_part_result;
    let part = aws_sdk_s3::types::CompletedPart::builder().part_number(1);
    let part = part
        .set_e_tag(result.and_then(|result| result.e_tag))
        .build();
    let complete = upload.complete(vec![part]).send().await;
    complete.done("complete")?;
    same(
        "names of the copy in parts",
        annotations(&bucket, "c").await?,
        [""; 0],
    )
}
