//! Where a check of S3 is tried: a server, a bucket, keys of the check's own.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, StalledStreamProtectionConfig, retry::RetryConfig,
};
use aws_sdk_s3::operation::abort_multipart_upload::builders::AbortMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::delete_object::builders::DeleteObjectFluentBuilder;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::head_object::builders::HeadObjectFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::operation::upload_part::builders::UploadPartFluentBuilder;
use aws_sdk_s3::operation::upload_part_copy::builders::UploadPartCopyFluentBuilder;
use aws_sdk_s3::types::{
    BucketInfo, BucketType, BucketVersioningStatus, CompletedMultipartUpload, CompletedPart,
    CreateBucketConfiguration, DataRedundancy, LocationInfo, LocationType, ObjectOwnership,
    VersioningConfiguration,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rebucket_tests::servers::{REGION, unique};
use tokio::sync::OnceCell;

use crate::answer::{Answer as _, Body};

/// What a `CopySource` leaves as it is (facts 1.1).
const UNENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

type Lazy = OnceCell<Result<String, String>>;

/// One S3 server, and buckets that are made when the first check asks.
pub(crate) struct Server {
    endpoint: String,
    access_key: String,
    secret_key: String,
    client: Client,
    plain: Lazy,
    versioned: Lazy,
    lockable: Lazy,
    with_acls: Lazy,
    directory: Lazy,
}

impl Server {
    pub(crate) fn new(endpoint: &str, access_key: &str, secret_key: &str) -> Arc<Self> {
        Arc::new(Self {
            endpoint: endpoint.to_owned(),
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            client: Client::from_conf(config(endpoint, access_key, secret_key).build()),
            plain: Lazy::new(),
            versioned: Lazy::new(),
            lockable: Lazy::new(),
            with_acls: Lazy::new(),
            directory: Lazy::new(),
        })
    }
}

fn config(endpoint: &str, access_key: &str, secret_key: &str) -> Builder {
    aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        // Sessions are a way to sign; what is checked is what objects do.
        .disable_s3_express_session_auth(true)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // A check decides itself which objects have a checksum.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
}

/// A server, and the name of the check that is tried there: the prefix of all
/// its keys, for buckets are shared.
#[derive(Clone)]
pub(crate) struct S3 {
    server: Arc<Server>,
    check: &'static str,
}

impl S3 {
    pub(crate) fn new(server: Arc<Server>, check: &'static str) -> Self {
        Self { server, check }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.server.client
    }

    /// A client whose credentials are not the server's.
    pub(crate) fn stranger(&self, access_key: Option<&str>) -> Client {
        let access_key = access_key.unwrap_or(&self.server.access_key);
        let secret_key = format!("not-{}", self.server.secret_key);
        Client::from_conf(config(&self.server.endpoint, access_key, &secret_key).build())
    }

    async fn bucket(
        &self,
        name: &Lazy,
        make: impl AsyncFnOnce(&str) -> Result<(), String>,
    ) -> Result<Bucket, String> {
        let made = name.get_or_init(|| async {
            let name = unique("conformance");
            make(&name).await.map(|()| name)
        });
        Ok(self.named(made.await.clone()?))
    }

    fn named(&self, name: String) -> Bucket {
        Bucket {
            client: self.client().clone(),
            name,
            prefix: format!("{}/", self.check),
        }
    }

    async fn create(&self, name: &str) -> Result<(), String> {
        let made = self.client().create_bucket().bucket(name).send().await;
        made.done("a bucket").map(drop)
    }

    /// A bucket with every setting left as it is at first.
    pub(crate) async fn plain(&self) -> Result<Bucket, String> {
        self.bucket(&self.server.plain, async |name| self.create(name).await)
            .await
    }

    /// A bucket that nothing else uses.
    pub(crate) async fn own(&self) -> Result<Bucket, String> {
        let name = unique("conformance");
        self.create(&name).await?;
        Ok(self.named(name))
    }

    /// A bucket with versions.
    pub(crate) async fn versioned(&self) -> Result<Bucket, String> {
        self.bucket(&self.server.versioned, async |name| {
            self.create(name).await?;
            self.named(name.to_owned())
                .versioning(BucketVersioningStatus::Enabled)
                .await
        })
        .await
    }

    /// A bucket with Object Lock.
    pub(crate) async fn lockable(&self) -> Result<Bucket, String> {
        self.bucket(&self.server.lockable, async |name| {
            let request = self.client().create_bucket().bucket(name);
            let request = request.object_lock_enabled_for_bucket(true);
            request.send().await.done("a lockable bucket").map(drop)
        })
        .await
    }

    /// A bucket whose objects have access control lists.
    pub(crate) async fn with_acls(&self) -> Result<Bucket, String> {
        self.bucket(&self.server.with_acls, async |name| {
            let request = self.client().create_bucket().bucket(name);
            let request = request.object_ownership(ObjectOwnership::ObjectWriter);
            request.send().await.done("a bucket with ACLs").map(drop)
        })
        .await
    }

    /// A directory bucket.
    pub(crate) async fn directory(&self) -> Result<Bucket, String> {
        let made = self.server.directory.get_or_init(|| async {
            let name = format!("{}--use1-az4--x-s3", unique("dir"));
            let zone = LocationInfo::builder()
                .r#type(LocationType::AvailabilityZone)
                .name("use1-az4");
            let kind = BucketInfo::builder()
                .data_redundancy(DataRedundancy::SingleAvailabilityZone)
                .r#type(BucketType::Directory);
            let configuration = CreateBucketConfiguration::builder()
                .location(zone.build())
                .bucket(kind.build());
            let request = self.client().create_bucket().bucket(&name);
            let request = request.create_bucket_configuration(configuration.build());
            let made = request.send().await.done("a directory bucket");
            made.map(|_| name)
        });
        Ok(self.named(made.await.clone()?))
    }
}

/// The bytes of an answer.
pub(crate) async fn read(answer: GetObjectOutput) -> Result<Body, String> {
    let body = answer.body.collect().await;
    body.map(|body| Body(body.to_vec()))
        .map_err(|_| "GET: the body breaks off".to_owned())
}

/// A bucket, and the prefix of the check's keys.
#[derive(Clone)]
pub(crate) struct Bucket {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) prefix: String,
}

