//! Keys: what they may hold, and that none is taken for another.

use crate::answer::{Answer as _, Outcome, holds, same};
use crate::check::{Check, check};
use crate::s3::{Bucket, S3};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        keys_with_spaces_and_signs,
        "Spaces, +, %, &, = and all other printable signs are part of a key; a listing shows them."
    ),
    check!(
        keys_in_unicode,
        "A key is any UTF-8, neither normalised nor folded."
    ),
    check!(
        keys_with_version_id,
        "?versionId= in a key is part of it, also in an encoded copy source."
    ),
    check!(
        keys_as_copy_source,
        "An encoded copy source names exactly its object, whatever signs its key has."
    ),
    check!(
        keys_of_1024_bytes,
        "A key of 1,024 bytes of UTF-8 is taken."
    ),
    check!(
        keys_of_1025_bytes,
        "A key of 1,025 bytes: 400 KeyTooLongError."
    ),
    check!(
        keys_with_a_long_component,
        "What is between two slashes may be longer than a file's name can be."
    ),
    check!(keys_with_double_slash, "a//b and a/b are two objects."),
    check!(keys_with_dot_segments, "a/./b and a/b are two objects."),
    check!(
        keys_with_trailing_slash,
        "a/ is an object with bytes of its own, beside a."
    ),
    check!(keys_with_backslash, "a\\b and a/b are two objects."),
    check!(
        keys_below_keys,
        "a and a/b are two objects; deleting one leaves the other."
    ),
    check!(
        keys_with_control_characters,
        "A key may hold control characters: PUT, HEAD, copy and single DELETE work."
    ),
];

/// Puts each key with its own name as its bytes, and expects exactly these.
async fn are_all_distinct(bucket: &Bucket, keys: &[&str]) -> Outcome {
    for key in keys {
        let put = bucket.put(key, key.as_bytes()).send().await;
        put.done(&format!("PUT of \"{key}\""))?;
    }
    for key in keys {
        let body = bucket.bytes(key).await;
        let body = body.map_err(|seen| format!("\"{key}\": {seen}"))?;
        same(&format!("bytes of \"{key}\""), body, key.as_bytes())?;
    }
    let mut wanted: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
    wanted.sort();
    same("listed", bucket.keys().await?, wanted)
}

const SIGNS: [&str; 14] = [
    " lead",
    "trail ",
    "a b",
    "a+b",
    "a%2Bb",
    "a%20b",
    "a%b",
    "a#b",
    "a&b=c",
    "a?b",
    "a;b:c,d",
    "a'b\"c",
    "<a>|b^c`{d}",
    "a*b~(c)!$@[d]",
];

async fn keys_with_spaces_and_signs(s3: S3) -> Outcome {
    are_all_distinct(&s3.plain().await?, &SIGNS).await
}

async fn keys_in_unicode(s3: S3) -> Outcome {
    let keys = [
        "grün",
        "gru\u{308}n",
        "写真",
        "😀",
        "A",
        "a",
        "\u{a0}",
        "ﬁ",
        "fi",
    ];
    are_all_distinct(&s3.plain().await?, &keys).await
}

async fn keys_with_version_id(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let keys = ["a", "a?versionId=null", "a?versionId=1"];
    are_all_distinct(&bucket, &keys).await?;
    for key in keys {
        let copy = bucket.copy(key, "copy").send().await;
        copy.done(&format!("copy of \"{key}\""))?;
        same(key, bucket.bytes("copy").await?, key.as_bytes())?;
    }
    Ok(())
}

async fn keys_as_copy_source(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let keys = SIGNS.iter().chain(&["grün", "写真/😀"]);
    for key in keys.clone() {
        let put = bucket.put(key, key.as_bytes()).send().await;
        put.done(&format!("PUT of \"{key}\""))?;
    }
    for key in keys {
        let to = format!("to/{key}");
        let copy = bucket.copy(key, &to).send().await;
        copy.done(&format!("copy of \"{key}\""))?;
        let body = bucket.bytes(&to).await;
        let body = body.map_err(|seen| format!("copy of \"{key}\": {seen}"))?;
        same(&format!("copy of \"{key}\""), body, key.as_bytes())?;
    }
    Ok(())
}

/// A key that is this long with its prefix, in components that a file system
/// would take.
fn key_of(bucket: &Bucket, length: usize) -> String {
    let length = length - bucket.prefix.len();
    let text = "é".repeat(40) + "/";
    let text = text.repeat(length / text.len());
    let rest = length - text.len();
    text + &"x".repeat(rest)
}

async fn keys_of_1024_bytes(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let key = key_of(&bucket, 1024);
    bucket.put_plain(&key, b"x").await?;
    let copy = key.replacen('é', "ee", 1);
    bucket.copy(&key, &copy).send().await.done("copy")?;
    same("bytes", bucket.bytes(&copy).await?, b"x")
}

async fn keys_of_1025_bytes(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let key = key_of(&bucket, 1025);
    let put = bucket.put(&key, b"x").send().await;
    put.refused("PUT", 400, &["KeyTooLongError"])?;
    bucket.put_plain("short", b"x").await?;
    let copy = bucket.copy("short", &key).send().await;
    copy.refused("copy", 400, &["KeyTooLongError"])
}

async fn keys_with_a_long_component(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let key = "x".repeat(600);
    bucket.put_plain(&key, b"x").await?;
    same("bytes", bucket.bytes(&key).await?, b"x")
}

async fn keys_with_double_slash(s3: S3) -> Outcome {
    let keys = ["a//b", "a/b", "a///b", "//c", "/c"];
    are_all_distinct(&s3.plain().await?, &keys).await
}

async fn keys_with_dot_segments(s3: S3) -> Outcome {
    let keys = ["a/./b", "a/b", "./a", "a/../c", "c"];
    are_all_distinct(&s3.plain().await?, &keys).await
}

async fn keys_with_trailing_slash(s3: S3) -> Outcome {
    are_all_distinct(&s3.plain().await?, &["a/", "a", "b/c/", "b/c/d"]).await
}

async fn keys_with_backslash(s3: S3) -> Outcome {
    are_all_distinct(&s3.plain().await?, &["a\\b", "a/b", "\\"]).await
}

async fn keys_below_keys(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    are_all_distinct(&bucket, &["a", "a/b", "a/b/c"]).await?;
    bucket.delete("a/b").send().await.done("DELETE")?;
    same("left", bucket.keys().await?, ["a", "a/b/c"])?;
    holds(!bucket.has("a/b").await, "the deleted key is still there")
}

async fn keys_with_control_characters(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let key = "a\u{1}b\tc\u{7f}d";
    bucket.put_plain(key, b"x").await?;
    holds(bucket.has(key).await, "HEAD does not find it")?;
    bucket.copy(key, "copy").send().await.done("copy")?;
    same("copy", bucket.bytes("copy").await?, b"x")?;
    bucket.delete(key).send().await.done("DELETE")?;
    holds(!bucket.has(key).await, "DELETE leaves it")
}
