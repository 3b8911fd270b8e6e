//! The parts of a plan's file: header, blocks, trailer, each with its
//! checksum. docs/PLAN.md describes them.

use std::hash::Hasher;
use std::io::{self, Read};

use sha2::{Digest, Sha256};
use twox_hash::XxHash3_64;

use super::{PLAN_VERSION, PlanDigest, PlanError};

/// What every plan starts with, and no text: the line endings are there to be
/// broken by whatever takes the plan for text.
pub(super) const MAGIC: &[u8] = b"\x89rebucket-plan\r\n\x1a\n";

/// So many bytes of a file tell whether it is a plan.
pub(crate) const HEAD_BYTES: usize = MAGIC.len();

/// What plans of version 1 start with. They are refused.
const VERSION_1: &[u8] = b"{\"rebucket_plan\":1";

/// True when a file that starts with `head` is a plan, though perhaps one that
/// is cut short or damaged in its first bytes: no text comes near them.
pub(crate) fn begins_a_plan(head: &[u8]) -> bool {
    let compared = head.len().min(MAGIC.len());
    let pairs = head.iter().zip(MAGIC);
    let wrong = pairs.filter(|(found, right)| found != right).count();
    compared > 0 && wrong * 4 <= compared || head.starts_with(VERSION_1)
}

/// What a block has in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum BlockKind {
    /// Renames in the manifest's order.
    #[default]
    Renames,
    /// Which of these are linked, and come in steps instead.
    Linked,
    /// Steps of segments.
    Steps,
}

impl BlockKind {
    fn code(self) -> u8 {
        match self {
            Self::Renames => b'B',
            Self::Linked => b'L',
            Self::Steps => b'S',
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Renames, Self::Linked, Self::Steps]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

const TRAILER: u8 = b'E';

/// No part of a plan is longer; says damage from a length before the length is
/// believed.
const LONGEST: u32 = 64 * 1024 * 1024;

const CHECKSUM_BYTES: usize = 8;

/// Compression of the blocks: the fastest level.
const LEVEL: i32 = 1;

/// A block as it stands in the file, and what the trailer must know of it.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    bytes: Vec<u8>,
    head: BlockHead,
    checksum: u64,
    pub(crate) first_line: u64,
}

impl Sealed {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn rows(&self) -> u32 {
        self.head.rows
    }

    pub(crate) fn kind(&self) -> BlockKind {
        self.head.kind
    }
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct BlockHead {
    pub(super) kind: BlockKind,
    pub(super) rows: u32,
    compressed: u32,
    payload: u32,
    /// SHA-256 of the payload.
    digest: [u8; 32],
}

const BLOCK_HEAD_BYTES: usize = 1 + 4 + 4 + 4 + 32;

impl BlockHead {
    fn to_bytes(self) -> [u8; BLOCK_HEAD_BYTES] {
        let mut bytes = [0; BLOCK_HEAD_BYTES];
        bytes[0] = self.kind.code();
        bytes[1..5].copy_from_slice(&self.rows.to_le_bytes());
        bytes[5..9].copy_from_slice(&self.compressed.to_le_bytes());
        bytes[9..13].copy_from_slice(&self.payload.to_le_bytes());
        bytes[13..].copy_from_slice(&self.digest);
        bytes
    }
}

/// Compresses blocks.
pub(crate) struct Sealer {
    compressor: zstd::bulk::Compressor<'static>,
}

impl Sealer {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
        })
    }

    /// Makes a block of `payload`, which has so many rows, in place of what
    /// `out` was.
    pub(crate) fn seal(
        &mut self,
        kind: BlockKind,
        payload: &[u8],
        rows: u32,
        out: &mut Sealed,
    ) -> io::Result<()> {
        let compressed = self.compressor.compress(payload)?;
        let length = |bytes: &[u8]| {
            u32::try_from(bytes.len())
                .ok()
                .filter(|length| *length <= LONGEST)
                .ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))
        };
        out.head = BlockHead {
            kind,
            rows,
            compressed: length(&compressed)?,
            payload: length(payload)?,
            digest: Sha256::digest(payload).into(),
        };
        out.bytes.clear();
        out.bytes.extend_from_slice(&out.head.to_bytes());
        out.bytes.extend_from_slice(&compressed);
        out.checksum = XxHash3_64::oneshot(&out.bytes);
        out.bytes.extend_from_slice(&out.checksum.to_le_bytes());
        Ok(())
    }
}

