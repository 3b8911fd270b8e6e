//! What an answer is compared with: `412 PreconditionFailed Condition=If-Match`.

use crate::answer::Answer;
use crate::step::words;

/// Compares status (`*`: any), code and whatever else is named. A value is `*` (anything,
/// but there), `-` (not there), `[a,b]` (all of that name, in this order), or the
/// first of that name.
pub(crate) fn compare(expected: &str, answer: &Answer) -> Result<(), String> {
    let mut words = words(expected)?.into_iter();
    let status = words.next().ok_or("nothing is expected")?;
    if status != "*" && status != answer.status.to_string() {
        return Err(format!("expected status {status}"));
    }
    for word in words {
        let Some((name, value)) = word.split_once('=') else {
            if answer.code.as_deref() != Some(word.as_str()) {
                return Err(format!("expected code {word}"));
            }
            continue;
        };
        let found = answer.all(name);
        let right = match value {
            "*" => !found.is_empty(),
            "-" => found.is_empty(),
            list if list.starts_with('[') => list == format!("[{}]", found.join(",")),
            one => found.first().is_some_and(|first| first == one),
        };
        if !right {
            return Err(format!("expected {name}={value}, found {found:?}"));
        }
    }
    Ok(())
}
