//! Text for people: what comes from elsewhere is made safe for a terminal and
//! a line of a log, and numbers are written to be read.
//!
//! A key may hold any character: a newline forges a line, an escape sequence
//! drives the terminal, a direction mark shows one key as another. Whatever is
//! printed for people goes through this, and nothing that machines read does.

use std::fmt::{self, Display, Write};

/// Characters that are shown of a text that [`shortened`] shortens.
const LONGEST: usize = 300;

/// Whether a character drives or deceives who looks at it: controls, ends of
/// lines, marks of direction, and what is there without being seen.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// What is written through this is written without unprintable characters:
/// they are escaped as in Rust's literals, `\n` or `\u{202e}`.
#[derive(Debug)]
pub struct Printable<W>(pub W);

impl<W: Write> Write for Printable<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unprintable(*c)) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "{}", c.escape_default())?;
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// `text` as one line that can be printed.
#[must_use]
pub fn printable(text: impl Display) -> String {
    let mut out = Printable(String::new());
    // Writing to a string cannot fail.
    write!(out, "{text}").ok();
    out.0
}

/// As [`printable`], and what is long is shortened.
#[must_use]
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => printable(&text[..end]) + "...",
        None => printable(text),
    }
}

/// `1,234,567`.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_or_deceives_is_escaped_and_all_else_is_as_it_was() {
        for (text, shown) in [
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[31mé😀", "\\u{1b}[31mé😀"),
            ("\0\u{7f}\u{9b}", "\\u{0}\\u{7f}\\u{9b}"),
            (
                "\u{202e}\u{2066}\u{200f}\u{61c}",
                "\\u{202e}\\u{2066}\\u{200f}\\u{61c}",
            ),
            ("\u{2028}\u{2029}\u{85}", "\\u{2028}\\u{2029}\\u{85}"),
            ("\u{feff}\u{ad}\u{200b}", "\\u{feff}\\u{ad}\\u{200b}"),
            ("\u{a0}قائمة 日本 \\n \"", "\u{a0}قائمة 日本 \\n \""),
        ] {
            assert_eq!(printable(text), shown);
            assert_eq!(printable(shown), shown, "escaping twice changes nothing");
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        for (count, shown) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(count), shown);
        }
    }

    #[test]
    fn what_is_long_is_shortened_before_it_is_escaped() {
        assert_eq!(
            shortened(&"x".repeat(301)),
            format!("{}...", "x".repeat(300))
        );
        assert_eq!(shortened(&"é".repeat(300)), "é".repeat(300));
        assert_eq!(
            shortened(&"\n".repeat(301)),
            format!("{}...", "\\n".repeat(300))
        );
    }
}
