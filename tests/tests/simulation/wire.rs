//! Gates and pins as they go over the wire: a condition that the engine asks
//! for and that is not in the request protects nothing.

use std::collections::BTreeMap;

use rebucket_protocol::{ETag, ObjectUri, StorageClass, Timestamp, VersionId};
use rebucket_worker::store::object::{
    Acl, Attributes, ChecksumAlgorithm, ChecksumKind, Checksums, ContentHeaders, Encryption,
    EventHold, Grantee, HoldPeriod, ObjectLock, Permission, PinnedSource, Tags,
};
use rebucket_worker::store::s3::expecting_owner;
use rebucket_worker::store::{
    CompleteRequest, CopyRequest, DeleteRequest, HeadScope, ObjectStore as _, PartRange,
    PartReceipt, Replaces, UploadId,
};

use crate::tapped::{Sent, answer, send};

const TAG: &str = "9b2cf535f27731c974343645a3985328";
const QUOTED: &str = "\"9b2cf535f27731c974343645a3985328\"";

/// When an object was written.
const WRITTEN: &str = "Wed, 01 Jan 2025 00:00:00 GMT";
const COPIED: &str = "<CopyObjectResult><ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag>\
                      </CopyObjectResult>";
const PART: &str = "<CopyPartResult><ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag>\
                    </CopyPartResult>";
const COMPLETED: &str = "<CompleteMultipartUploadResult>\
                         <ETag>&quot;9b2cf535f27731c974343645a3985328-1&quot;</ETag>\
                         </CompleteMultipartUploadResult>";
const CREATED: &str = "<InitiateMultipartUploadResult><UploadId>u</UploadId>\
                       </InitiateMultipartUploadResult>";

fn uri(text: &str) -> ObjectUri {
    text.parse().unwrap()
}

fn version() -> VersionId {
    VersionId::new("v1").unwrap()
}

fn pinned() -> PinnedSource {
    PinnedSource {
        object: uri("s3://bkt/old"),
        etag: ETag::new(TAG).unwrap(),
        version: Some(version()),
    }
}

fn bare() -> Attributes {
    Attributes {
        headers: ContentHeaders::default(),
        metadata: BTreeMap::new(),
        tags: Tags::new(),
        acl: None,
        storage_class: StorageClass::standard(),
        encryption: Encryption::Unstated,
        lock: ObjectLock::default(),
        redirect: None,
        checksum: None,
    }
}

fn rich() -> Attributes {
    let text = |text: &str| Some(text.to_owned());
    let grants = [
        (Permission::FullControl, Grantee::Canonical("me".to_owned())),
        (Permission::Read, Grantee::Group("http://all".to_owned())),
    ];
    Attributes {
        headers: ContentHeaders {
            content_type: text("text/plain"),
            cache_control: text("no-cache"),
            content_disposition: text("inline"),
            content_encoding: text("gzip"),
            content_language: text("de"),
            expires: text("whenever"),
        },
        metadata: BTreeMap::from([("owner".to_owned(), "me".to_owned())]),
        tags: Tags::from([("team".to_owned(), "a&b".to_owned())]),
        acl: Some(Acl {
            owner: text("me"),
            grants: grants.into(),
        }),
        storage_class: StorageClass::new("STANDARD_IA").unwrap(),
        encryption: Encryption::Kms {
            algorithm: "aws:kms".to_owned(),
            key: text("k"),
            bucket_key: true,
        },
        lock: ObjectLock {
            mode: text("GOVERNANCE"),
            retain_until: Timestamp::from_unix(2_000_000_000, 0),
            legal_hold: true,
            event_hold: Some(EventHold {
                then: Some(HoldPeriod::Years(7)),
            }),
        },
        redirect: text("/elsewhere"),
        checksum: Some((ChecksumAlgorithm::Crc64Nvme, Some(ChecksumKind::FullObject))),
    }
}

/// Headers that a copy in one request and the creation of an upload share.
const UNKEPT: [(&str, &str); 12] = [
    ("x-amz-storage-class", "STANDARD_IA"),
    ("x-amz-server-side-encryption", "aws:kms"),
    ("x-amz-server-side-encryption-aws-kms-key-id", "k"),
    ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
    ("x-amz-grant-full-control", "id=\"me\""),
    ("x-amz-grant-read", "uri=\"http://all\""),
    ("x-amz-object-lock-mode", "GOVERNANCE"),
    (
        "x-amz-object-lock-retain-until-date",
        "2033-05-18T03:33:20Z",
    ),
    ("x-amz-object-lock-legal-hold", "ON"),
    ("x-amz-object-lock-event-hold", "ON"),
    ("x-amz-object-lock-event-hold-duration-years", "7"),
    ("x-amz-website-redirect-location", "/elsewhere"),
];

fn assert_headers(sent: &Sent, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(sent.header(name), Some(*value), "{name} of {sent:?}");
    }
}

