//! What the operator gave on the command line itself.

use std::collections::BTreeSet;

use clap::ArgMatches;
use clap::parser::ValueSource;

/// The arguments that are on the command line. A variable that is set for
/// other commands too is not among them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given(BTreeSet<String>);

impl Given {
    /// Those of a command.
    #[must_use]
    pub fn of(matches: &ArgMatches) -> Self {
        let ids = matches.ids().map(clap::Id::as_str);
        let given = ids.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        Self(given.map(str::to_owned).collect())
    }

    /// The first of these flags, named as their fields are, that was given;
    /// as it is written.
    #[must_use]
    pub fn first_of(&self, names: &[&str]) -> Option<String> {
        let name = names.iter().find(|name| self.0.contains(**name))?;
        Some(format!("--{}", name.replace('_', "-")))
    }
}
