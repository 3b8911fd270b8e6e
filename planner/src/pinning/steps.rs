//! The pins of linked rows on their way to their steps, which are in another
//! order than the rows.

use std::io::{Read, Seek};
use std::iter::Peekable;

use rebucket_protocol::Pins;

use super::Found;
use super::packed::{pack, unpack};
use crate::plan::{PlanError, PlanReader, PlannedRename};
use crate::resolve::ManifestError;
use crate::sorted::{Sorted, Sorter};
use crate::spill::{Spill, SpillError};

/// Takes the pins of linked rows in the rows' order.
pub(super) struct StepPins {
    spill: Spill,
    /// A row, and the number of a step of it. By row.
    wanted: Peekable<Sorted<2>>,
    /// The number of a step, and its pins.
    given: Sorter<6>,
}

impl StepPins {
    /// Reads the plan's steps. Uses a quarter of `memory`: [`Sights`] has the
    /// rest.
    ///
    /// [`Sights`]: super::Sights
    pub(super) fn new<R: Read + Seek>(
        plan: &mut PlanReader<R>,
        spill: &Spill,
        memory: usize,
    ) -> Result<Self, ManifestError> {
        let mut wanted = Sorter::new(spill, memory / 8);
        for (number, step) in (0..).zip(plan.steps().map_err(ManifestError::Write)?) {
            let row = step.map_err(ManifestError::Write)?.rename.row;
            wanted.push([row, number])?;
        }
        Ok(Self {
            spill: spill.clone(),
            wanted: wanted.finish()?.peekable(),
            given: Sorter::new(spill, memory / 8),
        })
    }

    /// Adds a row's pins.
    pub(super) fn give(&mut self, rename: &PlannedRename) -> Result<(), SpillError> {
        let packed = pack(
            &Found {
                etag: rename.pins.etag.clone(),
                size: rename.pins.size,
                modified: rename.pins.modified,
                storage_class: rename.pins.storage_class.clone(),
            },
            &self.spill,
        )?;
        let [modified, size, tag_a, tag_b, flags] = packed;
        let of_row = |next: &Result<[u64; 2], SpillError>| match next {
            Ok([row, _]) => *row <= rename.row,
            Err(_) => true,
        };
        while let Some(next) = self.wanted.next_if(of_row) {
            let [row, number] = next?;
            if row == rename.row {
                let entry = [number, modified, size, tag_a, tag_b, flags];
                self.given.push(entry)?;
            }
        }
        Ok(())
    }

    /// All pins, in the steps' order.
    pub(super) fn finish(self) -> Result<PinsInOrder, SpillError> {
        Ok(PinsInOrder {
            spill: self.spill,
            given: self.given.finish()?,
        })
    }
}

/// See [`StepPins::finish`].
pub(super) struct PinsInOrder {
    spill: Spill,
    given: Sorted<6>,
}

impl PinsInOrder {
    /// Puts the pins of the next step into it.
    pub(super) fn take(&mut self, pins: &mut Pins) -> Result<(), ManifestError> {
        // Every step is one of a linked row.
        let next = self.given.next();
        let [_, packed @ ..] = next.ok_or(ManifestError::Write(PlanError::Altered))??;
        let Found {
            etag,
            size,
            modified,
            storage_class,
        } = unpack(packed, &self.spill)?;
        (pins.etag, pins.size, pins.modified) = (etag, size, modified);
        pins.storage_class = storage_class;
        Ok(())
    }
}
