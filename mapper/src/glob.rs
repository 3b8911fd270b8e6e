//! Globs over whole keys. As in the AWS command line, and unlike in a shell,
//! `*` matches slashes too.

use std::str::FromStr;

use regex::{Regex, escape};

use crate::syntax::{SyntaxError, compile};

/// A glob: `*` and `**` match any text, `**/` any folders or none, `?` one
/// character, `[a-z]` and `[!a-z]` one of or none of a class, `{a,b}` either;
/// a backslash takes the next character as it is.
#[derive(Debug, Clone)]
pub struct Glob(Regex);

impl Glob {
    /// True when the whole key matches.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        self.0.is_match(key)
    }
}

impl FromStr for Glob {
    type Err = SyntaxError;

    fn from_str(glob: &str) -> Result<Self, SyntaxError> {
        let wrong = |offset, message: &str| SyntaxError::new("glob", glob, offset, message);
        if glob.is_empty() {
            return Err(wrong(0, "it is empty; * matches every key"));
        }
        let mut pattern = r"(?s)\A".to_owned();
        let mut opened: Vec<usize> = Vec::new();
        let mut at = 0;
        while let Some(c) = glob[at..].chars().next() {
            let rest = &glob[at..];
            let mut length = c.len_utf8();
            match c {
                '*' => {
                    length = rest.len() - rest.trim_start_matches('*').len();
                    let starts_folder = at == 0 || glob[..at].ends_with(['/', '{', ',']);
                    if length >= 2 && starts_folder && rest[length..].starts_with('/') {
                        length += 1;
                        pattern.push_str("(?:.*/)?");
                    } else {
                        pattern.push_str(".*");
                    }
                }
                '?' => pattern.push('.'),
                '[' => {
                    let Some((class, used)) = class(rest) else {
                        return Err(wrong(at, "[ is not closed by ]; a bracket is written \\["));
                    };
                    if let Err((_, message)) = compile(&class, false) {
                        return Err(wrong(at, &message));
                    }
                    pattern.push_str(&class);
                    length = used;
                }
                '{' => {
                    opened.push(at);
                    pattern.push_str("(?:");
                }
                ',' if !opened.is_empty() => pattern.push('|'),
                '}' if opened.pop().is_some() => pattern.push(')'),
                '}' => return Err(wrong(at, "} without {; a brace is written \\}")),
                '\\' => {
                    let Some(next) = rest[1..].chars().next() else {
                        return Err(wrong(at, "nothing follows the backslash"));
                    };
                    length += next.len_utf8();
                    pattern.push_str(&escape(next.encode_utf8(&mut [0; 4])));
                }
                _ => pattern.push_str(&escape(&rest[..length])),
            }
            at += length;
        }
        if let Some(at) = opened.pop() {
            return Err(wrong(at, "{ is not closed by }; a brace is written \\{"));
        }
        pattern.push_str(r"\z");
        compile(&pattern, false)
            .map(Self)
            .map_err(|(_, message)| wrong(0, &message))
    }
}

/// The class that `text` begins with as a regular expression, and how many
/// bytes it takes.
fn class(text: &str) -> Option<(String, usize)> {
    let mut chars = text.char_indices().skip(1).peekable();
    let mut out = "[".to_owned();
    if chars.next_if(|(_, c)| matches!(c, '!' | '^')).is_some() {
        out.push('^');
    }
    let mut first = true;
    while let Some((at, c)) = chars.next() {
        match c {
            ']' if !first => {
                out.push(']');
                return Some((out, at + 1));
            }
            '\\' => out.push_str(&escape(chars.next()?.1.encode_utf8(&mut [0; 4]))),
            // A dash between two characters makes a range, as it does there.
            '-' => out.push('-'),
            '&' | '~' | '[' | ']' | '^' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
        first = false;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_keys() {
        for (glob, yes, no) in [
            (
                "*.jpg",
                &["a.jpg", "a/b/c.jpg", ".jpg"][..],
                &["a.jpg.bak", "jpg"][..],
            ),
            (
                "logs/*",
                &["logs/a", "logs/a/b", "logs/"],
                &["log/a", "x/logs/a"],
            ),
            ("logs/**", &["logs/a/b"], &["logs"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["a/xb", "ab"]),
            ("**/b", &["b", "x/b"], &["xb"]),
            ("?", &["é", "🦀", "\n"], &["", "ab"]),
            ("[a-cé].x", &["b.x", "é.x"], &["d.x", "-.x"]),
            ("[!a-c]", &["d"], &["a", "dd"]),
            ("[]]", &["]"], &["["]),
            ("[&&~]", &["&", "~"], &["-"]),
            ("*.{jpg,png}", &["a.jpg", "a.png"], &["a.gif"]),
            (r"\*.\{a", &["*.{a"], &["x.{a"]),
            ("a+b(c)|d^$.", &["a+b(c)|d^$."], &["aab(c)|d^$."]),
            ("a,b", &["a,b"], &["a"]),
        ] {
            let parsed: Glob = glob.parse().unwrap();
            for key in yes {
                assert!(parsed.matches(key), "{glob} does not match {key:?}");
            }
            for key in no {
                assert!(!parsed.matches(key), "{glob} matches {key:?}");
            }
        }
    }

    #[test]
    fn a_bad_glob_is_refused_at_its_place() {
        for (glob, at) in [
            ("", 1),
            ("é[a", 2),
            ("a{b", 2),
            ("a}", 2),
            ("ab\\", 3),
            ("[z-a]", 1),
        ] {
            let error = glob.parse::<Glob>().expect_err(glob);
            assert_eq!(error.at, at, "{error}");
        }
    }
}
