//! `RenameObject`, which directory buckets have: at once, in one bucket, and
//! everything about the object stays.

use super::limits::check_key;
use super::put::Draft;
use super::{
    Content, ErrorCode, NewObject, ReadConditions, S3, S3Error, S3Result, WriteConditions,
};
use crate::clock::Millis;

/// `RenameObject`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenameObjectRequest {
    /// The bucket of both.
    pub bucket: String,
    /// The key that there is.
    pub source: String,
    /// The key that there will be.
    pub destination: String,
    /// Conditions on the source.
    pub source_conditions: ReadConditions,
    /// Conditions on the destination.
    pub conditions: WriteConditions,
    /// A request that comes again with the token of one that succeeded does
    /// nothing and succeeds.
    pub client_token: Option<String>,
}

/// The request that a client token stands for.
pub(super) type Renamed = RenameObjectRequest;

impl S3 {
    /// `RenameObject`.
    pub fn rename_object(&mut self, request: RenameObjectRequest, now: Millis) -> S3Result<()> {
        let quirks = self.quirks;
        let bucket = self.bucket_mut(&request.bucket)?;
        if !(bucket.settings.directory || quirks.rename_everywhere || quirks.rename_makes_empty) {
            return Err(S3Error::new(
                ErrorCode::NotImplemented,
                "A header you provided implies functionality that is not implemented",
            ));
        }
        check_key(&request.destination)?;
        if request.source.ends_with('/') || request.destination.ends_with('/') {
            return Err(S3Error::request(
                "keys that end in a slash cannot be renamed",
            ));
        }
        if let Some(token) = &request.client_token {
            if token.len() > 64 || !token.bytes().all(|b| (33..=126).contains(&b)) {
                return Err(S3Error::argument("the client token is malformed"));
            }
            if let Some(earlier) = bucket.renamed.get(token) {
                if *earlier == request {
                    return Ok(());
                }
                return Err(S3Error::new(
                    ErrorCode::IdempotentParameterMismatch,
                    "Parameters on this idempotent request are inconsistent with parameters used \
                     in previous request(s)",
                ));
            }
        }
        let source = bucket.locate(&request.source, None)?;
        if let Some(object) = &source.object {
            request.source_conditions.check_source(
                "x-amz-rename-source-",
                object,
                source.modified,
                now,
            )?;
        }
        request
            .conditions
            .check(&request.destination, bucket.latest(&request.destination))?;
        if quirks.rename_makes_empty {
            let nothing = NewObject::default();
            let draft = Draft::new(&nothing, Content::default(), now);
            self.write(&request.bucket, &request.destination, draft, now)?;
            return Ok(());
        }
        self.relocate(request)
    }

    fn relocate(&mut self, request: RenameObjectRequest) -> S3Result<()> {
        let sequence = self.next_sequence();
        let bucket = self.bucket_mut(&request.bucket)?;
        if bucket.keys.fold(&request.source) != bucket.keys.fold(&request.destination) {
            let versions = bucket.keys.remove(&request.source).unwrap_or_default();
            if let Some(mut version) = versions.into_iter().next_back() {
                version.sequence = sequence;
                bucket.store(&request.destination, version);
            }
        }
        if let Some(token) = request.client_token.clone() {
            bucket.renamed.insert(token, request);
        }
        Ok(())
    }
}
