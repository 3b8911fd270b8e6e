//! Manifests made from keys: which objects are renamed, and to what.
//!
//! Everything here is pure: keys come in from a listing, from S3 Inventory
//! ([`inventory`]) or from a file ([`keyfile`]), are filtered ([`filter`]) and
//! changed ([`rewrite`], [`template`]), and go out as a manifest ([`maker`])
//! that `rebucket plan` reads. What is asked of S3, and in which order, is
//! decided in [`coverage`] and done elsewhere.

pub mod coverage;
pub mod decode;
pub mod entry;
pub mod filter;
pub mod glob;
mod hashes;
pub mod inventory;
pub mod keyfile;
pub mod maker;
pub mod mapping;
pub mod output;
pub mod rewrite;
mod stream;
pub mod syntax;
pub mod template;

pub use entry::{Entry, Listed};
pub use filter::Filters;
pub use glob::Glob;
pub use maker::{Again, Counts, Made, Maker};
pub use mapping::{Change, Mapped, Mapping, RowProblem};
pub use rewrite::Rule;
pub use syntax::SyntaxError;
pub use template::Template;
