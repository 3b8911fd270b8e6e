//! The HTTP front of the S3 model.
//!
//! The `s3s` crate checks signatures, unpacks chunked payloads and writes
//! errors. Everything else is read off the raw request here, rather than off
//! the request types of `s3s`: those know neither `RenameObject` nor
//! annotations, cannot hold an `Expires` that is no date, nor a checksum newer
//! than they are, and give no say over the status of a reply.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::http::Extensions;
use hyper::{HeaderMap, Method, Uri};
use s3s::auth::{S3Auth, SecretKey};
use s3s::route::S3Route;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{Body, S3Request, S3Response};

use crate::clock::Clock;
use crate::s3::{ErrorCode, S3, S3Error, S3Result};

mod annotations;
mod body;
mod bucket_tags;
mod buckets;
mod customer_key;
pub(in crate::http) mod dates;
mod listings;
mod multipart;
mod objects;
mod properties;
mod reply;
mod request;
#[cfg(test)]
mod tests;
mod xml;

use reply::Reply;
use request::Call;

/// Serves a model over HTTP, to requests that are signed with this access key
/// and secret key, or without a pair to requests that are not signed at all.
///
/// Buckets are addressed by path, or as `BUCKET.localhost`.
#[must_use]
pub fn service(model: Arc<Mutex<S3>>, clock: Clock, auth: Option<(String, String)>) -> S3Service {
    let mut builder = S3ServiceBuilder::new(Nothing);
    builder.set_validation(AnyName);
    builder.set_route(Front {
        model,
        clock,
        access_key: auth.as_ref().map(|(access, _)| access.clone()),
    });
    if let Some((access, secret)) = auth {
        builder.set_auth(Pair {
            access,
            secret: secret.into(),
        });
    }
    builder.build()
}

/// The one key pair that is accepted.
struct Pair {
    access: String,
    secret: SecretKey,
}

#[async_trait::async_trait]
impl S3Auth for Pair {
    async fn get_secret_key(&self, access_key: &str) -> s3s::S3Result<SecretKey> {
        if access_key == self.access {
            return Ok(self.secret.clone());
        }
        Err(unknown_key())
    }
}

fn unknown_key() -> s3s::S3Error {
    s3s::s3_error!(
        InvalidAccessKeyId,
        "The AWS Access Key Id you provided does not exist in our records."
    )
}

/// On a request whose signature was taken off unchecked: the access key that it
/// named.
#[derive(Debug, Clone)]
pub(super) struct Unchecked(pub(super) String);

/// What `s3s` would call for requests that [`Front`] leaves to it: there are none.
struct Nothing;

impl s3s::S3 for Nothing {}

/// Buckets exist or do not; in `BUCKET.localhost` requests the path has none.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, _name: &str) -> bool {
        true
    }
}

struct Front {
    model: Arc<Mutex<S3>>,
    clock: Clock,
    /// Of the key pair that requests have to be signed with, if there is one.
    access_key: Option<String>,
}

#[async_trait::async_trait]
impl S3Route for Front {
    fn is_match(&self, _: &Method, _: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        true
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> s3s::S3Result<()> {
        let Some(access_key) = &self.access_key else {
            return Ok(());
        };
        match request.extensions.get::<Unchecked>() {
            Some(Unchecked(named)) if named == access_key => Ok(()),
            Some(_) => Err(unknown_key()),
            None if request.credentials.is_some() => Ok(()),
            None => Err(s3s::s3_error!(AccessDenied, "Signature is required")),
        }
    }

    async fn call(&self, request: S3Request<Body>) -> s3s::S3Result<S3Response<Body>> {
        let id = request.extensions.get().copied().unwrap_or_default();
        let call = Call::read(request, id, self.clock.now()).await?;
        let result = {
            let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
            answer(&mut model, &call)
        };
        let reply = result.unwrap_or_else(|error| reply::refusal(&error, &call));
        Ok(reply.into_response(&call))
    }
}

/// The account that all buckets belong to.
pub const ACCOUNT: &str = "000000000000";

/// Refuses a request that expects another owner of a bucket than there is.
fn check_expected_owner(call: &Call) -> S3Result<()> {
    let headers = [
        "x-amz-expected-bucket-owner",
        "x-amz-source-expected-bucket-owner",
    ];
    let mut expected = headers.into_iter().filter_map(|name| call.header(name));
    if expected.any(|account| account != ACCOUNT) {
        return Err(S3Error::new(ErrorCode::AccessDenied, "Access Denied"));
    }
    Ok(())
}

/// Does what a request asks for.
fn answer(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    check_expected_owner(call)?;
    let has = |name: &str| call.query(name).is_some();
    match (call.bucket.is_empty(), call.key.is_empty()) {
        (true, _) => match call.method {
            Method::GET => buckets::list(s3, call),
            _ => Err(unknown()),
        },
        (false, true) => match call.method {
            _ if has("tagging") => bucket_tags::answer(s3, call),
            Method::HEAD => buckets::head(s3, call),
            Method::POST if has("delete") => objects::delete_many(s3, call),
            Method::GET if has("uploads") => listings::uploads(s3, call),
            Method::GET if has("versions") => listings::versions(s3, call),
            Method::GET => match buckets::get_setting(s3, call) {
                Some(reply) => reply,
                None => listings::objects(s3, call),
            },
            Method::PUT => buckets::put(s3, call),
            Method::DELETE => buckets::delete(s3, call),
            _ => Err(unknown()),
        },
        (false, false) => on_object(s3, call),
    }
}

fn on_object(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let has = |name: &str| call.query(name).is_some();
    let copies = call.header("x-amz-copy-source").is_some();
    match call.method {
        _ if has("annotation") => annotations::answer(s3, call),
        _ if has("tagging") => properties::tagging(s3, call),
        _ if has("acl") => properties::acl(s3, call),
        _ if has("retention") => properties::retention(s3, call),
        _ if has("legal-hold") => properties::legal_hold(s3, call),
        Method::GET if has("attributes") => properties::attributes(s3, call),
        Method::POST if has("restore") => properties::restore(s3, call),
        Method::POST if has("uploads") => multipart::create(s3, call),
        Method::POST if has("uploadId") => multipart::complete(s3, call),
        Method::GET if has("uploadId") => multipart::list_parts(s3, call),
        Method::DELETE if has("uploadId") => multipart::abort(s3, call),
        Method::PUT if has("uploadId") && copies => multipart::upload_part_copy(s3, call),
        Method::PUT if has("uploadId") => multipart::upload_part(s3, call),
        Method::PUT if has("renameObject") => objects::rename(s3, call),
        Method::PUT if copies => objects::copy(s3, call),
        Method::PUT => objects::put(s3, call),
        Method::HEAD => objects::head(s3, call),
        Method::GET => objects::get(s3, call),
        Method::DELETE => objects::delete(s3, call),
        _ => Err(unknown()),
    }
}

/// The answer to what is not simulated.
fn unknown() -> S3Error {
    S3Error::new(
        ErrorCode::NotImplemented,
        "A header or query you provided implies functionality that is not implemented",
    )
}
