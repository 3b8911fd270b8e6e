//! Servers that are not Amazon's, and `RenameObject`.

use super::*;

#[test]
fn what_is_ignored_is_ignored() {
    let mut s3 = plain();
    s3.quirks = Quirks {
        ignore_copy_source_conditions: true,
        ignore_conditions_on_put: true,
        ignore_conditions_on_copy: true,
        ignore_conditions_on_complete: true,
        ignore_if_match_on_delete: true,
        ignore_etags_in_delete_objects: true,
        etag_is_not_md5: true,
        no_checksums: true,
        ..Quirks::default()
    };
    put(&mut s3, "k", "1");
    let written = s3.put_object(
        PutObjectRequest {
            conditions: WriteConditions::absent(),
            ..PutObjectRequest::new("b", "k", "1")
        },
        NOW,
    );
    let object = written.unwrap().object;
    assert_eq!(object.checksum(), None);
    assert_ne!(object.etag.as_str(), hex::encode(object.content.md5()));
    let request = CopyObjectRequest {
        conditions: WriteConditions::absent(),
        ..CopyObjectRequest::new(CopySource::new("b", "k").if_match("x"), "b", "copy")
    };
    s3.copy_object(request.clone(), NOW).unwrap();
    s3.copy_object(request, NOW).unwrap();
    let upload = create(&mut s3, "copy", None);
    copy_part(&mut s3, "copy", &upload, 1, "k").unwrap();
    let request = CompleteUploadRequest {
        conditions: WriteConditions::absent(),
        ..completion(&s3, "copy", &upload)
    };
    let first = s3.complete_multipart_upload(&request, NOW).unwrap();
    let again = s3.complete_multipart_upload(&request, later(1)).unwrap();
    assert_eq!(first, again);
    let delete = DeleteObjectRequest::new("b", "copy").if_match("x");
    s3.delete_object(&delete, NOW).unwrap();
    let entry = DeleteObjectsEntry {
        key: "k".into(),
        version: None,
        etag: Some("x".into()),
    };
    s3.delete_objects("b", vec![entry], false, NOW).unwrap();
    assert_eq!(s3.bucket("b").unwrap().keys().count(), 0);
}

#[test]
fn servers_that_lose_bytes() {
    let mut s3 = plain();
    s3.quirks.empty_part_copies = true;
    s3.quirks.rename_makes_empty = true;
    put(&mut s3, "k", "1");
    let upload = create(&mut s3, "copy", None);
    copy_part(&mut s3, "copy", &upload, 1, "k").unwrap();
    complete(&mut s3, "copy", &upload).unwrap();
    assert!(current(&s3, "copy").unwrap().content.is_empty());
    s3.quirks.empty_copies = true;
    copy(&mut s3, "k", "emptied").unwrap();
    assert!(current(&s3, "emptied").unwrap().content.is_empty());
    s3.quirks.tagging_empties = true;
    put(&mut s3, "tagged", "1");
    let object = ObjectRef::new("b", "tagged");
    s3.put_object_tagging(&object, Tags::default(), NOW)
        .unwrap();
    assert!(current(&s3, "tagged").unwrap().content.is_empty());
    s3.rename_object(rename("k", "new", None), NOW).unwrap();
    assert!(current(&s3, "new").unwrap().content.is_empty());
    assert!(current(&s3, "k").is_some());
}

fn rename(from: &str, to: &str, token: Option<&str>) -> RenameObjectRequest {
    RenameObjectRequest {
        bucket: "b".into(),
        source: from.into(),
        destination: to.into(),
        client_token: token.map(str::to_owned),
        ..RenameObjectRequest::default()
    }
}

#[test]
fn a_rename_moves_everything_at_once() {
    let mut s3 = plain();
    put(&mut s3, "a", "1");
    let here = s3.rename_object(rename("a", "b", None), NOW);
    assert_eq!(code(here), ErrorCode::NotImplemented);

    let mut s3 = with(BucketSettings {
        directory: true,
        ..BucketSettings::default()
    });
    let written = put(&mut s3, "a", "1");
    put(&mut s3, "taken", "2");
    assert_ne!(
        written.etag().as_str(),
        hex::encode(written.object.content.md5())
    );
    let refused = RenameObjectRequest {
        conditions: WriteConditions::absent(),
        ..rename("a", "taken", Some("t0"))
    };
    assert_eq!(
        code(s3.rename_object(refused, NOW)),
        ErrorCode::PreconditionFailed
    );
    let stale = RenameObjectRequest {
        source_conditions: ReadConditions {
            if_match: Some("stale".into()),
            ..ReadConditions::default()
        },
        ..rename("a", "b", Some("t0"))
    };
    assert_eq!(
        code(s3.rename_object(stale, NOW)),
        ErrorCode::PreconditionFailed
    );
    // The second is a repetition of the first, although there is no source now.
    for _ in 0..2 {
        s3.rename_object(rename("a", "b", Some("t1")), NOW).unwrap();
        assert!(current(&s3, "a").is_none());
        assert_eq!(*current(&s3, "b").unwrap(), *written.object);
    }
    assert_eq!(
        code(s3.rename_object(rename("b", "c", Some("t1")), NOW)),
        ErrorCode::IdempotentParameterMismatch
    );
    assert_eq!(
        code(s3.rename_object(rename("a", "c", None), NOW)),
        ErrorCode::NoSuchKey
    );
    assert_eq!(
        code(s3.rename_object(rename("b", "c/", None), NOW)),
        ErrorCode::InvalidRequest
    );
}

#[test]
fn a_directory_bucket_takes_no_annotations() {
    let mut s3 = with(BucketSettings {
        directory: true,
        ..BucketSettings::default()
    });
    put(&mut s3, "a", "1");
    assert_eq!(code(copy(&mut s3, "a", "b")), ErrorCode::NotImplemented);
    let request = CopyObjectRequest {
        annotation_directive: AnnotationDirective::Exclude,
        ..CopyObjectRequest::new(CopySource::new("b", "a"), "b", "b")
    };
    s3.copy_object(request, NOW).unwrap();
}
