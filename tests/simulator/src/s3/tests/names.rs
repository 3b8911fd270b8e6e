//! One bucket under two names, keys that fold, copies onto themselves.

use super::*;

fn folding(folding: Folding) -> S3 {
    with(BucketSettings {
        folding: Some(folding),
        versioning: Versioning::Enabled,
        ..BucketSettings::default()
    })
}

/// For each folding two spellings of one key, the folded one first.
const SPELLINGS: [(Folding, &str, &str); 6] = [
    (Folding::Nfc, "caf\u{e9}", "cafe\u{301}"),
    (Folding::Percent, "a/b", "a%252Fb"),
    (Folding::Folder, "dir/", "dir_$folder$"),
    (Folding::Case, "key", "KeY"),
    (Folding::Slashes, "a/b/", "a///b//"),
    (Folding::Tilde, "k", "k~1"),
];

#[test]
fn folding_a_folded_key_changes_nothing() {
    for (folding, folded, other) in SPELLINGS {
        assert_eq!(folding.fold(other), folded, "{folding:?}");
        for key in [
            folded,
            other,
            "",
            "~1~1",
            "%25%32%46",
            "%ff%41",
            "_$folder$",
            "//~1",
        ] {
            let once = folding.fold(key).into_owned();
            assert_eq!(folding.fold(&once), once, "{folding:?} {key}");
            assert_eq!(once.is_empty(), key.is_empty(), "{folding:?} {key}");
        }
    }
}

#[test]
fn every_operation_sees_the_folded_key() {
    for (how, folded, other) in SPELLINGS {
        let mut s3 = folding(how);
        let written = put(&mut s3, other, "1");
        assert_eq!(current(&s3, folded).unwrap().etag, *written.etag());
        let listed = s3.list_objects_v2(
            &ListObjectsRequest {
                bucket: "b".into(),
                ..ListObjectsRequest::default()
            },
            NOW,
        );
        assert_eq!(listed.unwrap().objects[0].key, folded);
        // What was found under one spelling is refused under the other.
        let absent = PutObjectRequest {
            conditions: WriteConditions::absent(),
            ..PutObjectRequest::new("b", folded, "2")
        };
        assert_eq!(
            code(s3.put_object(absent, NOW)),
            ErrorCode::PreconditionFailed
        );
        let tags: Tags = Arc::new([("t".to_owned(), "1".to_owned())].into());
        s3.put_object_tagging(&ObjectRef::new("b", other), tags.clone(), NOW)
            .unwrap();
        let found = s3.get_object_tagging(&ObjectRef::new("b", folded), NOW);
        assert_eq!(found.unwrap().0, tags);
        // An upload of one spelling is completed under the other.
        let upload = create(&mut s3, other, None);
        copy_part(&mut s3, folded, &upload, 1, other).unwrap();
        complete(&mut s3, folded, &upload).unwrap();
        assert_eq!(s3.bucket("b").unwrap().versions(other).len(), 2);
        s3.delete_object(&DeleteObjectRequest::new("b", other), NOW)
            .unwrap();
        assert_eq!(current(&s3, folded), None, "{how:?}");
    }
}

#[test]
fn a_copy_between_two_spellings_is_a_copy_onto_itself() {
    for (how, folded, other) in SPELLINGS {
        let mut s3 = folding(how);
        put(&mut s3, folded, "1");
        assert_eq!(
            code(copy(&mut s3, folded, other)),
            ErrorCode::InvalidRequest
        );
        s3.quirks.accept_self_copies = true;
        copy(&mut s3, folded, other).unwrap();
        assert_eq!(s3.bucket("b").unwrap().versions(folded).len(), 2);
    }
}

#[test]
fn a_bucket_under_another_name_is_the_same_bucket() {
    let mut s3 = plain();
    s3.alias_bucket("other", "b", AliasKind::Plain).unwrap();
    s3.alias_bucket("b-s3alias", "b", AliasKind::AccessPoint)
        .unwrap();
    assert!(s3.is_access_point_alias("b-s3alias"));
    assert!(!s3.is_access_point_alias("other"));
    let written = put(&mut s3, "k", "1");
    for name in ["other", "b-s3alias"] {
        let head = s3
            .head_object(&GetObjectRequest::new(name, "k"), NOW)
            .unwrap();
        assert_eq!(head.etag, *written.etag());
        let onto_itself = CopyObjectRequest::new(CopySource::new("b", "k"), name, "k");
        assert_eq!(
            code(s3.copy_object(onto_itself, NOW)),
            ErrorCode::InvalidRequest
        );
        let copied = CopyObjectRequest::new(CopySource::new(name, "k"), "b", "copy");
        s3.copy_object(copied, NOW).unwrap();
    }
    s3.delete_object(&DeleteObjectRequest::new("other", "k"), NOW)
        .unwrap();
    assert_eq!(current(&s3, "k"), None);
    assert_eq!(s3.buckets().count(), 1);
    let taken = s3.create_bucket("other", BucketSettings::default(), NOW);
    assert_eq!(code(taken), ErrorCode::BucketAlreadyOwnedByYou);
}

#[test]
fn a_bucket_with_keys_folds_none() {
    let mut s3 = plain();
    s3.fold_keys("b", Some(Folding::Case)).unwrap();
    put(&mut s3, "K", "1");
    assert_eq!(code(s3.fold_keys("b", None)), ErrorCode::BucketNotEmpty);
    s3.quirks.fold_keys = Some(Folding::Tilde);
    s3.create_bucket("new", BucketSettings::default(), NOW)
        .unwrap();
    let written = s3.put_object(PutObjectRequest::new("new", "k~1", "1"), NOW);
    assert!(written.is_ok() && s3.bucket("new").unwrap().keys().eq(["k"]));
}
