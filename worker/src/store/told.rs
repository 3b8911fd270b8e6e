//! What the document of a failure tells beside its code.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// The object whose state a condition of a copy was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The source is not the one that was named.
    Source,
    /// The destination is taken, or not what was to be replaced.
    Destination,
}

/// What the document of a failure tells beside its code; AWS's does (facts
/// 8.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Which condition did not hold, in a 412.
    pub condition: Option<Condition>,
    /// Which key has no object, in a 404.
    pub key: Option<String>,
}

impl Told {
    pub(super) fn in_answer(response: &HttpResponse) -> Self {
        let body = response.body().bytes();
        let text = body.and_then(|body| str::from_utf8(body).ok());
        let text = text.unwrap_or_default();
        match response.status().as_u16() {
            404 => Self {
                key: element(text, "Key"),
                condition: None,
            },
            412 => Self {
                condition: element(text, "Condition").and_then(|name| condition(&name)),
                key: None,
            },
            _ => Self::default(),
        }
    }
}

/// A condition by its header.
fn condition(header: &str) -> Option<Condition> {
    match header.to_ascii_lowercase().as_str() {
        "if-match" | "if-none-match" => Some(Condition::Destination),
        name if name.starts_with("x-amz-copy-source-if-") => Some(Condition::Source),
        _ => None,
    }
}

/// The text of the first element of this name.
fn element(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    let plain = entities
        .iter()
        .fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c));
    // Numeric ones are of control characters; nobody needs to know which.
    (!plain.contains("&#")).then_some(plain)
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn told(status: u16, body: &str) -> Told {
        let body = SdkBody::from(format!("<Error><Code>X</Code>{body}</Error>"));
        Told::in_answer(&HttpResponse::new(status.try_into().unwrap(), body))
    }

    #[test]
    fn a_412_tells_whose_condition_did_not_hold() {
        for (header, whose) in [
            ("If-None-Match", Some(Condition::Destination)),
            ("If-Match", Some(Condition::Destination)),
            ("x-amz-copy-source-If-Match", Some(Condition::Source)),
            ("something", None),
        ] {
            let told = told(412, &format!("<Condition>{header}</Condition>"));
            assert_eq!(told.condition, whose, "{header}");
        }
        assert_eq!(told(412, ""), Told::default());
        assert_eq!(
            told(400, "<Condition>If-Match</Condition>"),
            Told::default()
        );
    }

    #[test]
    fn a_404_tells_which_key() {
        let key = |body| told(404, body).key;
        assert_eq!(key("<Key>a&amp;b/&lt;c</Key>").as_deref(), Some("a&b/<c"));
        assert_eq!(key("<Key>a&#x1;</Key>"), None);
        assert_eq!(key("<Key>a"), None);
    }
}
