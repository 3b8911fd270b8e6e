//! Manifests and plans: what is to be renamed, checked before anything is.
//!
//! A CSV manifest ([`input`], [`manifest`]) is read row by row, every row is
//! checked, and what is right is written as a [`plan`]; [`mod@resolve`] ties the
//! three together and reports every [`problem`] with its line and column.

pub mod chains;
pub mod choices;
mod collisions;
mod findings;
pub mod input;
mod linking;
pub mod manifest;
mod names;
pub mod pinning;
mod pipeline;
pub mod plan;
pub mod problem;
mod records;
pub mod resolve;
mod sorted;
pub mod sorted_bytes;
pub mod spill;
mod validate;

pub use chains::StepKind;
pub use choices::JobChoices;
pub use input::{Input, InputError, open, open_reader};
pub use manifest::ManifestOptions;
pub use plan::{
    PlanDigest, PlanError, PlanReader, PlanWriter, PlannedRename, PlannedSegment, PlannedStep,
    Resolution, SegmentError, Segments, Steps, Submission, Totals,
};
pub use problem::{Problem, ProblemKind, Problems, Severity};
pub use records::count_records;
pub use resolve::{
    InvalidManifest, ManifestError, PinError, Resolved, Warnings, is_plan, prepare, resolve,
};
pub use spill::SpillError;
