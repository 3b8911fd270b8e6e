//! Multipart uploads: layout, ETags, checksums, limits, lineage.

use super::*;

const FULL: ChecksumKept = ChecksumKept {
    algorithm: ChecksumAlgorithm::Crc64Nvme,
    kind: ChecksumType::FullObject,
};

fn sparse(s3: &mut S3, key: &str, seed: u64, size: u64, part: u64) -> WriteResponse {
    let object = SparseObject {
        seed,
        size,
        layout: Layout::Even(part),
        ..SparseObject::default()
    };
    s3.put_sparse("b", key, &object, NOW).unwrap()
}

fn upload_part(s3: &mut S3, upload: &str, number: u32, content: Content) -> S3Result<Part> {
    let request = UploadPartRequest {
        bucket: "b".into(),
        key: "k".into(),
        upload_id: upload.into(),
        number,
        content,
        ..UploadPartRequest::default()
    };
    s3.upload_part(request, NOW)
}

/// Copies an object in parts of this many bytes.
fn copy_in_parts(s3: &mut S3, from: &str, to: &str, part: u64) -> WriteResponse {
    let upload = create(s3, to, Some(FULL));
    let size = current(s3, from).unwrap().content.size();
    for (number, first) in (1..).zip((0..size.div_ceil(part)).map(|i| i * part)) {
        let request = UploadPartCopyRequest {
            source: CopySource::new("b", from),
            range: Some((first, (first + part).min(size) - 1)),
            bucket: "b".into(),
            key: to.into(),
            upload_id: upload.clone(),
            number,
            customer_key: None,
        };
        s3.upload_part_copy(&request, NOW).unwrap();
    }
    complete(s3, to, &upload).unwrap()
}

#[test]
fn the_etag_is_the_md5_of_the_parts_md5s() {
    let mut s3 = plain();
    let upload = create(&mut s3, "k", None);
    let parts = [vec![1; 5 << 20], vec![2; 3]].map(Content::from);
    for (number, part) in (1..).zip(&parts) {
        upload_part(&mut s3, &upload, number, part.clone()).unwrap();
    }
    let written = complete(&mut s3, "k", &upload).unwrap();
    let digests: Vec<u8> = parts.iter().flat_map(Content::md5).collect();
    let expected = hex::encode(Content::from(digests).md5());
    assert_eq!(written.etag().as_str(), format!("{expected}-2"));
    assert_eq!(written.object.content, Content::concat(&parts));
}

#[test]
fn the_same_boundaries_give_the_same_etag() {
    let mut s3 = plain();
    let gib = limits::GIB;
    let source = sparse(&mut s3, "source", 4, 6 * gib + 5, gib);
    let same = copy_in_parts(&mut s3, "source", "same", gib);
    let other = copy_in_parts(&mut s3, "source", "other", 2 * gib);
    assert_eq!(same.etag(), source.etag());
    assert_ne!(other.etag(), source.etag());
    for copy in [same, other] {
        assert_eq!(copy.object.content, source.object.content);
        assert_eq!(copy.object.checksum(), source.object.checksum());
        assert_eq!(copy.object.origin, source.object.origin);
    }
}

#[test]
fn lineage_of_what_is_put_together() {
    let mut s3 = plain();
    sparse(&mut s3, "one", 1, 10 << 20, 5 << 20);
    sparse(&mut s3, "two", 2, 10 << 20, 5 << 20);
    let origin = |s3: &S3, key| current(s3, key).unwrap().origin;
    for (parts, inherits) in [
        (&["one"][..], true),
        (&["one", "one"], true),
        (&["one", "two"], false),
    ] {
        let upload = create(&mut s3, "k", None);
        for (number, from) in (1..).zip(parts) {
            copy_part(&mut s3, "k", &upload, number, from).unwrap();
        }
        complete(&mut s3, "k", &upload).unwrap();
        assert_eq!(origin(&s3, "k") == origin(&s3, "one"), inherits);
        assert_ne!(origin(&s3, "k"), origin(&s3, "two"));
    }
    // The same bytes, but of a client: not the same object.
    let upload = create(&mut s3, "k", None);
    upload_part(&mut s3, &upload, 1, Content::sparse(1, 10 << 20)).unwrap();
    complete(&mut s3, "k", &upload).unwrap();
    assert_ne!(origin(&s3, "k"), origin(&s3, "one"));
    // A source overwritten half-way is two sources.
    let upload = create(&mut s3, "k", None);
    copy_part(&mut s3, "k", &upload, 1, "one").unwrap();
    sparse(&mut s3, "one", 1, 10 << 20, 5 << 20);
    copy_part(&mut s3, "k", &upload, 2, "one").unwrap();
    complete(&mut s3, "k", &upload).unwrap();
    assert_ne!(origin(&s3, "k"), origin(&s3, "one"));
}

