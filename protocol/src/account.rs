//! AWS accounts, as owners of buckets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The digits of an account id.
const DIGITS: usize = 12;

/// The id of an AWS account: 12 digits (AWS Account Management Reference
/// Guide, "View AWS account identifiers").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId([u8; DIGITS]);

/// Why a string is not an account id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected the 12 digits of an account id, without dashes, found {0:?}")]
pub struct AccountIdError(String);

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = <[u8; DIGITS]>::try_from(text.as_bytes()).ok();
        digits
            .filter(|digits| digits.iter().all(u8::is_ascii_digit))
            .map(Self)
            .ok_or_else(|| AccountIdError(text.to_owned()))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for AccountId {
    type Error = AccountIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AccountId> for String {
    fn from(account: AccountId) -> Self {
        account.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_twelve_digits() {
        let account: AccountId = "000123456789".parse().unwrap();
        assert_eq!(account.to_string(), "000123456789");
        for bad in [
            "",
            "12345678901",
            "1234567890123",
            "1234-5678-9012",
            "１２３４",
        ] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad}");
        }
    }
}
