//! Tests of the front: what is read off a request, and how it is answered.

use hyper::StatusCode;

use super::*;
use crate::clock::Millis;
use crate::s3::{BucketSettings, Content, Ownership, VersionId, Versioning, base64};
use crate::s3::{ChecksumAlgorithm, PutObjectRequest};

const NOW: Millis = Millis(1_800_000_000_000);

struct Server {
    service: S3Service,
    model: Arc<Mutex<S3>>,
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The text of the first element of that name.
    fn element(&self, name: &str) -> &str {
        let (_, rest) = self.body.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0
    }

    fn is(&self, status: u16, code: &str) -> bool {
        self.status == status && self.body.contains(&format!("<Code>{code}</Code>"))
    }
}

impl Server {
    /// With buckets `b` (ACLs on), `v` (versions) and `d` (a directory).
    fn new() -> Self {
        let mut s3 = S3::new();
        for (name, versioning, directory) in [
            ("b", Versioning::Off, false),
            ("v", Versioning::Enabled, false),
            ("d", Versioning::Off, true),
        ] {
            let settings = BucketSettings {
                versioning,
                directory,
                ownership: Ownership::ObjectWriter,
                ..BucketSettings::default()
            };
            s3.create_bucket(name, settings, NOW).unwrap();
        }
        let model = Arc::new(Mutex::new(s3));
        let service = service(model.clone(), Clock::manual(NOW), None);
        Self { service, model }
    }

