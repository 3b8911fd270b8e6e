//! Access control lists, as far as they are kept and shown. Nothing is ever
//! refused for the lack of a grant.

use std::sync::Arc;

use super::{Bucket, ErrorCode, ObjectRef, S3, S3Error, S3Result, VersionId};
use crate::clock::Millis;

/// The canonical id of the account that owns every bucket.
pub const OWNER: &str = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a";

/// The group of all people.
pub const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

/// The group of all accounts.
pub const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

/// Who a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantee {
    /// An account, by canonical id.
    Account(String),
    /// A group, by URI.
    Group(String),
    /// An account, by e-mail address.
    Email(String),
}

/// What a grant allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // The names are those of S3.
pub enum Permission {
    FullControl,
    Read,
    Write,
    ReadAcp,
    WriteAcp,
}

impl Permission {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FullControl => "FULL_CONTROL",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
        }
    }

    /// The permission of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::FullControl,
            Self::Read,
            Self::Write,
            Self::ReadAcp,
            Self::WriteAcp,
        ]
        .into_iter()
        .find(|p| p.as_str() == name)
    }
}

/// One line of an ACL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// For whom.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// An object's ACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// The owner's canonical id.
    pub owner: String,
    /// The grants, in the order in which they were given.
    pub grants: Vec<Grant>,
}

impl Default for Acl {
    fn default() -> Self {
        Self {
            owner: OWNER.to_owned(),
            grants: vec![Grant {
                grantee: Grantee::Account(OWNER.to_owned()),
                permission: Permission::FullControl,
            }],
        }
    }
}

/// The ACLs that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The names are those of S3.
pub enum CannedAcl {
    Private,
    PublicRead,
    PublicReadWrite,
    AuthenticatedRead,
    AwsExecRead,
    BucketOwnerRead,
    BucketOwnerFullControl,
}

impl CannedAcl {
    /// The ACL of that name, such as `public-read`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "private" => Self::Private,
            "public-read" => Self::PublicRead,
            "public-read-write" => Self::PublicReadWrite,
            "authenticated-read" => Self::AuthenticatedRead,
            "aws-exec-read" => Self::AwsExecRead,
            "bucket-owner-read" => Self::BucketOwnerRead,
            "bucket-owner-full-control" => Self::BucketOwnerFullControl,
            _ => return None,
        })
    }

    fn acl(self) -> Acl {
        let mut acl = Acl::default();
        let mut group = |uri: &str, permission| {
            acl.grants.push(Grant {
                grantee: Grantee::Group(uri.to_owned()),
                permission,
            });
        };
        match self {
            Self::PublicRead => group(ALL_USERS, Permission::Read),
            Self::PublicReadWrite => {
                group(ALL_USERS, Permission::Read);
                group(ALL_USERS, Permission::Write);
            }
            Self::AuthenticatedRead => group(AUTHENTICATED_USERS, Permission::Read),
            // The bucket's owner is the object's, who has everything already.
            Self::Private
            | Self::AwsExecRead
            | Self::BucketOwnerRead
            | Self::BucketOwnerFullControl => {}
        }
        acl
    }
}

/// The ACL that a request asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AclRequest {
    /// Nothing said: private.
    #[default]
    Unset,
    /// By name.
    Canned(CannedAcl),
    /// By grants, which are then all there are.
    Grants(Vec<Grant>),
}

impl Bucket {
    /// The ACL to store, if the bucket lets one be set at all.
    pub(super) fn acl_for(&self, request: &AclRequest) -> S3Result<Arc<Acl>> {
        let acl = match request {
            AclRequest::Unset => return Ok(self.private_acl()),
            AclRequest::Canned(canned) => {
                // An enforced bucket takes the one name that says what is so anyway.
                if self.acls_off() && *canned == CannedAcl::BucketOwnerFullControl {
                    return Ok(self.private_acl());
                }
                canned.acl()
            }
            AclRequest::Grants(grants) => Acl {
                owner: OWNER.to_owned(),
                grants: grants.clone(),
            },
        };
        if self.acls_off() {
            return Err(acls_are_off());
        }
        Ok(Arc::new(acl))
    }
}

fn acls_are_off() -> S3Error {
    S3Error::new(
        ErrorCode::AccessControlListNotSupported,
        "The bucket does not allow ACLs",
    )
}

impl S3 {
    /// `GetObjectAcl`: works on every bucket.
    pub fn get_object_acl(&self, object: &ObjectRef, _now: Millis) -> S3Result<Arc<Acl>> {
        let (bucket, found) = self.find(object)?;
        if bucket.acls_off() {
            return Ok(bucket.private_acl());
        }
        Ok(found.object.acl.clone())
    }

    /// `PutObjectAcl`. Returns the version it was put on.
    pub fn put_object_acl(
        &mut self,
        object: &ObjectRef,
        acl: &AclRequest,
        _now: Millis,
    ) -> S3Result<Option<VersionId>> {
        let bucket = self.bucket_mut(&object.bucket)?;
        if bucket.acls_off() {
            return Err(acls_are_off());
        }
        let acl = bucket.acl_for(acl)?;
        bucket.change(object, |o| o.acl = acl)
    }
}
