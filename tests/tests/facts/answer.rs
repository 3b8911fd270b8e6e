//! An answer as it came over the wire, and what is in it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use serde_json::Value;

/// An answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// The error's code as the SDK reads it.
    pub(crate) code: Option<String>,
}

impl Answer {
    /// Everything of that name: a header, if the name is in small letters, else
    /// elements of XML or members of JSON.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        if name == "body" {
            return vec![self.body.clone()];
        }
        if name.chars().all(|c| !c.is_ascii_uppercase()) {
            return self.headers.get(name).cloned().into_iter().collect();
        }
        if let Ok(json) = serde_json::from_str::<Value>(&self.body) {
            let mut found = Vec::new();
            members(&json, name, &mut found);
            return found;
        }
        elements(&self.body, name)
    }
}

fn members(json: &Value, name: &str, found: &mut Vec<String>) {
    match json {
        Value::Array(values) => values.iter().for_each(|v| members(v, name, found)),
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(text) if key == name => found.push(text.clone()),
                    value if key == name && !value.is_object() && !value.is_array() => {
                        found.push(value.to_string());
                    }
                    value => members(value, name, found),
                }
            }
        }
        _ => {}
    }
}

fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open)
        .skip(1)
        .filter_map(|rest| rest.split_once(&close))
        .map(|(text, _)| {
            text.replace("&quot;", "\"")
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&")
        })
        .collect()
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.as_deref().unwrap_or("no code");
        let body: String = self.body.chars().take(1_500).collect();
        write!(f, "{} {code} {:?} {body}", self.status, self.headers)
    }
}

/// Keeps the last answer as it came. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tap(Arc<Mutex<Answer>>);

impl Tap {
    pub(crate) fn take(&self) -> Answer {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Intercept for Tap {
    fn name(&self) -> &'static str {
        "Tap"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(response) = context.response() {
            let headers = response.headers().iter();
            let body = response.body().bytes().unwrap_or_default();
            *self.0.lock().unwrap() = Answer {
                status: response.status().as_u16(),
                headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
                body: String::from_utf8_lossy(body).into_owned(),
                code: None,
            };
        }
        Ok(())
    }
}
