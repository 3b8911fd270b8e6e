//! What an object is, in words that can be compared and read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::DateTimeFormat;
use aws_sdk_s3::types::ChecksumMode;
use sha2::{Digest as _, Sha256};

/// Every property of one object by its name, the bytes as their digest. What a
/// rename is allowed to change is not among them: date, version, ETag.
pub type Properties = BTreeMap<String, String>;

/// The properties in which two objects differ, one a line; empty when they are
/// the same.
#[must_use]
pub fn differences(before: &Properties, after: &Properties) -> String {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut text = String::new();
    for name in names {
        let (was, is) = (before.get(name), after.get(name));
        if was != is {
            let show = |value: Option<&String>| {
                value.map_or_else(|| "(none)".to_owned(), |v| format!("{v:?}"))
            };
            writeln!(text, "  {name}: {} became {}", show(was), show(is)).expect("a string");
        }
    }
    text
}

/// The hexadecimal SHA-256 of some bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Reads an object with everything that it has; `None` when it is not there.
pub async fn read(client: &Client, bucket: &str, key: &str) -> Option<Properties> {
    let request = client.get_object().bucket(bucket).key(key);
    let request = request.checksum_mode(ChecksumMode::Enabled);
    let found = match request.send().await {
        Ok(found) => found,
        Err(SdkError::ServiceError(error))
            if error.err().is_no_such_key() || error.raw().status().as_u16() == 404 =>
        {
            return None;
        }
        Err(error) => panic!("GET of {key:?}: {error:?}"),
    };
    let mut all = described(&found);
    let body = found.body.collect().await.expect("the body").to_vec();
    all.insert("size".to_owned(), body.len().to_string());
    all.insert("sha256 of the bytes".to_owned(), digest(&body));
    let tagging = client.get_object_tagging().bucket(bucket).key(key);
    let tags = tagging.send().await.expect("the tags");
    for tag in tags.tag_set() {
        all.insert(format!("tag {}", tag.key()), tag.value().to_owned());
    }
    Some(all)
}

/// Everything that a GET's headers say.
fn described(found: &GetObjectOutput) -> Properties {
    let mut all = Properties::new();
    let mut put = |name: &str, value: Option<&dyn Display>| {
        if let Some(value) = value {
            all.insert(name.to_owned(), value.to_string());
        }
    };
    macro_rules! text {
        ($($name:literal: $field:ident),* $(,)?) => {
            $(put($name, found.$field.as_ref().map(|value| value as &dyn Display));)*
        };
    }
    text! {
        "Content-Type": content_type,
        "Cache-Control": cache_control,
        "Content-Disposition": content_disposition,
        "Content-Encoding": content_encoding,
        "Content-Language": content_language,
        "Expires": expires_string,
        "storage class": storage_class,
        "encryption": server_side_encryption,
        "KMS key": ssekms_key_id,
        "bucket key": bucket_key_enabled,
        "lock mode": object_lock_mode,
        "legal hold": object_lock_legal_hold_status,
        "redirect": website_redirect_location,
        "checksum type": checksum_type,
        "CRC32": checksum_crc32,
        "CRC32C": checksum_crc32_c,
        "CRC64NVME": checksum_crc64_nvme,
        "SHA1": checksum_sha1,
        "SHA256": checksum_sha256,
    }
    let until = found.object_lock_retain_until_date.as_ref();
    let until = until.map(|at| at.fmt(DateTimeFormat::HttpDate).expect("a date"));
    put(
        "locked until",
        until.as_ref().map(|text| text as &dyn Display),
    );
    for (name, value) in found.metadata().into_iter().flatten() {
        all.insert(format!("metadata {name}"), value.clone());
    }
    all
}
