//! Buckets: their settings, and the keys they hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::names::Keys;
use super::rename::Renamed;
use super::{
    Acl, Encryption, ErrorCode, ExpiryRule, Folding, HoldPeriod, NewObject, Object, RetentionMode,
    S3, S3Error, S3Result, Tags, Upload, Version, VersionId,
};
use crate::clock::Millis;

/// Whether a bucket keeps the versions of its objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Versioning {
    /// It never did.
    #[default]
    Off,
    /// It does.
    Enabled,
    /// It did: old versions stay, new ones are all `null`.
    Suspended,
}

/// Who owns an object, and whether ACLs count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ownership {
    /// ACLs are off: the default of S3.
    #[default]
    BucketOwnerEnforced,
    /// ACLs are on.
    BucketOwnerPreferred,
    /// ACLs are on.
    ObjectWriter,
}

impl Ownership {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }

    /// The setting of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::BucketOwnerEnforced,
            Self::BucketOwnerPreferred,
            Self::ObjectWriter,
        ]
        .into_iter()
        .find(|o| o.as_str() == name)
    }
}

/// The retention that new objects of a bucket get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRetention {
    /// Which kind.
    pub mode: RetentionMode,
    /// For how long from the object's making.
    pub period: Duration,
}

/// What a bucket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSettings {
    /// Whether versions are kept; Object Lock switches them on.
    pub versioning: Versioning,
    /// Whether objects can be locked.
    pub object_lock: bool,
    /// The retention that new objects get.
    pub default_retention: Option<DefaultRetention>,
    /// The period of the event hold that new objects get.
    pub default_event_hold: Option<HoldPeriod>,
    /// Whether ACLs count.
    pub ownership: Ownership,
    /// The encryption of objects that ask for none.
    pub encryption: Encryption,
    /// A directory bucket: `RenameObject`, random ETags; no versions, tags,
    /// locks, ACLs, annotations.
    pub directory: bool,
    /// The region it lies in.
    pub region: String,
    /// How it folds keys; Amazon's do not. `None` is [`super::Quirks::fold_keys`].
    pub folding: Option<Folding>,
}

impl Default for BucketSettings {
    fn default() -> Self {
        Self {
            versioning: Versioning::Off,
            object_lock: false,
            default_retention: None,
            default_event_hold: None,
            ownership: Ownership::default(),
            encryption: Encryption::default(),
            directory: false,
            region: "us-east-1".to_owned(),
            folding: None,
        }
    }
}

/// A bucket and all that is in it.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// What it is.
    pub settings: BucketSettings,
    /// When it was made.
    pub created: Millis,
    pub(super) keys: Keys,
    pub(super) uploads: BTreeMap<String, Upload>,
    /// The answers already given to client tokens of `RenameObject`.
    pub(super) renamed: BTreeMap<String, Renamed>,
    /// By which objects expire.
    pub(super) expiry: Vec<ExpiryRule>,
    private: Arc<Acl>,
    /// Whether somebody has set the encryption, be it to what it was.
    pub(super) encryption_set: bool,
    /// The bucket's own tags. None of its objects has them.
    pub(super) tags: Tags,
}

/// Reading for auditors: nothing here depends on conditions, keys or time.
impl Bucket {
    /// Every key that has a version or a delete marker, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(key, _)| key.as_str())
    }

    /// The current object under a key; none where a delete marker is current.
    #[must_use]
    pub fn current(&self, key: &str) -> Option<&Object> {
        self.keys.get(key)?.last()?.object.as_deref()
    }

    /// Every key with a current object, in order, and its version.
    pub fn current_objects(&self) -> impl Iterator<Item = (&str, &Version, &Object)> {
        self.keys.iter().filter_map(|(key, versions)| {
            let version = versions.last()?;
            Some((key.as_str(), version, version.object.as_deref()?))
        })
    }

    /// All versions of a key, delete markers included, oldest first.
    #[must_use]
    pub fn versions(&self, key: &str) -> &[Version] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }

    /// The uploads in progress by their id.
    pub fn uploads(&self) -> impl Iterator<Item = (&str, &Upload)> {
        self.uploads
            .iter()
            .map(|(id, upload)| (id.as_str(), upload))
    }
}

impl Bucket {
    fn new(settings: BucketSettings, created: Millis) -> Self {
        Self {
            keys: Keys::new(settings.folding),
            settings,
            created,
            uploads: BTreeMap::new(),
            renamed: BTreeMap::new(),
            expiry: Vec::new(),
            private: Arc::new(Acl::default()),
            encryption_set: false,
            tags: Tags::default(),
        }
    }

    pub(super) fn private_acl(&self) -> Arc<Acl> {
        self.private.clone()
    }

    pub(super) fn acls_off(&self) -> bool {
        self.settings.ownership == Ownership::BucketOwnerEnforced
    }

    /// A version's id as replies show it: not at all where there are no versions.
    pub(super) fn shown(&self, id: VersionId) -> Option<VersionId> {
        (self.settings.versioning != Versioning::Off).then_some(id)
    }

    pub(super) fn latest(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.last()
    }

    /// Refuses what directory buckets do not have.
    pub(super) fn check_general(&self) -> S3Result<()> {
        if self.settings.directory {
            return Err(S3Error::new(
                ErrorCode::NotImplemented,
                "Directory buckets do not have this.",
            ));
        }
        Ok(())
    }

