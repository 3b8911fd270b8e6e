//! What the `rebucket` program is made of besides its subcommands: flags and
//! exit codes. Manifests and plans are in `rebucket-planner`.

pub mod args;
pub mod exit;

pub use exit::Exit;
