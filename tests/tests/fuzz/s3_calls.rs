//! The requests of the engine that are answered here: how each is made, and
//! what a success answers.

use rebucket_protocol::{ETag, ObjectUri, StorageClass};
use rebucket_worker::error::ServiceError;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::store::object::{
    Acl, Attributes, Checksums, ContentHeaders, Encryption, ObjectHead, ObjectLock, PinnedSource,
    Tags,
};
use rebucket_worker::store::s3::S3Store;
use rebucket_worker::store::{
    CompleteRequest, CopyRequest, HeadScope, ObjectStore as _, PartRange, PartReceipt, Replaces,
    UploadId,
};

use crate::listener::{Listener, http, s3_client, unmeasured};

pub(crate) const TAG: &str = "9b2cf535f27731c974343645a3985328";
pub(crate) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A request of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Copy,
    Part,
    Complete,
    Tags,
    Acl,
    Retention,
    Hold,
    Annotations,
    Head,
}

pub(crate) const RECEIPTS: [Call; 3] = [Call::Copy, Call::Part, Call::Complete];
pub(crate) const PROPERTIES: [Call; 5] = [
    Call::Tags,
    Call::Acl,
    Call::Retention,
    Call::Hold,
    Call::Annotations,
];
pub(crate) const BODIES: [Call; 8] = [
    Call::Copy,
    Call::Part,
    Call::Complete,
    Call::Tags,
    Call::Acl,
    Call::Retention,
    Call::Hold,
    Call::Annotations,
];
pub(crate) const ALL: [Call; 9] = [
    Call::Copy,
    Call::Part,
    Call::Complete,
    Call::Tags,
    Call::Acl,
    Call::Retention,
    Call::Hold,
    Call::Annotations,
    Call::Head,
];

/// What a success told us.
#[derive(Debug)]
pub(crate) enum Told {
    Receipt(ETag),
    Tags(Tags),
    Acl(Acl),
    Retention(ObjectLock),
    Hold(bool),
    Annotations(Vec<String>),
    Head(Box<ObjectHead>),
}

impl Call {
    /// The body of a success.
    pub(crate) fn body(self) -> String {
        let document = match self {
            Self::Copy => format!(
                "<CopyObjectResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LastModified>2026-11-20T10:00:00.000Z</LastModified>\
                 <ETag>&quot;{TAG}&quot;</ETag>\
                 <ChecksumCRC64NVME>UpX9kykq4BQ=</ChecksumCRC64NVME></CopyObjectResult>"
            ),
            Self::Part => format!(
                "<CopyPartResult><ETag>&quot;{TAG}&quot;</ETag>\
                 <LastModified>2026-11-20T10:00:00.000Z</LastModified></CopyPartResult>"
            ),
            Self::Complete => format!(
                "<CompleteMultipartUploadResult><Location>http://h/b/k</Location>\
                 <Bucket>bkt</Bucket><Key>new</Key><ETag>&quot;{TAG}-2&quot;</ETag>\
                 </CompleteMultipartUploadResult>"
            ),
            Self::Tags => "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag>\
                 <Tag><Key>b</Key><Value>2</Value></Tag></TagSet></Tagging>"
                .to_owned(),
            Self::Acl => "<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList>\
                 <Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                 xsi:type=\"CanonicalUser\"><ID>me</ID></Grantee>\
                 <Permission>FULL_CONTROL</Permission></Grant>\
                 <Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                 xsi:type=\"CanonicalUser\"><ID>you</ID></Grantee>\
                 <Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"
                .to_owned(),
            Self::Retention => "<Retention><Mode>GOVERNANCE</Mode>\
                 <RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>"
                .to_owned(),
            Self::Hold => "<LegalHold><Status>ON</Status></LegalHold>".to_owned(),
            Self::Annotations => "<ListObjectAnnotationsOutput><Annotations>\
                 <AnnotationEntry><AnnotationName>a</AnnotationName></AnnotationEntry>\
                 <AnnotationEntry><AnnotationName>b</AnnotationName></AnnotationEntry>\
                 </Annotations></ListObjectAnnotationsOutput>"
                .to_owned(),
            Self::Head => return String::new(),
        };
        format!("{DECLARATION}{document}")
    }

