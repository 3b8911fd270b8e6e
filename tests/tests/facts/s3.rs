//! The operations of S3, from the words of a script to the SDK's requests.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    BucketVersioningStatus, CompletedMultipartUpload, CompletedPart, CreateBucketConfiguration,
    DefaultRetention, Delete, GlacierJobParameters, ObjectAttributes, ObjectIdentifier,
    ObjectLockConfiguration, ObjectLockEnabled, ObjectLockLegalHold, ObjectLockRetention,
    ObjectLockRule, RestoreRequest, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging, Tier,
    VersioningConfiguration,
};
use md5::{Digest as _, Md5};

use crate::client::{Client, Sent};
use crate::step::Arguments;

/// Sets the parameters that a step has: texts, words (enums), numbers, flags,
/// and dates in seconds since 1970.
macro_rules! set {
    ($call:ident, $a:ident;) => {};
    ($call:ident, $a:ident; text $name:literal $set:ident, $($rest:tt)*) => {
        if let Some(value) = $a.take($name) { $call = $call.$set(value); }
        set!($call, $a; $($rest)*);
    };
    ($call:ident, $a:ident; word $name:literal $set:ident, $($rest:tt)*) => {
        if let Some(value) = $a.take($name) { $call = $call.$set(value.as_str().into()); }
        set!($call, $a; $($rest)*);
    };
    ($call:ident, $a:ident; parse $name:literal $set:ident, $($rest:tt)*) => {
        if let Some(value) = $a.parsed($name)? { $call = $call.$set(value); }
        set!($call, $a; $($rest)*);
    };
    ($call:ident, $a:ident; date $name:literal $set:ident, $($rest:tt)*) => {
        if let Some(value) = $a.parsed($name)? { $call = $call.$set(DateTime::from_secs(value)); }
        set!($call, $a; $($rest)*);
    };
}

/// Sets the key of SSE-C, made of one letter.
macro_rules! customer_key {
    ($call:ident, $a:ident) => {
        customer_key!(
            $call,
            $a,
            "CustomerKey",
            sse_customer_algorithm,
            sse_customer_key,
            sse_customer_key_md5
        );
    };
    ($call:ident, $a:ident, of the source) => {
        customer_key!(
            $call,
            $a,
            "CopySourceCustomerKey",
            copy_source_sse_customer_algorithm,
            copy_source_sse_customer_key,
            copy_source_sse_customer_key_md5
        );
    };
    ($call:ident, $a:ident, $name:literal, $algorithm:ident, $key:ident, $md5:ident) => {
        if let Some(letter) = $a.take($name) {
            let (key, md5) = customer_key(&letter);
            $call = $call.$algorithm("AES256").$key(key).$md5(md5);
        }
    };
}

/// Sends the request with the headers that are left, and keeps the error's code.
macro_rules! send {
    ($call:ident, $a:ident) => {{
        let headers = $a.headers()?;
        let call = $call.customize().mutate_request(move |request| {
            for (name, value) in &headers {
                request.headers_mut().insert(name.clone(), value.clone());
            }
        });
        call.send().await.map_err(|error| {
            let service = error.as_service_error();
            service.and_then(|e| e.code().map(str::to_owned))
        })
    }};
}

/// A request whose answer has no streamed body.
macro_rules! plain {
    ($call:expr, $a:ident; $($rest:tt)*) => {{
        let mut call = $call;
        set!(call, $a; $($rest)*);
        Ok(send!(call, $a).map(|_| None))
    }};
}

fn customer_key(letter: &str) -> (String, String) {
    let key = letter.repeat(32);
    let md5 = Md5::digest(key.as_bytes());
    let base64 = rebucket_simulator::s3::base64;
    (base64(key.as_bytes()), base64(&md5))
}

/// `5242880*a` is that letter so many times; anything else is itself.
fn body(a: &mut Arguments) -> ByteStream {
    let text = a.take("Body").unwrap_or_default();
    let repeated = text
        .split_once('*')
        .and_then(|(count, letter)| Some(letter.repeat(count.parse().ok()?)));
    ByteStream::from(repeated.unwrap_or(text).into_bytes())
}

/// `a=b&c=d`.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key.to_owned(), value.to_owned())
    })
}

