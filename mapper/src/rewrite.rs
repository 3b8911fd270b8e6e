//! Rewrite rules: `s|pattern|replacement|flags`, as in sed, with the pattern
//! and the replacement of the `regex` crate.

use std::str::FromStr;

use regex::Regex;

use crate::syntax::{SyntaxError, compile};

/// What separates the parts of a rule may be any other character than these.
const NO_DELIMITERS: &str = "\\$";

/// What has a meaning of its own in a pattern, so that it stays escaped there.
const PATTERN_SYMBOLS: &str = r"\.+*?()|[]{}^$#&-~";

/// One rewrite rule.
#[derive(Debug, Clone)]
pub struct Rule {
    pattern: Regex,
    replacement: String,
    global: bool,
}

impl Rule {
    /// The key as this rule changes it; `None` when the rule does not match.
    /// Without the flag `g` only the first match is replaced.
    #[must_use]
    pub fn apply(&self, key: &str) -> Option<String> {
        let limit = usize::from(!self.global);
        match self.pattern.replacen(key, limit, self.replacement.as_str()) {
            std::borrow::Cow::Borrowed(_) => None,
            std::borrow::Cow::Owned(key) => Some(key),
        }
    }
}

/// A part of a rule, with the byte of the rule that each of its bytes is from.
#[derive(Default)]
struct Part {
    text: String,
    from: Vec<usize>,
}

impl Part {
    fn push(&mut self, at: usize, c: char) {
        self.text.push(c);
        self.from.resize(self.text.len(), at);
    }

    /// Where in the rule byte `offset` of this part is, or the part's end.
    fn origin(&self, offset: usize, end: usize) -> usize {
        self.from.get(offset).copied().unwrap_or(end)
    }
}

impl FromStr for Rule {
    type Err = SyntaxError;

    fn from_str(rule: &str) -> Result<Self, SyntaxError> {
        let wrong = |offset, message: &str| SyntaxError::new("rule", rule, offset, message);
        let mut chars = rule.char_indices().peekable();
        if !matches!(chars.next(), Some((_, 's'))) {
            return Err(wrong(0, "a rule is written s|pattern|replacement|"));
        }
        let Some((at, delimiter)) = chars.next() else {
            return Err(wrong(1, "a rule is written s|pattern|replacement|"));
        };
        if delimiter.is_alphanumeric()
            || delimiter.is_whitespace()
            || delimiter.is_control()
            || NO_DELIMITERS.contains(delimiter)
        {
            let message = format!(
                "{delimiter:?} cannot separate the parts of a rule; write s|pattern|replacement| \
                 or use another sign than |"
            );
            return Err(wrong(at, &message));
        }
        let mut parts = [Part::default(), Part::default()];
        let mut ends = [rule.len(), rule.len()];
        for (index, part) in parts.iter_mut().enumerate() {
            let is_pattern = index == 0;
            loop {
                let Some((at, c)) = chars.next() else {
                    let name = ["pattern", "replacement"][index];
                    let message = format!("the {name} is not closed by another {delimiter}");
                    return Err(wrong(rule.len(), &message));
                };
                if c == delimiter {
                    ends[index] = at;
                    break;
                }
                if c != '\\' {
                    part.push(at, c);
                    continue;
                }
                match chars.next() {
                    // The delimiter itself, which means nothing else then.
                    Some((_, next)) if next == delimiter => {
                        if is_pattern && PATTERN_SYMBOLS.contains(next) {
                            part.push(at, '\\');
                        }
                        part.push(at, next);
                    }
                    Some((_, next)) if is_pattern => {
                        part.push(at, '\\');
                        part.push(at, next);
                    }
                    Some((_, '\\')) => part.push(at, '\\'),
                    Some((_, next)) if next.is_ascii_digit() => {
                        let message = format!("a group is written ${next}, not \\{next}");
                        return Err(wrong(at, &message));
                    }
                    _ => {
                        let message = format!(
                            "a backslash in the replacement stands before {delimiter} or \
                             another backslash"
                        );
                        return Err(wrong(at, &message));
                    }
                }
            }
        }
        let (mut global, mut ignore_case) = (false, false);
        for (at, flag) in chars {
            match flag {
                'g' if !global => global = true,
                'i' if !ignore_case => ignore_case = true,
                'g' | 'i' => return Err(wrong(at, "the flag is there twice")),
                _ => {
                    let message = "the flags are g (every match, not the first alone) and i \
                         (upper and lower case alike)";
                    return Err(wrong(at, message));
                }
            }
        }
        let [pattern, replacement] = parts;
        if pattern.text.is_empty() {
            let message = "the pattern is empty; ^ matches the start of every key";
            return Err(wrong(ends[0], message));
        }
        let regex = compile(&pattern.text, ignore_case)
            .map_err(|(offset, message)| wrong(pattern.origin(offset, ends[0]), &message))?;
        check_references(&replacement.text, &regex)
            .map_err(|(offset, message)| wrong(replacement.origin(offset, ends[1]), &message))?;
        Ok(Self {
            pattern: regex,
            replacement: replacement.text,
            global,
        })
    }
}