    pub(crate) fn headers(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Head => vec![
                ("etag", "\"9b2cf535f27731c974343645a3985328\""),
                ("last-modified", "Fri, 20 Nov 2026 10:00:00 GMT"),
                ("content-type", "text/plain"),
                ("x-amz-meta-owner", "me"),
                ("x-amz-storage-class", "STANDARD_IA"),
                ("x-amz-tagging-count", "2"),
                ("x-amz-object-lock-mode", "GOVERNANCE"),
                (
                    "x-amz-object-lock-retain-until-date",
                    "2030-01-01T00:00:00Z",
                ),
                ("x-amz-checksum-crc64nvme", "UpX9kykq4BQ="),
                ("x-amz-version-id", "v1"),
                ("x-amz-missing-meta", "0"),
            ],
            _ => vec![
                ("content-type", "application/xml"),
                ("x-amz-request-id", "1"),
            ],
        }
    }

    /// The whole answer of a success.
    pub(crate) fn answer(self) -> Vec<u8> {
        http(200, &self.headers(), self.body().as_bytes())
    }

    /// Makes the request and has it answered with these bytes.
    pub(crate) fn answered(self, answer: Vec<u8>) -> Result<Told, ServiceError> {
        thread_local! {
            static PAIR: (Listener, S3Store) = {
                let listener = Listener::new();
                let store = S3Store::new(&s3_client(&listener.url), Metrics::new().unwrap());
                (listener, store)
            };
        }
        PAIR.with(|(listener, store)| listener.answering(&[answer], self.make(store)))
    }

    async fn make(self, store: &S3Store) -> Result<Told, ServiceError> {
        let uri = |text: &str| text.parse::<ObjectUri>().unwrap();
        let (object, destination) = (uri("s3://bkt/old"), uri("s3://bkt/new"));
        let source = PinnedSource {
            object,
            etag: ETag::new(TAG).unwrap(),
            version: None,
        };
        let (upload, range) = (
            UploadId("u".to_owned()),
            PartRange {
                number: 1,
                start: 0,
                len: 9,
            },
        );
        match self {
            Self::Copy => {
                let attributes = plain();
                let request = CopyRequest {
                    source: &source,
                    destination: &destination,
                    replaces: Replaces::Nothing,
                    attributes: &attributes,
                    keep_tags: true,
                };
                store
                    .copy(request)
                    .await
                    .map(|receipt| Told::Receipt(receipt.etag))
            }
            Self::Part => {
                let copied = store.copy_part(&source, &destination, &upload, range).await;
                copied.map(|receipt| Told::Receipt(receipt.etag))
            }
            Self::Complete => {
                let (etag, checksums) = (source.etag.clone(), Checksums::default());
                let parts = [PartReceipt {
                    number: 1,
                    etag,
                    checksums: checksums.clone(),
                }];
                let request = CompleteRequest {
                    destination: &destination,
                    upload: &upload,
                    parts: &parts,
                    replaces: Replaces::Nothing,
                    size: 9,
                    expected: &checksums,
                };
                store
                    .complete_upload(request)
                    .await
                    .map(|receipt| Told::Receipt(receipt.etag))
            }
            Self::Tags => store.tags(&destination, None).await.map(Told::Tags),
            Self::Acl => store.acl(&destination, None).await.map(Told::Acl),
            Self::Retention => {
                let retention = store.retention(&destination, None).await;
                retention.map(Told::Retention)
            }
            Self::Hold => store.legal_hold(&destination, None).await.map(Told::Hold),
            Self::Annotations => {
                let names = store.annotations(&destination, None).await;
                names.map(Told::Annotations)
            }
            Self::Head => {
                let head = store.head(&destination, HeadScope::default()).await;
                head.map(|head| Told::Head(Box::new(head)))
            }
        }
    }
}

fn plain() -> Attributes {
    Attributes {
        headers: ContentHeaders::default(),
        metadata: std::collections::BTreeMap::new(),
        tags: Tags::new(),
        acl: None,
        storage_class: StorageClass::standard(),
        encryption: Encryption::Unstated,
        lock: ObjectLock::default(),
        redirect: None,
        checksum: None,
    }
}

/// The answer to a HEAD with one header of any bytes.
pub(crate) fn head_with(name: &str, value: &[u8]) -> Vec<u8> {
    let mut headers = vec![("content-length", "5")];
    headers.extend(Call::Head.headers());
    headers.retain(|(header, _)| *header != name);
    let answer = unmeasured(200, &headers, b"");
    let head = answer.strip_suffix(b"\r\n").unwrap();
    [head, name.as_bytes(), b": ", value, b"\r\n\r\n"].concat()
}
