//! Comparing two objects without reading them.

use rebucket_protocol::ETag;

use super::Copy;
use crate::store::object::{ChecksumKind, Checksums, Encryption, ObjectHead};

/// What comparing two objects without reading them can say. "Not comparable"
/// never permits a delete by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same bytes.
    Match,
    /// Other bytes; what differs.
    Mismatch(&'static str),
    /// Nothing that both have can be compared.
    NotComparable,
}

/// What of an object can be compared.
#[derive(Debug, Clone, Copy)]
pub struct Fingerprint<'a> {
    /// The size in bytes, when it is known.
    pub size: Option<u64>,
    /// The entity tag.
    pub etag: &'a ETag,
    /// The checksums.
    pub checksums: &'a Checksums,
    /// The encryption, which decides whether the tag is an MD5.
    pub encryption: &'a Encryption,
}

impl<'a> Fingerprint<'a> {
    pub(crate) fn of(head: &'a ObjectHead) -> Self {
        Self {
            size: Some(head.size),
            etag: &head.etag,
            checksums: &head.checksums,
            encryption: &head.encryption,
        }
    }

    /// What the response that made a copy says of it.
    pub(crate) fn answered(copy: &'a Copy) -> Self {
        Self {
            size: None,
            etag: &copy.etag,
            checksums: &copy.checksums,
            encryption: &copy.encryption,
        }
    }
}

/// Compares two objects: sizes, checksums of all bytes by the same algorithm,
/// and entity tags where they are digests.
#[must_use]
pub fn compare(a: Fingerprint<'_>, b: Fingerprint<'_>, etag_is_md5: bool) -> Comparison {
    if let (Some(a), Some(b)) = (a.size, b.size)
        && a != b
    {
        return Comparison::Mismatch("size");
    }
    let by_etag = if etag_is_md5 {
        compare_etags(a.etag, b.etag, &[a.encryption, b.encryption])
    } else {
        Comparison::NotComparable
    };
    // A short checksum may agree by chance: either one can say no.
    match (compare_checksums(a, b), by_etag) {
        (Comparison::Mismatch(what), _) | (_, Comparison::Mismatch(what)) => {
            Comparison::Mismatch(what)
        }
        (Comparison::Match, _) | (_, Comparison::Match) => Comparison::Match,
        _ => Comparison::NotComparable,
    }
}

fn compare_checksums(a: Fingerprint<'_>, b: Fingerprint<'_>) -> Comparison {
    let mut result = Comparison::NotComparable;
    for (algorithm, ours) in &a.checksums.values {
        let Some(theirs) = b.checksums.values.get(algorithm) else {
            continue;
        };
        let full = covers_all_bytes(a.checksums, a.etag) && covers_all_bytes(b.checksums, b.etag);
        match (full, ours == theirs) {
            (true, false) => return Comparison::Mismatch("checksum"),
            (true, true) => result = Comparison::Match,
            // Checksums of parts: other boundaries give other values, so only
            // equality says something, and the tags say it better.
            (false, _) => {}
        }
    }
    result
}

/// Whether checksums are of all bytes. Some servers do not say; then an object
/// that was written in one piece has no other kind.
pub(crate) fn covers_all_bytes(checksums: &Checksums, etag: &ETag) -> bool {
    let of_parts = checksums.values.values().any(|value| value.contains('-'));
    match checksums.kind {
        Some(ChecksumKind::FullObject) => !of_parts,
        Some(ChecksumKind::Composite) => false,
        None => !of_parts && etag.part_count().is_none(),
    }
}

