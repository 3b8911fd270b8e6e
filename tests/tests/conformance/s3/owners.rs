//! Access control lists, Object Lock, and what a bucket says of both.

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    ObjectCannedAcl, ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus,
    ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode, ObjectOwnership, Permission,
};

use crate::answer::{Answer as _, Outcome, holds, same, there};
use crate::check::{Check, check};
use crate::s3::{Bucket, S3};

pub(super) const CHECKS: &[Check<S3>] = &[
    check!(
        acl_default,
        "An object's list grants FULL_CONTROL to its owner, and nothing else."
    ),
    check!(
        acl_canned,
        "A canned list (public-read) of a PUT is there, and PutObjectAcl replaces it."
    ),
    check!(acl_grant_headers, "Grant headers of a PUT are there."),
    check!(
        acl_of_a_copy,
        "A copy does not keep the source's list; it has the one it asks for."
    ),
    check!(
        acl_enforced,
        "In a bucket with the settings that are default, GetObjectAcl works, PutObjectAcl and a canned list on PUT: 400 AccessControlListNotSupported."
    ),
    check!(
        ownership_default,
        "A new bucket's ownership is BucketOwnerEnforced; one that was made with ObjectWriter says so."
    ),
    check!(
        lock_configuration,
        "GetObjectLockConfiguration: Enabled; of a bucket without: 404 ObjectLockConfigurationNotFoundError."
    ),
    check!(
        lock_retention,
        "DELETE of a version that is retained: 403 AccessDenied; without a version a marker is made."
    ),
    check!(
        lock_legal_hold,
        "DELETE of a version under legal hold: 403 AccessDenied; after the hold: 204."
    ),
    check!(
        lock_governance_bypass,
        "GOVERNANCE yields to a DELETE with bypass; COMPLIANCE does not."
    ),
    check!(
        lock_headers,
        "Lock headers of PUT, copy and create are read back by HEAD, GetObjectRetention and GetObjectLegalHold."
    ),
    check!(
        lock_of_a_copy,
        "A copy does not keep the source's retention and legal hold."
    ),
    check!(
        lock_without_digest,
        "A PUT with retention and neither Content-MD5 nor a checksum: 400 InvalidRequest."
    ),
    check!(
        lock_without_object_lock,
        "Lock headers in a bucket without Object Lock: 400 InvalidRequest."
    ),
];

/// The permissions of each grantee, sorted: `owner FULL_CONTROL`, `everyone
/// READ`.
async fn grants(bucket: &Bucket, key: &str) -> Result<Vec<String>, String> {
    let request = bucket.client.get_object_acl().bucket(&bucket.name);
    let answer = request.key(bucket.key(key)).send().await;
    let answer = answer.done("GetObjectAcl")?;
    let owner = answer.owner().and_then(|owner| owner.id());
    let grants = answer.grants().iter().map(|grant| {
        let grantee = grant.grantee();
        let who = match grantee.and_then(|one| one.uri()) {
            Some(uri) if uri.ends_with("AllUsers") => "everyone",
            Some(_) => "a group",
            None if owner.is_some() && grantee.and_then(|one| one.id()) == owner => "owner",
            None => "somebody",
        };
        format!(
            "{who} {}",
            grant.permission().map_or("?", Permission::as_str)
        )
    });
    let mut grants: Vec<_> = grants.collect();
    grants.sort();
    Ok(grants)
}

const PRIVATE: [&str; 1] = ["owner FULL_CONTROL"];
const PUBLIC: [&str; 2] = ["everyone READ", "owner FULL_CONTROL"];

async fn acl_default(s3: S3) -> Outcome {
    let bucket = s3.with_acls().await?;
    bucket.put_plain("a", b"x").await?;
    same("grants", grants(&bucket, "a").await?, PRIVATE)
}