/// Refuses a replacement that names a group which the pattern does not have:
/// `regex` would put nothing there, and `$1a` is the group `1a`.
fn check_references(replacement: &str, pattern: &Regex) -> Result<(), (usize, String)> {
    let mut at = 0;
    while let Some(found) = replacement[at..].find('$') {
        let dollar = at + found;
        let rest = &replacement[dollar + 1..];
        let (name, length) = if rest.starts_with('$') {
            at = dollar + 2;
            continue;
        } else if let Some(inner) = rest.strip_prefix('{') {
            let Some(end) = inner.find('}') else {
                return Err((dollar, "${ is not closed by }".to_owned()));
            };
            (&inner[..end], end + 2)
        } else {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            (&rest[..end], end)
        };
        if name.is_empty() {
            let message = "a group follows $, as in $1 or ${name}; a dollar sign is written $$";
            return Err((dollar, message.to_owned()));
        }
        if !has_group(pattern, name) {
            return Err((dollar, no_such_group(pattern, name)));
        }
        at = dollar + 1 + length;
    }
    Ok(())
}

/// True when the pattern has a group of this number or name.
pub(crate) fn has_group(pattern: &Regex, name: &str) -> bool {
    match name.parse::<usize>() {
        Ok(number) => number < pattern.captures_len(),
        Err(_) => pattern.capture_names().flatten().any(|has| has == name),
    }
}

/// Says which groups there are.
fn no_such_group(pattern: &Regex, name: &str) -> String {
    let groups = pattern.captures_len() - 1;
    let mut message = match groups {
        0 => format!("there is no group {name:?}: the pattern has none"),
        1 => format!("there is no group {name:?}: the pattern has one, $1"),
        _ => format!("there is no group {name:?}: the pattern has $1 to ${groups}"),
    };
    let digits = name.len() - name.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits > 0 && digits < name.len() {
        let (number, text) = name.split_at(digits);
        let hint = format!("; a group that text follows is written ${{{number}}}{text}");
        message.push_str(&hint);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(rule: &str, key: &str) -> Option<String> {
        rule.parse::<Rule>().unwrap().apply(key)
    }

    #[test]
    fn keys_are_rewritten_as_sed_would() {
        for (rule, key, expected) in [
            (
                r"s|^logs/(\d{4})-(\d\d)|logs/$1/$2|",
                "logs/2026-11-22.gz",
                "logs/2026/11-22.gz",
            ),
            ("s|^customer-a/||", "customer-a/x", "x"),
            ("s,a,b,", "aaa", "baa"),
            ("s,a,b,g", "aaa", "bbb"),
            ("s#PHOTO#image#i", "photo/1", "image/1"),
            ("s/A/x/gi", "aAa", "xxx"),
            (r"s/a\/b/c\/d/", "a/b", "c/d"),
            (r"s|a\|b|c\|d|", "a|b", "c|d"),
            (r"s.a\.b.c.", "a.b", "c"),
            (r"s|(?P<year>\d+)|${year}x$$|", "12", "12x$"),
            (r"s|\\|/|g", r"a\b\c", "a/b/c"),
            (r"s|/|\\|g", "a/b", r"a\b"),
            ("s¦é¦e¦", "café", "cafe"),
            ("s|^|new/|", "a", "new/a"),
        ] {
            assert_eq!(apply(rule, key).as_deref(), Some(expected), "{rule}");
        }
        assert_eq!(apply("s|^logs/|x/|", "data/logs/"), None);
        // A match that changes nothing is a match.
        assert_eq!(apply("s|a|a|", "a").as_deref(), Some("a"));
    }

    #[test]
    fn a_bad_rule_is_refused_at_its_place() {
        for (rule, at, words) in [
            ("", 1, "s|pattern|replacement|"),
            ("y|a|b|", 1, "s|pattern|replacement|"),
            ("s", 2, "s|pattern|replacement|"),
            ("s a b ", 2, "cannot separate"),
            (r"s\a\b\", 2, "cannot separate"),
            ("s|a", 4, "the pattern is not closed"),
            ("s|a|b", 6, "the replacement is not closed"),
            ("s|a|b|x", 7, "the flags are"),
            ("s|a|b|gg", 8, "twice"),
            ("s||b|", 3, "empty"),
            ("s|é(b|c|", 4, "unclosed group"),
            (r"s|\|(b|c|", 5, "unclosed group"),
            ("s|(a)|$2|", 7, "the pattern has one, $1"),
            ("s|(a)|x$1y|", 8, "${1}y"),
            ("s|a|$x|", 5, "the pattern has none"),
            ("s|a|${1|", 5, "not closed by }"),
            ("s|a|5$ |", 6, "$$"),
            (r"s|(a)|\1|", 7, "not \\1"),
            (r"s|a|\n|", 5, "backslash"),
        ] {
            let error = rule.parse::<Rule>().expect_err(rule);
            assert_eq!(error.at, at, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
