//! Properties that workers may not read: HEAD leaves them out, and whoever
//! asks for them by name is denied.

use rebucket_protocol::ObjectUri;
use rebucket_worker::store::object::{ObjectHead, ObjectLock};

/// A property with a permission of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    /// `s3:GetObjectTagging`.
    Tags,
    /// `s3:GetObjectAcl`.
    Acl,
    /// `s3:GetObjectRetention`: mode, date and event hold.
    Retention,
    /// `s3:GetObjectLegalHold`.
    LegalHold,
    /// `s3:ListObjectAnnotations`.
    Annotations,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Tags,
        Self::Acl,
        Self::Retention,
        Self::LegalHold,
        Self::Annotations,
    ];
}

/// Which properties are hidden, and in which bucket.
#[derive(Debug, Clone, Default)]
pub struct Hidden(Vec<(Property, String)>);

impl Hidden {
    /// This property of all objects of this bucket.
    #[must_use]
    pub fn property(property: Property, bucket: &str) -> Self {
        Self(vec![(property, bucket.to_owned())])
    }

    /// The same properties, in both buckets.
    #[must_use]
    pub fn of_both(&self, a: &str, b: &str) -> Self {
        let of = |bucket: &str| {
            let bucket = bucket.to_owned();
            self.0
                .iter()
                .map(move |(property, _)| (*property, bucket.clone()))
        };
        Self(of(a).chain(of(b)).collect())
    }

    /// True when everything may be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn hides(&self, property: Property, object: &ObjectUri) -> bool {
        let bucket = object.bucket.as_str();
        self.0.iter().any(|(p, of)| *p == property && of == bucket)
    }

    /// What HEAD shows.
    pub(super) fn shown(&self, object: &ObjectUri, mut head: ObjectHead) -> ObjectHead {
        if self.hides(Property::Tags, object) {
            head.tag_count = None;
        }
        if self.hides(Property::Retention, object) {
            head.lock = ObjectLock {
                legal_hold: head.lock.legal_hold,
                ..ObjectLock::default()
            };
        }
        if self.hides(Property::LegalHold, object) {
            head.lock.legal_hold = false;
        }
        head
    }
}
