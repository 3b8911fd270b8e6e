//! What was found at a source, as five numbers: to be sorted with others.

use rebucket_protocol::{ETag, StorageClass, Timestamp};

use super::Found;
use crate::plan::PlanError;
use crate::resolve::ManifestError;
use crate::spill::{Spill, SpillError};

/// Sorts by date first.
pub(super) type Packed = [u64; 5];

const HAS_MODIFIED: u64 = 1;
const HAS_SIZE: u64 = 1 << 1;
/// The tag is 32 hexadecimal digits, as nearly all are, and perhaps a number of
/// parts.
const HAS_DIGEST: u64 = 1 << 2;
/// The tag is any other text, or the class has no number: they are on disk, such
/// a class first, with a space between them, which neither has.
const HAS_TEXT: u64 = 1 << 3;
/// The number of the class, from 1 on, in a byte; 0 for none.
const CLASS_SHIFT: u32 = 8;
const PARTS_SHIFT: u32 = 32;

/// The classes that S3 has (API reference of `Object`), those that many objects
/// are in first.
const CLASSES: [&str; 13] = [
    "STANDARD",
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
    "ONEZONE_IA",
    "REDUCED_REDUNDANCY",
    "EXPRESS_ONEZONE",
    "OUTPOSTS",
    "SNOW",
    "FSX_OPENZFS",
    "FSX_ONTAP",
];

/// Makes dates before 1970 sort before the others.
const SIGN: u64 = 1 << 63;

/// Packs what was found. A tag of an unusual form is kept in `spill`, and so is
/// a class that is none of S3's.
pub(super) fn pack(found: &Found, spill: &Spill) -> Result<Packed, SpillError> {
    let mut packed = [0; 5];
    let [modified, size, tag_a, tag_b, flags] = &mut packed;
    if let Some(at) = found.modified {
        *flags |= HAS_MODIFIED;
        *modified = at.unix_seconds().cast_unsigned() ^ SIGN;
    }
    if let Some(bytes) = found.size {
        *flags |= HAS_SIZE;
        *size = bytes;
    }
    let class = found.storage_class.as_ref();
    let class = class.map_or("", StorageClass::as_str);
    let numbered = (1..).zip(CLASSES).find(|(_, name)| *name == class);
    if let Some((number, _)) = numbered {
        *flags |= number << CLASS_SHIFT;
    }
    let class = if numbered.is_some() { "" } else { class };
    let header = found.etag.as_ref().map(ETag::to_header);
    let tag = header.as_deref().map_or("", |tag| tag.trim_matches('"'));
    match digest(tag) {
        Some((digest, parts)) if class.is_empty() => {
            [*tag_a, *tag_b] = digest;
            *flags |= HAS_DIGEST | u64::from(parts) << PARTS_SHIFT;
        }
        _ if tag.is_empty() && class.is_empty() => {}
        _ => {
            let extent = spill.append(format!("{class} {tag}").as_bytes())?;
            [*tag_a, *tag_b] = [extent.at, extent.bytes as u64];
            *flags |= HAS_TEXT;
        }
    }
    Ok(packed)
}

/// Back from [`pack`].
pub(super) fn unpack(packed: Packed, spill: &Spill) -> Result<Found, ManifestError> {
    let altered = || ManifestError::Write(PlanError::Altered);
    let [modified, size, tag_a, tag_b, flags] = packed;
    let tag = |text: &str| ETag::new(text).map_err(|_| altered());
    let class = |name: &str| StorageClass::new(name).map_err(|_| altered());
    let number = usize::from(flags.to_le_bytes()[1]);
    let mut storage_class = match number.checked_sub(1) {
        None => None,
        Some(at) => Some(class(CLASSES.get(at).ok_or_else(altered)?)?),
    };
    let etag = if flags & HAS_DIGEST != 0 {
        let digest = format!("{tag_a:016x}{tag_b:016x}");
        Some(match flags >> PARTS_SHIFT {
            0 => tag(&digest)?,
            parts => tag(&format!("{digest}-{parts}"))?,
        })
    } else if flags & HAS_TEXT != 0 {
        let mut bytes = vec![0; usize::try_from(tag_b).map_err(|_| altered())?];
        spill.read(&mut bytes, tag_a)?;
        let text = str::from_utf8(&bytes).map_err(|_| altered())?;
        let (name, text) = text.split_once(' ').ok_or_else(altered)?;
        if !name.is_empty() {
            storage_class = Some(class(name)?);
        }
        (!text.is_empty()).then(|| tag(text)).transpose()?
    } else {
        None
    };
    let modified = if flags & HAS_MODIFIED == 0 {
        None
    } else {
        let seconds = (modified ^ SIGN).cast_signed();
        Some(Timestamp::from_unix(seconds, 0).ok_or_else(altered)?)
    };
    Ok(Found {
        etag,
        size: (flags & HAS_SIZE != 0).then_some(size),
        modified,
        storage_class,
    })
}

/// The digits of a tag and the number of its parts, 0 for none; `None` where
/// [`unpack`] would make another text of them.
fn digest(text: &str) -> Option<([u64; 2], u32)> {
    let (digits, parts) = match text.split_once('-') {
        None => (text, 0),
        Some((digits, parts)) => {
            let number = parts.parse::<u32>().ok().filter(|number| *number > 0)?;
            (digits, (number.to_string() == parts).then_some(number)?)
        }
    };
    let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() != 32 || !digits.bytes().all(plain) {
        return None;
    }
    let half = |digits| u64::from_str_radix(digits, 16).ok();
    Some(([half(&digits[..16])?, half(&digits[16..])?], parts))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_found_comes_back(
            etag in prop::option::of("[0-9a-f]{32}(-[0-9]{1,11})?|[0-9a-fA-F]{30,33}|[!-~&&[^\"]]{1,40}"),
            size: Option<u64>,
            modified in prop::option::of(-60_000_000_000_i64..250_000_000_000),
            class in prop::option::of(prop_oneof![
                prop::sample::select(CLASSES.to_vec()).prop_map(str::to_owned),
                "[A-Z0-9_]{1,64}",
            ]),
        ) {
            let spill = Spill::new(std::env::temp_dir()).unwrap();
            let found = Found {
                etag: etag.map(|etag| ETag::new(&etag).unwrap()),
                size,
                modified: modified.map(|at| Timestamp::from_unix(at, 0).unwrap()),
                storage_class: class.map(|class| StorageClass::new(class).unwrap()),
            };
            let packed = pack(&found, &spill).unwrap();
            prop_assert_eq!(unpack(packed, &spill).unwrap(), found);
        }
    }

    #[test]
    fn a_tag_of_the_usual_form_and_a_class_of_s3_take_no_room_of_their_own() {
        let spill = Spill::new(std::env::temp_dir()).unwrap();
        for tag in [
            "d316408c159ea701ab954894bd3a92c2",
            "0000408c159ea701ab954894bd3a92c2-10000",
        ] {
            for class in CLASSES {
                let found = Found {
                    etag: Some(ETag::new(tag).unwrap()),
                    storage_class: Some(StorageClass::new(class).unwrap()),
                    ..Found::default()
                };
                pack(&found, &spill).unwrap();
            }
        }
        assert_eq!(spill.reserve(0).at, 0);
    }
}