pub(crate) async fn send(client: &Client, operation: &str, a: &mut Arguments) -> Sent {
    let s3 = &client.s3;
    match operation {
        "PutObject" | "CreateMultipartUpload" | "CopyObject" => made(client, operation, a).await,
        "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload"
        | "AbortMultipartUpload"
        | "ListParts"
        | "ListMultipartUploads" => upload(client, operation, a).await,
        "GetObject" | "HeadObject" => read(client, operation, a).await,
        "DeleteObject" => {
            plain!(s3.delete_object(), a; text "Bucket" bucket, text "Key" key,
                text "VersionId" version_id, text "IfMatch" if_match,
                parse "BypassGovernanceRetention" bypass_governance_retention,
                parse "IfMatchSize" if_match_size,
                date "IfMatchLastModifiedTime" if_match_last_modified_time,)
        }
        "DeleteObjects" => {
            let mut delete = Delete::builder();
            for one in a.needed("Objects")?.split(';') {
                delete = delete.objects(identifier(one)?);
            }
            if let Some(quiet) = a.parsed("Quiet")? {
                delete = delete.quiet(quiet);
            }
            let delete = delete.build().map_err(|e| e.to_string())?;
            plain!(s3.delete_objects().delete(delete), a; text "Bucket" bucket,
                parse "BypassGovernanceRetention" bypass_governance_retention,)
        }
        "GetObjectAttributes" => {
            let mut call = s3.get_object_attributes();
            for one in a.needed("ObjectAttributes")?.split(',') {
                call = call.object_attributes(ObjectAttributes::from(one));
            }
            plain!(call, a; text "Bucket" bucket, text "Key" key, text "VersionId" version_id,
                parse "MaxParts" max_parts, text "PartNumberMarker" part_number_marker,)
        }
        "ListObjectsV2" => {
            plain!(s3.list_objects_v2(), a; text "Bucket" bucket, text "Prefix" prefix,
                text "Delimiter" delimiter, parse "MaxKeys" max_keys,
                text "StartAfter" start_after, text "ContinuationToken" continuation_token,
                word "EncodingType" encoding_type,)
        }
        "ListObjectVersions" => {
            plain!(s3.list_object_versions(), a; text "Bucket" bucket, text "Prefix" prefix,
                parse "MaxKeys" max_keys, text "KeyMarker" key_marker,
                text "VersionIdMarker" version_id_marker,)
        }
        "RestoreObject" => {
            let tier = GlacierJobParameters::builder().tier(Tier::Bulk).build();
            let request = RestoreRequest::builder()
                .set_days(a.parsed("Days")?)
                .glacier_job_parameters(tier.map_err(|e| e.to_string())?)
                .build();
            plain!(s3.restore_object().restore_request(request), a; text "Bucket" bucket,
                text "Key" key, text "VersionId" version_id,)
        }
        _ => property(client, operation, a).await,
    }
}

/// `key`, `key@version`, `key#etag`.
fn identifier(text: &str) -> Result<ObjectIdentifier, String> {
    let (text, etag) = match text.split_once('#') {
        Some((text, etag)) => (text, Some(etag)),
        None => (text, None),
    };
    let (key, version) = match text.split_once('@') {
        Some((key, version)) => (key, Some(version)),
        None => (text, None),
    };
    ObjectIdentifier::builder()
        .key(key)
        .set_version_id(version.map(str::to_owned))
        .set_e_tag(etag.map(str::to_owned))
        .build()
        .map_err(|e| e.to_string())
}