fn copy(replaces: Replaces<'_>, keep_tags: bool, attributes: &Attributes) -> Sent {
    let (source, destination) = (pinned(), uri("s3://bkt/new"));
    let request = CopyRequest {
        source: &source,
        destination: &destination,
        replaces,
        attributes,
        keep_tags,
    };
    let (mut sent, told) = send(vec![answer(&[], COPIED)], async |store| {
        store.copy(request).await
    });
    told.unwrap();
    sent.remove(0)
}

#[test]
fn a_copy_is_pinned_and_creates_only() {
    let sent = copy(Replaces::Nothing, true, &bare());
    assert!(sent.line.starts_with("PUT /bkt/new"), "{sent:?}");
    assert_headers(
        &sent,
        &[
            ("x-amz-copy-source", "bkt/old?versionId=v1"),
            ("x-amz-copy-source-if-match", QUOTED),
            ("if-none-match", "*"),
            ("x-amz-metadata-directive", "COPY"),
            ("x-amz-tagging-directive", "COPY"),
        ],
    );
}

/// All that is asked for about objects, and whose they must be.
#[test]
fn a_request_names_the_owner_that_its_task_names() {
    let owner = "123456789012";
    let (source, destination) = (pinned(), uri("s3://bkt/new"));
    let attributes = bare();
    let request = CopyRequest {
        source: &source,
        destination: &destination,
        replaces: Replaces::Nothing,
        attributes: &attributes,
        keep_tags: true,
    };
    let (object, etag) = (&source.object, &source.etag);
    let (sent, ()) = send(
        vec![answer(&[], COPIED), answer(&[], ""), answer(&[], COPIED)],
        async |store| {
            let named = async {
                store.copy(request).await.unwrap();
                store
                    .delete(DeleteRequest::IfMatch { object, etag })
                    .await
                    .unwrap();
            };
            expecting_owner(Some(owner.parse().unwrap()), named).await;
            expecting_owner(None, store.copy(request)).await.unwrap();
        },
    );
    let (of, of_source) = (
        "x-amz-expected-bucket-owner",
        "x-amz-source-expected-bucket-owner",
    );
    let named = sent
        .iter()
        .map(|sent| [sent.header(of), sent.header(of_source)]);
    let expected = [
        [Some(owner), Some(owner)],
        [Some(owner), None],
        [None, None],
    ];
    assert!(named.eq(expected), "{sent:#?}");
    // A header that is not signed could be taken away on the way.
    let signed = sent[0].header("authorization").unwrap();
    assert!(
        signed.contains(of) && signed.contains(of_source),
        "{signed}"
    );
}

#[test]
fn a_copy_that_may_replace_is_pinned_all_the_same() {
    let sent = copy(Replaces::Anything, false, &bare());
    assert_headers(
        &sent,
        &[
            ("x-amz-copy-source", "bkt/old?versionId=v1"),
            ("x-amz-copy-source-if-match", QUOTED),
            ("x-amz-tagging-directive", "REPLACE"),
        ],
    );
    assert_eq!(sent.header("if-none-match"), None);
}

#[test]
fn a_write_that_replaces_an_object_names_it() {
    let tag = ETag::new(TAG).unwrap();
    let replaces = Replaces::Object(&tag);
    for sent in [copy(replaces, true, &bare()), complete(replaces)] {
        assert_headers(&sent, &[("if-match", QUOTED)]);
        assert_eq!(sent.header("if-none-match"), None);
    }
}

#[test]
fn a_copy_names_what_the_service_would_not_keep() {
    assert_headers(&copy(Replaces::Nothing, true, &rich()), &UNKEPT);
}

#[test]
fn an_upload_is_created_with_every_property() {
    let (sent, told) = send(vec![answer(&[], CREATED)], async |store| {
        store.create_upload(&uri("s3://bkt/new"), &rich()).await
    });
    assert_eq!(told.unwrap(), UploadId("u".to_owned()));
    assert_headers(&sent[0], &UNKEPT);
    assert_headers(
        &sent[0],
        &[
            ("content-type", "text/plain"),
            ("cache-control", "no-cache"),
            ("content-disposition", "inline"),
            ("content-encoding", "gzip"),
            ("content-language", "de"),
            ("expires", "whenever"),
            ("x-amz-meta-owner", "me"),
            ("x-amz-tagging", "team=a%26b"),
            ("x-amz-checksum-algorithm", "CRC64NVME"),
            ("x-amz-checksum-type", "FULL_OBJECT"),
        ],
    );
}

