//! Buckets with versions.

use bytes::Bytes;

use super::*;

fn delete(s3: &mut S3, version: Option<VersionId>) -> DeleteObjectResponse {
    let mut request = DeleteObjectRequest::new("b", "k");
    request.object.version = version;
    s3.delete_object(&request, NOW).unwrap()
}

fn texts(s3: &S3) -> Vec<Option<Bytes>> {
    let versions = s3.bucket("b").unwrap().versions("k");
    let objects = versions.iter().map(|v| v.object.as_ref());
    objects.map(|o| o.map(|o| o.content.to_bytes())).collect()
}

#[test]
fn a_marker_hides_and_its_removal_reveals() {
    let mut s3 = versioned();
    let one = put(&mut s3, "k", "1").version_id;
    put(&mut s3, "k", "2");
    let marker = delete(&mut s3, None);
    assert!(marker.delete_marker);
    let mut read = GetObjectRequest::new("b", "k");
    let hidden = s3.head_object(&read, NOW).unwrap_err();
    assert_eq!(
        (hidden.status, hidden.delete_marker),
        (404, marker.version_id)
    );
    read.object.version = marker.version_id;
    let not_allowed = s3.head_object(&read, NOW).unwrap_err();
    assert_eq!(
        (not_allowed.status, not_allowed.delete_marker),
        (405, marker.version_id)
    );
    read.object.version = one;
    assert_eq!(s3.get_object(&read, NOW).unwrap().content, "1".into());

    assert!(delete(&mut s3, marker.version_id).delete_marker);
    assert_eq!(current(&s3, "k").unwrap().content, "2".into());
    assert_eq!(texts(&s3).len(), 2);
}

#[test]
fn deleting_a_version_is_for_good() {
    let mut s3 = versioned();
    let one = put(&mut s3, "k", "1").version_id;
    let two = put(&mut s3, "k", "2").version_id;
    assert!(!delete(&mut s3, two).delete_marker);
    assert_eq!(texts(&s3), [Some("1".into())]);
    // What is gone can be deleted again.
    delete(&mut s3, two);
    delete(&mut s3, one);
    assert_eq!(s3.bucket("b").unwrap().keys().count(), 0);
}

#[test]
fn a_suspended_bucket_has_one_null_version() {
    let mut s3 = plain();
    let shown = put(&mut s3, "k", "before").version_id;
    assert_eq!(shown, None);
    s3.put_bucket_versioning("b", Versioning::Enabled, NOW)
        .unwrap();
    put(&mut s3, "k", "kept");
    s3.put_bucket_versioning("b", Versioning::Suspended, NOW)
        .unwrap();
    // A put does not name the version null; a copy and a delete do.
    assert_eq!(put(&mut s3, "k", "1").version_id, None);
    assert_eq!(put(&mut s3, "k", "2").version_id, None);
    assert_eq!(texts(&s3), [Some("kept".into()), Some("2".into())]);
    // The marker is null too, and takes the null version's place.
    assert_eq!(delete(&mut s3, None).version_id, Some(VersionId::Null));
    assert_eq!(texts(&s3), [Some("kept".into()), None]);
    delete(&mut s3, Some(VersionId::Null));
    assert_eq!(current(&s3, "k").unwrap().content, "kept".into());
}

#[test]
fn a_copy_can_be_of_an_old_version() {
    let mut s3 = versioned();
    let one = put(&mut s3, "k", "1").version_id;
    put(&mut s3, "k", "2");
    let mut source = CopySource::new("b", "k");
    source.object.version = one;
    // Onto itself, which brings the old version back.
    let request = CopyObjectRequest::new(source.clone(), "b", "k");
    let copied = s3.copy_object(request, NOW).unwrap();
    assert_eq!(copied.source_version, one);
    assert_eq!(current(&s3, "k").unwrap().content, "1".into());
    source.object.version = Some(VersionId::Id(999));
    let request = CopyObjectRequest::new(source, "b", "k");
    assert_eq!(code(s3.copy_object(request, NOW)), ErrorCode::NoSuchVersion);
}

#[test]
fn sequences_grow() {
    let mut s3 = versioned();
    put(&mut s3, "k", "1");
    delete(&mut s3, None);
    put(&mut s3, "k", "1");
    let versions = s3.bucket("b").unwrap().versions("k");
    assert!(versions.is_sorted_by(|a, b| a.sequence < b.sequence));
    let origins: Vec<_> = versions
        .iter()
        .filter_map(|v| v.object.as_ref())
        .map(|o| o.origin)
        .collect();
    assert_ne!(origins[0], origins[1]);
}

#[test]
fn ids_survive_the_wire() {
    for id in [VersionId::Null, VersionId::Id(0), VersionId::Id(u64::MAX)] {
        assert_eq!(VersionId::parse(&id.to_string()), Some(id));
    }
    assert_eq!(VersionId::parse("sim.1"), None);
}
