//! Lists that come in pages.

use std::fmt::Display;

use super::StoreResult;
use crate::error::{ErrorClass, ServiceError};

/// The token of the page after the one that was asked for with `asked`; `None`
/// after the last one.
///
/// # Errors
/// A [`ServiceError`] when it is the same token again: the pages would never
/// end, and what comes after them is not known.
pub fn next_page(
    operation: &'static str,
    target: impl Display,
    asked: Option<&str>,
    next: Option<&str>,
) -> StoreResult<Option<String>> {
    let next = next.filter(|next| !next.is_empty());
    if next.is_some() && next == asked {
        let message = "the list names the page that was just read as the next one, so the rest of it \
                       cannot be read; this store cannot list so much";
        let (class, code) = (ErrorClass::Invalid, "UnreadableListing");
        return Err(ServiceError::local(operation, target, class, code, message));
    }
    Ok(next.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_its_own_next_one_is_an_error() {
        let next = |asked, next| next_page("List", "s3://b/", asked, next);
        assert_eq!(next(None, None).unwrap(), None);
        assert_eq!(next(Some("1"), Some("")).unwrap(), None);
        assert_eq!(next(Some("1"), Some("2")).unwrap().as_deref(), Some("2"));
        let error = next(Some("1"), Some("1")).unwrap_err();
        assert!(!error.class().is_retryable(), "{error}");
    }
}
