//! Digests as a pure function of a content.
//!
//! Up to [`REAL_DIGEST_LIMIT`] they are the real ones. Above it, a content that
//! is not wholly literal has *virtual* ones: of the right length, and equal
//! exactly when the canonical descriptions are, which is what comparing two
//! objects needs. Nobody can compute a real MD5 of 50 TB in a test.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::ChecksumAlgorithm;
use super::content::{Content, Run, Segment, runs};

/// Contents that are partly sparse have real digests up to this many bytes.
pub const REAL_DIGEST_LIMIT: u64 = 16 * 1024 * 1024;

/// Bytes rendered at a time when a sparse content is really digested.
const PIECE: usize = 64 * 1024;

/// The digests of a content, each computed when first asked for.
#[derive(Default)]
pub(super) struct Digests([OnceLock<Box<[u8]>>; ChecksumAlgorithm::ALL.len()]);

impl Content {
    /// The raw digest of all its bytes.
    #[must_use]
    pub fn digest(&self, algorithm: ChecksumAlgorithm) -> &[u8] {
        self.digests().0[algorithm as usize].get_or_init(|| compute(self, algorithm))
    }

    /// Its MD5, of which ETags are made.
    #[must_use]
    pub fn md5(&self) -> [u8; 16] {
        let mut out = [0; 16];
        out.copy_from_slice(self.digest(ChecksumAlgorithm::Md5));
        out
    }
}

fn compute(content: &Content, algorithm: ChecksumAlgorithm) -> Box<[u8]> {
    match content.segments() {
        [] => of_bytes(algorithm, &[]),
        [Segment::Literal(bytes)] => of_bytes(algorithm, bytes),
        [Segment::Sparse { seed, offset, len }] if *len <= REAL_DIGEST_LIMIT => {
            remembered(content, (*seed, *offset, *len), algorithm)
        }
        segments => {
            let literal = segments.iter().all(|s| matches!(s, Segment::Literal(_)));
            if literal || content.size() <= REAL_DIGEST_LIMIT {
                real(content, algorithm)
            } else {
                virtually(segments, algorithm)
            }
        }
    }
}

/// The digest of bytes at hand.
pub(super) fn of_bytes(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Box<[u8]> {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

fn real(content: &Content, algorithm: ChecksumAlgorithm) -> Box<[u8]> {
    let mut hasher = Hasher::new(algorithm);
    for bytes in content.chunks(PIECE) {
        hasher.update(&bytes);
    }
    hasher.finish()
}

/// Real digests of sparse runs, for the whole process: simulations make the
/// same objects over and over, and the function is pure.
fn remembered(content: &Content, run: (u64, u64, u64), algorithm: ChecksumAlgorithm) -> Box<[u8]> {
    type Known = BTreeMap<((u64, u64, u64), ChecksumAlgorithm), Box<[u8]>>;
    static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
    const AT_MOST: usize = 16_384;

    let key = (run, algorithm);
    if let Some(digest) = KNOWN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key)
    {
        return digest.clone();
    }
    let digest = real(content, algorithm);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() < AT_MOST {
        known.insert(key, digest.clone());
    }
    digest
}

/// A digest of the description, stretched to the algorithm's length.
fn virtually(segments: &[Segment], algorithm: ChecksumAlgorithm) -> Box<[u8]> {
    let mut hasher = Sha512::new();
    hasher.update(b"virtual ");
    hasher.update(algorithm.as_str());
    for run in runs(segments) {
        match run {
            Run::Literal(bytes) => {
                hasher.update(b"L");
                hasher.update((bytes.len() as u64).to_le_bytes());
                hasher.update(&bytes);
            }
            Run::Sparse(seed, offset, len) => {
                hasher.update(b"S");
                hasher.update(seed.to_le_bytes());
                hasher.update(offset.to_le_bytes());
                hasher.update(len.to_le_bytes());
            }
        }
    }
    hasher.finalize()[..algorithm.size()].into()
}

enum Hasher {
    Crc(crc_fast::Digest, usize),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
    Md5(Md5),
}

impl Hasher {
    fn new(algorithm: ChecksumAlgorithm) -> Self {
        use crc_fast::CrcAlgorithm;
        let crc = |of| Self::Crc(crc_fast::Digest::new(of), algorithm.size());
        match algorithm {
            ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Sha1 => Self::Sha1(Sha1::new()),
            ChecksumAlgorithm::Sha256 => Self::Sha256(Sha256::new()),
            ChecksumAlgorithm::Sha512 => Self::Sha512(Sha512::new()),
            ChecksumAlgorithm::Md5 => Self::Md5(Md5::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(h, _) => h.update(bytes),
            Self::Sha1(h) => h.update(bytes),
            Self::Sha256(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
            Self::Md5(h) => h.update(bytes),
        }
    }

    fn finish(self) -> Box<[u8]> {
        match self {
            Self::Crc(h, len) => h.finalize().to_be_bytes()[8 - len..].into(),
            Self::Sha1(h) => h.finalize()[..].into(),
            Self::Sha256(h) => h.finalize()[..].into(),
            Self::Sha512(h) => h.finalize()[..].into(),
            Self::Md5(h) => h.finalize()[..].into(),
        }
    }
}
