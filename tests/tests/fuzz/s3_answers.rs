//! Answers of S3, or of what stands between: cut off, damaged, or not what
//! they look like. A copy is a success only if the answer says so completely.

use proptest::prelude::*;
use proptest::sample::Index;
use rebucket_protocol::ETag;
use rebucket_worker::error::ErrorClass;

use crate::listener::{http, unmeasured};
use crate::mutation::{Damage, damage};
use crate::s3_calls::{ALL, BODIES, Call, DECLARATION, PROPERTIES, RECEIPTS, TAG, Told, head_with};
use crate::samples::text;

const XML: &[&str] = &[
    "<",
    ">",
    "</",
    "/>",
    "<ETag>",
    "</ETag>",
    "<ETag/>",
    "&quot;",
    "&amp;",
    "&#0;",
    "&",
    "\"",
    "<Error>",
    "</Error>",
    "<Code>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?xml",
    "\r\n",
    "\r\n\r\n",
    "HTTP/1.1 200",
    "HTTP/1.1 500",
    "content-length: 0\r\n",
    "transfer-encoding: chunked\r\n",
    "etag: \"\"\r\n",
    "etag: \r\n",
    "0\r\n\r\n",
];
fn call(of: &'static [Call]) -> impl Strategy<Value = Call> {
    prop::sample::select(of)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Text that an XML document can hold, and that no reader may normalise.
fn xml_text() -> impl Strategy<Value = String> {
    text().prop_map(|text| {
        let held = |c: &char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
        text.chars().filter(held).collect()
    })
}

/// The status in the bytes of an answer, as far as it is one.
fn status(answer: &[u8]) -> Option<u16> {
    let line = String::from_utf8_lossy(answer.get(..12)?).into_owned();
    line.strip_prefix("HTTP/1.")?.get(2..)?.parse().ok()
}

#[test]
fn a_complete_answer_is_a_success() {
    for call in ALL {
        let told = call.answered(call.answer()).unwrap();
        match (call, told) {
            (Call::Complete, Told::Receipt(etag)) => {
                assert_eq!(etag, ETag::new(&format!("{TAG}-2")).unwrap());
            }
            (Call::Copy | Call::Part, Told::Receipt(etag)) => {
                assert_eq!(etag, ETag::new(TAG).unwrap());
            }
            (Call::Tags, Told::Tags(tags)) => assert_eq!((tags.len(), &*tags["b"]), (2, "2")),
            (Call::Acl, Told::Acl(acl)) => assert_eq!(acl.grants.len(), 2),
            (Call::Retention, Told::Retention(lock)) => {
                assert_eq!(lock.mode.as_deref(), Some("GOVERNANCE"));
                assert!(lock.retain_until.is_some());
            }
            (Call::Hold, Told::Hold(is_hold)) => assert!(is_hold),
            (Call::Annotations, Told::Annotations(names)) => assert_eq!(names, ["a", "b"]),
            (Call::Head, Told::Head(head)) => {
                assert_eq!(
                    (head.size, head.lock.mode.as_deref()),
                    (0, Some("GOVERNANCE"))
                );
            }
            (call, told) => panic!("{call:?}: {told:?}"),
        }
    }
}

/// S3 keeps a connection alive with white space while it copies.
#[test]
fn white_space_before_the_answer_does_not_matter() {
    for call in RECEIPTS {
        let body = call
            .body()
            .replace(DECLARATION, &format!("{DECLARATION}{}", " \n".repeat(50)));
        call.answered(http(200, &[], body.as_bytes())).unwrap();
    }
}

proptest! {
    #[test]
    fn no_bytes_of_a_header_make_the_store_panic(
        name in prop::sample::select(vec![
            "etag", "last-modified", "content-type", "cache-control", "content-disposition",
            "content-encoding", "content-language", "x-amz-meta-owner", "x-amz-storage-class",
            "x-amz-tagging-count", "x-amz-version-id", "x-amz-checksum-sha256", "x-amz-restore",
            "x-amz-object-lock-mode", "x-amz-object-lock-legal-hold", "x-amz-replication-status",
            "x-amz-website-redirect-location", "x-amz-server-side-encryption", "content-length",
            "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-object-lock-retain-until-date",
        ]),
        value in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let value: Vec<u8> = value.into_iter().filter(|byte| !b"\r\n\0".contains(byte)).collect();
        let told = Call::Head.answered(head_with(name, &value));
        match str::from_utf8(&value) {
            // Neither left out nor made into something else.
            Err(_) => prop_assert!(told.is_err(), "{:?}", told),
            Ok(text) => {
                if let (Ok(Told::Head(head)), "x-amz-meta-owner") = (told, name) {
                    let owner = head.metadata.get("owner").map(|owner| owner.trim());
                    prop_assert_eq!(owner, Some(text.trim()));
                }
            }
        }
    }

    #[test]
    fn no_damage_makes_the_store_panic_or_invent_a_success(
        call in call(&ALL),
        damage in prop::collection::vec(damage(XML), 1..5),
    ) {
        let answer = Damage::apply_all(&damage, &call.answer());
        let said = String::from_utf8_lossy(&answer).into_owned();
        if let Ok(told) = call.answered(answer.clone()) {
            let status = status(&answer);
            let good = status.is_none_or(|status| (200..300).contains(&status));
            prop_assert!(good, "{:?} {}", told, said);
            if let Told::Receipt(etag) = told {
                let etag = etag.to_header().replace('"', "");
                prop_assert!(!etag.is_empty() && said.contains("ETag"), "{}", said);
            }
        }
    }

    /// Also by a body that has no length, which the transport cannot tell
    /// from a complete one.
    #[test]
    fn a_copy_that_was_answered_in_part_is_no_success(
        call in call(&RECEIPTS),
        cut in any::<Index>(),
        measured in any::<bool>(),
    ) {
        let body = call.body();
        let part = &body.as_bytes()[..cut.index(body.len())];
        let send = if measured { http } else { unmeasured };
        let told = call.answered(send(200, &call.headers(), part));
        prop_assert!(told.is_err(), "{:?} of {}", told, String::from_utf8_lossy(part));
    }

    /// Tags and grants that are missing here would be missing at the
    /// destination.
    #[test]
    fn properties_that_were_answered_in_part_are_not_the_properties(
        call in call(&PROPERTIES),
        cut in any::<Index>(),
        measured in any::<bool>(),
    ) {
        let body = call.body();
        let part = &body.as_bytes()[..cut.index(body.len())];
        let send = if measured { http } else { unmeasured };
        let told = call.answered(send(200, &call.headers(), part));
        prop_assert!(told.is_err(), "{:?} of {}", told, String::from_utf8_lossy(part));
    }

    /// The transport says how long the body is, or in chunks where it ends.
    #[test]
    fn a_body_that_is_shorter_than_it_says_is_no_success(
        call in call(&BODIES),
        cut in any::<Index>(),
        chunked in any::<bool>(),
    ) {
        let body = call.body();
        let (head, whole) = if chunked {
            let headers = [("transfer-encoding", "chunked")];
            (unmeasured(200, &headers, b""), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
        } else {
            let mut headers = call.headers();
            let length = body.len().to_string();
            headers.push(("content-length", &length));
            (unmeasured(200, &headers, b""), body)
        };
        let mut answer = head;
        answer.extend_from_slice(&whole.as_bytes()[..cut.index(whole.len())]);
        let told = call.answered(answer);
        prop_assert!(told.is_err(), "{:?}", told);
    }

    #[test]
    fn an_error_is_no_success_whatever_its_status(
        call in call(&RECEIPTS),
        code in prop::sample::select(vec![
            "InternalError", "SlowDown", "NoSuchKey", "PreconditionFailed", "AccessDenied", "",
            "Odd",
        ]),
        message in xml_text(),
        status in prop::sample::select(vec![200_u16, 200, 200, 202, 400, 403, 404, 412, 500, 503]),
        before in prop::sample::select(vec!["", "\n", " \n \n", DECLARATION, "<!-- -->"]),
        length in any::<bool>(),
    ) {
        let message = escaped(&message);
        let body = format!(
            "{before}<Error><Code>{code}</Code><Message>{message}</Message>\
             <ETag>&quot;{TAG}&quot;</ETag></Error>"
        );
        let send = if length { http } else { unmeasured };
        let told = call.answered(send(status, &[], body.as_bytes()));
        let Err(error) = told else {
            return Err(TestCaseError::fail(format!("{told:?} of {body}")));
        };
        if code == "InternalError" || code == "SlowDown" {
            prop_assert!(error.class().is_retryable(), "{}", error);
        }
    }

    #[test]
    fn a_status_that_is_no_success_makes_no_success(
        call in call(&ALL),
        status in (100_u16..600).prop_filter("none", |status| !(200..300).contains(status)),
    ) {
        let told = call.answered(http(status, &call.headers(), call.body().as_bytes()));
        prop_assert!(told.is_err(), "{:?}", told);
    }

    #[test]
    fn a_copy_without_a_tag_is_unknown_and_no_success(
        call in call(&RECEIPTS),
        tag in prop::sample::select(vec![
            "", "<ETag></ETag>", "<ETag/>", "<ETag>&quot;&quot;</ETag>", "<ETag>\"\"</ETag>",
            "<ETag>   </ETag>", "<ETag>\n</ETag>", "<ETag><!-- --></ETag>", "<etag>x</etag>",
            "<ETag>\"a b\"</ETag>", "<ETag>\u{e9}</ETag>", "<ETags><ETag>x</ETag></ETags>",
        ]),
        status in 200_u16..204,
    ) {
        let body = call.body();
        let (before, rest) = body.split_once("<ETag>").unwrap();
        let (_, after) = rest.split_once("</ETag>").unwrap();
        let told = call.answered(http(status, &[], format!("{before}{tag}{after}").as_bytes()));
        let Err(error) = told else {
            return Err(TestCaseError::fail(format!("{told:?} of {tag}")));
        };
        prop_assert_eq!(error.class(), ErrorClass::Transient, "{}", error);
    }

    #[test]
    fn another_document_is_no_success(
        call in call(&RECEIPTS),
        other in prop::sample::select(vec![
            "", " ", "{}", "<html><body>502</body></html>", "<Tagging/>", "<CopyObjectResultX/>",
            "<CopyObjectResult/>", "<CopyPartResult/>", "<CompleteMultipartUploadResult/>", "\0",
            "\u{feff}", "ok", "<?xml version=\"1.0\"?>", "<!-- <ETag>x</ETag> -->",
        ]),
        length in any::<bool>(),
    ) {
        let send = if length { http } else { unmeasured };
        let told = call.answered(send(200, &[("etag", "\"x\"")], other.as_bytes()));
        prop_assert!(told.is_err(), "{:?} of {}", told, other);
    }

    #[test]
    fn every_tag_is_read_as_it_is(
        tags in prop::collection::btree_map(xml_text(), xml_text(), 0..11),
    ) {
        let mut set = String::new();
        for (key, value) in &tags {
            let (key, value) = (escaped(key), escaped(value));
            set.extend(["<Tag><Key>", &key, "</Key><Value>", &value, "</Value></Tag>"]);
        }
        let body = format!("{DECLARATION}<Tagging><TagSet>{set}</TagSet></Tagging>");
        let told = Call::Tags.answered(http(200, &[], body.as_bytes()));
        let Ok(Told::Tags(found)) = told else {
            return Err(TestCaseError::fail(format!("{told:?} of {body}")));
        };
        prop_assert_eq!(found, tags);
    }

    #[test]
    fn a_head_is_complete_or_an_error(
        missing in prop::option::of(prop::sample::select(vec!["etag", "content-length"])),
        name in prop::sample::select(vec![
            "etag", "last-modified", "x-amz-storage-class", "x-amz-tagging-count", "expires",
            "x-amz-object-lock-retain-until-date", "x-amz-checksum-crc64nvme", "x-amz-version-id",
            "x-amz-missing-meta", "x-amz-meta-owner", "x-amz-checksum-type", "x-amz-restore",
            "x-amz-server-side-encryption", "x-amz-mp-parts-count", "content-length",
        ]),
        value in prop_oneof![
            "[ -~]{0,20}",
            "-?[0-9]{1,30}",
            "[\u{80}-\u{ff}]{1,6}",
            text().prop_map(|t| t.replace(['\r', '\n', '\0'], " ")),
        ],
    ) {
        let mut headers = vec![("content-length", "5"), ("connection", "close")];
        headers.extend(Call::Head.headers());
        headers.retain(|(header, _)| Some(*header) != missing && *header != name);
        headers.push((name, &value));
        // A HEAD's answer has no body, whatever length it names.
        let told = Call::Head.answered(unmeasured(200, &headers[1..], b""));
        let told_whole = Call::Head.answered(unmeasured(200, &headers, b""));
        drop(told);
        if let Ok(Told::Head(head)) = told_whole {
            let sent = |name: &str, is: &dyn Fn(&str) -> bool| {
                headers.iter().any(|(header, value)| *header == name && is(value))
            };
            let etag = head.etag.to_header().replace('"', "");
            prop_assert!(sent("etag", &|value| value.contains(&etag)), "{:?}", head);
            let is_size = |value: &str| value.trim().parse() == Ok(head.size);
            prop_assert!(sent("content-length", &is_size), "{:?}", head);
        }
    }
}
