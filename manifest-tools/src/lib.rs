//! What the `rebucket` program is made of besides its subcommands: flags and
//! exit codes. Manifests and plans are in `rebucket-planner`.

pub mod args;
pub mod exit;
pub mod map_args;
pub mod outcomes;

pub use exit::Exit;