async fn acl_canned(s3: S3) -> Outcome {
    let bucket = s3.with_acls().await?;
    let put = bucket.put("a", b"x").acl(ObjectCannedAcl::PublicRead);
    put.send().await.done("PUT")?;
    same("grants", grants(&bucket, "a").await?, PUBLIC)?;
    let request = bucket.client.put_object_acl().bucket(&bucket.name);
    let request = request.key(bucket.key("a")).acl(ObjectCannedAcl::Private);
    request.send().await.done("PutObjectAcl")?;
    same("grants after", grants(&bucket, "a").await?, PRIVATE)?;
    same("bytes", bucket.bytes("a").await?, b"x")
}

async fn acl_grant_headers(s3: S3) -> Outcome {
    let bucket = s3.with_acls().await?;
    let put = bucket.put("a", b"x");
    let put = put.grant_read("uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"");
    put.send().await.done("PUT")?;
    let grants = grants(&bucket, "a").await?;
    holds(
        grants.iter().any(|grant| grant == "everyone READ"),
        "the grant is not there",
    )
}

async fn acl_of_a_copy(s3: S3) -> Outcome {
    let bucket = s3.with_acls().await?;
    let put = bucket.put("a", b"x").acl(ObjectCannedAcl::PublicRead);
    put.send().await.done("PUT")?;
    same("source", grants(&bucket, "a").await?, PUBLIC)?;
    bucket.copy("a", "b").send().await.done("copy")?;
    same("copy", grants(&bucket, "b").await?, PRIVATE)?;
    let copy = bucket.copy("b", "c").acl(ObjectCannedAcl::PublicRead);
    copy.send().await.done("copy")?;
    same("copy with a list", grants(&bucket, "c").await?, PUBLIC)
}

async fn acl_enforced(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let codes = &["AccessControlListNotSupported"];
    bucket.put_plain("a", b"x").await?;
    same("grants", grants(&bucket, "a").await?, PRIVATE)?;
    let request = bucket.client.put_object_acl().bucket(&bucket.name);
    let request = request
        .key(bucket.key("a"))
        .acl(ObjectCannedAcl::PublicRead);
    let request = request.send().await;
    request.refused("PutObjectAcl", 400, codes)?;
    let put = bucket.put("b", b"x").acl(ObjectCannedAcl::PublicRead);
    put.send().await.refused("PUT", 400, codes)?;
    let put = bucket.put("c", b"x");
    let put = put.acl(ObjectCannedAcl::BucketOwnerFullControl);
    put.send()
        .await
        .done("PUT, bucket-owner-full-control")
        .map(drop)
}

async fn ownership_default(s3: S3) -> Outcome {
    for (what, bucket, wanted) in [
        ("new", s3.plain().await?, "BucketOwnerEnforced"),
        ("with ObjectWriter", s3.with_acls().await?, "ObjectWriter"),
    ] {
        let request = bucket.client.get_bucket_ownership_controls();
        let answer = request.bucket(&bucket.name).send().await;
        let answer = answer.done("GetBucketOwnershipControls")?;
        let rules = answer
            .ownership_controls()
            .map(aws_sdk_s3::types::OwnershipControls::rules);
        let rule = rules.unwrap_or_default().first();
        let seen = rule.map(|rule| ObjectOwnership::as_str(rule.object_ownership()));
        same(what, seen, Some(wanted))?;
    }
    Ok(())
}

async fn lock_configuration(s3: S3) -> Outcome {
    let bucket = s3.lockable().await?;
    let get = bucket.client.get_object_lock_configuration();
    let answer = get.bucket(&bucket.name).send().await;
    let answer = answer.done("GetObjectLockConfiguration")?;
    let lock = answer.object_lock_configuration();
    let enabled = lock.and_then(|lock| lock.object_lock_enabled());
    same(
        "lock",
        enabled.map(ObjectLockEnabled::as_str),
        Some("Enabled"),
    )?;
    let bucket = s3.plain().await?;
    let get = bucket.client.get_object_lock_configuration();
    let answer = get.bucket(&bucket.name).send().await;
    answer.refused(
        "of a bucket without",
        404,
        &["ObjectLockConfigurationNotFoundError"],
    )
}

/// An hour from now, in whole seconds.
fn later() -> DateTime {
    let now = DateTime::from(std::time::SystemTime::now());
    DateTime::from_secs(now.secs() + 3600)
}

/// S3 wants a digest of whatever it is to lock.
fn with_digest(put: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
    // Of `x`, the body of all of them.
    put.content_md5("ndTkYSaMgDT1yFZOFVxnpg==")
}

/// Puts an object that is retained for an hour, and returns its version.
async fn retained(bucket: &Bucket, key: &str, mode: ObjectLockMode) -> Result<String, String> {
    let put = with_digest(bucket.put(key, b"x")).object_lock_mode(mode);
    let put = put.object_lock_retain_until_date(later());
    let put = put.send().await.done("PUT with retention")?;
    there(put.version_id, "version")
}

async fn lock_retention(s3: S3) -> Outcome {
    let bucket = s3.lockable().await?;
    let version = retained(&bucket, "a", ObjectLockMode::Compliance).await?;
    let delete = bucket.delete("a").version_id(&version).send().await;
    delete.refused("DELETE by version", 403, &["AccessDenied"])?;
    let delete = bucket.delete("a").send().await.done("DELETE")?;
    same("marker", delete.delete_marker(), Some(true))?;
    let head = bucket.head("a").version_id(&version).send().await;
    head.done("HEAD by version").map(drop)
}

async fn hold(bucket: &Bucket, key: &str, status: ObjectLockLegalHoldStatus) -> Outcome {
    let hold = ObjectLockLegalHold::builder().status(status).build();
    let request = bucket.client.put_object_legal_hold();
    let request = request.bucket(&bucket.name).key(bucket.key(key));
    let request = request.legal_hold(hold).send().await;
    request.done("PutObjectLegalHold").map(drop)
}

async fn lock_legal_hold(s3: S3) -> Outcome {
    let bucket = s3.lockable().await?;
    let put = bucket.put("a", b"x").send().await.done("PUT")?;
    let version = there(put.version_id, "version")?;
    hold(&bucket, "a", ObjectLockLegalHoldStatus::On).await?;
    let delete = bucket.delete("a").version_id(&version).send().await;
    delete.refused("DELETE under hold", 403, &["AccessDenied"])?;
    hold(&bucket, "a", ObjectLockLegalHoldStatus::Off).await?;
    let delete = bucket.delete("a").version_id(&version).send().await;
    delete.done("DELETE after the hold")?;
    holds(!bucket.has("a").await, "still there")
}

async fn lock_governance_bypass(s3: S3) -> Outcome {
    let bucket = s3.lockable().await?;
    let codes = &["AccessDenied"];
    let version = retained(&bucket, "a", ObjectLockMode::Governance).await?;
    let delete = bucket.delete("a").version_id(&version).send().await;
    delete.refused("DELETE, GOVERNANCE", 403, codes)?;
    let delete = bucket.delete("a").version_id(&version);
    let delete = delete.bypass_governance_retention(true).send().await;
    delete.done("DELETE with bypass")?;
    let version = retained(&bucket, "b", ObjectLockMode::Compliance).await?;
    let delete = bucket.delete("b").version_id(&version);
    let delete = delete.bypass_governance_retention(true).send().await;
    delete.refused("DELETE, COMPLIANCE", 403, codes)
}

/// The mode, the date and the hold of an object, after HEAD and the two GETs
/// have agreed.
async fn lock(bucket: &Bucket, key: &str) -> Result<(String, i64, bool), String> {
    let head = bucket.head(key).send().await.done("HEAD")?;
    let mode = there(head.object_lock_mode(), "lock mode")?.as_str();
    let until = there(head.object_lock_retain_until_date(), "date")?.secs();
    let held = head.object_lock_legal_hold_status();
    let held = held == Some(&ObjectLockLegalHoldStatus::On);
    let get = bucket.client.get_object_retention().bucket(&bucket.name);
    let retention = get.key(bucket.key(key)).send().await;
    let retention = retention.done("GetObjectRetention")?.retention;
    let same_mode = retention.as_ref().and_then(ObjectLockRetention::mode);
    same(
        "mode of GetObjectRetention",
        same_mode.map(ObjectLockRetentionMode::as_str),
        Some(mode),
    )?;
    let date = retention.as_ref().and_then(|one| one.retain_until_date());
    holds(
        date.map(DateTime::secs) == Some(until),
        "GetObjectRetention has another date",
    )?;
    let get = bucket.client.get_object_legal_hold().bucket(&bucket.name);
    let hold = get.key(bucket.key(key)).send().await;
    let hold = hold.done("GetObjectLegalHold")?.legal_hold;
    let on = hold.is_some_and(|hold| hold.status() == Some(&ObjectLockLegalHoldStatus::On));
    same("hold of GetObjectLegalHold", on, held)?;
    Ok((mode.to_owned(), until, held))
}

async fn lock_headers(s3: S3) -> Outcome {
    let bucket = s3.lockable().await?;
    let until = later();
    let wanted = ("GOVERNANCE".to_owned(), until.secs(), true);
    let put = with_digest(bucket.put("a", b"x"))
        .object_lock_mode(ObjectLockMode::Governance)
        .object_lock_retain_until_date(until)
        .object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On);
    put.send().await.done("PUT")?;
    holds(lock(&bucket, "a").await? == wanted, "PUT: another lock")?;
    let copy = bucket
        .copy("a", "b")
        .object_lock_mode(ObjectLockMode::Governance)
        .object_lock_retain_until_date(until)
        .object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On);
    copy.send().await.done("copy")?;
    holds(lock(&bucket, "b").await? == wanted, "copy: another lock")?;
    let create = bucket
        .create_upload("c")
        .object_lock_mode(ObjectLockMode::Governance)
        .object_lock_retain_until_date(until)
        .object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On);
    let upload = bucket.upload_as(create, "c").await?;
    let part = upload.put(1, b"x").await?;
    let complete = upload.complete(vec![part]).send().await;
    complete.done("complete")?;
    let seen = lock(&bucket, "c").await;
    let seen = seen.map_err(|seen| format!("complete: {seen}"))?;
    holds(seen == wanted, "complete: another lock")
}

