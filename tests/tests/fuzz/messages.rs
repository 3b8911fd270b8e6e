//! The queue message: anyone who can send to the queue writes it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rebucket_protocol::{
    BucketName, CreationDates, MAX_MESSAGE_BYTES, MessageError, RenameTask, StorageClass,
    Timestamp, VersionId, decode, encode,
};
use serde_json::{Map, Value};

use crate::mutation::{Damage, damage};
use crate::samples::{task, text};

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "0",
    "-1",
    "1e9",
    "\\u0000",
    "\\ud800",
    "\"v\":1",
    "\"v\":2",
    "\"x\":1,",
    "\"key\":\"a\",",
    "\"if_exists\":\"overwrite\",",
    "\\",
    "\"then\":[],",
    "\"then\":[{}],",
    "\"waive\":[\"acl\"],",
    "\"size\":1,",
    " ",
    "\n",
];

const FIELDS: &[&str] = &[
    "v",
    "job",
    "id",
    "src",
    "dst",
    "if_exists",
    "submitted",
    "submission",
    "owner",
    "created",
    "storage_class",
    "waive",
    "versioned",
    "then",
];
const SOURCE_FIELDS: &[&str] = &[
    "bucket",
    "key",
    "version",
    "etag",
    "size",
    "modified",
    "storage_class",
];
const DESTINATION_FIELDS: &[&str] = &["bucket", "key"];

fn only_has(object: &Value, fields: &[&str]) -> bool {
    let object = object.as_object().unwrap();
    object.keys().all(|name| fields.contains(&name.as_str()))
}

/// Holds a task against the JSON that it was read from, by another parser's
/// view of it.
fn check_meaning(body: &str, task: &RenameTask) -> Result<(), TestCaseError> {
    let json: Value = serde_json::from_str(body).unwrap();
    prop_assert!(only_has(&json, FIELDS), "an unknown field passed: {body}");
    prop_assert!(
        only_has(&json["src"], SOURCE_FIELDS),
        "an unknown field passed: {body}"
    );
    prop_assert!(
        only_has(&json["dst"], DESTINATION_FIELDS),
        "an unknown field passed: {body}"
    );
    prop_assert_eq!(&json["v"], 1);
    prop_assert_eq!(&json["job"], task.job().as_str());
    prop_assert_eq!(&json["id"], task.id().as_str());
    for (end, uri) in [("src", task.source()), ("dst", task.destination())] {
        prop_assert_eq!(&json[end]["bucket"], uri.bucket.as_str());
        prop_assert_eq!(&json[end]["key"], uri.key.as_str());
    }
    let source = &json["src"];
    prop_assert_eq!(source["size"].as_u64(), task.pins.size);
    prop_assert_eq!(
        source["version"].as_str(),
        task.pins.version.as_ref().map(VersionId::as_str)
    );
    prop_assert_eq!(source["etag"].is_string(), task.pins.etag.is_some());
    prop_assert_eq!(source["modified"].is_string(), task.pins.modified.is_some());
    prop_assert_eq!(
        source["storage_class"].as_str(),
        task.pins.storage_class.as_ref().map(StorageClass::as_str)
    );
    let exists = json
        .get("if_exists")
        .map_or("fail", |word| word.as_str().unwrap());
    prop_assert_eq!(exists.parse(), Ok(task.if_exists));
    let submission = task.submission.map(|id| id.to_string());
    prop_assert_eq!(json["submission"].as_str(), submission.as_deref());
    let owner = task.options.owner.as_ref().map(ToString::to_string);
    prop_assert_eq!(json["owner"].as_str(), owner.as_deref());
    let named = json["created"].as_object().into_iter().flatten();
    let created = named.map(|(bucket, date)| {
        let date = date.as_str().unwrap().to_owned();
        (
            BucketName::new(bucket).unwrap(),
            Timestamp::try_from(date).unwrap(),
        )
    });
    let created: BTreeMap<_, _> = created.collect();
    prop_assert_eq!(&CreationDates::from(created), &task.options.created);
    prop_assert!(task.source() != task.destination());
    Ok(())
}

