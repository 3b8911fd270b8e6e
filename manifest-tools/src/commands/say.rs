//! What is said to people, and where files go that are printed.
//!
//! Names and messages come from elsewhere, and a terminal obeys what is in
//! them. So text for people is made of [`Lines`] and [`complain`]'s, each of
//! which stays one line whatever it says; only [`print_with`] prints as it is.

use std::fmt::{self, Display, Write as _};
use std::io::{self, BufWriter, StdoutLock, Write};

use rebucket_manifest::outcomes::OutcomesError;
use rebucket_protocol::printable::Printable;

use super::CommandError;

/// Text for people.
#[derive(Debug, Default)]
pub(crate) struct Lines(String);

impl Lines {
    /// Adds a line.
    pub(crate) fn add(&mut self, line: impl Display) {
        // Writing to a string cannot fail.
        write!(Printable(&mut self.0), "{line}").ok();
        self.0.push('\n');
    }

    /// Adds all lines of another text.
    pub(crate) fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }
}

impl Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why outcomes were not written, or not all of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Where they go.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// Where they come from.
    #[error(transparent)]
    Outcomes(#[from] OutcomesError),
}

impl From<csv::Error> for WriteError {
    fn from(error: csv::Error) -> Self {
        Self::Output(match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            // Rows of one length, of text: nothing else can be wrong.
            other => io::Error::other(format!("{other:?}")),
        })
    }
}

/// Prints to standard output. A reader that has gone away (`| head`) is not an
/// error: it has all that it wanted.
pub(crate) fn print(text: &Lines) -> Result<(), CommandError> {
    print_with(|out| Ok(out.write_all(text.0.as_bytes())?))
}

/// Prints a line to standard output.
pub(crate) fn print_line(line: impl Display) -> Result<(), CommandError> {
    let mut text = Lines::default();
    text.add(line);
    print(&text)
}

/// As [`print`], of what machines read, or what does not have to be in memory
/// at once.
pub(crate) fn print_with(
    write: impl FnOnce(&mut BufWriter<StdoutLock<'_>>) -> Result<(), WriteError>,
) -> Result<(), CommandError> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| Ok(out.flush()?)) {
        Err(WriteError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(WriteError::Output(error)) => Err(CommandError::Stdout(error)),
        Err(WriteError::Outcomes(error)) => Err(error.into()),
        Ok(()) => Ok(()),
    }
}

/// Prints a line to standard error. Where even that fails, there is nobody
/// left to be told.
pub(crate) fn complain(line: impl Display) {
    let mut text = Lines::default();
    text.add(line);
    complain_all(&text);
}

/// Prints lines to standard error.
pub(crate) fn complain_all(text: &Lines) {
    io::stderr().lock().write_all(text.0.as_bytes()).ok();
}
