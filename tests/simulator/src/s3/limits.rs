//! The limits of Amazon S3, in bytes unless said otherwise.

use super::{ErrorCode, S3Error, S3Result};

/// One mebibyte.
pub const MIB: u64 = 1024 * 1024;
/// One gibibyte.
pub const GIB: u64 = 1024 * MIB;
/// The largest object: 50 TB, which S3 counts in powers of two.
pub const MAX_OBJECT: u64 = 50 * 1024 * GIB;
/// The largest object that one `PutObject` or `CopyObject` makes.
pub const MAX_SINGLE: u64 = 5 * GIB;
/// The smallest part, except the last.
pub const MIN_PART: u64 = 5 * MIB;
/// The largest part.
pub const MAX_PART: u64 = 5 * GIB;
/// Part numbers run from 1 to this.
pub const MAX_PARTS: u32 = 10_000;
/// The longest key, in bytes of UTF-8.
pub const MAX_KEY: usize = 1_024;
/// The most that the names and values of user metadata may add up to.
pub const MAX_USER_METADATA: usize = 2_048;
/// Keys in a listing, in a `DeleteObjects`, parts in a `ListParts`.
pub const MAX_PAGE: usize = 1_000;

/// A key that S3 takes: 1 to 1,024 bytes.
pub(super) fn check_key(key: &str) -> S3Result<()> {
    if key.is_empty() {
        return Err(S3Error::argument("the key is empty"));
    }
    if key.len() > MAX_KEY {
        return Err(S3Error::new(ErrorCode::KeyTooLong, "Your key is too long"));
    }
    Ok(())
}