    /// `headers` are lines of `name: value`.
    async fn send(&self, request: &str, headers: &str, body: &str) -> Answer {
        let (method, uri) = request.split_once(' ').unwrap();
        let mut builder = hyper::Request::builder().method(method).uri(uri);
        for line in headers.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            builder = builder.header(name, value);
        }
        let request = builder.body(Body::from(body.to_owned())).unwrap();
        let mut response = self.service.call(request).await.unwrap();
        let body = response
            .body_mut()
            .store_all_limited(1 << 20)
            .await
            .unwrap();
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn put(&self, uri: &str, body: &str) -> Answer {
        let answer = self.send(&format!("PUT {uri}"), "", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    fn model(&self) -> std::sync::MutexGuard<'_, S3> {
        self.model.lock().unwrap()
    }

    fn text(&self, bucket: &str, key: &str) -> Option<String> {
        let model = self.model();
        let object = model.bucket(bucket)?.current(key)?;
        String::from_utf8(object.content.to_bytes().to_vec()).ok()
    }
}

#[tokio::test]
async fn what_a_put_says_a_head_shows() {
    let server = Server::new();
    let headers = "content-type: text/x\ncache-control: no-cache\nexpires: at some time\n\
                   content-encoding: aws-chunked,gzip\nx-amz-meta-name: value\n\
                   x-amz-storage-class: STANDARD_IA\nx-amz-tagging: a=b&c=d%20e\n\
                   x-amz-website-redirect-location: /there\n\
                   x-amz-server-side-encryption: aws:kms\n\
                   x-amz-server-side-encryption-aws-kms-key-id: key";
    let put = server.send("PUT /b/k", headers, "hello").await;
    assert_eq!(put.status, 200);
    let head = server.send("HEAD /b/k", "", "").await;
    assert_eq!(head.header("etag"), put.header("etag"));
    for (name, value) in [
        ("content-length", "5"),
        ("content-type", "text/x"),
        ("cache-control", "no-cache"),
        ("expires", "at some time"),
        ("content-encoding", "gzip"),
        ("x-amz-meta-name", "value"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-tagging-count", "2"),
        ("x-amz-website-redirect-location", "/there"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "key"),
        ("last-modified", "Fri, 15 Jan 2027 08:00:00 GMT"),
    ] {
        assert_eq!(head.header(name), Some(value), "{name}");
    }
    let tags = server.send("GET /b/k?tagging", "", "").await;
    assert!(tags.body.contains("<Key>c</Key><Value>d e</Value>"));
}

#[tokio::test]
async fn keys_are_taken_as_they_are() {
    let server = Server::new();
    for (path, key) in [
        ("a//b", "a//b"),
        ("/lead", "/lead"),
        ("./x/../y", "./x/../y"),
        ("a+b%2Bc", "a+b+c"),
        ("%C3%A9%3F%25", "é?%"),
        ("dir/", "dir/"),
    ] {
        server.put(&format!("/b/{path}"), key).await;
        assert_eq!(server.text("b", key).as_deref(), Some(key));
    }
    let answer = server
        .send("PUT /by-host%2F", "host: b.localhost:80", "x")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(server.text("b", "by-host/").as_deref(), Some("x"));
}

#[tokio::test]
async fn a_copy_source_has_to_be_encoded() {
    let server = Server::new();
    server.put("/b/a%2Bb", "plus").await;
    server.put("/b/a%20b", "space").await;
    for (source, text) in [
        ("b/a%2Bb", "plus"),
        ("/b/a%20b", "space"),
        // A plus that was not encoded is a space: another object.
        ("b/a+b", "space"),
    ] {
        let headers = format!("x-amz-copy-source: {source}");
        let answer = server.send("PUT /b/copy", &headers, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(server.text("b", "copy").as_deref(), Some(text));
    }
    for source in ["b/a?b", "b", "b/"] {
        let headers = format!("x-amz-copy-source: {source}");
        let answer = server.send("PUT /b/copy", &headers, "").await;
        assert!(answer.is(400, "InvalidArgument"), "{source}");
    }
}

#[tokio::test]
async fn conditions_reach_the_model() {
    let server = Server::new();
    let etag = server.put("/b/k", "1").await;
    let etag = etag.header("etag").unwrap();
    server.put("/b/taken", "2").await;
    let copy = "x-amz-copy-source: b/k";
    for (request, headers, status) in [
        ("PUT /b/k", "if-none-match: *".to_owned(), 412),
        ("PUT /b/taken", format!("{copy}\nif-none-match: *"), 412),
        (
            "PUT /b/new",
            format!("{copy}\nx-amz-copy-source-if-match: x"),
            412,
        ),
        (
            "PUT /b/new",
            format!("{copy}\nx-amz-copy-source-if-match: {etag}"),
            200,
        ),
        ("DELETE /b/k", "if-match: \"x\"".to_owned(), 412),
        ("DELETE /b/missing", "if-match: \"x\"".to_owned(), 404),
        ("GET /b/k", format!("if-none-match: {etag}"), 304),
        ("DELETE /b/k", format!("if-match: {etag}"), 204),
    ] {
        let answer = server.send(request, &headers, "").await;
        assert_eq!(answer.status, status, "{request} {headers}");
    }
    assert_eq!(server.text("b", "taken").as_deref(), Some("2"));
}

#[tokio::test]
async fn delete_objects_compares_each_etag() {
    let server = Server::new();
    let etag = server.put("/b/a", "1").await;
    let etag = etag.header("etag").unwrap();
    server.put("/b/%20b%20", "2").await;
    server.put("/b/c", "3").await;
    let body = format!(
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <Object><Key>a</Key><ETag>{etag}</ETag></Object>\
         <Object><Key> b </Key></Object>\
         <Object><Key>c</Key><ETag>\"stale\"</ETag></Object></Delete>"
    );
    let answer = server
        .send("POST /b?delete", "content-length: 1", &body)
        .await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("<Key>c</Key><Code>PreconditionFailed"));
    let keys: Vec<_> = server
        .model()
        .bucket("b")
        .unwrap()
        .keys()
        .map(str::to_owned)
        .collect();
    assert_eq!(keys, ["c"]);
    // XML cannot carry every key, not even as a reference.
    let body = "<Delete><Object><Key>&#1;</Key></Object></Delete>";
    let answer = server.send("POST /b?delete", "", body).await;
    assert!(answer.is(400, "MalformedXML"), "{answer:?}");
}

#[tokio::test]
async fn a_delete_marker_shows_itself() {
    let server = Server::new();
    server.put("/v/k", "1").await;
    let deleted = server.send("DELETE /v/k", "", "").await;
    assert_eq!(deleted.header("x-amz-delete-marker"), Some("true"));
    let marker = deleted.header("x-amz-version-id").unwrap();
    for (uri, status) in [
        ("/v/k".to_owned(), 404),
        (format!("/v/k?versionId={marker}"), 405),
    ] {
        let head = server.send(&format!("HEAD {uri}"), "", "").await;
        assert_eq!(head.status, status);
        assert_eq!(head.header("x-amz-delete-marker"), Some("true"));
        assert_eq!(head.header("x-amz-version-id"), Some(marker));
    }
    let unknown = format!("GET /v/k?versionId={}", VersionId::Id(99));
    assert!(server.send(&unknown, "", "").await.is(404, "NoSuchVersion"));
    let rubbish = server.send("GET /v/k?versionId=x", "", "").await;
    assert!(rubbish.is(400, "InvalidArgument"));
}

#[tokio::test]
async fn an_upload_from_start_to_end() {
    let server = Server::new();
    server.put("/b/source", "hello").await;
    let headers = "x-amz-checksum-algorithm: CRC64NVME\nx-amz-checksum-type: FULL_OBJECT";
    let created = server.send("POST /b/k?uploads", headers, "").await;
    let id = created.element("UploadId");
    let part = server
        .send(
            &format!("PUT /b/k?partNumber=1&uploadId={id}"),
            "x-amz-copy-source: b/source\nx-amz-copy-source-range: bytes=1-3",
            "",
        )
        .await;
    let etag = part.element("ETag");
    let listed = server
        .send(&format!("GET /b/k?uploadId={id}"), "", "")
        .await;
    assert_eq!(
        (listed.element("ETag"), listed.element("Size")),
        (etag, "3")
    );
    let body = format!(
        "<CompleteMultipartUpload><Part><ETag>{etag}</ETag><PartNumber>1</PartNumber></Part>\
         </CompleteMultipartUpload>"
    );
    let complete = format!("POST /b/k?uploadId={id}");
    let sum = base64(Content::literal("ell").digest(ChecksumAlgorithm::Crc64Nvme));
    for (headers, status) in [
        ("x-amz-mp-object-size: 4".to_owned(), 400),
        ("x-amz-checksum-crc64nvme: AAAAAAAAAAA=".to_owned(), 400),
        (
            format!("x-amz-mp-object-size: 3\nx-amz-checksum-crc64nvme: {sum}"),
            200,
        ),
        // It is answered the same when it comes again.
        (String::new(), 200),
    ] {
        let answer = server.send(&complete, &headers, &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert_eq!(server.text("b", "k").as_deref(), Some("ell"));
}

#[tokio::test]
async fn a_rename_and_its_token() {
    let server = Server::new();
    server.put("/d/old%20%2B", "1").await;
    let headers = "x-amz-rename-source: old%20%2B\nx-amz-client-token: token\nif-none-match: *";
    for _ in 0..2 {
        let answer = server.send("PUT /d/new?renameObject", headers, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(server.text("d", "new").as_deref(), Some("1"));
    server.put("/b/old", "1").await;
    let headers = "x-amz-rename-source: old";
    let answer = server.send("PUT /b/new?renameObject", headers, "").await;
    assert!(answer.is(501, "NotImplemented"));
}

#[tokio::test]
async fn annotations_come_along_or_not() {
    let server = Server::new();
    server.put("/b/k", "1").await;
    server.put("/b/k?annotation&annotationName=n", "note").await;
    for (directive, count) in [("COPY", "1"), ("EXCLUDE", "0")] {
        let headers =
            format!("x-amz-copy-source: b/k\nx-amz-object-annotation-directive: {directive}");
        assert_eq!(server.send("PUT /b/copy", &headers, "").await.status, 200);
        let listed = server.send("GET /b/copy?annotation", "", "").await;
        assert_eq!(listed.element("AnnotationCount"), count);
    }
    let got = server
        .send("GET /b/k?annotation&annotationName=n", "", "")
        .await;
    assert_eq!(got.body, "note");
    let missing = "DELETE /b/k?annotation&annotationName=m";
    assert!(
        server
            .send(missing, "", "")
            .await
            .is(404, "NoSuchAnnotation")
    );
}

#[tokio::test]
async fn listings_are_encoded_when_asked() {
    let server = Server::new();
    for key in ["a%20b", "%C3%A9", "x/1", "x/2", "%26%3C"] {
        server.put(&format!("/b/{key}"), "").await;
    }
    let plain = server.send("GET /b?list-type=2&delimiter=/", "", "").await;
    assert!(plain.body.contains("<Key>&amp;&lt;</Key>"));
    assert!(plain.body.contains("<Prefix>x/</Prefix>"));
    let encoded = server
        .send("GET /b?list-type=2&encoding-type=url", "", "")
        .await;
    for key in ["a%20b", "%C3%A9", "x/1", "%26%3C"] {
        assert!(encoded.body.contains(&format!("<Key>{key}</Key>")), "{key}");
    }
    let page = server.send("GET /b?list-type=2&max-keys=2", "", "").await;
    assert_eq!(page.element("KeyCount"), "2");
    let token = page.element("NextContinuationToken");
    let next = format!("GET /b?list-type=2&continuation-token={token}");
    assert_eq!(server.send(&next, "", "").await.element("KeyCount"), "3");
}

#[tokio::test]
async fn newer_checksums() {
    let server = Server::new();
    for (algorithm, name) in [
        (ChecksumAlgorithm::Sha512, "x-amz-checksum-sha512"),
        (ChecksumAlgorithm::Md5, "x-amz-checksum-md5"),
    ] {
        let value = base64(Content::literal("hello").digest(algorithm));
        let put = server
            .send("PUT /b/k", &format!("{name}: {value}"), "hello")
            .await;
        assert_eq!(put.header(name), Some(value.as_str()));
        let bad = server
            .send("PUT /b/k", &format!("{name}: {value}"), "other")
            .await;
        assert!(bad.is(400, "BadDigest"));
        let head = server
            .send("HEAD /b/k", "x-amz-checksum-mode: ENABLED", "")
            .await;
        assert_eq!(head.header(name), Some(value.as_str()));
    }
}

#[tokio::test]
async fn ranges_and_parts() {
    let server = Server::new();
    let request = PutObjectRequest::new("b", "k", "0123456789");
    server.model().put_object(request, NOW).unwrap();
    for (range, status, body) in [
        ("bytes=2-4", 206, "234"),
        ("bytes=7-", 206, "789"),
        ("bytes=-3", 206, "789"),
        ("bytes=5-99", 206, "56789"),
        ("bytes=4-2", 200, "0123456789"),
        ("rubbish", 200, "0123456789"),
    ] {
        let got = server
            .send("GET /b/k", &format!("range: {range}"), "")
            .await;
        assert_eq!(
            (got.status.as_u16(), got.body.as_str()),
            (status, body),
            "{range}"
        );
    }
    let none = server.send("GET /b/k", "range: bytes=10-", "").await;
    assert!(none.is(416, "InvalidRange"));
    let part = server.send("HEAD /b/k?partNumber=1", "", "").await;
    assert_eq!(part.header("content-range"), Some("bytes 0-9/10"));
}
