//! What a copy keeps, loses, and may not do.

use super::*;

/// An object that has everything.
fn rich() -> NewObject {
    NewObject {
        metadata: Arc::new(Metadata {
            content_type: Some("text/plain".into()),
            expires: Some("never".into()),
            user: [("a".to_owned(), "b".to_owned())].into(),
            ..Metadata::default()
        }),
        storage_class: Some(StorageClass::StandardIa),
        encryption: Some(Encryption::kms("key")),
        tags: Arc::new([("t".to_owned(), "u".to_owned())].into()),
        acl: AclRequest::Canned(CannedAcl::PublicRead),
        retention: Some(Retention {
            mode: RetentionMode::Compliance,
            until: later(60),
        }),
        legal_hold: Some(true),
        event_hold: Some(EventHold::on(HoldPeriod::Years(1))),
        redirect: Some("/elsewhere".into()),
    }
}

fn everything() -> S3 {
    let mut s3 = with(BucketSettings {
        object_lock: true,
        ownership: Ownership::ObjectWriter,
        ..BucketSettings::default()
    });
    let request = PutObjectRequest {
        properties: rich(),
        ..PutObjectRequest::new("b", "source", "bytes")
    };
    s3.put_object(request, NOW).unwrap();
    let annotation = PutAnnotationRequest {
        object: ObjectRef::new("b", "source"),
        name: "note".into(),
        payload: "text".into(),
        ..PutAnnotationRequest::default()
    };
    s3.put_object_annotation(annotation, NOW).unwrap();
    s3
}

#[test]
fn a_copy_keeps_metadata_tags_and_annotations_and_nothing_else() {
    let mut s3 = everything();
    let copied = copy(&mut s3, "source", "copy").unwrap();
    let source = current(&s3, "source").unwrap();
    let copy = current(&s3, "copy").unwrap();
    assert_eq!(copy.content, source.content);
    assert_eq!(copy.origin, source.origin);
    assert_eq!(copy.metadata, source.metadata);
    assert_eq!(copy.tags, source.tags);
    assert_eq!(copy.annotations, source.annotations);
    assert_eq!(copy.storage_class, StorageClass::Standard);
    assert_eq!(copy.encryption, Encryption::Aes256);
    assert_eq!(*copy.acl, Acl::default());
    let locks = (copy.retention, copy.legal_hold, copy.event_hold);
    assert_eq!(locks, (None, None, None));
    assert_eq!(copy.redirect, None);
    // The source's ETag hid its MD5; the copy's shows it.
    assert_ne!(copy.etag, source.etag);
    assert_eq!(
        copied.source_version,
        s3.bucket("b").unwrap().versions("source")[0].id.into()
    );
}

#[test]
fn a_copy_takes_what_is_sent() {
    let mut s3 = everything();
    let request = CopyObjectRequest {
        properties: NewObject {
            metadata: Arc::default(),
            tags: Arc::default(),
            ..rich()
        },
        metadata_directive: Directive::Replace,
        tagging_directive: Directive::Replace,
        annotation_directive: AnnotationDirective::Exclude,
        checksum_algorithm: Some(ChecksumAlgorithm::Sha256),
        ..CopyObjectRequest::new(CopySource::new("b", "source"), "b", "copy")
    };
    s3.copy_object(request, NOW).unwrap();
    let source = current(&s3, "source").unwrap();
    let copy = current(&s3, "copy").unwrap();
    assert_eq!(copy.metadata, Arc::default());
    assert!(copy.tags.is_empty() && copy.annotations.is_empty());
    assert_eq!(copy.storage_class, source.storage_class);
    assert_eq!(copy.encryption, source.encryption);
    assert_eq!(copy.acl, source.acl);
    assert_eq!(copy.retention, source.retention);
    assert_eq!(copy.legal_hold, source.legal_hold);
    assert_eq!(copy.event_hold, source.event_hold);
    assert_eq!(copy.redirect, source.redirect);
    let checksum = copy.checksum().unwrap();
    assert_eq!(checksum.algorithm, ChecksumAlgorithm::Sha256);
}