#[test]
fn what_complete_refuses() {
    let mut s3 = plain();
    let upload = create(&mut s3, "k", None);
    let good = upload_part(&mut s3, &upload, 1, Content::sparse(1, 5 << 20)).unwrap();
    let small = upload_part(&mut s3, &upload, 2, Content::sparse(2, 5)).unwrap();
    upload_part(&mut s3, &upload, 3, Content::sparse(3, 5)).unwrap();
    let part = |number, etag: &ETag| CompletePart {
        number,
        etag: etag.to_string(),
        checksum: None,
    };
    let request = |parts: Vec<CompletePart>| CompleteUploadRequest {
        parts,
        ..completion(&plain(), "k", &upload)
    };
    let mut refused = |request: CompleteUploadRequest| {
        let result = s3.complete_multipart_upload(&request, NOW);
        assert_eq!(s3.bucket("b").unwrap().keys().count(), 0);
        code(result)
    };
    for (parts, expected) in [
        (vec![], ErrorCode::InvalidRequest),
        (vec![part(1, &small.etag)], ErrorCode::InvalidPart),
        (vec![part(7, &good.etag)], ErrorCode::InvalidPart),
        (
            vec![part(2, &small.etag), part(1, &good.etag)],
            ErrorCode::InvalidPartOrder,
        ),
        (
            vec![part(1, &good.etag), part(1, &good.etag)],
            ErrorCode::InvalidPartOrder,
        ),
    ] {
        assert_eq!(refused(request(parts)), expected);
    }
    let whole = || request(vec![part(1, &good.etag), part(2, &small.etag)]);
    for (size, checksum, expected) in [
        (Some(5), None, ErrorCode::InvalidRequest),
        (None, Some("AAAAAAAAAAA="), ErrorCode::BadDigest),
    ] {
        let request = CompleteUploadRequest {
            object_size: size,
            checksum: checksum.map(|v| (ChecksumAlgorithm::Crc64Nvme, v.to_owned())),
            ..whole()
        };
        assert_eq!(refused(request), expected);
    }
    let elsewhere = CompleteUploadRequest {
        key: "other".into(),
        ..whole()
    };
    assert_eq!(refused(elsewhere), ErrorCode::NoSuchUpload);
    assert_eq!(
        code(complete(&mut s3, "k", &upload)),
        ErrorCode::EntityTooSmall
    );
    let first = s3.complete_multipart_upload(&whole(), NOW).unwrap();
    // Repeated, it answers the same, whatever its conditions; of another key not.
    let again = CompleteUploadRequest {
        conditions: WriteConditions::absent(),
        ..whole()
    };
    assert_eq!(s3.complete_multipart_upload(&again, NOW).unwrap(), first);
    let elsewhere = CompleteUploadRequest {
        key: "other".into(),
        ..whole()
    };
    let refused = |s3: &mut S3| code(s3.complete_multipart_upload(&elsewhere, NOW));
    assert_eq!(refused(&mut s3), ErrorCode::NoSuchUpload);
    s3.quirks.forgets_completed_uploads = true;
    assert_eq!(
        code(s3.complete_multipart_upload(&whole(), NOW)),
        ErrorCode::NoSuchUpload
    );
}

#[test]
fn a_write_or_a_delete_during_an_upload_ends_its_conditional_completes() {
    let writes: [fn(&mut S3); 3] = [
        |s3| drop(put(s3, "k", "1")),
        |s3| drop(copy(s3, "source", "k").unwrap()),
        |s3| {
            let upload = create(s3, "k", None);
            copy_part(s3, "k", &upload, 1, "source").unwrap();
            complete(s3, "k", &upload).unwrap();
        },
    ];
    for write in writes {
        let mut s3 = plain();
        put(&mut s3, "source", "bytes");
        let upload = create(&mut s3, "k", None);
        copy_part(&mut s3, "k", &upload, 1, "source").unwrap();
        let absent = CompleteUploadRequest {
            conditions: WriteConditions::absent(),
            ..completion(&s3, "k", &upload)
        };
        write(&mut s3);
        let taken = s3.complete_multipart_upload(&absent, NOW).unwrap_err();
        assert_eq!(taken.code, ErrorCode::PreconditionFailed);
        assert_eq!(taken.detail("Condition"), Some("If-None-Match"));
        s3.delete_object(&DeleteObjectRequest::new("b", "k"), NOW)
            .unwrap();
        let conflict = s3.complete_multipart_upload(&absent, NOW).unwrap_err();
        assert_eq!(conflict.code, ErrorCode::ConditionalRequestConflict);
        // Without a condition it goes through.
        complete(&mut s3, "k", &upload).unwrap();
    }
}