    /// Refuses what the bucket cannot give an object.
    pub(super) fn check_new(&self, new: &NewObject) -> S3Result<()> {
        let settings = &self.settings;
        let locked =
            new.retention.is_some() || new.legal_hold.is_some() || new.event_hold.is_some();
        if !settings.object_lock && locked {
            return Err(S3Error::request(
                "Bucket is missing Object Lock Configuration",
            ));
        }
        if !new.tags.is_empty() || new.redirect.is_some() {
            self.check_general()?;
        }
        Ok(())
    }

    /// Marks the uploads under way that a write or a delete of their key has
    /// come before.
    pub(super) fn overtake(&mut self, key: &str) {
        let key = self.keys.fold(key);
        for upload in self.uploads.values_mut().filter(|u| u.key == *key) {
            upload.overtaken = true;
        }
    }

    /// Makes a version the current one. Without versions it replaces all there
    /// is; in a suspended bucket it replaces the `null` version.
    pub(super) fn store(&mut self, key: &str, version: Version) {
        self.overtake(key);
        match self.keys.get_mut(key) {
            None => {
                self.keys.insert(key, vec![version]);
            }
            Some(versions) => {
                if version.id == VersionId::Null {
                    versions.retain(|v| v.id != VersionId::Null);
                }
                versions.push(version);
            }
        }
    }
}

/// A bucket in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketEntry {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Millis,
}

impl S3 {
    /// `CreateBucket`.
    pub fn create_bucket(
        &mut self,
        name: &str,
        mut settings: BucketSettings,
        now: Millis,
    ) -> S3Result<()> {
        if self.buckets.contains_key(name) || self.aliases.contains_key(name) {
            return Err(S3Error::new(
                ErrorCode::BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it.",
            )
            .with("BucketName", name));
        }
        settings.folding = settings.folding.or(self.quirks.fold_keys);
        if settings.object_lock {
            settings.versioning = Versioning::Enabled;
        }
        self.buckets
            .insert(name.to_owned(), Bucket::new(settings, now));
        Ok(())
    }

    /// `DeleteBucket`.
    pub fn delete_bucket(&mut self, name: &str, _now: Millis) -> S3Result<()> {
        if !self.bucket_or_err(name)?.keys.is_empty() {
            return Err(S3Error::new(
                ErrorCode::BucketNotEmpty,
                "The bucket you tried to delete is not empty",
            ));
        }
        let name = self.own_name(name).to_owned();
        self.buckets.remove(&name);
        Ok(())
    }

    /// `ListBuckets`.
    #[must_use]
    pub fn list_buckets(&self, _now: Millis) -> Vec<BucketEntry> {
        self.buckets
            .iter()
            .map(|(name, bucket)| BucketEntry {
                name: name.clone(),
                created: bucket.created,
            })
            .collect()
    }

    /// `HeadBucket`, `GetBucketLocation`, `GetBucketVersioning`,
    /// `GetBucketOwnershipControls`, `GetBucketEncryption` and
    /// `GetObjectLockConfiguration` in one: each shows some of the settings.
    pub fn head_bucket(&self, name: &str, _now: Millis) -> S3Result<&BucketSettings> {
        Ok(&self.bucket_or_err(name)?.settings)
    }

    /// `PutBucketVersioning`. Versioning cannot be switched off again.
    pub fn put_bucket_versioning(
        &mut self,
        name: &str,
        versioning: Versioning,
        _now: Millis,
    ) -> S3Result<()> {
        let settings = &mut self.bucket_mut(name)?.settings;
        if versioning == Versioning::Off || settings.directory {
            return Err(S3Error::argument("versioning is Enabled or Suspended"));
        }
        if settings.object_lock && versioning == Versioning::Suspended {
            return Err(S3Error::new(
                ErrorCode::InvalidBucketState,
                "An Object Lock configuration is present on this bucket, so the versioning state \
                 cannot be changed.",
            ));
        }
        settings.versioning = versioning;
        Ok(())
    }

    /// `PutBucketOwnershipControls`.
    pub fn put_bucket_ownership_controls(
        &mut self,
        name: &str,
        ownership: Ownership,
        _now: Millis,
    ) -> S3Result<()> {
        self.bucket_mut(name)?.settings.ownership = ownership;
        Ok(())
    }

    /// `PutBucketEncryption`.
    pub fn put_bucket_encryption(
        &mut self,
        name: &str,
        encryption: Encryption,
        _now: Millis,
    ) -> S3Result<()> {
        let bucket = self.bucket_mut(name)?;
        bucket.settings.encryption = encryption;
        bucket.encryption_set = true;
        Ok(())
    }

    /// `PutObjectLockConfiguration`: switches Object Lock on, and versions with it.
    pub fn put_object_lock_configuration(
        &mut self,
        name: &str,
        retention: Option<DefaultRetention>,
        event_hold: Option<HoldPeriod>,
        _now: Millis,
    ) -> S3Result<()> {
        let settings = &mut self.bucket_mut(name)?.settings;
        if settings.versioning != Versioning::Enabled {
            return Err(S3Error::new(
                ErrorCode::InvalidBucketState,
                "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
            ));
        }
        settings.object_lock = true;
        settings.default_retention = retention;
        settings.default_event_hold = event_hold;
        Ok(())
    }
}
