//! Which submission of a job: a job's name alone identifies nothing, for two
//! jobs may have one name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The digits of an id.
const DIGITS: usize = 32;

/// The id of one submission: 128 bits that were drawn at random when it began,
/// written as 32 lower-case hexadecimal digits. A submission that goes on after
/// a crash keeps its id. Nobody else can have it, and nobody can guess it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubmissionId(u128);

/// Why a string is not the id of a submission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a submission id has 32 digits of 0-9 a-f, unlike {0:?}")]
pub struct SubmissionIdError(String);

impl SubmissionId {
    /// The id of these bits, which must have been drawn at random for it.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Reads an id.
    ///
    /// # Errors
    /// [`SubmissionIdError`] when it is not written as [`fmt::Display`] writes
    /// one: an id has one spelling, since keys are compared as text.
    pub fn new(text: &str) -> Result<Self, SubmissionIdError> {
        let error = || SubmissionIdError(text.chars().take(80).collect());
        let legal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != DIGITS || !text.bytes().all(legal) {
            return Err(error());
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| error())
    }
}

impl FromStr for SubmissionId {
    type Err = SubmissionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for SubmissionId {
    type Error = SubmissionIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<SubmissionId> for String {
    fn from(id: SubmissionId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for SubmissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

impl fmt::Debug for SubmissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        for bits in [0, 1, 0x00ff_u128 << 100, u128::MAX] {
            let id = SubmissionId::from_bits(bits);
            assert_eq!(id.to_string().len(), DIGITS);
            assert_eq!(SubmissionId::new(&id.to_string()), Ok(id));
        }
        let good = "0123456789abcdef0123456789abcdef";
        assert_eq!(SubmissionId::new(good).unwrap().to_string(), good);
        for text in [
            "",
            &good[1..],
            &format!("0{good}"),
            &good.to_uppercase(),
            &good.replacen('0', "+", 1),
            &good.replacen('0', "/", 1),
        ] {
            assert!(SubmissionId::new(text).is_err(), "{text:?} was accepted");
        }
    }
}
