//! Quantities in words.

use std::time::Duration;

use rebucket_protocol::printable::grouped;

/// `1 rename`, `1,234 renames`.
pub(crate) fn plural(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", grouped(count))
}

/// `1,073,741,824 bytes (1.0 GiB)`.
pub(crate) fn bytes(count: u64) -> String {
    format!("{}{}", plural(count, "byte"), scaled(count))
}

/// ` (1.0 GiB)` behind a number of bytes that is hard to take in; nothing
/// below a MiB.
pub(crate) fn scaled(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1 << 20 {
        return String::new();
    }
    let mut size = u128::from(bytes) >> 10;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // Tenths of the largest unit of which there is one.
    let mut tenths = (size * 10) >> 10;
    while size >> 20 > 0 {
        size >>= 10;
        (tenths, unit) = ((size * 10) >> 10, units.next());
    }
    format!(
        " ({}.{} {})",
        tenths / 10,
        tenths % 10,
        unit.unwrap_or(&"EiB")
    )
}

/// `0.4/s`, `12.3/s`, `1,234/s`.
pub(crate) fn rate(a_second: f64) -> String {
    if a_second < 100.0 {
        return format!("{:.1}/s", a_second.max(0.0));
    }
    // Rounded, and of what is counted one by one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = a_second.round() as u64;
    format!("{}/s", grouped(whole))
}

/// A duration in words: two units at most.
pub(crate) fn duration(time: Duration) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut left = time.as_secs();
    let mut parts = Vec::new();
    for (unit, name) in units {
        let count = left / unit;
        left %= unit;
        if count > 0 {
            parts.push(format!("{count} {name}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() {
        "less than 1 s".to_owned()
    } else {
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_said_exactly_and_in_a_unit_that_can_be_pictured() {
        for (count, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (20_400, "20,400 bytes"),
            ((1 << 20) - 1, "1,048,575 bytes"),
            (1 << 20, "1,048,576 bytes (1.0 MiB)"),
            (1_600_000, "1,600,000 bytes (1.5 MiB)"),
            ((1 << 30) - 1, "1,073,741,823 bytes (1023.9 MiB)"),
            (1 << 30, "1,073,741,824 bytes (1.0 GiB)"),
            (5 << 40, "5,497,558,138,880 bytes (5.0 TiB)"),
            (u64::MAX, "18,446,744,073,709,551,615 bytes (15.9 EiB)"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn rates_have_no_more_figures_than_they_are_known_to() {
        for (a_second, text) in [
            (0.0, "0.0/s"),
            (0.44, "0.4/s"),
            (12.34, "12.3/s"),
            (530.123_456, "530/s"),
            (12_345.6, "12,346/s"),
            (f64::NAN, "0/s"),
        ] {
            assert_eq!(rate(a_second), text);
        }
    }

    #[test]
    fn durations_are_said_in_two_units() {
        for (seconds, text) in [
            (0, "less than 1 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3_600, "1 h"),
            (90_061, "1 d 1 h"),
            (86_400 + 59, "1 d"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}
