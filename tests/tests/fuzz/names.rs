//! Names of objects: URIs, prefixes, what a worker may touch, copy sources.

use proptest::prelude::*;
use rebucket_protocol::{
    BucketName, CopySource, ObjectKey, ObjectUri, RenameTask, S3Prefix, VersionId, encode,
};
use rebucket_worker::admission::Admission;

use crate::samples::{bucket, key, task, text, uri, version};

/// Text that is nearly a URI, or one.
fn uri_like() -> impl Strategy<Value = String> {
    let scheme = prop::sample::select(vec!["s3://", "s3:/", "S3://", "s3a://", "https://", ""]);
    let name = prop_oneof![bucket().prop_map(|name| name.as_str().to_owned()), text()];
    let rest = prop_oneof![
        Just(String::new()),
        Just("/".to_owned()),
        text().prop_map(|t| format!("/{t}"))
    ];
    prop_oneof![3 => (scheme, name, rest).prop_map(|(s, n, r)| format!("{s}{n}{r}")), 1 => text()]
}

/// A prefix and an object that have something to do with each other.
fn neighbours() -> impl Strategy<Value = (S3Prefix, ObjectUri)> {
    (
        bucket(),
        bucket(),
        any::<bool>(),
        key(),
        text(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(bucket, other, same, key, more, cut)| {
            // Some beginning of the key, sometimes with more than the key has.
            let ends: Vec<usize> = (0..=key.as_str().len())
                .filter(|at| key.as_str().is_char_boundary(*at))
                .collect();
            let mut prefix = key.as_str()[..ends[cut.index(ends.len())]].to_owned();
            if more.len() % 3 == 0 {
                prefix.push_str(&more);
            }
            while prefix.len() > 1024 {
                prefix.pop();
            }
            let place = S3Prefix {
                bucket: if same { bucket.clone() } else { other },
                prefix,
            };
            (place, ObjectUri::new(bucket, key))
        })
}

/// What the service makes of a copy source (API reference of `CopyObject`):
/// the path is percent-decoded, and a query names the version. `+` is a space
/// to some servers.
fn as_the_service_reads(source: &str) -> (String, String, Option<String>) {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
        decoded.unwrap().into_owned()
    };
    let (path, version) = match source.split_once("?versionId=") {
        Some((path, version)) => (path, Some(decode(version))),
        None => (source, None),
    };
    let (bucket, key) = path.split_once('/').unwrap();
    (bucket.to_owned(), decode(key), version)
}

