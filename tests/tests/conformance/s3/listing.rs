//! `ListObjectsV2`.

use aws_sdk_s3::types::EncodingType;

use crate::answer::{Answer as _, Outcome, same};
use crate::check::{Check, check};
use crate::s3::{Bucket, S3};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        list_pages,
        "A listing comes in pages of max-keys, and a token continues it; every key once."
    ),
    check!(list_start_after, "A listing begins after start-after."),
    check!(
        list_delimiter,
        "With a delimiter, keys that go on after it are one common prefix."
    ),
    check!(
        list_delimiter_pages,
        "A common prefix counts as one entry of a page, and appears once."
    ),
    check!(
        list_order,
        "Keys are in the order of their UTF-8 bytes: U+FF5E before U+10000, A before a."
    ),
    check!(
        list_prefix,
        "A prefix may end in the middle of a name; nothing else is listed."
    ),
    check!(
        list_details,
        "A listing shows size, ETag, date and storage class."
    ),
    check!(
        list_encoding,
        "With encoding-type=url keys are percent-encoded (a space as + or %20), and control characters can be listed."
    ),
];

async fn filled(s3: &S3, keys: &[&str]) -> Result<Bucket, String> {
    let bucket = s3.plain().await?;
    for key in keys {
        bucket.put_plain(key, b"x").await?;
    }
    Ok(bucket)
}

/// All keys, or common prefixes, page by page.
async fn pages(
    bucket: &Bucket,
    size: i32,
    delimiter: Option<&str>,
) -> Result<Vec<Vec<String>>, String> {
    let mut pages = Vec::new();
    let mut token = None;
    while pages.len() < 10 {
        let request = bucket.client.list_objects_v2().bucket(&bucket.name);
        let request = request.prefix(&bucket.prefix).max_keys(size);
        let request = request.set_delimiter(delimiter.map(str::to_owned));
        let request = request.set_continuation_token(token);
        let page = request.send().await.done("list")?;
        let keys = page.contents().iter().filter_map(|one| one.key());
        let prefixes = page.common_prefixes().iter().filter_map(|one| one.prefix());
        let all = keys.chain(prefixes);
        let all: Vec<_> = all.map(|key| key.replacen(&bucket.prefix, "", 1)).collect();
        let count = page.key_count().unwrap_or_default();
        same("key count", usize::try_from(count).ok(), Some(all.len()))?;
        pages.push(all);
        token = page.next_continuation_token;
        same("truncated", page.is_truncated, Some(token.is_some()))?;
        if token.is_none() {
            break;
        }
    }
    Ok(pages)
}

async fn list_pages(s3: S3) -> Outcome {
    let bucket = filled(&s3, &["a", "b", "c", "d", "e"]).await?;
    let seen = pages(&bucket, 2, None).await?;
    same("pages", seen, [vec!["a", "b"], vec!["c", "d"], vec!["e"]])
}

async fn list_start_after(s3: S3) -> Outcome {
    let bucket = filled(&s3, &["a", "b", "b/1", "c"]).await?;
    let request = bucket.client.list_objects_v2().bucket(&bucket.name);
    let request = request.prefix(&bucket.prefix).start_after(bucket.key("b"));
    let page = request.send().await.done("list")?;
    let keys: Vec<_> = page.contents().iter().filter_map(|one| one.key()).collect();
    same("keys", keys, [bucket.key("b/1"), bucket.key("c")])
}

async fn list_delimiter(s3: S3) -> Outcome {
    let bucket = filled(&s3, &["a", "b/1", "b/2", "b/c/3", "d"]).await?;
    let seen = pages(&bucket, 100, Some("/")).await?;
    same("entries", seen, [vec!["a", "d", "b/"]])
}

async fn list_delimiter_pages(s3: S3) -> Outcome {
    let bucket = filled(&s3, &["a/1", "a/2", "b/1", "b/2", "c"]).await?;
    let seen = pages(&bucket, 2, Some("/")).await?;
    same("pages", seen, [vec!["a/", "b/"], vec!["c"]])
}

async fn list_order(s3: S3) -> Outcome {
    let keys = ["a", "\u{10000}", "A", "\u{ff5e}", "a/b", "a-", "ä", "~"];
    let bucket = filled(&s3, &keys).await?;
    let mut wanted = keys;
    wanted.sort_unstable();
    same("order", bucket.keys().await?, wanted)
}

async fn list_prefix(s3: S3) -> Outcome {
    let mut bucket = filled(&s3, &["abc", "abd", "acd", "ab"]).await?;
    bucket.prefix.push_str("ab");
    same("keys", bucket.keys().await?, ["", "c", "d"])
}

async fn list_details(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let etag = bucket.put_plain("a", b"hello").await?;
    let request = bucket.client.list_objects_v2().bucket(&bucket.name);
    let page = request.prefix(&bucket.prefix).send().await.done("list")?;
    let [object] = page.contents() else {
        return Err("not one object".to_owned());
    };
    same("size", object.size(), Some(5))?;
    same("ETag", object.e_tag(), Some(etag.as_str()))?;
    same("date", object.last_modified().is_some(), true)?;
    let class = object
        .storage_class()
        .map(|class| class.as_str().to_owned());
    same("storage class", class.as_deref(), Some("STANDARD"))
}

async fn list_encoding(s3: S3) -> Outcome {
    let bucket = filled(&s3, &["a b+c", "a\u{1}b", "ü"]).await?;
    let request = bucket.client.list_objects_v2().bucket(&bucket.name);
    let request = request.prefix(&bucket.prefix);
    let page = request.encoding_type(EncodingType::Url).send().await;
    let page = page.done("list")?;
    let keys = page.contents().iter().filter_map(|one| one.key());
    let keys = keys.map(|key| key.replacen(&bucket.prefix, "", 1));
    let keys: Vec<_> = keys.map(|key| key.replace('+', "%20")).collect();
    same("keys", keys, ["a%01b", "a%20b%2Bc", "%C3%BC"])
}