/// The checksums over all parts, as far as they are known.
#[derive(Clone, Default)]
pub(super) struct Sums {
    /// Over the payloads: the plan's digest.
    renames: Sha256,
    /// Over header and blocks.
    file: Sha256,
}

impl Sums {
    pub(super) fn header(&mut self, bytes: &[u8]) {
        self.file.update(bytes);
    }

    pub(super) fn sealed(&mut self, block: &Sealed) {
        self.block(&block.head, block.checksum);
    }

    /// The checksum stands for the compressed bytes, so that hashing them does
    /// not set the pace.
    pub(super) fn block(&mut self, head: &BlockHead, checksum: u64) {
        self.renames.update(head.digest);
        self.file.update(head.to_bytes());
        self.file.update(checksum.to_le_bytes());
    }

    pub(super) fn digest(&self) -> PlanDigest {
        PlanDigest(hex::encode(self.renames.clone().finalize()))
    }

    /// The trailer, with its checksum over everything.
    pub(super) fn trailer(mut self, json: &[u8]) -> Result<Vec<u8>, PlanError> {
        let length = u32::try_from(json.len())
            .map_err(|_| PlanError::Io(io::ErrorKind::FileTooLarge.into()))?;
        let mut bytes = vec![TRAILER];
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(json);
        self.file.update(&bytes);
        bytes.extend_from_slice(&self.file.finalize());
        Ok(bytes)
    }
}

