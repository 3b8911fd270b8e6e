//! Mistakes in what the operator writes: rules, templates, globs.

/// A rule, template or glob that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} {text:?} is wrong at character {at}: {message}")]
pub struct SyntaxError {
    /// What was to be read: `rule`, `template`, `glob`, `pattern`.
    pub what: &'static str,
    /// All of it.
    pub text: String,
    /// The character at which the mistake is, counted from 1.
    pub at: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl SyntaxError {
    /// A mistake at byte `offset` of `text`.
    pub(crate) fn new(
        what: &'static str,
        text: &str,
        offset: usize,
        message: impl Into<String>,
    ) -> Self {
        Self {
            what,
            text: text.to_owned(),
            at: characters_before(text, offset) + 1,
            message: message.into(),
        }
    }
}

fn characters_before(text: &str, offset: usize) -> usize {
    text.char_indices()
        .take_while(|(at, _)| *at < offset)
        .count()
}

/// Where in a pattern its first mistake is, as a byte offset, and what it is.
/// `None` when the pattern can be parsed.
fn mistake(pattern: &str) -> Option<(usize, String)> {
    match regex_syntax::Parser::new().parse(pattern) {
        Ok(_) => None,
        Err(regex_syntax::Error::Parse(error)) => {
            Some((error.span().start.offset, error.kind().to_string()))
        }
        Err(regex_syntax::Error::Translate(error)) => {
            Some((error.span().start.offset, error.kind().to_string()))
        }
        Err(error) => Some((0, error.to_string())),
    }
}

/// Compiles a pattern of the `regex` crate; the error is a byte offset in the
/// pattern and a message.
pub(crate) fn compile(pattern: &str, ignore_case: bool) -> Result<regex::Regex, (usize, String)> {
    if let Some(mistake) = mistake(pattern) {
        return Err(mistake);
    }
    regex::RegexBuilder::new(pattern)
        .case_insensitive(ignore_case)
        .build()
        .map_err(|error| (0, error.to_string()))
}

/// A pattern that a key must match, whose groups a template can use.
///
/// # Errors
/// [`SyntaxError`] when it is no pattern of the `regex` crate.
pub fn pattern(text: &str) -> Result<regex::Regex, SyntaxError> {
    compile(text, false)
        .map_err(|(offset, message)| SyntaxError::new("pattern", text, offset, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_placed_by_its_character() {
        let error = pattern("é(a").unwrap_err();
        assert_eq!((error.at, error.message.as_str()), (2, "unclosed group"));
        assert_eq!(pattern("a{2,1}").unwrap_err().at, 2);
        assert!(pattern(r"^(\d{4})").is_ok());
    }
}