/// What makes an object, or begins to.
async fn made(client: &Client, operation: &str, a: &mut Arguments) -> Sent {
    let s3 = &client.s3;
    macro_rules! object {
        ($call:ident; $($rest:tt)*) => {{
            customer_key!($call, a);
            for (name, value) in pairs(&a.take("Metadata").unwrap_or_default()) {
                $call = $call.metadata(name, value);
            }
            plain!($call, a; text "Bucket" bucket, text "Key" key,
                text "ContentType" content_type, text "CacheControl" cache_control,
                word "StorageClass" storage_class, text "Tagging" tagging,
                word "ServerSideEncryption" server_side_encryption,
                text "SSEKMSKeyId" ssekms_key_id, word "ACL" acl,
                parse "BucketKeyEnabled" bucket_key_enabled,
                word "ObjectLockMode" object_lock_mode,
                date "ObjectLockRetainUntilDate" object_lock_retain_until_date,
                word "ObjectLockLegalHoldStatus" object_lock_legal_hold_status,
                text "WebsiteRedirectLocation" website_redirect_location,
                word "ChecksumAlgorithm" checksum_algorithm, $($rest)*)
        }};
    }
    match operation {
        "PutObject" => {
            let mut call = s3.put_object().body(body(a));
            object!(call; text "IfMatch" if_match, text "IfNoneMatch" if_none_match,
                text "ContentMD5" content_md5, text "ChecksumCRC32" checksum_crc32,
                text "ChecksumSHA256" checksum_sha256,)
        }
        "CreateMultipartUpload" => {
            let mut call = s3.create_multipart_upload();
            object!(call; word "ChecksumType" checksum_type,)
        }
        _ => {
            let mut call = s3.copy_object();
            customer_key!(call, a, of the source);
            object!(call; text "CopySource" copy_source, text "IfMatch" if_match,
                text "IfNoneMatch" if_none_match,
                text "CopySourceIfMatch" copy_source_if_match,
                text "CopySourceIfNoneMatch" copy_source_if_none_match,
                date "CopySourceIfModifiedSince" copy_source_if_modified_since,
                date "CopySourceIfUnmodifiedSince" copy_source_if_unmodified_since,
                word "MetadataDirective" metadata_directive,
                word "TaggingDirective" tagging_directive,)
        }
    }
}

async fn upload(client: &Client, operation: &str, a: &mut Arguments) -> Sent {
    let s3 = &client.s3;
    match operation {
        "UploadPart" => {
            let mut call = s3.upload_part().body(body(a));
            customer_key!(call, a);
            plain!(call, a; text "Bucket" bucket, text "Key" key, text "UploadId" upload_id,
                parse "PartNumber" part_number, word "ChecksumAlgorithm" checksum_algorithm,
                text "ChecksumCRC32" checksum_crc32, text "ChecksumSHA256" checksum_sha256,
                text "ContentMD5" content_md5,)
        }
        "UploadPartCopy" => {
            let mut call = s3.upload_part_copy();
            customer_key!(call, a);
            customer_key!(call, a, of the source);
            plain!(call, a; text "Bucket" bucket, text "Key" key, text "UploadId" upload_id,
                parse "PartNumber" part_number, text "CopySource" copy_source,
                text "CopySourceRange" copy_source_range,
                text "CopySourceIfMatch" copy_source_if_match,
                text "CopySourceIfNoneMatch" copy_source_if_none_match,
                date "CopySourceIfModifiedSince" copy_source_if_modified_since,
                date "CopySourceIfUnmodifiedSince" copy_source_if_unmodified_since,)
        }
        "CompleteMultipartUpload" => {
            let mut parts = CompletedMultipartUpload::builder();
            let listed = a.needed("Parts")?;
            for one in listed.split(',').filter(|one| !one.is_empty()) {
                parts = parts.parts(part(one)?);
            }
            let mut call = s3
                .complete_multipart_upload()
                .multipart_upload(parts.build());
            customer_key!(call, a);
            plain!(call, a; text "Bucket" bucket, text "Key" key, text "UploadId" upload_id,
                text "IfMatch" if_match, text "IfNoneMatch" if_none_match,
                word "ChecksumType" checksum_type, parse "MpuObjectSize" mpu_object_size,
                text "ChecksumCRC32" checksum_crc32, text "ChecksumCRC32C" checksum_crc32_c,
                text "ChecksumCRC64NVME" checksum_crc64_nvme,
                text "ChecksumSHA256" checksum_sha256,)
        }
        "AbortMultipartUpload" => {
            plain!(s3.abort_multipart_upload(), a; text "Bucket" bucket, text "Key" key,
                text "UploadId" upload_id,)
        }
        "ListParts" => {
            plain!(s3.list_parts(), a; text "Bucket" bucket, text "Key" key,
                text "UploadId" upload_id, parse "MaxParts" max_parts,
                text "PartNumberMarker" part_number_marker,)
        }
        _ => {
            plain!(s3.list_multipart_uploads(), a; text "Bucket" bucket, text "Prefix" prefix,
                parse "MaxUploads" max_uploads, text "KeyMarker" key_marker,
                text "UploadIdMarker" upload_id_marker,)
        }
    }
}

