//! XML, as much of it as S3 uses.

use std::fmt::{Display, Write as _};

use serde::de::DeserializeOwned;

use crate::s3::{ErrorCode, S3Error, S3Result};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document being written.
#[derive(Debug)]
pub(super) struct Xml(String);

impl Xml {
    /// A document with that root element and content.
    pub(super) fn document(root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{NAMESPACE}\">"
        ));
        content(&mut xml);
        xml.put(format_args!("</{root}>"));
        xml.0
    }

    /// A document without a namespace: an error.
    pub(super) fn bare(root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned());
        xml.element(root, content);
        xml.0
    }

    /// An element with elements in it. The name may bring attributes.
    pub(super) fn element(&mut self, start: &str, content: impl FnOnce(&mut Self)) {
        let name = start.split(' ').next().unwrap_or(start);
        self.put(format_args!("<{start}>"));
        content(self);
        self.put(format_args!("</{name}>"));
    }

    /// An element with text in it.
    pub(super) fn text(&mut self, name: &str, text: impl Display) {
        self.element(name, |xml| xml.escaped(&text.to_string()));
    }

    /// The same, if there is a text.
    pub(super) fn maybe(&mut self, name: &str, text: Option<impl Display>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// The bare text of the root element.
    pub(super) fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // As references, or a parser would change or refuse them.
                c if c < ' ' => self.put(format_args!("&#x{:x};", u32::from(c))),
                c => self.0.push(c),
            }
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        self.0.write_fmt(text).ok();
    }
}

/// Reads a document. Line ends become what XML says they become, and characters
/// that XML cannot carry are refused even as references, as S3 does.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> S3Result<T> {
    let malformed = || {
        S3Error::new(
            ErrorCode::MalformedXml,
            "The XML you provided was not well-formed or did not validate against our published \
             schema",
        )
    };
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let forbidden = |c: char| c < ' ' && !matches!(c, '\t' | '\n');
    if text.contains(forbidden) || references(&text).any(|c| forbidden(c) && c != '\r') {
        return Err(malformed());
    }
    quick_xml::de::from_str(&text).map_err(|_| malformed())
}

/// The characters that numeric references stand for.
fn references(text: &str) -> impl Iterator<Item = char> {
    text.split("&#").skip(1).filter_map(|rest| {
        let (number, _) = rest.split_once(';')?;
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        code.ok().and_then(char::from_u32)
    })
}
