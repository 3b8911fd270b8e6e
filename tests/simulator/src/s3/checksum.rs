//! The additional checksums of S3.

use std::fmt;

use super::{Content, ErrorCode, S3Error, S3Result};

/// How a checksum is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChecksumAlgorithm {
    /// CRC-32, 4 bytes.
    Crc32,
    /// CRC-32C, 4 bytes.
    Crc32c,
    /// CRC-64/NVME, 8 bytes: what S3 computes when nothing is asked.
    Crc64Nvme,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
    /// MD5, 16 bytes.
    Md5,
}

impl ChecksumAlgorithm {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Md5,
    ];

    /// The name on the wire, such as `CRC64NVME`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
            Self::Md5 => "MD5",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|a| a.as_str().eq_ignore_ascii_case(name))
    }

    /// The length of its raw value in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The type that a multipart upload has when it names none.
    #[must_use]
    pub fn default_type(self) -> ChecksumType {
        match self {
            Self::Crc64Nvme => ChecksumType::FullObject,
            _ => ChecksumType::Composite,
        }
    }

    /// Whether a multipart upload may have this algorithm with that type.
    #[must_use]
    pub fn allows(self, kind: ChecksumType) -> bool {
        match (self, kind) {
            (Self::Crc32 | Self::Crc32c, _) => true,
            (Self::Crc64Nvme, kind) => kind == ChecksumType::FullObject,
            (_, kind) => kind == ChecksumType::Composite,
        }
    }
}

/// What a checksum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChecksumType {
    /// The bytes of the whole object.
    FullObject,
    /// The checksums of the parts.
    Composite,
}

impl ChecksumType {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    /// The type of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite]
            .into_iter()
            .find(|t| t.as_str() == name)
    }
}

/// A checksum as S3 shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: ChecksumAlgorithm,
    /// What it covers.
    pub kind: ChecksumType,
    /// Base64; a composite one ends in `-N`.
    pub value: String,
}

/// What a request says of the checksum of the bytes that it brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChecksumRequest {
    /// The algorithm to keep; that of `expected` when there is one.
    pub algorithm: Option<ChecksumAlgorithm>,
    /// The base64 value that the bytes must have, or `BadDigest`.
    pub expected: Option<(ChecksumAlgorithm, String)>,
    /// The base64 MD5 that the bytes must have, or `BadDigest`.
    pub content_md5: Option<String>,
}

impl ChecksumRequest {
    /// Checks the bytes of a request that keeps none of it.
    pub fn verify(&self, content: &Content) -> S3Result<()> {
        self.check(content).map(drop)
    }

    /// Checks the bytes and names the algorithm to keep, if one was named.
    pub(super) fn check(&self, content: &Content) -> S3Result<Option<ChecksumAlgorithm>> {
        if let Some(md5) = &self.content_md5
            && *md5 != base64(&content.md5())
        {
            return Err(bad_digest("The Content-MD5 you specified"));
        }
        if let Some((algorithm, value)) = &self.expected {
            if self.algorithm.is_some_and(|named| named != *algorithm) {
                return Err(S3Error::request(
                    "Value for x-amz-sdk-checksum-algorithm header is invalid.",
                ));
            }
            let raw = base64_simd::STANDARD.decode_to_vec(value);
            if !raw.is_ok_and(|raw| raw.len() == algorithm.size()) {
                return Err(S3Error::request(format!(
                    "Value for x-amz-checksum-{} header is invalid.",
                    algorithm.as_str().to_lowercase()
                )));
            }
            if *value != base64(content.digest(*algorithm)) {
                return Err(bad_digest(algorithm.as_str()));
            }
            return Ok(Some(*algorithm));
        }
        Ok(self.algorithm)
    }
}

pub(super) fn bad_digest(what: impl fmt::Display) -> S3Error {
    S3Error::new(
        ErrorCode::BadDigest,
        format!("{what} did not match the calculated checksum."),
    )
}

/// What a version keeps of its checksum; the value is computed when asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChecksumKept {
    /// How it is computed.
    pub algorithm: ChecksumAlgorithm,
    /// What it covers.
    pub kind: ChecksumType,
}

/// The composite checksum of the parts: the digest of their digests, and how
/// many.
pub(super) fn composite<'a>(
    algorithm: ChecksumAlgorithm,
    parts: impl IntoIterator<Item = &'a Content>,
) -> String {
    let mut raw = Vec::new();
    let mut count = 0_usize;
    for part in parts {
        raw.extend_from_slice(part.digest(algorithm));
        count += 1;
    }
    format!(
        "{}-{count}",
        base64(&super::digest::of_bytes(algorithm, &raw))
    )
}

/// Standard base64, padded.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}
