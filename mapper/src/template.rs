//! Templates: a new key built from what is known about an object.

mod field;

use regex::{Captures, Regex};

use self::field::Field;
use crate::entry::Entry;
use crate::syntax::SyntaxError;

/// A template such as `{dirname}/{date:year}/{basename}`.
///
/// `{field}` is replaced; `{field|text}` has a text for objects that lack the
/// field; `{{` and `}}` are braces.
#[derive(Debug, Clone)]
pub struct Template {
    pieces: Vec<Piece>,
    columns: Vec<String>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Field {
        /// As it is written, for messages.
        written: String,
        field: Field,
        default: Option<String>,
    },
}

/// A field that an object does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it has no {field}: {hint}")]
pub struct MissingField {
    /// The field, as the template has it.
    pub field: String,
    /// What to do.
    pub hint: String,
}

impl Template {
    /// Reads a template. `pattern` is what keys are matched with, whose groups
    /// the template may use.
    ///
    /// # Errors
    /// [`SyntaxError`] with the place of the first mistake.
    pub fn parse(text: &str, pattern: Option<&Regex>) -> Result<Self, SyntaxError> {
        let wrong = |at, message: &str| SyntaxError::new("template", text, at, message);
        let mut template = Self {
            pieces: Vec::new(),
            columns: Vec::new(),
        };
        if text.is_empty() {
            return Err(wrong(0, "it is empty; {key} is the key as it is"));
        }
        let mut literal = String::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(c);
                at += 2;
                continue;
            }
            match c {
                '}' => return Err(wrong(at, "} without {; a brace is written }}")),
                '{' => {
                    let Some(end) = rest.find('}') else {
                        return Err(wrong(at, "{ is not closed by }; a brace is written {{"));
                    };
                    let written = &rest[1..end];
                    let (name, default) = match written.split_once('|') {
                        Some((name, default)) => (name, Some(default.to_owned())),
                        None => (written, None),
                    };
                    let field = Field::parse(name, pattern, &mut template.columns)
                        .map_err(|message| wrong(at + 1, &message))?;
                    if !literal.is_empty() {
                        template
                            .pieces
                            .push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    template.pieces.push(Piece::Field {
                        written: name.to_owned(),
                        field,
                        default,
                    });
                    at += end + 1;
                }
                _ => {
                    literal.push(c);
                    at += c.len_utf8();
                }
            }
        }
        if !literal.is_empty() {
            template.pieces.push(Piece::Text(literal));
        }
        if template
            .pieces
            .iter()
            .all(|piece| matches!(piece, Piece::Text(_)))
        {
            let message = "it has no field, so that every object would get the same key; \
                 fields stand in braces, as in {basename}";
            return Err(wrong(0, message));
        }
        Ok(template)
    }

    /// The columns of a file of keys that the template uses, in the order in
    /// which [`Entry::columns`] must have them.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Builds the new key. `captures` are the groups of the pattern that the
    /// template was read with.
    ///
    /// # Errors
    /// [`MissingField`] when the object lacks a field without a default.
    pub fn render(
        &self,
        entry: &Entry,
        captures: Option<&Captures<'_>>,
    ) -> Result<String, MissingField> {
        let mut out = String::with_capacity(entry.key.as_str().len() + 32);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Field {
                    written,
                    field,
                    default,
                } => match (field.value(entry, captures), default) {
                    (Some(value), _) => out.push_str(&value),
                    (None, Some(default)) => out.push_str(default),
                    (None, None) => {
                        return Err(MissingField {
                            field: written.clone(),
                            hint: field.hint(written),
                        });
                    }
                },
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
