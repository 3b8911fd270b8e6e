//! A plan once more, with its linked rows pinned.

use std::io::{Read, Seek, Write};

use super::{ManifestError, Pin};
use crate::choices::JobChoices;
use crate::plan::block::StepHead;
use crate::plan::{PlanReader, PlanWriter, PlannedRename, PlannedStep, Resolution};

/// Steps that are pinned at once.
const PINNED_AT_ONCE: usize = 1_024;

/// Copies a plan, and adds to its linked rows what `pin` says of them. What was
/// chosen for the job is left out: the copy has the renames and nothing else.
///
/// The copy has another digest than the plan: it is of what was at the sources
/// as well.
///
/// # Errors
/// [`ManifestError::Pin`], or when one cannot be read or the other not be
/// written. What was written until then is not a plan.
pub fn pin_plan<R: Read + Seek, W: Write>(
    plan: &mut PlanReader<R>,
    out: W,
    pin: Pin<'_>,
) -> Result<(W, Resolution), ManifestError> {
    let written = ManifestError::Write;
    let mut copy = PlanWriter::new(out, JobChoices::default()).map_err(written)?;
    copy.count(&plan.resolution().totals);
    plan.blocks(|block| copy.append(block).map(drop))
        .map_err(written)?;
    let mut steps = plan.steps().map_err(written)?;
    loop {
        let some = steps.by_ref().take(PINNED_AT_ONCE);
        let some: Vec<PlannedStep> = some.collect::<Result<_, _>>().map_err(written)?;
        if some.is_empty() {
            break;
        }
        let (heads, mut renames): (Vec<StepHead>, Vec<PlannedRename>) = some
            .into_iter()
            .map(|step| {
                let head = StepHead {
                    segment: step.segment,
                    kind: step.kind,
                    after: step.after,
                };
                (head, step.rename)
            })
            .unzip();
        pin(&mut renames).map_err(ManifestError::Pin)?;
        for (head, rename) in heads.into_iter().zip(&renames) {
            copy.write_step(head, rename).map_err(written)?;
        }
    }
    copy.end_steps().map_err(written)?;
    copy.finish().map_err(written)
}
