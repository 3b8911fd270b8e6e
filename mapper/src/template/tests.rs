//! Templates: what each field is, and which templates are refused where.

use rebucket_protocol::{BucketName, ETag, ObjectKey, StorageClass, VersionId};

use super::*;
use crate::filter::time;
use crate::syntax::pattern;

fn entry(key: &str) -> Entry {
    Entry {
        etag: Some(ETag::new("\"d41d8cd98f00b204e9800998ecf8427e\"").unwrap()),
        size: Some(42),
        version: Some(VersionId::new("v.1").unwrap()),
        modified: Some(time("2026-01-02T03:04:05Z").unwrap()),
        storage_class: StorageClass::new("GLACIER_IR").ok(),
        columns: vec!["Cat".to_owned(), String::new()],
        ..Entry::new(
            BucketName::new("bkt").unwrap(),
            ObjectKey::new(key).unwrap(),
        )
    }
}

fn render(template: &str, key: &str) -> Result<String, MissingField> {
    Template::parse(template, None)
        .unwrap()
        .render(&entry(key), None)
}

#[test]
fn fields_are_what_their_names_say() {
    let key = "a/b/photo.tar.gz";
    for (template, expected) in [
        ("{dirname}/{date:year}/{basename}", "a/b/2026/photo.tar.gz"),
        ("x/{key}", "x/a/b/photo.tar.gz"),
        ("{folder}{stem}-{size}{suffix}", "a/b/photo.tar-42.gz"),
        ("{extension}/{stem}", "gz/photo.tar"),
        ("{date}/{date:month}{date:day}", "2026-01-02/0102"),
        ("{date:hour}:{date:minute}:{date:second}", "03:04:05"),
        (
            "{storage_class}/{etag}/{version_id}",
            "GLACIER_IR/d41d8cd98f00b204e9800998ecf8427e/v.1",
        ),
        // printf %s a/b/photo.tar.gz | md5sum
        ("{hash:6}/{hash}", "c40d41/c40d"),
        ("{segment:1}+{segment:2}+{segment:-1}", "a+b+photo.tar.gz"),
        ("{column:title}/{column:other|none}", "Cat/none"),
        ("{{{size}}}é", "{42}é"),
    ] {
        assert_eq!(render(template, key).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn what_an_object_lacks_is_said_or_has_a_default() {
    assert_eq!(
        render("{folder}{stem}{suffix}", "top").as_deref(),
        Ok("top")
    );
    assert_eq!(
        render("{extension|none}/{key}", ".rc").as_deref(),
        Ok("none/.rc")
    );
    assert_eq!(render("{dirname|}x{key}", "k").as_deref(), Ok("xk"));
    for (template, key, hint) in [
        ("{dirname}/x", "top", "{folder}"),
        ("{stem}.{extension}", "a.b/README", "{suffix}"),
        ("x/{basename}", "folder/", "--exclude '*/'"),
        ("{segment:3}", "a/b", "{segment:3|none}"),
    ] {
        let missing = render(template, key).unwrap_err();
        assert!(missing.to_string().contains(hint), "{missing}");
    }
    let bare = Entry::new(
        BucketName::new("bkt").unwrap(),
        ObjectKey::new("k").unwrap(),
    );
    for field in [
        "size",
        "etag",
        "storage_class",
        "version_id",
        "date:year",
        "column:x",
    ] {
        let template = Template::parse(&format!("{{{field}}}"), None).unwrap();
        assert_eq!(template.render(&bare, None).unwrap_err().field, field);
    }
}

#[test]
fn groups_of_the_pattern_are_fields() {
    let pattern = pattern(r"^c-(\d+)/(?<rest>.*?)(?:\.(gz))?$").unwrap();
    let template = Template::parse("{match:rest}/{match:1}{match:3|-}", Some(&pattern)).unwrap();
    let captures = pattern.captures("c-7/x");
    let made = template.render(&entry("c-7/x"), captures.as_ref());
    assert_eq!(made.as_deref(), Ok("x/7-"));
}

#[test]
fn a_bad_template_is_refused_at_its_place() {
    let groups = pattern("(a)").unwrap();
    for (template, at, words) in [
        ("", 1, "empty"),
        ("constant", 1, "no field"),
        ("é{yeer}", 3, "unknown field \"yeer\""),
        ("{key", 1, "not closed"),
        ("a}b{key}", 2, "without {"),
        ("{date:eon}", 2, "no \"eon\""),
        ("{hash:0}", 2, "1 to 32"),
        ("{hash:33}", 2, "1 to 32"),
        ("{segment:0}", 2, "counts from 1"),
        ("{key:3}", 2, "unknown field"),
        ("{match:2}", 2, "no group \"2\""),
    ] {
        let error = Template::parse(template, Some(&groups)).expect_err(template);
        assert_eq!(error.at, at, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(Template::parse("{match:1}", None).is_err());
}
