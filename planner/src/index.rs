//! What can only be told over the whole manifest: that an object is the
//! source or the destination of two rows, or the source of one and the
//! destination of another.

use std::hash::{DefaultHasher, Hash, Hasher};

use rebucket_protocol::ObjectUri;

use crate::manifest::{Header, Side};
use crate::problem::{Problem, ProblemKind, Problems, shown};

/// Every object that the manifest names, with the line that names it.
///
/// In memory: 32 bytes and the name for each object. The comparison is a sort
/// and one pass over neighbours, so that a sort on disk can take its place.
#[derive(Default)]
pub(crate) struct RenameIndex {
    names: Vec<u8>,
    entries: Vec<Entry>,
}

struct Entry {
    /// Sorts entries without looking at names. Equal hashes prove nothing.
    hash: u64,
    start: usize,
    len: u32,
    side: Side,
    line: u64,
}

impl RenameIndex {
    /// Notes that the row on `line` names `object`. A line may name a side of
    /// its rename only once.
    pub(crate) fn add(&mut self, side: Side, object: &ObjectUri, line: u64) {
        let start = self.names.len();
        self.names
            .extend_from_slice(object.bucket.as_str().as_bytes());
        self.names.push(b'/');
        self.names.extend_from_slice(object.key.as_str().as_bytes());
        let name = &self.names[start..];
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        // A bucket has at most 255 bytes and a key 1,024.
        let len = u32::try_from(name.len()).unwrap_or(u32::MAX);
        self.entries.push(Entry {
            hash: hasher.finish(),
            start,
            len,
            side,
            line,
        });
    }

    /// Reports every duplicate and every chain.
    pub(crate) fn finish(mut self, header: &Header, problems: &mut Problems) {
        let name = |entry: &Entry| &self.names[entry.start..entry.start + entry.len as usize];
        self.entries.sort_unstable_by(|a, b| {
            let by_object = a.hash.cmp(&b.hash).then_with(|| name(a).cmp(name(b)));
            by_object
                .then(a.side.cmp(&b.side))
                .then(a.line.cmp(&b.line))
        });
        let same_object = |a: &Entry, b: &Entry| a.hash == b.hash && name(a) == name(b);
        for group in self
            .entries
            .chunk_by(same_object)
            .filter(|group| group.len() > 1)
        {
            let (sources, destinations) =
                group.split_at(group.partition_point(|entry| entry.side == Side::Source));
            let mut report = |entry: &Entry, kind, message: &dyn Fn(&str) -> String| {
                let uri = format!("s3://{}", shown(&String::from_utf8_lossy(name(entry))));
                let column = header.column(header.key_column(entry.side));
                problems.push(Problem {
                    line: entry.line,
                    column,
                    kind,
                    message: message(&uri),
                });
            };
            for side in [sources, destinations] {
                let Some((first, others)) = side.split_first() else {
                    continue;
                };
                for other in others {
                    let (kind, why) = match other.side {
                        Side::Source => (
                            ProblemKind::DuplicateSource,
                            "an object can get only one new name, remove one of the rows",
                        ),
                        Side::Destination => (
                            ProblemKind::DuplicateDestination,
                            "two objects cannot get the same name, change or remove one of the rows",
                        ),
                    };
                    report(other, kind, &|uri| {
                        let side = other.side.as_str();
                        format!(
                            "duplicate {side} {uri}: line {} has it too; {why}",
                            first.line
                        )
                    });
                }
            }
            for destination in destinations {
                // A rename to itself is reported as such, not as a chain.
                let next = sources
                    .iter()
                    .find(|source| source.line != destination.line);
                let Some(next) = next else { continue };
                report(destination, ProblemKind::Chain, &|uri| {
                    format!(
                        "destination {uri} is also the source on line {line}: chained renames \
                         (chains, swaps, cycles) are not carried out yet; split the manifest in \
                         two and run the one with line {line} first",
                        line = next.line
                    )
                });
            }
        }
    }
}