#[test]
fn every_part_is_pinned_and_exactly_its_range() {
    let range = PartRange {
        number: 2,
        start: 5,
        len: 9,
    };
    let (sent, told) = send(vec![answer(&[], PART)], async |store| {
        let (source, destination) = (pinned(), uri("s3://bkt/new"));
        let upload = UploadId("u".to_owned());
        store.copy_part(&source, &destination, &upload, range).await
    });
    told.unwrap();
    assert!(sent[0].asks("partNumber=2") && sent[0].asks("uploadId=u"));
    assert_headers(
        &sent[0],
        &[
            ("x-amz-copy-source", "bkt/old?versionId=v1"),
            ("x-amz-copy-source-if-match", QUOTED),
            ("x-amz-copy-source-range", "bytes=5-13"),
        ],
    );
}

fn complete(replaces: Replaces<'_>) -> Sent {
    let mut expected = Checksums {
        kind: Some(ChecksumKind::FullObject),
        ..Checksums::default()
    };
    expected.insert(ChecksumAlgorithm::Crc64Nvme, "UpX9kykq4BQ=");
    let part = PartReceipt {
        number: 1,
        etag: ETag::new(TAG).unwrap(),
        checksums: expected.clone(),
    };
    let request = CompleteRequest {
        destination: &uri("s3://bkt/new"),
        upload: &UploadId("u".to_owned()),
        parts: &[part],
        replaces,
        size: 9,
        expected: &expected,
    };
    let (mut sent, told) = send(vec![answer(&[], COMPLETED)], async |store| {
        store.complete_upload(request).await
    });
    told.unwrap();
    sent.remove(0)
}

#[test]
fn an_upload_is_completed_as_what_it_must_be_and_creates_only() {
    let sent = complete(Replaces::Nothing);
    assert!(sent.asks("uploadId=u"));
    assert_headers(
        &sent,
        &[
            ("if-none-match", "*"),
            ("x-amz-mp-object-size", "9"),
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("x-amz-checksum-crc64nvme", "UpX9kykq4BQ="),
        ],
    );
    for text in [
        "<PartNumber>1</PartNumber>",
        "9b2cf535f27731c974343645a3985328",
        "<ChecksumCRC64NVME>UpX9kykq4BQ=</ChecksumCRC64NVME>",
    ] {
        assert!(sent.body.contains(text), "{text} in {}", sent.body);
    }
    assert_eq!(complete(Replaces::Anything).header("if-none-match"), None);
}

#[test]
fn a_delete_names_the_tag_or_the_version() {
    let object = uri("s3://bkt/old");
    let etag = ETag::new(TAG).unwrap();
    let request = DeleteRequest::IfMatch {
        object: &object,
        etag: &etag,
    };
    let (sent, told) = send(vec![answer(&[], "")], async |store| {
        store.delete(request).await
    });
    told.unwrap();
    assert_headers(&sent[0], &[("if-match", QUOTED)]);
    assert!(!sent[0].line.contains("versionId"), "{sent:?}");

    let request = DeleteRequest::Version {
        object: &object,
        version: &version(),
    };
    let (sent, told) = send(vec![answer(&[], "")], async |store| {
        store.delete(request).await
    });
    told.unwrap();
    assert!(sent[0].asks("versionId=v1"), "{sent:?}");
}

#[test]
fn a_head_names_the_version_and_the_part_and_asks_for_checksums() {
    let headers = [
        ("etag", QUOTED),
        ("content-length", "9"),
        ("last-modified", WRITTEN),
    ];
    let scope = HeadScope {
        version: Some(&version()),
        part: Some(1),
    };
    let (sent, told) = send(vec![answer(&headers, "")], async |store| {
        store.head(&uri("s3://bkt/old"), scope).await
    });
    assert_eq!(told.unwrap().size, 9);
    assert!(sent[0].asks("versionId=v1") && sent[0].asks("partNumber=1"));
    assert_headers(&sent[0], &[("x-amz-checksum-mode", "ENABLED")]);
}

#[test]
fn a_head_shows_an_event_hold_and_its_period() {
    let head = |more: &[(&str, &str)]| {
        let mut headers = vec![
            ("etag", QUOTED),
            ("content-length", "9"),
            ("last-modified", WRITTEN),
        ];
        headers.extend(more);
        let (_, told) = send(vec![answer(&headers, "")], async |store| {
            let object = uri("s3://bkt/old");
            store.head(&object, HeadScope::default()).await
        });
        told.map(|head| head.lock.event_hold)
    };
    let on = ("x-amz-object-lock-event-hold", "ON");
    let days = ("x-amz-object-lock-event-hold-duration-days", "30");
    let years = ("x-amz-object-lock-event-hold-duration-years", "7");
    let then = |then| Some(EventHold { then });
    assert_eq!(head(&[]).unwrap(), None);
    assert_eq!(head(&[on]).unwrap(), then(None));
    let period = Some(HoldPeriod::Days(30));
    assert_eq!(head(&[on, days]).unwrap(), then(period));
    let period = Some(HoldPeriod::Years(7));
    assert_eq!(head(&[on, years]).unwrap(), then(period));
    assert!(head(&[on, days, years]).is_err());
}

