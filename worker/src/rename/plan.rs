//! How an object is copied: in one request, or in which parts. Pure.

use crate::store::PartRange;

/// The smallest part but the last: 5 MiB (S3 limit, User Guide, "Amazon S3
/// multipart upload limits").
pub const MIN_PART: u64 = 5 << 20;

/// The largest part: 5 GiB (same source).
pub const MAX_PART: u64 = 5 << 30;

/// The most parts of an upload (same source).
pub const MAX_PARTS: u64 = 10_000;

/// The largest object that one `CopyObject` copies. S3 says "5 GB" and leaves
/// the exact number of bytes open; this is the smaller reading.
pub const MAX_SINGLE_COPY: u64 = 5_000_000_000;

const MIB: u64 = 1 << 20;

/// When to copy in parts, and in which size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSettings {
    /// Objects larger than this many bytes are copied in parts. At most
    /// [`MAX_SINGLE_COPY`].
    pub threshold: u64,
    /// The part size in bytes, unless the source's own parts or the limit of
    /// 10,000 parts ask for another.
    pub part_size: u64,
}

impl Default for PartSettings {
    fn default() -> Self {
        Self {
            threshold: 1 << 30,
            part_size: 128 * MIB,
        }
    }
}

/// How to copy one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyPlan {
    /// One `CopyObject`.
    Single,
    /// A multipart upload.
    Parts(PartPlan),
}

/// Parts of equal size, but for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlan {
    size: u64,
    part_size: u64,
}

/// Why no plan exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More than 10,000 parts of 5 GiB.
    #[error("{0} bytes are more than 10,000 parts of 5 GiB can carry")]
    TooLarge(u64),
    /// Parts of nothing.
    #[error("an empty object cannot be copied in parts")]
    Empty,
    /// Outside 5 MiB to 5 GiB, or needing more than 10,000 parts.
    #[error("{size} bytes cannot be copied in parts of {part_size} bytes")]
    PartSize {
        /// The object's size.
        size: u64,
        /// The part size that was asked for.
        part_size: u64,
    },
}

impl CopyPlan {
    /// Decides for an object of `size` bytes. `source_part` is the size of the
    /// source's own parts, if it has equal ones: copying with the same
    /// boundaries reproduces its ETag, which makes the copy comparable.
    ///
    /// # Errors
    /// [`PlanError::TooLarge`].
    pub fn new(
        size: u64,
        settings: PartSettings,
        source_part: Option<u64>,
    ) -> Result<Self, PlanError> {
        if size == 0 || size <= settings.threshold.min(MAX_SINGLE_COPY) {
            return Ok(Self::Single);
        }
        if let Some(plan) = source_part.and_then(|part| PartPlan::new(size, part).ok()) {
            return Ok(Self::Parts(plan));
        }
        let least = size.div_ceil(MAX_PARTS);
        if least > MAX_PART {
            return Err(PlanError::TooLarge(size));
        }
        let part_size = settings.part_size.clamp(MIN_PART, MAX_PART);
        // Whole mebibytes, because they are easier to read in a log.
        let part_size = part_size.max(least.div_ceil(MIB) * MIB).min(MAX_PART);
        PartPlan::new(size, part_size).map(Self::Parts)
    }
}

impl PartPlan {
    /// Parts of `part_size` bytes, the last one perhaps smaller.
    ///
    /// # Errors
    /// [`PlanError`] when S3 would refuse them.
    pub fn new(size: u64, part_size: u64) -> Result<Self, PlanError> {
        if size == 0 {
            return Err(PlanError::Empty);
        }
        // A single part may be smaller than the minimum: it is the last one.
        let large_enough = part_size >= MIN_PART || (part_size >= size && part_size > 0);
        if !large_enough || part_size > MAX_PART || size.div_ceil(part_size) > MAX_PARTS {
            return Err(PlanError::PartSize { size, part_size });
        }
        Ok(Self { size, part_size })
    }

    /// The size in bytes of every part but the last.
    #[must_use]
    pub fn part_size(&self) -> u64 {
        self.part_size
    }

