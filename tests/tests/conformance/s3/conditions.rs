//! Writes and deletes that hold only when a condition does.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::answer::{Answer as _, Outcome, holds, same};
use crate::check::{Check, check};
use crate::s3::{Bucket, S3};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        put_if_none_match,
        "PUT with If-None-Match: * on a free key: done; on one that is taken: 412, nothing changes."
    ),
    check!(
        put_if_match,
        "PUT with If-Match: the ETag: done; another: 412, nothing changes; a missing key: 404."
    ),
    check!(
        copy_if_none_match,
        "A copy with If-None-Match: * onto a free key: done; onto one that is taken: 412, nothing changes."
    ),
    check!(
        complete_if_none_match,
        "A complete with If-None-Match: * after another object appeared: 412, nothing changes."
    ),
    check!(
        complete_if_none_match_free,
        "A complete with If-None-Match: * on a free key: done."
    ),
    check!(
        racing_creates,
        "Of ten PUTs at once with If-None-Match: * one is done; the others get 412 (or 409)."
    ),
    check!(
        racing_copies,
        "Of ten copies at once with If-None-Match: * one is done; the others get 412 (or 409)."
    ),
    check!(
        delete_without_condition,
        "DELETE of a key, there or not: 204."
    ),
    check!(
        delete_if_match,
        "DELETE with If-Match: the ETag: 204 and gone."
    ),
    check!(
        delete_if_match_another,
        "DELETE with If-Match: another ETag: 412, the object stays."
    ),
    check!(
        delete_if_match_missing,
        "DELETE with If-Match of a missing key: refused (404 or 412), never a 2xx."
    ),
    check!(
        delete_if_match_any,
        "DELETE with If-Match: * deletes an object that is there."
    ),
    check!(
        delete_objects,
        "DeleteObjects names each key as deleted, missing ones too."
    ),
    check!(
        delete_objects_quiet,
        "Quiet DeleteObjects names only what failed."
    ),
    check!(
        delete_objects_if_match,
        "DeleteObjects with a right ETag a key deletes them."
    ),
    check!(
        delete_objects_if_match_mixed,
        "DeleteObjects with a wrong ETag for one key: that one stays, with PreconditionFailed; the others go."
    ),
    check!(
        delete_objects_if_match_missing,
        "DeleteObjects with an ETag for a missing key: an error for that key (NoSuchKey or PreconditionFailed)."
    ),
    check!(
        delete_objects_encoded_keys,
        "DeleteObjects takes keys with &, <, quotes and non-ASCII letters."
    ),
];

const OTHER: &str = "\"25f9e794323b453885f5181f1b624d0b\"";
const FAILED: &[&str] = &["PreconditionFailed"];

async fn put_if_none_match(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = bucket.put("a", b"first").if_none_match("*");
    put.send().await.done("PUT of a free key")?;
    let put = bucket.put("a", b"second").if_none_match("*");
    put.send().await.refused("PUT", 412, FAILED)?;
    same("bytes", bucket.bytes("a").await?, b"first")
}

async fn put_if_match(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"first").await?;
    let put = bucket.put("a", b"second").if_match(OTHER);
    put.send().await.refused("PUT", 412, FAILED)?;
    same("bytes", bucket.bytes("a").await?, b"first")?;
    let put = bucket.put("a", b"third").if_match(&etag);
    put.send().await.done("PUT that matches")?;
    same("bytes", bucket.bytes("a").await?, b"third")?;
    let put = bucket.put("nothing", b"x").if_match(&etag);
    let put = put.send().await;
    put.refused("PUT of a missing key", 404, &["NoSuchKey"])
}

async fn copy_if_none_match(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"new").await?;
    bucket.put_plain("taken", b"old").await?;
    let copy = bucket.copy("a", "free").if_none_match("*");
    copy.send().await.done("copy onto a free key")?;
    let copy = bucket.copy("a", "taken").if_none_match("*");
    copy.send().await.refused("copy", 412, FAILED)?;
    same("bytes", bucket.bytes("taken").await?, b"old")
}

async fn complete_if_none_match(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    let part = upload.put(1, b"new").await?;
    bucket.put_plain("a", b"old").await?;
    let complete = upload.complete(vec![part]).if_none_match("*");
    complete.send().await.refused("complete", 412, FAILED)?;
    same("bytes", bucket.bytes("a").await?, b"old")
}

async fn complete_if_none_match_free(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let upload = bucket.upload("a").await?;
    let part = upload.put(1, b"new").await?;
    let complete = upload.complete(vec![part]).if_none_match("*");
    complete.send().await.done("complete")?;
    same("bytes", bucket.bytes("a").await?, b"new")
}

/// How one of many that race ended.
enum Race {
    Won,
    Lost,
    Failed(String),
}

fn race<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E, HttpResponse>>) -> Race {
    let status = result.as_ref().err().and_then(|error| error.raw_response());
    match status.map(|raw| raw.status().as_u16()) {
        Some(409 | 412) => Race::Lost,
        _ => result
            .done("request")
            .map_or_else(Race::Failed, |_| Race::Won),
    }
}

/// That exactly one has won.
fn one_winner(all: Vec<Race>) -> Outcome {
    let mut winners = 0;
    for one in all {
        match one {
            Race::Won => winners += 1,
            Race::Lost => {}
            Race::Failed(seen) => return Err(seen),
        }
    }
    holds(winners > 0, "nobody wins")?;
    // How many win by mistake changes from run to run.
    holds(winners == 1, "several win")
}

async fn racing_creates(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let puts = (0..10u8).map(|n| {
        let put = bucket.put("a", &[n]).if_none_match("*").send();
        async { race(put.await) }
    });
    one_winner(futures_util::future::join_all(puts).await)
}