#[test]
fn properties_are_read_of_the_version_that_was_inspected() {
    let object = uri("s3://bkt/old");
    let of = Some(version());
    let tags = "<Tagging><TagSet></TagSet></Tagging>";
    let (sent, told) = send(vec![answer(&[], tags)], async |store| {
        store.tags(&object, of.as_ref()).await
    });
    assert!(told.unwrap().is_empty());
    assert!(sent[0].asks("versionId=v1"), "{sent:?}");
    let acl = "<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList>\
               </AccessControlList></AccessControlPolicy>";
    let (sent, told) = send(vec![answer(&[], acl)], async |store| {
        store.acl(&object, of.as_ref()).await
    });
    assert!(told.unwrap().is_private());
    assert!(sent[0].asks("versionId=v1"), "{sent:?}");
    let hold = "<LegalHold><Status>ON</Status></LegalHold>";
    let (sent, told) = send(vec![answer(&[], hold)], async |store| {
        store.legal_hold(&object, of.as_ref()).await
    });
    assert!(told.unwrap());
    assert!(sent[0].asks("versionId=v1"), "{sent:?}");
    let retention = "<Retention><Mode>GOVERNANCE</Mode>\
                     <RetainUntilDate>2033-05-18T03:33:20Z</RetainUntilDate>\
                     <EventHold>ON</EventHold><EventHoldDuration><Days>90</Days>\
                     </EventHoldDuration></Retention>";
    let (sent, told) = send(vec![answer(&[], retention)], async |store| {
        store.retention(&object, of.as_ref()).await
    });
    let lock = told.unwrap();
    assert_eq!(lock.mode.as_deref(), Some("GOVERNANCE"));
    let then = lock.event_hold.and_then(|hold| hold.then);
    assert_eq!(then, Some(HoldPeriod::Days(90)));
    assert!(sent[0].asks("versionId=v1"), "{sent:?}");
}

#[test]
fn an_annotation_is_put_on_the_copy_only() {
    let put = "<PutObjectAnnotationOutput></PutObjectAnnotationOutput>";
    let answers = vec![answer(&[], "a note"), answer(&[], put)];
    let (sent, told) = send(answers, async |store| {
        let etag = ETag::new(TAG).unwrap();
        let destination = uri("s3://bkt/new");
        store
            .carry_annotation(&pinned(), &destination, &etag, "note")
            .await
    });
    told.unwrap();
    assert!(sent[0].asks("versionId=v1"), "{sent:?}");
    assert_headers(&sent[1], &[("x-amz-object-if-match", QUOTED)]);
    assert!(sent[1].body.contains("a note"), "{sent:?}");
}

#[test]
fn the_version_null_of_a_copy_is_no_pin() {
    for (told, expected) in [("null", None), ("v2", Some("v2"))] {
        let answers = vec![answer(&[("x-amz-version-id", told)], COPIED)];
        let (_, receipt) = send(answers, async |store| {
            let (source, destination) = (pinned(), uri("s3://bkt/new"));
            let request = CopyRequest {
                source: &source,
                destination: &destination,
                replaces: Replaces::Nothing,
                attributes: &bare(),
                keep_tags: true,
            };
            store.copy(request).await
        });
        let version = receipt.unwrap().version;
        assert_eq!(version.as_ref().map(VersionId::as_str), expected);
    }
}

#[test]
fn a_success_without_a_result_is_no_success_and_may_be_one_later() {
    let (_, told) = send(vec![answer(&[], "")], async |store| {
        let request = CopyRequest {
            source: &pinned(),
            destination: &uri("s3://bkt/new"),
            replaces: Replaces::Nothing,
            attributes: &bare(),
            keep_tags: true,
        };
        store.copy(request).await
    });
    assert!(told.unwrap_err().class().is_retryable());
}

#[test]
fn an_object_is_archived_until_it_is_restored() {
    let restored = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2040 00:00:00 GMT\"";
    let ongoing = "ongoing-request=\"true\"";
    for (class, restore, archived) in [
        ("STANDARD", None, false),
        ("GLACIER", None, true),
        ("DEEP_ARCHIVE", Some(ongoing), true),
        ("GLACIER", Some(restored), false),
    ] {
        let mut headers = vec![
            ("etag", QUOTED),
            ("content-length", "9"),
            ("last-modified", WRITTEN),
            ("x-amz-storage-class", class),
        ];
        headers.extend(restore.map(|restore| ("x-amz-restore", restore)));
        let (_, told) = send(vec![answer(&headers, "")], async |store| {
            let object = uri("s3://bkt/old");
            store.head(&object, HeadScope::default()).await
        });
        assert_eq!(told.unwrap().archived, archived, "{class} {restore:?}");
    }
}
