//! Names as numbers: what duplicates and chains are found by.
//!
//! A name is `bucket/key`. Two equal names have equal hashes, always, so
//! nothing is missed; that two different names of one manifest have the same
//! 128 bits is possible and would be a false report, but is not to be expected:
//! with a billion rows the chance is below 1 in 10^19.

use twox_hash::{XxHash3_64, XxHash3_128};

use crate::manifest::Side;
use crate::sorted::Entry;

/// Lines up to 4 * 10^12 are told apart.
const LINE_BITS: u32 = 42;
const TAG_BITS: u32 = 20;

/// What a row says about a name. The order is the one in which entries of one
/// hash are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mention {
    /// It is the row's source.
    Source,
    /// It is the row's destination.
    Destination,
    /// Some endpoints take the row's source for it.
    FoldedSource,
    /// Some endpoints take the row's destination for it.
    FoldedDestination,
}

/// One mention of a name, without the name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mentioned {
    pub(crate) mention: Mention,
    pub(crate) line: u64,
    /// Tells names that fold onto the same one; 0 for a name as it is. Equal
    /// tags of different names hide a warning, one in a million times.
    pub(crate) tag: u64,
}

impl Mentioned {
    /// As it is sorted: by the name's hash, then the mention, then the line.
    pub(crate) fn entry(self, name: &[u8]) -> Entry {
        let [high, low] = hash(name);
        let line = self.line.min((1 << LINE_BITS) - 1);
        let rest = (self.mention as u64) << (LINE_BITS + TAG_BITS) | line << TAG_BITS | self.tag;
        [high, low, rest]
    }

    /// Back from what is sorted.
    pub(crate) fn of(entry: &Entry) -> Self {
        let rest = entry[2];
        let mention = match rest >> (LINE_BITS + TAG_BITS) {
            0 => Mention::Source,
            1 => Mention::Destination,
            2 => Mention::FoldedSource,
            _ => Mention::FoldedDestination,
        };
        Self {
            mention,
            line: (rest >> TAG_BITS) & ((1 << LINE_BITS) - 1),
            tag: rest & ((1 << TAG_BITS) - 1),
        }
    }
}

/// What stands for a name, `bucket/key`.
pub(crate) fn hash(name: &[u8]) -> [u64; 2] {
    let hash = XxHash3_128::oneshot(name).to_be_bytes();
    let half = |at: usize| {
        hash[at..at + 8]
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    [half(0), half(8)]
}

/// Adds the mentions of an object: its name, and the one that it folds onto if
/// that is another. `scratch` is overwritten. True when it folds.
pub(crate) fn mention(
    out: &mut Vec<Entry>,
    side: Side,
    name: &str,
    bucket_bytes: usize,
    line: u64,
    scratch: &mut Vec<u8>,
) -> bool {
    let mention = match side {
        Side::Source => Mention::Source,
        Side::Destination => Mention::Destination,
    };
    let tag = 0;
    out.push(Mentioned { mention, line, tag }.entry(name.as_bytes()));
    let key = &name[bucket_bytes + 1..];
    if !folds(key) {
        return false;
    }
    let folded = fold(key);
    if !folded.is_empty() {
        scratch.clear();
        scratch.extend_from_slice(&name.as_bytes()[..=bucket_bytes]);
        scratch.extend_from_slice(folded.as_bytes());
        let mention = match side {
            Side::Source => Mention::FoldedSource,
            Side::Destination => Mention::FoldedDestination,
        };
        let tag = XxHash3_64::oneshot(name.as_bytes()) >> (64 - TAG_BITS);
        out.push(Mentioned { mention, line, tag }.entry(scratch));
    }
    true
}

/// True when an endpoint that treats keys as paths takes the key for another:
/// it has an empty segment, or one that is `.` or `..`.
pub(crate) fn folds(key: &str) -> bool {
    let key = key.as_bytes();
    let mut start = 0;
    for end in memchr::memchr_iter(b'/', key).chain([key.len()]) {
        if matches!(&key[start..end], b"" | b"." | b"..") {
            return true;
        }
        start = end + 1;
    }
    false
}

/// The key that such an endpoint takes it for; perhaps empty.
pub(crate) fn fold(key: &str) -> String {
    let mut segments = Vec::new();
    for segment in key.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fold_as_paths_do() {
        for key in ["a", "a/b", ".a/b.", "a/...", "é/😀"] {
            assert!(!folds(key), "{key}");
            assert_eq!(fold(key), key);
        }
        for (key, folded) in [
            ("a//b", "a/b"),
            ("/a", "a"),
            ("a/", "a"),
            ("./a", "a"),
            ("a/./b", "a/b"),
            ("a/../b", "b"),
            ("../a", "a"),
            ("a/..", ""),
            ("/", ""),
        ] {
            assert!(folds(key), "{key}");
            assert_eq!(fold(key), folded, "{key}");
        }
    }

    #[test]
    fn a_mention_survives_being_sorted() {
        let line = (1 << LINE_BITS) - 1;
        for mention in [
            Mention::Source,
            Mention::Destination,
            Mention::FoldedSource,
            Mention::FoldedDestination,
        ] {
            let tag = (1 << TAG_BITS) - 1;
            let entry = Mentioned { mention, line, tag }.entry(b"bkt/key");
            let back = Mentioned::of(&entry);
            assert_eq!((back.mention, back.line, back.tag), (mention, line, tag));
        }
    }
}
