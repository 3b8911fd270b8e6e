//! Percent-encoded keys, as listings and inventories have them: `+` is a space.

use percent_encoding::percent_decode_str;

/// Why a key cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A `%` without two hexadecimal digits.
    #[error("expected two hexadecimal digits after the % at byte {0}")]
    Escape(usize),
    /// The decoded bytes are no text.
    #[error("it decodes to bytes that are not UTF-8")]
    NotUtf8,
}

/// Decodes a percent-encoded key.
///
/// # Errors
/// [`DecodeError`].
pub fn url_decoded(text: &str) -> Result<String, DecodeError> {
    let bytes = text.as_bytes();
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let digits = bytes.get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(DecodeError::Escape(at + 1));
        }
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| DecodeError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_as_s3_encodes_them() {
        assert_eq!(
            url_decoded("a+b%2Bc%20d%C3%A9%25").as_deref(),
            Ok("a b+c dé%")
        );
        assert_eq!(url_decoded("a%2"), Err(DecodeError::Escape(2)));
        assert_eq!(url_decoded("%FF"), Err(DecodeError::NotUtf8));
    }
}
