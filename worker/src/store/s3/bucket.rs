//! What a bucket settles for all of its objects, and which buckets there are.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::types::{BucketVersioningStatus, ObjectLockEnabled, ObjectOwnership};
use rebucket_protocol::{BucketName, CreationDates, S3Prefix, Timestamp};

use super::{S3Store, convert};
use crate::error::ErrorClass;
use crate::store::classify::{Service, UNREADABLE};
use crate::store::{BucketFacts, StoreResult, Versioning};

impl S3Store {
    pub(super) async fn get_bucket_facts(&self, place: &S3Prefix) -> StoreResult<BucketFacts> {
        // Settings may be kept from us, a listing says whether the bucket is
        // there; and without s3:ListBucket a missing key could not be told
        // from a denied one later (facts, section 3).
        let list = self.client.list_objects_v2().bucket(place.bucket.as_str());
        let list = list.prefix(&place.prefix).max_keys(1);
        self.send("ListObjectsV2", place, list.send()).await?;
        Ok(BucketFacts {
            has_acls: self.has_acls(&place.bucket).await?,
            has_lock: self.has_lock(&place.bucket).await?,
            versioning: self.versioning(&place.bucket).await?,
        })
    }

    /// What the store's clock shows, by an answer to a request about this
    /// bucket: a refusal is dated as well. `None` where no answer comes, or
    /// none with a date.
    pub async fn ask_time(&self, bucket: &BucketName) -> Option<Timestamp> {
        let request = self.client.head_bucket().bucket(bucket.as_str());
        drop(self.send("HeadBucket", bucket, request.send()).await);
        self.clock.now()
    }

    /// When these buckets were created, of those that the store lists: it
    /// shows each caller the buckets that are his.
    ///
    /// # Errors
    /// [`crate::error::ServiceError`].
    pub async fn creation_dates(&self, of: &BTreeSet<BucketName>) -> StoreResult<CreationDates> {
        let mut dates = BTreeMap::new();
        let mut token: Option<String> = None;
        loop {
            let request = self.client.list_buckets();
            let request = request.set_continuation_token(token.clone());
            let answer = self
                .send("ListBuckets", "the store", request.send())
                .await?;
            for listed in answer.buckets() {
                let name = listed.name().and_then(|name| BucketName::new(name).ok());
                let name = name.filter(|name| of.contains(name));
                let date = listed.creation_date().and_then(convert::timestamp);
                dates.extend(name.zip(date));
            }
            let next = answer.continuation_token().filter(|next| !next.is_empty());
            // A store that does not know pages sends the same one for ever.
            let again = next.is_none() || next == token.as_deref();
            if again || dates.len() == of.len() {
                return Ok(dates.into());
            }
            token = next.map(str::to_owned);
        }
    }

    /// Whether a name is an access point's alias, a second name of its bucket.
    /// Only AWS says (API reference of `HeadBucket`).
    ///
    /// # Errors
    /// [`crate::error::ServiceError`].
    pub async fn is_alias(&self, bucket: &BucketName) -> StoreResult<bool> {
        let request = self.client.head_bucket().bucket(bucket.as_str());
        let answer = self.send("HeadBucket", bucket, request.send()).await?;
        Ok(answer.access_point_alias().unwrap_or(false))
    }

    /// A bucket that never had versioning answers without a status (API
    /// reference of `GetBucketVersioning`). One in which it was suspended has
    /// versions still.
    async fn versioning(&self, bucket: &BucketName) -> StoreResult<Versioning> {
        let request = self.client.get_bucket_versioning().bucket(bucket.as_str());
        match self
            .send("GetBucketVersioning", bucket, request.send())
            .await
        {
            Ok(answer) => Ok(match answer.status() {
                None => Versioning::Never,
                Some(BucketVersioningStatus::Enabled) => Versioning::Enabled,
                Some(BucketVersioningStatus::Suspended) => Versioning::Suspended,
                Some(_) => Versioning::Unknown,
            }),
            Err(error) => match error.class() {
                ErrorClass::ContainerMissing => Err(error),
                // A document that is not the answer says nothing clearly.
                class if class.is_retryable() && error.fault.status != Some(200) => Err(error),
                _ => Ok(Versioning::Unknown),
            },
        }
    }

    /// Only a clear "bucket owner enforced" spares us the objects' lists: any
    /// other answer means that each object may have one.
    async fn has_acls(&self, bucket: &BucketName) -> StoreResult<bool> {
        let request = self
            .client
            .get_bucket_ownership_controls()
            .bucket(bucket.as_str());
        match self
            .send("GetBucketOwnershipControls", bucket, request.send())
            .await
        {
            Ok(answer) => {
                let rules = answer
                    .ownership_controls()
                    .map(aws_sdk_s3::types::OwnershipControls::rules)
                    .unwrap_or_default();
                Ok(!rules
                    .iter()
                    .any(|rule| *rule.object_ownership() == ObjectOwnership::BucketOwnerEnforced))
            }
            Err(error) => match error.class() {
                ErrorClass::Throttled | ErrorClass::ContainerMissing => Err(error),
                _ => Ok(true),
            },
        }
    }

    /// Only a clear answer rules locks out. Without the permission to ask, each
    /// version may have one.
    async fn has_lock(&self, bucket: &BucketName) -> StoreResult<bool> {
        let request = self
            .client
            .get_object_lock_configuration()
            .bucket(bucket.as_str());
        match self
            .send("GetObjectLockConfiguration", bucket, request.send())
            .await
        {
            Ok(answer) => {
                let configuration = answer.object_lock_configuration();
                let enabled = configuration.and_then(|c| c.object_lock_enabled());
                Ok(enabled == Some(&ObjectLockEnabled::Enabled))
            }
            Err(error) => match error.class() {
                ErrorClass::Denied => Ok(true),
                ErrorClass::NotFound | ErrorClass::Invalid | ErrorClass::Unsupported => Ok(false),
                // Endpoints that do not know the query answer another one,
                // and say so completely.
                _ if error.fault.status == Some(200)
                    && error.fault.code != UNREADABLE
                    && error.fault.code != Service::S3.foreign() =>
                {
                    Ok(false)
                }
                _ => Err(error),
            },
        }
    }

    /// Deletes what a probe left of versions. The folder's name is unique to
    /// the probe, and few objects were ever in it: one page has them all.
    pub(super) async fn delete_versions(&self, folder: &S3Prefix) -> StoreResult<()> {
        let list = self
            .client
            .list_object_versions()
            .bucket(folder.bucket.as_str());
        let answer = self
            .send(
                "ListObjectVersions",
                folder,
                list.prefix(&folder.prefix).send(),
            )
            .await?;
        let versions = answer.versions().iter().map(|v| (v.key(), v.version_id()));
        let markers = answer
            .delete_markers()
            .iter()
            .map(|m| (m.key(), m.version_id()));
        for (key, version) in versions.chain(markers) {
            let (Some(key), Some(version)) = (key, version) else {
                continue;
            };
            // An endpoint that ignores the prefix must not cost an object.
            if !key.starts_with(&folder.prefix) {
                continue;
            }
            let delete = self.client.delete_object().bucket(folder.bucket.as_str());
            let delete = delete.key(key).version_id(version);
            self.send("DeleteObject", folder, delete.send()).await?;
        }
        Ok(())
    }
}