async fn racing_copies(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("from", b"x").await?;
    let copies = (0..10).map(|_| {
        let copy = bucket.copy("from", "to").if_none_match("*").send();
        async { race(copy.await) }
    });
    one_winner(futures_util::future::join_all(copies).await)
}

async fn delete_without_condition(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"x").await?;
    bucket.delete("a").send().await.done("DELETE")?;
    holds(!bucket.has("a").await, "still there")?;
    let again = bucket.delete("a").send().await;
    again.done("DELETE of a missing key").map(drop)
}

async fn delete_if_match(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"x").await?;
    let delete = bucket.delete("a").if_match(&etag);
    delete.send().await.done("DELETE")?;
    holds(!bucket.has("a").await, "still there")
}

async fn delete_if_match_another(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"x").await?;
    let delete = bucket.delete("a").if_match(OTHER);
    delete.send().await.refused("DELETE", 412, FAILED)?;
    same("bytes", bucket.bytes("a").await?, b"x")
}

async fn delete_if_match_missing(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let delete = bucket.delete("nothing").if_match(OTHER).send().await;
    let status = delete.as_ref().err().and_then(|error| error.raw_response());
    if status.map(|raw| raw.status().as_u16()) == Some(412) {
        return delete.refused("DELETE", 412, FAILED);
    }
    delete.refused("DELETE", 404, &["NoSuchKey"])
}

async fn delete_if_match_any(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"x").await?;
    let delete = bucket.delete("a").if_match("*");
    delete.send().await.done("DELETE")?;
    holds(!bucket.has("a").await, "still there")
}

/// Deletes keys, each with its ETag, and tells of each what was said of it:
/// `key deleted` or `key CODE`.
async fn delete_all(
    bucket: &Bucket,
    keys: &[(&str, Option<&str>)],
    quiet: bool,
) -> Result<Vec<String>, String> {
    let objects = keys.iter().map(|(key, etag)| {
        let object = ObjectIdentifier::builder().key(bucket.key(key));
        let object = object.set_e_tag(etag.map(str::to_owned)).build();
        object.map_err(|error| error.to_string())
    });
    let delete = Delete::builder()
        .set_objects(Some(objects.collect::<Result<_, _>>()?))
        .quiet(quiet)
        .build();
    let delete = delete.map_err(|error| error.to_string())?;
    let request = bucket.client.delete_objects().bucket(&bucket.name);
    let answer = request.delete(delete).send().await.done("DeleteObjects")?;
    let short = |key: Option<&str>| {
        let key = key.unwrap_or_default();
        key.strip_prefix(&bucket.prefix).unwrap_or(key).to_owned()
    };
    let deleted = answer.deleted().iter();
    let deleted = deleted.map(|one| format!("{} deleted", short(one.key())));
    let failed = answer.errors().iter();
    let failed =
        failed.map(|one| format!("{} {}", short(one.key()), one.code().unwrap_or("(no code)")));
    let mut all: Vec<_> = deleted.chain(failed).collect();
    all.sort();
    Ok(all)
}

async fn delete_objects(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"x").await?;
    bucket.put_plain("b", b"x").await?;
    let said = delete_all(&bucket, &[("a", None), ("b", None), ("c", None)], false);
    same("said", said.await?, ["a deleted", "b deleted", "c deleted"])?;
    same("left", bucket.keys().await?, [""; 0])
}

async fn delete_objects_quiet(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    bucket.put_plain("a", b"x").await?;
    let said = delete_all(&bucket, &[("a", None), ("c", None)], true);
    same("said", said.await?, [""; 0])?;
    same("left", bucket.keys().await?, [""; 0])
}

async fn delete_objects_if_match(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let a = bucket.put_plain("a", b"first").await?;
    let b = bucket.put_plain("b", b"second").await?;
    let keys = [("a", Some(a.as_str())), ("b", Some(b.as_str()))];
    let said = delete_all(&bucket, &keys, false).await?;
    same("said", said, ["a deleted", "b deleted"])?;
    same("left", bucket.keys().await?, [""; 0])
}

async fn delete_objects_if_match_mixed(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let a = bucket.put_plain("a", b"first").await?;
    bucket.put_plain("b", b"second").await?;
    bucket.put_plain("c", b"third").await?;
    let keys = [("a", Some(a.as_str())), ("b", Some(OTHER)), ("c", None)];
    let said = delete_all(&bucket, &keys, false).await?;
    same(
        "said",
        said,
        ["a deleted", "b PreconditionFailed", "c deleted"],
    )?;
    same("left", bucket.keys().await?, ["b"])
}

async fn delete_objects_if_match_missing(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let a = bucket.put_plain("a", b"x").await?;
    let keys = [("a", Some(a.as_str())), ("b", Some(OTHER))];
    let said = delete_all(&bucket, &keys, false).await?;
    if said == ["a deleted", "b PreconditionFailed"] {
        return Ok(());
    }
    same("said", said, ["a deleted", "b NoSuchKey"])
}

async fn delete_objects_encoded_keys(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let keys = ["a&b", "a<b>c", "a\"b'c", "grün", "a%2Bb", "a b+c"];
    for key in keys {
        bucket.put_plain(key, b"x").await?;
    }
    let named: Vec<_> = keys.iter().map(|key| (*key, None)).collect();
    let said = delete_all(&bucket, &named, false).await?;
    same("left", bucket.keys().await?, [""; 0])?;
    let mut wanted = keys.map(|key| format!("{key} deleted"));
    wanted.sort();
    same("said", said, wanted)
}