/// `1:etag`, or `1:etag:CRC32:value`.
fn part(text: &str) -> Result<CompletedPart, String> {
    let fields: Vec<_> = text.split(':').collect();
    let (number, etag, checksum) = match fields.as_slice() {
        [number, etag] => (number, etag, None),
        [number, etag, algorithm, value] => (number, etag, Some((*algorithm, *value))),
        _ => return Err(format!("Parts: {text}")),
    };
    let number = number.parse().map_err(|_| format!("Parts: {text}"))?;
    let part = CompletedPart::builder().part_number(number).e_tag(*etag);
    let part = match checksum {
        None => part,
        Some(("CRC32", value)) => part.checksum_crc32(value),
        Some(("CRC32C", value)) => part.checksum_crc32_c(value),
        Some(("CRC64NVME", value)) => part.checksum_crc64_nvme(value),
        Some(("SHA1", value)) => part.checksum_sha1(value),
        Some(("SHA256", value)) => part.checksum_sha256(value),
        Some((other, _)) => return Err(format!("Parts: no algorithm {other}")),
    };
    Ok(part.build())
}

async fn read(client: &Client, operation: &str, a: &mut Arguments) -> Sent {
    macro_rules! object {
        ($call:ident) => {{
            customer_key!($call, a);
            set!($call, a; text "Bucket" bucket, text "Key" key, text "VersionId" version_id,
                text "Range" range, parse "PartNumber" part_number, text "IfMatch" if_match,
                text "IfNoneMatch" if_none_match, date "IfModifiedSince" if_modified_since,
                date "IfUnmodifiedSince" if_unmodified_since,
                word "ChecksumMode" checksum_mode,);
            send!($call, a)
        }};
    }
    if operation == "HeadObject" {
        let mut call = client.s3.head_object();
        return Ok(object!(call).map(|_| None));
    }
    let mut call = client.s3.get_object();
    let sent = match object!(call) {
        Ok(sent) => sent,
        Err(code) => return Ok(Err(code)),
    };
    let bytes = sent.body.collect().await.map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&bytes.into_bytes()).into_owned();
    Ok(Ok(Some(text)))
}

fn tag_set(a: &mut Arguments) -> Result<Tagging, String> {
    let mut tags = Tagging::builder().set_tag_set(Some(Vec::new()));
    for (key, value) in pairs(&a.needed("TagSet")?) {
        let tag = Tag::builder().key(key).value(value).build();
        tags = tags.tag_set(tag.map_err(|e| e.to_string())?);
    }
    tags.build().map_err(|e| e.to_string())
}

/// Tags, locks, ACLs, and the settings of buckets.
async fn property(client: &Client, operation: &str, a: &mut Arguments) -> Sent {
    let s3 = &client.s3;
    match operation {
        "PutObjectTagging" => {
            let tags = tag_set(a)?;
            plain!(s3.put_object_tagging().tagging(tags), a; text "Bucket" bucket, text "Key" key,
                text "VersionId" version_id,)
        }
        "GetObjectTagging" => {
            plain!(s3.get_object_tagging(), a; text "Bucket" bucket, text "Key" key,
                text "VersionId" version_id,)
        }
        "DeleteObjectTagging" => {
            plain!(s3.delete_object_tagging(), a; text "Bucket" bucket, text "Key" key,
                text "VersionId" version_id,)
        }
        "PutObjectRetention" => {
            let mut retention = ObjectLockRetention::builder();
            set!(retention, a; word "Mode" mode, date "RetainUntilDate" retain_until_date,);
            plain!(s3.put_object_retention().retention(retention.build()), a; text "Bucket" bucket,
                text "Key" key, text "VersionId" version_id,
                parse "BypassGovernanceRetention" bypass_governance_retention,)
        }
        "GetObjectRetention" => {
            plain!(s3.get_object_retention(), a; text "Bucket" bucket, text "Key" key,
                text "VersionId" version_id,)
        }
        "PutObjectLegalHold" => {
            let mut hold = ObjectLockLegalHold::builder();
            set!(hold, a; word "Status" status,);
            plain!(s3.put_object_legal_hold().legal_hold(hold.build()), a; text "Bucket" bucket,
                text "Key" key, text "VersionId" version_id,)
        }
        "GetObjectLegalHold" => {
            plain!(s3.get_object_legal_hold(), a; text "Bucket" bucket, text "Key" key,
                text "VersionId" version_id,)
        }
        "GetObjectAcl" => {
            plain!(s3.get_object_acl(), a; text "Bucket" bucket, text "Key" key,
                text "VersionId" version_id,)
        }
        "PutObjectAcl" => {
            plain!(s3.put_object_acl(), a; text "Bucket" bucket, text "Key" key,
                text "VersionId" version_id, word "ACL" acl,)
        }
        _ => setting(client, operation, a).await,
    }
}

