//! Manifests and plans: what is to be renamed, checked before anything is.
//!
//! A CSV manifest ([`input`], [`manifest`]) is read row by row, every row is
//! checked, and what is right is written as a [`plan`]; [`mod@resolve`] ties the
//! three together and reports every [`problem`] with its line and column.

pub mod choices;
mod index;
pub mod input;
pub mod manifest;
pub mod plan;
pub mod problem;
mod records;
pub mod resolve;
mod validate;

pub use choices::JobChoices;
pub use input::{Input, InputError, open, open_reader};
pub use manifest::ManifestOptions;
pub use plan::{PlanDigest, PlanError, PlanReader, PlanWriter, PlannedRename, Resolution, Totals};
pub use problem::{Problem, ProblemKind, Problems};
pub use resolve::{InvalidManifest, ManifestError, is_plan, prepare, resolve};