impl Bucket {
    pub(crate) fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The value of a `CopySource`.
    pub(crate) fn source(&self, key: &str) -> String {
        let key = self.key(key);
        format!("{}/{}", self.name, utf8_percent_encode(&key, UNENCODED))
    }

    pub(crate) fn put(&self, key: &str, body: &[u8]) -> PutObjectFluentBuilder {
        let request = self.client.put_object().bucket(&self.name);
        request.key(self.key(key)).body(body.to_vec().into())
    }

    pub(crate) fn get(&self, key: &str) -> GetObjectFluentBuilder {
        let request = self.client.get_object().bucket(&self.name);
        request.key(self.key(key))
    }

    pub(crate) fn head(&self, key: &str) -> HeadObjectFluentBuilder {
        let request = self.client.head_object().bucket(&self.name);
        request.key(self.key(key))
    }

    pub(crate) fn copy(&self, from: &str, to: &str) -> CopyObjectFluentBuilder {
        let request = self.client.copy_object().bucket(&self.name);
        request.key(self.key(to)).copy_source(self.source(from))
    }

    pub(crate) fn delete(&self, key: &str) -> DeleteObjectFluentBuilder {
        let request = self.client.delete_object().bucket(&self.name);
        request.key(self.key(key))
    }

    pub(crate) fn create_upload(&self, key: &str) -> CreateMultipartUploadFluentBuilder {
        let request = self.client.create_multipart_upload().bucket(&self.name);
        request.key(self.key(key))
    }

    pub(crate) async fn versioning(&self, status: BucketVersioningStatus) -> Result<(), String> {
        let configuration = VersioningConfiguration::builder().status(status).build();
        let request = self.client.put_bucket_versioning().bucket(&self.name);
        let request = request.versioning_configuration(configuration);
        request.send().await.done("versioning").map(drop)
    }