#[test]
fn part_numbers_and_sizes() {
    let mut s3 = plain();
    let upload = create(&mut s3, "k", None);
    for (number, size, expected) in [
        (0, 1, Some(ErrorCode::InvalidArgument)),
        (10_001, 1, Some(ErrorCode::InvalidArgument)),
        (10_000, 1, None),
        (1, limits::MAX_PART, None),
        (1, limits::MAX_PART + 1, Some(ErrorCode::EntityTooLarge)),
    ] {
        let result = upload_part(&mut s3, &upload, number, Content::sparse(1, size));
        assert_eq!(result.err().map(|e| e.code), expected, "{number} {size}");
    }
    sparse(&mut s3, "source", 1, limits::MAX_PART + 1, limits::GIB);
    assert_eq!(
        code(copy_part(&mut s3, "k", &upload, 1, "source")),
        ErrorCode::InvalidRequest
    );
}

#[test]
fn a_composite_checksum_needs_every_parts() {
    let mut s3 = plain();
    let kept = ChecksumKept {
        algorithm: ChecksumAlgorithm::Sha256,
        kind: ChecksumType::Composite,
    };
    put(&mut s3, "source", "bytes");
    let upload = create(&mut s3, "k", Some(kept));
    // A part from a client must bring its own; S3 computes that of a copied one.
    let bare = upload_part(&mut s3, &upload, 1, "bytes".into());
    assert_eq!(code(bare), ErrorCode::InvalidRequest);
    let part = copy_part(&mut s3, "k", &upload, 1, "source").unwrap();
    assert_eq!(
        code(complete(&mut s3, "k", &upload)),
        ErrorCode::InvalidRequest
    );
    let mut request = completion(&s3, "k", &upload);
    let value = base64(part.content.digest(kept.algorithm));
    request.parts[0].checksum = Some((kept.algorithm, value));
    let written = s3.complete_multipart_upload(&request, NOW).unwrap();
    let checksum = written.object.checksum().unwrap();
    assert_eq!(checksum.kind, ChecksumType::Composite);
    let digest = Content::from(part.content.digest(kept.algorithm).to_vec());
    let expected = base64(digest.digest(kept.algorithm));
    assert_eq!(checksum.value, format!("{expected}-1"));
}

#[test]
fn parts_can_be_read_one_by_one() {
    let mut s3 = plain();
    sparse(&mut s3, "k", 1, (12 << 20) + 5, 5 << 20);
    for (number, size) in [
        (1, Some(5 << 20)),
        (2, Some(5 << 20)),
        (3, Some((2 << 20) + 5)),
        (4, None),
    ] {
        let mut request = GetObjectRequest::new("b", "k");
        request.part_number = Some(number);
        match (s3.get_object(&request, NOW), size) {
            (Ok(got), Some(size)) => {
                assert_eq!(got.head.parts_count, Some(3));
                assert_eq!((got.head.content_length, got.content.size()), (size, size));
            }
            (Err(error), None) => assert_eq!(error.code, ErrorCode::InvalidPartNumber),
            (got, size) => panic!("{got:?} {size:?}"),
        }
    }
}

#[test]
fn an_upload_has_only_what_was_sent_when_it_began() {
    let mut s3 = plain();
    put(&mut s3, "source", "bytes");
    let tags = Arc::new([("a".to_owned(), "b".to_owned())].into());
    let object = ObjectRef::new("b", "source");
    s3.put_object_tagging(&object, tags, NOW).unwrap();
    let upload = create(&mut s3, "k", None);
    copy_part(&mut s3, "k", &upload, 1, "source").unwrap();
    let request = completion(&s3, "k", &upload);
    let written = s3.complete_multipart_upload(&request, later(60)).unwrap();
    assert!(written.object.tags.is_empty());
    assert_eq!(written.modified, NOW);
}

#[test]
fn aborted_is_gone() {
    let mut s3 = plain();
    let upload = create(&mut s3, "k", None);
    s3.abort_multipart_upload("b", "k", &upload, NOW).unwrap();
    let again = s3.abort_multipart_upload("b", "k", &upload, NOW);
    assert_eq!(code(again), ErrorCode::NoSuchUpload);
    let part = upload_part(&mut s3, &upload, 1, "x".into());
    assert_eq!(code(part), ErrorCode::NoSuchUpload);
}
