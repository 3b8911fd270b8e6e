//! The checks of S3.

mod checksums;
mod conditions;
mod copies;
mod copy_parts;
mod keys;
mod listing;
mod multipart;
mod multipart_objects;
mod objects;
mod owners;
mod place;
mod properties;
mod renames;
mod versions;

pub(crate) use place::{Bucket, S3, Server, Upload, read};

use crate::answer::Answer as _;
use crate::check::Group;

/// All checks, in the order of the document.
pub(crate) const GROUPS: &[Group<S3>] = &[
    group("Objects", objects::CHECKS),
    group("Keys", keys::CHECKS),
    group("Copies", copies::CHECKS),
    group("Conditional writes and deletes", conditions::CHECKS),
    group("Uploads in parts", multipart::CHECKS),
    group("Objects made in parts", multipart_objects::CHECKS),
    group("Copies in parts", copy_parts::CHECKS),
    group("Checksums", checksums::CHECKS),
    group("Versions", versions::CHECKS),
    group(
        "Tags, storage classes, archives, encryption",
        properties::CHECKS,
    ),
    group("Access control lists and Object Lock", owners::CHECKS),
    group("Listings", listing::CHECKS),
    group("RenameObject and annotations", renames::CHECKS),
];

const fn group(title: &'static str, checks: &'static [crate::check::Check<S3>]) -> Group<S3> {
    Group { title, checks }
}

/// The least that a part other than the last may have.
static FIVE_MIB: [u8; 5 << 20] = [b'a'; 5 << 20];

/// The tags of an object, as `key=value`, sorted.
async fn tags(bucket: &Bucket, key: &str) -> Result<Vec<String>, String> {
    let request = bucket.client.get_object_tagging().bucket(&bucket.name);
    let answer = request.key(bucket.key(key)).send().await;
    let answer = answer.done("GetObjectTagging")?;
    let tags = answer.tag_set().iter();
    let mut tags: Vec<_> = tags
        .map(|tag| format!("{}={}", tag.key(), tag.value()))
        .collect();
    tags.sort();
    Ok(tags)
}
