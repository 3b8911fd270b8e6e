//! Conditional requests.

use super::*;

#[test]
fn if_none_match_on_every_write() {
    let mut s3 = plain();
    put(&mut s3, "source", "s");
    for taken in [false, true] {
        let expected = taken.then_some(ErrorCode::PreconditionFailed);
        let put_request = PutObjectRequest {
            conditions: WriteConditions::absent(),
            ..PutObjectRequest::new("b", "put", "p")
        };
        assert_eq!(
            s3.put_object(put_request, NOW).err().map(|e| e.code),
            expected
        );
        let copy_request = CopyObjectRequest {
            conditions: WriteConditions::absent(),
            ..CopyObjectRequest::new(CopySource::new("b", "source"), "b", "copy")
        };
        assert_eq!(
            s3.copy_object(copy_request, NOW).err().map(|e| e.code),
            expected
        );
        let upload = create(&mut s3, "complete", None);
        copy_part(&mut s3, "complete", &upload, 1, "source").unwrap();
        let request = CompleteUploadRequest {
            conditions: WriteConditions::absent(),
            ..completion(&s3, "complete", &upload)
        };
        let completed = s3.complete_multipart_upload(&request, NOW);
        assert_eq!(completed.err().map(|e| e.code), expected);
        // What was refused can still be completed.
        let left = s3.bucket("b").unwrap().uploads().count();
        assert_eq!(left, usize::from(taken));
    }
}

#[test]
fn a_delete_marker_counts_as_absent() {
    let mut s3 = versioned();
    put(&mut s3, "k", "1");
    s3.delete_object(&DeleteObjectRequest::new("b", "k"), NOW)
        .unwrap();
    let request = PutObjectRequest {
        conditions: WriteConditions::absent(),
        ..PutObjectRequest::new("b", "k", "2")
    };
    s3.put_object(request, NOW).unwrap();
}

#[test]
fn source_conditions() {
    let mut s3 = plain();
    let etag = put(&mut s3, "k", "1").etag().to_string();
    let bare = etag.trim_matches('"').to_owned();
    let other = "\"other\"".to_owned();
    let list = format!("{other}, {etag}");
    let cases = [
        // if-match, if-none-match, modified since, unmodified since, copies
        (Some(&etag), None, None, None, true),
        (Some(&bare), None, None, None, true),
        (Some(&list), None, None, None, true),
        (Some(&other), None, None, None, false),
        (None, Some(&etag), None, None, false),
        (None, Some(&other), None, None, true),
        (None, None, Some(NOW), None, false),
        (None, None, Some(Millis(0)), None, true),
        (None, None, None, Some(NOW), true),
        (None, None, None, Some(Millis(0)), false),
        // A true ETag condition outvotes a date that does not hold.
        (Some(&etag), None, None, Some(Millis(0)), true),
        (None, Some(&etag), Some(Millis(0)), None, false),
    ];
    for (if_match, if_none_match, modified, unmodified, copies) in cases {
        let mut source = CopySource::new("b", "k");
        source.conditions = ReadConditions {
            if_match: if_match.cloned(),
            if_none_match: if_none_match.cloned(),
            if_modified_since: modified,
            if_unmodified_since: unmodified,
        };
        let shown = format!("{:?}", source.conditions);
        let copied = s3.copy_object(CopyObjectRequest::new(source, "b", "copy"), NOW);
        assert_eq!(copied.is_ok(), copies, "{shown}");
        if let Err(error) = copied {
            assert_eq!(error.code, ErrorCode::PreconditionFailed, "{shown}");
        }
    }
}

#[test]
fn conditional_deletes_look_at_the_current_version_only() {
    let mut s3 = versioned();
    let old = put(&mut s3, "k", "1");
    let new = put(&mut s3, "k", "2");
    let missing = DeleteObjectRequest::new("b", "missing").if_match(new.etag());
    assert_eq!(code(s3.delete_object(&missing, NOW)), ErrorCode::NoSuchKey);
    let stale = DeleteObjectRequest::new("b", "k").if_match(old.etag());
    assert_eq!(
        code(s3.delete_object(&stale, NOW)),
        ErrorCode::PreconditionFailed
    );
    // A version that is named cannot be compared with, and goes without it.
    let object = ObjectRef::new("b", "k").version(old.version_id.unwrap());
    let by_version = DeleteObjectRequest {
        object,
        ..DeleteObjectRequest::new("b", "k").if_match(new.etag())
    };
    assert_eq!(
        code(s3.delete_object(&by_version, NOW)),
        ErrorCode::NotImplemented
    );
    assert_eq!(s3.bucket("b").unwrap().versions("k").len(), 2);

    let entries = [
        ("k", old.etag()),
        ("k", new.etag()),
        ("missing", new.etag()),
    ];
    let entries = entries.map(|(key, etag)| DeleteObjectsEntry {
        key: key.into(),
        version: None,
        etag: Some(etag.to_string()),
    });
    let results = s3.delete_objects("b", entries.into(), false, NOW).unwrap();
    let codes: Vec<_> = results
        .into_iter()
        .map(|(_, r)| r.err().map(|e| e.code))
        .collect();
    assert_eq!(
        codes,
        [
            Some(ErrorCode::PreconditionFailed),
            None,
            Some(ErrorCode::NoSuchKey)
        ]
    );
    // Now a marker is current: there is nothing to compare with.
    let gone = DeleteObjectRequest::new("b", "k").if_match(new.etag());
    assert_eq!(code(s3.delete_object(&gone, NOW)), ErrorCode::NoSuchKey);
}
