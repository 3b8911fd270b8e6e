//! What an object holds: bytes, or a description of them.
//!
//! A [`Content`] is a list of segments. A segment is literal bytes or a run of
//! the endless byte stream that a seed defines, so an object of 50 TB costs a
//! few words, and slicing and joining cost what the segments cost, not what the
//! bytes would.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::digest::Digests;

/// A run of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// The bytes themselves.
    Literal(Bytes),
    /// `len` bytes of the stream of `seed`, from `offset` on.
    Sparse {
        /// Which stream.
        seed: u64,
        /// The first byte's place in the stream.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
}

impl Segment {
    /// Its size in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Literal(bytes) => bytes.len() as u64,
            Self::Sparse { len, .. } => *len,
        }
    }

    /// Whether it holds nothing. A [`Content`] has no such segment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Literal(bytes) => {
                Self::Literal(bytes.slice(index(range.start)..index(range.end)))
            }
            Self::Sparse { seed, offset, .. } => Self::Sparse {
                seed: *seed,
                offset: offset + range.start,
                len: range.end - range.start,
            },
        }
    }
}

/// The bytes of an object or a part. Clones share everything, the digests too.
#[derive(Clone)]
pub struct Content(Arc<Inner>);

struct Inner {
    segments: Vec<Segment>,
    size: u64,
    digests: Digests,
}

impl Content {
    /// These bytes.
    #[must_use]
    pub fn literal(bytes: impl Into<Bytes>) -> Self {
        Self::from_segments([Segment::Literal(bytes.into())])
    }

    /// The first `len` bytes of the stream of `seed`.
    #[must_use]
    pub fn sparse(seed: u64, len: u64) -> Self {
        Self::from_segments([Segment::Sparse {
            seed,
            offset: 0,
            len,
        }])
    }

    /// The segments one after the other, in canonical form: none is empty, and
    /// runs of one seed that touch are one.
    #[must_use]
    pub fn from_segments(segments: impl IntoIterator<Item = Segment>) -> Self {
        let mut canonical: Vec<Segment> = Vec::new();
        let mut size = 0;
        for segment in segments {
            size += segment.len();
            match (canonical.last_mut(), segment) {
                (_, segment) if segment.is_empty() => {}
                (
                    Some(Segment::Sparse { seed, offset, len }),
                    Segment::Sparse {
                        seed: next_seed,
                        offset: next_offset,
                        len: next_len,
                    },
                ) if *seed == next_seed && *offset + *len == next_offset => *len += next_len,
                (_, segment) => canonical.push(segment),
            }
        }
        Self(Arc::new(Inner {
            segments: canonical,
            size,
            digests: Digests::default(),
        }))
    }

    /// The contents one after the other.
    #[must_use]
    pub fn concat<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut parts = parts.into_iter();
        let first = parts.next();
        let second = parts.next();
        match (first, second) {
            (None, _) => Self::default(),
            (Some(one), None) => one.clone(),
            (Some(one), Some(two)) => Self::from_segments(
                [one, two]
                    .into_iter()
                    .chain(parts)
                    .flat_map(|c| c.0.segments.iter().cloned()),
            ),
        }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Whether it has no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.size == 0
    }

    /// The bytes from `range.start` up to, not including, `range.end`; a range
    /// past the end is cut.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let range = range.start.min(self.0.size)..range.end.min(self.0.size);
        if range == (0..self.0.size) {
            return self.clone();
        }
        let mut at = 0;
        let mut out = Vec::new();
        for segment in &self.0.segments {
            let end = at + segment.len();
            let from = range.start.max(at);
            let to = range.end.min(end);
            if from < to {
                out.push(segment.slice(from - at..to - at));
            }
            at = end;
            if at >= range.end {
                break;
            }
        }
        Self::from_segments(out)
    }

    /// The segments, in canonical form but for touching literals, which stay
    /// as they came.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0.segments
    }

    /// The bytes in pieces of at most `piece` bytes: what a reader streams.
    pub fn chunks(&self, piece: usize) -> impl Iterator<Item = Bytes> + Send + Sync + 'static {
        let content = self.clone();
        let piece = piece.max(1) as u64;
        let mut segment = 0;
        let mut at = 0;
        std::iter::from_fn(move || {
            let here = content.0.segments.get(segment)?;
            let end = here.len().min(at + piece);
            let bytes = here.slice(at..end).render();
            at = end;
            if at == here.len() {
                segment += 1;
                at = 0;
            }
            Some(bytes)
        })
    }

    /// All the bytes. Meant for small contents: it makes every one of them.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self.0.segments.as_slice() {
            [] => Bytes::new(),
            [one] => one.render(),
            many => {
                let mut out = BytesMut::with_capacity(index(self.0.size));
                for segment in many {
                    out.extend_from_slice(&segment.render());
                }
                out.freeze()
            }
        }
    }

    pub(super) fn digests(&self) -> &Digests {
        &self.0.digests
    }
}