#[test]
fn a_copy_ends_at_five_gibibytes() {
    let mut s3 = plain();
    for (size, expected) in [
        (5 * limits::GIB, None),
        (5 * limits::GIB + 1, Some(ErrorCode::InvalidRequest)),
    ] {
        let object = SparseObject {
            seed: 1,
            size,
            layout: Layout::Even(limits::GIB),
            ..SparseObject::default()
        };
        s3.put_sparse("b", "big", &object, NOW).unwrap();
        let copied = copy(&mut s3, "big", "copy");
        assert_eq!(copied.err().map(|e| e.code), expected, "{size}");
    }
    // However it was uploaded, the copy is of one part.
    assert!(!current(&s3, "copy").unwrap().etag.as_str().contains('-'));
}

#[test]
fn archived_objects_are_restored_first() {
    let mut s3 = plain();
    s3.restore_takes = Duration::from_secs(100);
    let object = ObjectRef::new("b", "k");
    for tiered in [false, true] {
        put(&mut s3, "k", "cold");
        if tiered {
            s3.sink(&object, ArchiveTier::Archive).unwrap();
        } else {
            s3.transition(&object, StorageClass::Glacier).unwrap();
        }
        let request = GetObjectRequest::new("b", "k");
        let read = |s3: &S3, at| s3.get_object(&request, at).map(|_| ());
        let source = CopySource::new("b", "k");
        let copied = |s3: &S3, at| s3.source(&source, at).map(|_| ());
        for (at, readable) in [
            (0, false),
            (99, false),
            (100, true),
            (86_499, true),
            (86_500, false),
        ] {
            if at == 0 {
                assert_eq!(code(read(&s3, NOW)), ErrorCode::InvalidObjectState);
                let restore = RestoreRequest {
                    object: object.clone(),
                    days: 1,
                    completes_at: None,
                };
                s3.restore_object(&restore, NOW).unwrap();
                assert_eq!(
                    code(s3.restore_object(&restore, NOW)),
                    ErrorCode::RestoreAlreadyInProgress
                );
            }
            assert_eq!(read(&s3, later(at)).is_ok(), readable, "{at}");
            assert_eq!(copied(&s3, later(at)).is_ok(), readable, "{at}");
            s3.head_object(&request, later(at)).unwrap();
        }
    }
}

#[test]
fn a_customers_key_is_needed() {
    let mut s3 = plain();
    let key = |text: &str| CustomerKey(text.to_owned());
    let request = PutObjectRequest {
        properties: NewObject {
            encryption: Some(Encryption::Customer(key("k"))),
            ..NewObject::default()
        },
        ..PutObjectRequest::new("b", "k", "secret")
    };
    s3.put_object(request, NOW).unwrap();
    for (brought, expected) in [
        (None, Some(ErrorCode::InvalidRequest)),
        (Some(key("other")), Some(ErrorCode::AccessDenied)),
        (Some(key("k")), None),
    ] {
        let mut read = GetObjectRequest::new("b", "k");
        read.customer_key.clone_from(&brought);
        assert_eq!(s3.head_object(&read, NOW).err().map(|e| e.code), expected);
        let mut source = CopySource::new("b", "k");
        source.customer_key = brought;
        let copied = s3.copy_object(CopyObjectRequest::new(source, "b", "copy"), NOW);
        assert_eq!(copied.err().map(|e| e.code), expected);
    }
    s3.quirks.head_needs_no_key = true;
    s3.head_object(&GetObjectRequest::new("b", "k"), NOW)
        .unwrap();
}

#[test]
fn acls_only_where_they_count() {
    let mut s3 = plain();
    let request = PutObjectRequest {
        properties: NewObject {
            acl: AclRequest::Canned(CannedAcl::PublicRead),
            ..NewObject::default()
        },
        ..PutObjectRequest::new("b", "k", "")
    };
    assert_eq!(
        code(s3.put_object(request, NOW)),
        ErrorCode::AccessControlListNotSupported
    );
    put(&mut s3, "k", "");
    let object = ObjectRef::new("b", "k");
    assert_eq!(*s3.get_object_acl(&object, NOW).unwrap(), Acl::default());
    let canned = AclRequest::Canned(CannedAcl::PublicRead);
    assert_eq!(
        code(s3.put_object_acl(&object, &canned, NOW)),
        ErrorCode::AccessControlListNotSupported
    );
}
