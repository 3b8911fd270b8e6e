//! What a bucket settles for all of its objects.

use aws_sdk_s3::types::{BucketVersioningStatus, ObjectOwnership};
use rebucket_protocol::BucketName;

use super::S3Store;
use crate::error::ErrorClass;
use crate::store::{BucketFacts, StoreResult};

impl S3Store {
    pub(super) async fn get_bucket_facts(&self, bucket: &BucketName) -> StoreResult<BucketFacts> {
        Ok(BucketFacts {
            versioned: self.is_versioned(bucket).await?,
            has_acls: self.has_acls(bucket).await?,
        })
    }

    /// Versioned buckets also say so on every HEAD, so a denial here costs no
    /// safety.
    async fn is_versioned(&self, bucket: &BucketName) -> StoreResult<bool> {
        let request = self.client.get_bucket_versioning().bucket(bucket.as_str());
        match self
            .send("GetBucketVersioning", bucket, request.send())
            .await
        {
            Ok(answer) => Ok(answer.status() == Some(&BucketVersioningStatus::Enabled)),
            Err(error) => match error.class() {
                ErrorClass::Unsupported | ErrorClass::Invalid | ErrorClass::Denied => Ok(false),
                _ => Err(error),
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
                    .map(|c| c.rules())
                    .unwrap_or_default();
                Ok(!rules
                    .iter()
                    .any(|rule| *rule.object_ownership() == ObjectOwnership::BucketOwnerEnforced))
            }
            Err(error) if error.class().is_retryable() => Err(error),
            Err(error) if error.class() == ErrorClass::ContainerMissing => Err(error),
            Err(_) => Ok(true),
        }
    }
}