async fn setting(client: &Client, operation: &str, a: &mut Arguments) -> Sent {
    let s3 = &client.s3;
    match operation {
        "HeadBucket" => plain!(s3.head_bucket(), a; text "Bucket" bucket,),
        "DeleteBucket" => plain!(s3.delete_bucket(), a; text "Bucket" bucket,),
        "CreateBucket" => {
            let mut made = CreateBucketConfiguration::builder();
            set!(made, a; word "LocationConstraint" location_constraint,);
            let made = made.build();
            let elsewhere = made.location_constraint.is_some();
            plain!(s3.create_bucket().set_create_bucket_configuration(elsewhere.then_some(made)), a;
                text "Bucket" bucket,)
        }
        "ListBuckets" => {
            a.take("Bucket");
            plain!(s3.list_buckets(), a; text "Prefix" prefix, parse "MaxBuckets" max_buckets,
                text "ContinuationToken" continuation_token,)
        }
        "PutBucketTagging" => {
            let tags = tag_set(a)?;
            plain!(s3.put_bucket_tagging().tagging(tags), a; text "Bucket" bucket,)
        }
        "GetBucketTagging" => plain!(s3.get_bucket_tagging(), a; text "Bucket" bucket,),
        "DeleteBucketTagging" => plain!(s3.delete_bucket_tagging(), a; text "Bucket" bucket,),
        "PutBucketVersioning" => {
            let status = BucketVersioningStatus::from(a.needed("Status")?.as_str());
            let versioning = VersioningConfiguration::builder().status(status).build();
            plain!(s3.put_bucket_versioning().versioning_configuration(versioning), a;
                text "Bucket" bucket,)
        }
        "GetBucketVersioning" => plain!(s3.get_bucket_versioning(), a; text "Bucket" bucket,),
        "PutBucketEncryption" => {
            let algorithm = a.needed("SSEAlgorithm")?;
            let default = ServerSideEncryptionByDefault::builder()
                .sse_algorithm(algorithm.as_str().into())
                .set_kms_master_key_id(a.take("KMSMasterKeyID"))
                .build();
            let rule = ServerSideEncryptionRule::builder()
                .apply_server_side_encryption_by_default(default.map_err(|e| e.to_string())?)
                .set_bucket_key_enabled(a.parsed("BucketKeyEnabled")?)
                .build();
            let rules = ServerSideEncryptionConfiguration::builder().rules(rule);
            let rules = rules.build().map_err(|e| e.to_string())?;
            plain!(s3.put_bucket_encryption().server_side_encryption_configuration(rules), a;
                text "Bucket" bucket,)
        }
        "GetBucketEncryption" => plain!(s3.get_bucket_encryption(), a; text "Bucket" bucket,),
        "GetBucketOwnershipControls" => {
            plain!(s3.get_bucket_ownership_controls(), a; text "Bucket" bucket,)
        }
        "GetObjectLockConfiguration" => {
            plain!(s3.get_object_lock_configuration(), a; text "Bucket" bucket,)
        }
        "PutObjectLockConfiguration" => {
            let mut default = DefaultRetention::builder();
            set!(default, a; word "Mode" mode, parse "Days" days, parse "Years" years,);
            let rule = ObjectLockRule::builder().default_retention(default.build());
            // `-`: not sent.
            let enabled = a.take("ObjectLockEnabled");
            let enabled = enabled.as_deref().unwrap_or("Enabled");
            let enabled = Some(enabled).filter(|e| *e != "-");
            let lock = ObjectLockConfiguration::builder()
                .set_object_lock_enabled(enabled.map(ObjectLockEnabled::from))
                .rule(rule.build())
                .build();
            plain!(s3.put_object_lock_configuration().object_lock_configuration(lock), a;
                text "Bucket" bucket,)
        }
        _ => Err(format!("no operation {operation}")),
    }
}