proptest! {
    #[test]
    fn a_uri_is_what_it_says_or_is_refused(uri in uri_like()) {
        if let Ok(read) = uri.parse::<ObjectUri>() {
            prop_assert_eq!(read.to_string(), uri.as_str());
            prop_assert_eq!(format!("s3://{}/{}", read.bucket, read.key), uri.as_str());
        }
        if let Ok(place) = uri.parse::<S3Prefix>() {
            let whole = format!("{uri}/");
            prop_assert!(place.to_string() == uri || place.to_string() == whole);
            prop_assert!(place.prefix.len() <= 1024);
        }
    }

    #[test]
    fn every_object_has_one_uri(uri in uri()) {
        prop_assert_eq!(&uri.to_string().parse::<ObjectUri>().unwrap(), &uri);
        let json = serde_json::to_string(&uri).unwrap();
        prop_assert_eq!(&serde_json::from_str::<ObjectUri>(&json).unwrap(), &uri);
        // Its key is the literal rest, whatever is in it.
        let text = uri.to_string();
        prop_assert!(text.ends_with(uri.key.as_str()));
    }

    #[test]
    fn buckets_and_keys_are_kept_as_they_are_or_refused(
        name in prop_oneof![
            text(), "[A-Za-z0-9._ /-]{0,12}", "[A-Z]{3,300}", "(\u{e9}|/){500,520}",
        ],
    ) {
        let legal = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if let Ok(bucket) = BucketName::new(name.as_str()) {
            prop_assert_eq!(bucket.as_str(), name.as_str());
            prop_assert!(name.chars().all(legal));
        }
        match ObjectKey::new(name.as_str()) {
            Ok(key) => prop_assert_eq!(key.as_str(), name.as_str()),
            Err(_) => prop_assert!(name.is_empty() || name.len() > 1024),
        }
    }

    /// A bucket's name has no slash, so the prefix's own URI is all it takes.
    #[test]
    fn a_prefix_covers_what_starts_with_it_and_nothing_else((place, object) in neighbours()) {
        let inside = object.to_string().starts_with(&place.to_string());
        prop_assert_eq!(place.covers(&object), inside, "{} {}", place, object);
        let folder = place.as_folder();
        prop_assert!(!folder.covers(&object) || place.covers(&object));
        prop_assert_eq!(&folder.as_folder(), &folder);
        let same: S3Prefix = place.to_string().parse().unwrap();
        prop_assert_eq!(same, place);
    }

    #[test]
    fn what_is_put_under_a_prefix_is_covered_by_it((place, _) in neighbours(), suffix in text()) {
        let length = place.prefix.len() + suffix.len();
        let made = place.object(&suffix);
        prop_assert_eq!(made.is_ok(), (1..=1024).contains(&length));
        if let Ok(object) = made {
            prop_assert!(place.covers(&object));
            prop_assert_eq!(object.to_string(), format!("{place}{suffix}"));
        }
    }

    #[test]
    fn a_worker_takes_a_task_only_if_both_ends_are_allowed(
        task in task(),
        places in prop::collection::vec(neighbours(), 1..4),
        near in any::<[bool; 2]>(),
    ) {
        // Ends that are near an allowed prefix, or far from all.
        let pick = |near: bool, far: &ObjectUri| {
            if near { places[0].1.clone() } else { far.clone() }
        };
        let source = pick(near[0], task.source());
        let mut destination = pick(near[1], task.destination());
        if source == destination {
            destination = ObjectUri::new(source.bucket.clone(), ObjectKey::new("else").unwrap());
        }
        prop_assume!(source != destination);
        let (job, id) = (task.job().clone(), task.id().clone());
        let made = RenameTask::new(job, id, source, destination).unwrap();
        let allow: Vec<S3Prefix> = places.iter().map(|(place, _)| place.clone()).collect();
        let is_in = |object: &ObjectUri| {
            allow.iter().any(|place| object.to_string().starts_with(&place.to_string()))
        };
        let allowed = is_in(made.source()) && is_in(made.destination());
        let admitted = Admission::new(allow.clone()).admit(&encode(&made).unwrap());
        prop_assert_eq!(admitted.is_ok(), allowed, "{:?} in {:?}", made, allow);
    }

    #[test]
    fn the_service_reads_the_copy_source_that_was_meant(
        bucket in bucket(),
        start in key(),
        tail in prop::sample::select(vec![
            "", "?versionId=null", "?versionId=", "%3FversionId=1", "?", "+",
        ]),
        version in prop::option::of(version()),
    ) {
        prop_assume!(start.as_str().len() + tail.len() <= 1024);
        let key = ObjectKey::new(format!("{start}{tail}")).unwrap();
        let source = CopySource::new(&bucket, &key, version.as_ref());
        prop_assert!(source.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        let meant = (
            bucket.as_str().to_owned(),
            key.as_str().to_owned(),
            version.as_ref().map(|version| version.as_str().to_owned()),
        );
        prop_assert_eq!(as_the_service_reads(source.as_str()), meant);
    }

    /// A key that looks like another key with a version is not taken for it.
    #[test]
    fn no_two_sources_have_one_copy_source(bucket in bucket(), key in key(), version in version()) {
        let with_query = format!("{key}?versionId={version}");
        prop_assume!(with_query.len() <= 1024);
        let plain = ObjectKey::new(with_query).unwrap();
        let pinned = CopySource::new(&bucket, &key, Some(&version));
        prop_assert_ne!(CopySource::new(&bucket, &plain, None), pinned);
    }

    #[test]
    fn version_ids_are_kept_as_they_are_or_refused(id in text()) {
        if let Ok(version) = VersionId::new(id.as_str()) {
            prop_assert_eq!(version.as_str(), id.as_str());
            prop_assert!(!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