    /// The number of parts, 1 to 10,000.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.size.div_ceil(self.part_size)
    }

    /// The parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = PartRange> + use<> {
        let Self { size, part_size } = *self;
        (1u32..)
            .zip((0..self.count()).map(move |index| index * part_size))
            .map(move |(number, start)| PartRange {
                number,
                start,
                len: part_size.min(size - start),
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TB: u64 = 1_000_000_000_000;

    fn plan(size: u64) -> CopyPlan {
        CopyPlan::new(size, PartSettings::default(), None).unwrap()
    }

    #[test]
    fn small_objects_take_one_request() {
        for size in [0, 1, MIN_PART, 1 << 30] {
            assert_eq!(plan(size), CopyPlan::Single, "{size}");
        }
        assert!(matches!(plan((1 << 30) + 1), CopyPlan::Parts(_)));
    }

    #[test]
    fn no_threshold_makes_one_request_of_more_than_s3_copies() {
        let settings = PartSettings {
            threshold: u64::MAX,
            ..PartSettings::default()
        };
        let plan = |size| CopyPlan::new(size, settings, None).unwrap();
        assert_eq!(plan(MAX_SINGLE_COPY), CopyPlan::Single);
        assert!(matches!(plan(MAX_SINGLE_COPY + 1), CopyPlan::Parts(_)));
    }

    #[test]
    fn an_empty_object_is_never_copied_in_parts() {
        let settings = PartSettings {
            threshold: 0,
            ..PartSettings::default()
        };
        assert_eq!(CopyPlan::new(0, settings, None), Ok(CopyPlan::Single));
        assert!(matches!(
            CopyPlan::new(1, settings, None),
            Ok(CopyPlan::Parts(_))
        ));
    }

    #[test]
    fn the_largest_object_fits_and_a_larger_one_is_refused() {
        let CopyPlan::Parts(parts) = plan(50 * TB) else {
            panic!("one request for 50 TB")
        };
        assert!(parts.count() <= MAX_PARTS && parts.part_size() <= MAX_PART);
        let limit = MAX_PARTS * MAX_PART;
        assert!(CopyPlan::new(limit, PartSettings::default(), None).is_ok());
        assert_eq!(
            CopyPlan::new(limit + 1, PartSettings::default(), None),
            Err(PlanError::TooLarge(limit + 1))
        );
    }

    #[test]
    fn the_sources_own_parts_are_kept_when_they_are_legal() {
        let size = 3 << 30;
        let own = CopyPlan::new(size, PartSettings::default(), Some(8 * MIB)).unwrap();
        assert_eq!(
            own,
            CopyPlan::Parts(PartPlan {
                size,
                part_size: 8 * MIB
            })
        );
        // 1 MiB parts cannot be made by a copy.
        assert_eq!(
            CopyPlan::new(size, PartSettings::default(), Some(MIB)).unwrap(),
            plan(size)
        );
    }

    proptest! {
        #[test]
        fn parts_cover_every_byte_once_within_the_limits(
            size in prop_oneof![1..200_000_000u64, 1..=50 * TB],
            threshold in 0..10_000_000_000u64,
            part_size in 0..10_000_000_000u64,
            source_part in prop::option::of(0..10_000_000_000u64),
        ) {
            let settings = PartSettings { threshold, part_size };
            let CopyPlan::Parts(plan) = CopyPlan::new(size, settings, source_part).unwrap() else {
                prop_assert!(size <= MAX_SINGLE_COPY);
                return Ok(());
            };
            let parts: Vec<_> = plan.parts().collect();
            prop_assert!(parts.len() as u64 <= MAX_PARTS);
            let mut next = 0;
            for (index, part) in parts.iter().enumerate() {
                prop_assert_eq!(part.number as usize, index + 1);
                prop_assert_eq!(part.start, next);
                prop_assert!(part.len > 0 && part.len <= MAX_PART);
                prop_assert!(part.len >= MIN_PART || index + 1 == parts.len());
                next += part.len;
            }
            prop_assert_eq!(next, size);
        }
    }
}
