//! Listings: every key once, on pages of any size.

use super::*;

#[test]
fn pages_of_any_size_add_up() {
    let mut s3 = plain();
    let keys = ["a", "a/1", "a/2", "a/b/3", "b", "c/1", "c/2", "d", "é"];
    for key in keys {
        put(&mut s3, key, "");
    }
    for (prefix, delimiter, objects, prefixes) in [
        ("", None, &keys[..], &[][..]),
        ("a/", None, &["a/1", "a/2", "a/b/3"], &[]),
        ("", Some("/"), &["a", "b", "d", "é"], &["a/", "c/"]),
        ("a/", Some("/"), &["a/1", "a/2"], &["a/b/"]),
        ("zzz", Some("/"), &[], &[]),
    ] {
        for size in 1..=keys.len() {
            let mut request = ListObjectsRequest::new("b", prefix);
            request.delimiter = delimiter.map(str::to_owned);
            request.max_keys = Some(size);
            let (mut listed, mut common) = (Vec::new(), Vec::new());
            loop {
                let page = s3.list_objects_v2(&request, NOW).unwrap();
                assert!(page.objects.len() + page.common_prefixes.len() <= size);
                listed.extend(page.objects.into_iter().map(|o| o.key));
                common.extend(page.common_prefixes);
                let Some(next) = page.next else { break };
                request.continuation = Some(next);
            }
            assert_eq!(listed, objects, "{prefix} by {size}");
            assert_eq!(common, prefixes, "{prefix} by {size}");
        }
    }
    let mut request = ListObjectsRequest::new("b", "");
    request.start_after = Some("c/1".into());
    let page = s3.list_objects_v2(&request, NOW).unwrap();
    assert_eq!(page.objects[0].key, "c/2");
}

#[test]
fn versions_newest_first() {
    let mut s3 = versioned();
    for (key, text) in [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")] {
        put(&mut s3, key, text);
    }
    s3.delete_object(&DeleteObjectRequest::new("b", "a"), NOW)
        .unwrap();
    for size in 1..=6 {
        let mut request = ListVersionsRequest {
            bucket: "b".into(),
            max_keys: Some(size),
            ..ListVersionsRequest::default()
        };
        let mut seen = Vec::new();
        loop {
            let page = s3.list_object_versions(&request, NOW).unwrap();
            seen.extend(page.versions);
            let Some((key, version)) = page.next else {
                break;
            };
            request.key_marker = Some(key);
            request.version_marker = version;
        }
        let shown: Vec<_> = seen
            .iter()
            .map(|v| (v.key.as_str(), v.is_latest, v.object.is_some()))
            .collect();
        assert_eq!(
            shown,
            [
                ("a", true, false),
                ("a", false, true),
                ("a", false, true),
                ("a", false, true),
                ("b", true, true)
            ],
            "by {size}"
        );
    }
}

#[test]
fn uploads_by_key_and_age() {
    let mut s3 = plain();
    for key in ["b", "a", "a", "c/1", "c/2"] {
        create(&mut s3, key, None);
    }
    for size in 1..=5 {
        let mut request = ListUploadsRequest {
            bucket: "b".into(),
            delimiter: Some("/".into()),
            max_uploads: Some(size),
            ..ListUploadsRequest::default()
        };
        let (mut keys, mut common) = (Vec::new(), Vec::new());
        loop {
            let page = s3.list_multipart_uploads(&request, NOW).unwrap();
            keys.extend(page.uploads.into_iter().map(|u| u.key));
            common.extend(page.common_prefixes);
            let Some((key, upload)) = page.next else {
                break;
            };
            request.key_marker = Some(key);
            request.upload_id_marker = Some(upload);
        }
        assert_eq!(keys, ["a", "a", "b"], "by {size}");
        assert_eq!(common, ["c/"], "by {size}");
    }
}