/// Compares entity tags where both are MD5 digests of the same shape. KMS
/// keys make them something else (facts, section 3).
#[must_use]
pub(crate) fn compare_etags(a: &ETag, b: &ETag, encryptions: &[&Encryption]) -> Comparison {
    let digests = encryptions
        .iter()
        .all(|encryption| matches!(encryption, Encryption::Unstated | Encryption::Managed));
    if !digests || !a.looks_like_md5() || !b.looks_like_md5() {
        return Comparison::NotComparable;
    }
    match (a == b, a.part_count(), b.part_count()) {
        (true, ..) => Comparison::Match,
        (false, None, None) => Comparison::Mismatch("ETag"),
        // Other part boundaries give another tag for the same bytes.
        (false, ..) => Comparison::NotComparable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::object::ChecksumAlgorithm;

    const A: &str = "5d41402abc4b2a76b9719d911017c592";
    const B: &str = "c4ca4238a0b923820dcc509a6f75849b";

    struct Object {
        size: u64,
        etag: ETag,
        checksums: Checksums,
        encryption: Encryption,
    }

    fn object(etag: &str) -> Object {
        Object {
            size: 5,
            etag: ETag::new(etag).unwrap(),
            checksums: Checksums::default(),
            encryption: Encryption::Unstated,
        }
    }

    fn with_checksum(etag: &str, value: &str, kind: Option<ChecksumKind>) -> Object {
        let mut made = object(etag);
        made.checksums.insert(ChecksumAlgorithm::Crc32, value);
        made.checksums.kind = kind;
        made
    }

    fn encrypted(etag: &str) -> Object {
        let kms = Encryption::Kms {
            algorithm: "aws:kms".into(),
            key: None,
            bucket_key: false,
        };
        Object {
            encryption: kms,
            ..object(etag)
        }
    }

    fn compared(a: &Object, b: &Object) -> Comparison {
        let print = |o: &'_ Object| -> (u64, ETag, Checksums, Encryption) {
            (
                o.size,
                o.etag.clone(),
                o.checksums.clone(),
                o.encryption.clone(),
            )
        };
        let ((asize, aetag, asums, aenc), (bsize, betag, bsums, benc)) = (print(a), print(b));
        let a = Fingerprint {
            size: Some(asize),
            etag: &aetag,
            checksums: &asums,
            encryption: &aenc,
        };
        let b = Fingerprint {
            size: Some(bsize),
            etag: &betag,
            checksums: &bsums,
            encryption: &benc,
        };
        let there = compare(a, b, true);
        assert_eq!(
            there,
            compare(b, a, true),
            "comparing must not depend on the order"
        );
        there
    }

    #[test]
    fn digests_decide_between_objects_of_one_piece() {
        assert_eq!(compared(&object(A), &object(A)), Comparison::Match);
        assert_eq!(
            compared(&object(A), &object(B)),
            Comparison::Mismatch("ETag")
        );
        let shorter = Object {
            size: 4,
            ..object(A)
        };
        assert_eq!(compared(&object(A), &shorter), Comparison::Mismatch("size"));
    }

    #[test]
    fn tags_of_several_parts_match_only_with_the_same_boundaries() {
        let parts = |digest: &str, n: u32| object(&format!("{digest}-{n}"));
        assert_eq!(compared(&parts(A, 2), &parts(A, 2)), Comparison::Match);
        assert_eq!(
            compared(&parts(A, 2), &parts(B, 2)),
            Comparison::NotComparable
        );
        assert_eq!(
            compared(&parts(A, 2), &object(B)),
            Comparison::NotComparable
        );
    }

    #[test]
    fn tags_under_a_kms_key_say_nothing() {
        assert_eq!(
            compared(&encrypted(A), &encrypted(A)),
            Comparison::NotComparable
        );
        assert_eq!(
            compared(&object(A), &encrypted(B)),
            Comparison::NotComparable
        );
    }

    #[test]
    fn tags_that_are_no_digests_say_nothing() {
        assert_eq!(
            compared(&object("opaque"), &object("opaque")),
            Comparison::NotComparable
        );
    }

    #[test]
    fn checksums_of_all_bytes_decide_whatever_the_tags_say() {
        let full = |etag: &str, value| with_checksum(etag, value, Some(ChecksumKind::FullObject));
        let parts = format!("{B}-2");
        assert_eq!(
            compared(&full(A, "NhCmhg=="), &full(&parts, "NhCmhg==")),
            Comparison::Match
        );
        assert_eq!(
            compared(&full(A, "NhCmhg=="), &full(&parts, "BwQzxA==")),
            Comparison::Mismatch("checksum")
        );
    }

    #[test]
    fn a_checksum_that_agrees_by_chance_does_not_outvote_the_tags() {
        let crc = |etag: &str| with_checksum(etag, "NhCmhg==", Some(ChecksumKind::FullObject));
        assert_eq!(compared(&crc(A), &crc(B)), Comparison::Mismatch("ETag"));
    }

    #[test]
    fn checksums_of_parts_never_make_a_mismatch() {
        let parts = format!("{A}-2");
        let composite = |value| with_checksum(&parts, value, Some(ChecksumKind::Composite));
        let other = with_checksum(
            &format!("{B}-3"),
            "BwQzxA==-3",
            Some(ChecksumKind::Composite),
        );
        assert_eq!(
            compared(&composite("NhCmhg==-2"), &other),
            Comparison::NotComparable
        );
        // A kind that is not stated, on an object of several parts.
        let unstated = with_checksum(&parts, "NhCmhg==", None);
        let single = with_checksum(B, "BwQzxA==", None);
        assert_eq!(compared(&unstated, &single), Comparison::NotComparable);
    }
}