    /// Puts a plain object, and returns its ETag.
    pub(crate) async fn put_plain(&self, key: &str, body: &[u8]) -> Result<String, String> {
        let put = self.put(key, body).send().await.done("PUT")?;
        put.e_tag.ok_or_else(|| "PUT: no ETag".to_owned())
    }

    /// The bytes of an object.
    pub(crate) async fn bytes(&self, key: &str) -> Result<Body, String> {
        read(self.get(key).send().await.done("GET")?).await
    }

    /// True when a HEAD finds an object.
    pub(crate) async fn has(&self, key: &str) -> bool {
        self.head(key).send().await.is_ok()
    }

    /// The keys that a listing shows, without the prefix.
    pub(crate) async fn keys(&self) -> Result<Vec<String>, String> {
        let request = self.client.list_objects_v2().bucket(&self.name);
        let listed = request.prefix(&self.prefix).send().await.done("list")?;
        let keys = listed.contents().iter().filter_map(|object| object.key());
        let short = |key: &str| key.strip_prefix(&self.prefix).unwrap_or(key).to_owned();
        Ok(keys.map(short).collect())
    }

    /// Begins a plain upload.
    pub(crate) async fn upload(&self, key: &str) -> Result<Upload, String> {
        self.upload_as(self.create_upload(key), key).await
    }

    /// Begins an upload that was given properties.
    pub(crate) async fn upload_as(
        &self,
        request: CreateMultipartUploadFluentBuilder,
        key: &str,
    ) -> Result<Upload, String> {
        let created = request.send().await.done("create an upload")?;
        Ok(Upload {
            bucket: self.clone(),
            key: key.to_owned(),
            id: created.upload_id.ok_or("no upload id")?,
        })
    }

    /// Uploads an object in parts, and returns its ETag.
    pub(crate) async fn put_parts(&self, key: &str, parts: &[&[u8]]) -> Result<String, String> {
        let upload = self.upload(key).await?;
        let mut sent = Vec::new();
        for (number, body) in (1..).zip(parts) {
            sent.push(upload.put(number, body).await?);
        }
        let done = upload.complete(sent).send().await.done("complete")?;
        done.e_tag.ok_or_else(|| "complete: no ETag".to_owned())
    }
}

/// An upload in parts.
#[derive(Clone)]
pub(crate) struct Upload {
    pub(crate) bucket: Bucket,
    pub(crate) key: String,
    pub(crate) id: String,
}

impl Upload {
    pub(crate) fn part(&self, number: i32, body: &[u8]) -> UploadPartFluentBuilder {
        let request = self.bucket.client.upload_part().bucket(&self.bucket.name);
        let request = request.key(self.bucket.key(&self.key)).upload_id(&self.id);
        request.part_number(number).body(body.to_vec().into())
    }

    pub(crate) fn part_copy(&self, number: i32, from: &str) -> UploadPartCopyFluentBuilder {
        let client = &self.bucket.client;
        let request = client.upload_part_copy().bucket(&self.bucket.name);
        let request = request.key(self.bucket.key(&self.key)).upload_id(&self.id);
        let request = request.part_number(number);
        request.copy_source(self.bucket.source(from))
    }

    /// Uploads a part, and names it as a complete has to.
    pub(crate) async fn put(&self, number: i32, body: &[u8]) -> Result<CompletedPart, String> {
        let sent = self.part(number, body).send().await.done("a part")?;
        let part = CompletedPart::builder().part_number(number);
        Ok(part.set_e_tag(sent.e_tag).build())
    }

    pub(crate) fn complete(
        &self,
        parts: Vec<CompletedPart>,
    ) -> CompleteMultipartUploadFluentBuilder {
        let client = &self.bucket.client;
        let all = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let request = client.complete_multipart_upload();
        let request = request.bucket(&self.bucket.name).upload_id(&self.id);
        request
            .key(self.bucket.key(&self.key))
            .multipart_upload(all)
    }

    pub(crate) fn abort(&self) -> AbortMultipartUploadFluentBuilder {
        let request = self.bucket.client.abort_multipart_upload();
        let request = request.bucket(&self.bucket.name).upload_id(&self.id);
        request.key(self.bucket.key(&self.key))
    }
}
