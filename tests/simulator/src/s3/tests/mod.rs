//! Tests of the model: above all of what loses data when it is wrong.

use super::*;

mod conditions;
mod contents;
mod copies;
mod listings;
mod locks;
mod multiparts;
mod names;
mod quirky;
mod versions;

const NOW: Millis = Millis(1_800_000_000_000);

fn later(seconds: u64) -> Millis {
    NOW + Duration::from_secs(seconds)
}

/// A model with a plain bucket `b`.
fn plain() -> S3 {
    with(BucketSettings::default())
}

/// A model with a bucket `b` of these settings.
fn with(settings: BucketSettings) -> S3 {
    let mut s3 = S3::new();
    s3.create_bucket("b", settings, NOW).unwrap();
    s3
}

fn versioned() -> S3 {
    with(BucketSettings {
        versioning: Versioning::Enabled,
        ..BucketSettings::default()
    })
}

fn put(s3: &mut S3, key: &str, text: &'static str) -> WriteResponse {
    s3.put_object(PutObjectRequest::new("b", key, text), NOW)
        .unwrap()
}

fn copy(s3: &mut S3, from: &str, to: &str) -> S3Result<CopyResponse> {
    let request = CopyObjectRequest::new(CopySource::new("b", from), "b", to);
    s3.copy_object(request, NOW)
}

fn current<'a>(s3: &'a S3, key: &str) -> Option<&'a Object> {
    s3.bucket("b")?.current(key)
}

fn code<T: std::fmt::Debug>(result: S3Result<T>) -> ErrorCode {
    result.unwrap_err().code
}

/// Starts an upload of `key`.
fn create(s3: &mut S3, key: &str, checksum: Option<ChecksumKept>) -> String {
    let request = CreateUploadRequest {
        bucket: "b".into(),
        key: key.into(),
        checksum_algorithm: checksum.map(|c| c.algorithm),
        checksum_type: checksum.map(|c| c.kind),
        ..CreateUploadRequest::default()
    };
    s3.create_multipart_upload(request, NOW).unwrap().upload_id
}

/// Copies the whole of `from` as a part.
fn copy_part(s3: &mut S3, key: &str, upload: &str, number: u32, from: &str) -> S3Result<Part> {
    let request = UploadPartCopyRequest {
        source: CopySource::new("b", from),
        bucket: "b".into(),
        key: key.into(),
        upload_id: upload.into(),
        number,
        ..UploadPartCopyRequest::default()
    };
    s3.upload_part_copy(&request, NOW).map(|(part, _)| part)
}

/// Completes with the parts that are there, each under its own ETag.
fn complete(s3: &mut S3, key: &str, upload: &str) -> S3Result<WriteResponse> {
    let request = completion(s3, key, upload);
    s3.complete_multipart_upload(&request, NOW)
}

fn completion(s3: &S3, key: &str, upload: &str) -> CompleteUploadRequest {
    let uploads = s3.bucket("b").unwrap().uploads();
    let parts = uploads
        .filter(|(id, _)| *id == upload)
        .flat_map(|(_, u)| &u.parts)
        .map(|(number, part)| CompletePart {
            number: *number,
            etag: part.etag.to_string(),
            checksum: None,
        })
        .collect();
    CompleteUploadRequest {
        bucket: "b".into(),
        key: key.into(),
        upload_id: upload.into(),
        parts,
        ..CompleteUploadRequest::default()
    }
}

#[test]
fn the_same_calls_give_the_same_answers() {
    let story = || {
        let mut s3 = versioned();
        put(&mut s3, "a", "1");
        copy(&mut s3, "a", "b").unwrap();
        s3.delete_object(&DeleteObjectRequest::new("b", "a"), NOW)
            .unwrap();
        let upload = create(&mut s3, "c", None);
        copy_part(&mut s3, "c", &upload, 1, "b").unwrap();
        complete(&mut s3, "c", &upload).unwrap();
        format!("{s3:?}")
    };
    assert_eq!(story(), story());
}

#[test]
fn a_refused_request_changes_nothing() {
    let mut s3 = plain();
    put(&mut s3, "a", "1");
    put(&mut s3, "taken", "2");
    let before = format!("{:?}", s3.bucket("b"));
    let request = CopyObjectRequest {
        conditions: WriteConditions::absent(),
        ..CopyObjectRequest::new(CopySource::new("b", "a"), "b", "taken")
    };
    assert_eq!(
        code(s3.copy_object(request, NOW)),
        ErrorCode::PreconditionFailed
    );
    assert_eq!(code(copy(&mut s3, "a", "a")), ErrorCode::InvalidRequest);
    assert_eq!(code(copy(&mut s3, "nothing", "x")), ErrorCode::NoSuchKey);
    assert_eq!(format!("{:?}", s3.bucket("b")), before);
}

#[test]
fn limits_of_keys_metadata_and_tags() {
    let mut s3 = plain();
    let metadata = |size: usize| NewObject {
        metadata: Arc::new(Metadata {
            user: [("k".to_owned(), "v".repeat(size - 1))].into(),
            ..Metadata::default()
        }),
        ..NewObject::default()
    };
    let tags = |count: usize, key: usize, value: usize| NewObject {
        tags: Arc::new(
            (0..count)
                .map(|i| (format!("{i:0key$}"), "v".repeat(value)))
                .collect(),
        ),
        ..NewObject::default()
    };
    let longest = "k".repeat(1_024);
    let too_long = "k".repeat(1_025);
    for (key, properties, expected) in [
        (longest.as_str(), NewObject::default(), None),
        (&too_long, NewObject::default(), Some(ErrorCode::KeyTooLong)),
        ("", NewObject::default(), Some(ErrorCode::InvalidArgument)),
        ("m", metadata(2_048), None),
        ("m", metadata(2_049), Some(ErrorCode::MetadataTooLarge)),
        ("t", tags(10, 128, 256), None),
        ("t", tags(11, 2, 1), Some(ErrorCode::BadRequest)),
        ("t", tags(1, 129, 1), Some(ErrorCode::InvalidTag)),
        ("t", tags(1, 1, 257), Some(ErrorCode::InvalidTag)),
    ] {
        let request = PutObjectRequest {
            properties,
            ..PutObjectRequest::new("b", key, "")
        };
        assert_eq!(s3.put_object(request, NOW).err().map(|e| e.code), expected);
    }
}
