//! The program `rebucket` as operators and scripts see it, without a server.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bench;
mod distinct;
mod files;
mod flags;
mod idle;
mod missing;
mod problems;