impl Segment {
    fn render(&self) -> Bytes {
        match self {
            Self::Literal(bytes) => bytes.clone(),
            Self::Sparse { seed, offset, len } => {
                let mut out = vec![0; index(*len)];
                fill(*seed, *offset, &mut out);
                out.into()
            }
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::from_segments([])
    }
}

/// Equality of description: the same bytes described in two ways (a literal
/// copy of a sparse run) are not equal, and then only the digests of small
/// contents agree.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.0, &other.0) {
            return true;
        }
        if self.0.size != other.0.size {
            return false;
        }
        if self.0.segments == other.0.segments {
            return true;
        }
        runs(&self.0.segments).eq(runs(&other.0.segments))
    }
}

impl Eq for Content {}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Content({} bytes in {} segments",
            self.0.size,
            self.0.segments.len()
        )?;
        if let Some(Segment::Sparse { seed, offset, .. }) = self.0.segments.first() {
            write!(f, ", seed {seed} from {offset}")?;
        }
        write!(f, ")")
    }
}

impl From<&'static str> for Content {
    fn from(text: &'static str) -> Self {
        Self::literal(text)
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::literal(bytes)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::literal(bytes)
    }
}

/// A maximal run of one kind: touching literals are one run however they are
/// cut.
#[derive(PartialEq, Eq)]
pub(super) enum Run {
    Literal(Vec<u8>),
    Sparse(u64, u64, u64),
}

/// The canonical description, in which equality and virtual digests are defined.
pub(super) fn runs(segments: &[Segment]) -> impl Iterator<Item = Run> {
    let mut rest = segments;
    std::iter::from_fn(move || {
        let (first, tail) = rest.split_first()?;
        rest = tail;
        match first {
            Segment::Sparse { seed, offset, len } => Some(Run::Sparse(*seed, *offset, *len)),
            Segment::Literal(bytes) => {
                let mut run = bytes.to_vec();
                while let Some((Segment::Literal(more), tail)) = rest.split_first() {
                    run.extend_from_slice(more);
                    rest = tail;
                }
                Some(Run::Literal(run))
            }
        }
    })
}

/// The stream of a seed: eight bytes a counter value, each from its place
/// alone, so that any offset is reached at once.
pub(super) fn fill(seed: u64, offset: u64, out: &mut [u8]) {
    let mut at = offset;
    let mut rest = out;
    while !rest.is_empty() {
        let word = mix(seed ^ mix((at / 8).wrapping_add(0x9E37_79B9_7F4A_7C15))).to_le_bytes();
        let skip = index(at % 8);
        let n = rest.len().min(8 - skip);
        rest[..n].copy_from_slice(&word[skip..skip + n]);
        rest = &mut rest[n..];
        at += n as u64;
    }
}

/// The finaliser of `SplitMix64`.
pub(super) fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
