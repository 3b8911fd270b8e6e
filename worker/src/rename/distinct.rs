//! Is the copy another object than its source? Pure.
//!
//! One object may have two names: a bucket has aliases (an S3 access point's,
//! a gateway's), and a store may take two keys for one (by Unicode form, case,
//! an escape), in ways that no list is complete for. There, the "copy" that is
//! found at the destination is the source itself, equal in everything, and to
//! delete the source is to delete the only copy. So a delete takes a
//! [`Distinct`], and only what two objects alone can show makes one:
//!
//! - The service *created* the copy: it answered success to a request that
//!   creates an object or nothing, while the source was there.
//! - The copy *replaced* an object of other bytes: the request named the tags
//!   of both, and one object has one tag at a time.
//! - Both were *seen*: the source, then the copy with another date or version,
//!   then the source unchanged. Dates of one object do not go back. The second
//!   look at the source is gate 3 of the delete, which no copy of this kind is
//!   spared.

use rebucket_protocol::{ETag, Timestamp, VersionId};

use crate::store::Replaces;
use crate::store::object::ObjectHead;

/// What one answer says of which object is at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The entity tag.
    pub etag: ETag,
    /// The size in bytes.
    pub size: u64,
    /// The version, in a bucket with versions.
    pub version: Option<VersionId>,
    /// When it was last written, by the service's clock, in whole seconds.
    pub modified: Option<Timestamp>,
}

impl Sighting {
    /// What HEAD says.
    #[must_use]
    pub fn of(head: &ObjectHead) -> Self {
        Self {
            etag: head.etag.clone(),
            size: head.size,
            version: head.version.clone(),
            modified: head.modified,
        }
    }

    /// The version's id, where it names one version for ever. `null` names
    /// whatever was written last while versioning was off.
    fn own_version(&self) -> Option<&VersionId> {
        let version = self.version.as_ref();
        version.filter(|version| version.as_str() != "null")
    }
}

/// Shown: the copy is another object than its source. Only this module makes
/// one.
#[derive(Debug, Clone)]
pub struct Distinct(How);

#[derive(Debug, Clone)]
enum How {
    /// By the request that made the copy.
    Written,
    /// By what was seen of the copy, which must still hold.
    Seen(Sighting),
}

impl Distinct {
    /// What a success answer shows of a copy that was sent with this
    /// condition: nothing, if the request may replace an object.
    #[must_use]
    pub fn created(condition: Replaces<'_>) -> Option<Self> {
        (condition == Replaces::Nothing).then_some(Self(How::Written))
    }

    /// What a success answer shows of a copy that replaced `there`: the
    /// request named this tag at the destination, and the source's own.
    #[must_use]
    pub fn replaced(source: &Sighting, there: &Sighting) -> Option<Self> {
        (source.etag != there.etag).then_some(Self(How::Written))
    }

    /// What was seen of the copy, if the delete rests on it: it has to be
    /// looked at again, and after it the source.
    #[must_use]
    pub fn sighting(&self) -> Option<&Sighting> {
        match &self.0 {
            How::Written => None,
            How::Seen(copy) => Some(copy),
        }
    }
}

/// What two sightings say, the copy's after the source's.
#[derive(Debug)]
pub enum Apart {
    /// Two objects, if the source is seen unchanged once more.
    Shown(Distinct),
    /// One object: two keys do not have one version.
    One,
    /// One object would look the same.
    Unknown,
}

/// Holds what was found at the destination against the source.
#[must_use]
pub fn tell_apart(source: &Sighting, copy: &Sighting) -> Apart {
    let shown = || Apart::Shown(Distinct(How::Seen(copy.clone())));
    match (source.own_version(), copy.own_version()) {
        (Some(one), Some(other)) if one == other => return Apart::One,
        (Some(_), Some(_)) => return shown(),
        _ => {}
    }
    match (source.modified, copy.modified) {
        (Some(one), Some(other)) if one != other => shown(),
        _ if source.etag != copy.etag || source.size != copy.size => shown(),
        _ => Apart::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "5d41402abc4b2a76b9719d911017c592";
    const B: &str = "c4ca4238a0b923820dcc509a6f75849b";

    fn seen(etag: &str, version: Option<&str>, at: Option<i64>) -> Sighting {
        Sighting {
            etag: ETag::new(etag).unwrap(),
            size: 5,
            version: version.map(|id| VersionId::new(id).unwrap()),
            modified: at.and_then(|at| Timestamp::from_unix(at, 0)),
        }
    }

    fn is_shown(source: &Sighting, copy: &Sighting) -> bool {
        matches!(tell_apart(source, copy), Apart::Shown(_))
    }

    #[test]
    fn equal_in_everything_may_be_one_object() {
        for (version, at) in [(None, Some(7)), (None, None), (Some("null"), Some(7))] {
            let one = seen(A, version, at);
            assert!(matches!(tell_apart(&one, &one), Apart::Unknown), "{one:?}");
        }
    }

    #[test]
    fn another_date_is_another_object() {
        assert!(is_shown(&seen(A, None, Some(7)), &seen(A, None, Some(8))));
        assert!(is_shown(
            &seen(A, Some("null"), Some(7)),
            &seen(A, Some("null"), Some(8))
        ));
    }

    #[test]
    fn a_date_that_one_answer_lacks_tells_nothing() {
        for (one, other) in [(None, Some(7)), (Some(7), None)] {
            let told = tell_apart(&seen(A, None, one), &seen(A, None, other));
            assert!(matches!(told, Apart::Unknown));
        }
    }

    #[test]
    fn another_version_is_another_object_and_the_same_one_is_not() {
        let of = |version, at| seen(A, Some(version), Some(at));
        assert!(is_shown(&of("v1", 7), &of("v2", 7)));
        // A store that shows one object's date by two clocks still shows one
        // version.
        assert!(matches!(tell_apart(&of("v1", 7), &of("v1", 8)), Apart::One));
        // `null` is no version of its own.
        assert!(matches!(
            tell_apart(&of("null", 7), &of("v2", 7)),
            Apart::Unknown
        ));
    }

    #[test]
    fn a_copy_that_may_replace_an_object_has_not_created_one() {
        let tag = ETag::new(A).unwrap();
        assert!(Distinct::created(Replaces::Nothing).is_some());
        assert!(Distinct::created(Replaces::Object(&tag)).is_none());
        assert!(Distinct::created(Replaces::Anything).is_none());
    }

    #[test]
    fn only_other_bytes_can_have_been_replaced_unseen() {
        let (source, same) = (seen(A, None, Some(7)), seen(A, None, Some(3)));
        assert!(Distinct::replaced(&source, &seen(B, None, Some(7))).is_some());
        assert!(Distinct::replaced(&source, &same).is_none());
    }
}