async fn lock_of_a_copy(s3: S3) -> Outcome {
    let bucket = s3.lockable().await?;
    retained(&bucket, "a", ObjectLockMode::Governance).await?;
    hold(&bucket, "a", ObjectLockLegalHoldStatus::On).await?;
    let head = bucket.head("a").send().await.done("HEAD")?;
    there(head.object_lock_mode(), "mode of the source")?;
    bucket.copy("a", "b").send().await.done("copy")?;
    let head = bucket.head("b").send().await.done("HEAD")?;
    holds(head.object_lock_mode().is_none(), "retention is kept")?;
    let held = head.object_lock_legal_hold_status();
    holds(
        held != Some(&ObjectLockLegalHoldStatus::On),
        "the legal hold is kept",
    )
}

async fn lock_without_digest(s3: S3) -> Outcome {
    let bucket = s3.lockable().await?;
    let put = bucket
        .put("a", b"x")
        .object_lock_mode(ObjectLockMode::Governance)
        .object_lock_retain_until_date(later());
    let put = put.send().await;
    put.refused("PUT", 400, &["InvalidRequest"])?;
    holds(!bucket.has("a").await, "refused, and stored")
}

async fn lock_without_object_lock(s3: S3) -> Outcome {
    let bucket = s3.plain().await?;
    let put = with_digest(bucket.put("a", b"x"))
        .object_lock_mode(ObjectLockMode::Governance)
        .object_lock_retain_until_date(later());
    put.send().await.refused("PUT", 400, &["InvalidRequest"])
}
