//! What a bucket settles for all of its objects.

use aws_sdk_s3::types::ObjectOwnership;
use rebucket_protocol::{BucketName, S3Prefix};

use super::S3Store;
use crate::error::ErrorClass;
use crate::store::{BucketFacts, StoreResult};

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
        })
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
}