/// A header with these choices.
pub(super) fn header(json: &[u8]) -> Result<Vec<u8>, PlanError> {
    let length =
        u32::try_from(json.len()).map_err(|_| PlanError::Io(io::ErrorKind::FileTooLarge.into()))?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&PLAN_VERSION.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(json);
    let checksum = XxHash3_64::oneshot(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// Reads a header: its bytes, and the choices in it.
pub(super) fn read_header(source: &mut impl Read) -> Result<(Vec<u8>, Vec<u8>), PlanError> {
    let mut bytes = Vec::new();
    let magic = take(source, &mut bytes, MAGIC.len())?;
    if bytes != MAGIC {
        let cut_short = !magic && !bytes.is_empty() && MAGIC.starts_with(&bytes);
        return Err(if cut_short {
            PlanError::CutShort(0)
        } else if bytes.starts_with(VERSION_1) || VERSION_1.starts_with(&bytes) && magic {
            PlanError::Version(1)
        } else if begins_a_plan(&bytes) {
            PlanError::Altered
        } else {
            PlanError::NotAPlan
        });
    }
    let mut number = |bytes: &mut Vec<u8>| -> Result<u32, PlanError> {
        let at = bytes.len();
        if !take(source, bytes, 4)? {
            return Err(PlanError::CutShort(0));
        }
        Ok(le_u32(&bytes[at..]))
    };
    // First of all, so that a newer plan is reported as newer.
    let version = number(&mut bytes)?;
    if version != PLAN_VERSION {
        return Err(PlanError::Version(version));
    }
    let length = number(&mut bytes)?;
    if length > LONGEST {
        return Err(PlanError::Altered);
    }
    let json_at = bytes.len();
    let rest = length as usize + CHECKSUM_BYTES;
    if !take(source, &mut bytes, rest)? {
        return Err(PlanError::CutShort(0));
    }
    let (checked, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    if XxHash3_64::oneshot(checked).to_le_bytes() != checksum {
        return Err(PlanError::Altered);
    }
    let json = checked[json_at..].to_vec();
    Ok((bytes, json))
}

/// A part of the plan after its header.
pub(super) enum Part {
    Block(BlockHead, u64),
    /// The trailer's JSON, and all its bytes.
    Trailer(Vec<u8>, Vec<u8>),
}

/// Reads the next part. A block's compressed bytes are left in `compressed`.
/// `before` is the number of renames before it.
pub(super) fn read_part(
    source: &mut impl Read,
    compressed: &mut Vec<u8>,
    before: u64,
) -> Result<Part, PlanError> {
    let cut_short = || PlanError::CutShort(before);
    let mut bytes = Vec::new();
    if !take(source, &mut bytes, 1)? {
        return Err(cut_short());
    }
    if let Some(kind) = BlockKind::of(bytes[0]) {
        return read_block(source, kind, bytes, compressed, before);
    }
    match bytes[0] {
        TRAILER => {
            if !take(source, &mut bytes, 4)? {
                return Err(cut_short());
            }
            let length = le_u32(&bytes[1..]);
            if length > LONGEST {
                return Err(PlanError::Altered);
            }
            if !take(source, &mut bytes, length as usize + 32)? {
                return Err(cut_short());
            }
            let json = bytes[5..5 + length as usize].to_vec();
            Ok(Part::Trailer(json, bytes))
        }
        _ => Err(PlanError::Altered),
    }
}

fn read_block(
    source: &mut impl Read,
    kind: BlockKind,
    mut bytes: Vec<u8>,
    compressed: &mut Vec<u8>,
    before: u64,
) -> Result<Part, PlanError> {
    let cut_short = || PlanError::CutShort(before);
    if !take(source, &mut bytes, BLOCK_HEAD_BYTES - 1)? {
        return Err(cut_short());
    }
    let mut head = BlockHead {
        kind,
        rows: le_u32(&bytes[1..]),
        compressed: le_u32(&bytes[5..]),
        payload: le_u32(&bytes[9..]),
        digest: [0; 32],
    };
    head.digest.copy_from_slice(&bytes[13..]);
    if head.compressed > LONGEST || head.payload > LONGEST {
        return Err(PlanError::Altered);
    }
    compressed.clear();
    let rest = head.compressed as usize + CHECKSUM_BYTES;
    if !take(source, compressed, rest)? {
        return Err(cut_short());
    }
    let at = compressed.len() - CHECKSUM_BYTES;
    let mut sum = XxHash3_64::new();
    sum.write(&bytes);
    sum.write(&compressed[..at]);
    let sum = sum.finish();
    if sum.to_le_bytes() != compressed[at..] {
        return Err(PlanError::Altered);
    }
    compressed.truncate(at);
    Ok(Part::Block(head, sum))
}

/// Decompresses blocks.
pub(crate) struct Opener {
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener")
    }
}

impl Opener {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            decompressor: zstd::bulk::Decompressor::new()?,
        })
    }

    /// The payload of a block, in place of what `out` was.
    pub(super) fn open(
        &mut self,
        head: &BlockHead,
        compressed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), PlanError> {
        out.clear();
        out.reserve(head.payload as usize);
        self.decompressor
            .decompress_to_buffer(compressed, out)
            .map_err(|_| PlanError::Altered)?;
        let digest: [u8; 32] = Sha256::digest(&out[..]).into();
        if out.len() == head.payload as usize && digest == head.digest {
            Ok(())
        } else {
            Err(PlanError::Altered)
        }
    }
}

/// Appends the next `count` bytes; false when the source ends before.
fn take(source: &mut impl Read, out: &mut Vec<u8>, count: usize) -> io::Result<bool> {
    Ok(source.by_ref().take(count as u64).read_to_end(out)? == count)
}

fn le_u32(bytes: &[u8]) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[..4]);
    u32::from_le_bytes(number)
}
