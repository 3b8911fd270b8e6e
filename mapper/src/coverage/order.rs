//! The orders in which stores list keys.

use std::cmp::Ordering;
use std::fmt;

/// An order of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By their bytes, as Amazon does: `a-b` before `a/b`.
    Bytes,
    /// Folder by folder: a slash comes before everything else, so that `a/b`
    /// is before `a-b`.
    Folders,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::Folders => "folders",
        })
    }
}

impl Order {
    /// Which of two keys is listed first.
    #[must_use]
    pub fn compare(self, a: &str, b: &str) -> Ordering {
        match self {
            Self::Bytes => a.cmp(b),
            Self::Folders => {
                let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
                a.bytes().map(rank).cmp(b.bytes().map(rank))
            }
        }
    }

    /// A text strictly between two, halfway where their characters allow it.
    /// Without `until`, all that begins with `prefix` comes before the end.
    pub(super) fn between(self, last: &str, until: Option<&str>, prefix: &str) -> Option<String> {
        const LOW: u32 = ' ' as u32;
        const HIGH: u32 = '\u{7f}' as u32;
        let common = match until {
            Some(until) => common_prefix(last, until),
            None => common_prefix(last, prefix),
        };
        let mut high = until
            .and_then(|until| until[common..].chars().next())
            .map_or(HIGH, |c| u32::from(c).min(HIGH));
        let mut at = common;
        loop {
            let next = last[at..].chars().next();
            let low = next.map_or(LOW, u32::from).max(LOW);
            if low > HIGH {
                return None;
            }
            if high >= low + 2 {
                let middle = char::from_u32(low.midpoint(high))?;
                let found = format!("{}{middle}", &last[..at]);
                let fits = self.compare(last, &found).is_lt()
                    && until.is_none_or(|until| self.compare(&found, until).is_lt());
                return fits.then_some(found);
            }
            // Too close here: anything that shares this character of `last` is
            // before `until`, so the next one may be any.
            at += next?.len_utf8();
            high = HIGH;
        }
    }
}

fn common_prefix(a: &str, b: &str) -> usize {
    let pairs = a.char_indices().zip(b.chars());
    let mut common = 0;
    for ((at, a), b) in pairs {
        if a != b {
            return at;
        }
        common = at + a.len_utf8();
    }
    common
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_between_is_halfway() {
        let between = |a, b| Order::Bytes.between(a, b, "");
        assert_eq!(between("a1", Some("a9")).as_deref(), Some("a5"));
        assert_eq!(between("a1", Some("a2")).as_deref(), Some("a1O"));
        assert_eq!(between("0000", None).as_deref(), Some("W"));
        assert_eq!(between("é", None), None);
        let under = Order::Bytes.between("logs/a", None, "logs/");
        assert_eq!(under.as_deref(), Some("logs/p"));
    }

    proptest! {
        #[test]
        fn a_text_between_is_between(a in "[a-c/. -]{0,5}", b in "[a-c/. -]{0,5}", folders: bool) {
            let order = if folders { Order::Folders } else { Order::Bytes };
            let (low, high) = if order.compare(&a, &b).is_lt() { (a, b) } else { (b, a) };
            if let Some(found) = order.between(&low, Some(&high), "") {
                prop_assert!(order.compare(&low, &found).is_lt());
                prop_assert!(order.compare(&found, &high).is_lt());
            }
        }
    }
}