/// Replaces the value at `path`, or removes it.
fn with(body: &str, path: &[&str], value: Option<Value>) -> String {
    let mut json: Value = serde_json::from_str(body).unwrap();
    let (last, parents) = path.split_last().unwrap();
    let parent = parents.iter().fold(&mut json, |at, name| &mut at[*name]);
    let parent: &mut Map<String, Value> = parent.as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert((*last).to_owned(), value),
        None => parent.remove(*last),
    };
    json.to_string()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn any_path() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        prop::sample::select(FIELDS).prop_map(|field| vec![field]),
        prop::sample::select(SOURCE_FIELDS).prop_map(|field| vec!["src", field]),
        prop::sample::select(DESTINATION_FIELDS).prop_map(|field| vec!["dst", field]),
    ]
}

proptest! {
    #[test]
    fn every_task_survives_the_wire(task in task()) {
        let body = encode(&task).unwrap();
        prop_assert!(body.len() <= MAX_MESSAGE_BYTES);
        // What SQS takes (API reference of `SendMessage`).
        let taken = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}'
            | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        prop_assert!(body.chars().all(taken), "{:?}", body);
        check_meaning(&body, &task)?;
        prop_assert_eq!(decode(&body).unwrap(), task);
    }

    #[test]
    fn a_damaged_message_is_refused_or_means_what_it_says(
        task in task(),
        damage in prop::collection::vec(damage(JSON), 1..4),
    ) {
        let bytes = Damage::apply_all(&damage, encode(&task).unwrap().as_bytes());
        let body = String::from_utf8_lossy(&bytes);
        if let Ok(read) = decode(&body) {
            check_meaning(&body, &read)?;
            prop_assert_eq!(decode(&encode(&read).unwrap()).unwrap(), read);
        }
    }

    #[test]
    fn a_message_with_another_value_is_refused_or_means_what_it_says(
        task in task(),
        path in any_path(),
        value in prop::option::of(any_json()),
    ) {
        let body = with(&encode(&task).unwrap(), &path, value);
        if let Ok(read) = decode(&body) {
            check_meaning(&body, &read)?;
        }
    }

    #[test]
    fn an_unknown_field_is_refused_wherever_it_is(
        task in task(),
        name in text(),
        parent in prop::sample::select(vec![None, Some("src"), Some("dst")]),
        value in any_json(),
    ) {
        let known = match parent {
            None => FIELDS,
            Some("src") => SOURCE_FIELDS,
            _ => DESTINATION_FIELDS,
        };
        prop_assume!(!known.contains(&name.as_str()));
        let path: Vec<&str> = parent.into_iter().chain([name.as_str()]).collect();
        let body = with(&encode(&task).unwrap(), &path, Some(value));
        let read = decode(&body);
        prop_assert!(matches!(read, Err(MessageError::UnknownField(_))), "{:?} for {}", read, body);
    }

    #[test]
    fn a_field_that_is_there_twice_is_refused(task in task(), path in any_path()) {
        let body = encode(&task).unwrap();
        let mut json: Value = serde_json::from_str(&body).unwrap();
        let (last, parents) = path.split_last().unwrap();
        let value = parents.iter().fold(&mut json, |at, name| &mut at[*name])[*last].take();
        prop_assume!(!value.is_null());
        let again = format!("{{{}:{value},", Value::from(*last));
        let twice = match parents.first() {
            None => body.replacen('{', &again, 1),
            Some(parent) => {
                let (once, twice) = (format!("\"{parent}\":{{"), format!("\"{parent}\":{again}"));
                body.replacen(&once, &twice, 1)
            }
        };
        prop_assume!(twice != body);
        prop_assert!(decode(&twice).is_err(), "{}", twice);
    }

    #[test]
    fn another_version_is_named_whatever_else_is_there(
        task in task(),
        version in prop_oneof![Just(0), 2_u64..100, 2..=u64::MAX],
        more in any_json(),
    ) {
        let body = with(&encode(&task).unwrap(), &["v"], Some(version.into()));
        let body = with(&body, &["src"], Some(more));
        let read = decode(&body);
        prop_assert!(
            matches!(read, Err(MessageError::Version(found)) if found == version),
            "{:?} for {}", read, body
        );
    }

    #[test]
    fn what_is_no_chain_is_refused_and_not_ignored(
        task in task(),
        then in prop::collection::vec(any_json(), 1..3),
    ) {
        let body = with(&encode(&task).unwrap(), &["then"], Some(then.into()));
        let read = decode(&body);
        prop_assert!(
            matches!(
                read,
                Err(MessageError::Chain(_)
                    | MessageError::Malformed(_)
                    | MessageError::UnknownField(_))
            ),
            "{:?} for {}", read, body
        );
    }
}
