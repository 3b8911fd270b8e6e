//! The language of the scripts: `name = Operation Parameter=value ...`.

use std::collections::BTreeMap;

/// One request.
#[derive(Debug)]
pub(crate) struct Step {
    /// What later steps call its answer.
    pub(crate) name: Option<String>,
    pub(crate) operation: String,
    pub(crate) arguments: Arguments,
}

/// The parameters that nobody has taken yet. Their names are those of the API;
/// a name with a hyphen is a header to be sent as it is.
#[derive(Debug, Default)]
pub(crate) struct Arguments(BTreeMap<String, String>);

impl Step {
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let mut words = words(line)?.into_iter().peekable();
        words.next_if(|word| word == "?");
        let mut name = None;
        let mut operation = words.next().ok_or("an empty step")?;
        if words.next_if(|word| word == "=").is_some() {
            name = Some(operation);
            operation = words.next().ok_or("a name without an operation")?;
        }
        let mut arguments = BTreeMap::new();
        for word in words {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| format!("`{word}` is no parameter: expected Name=value"))?;
            arguments.insert(key.to_owned(), value.to_owned());
        }
        let arguments = Arguments(arguments);
        Ok(Self {
            name,
            operation,
            arguments,
        })
    }
}

impl Arguments {
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(crate) fn needed(&mut self, name: &str) -> Result<String, String> {
        self.take(name).ok_or_else(|| format!("{name} is missing"))
    }

    pub(crate) fn parsed<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        self.take(name)
            .map(|text| text.parse().map_err(|_| format!("{name}={text}")))
            .transpose()
    }

    /// Sets a parameter that was not given.
    pub(crate) fn default(&mut self, name: &str, value: &str) {
        self.0
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    }

    /// The headers to be sent as they are. Refuses what nobody has taken.
    pub(crate) fn headers(&mut self) -> Result<Vec<(String, String)>, String> {
        let left = std::mem::take(&mut self.0);
        left.into_iter()
            .map(|(name, value)| {
                if name.contains('-') {
                    Ok((name, value))
                } else {
                    Err(format!("this operation has no parameter {name}"))
                }
            })
            .collect()
    }
}

/// Splits at spaces, but for those between two apostrophes, which are dropped.
pub(crate) fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' | '\n' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    if quoted {
        return Err(format!("an apostrophe is never closed: {line}"));
    }
    words.retain(|word| !word.is_empty());
    Ok(words)
}
