//! The table of prices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rebucket_protocol::StorageClass;
use serde::Deserialize;

/// The table that is used where no other is given.
const BUILT_IN: &str = include_str!("../../../prices.toml");

/// Why a table of prices cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PriceError {
    /// It cannot be read.
    #[error("the prices {} cannot be read: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no table of prices.
    #[error("{name} is not a table of prices: {}; see docs/ESTIMATE.md", in_a_line(.source))]
    Malformed {
        /// The file.
        name: String,
        /// What is wrong with it, and where.
        source: toml::de::Error,
    },
    /// A price below zero, or none.
    #[error("{name}: {what} is {price}; a price is zero or more")]
    Price {
        /// The file.
        name: String,
        /// Which one.
        what: String,
        /// What it is.
        price: f64,
    },
    /// A storage class that it does not have.
    #[error(
        "the prices ({name}) have no table [s3.{class}]; add it to a copy, and give that with --prices"
    )]
    Class {
        /// The file.
        name: String,
        /// The class.
        class: StorageClass,
    },
}

/// The place, and what is wrong there, without the lines of the file that the
/// parser draws.
fn in_a_line(error: &toml::de::Error) -> String {
    let drawn = error.to_string();
    let place = drawn.lines().next().filter(|_| error.span().is_some());
    match place {
        Some(place) => format!("{place}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

/// What requests cost, in US dollars.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prices {
    /// Where they hold.
    pub(super) region: String,
    /// Of when they are.
    pub(super) as_of: String,
    /// SQS.
    pub(super) sqs: SqsPrices,
    /// KMS.
    pub(super) kms: KmsPrices,
    s3: BTreeMap<String, ClassPrices>,
    #[serde(skip)]
    name: String,
}

/// A million requests to SQS.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SqsPrices {
    /// To a standard queue.
    pub(super) standard_per_million: f64,
    /// To a FIFO queue.
    pub(super) fifo_per_million: f64,
}

/// A million requests to KMS.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KmsPrices {
    /// Of any kind.
    pub(super) per_million: f64,
}

/// What a storage class costs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassPrices {
    /// A million copies or uploads into it.
    pub(super) write_per_million: f64,
    /// A million HEAD and GET requests.
    pub(super) read_per_million: f64,
    /// Reading a gigabyte (1e9 bytes) out of it, for a copy too.
    #[serde(default)]
    pub(super) retrieval_per_gb: f64,
    /// Who deletes an object earlier pays for so many days.
    #[serde(default)]
    pub(super) least_days: u32,
    /// Objects must be restored before they can be copied.
    #[serde(default)]
    pub(super) archived: bool,
}

impl Prices {
    /// The table in a file, or the one that is built in.
    ///
    /// # Errors
    /// [`PriceError`].
    pub(super) fn load(path: Option<&Path>) -> Result<Self, PriceError> {
        match path {
            None => Self::parse("built in", BUILT_IN),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| PriceError::Read {
                    path: path.to_owned(),
                    source,
                })?;
                Self::parse(&path.display().to_string(), &text)
            }
        }
    }

    fn parse(name: &str, text: &str) -> Result<Self, PriceError> {
        let mut prices: Self = toml::from_str(text).map_err(|source| PriceError::Malformed {
            name: name.to_owned(),
            source,
        })?;
        name.clone_into(&mut prices.name);
        prices.check()?;
        Ok(prices)
    }

    fn check(&self) -> Result<(), PriceError> {
        let mut all = vec![
            (
                "sqs.standard_per_million".to_owned(),
                self.sqs.standard_per_million,
            ),
            ("sqs.fifo_per_million".to_owned(), self.sqs.fifo_per_million),
            ("kms.per_million".to_owned(), self.kms.per_million),
        ];
        for (class, prices) in &self.s3 {
            all.push((
                format!("s3.{class}.write_per_million"),
                prices.write_per_million,
            ));
            all.push((
                format!("s3.{class}.read_per_million"),
                prices.read_per_million,
            ));
            all.push((
                format!("s3.{class}.retrieval_per_gb"),
                prices.retrieval_per_gb,
            ));
        }
        match all
            .into_iter()
            .find(|(_, price)| !(price.is_finite() && *price >= 0.0))
        {
            None => Ok(()),
            Some((what, price)) => Err(PriceError::Price {
                name: self.name.clone(),
                what,
                price,
            }),
        }
    }

    /// What a storage class costs.
    ///
    /// # Errors
    /// [`PriceError::Class`] when the table does not have it.
    pub(super) fn class(&self, class: &StorageClass) -> Result<&ClassPrices, PriceError> {
        self.s3
            .get(class.as_str())
            .ok_or_else(|| PriceError::Class {
                name: self.name.clone(),
                class: class.clone(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_that_is_built_in_can_be_read() {
        let prices = Prices::load(None).unwrap();
        for class in [
            "STANDARD",
            "REDUCED_REDUNDANCY",
            "STANDARD_IA",
            "GLACIER_IR",
            "DEEP_ARCHIVE",
        ] {
            assert!(
                prices.class(&StorageClass::new(class).unwrap()).is_ok(),
                "{class}"
            );
        }
        let unknown = prices.class(&StorageClass::new("OUTPOSTS").unwrap());
        let message = unknown.unwrap_err().to_string();
        assert!(message.contains("[s3.OUTPOSTS]") && message.contains("--prices"));
    }

    #[test]
    fn a_wrong_table_is_refused_in_words() {
        for (from, to, word) in [
            (
                "per_million = 3.00",
                "per_million = -3.0",
                "kms.per_million is -3",
            ),
            (
                "per_million = 3.00",
                "per_million = nan",
                "kms.per_million is NaN",
            ),
            ("per_million = 3.00", "per_milion = 3.0", "per_milion"),
            ("per_million = 3.00", "per_million = \"3\"", "3"),
            ("[kms]", "[kms", "not a table of prices"),
        ] {
            let text = BUILT_IN.replace(from, to);
            assert_ne!(text, BUILT_IN);
            let message = Prices::parse("mine", &text).unwrap_err().to_string();
            assert!(
                message.contains(word) && message.contains("mine") && !message.contains('\n'),
                "{message}"
            );
        }
    }
}
