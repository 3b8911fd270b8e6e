//! Answers that lack a part of what they should say, or say it in bytes that
//! nobody can read: what is missing must never pass for what is not there.

use std::sync::Arc;
use std::time::Duration;

use rebucket_protocol::{BucketName, JobId, Reason, RenameTask, TaskId};
use rebucket_worker::error::ErrorClass;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::lease::{Lease, LeaseSettings};
use rebucket_worker::queue::{ReceiptHandle, Received};
use rebucket_worker::rename::{Delivery, RenameError};
use rebucket_worker::store::ObjectStore as _;
use rebucket_worker::store::s3::S3Store;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::renamer;
use crate::listener::{Listener, http, s3_client, unmeasured};
use crate::s3_calls::{Call, PROPERTIES, Told, head_with};

/// Anyone who may write an object may give it such a header. The SDK panics
/// at such an `Expires`, also in the answer that there is no object.
#[test]
fn a_header_that_is_no_text_is_refused_for_good() {
    for name in ["expires", "content-disposition", "x-amz-meta-owner"] {
        let error = Call::Head.answered(head_with(name, b"\xe9")).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let answer = unmeasured(404, &[], b"");
    let head = answer.strip_suffix(b"\r\n").unwrap();
    let absent = [head, b"expires: \xe9\r\n\r\n"].concat();
    let error = Call::Head.answered(absent).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "{error}");
}

/// A proxy may lose a body whole, with its length.
#[test]
fn properties_that_were_not_answered_are_not_none() {
    for call in PROPERTIES {
        let error = call.answered(http(200, &[], b"")).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Transient, "{call:?} {error}");
    }
}

#[test]
fn only_off_is_no_legal_hold() {
    for (status, is_hold) in [("ON", true), ("OFF", false), ("On", true), ("Odd", true)] {
        let head = head_with("x-amz-object-lock-legal-hold", status.as_bytes());
        let Told::Head(head) = Call::Head.answered(head).unwrap() else {
            unreachable!("asked for a head");
        };
        assert_eq!(head.lock.legal_hold, is_hold, "{status}");
        let body = Call::Hold.body().replace("ON", status);
        let told = Call::Hold.answered(http(200, &[], body.as_bytes()));
        let is = matches!(told, Ok(Told::Hold(is)) if is == is_hold);
        assert!(is, "{status}: {told:?}");
    }
}

/// An answer that was lost does not say that no object can be locked.
#[test]
fn a_bucket_has_no_lock_only_if_it_says_so() {
    let list = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let locked = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
                  </ObjectLockConfiguration>";
    let facts = |lock: Vec<u8>| {
        let (listener, list) = (Listener::new(), http(200, &[], list.as_bytes()));
        let store = S3Store::new(&s3_client(&listener.url), Metrics::new().unwrap());
        let ownership = http(404, &[], b"");
        let place = "s3://bkt/".parse().unwrap();
        listener
            .answering(&[list, ownership, lock], store.bucket_facts(&place))
            .map(|facts| facts.has_lock)
            .map_err(|error| error.class())
    };
    let whole = http(200, &[], locked.as_bytes());
    assert_eq!(facts(whole.clone()), Ok(true));
    let none = b"<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>";
    assert_eq!(facts(http(404, &[], none)), Ok(false));
    // Nobody knows whose that is.
    assert_eq!(facts(http(404, &[], b"")), Err(ErrorClass::Transient));
    // An endpoint that does not know the query.
    assert_eq!(facts(http(200, &[], list.as_bytes())), Ok(false));
    let lost = Err(ErrorClass::Transient);
    assert_eq!(facts(whole[..whole.len() - 9].to_vec()), lost);
    for end in 0..locked.len() {
        let part = &locked.as_bytes()[..end];
        assert_eq!(facts(http(200, &[], part)), lost, "{}", &locked[..end]);
    }
}

/// The same of versions; whatever is not the answer counts as versions.
#[test]
fn a_bucket_has_no_versions_only_if_it_says_so() {
    let document =
        |status: &str| format!("<VersioningConfiguration>{status}</VersioningConfiguration>");
    let asked = |answer: Vec<u8>| {
        let listener = Listener::new();
        let store = S3Store::new(&s3_client(&listener.url), Metrics::new().unwrap());
        let bucket = BucketName::new("bkt").unwrap();
        let answered = listener.answering(&[answer], store.has_versions(&bucket));
        answered.map_err(|error| error.class())
    };
    let never = document("");
    assert_eq!(asked(http(200, &[], never.as_bytes())), Ok(false));
    for status in ["Enabled", "Suspended", "Odd"] {
        let body = document(&format!("<Status>{status}</Status>"));
        assert_eq!(asked(http(200, &[], body.as_bytes())), Ok(true), "{status}");
    }
    for end in 0..never.len() {
        let part = &never.as_bytes()[..end];
        assert_eq!(asked(http(200, &[], part)), Ok(true), "{}", &never[..end]);
    }
    let list = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    assert_eq!(asked(http(200, &[], list.as_bytes())), Ok(true));
    let error = |code: &str| format!("<Error><Code>{code}</Code></Error>");
    for (status, code) in [(403, "AccessDenied"), (404, "Odd"), (501, "NotImplemented")] {
        let answer = http(status, &[], error(code).as_bytes());
        assert_eq!(asked(answer), Ok(true), "{status}");
        // Nobody knows whose that is.
        let bare = asked(http(status, &[], b""));
        assert_eq!(bare, Err(ErrorClass::Transient), "{status}");
    }
    let busy = http(503, &[], error("SlowDown").as_bytes());
    assert_eq!(asked(busy), Err(ErrorClass::Throttled));
}

/// A document can be complete and the list in it not: HEAD counted the tags.
#[test]
fn fewer_tags_than_were_counted_are_not_the_tags() {
    let listener = Listener::new();
    let (requests, prefix) = (Arc::new(Semaphore::new(2)), "s3://bkt/".parse().unwrap());
    let renamer = renamer(&s3_client(&listener.url), &prefix, 1, &requests);
    let job = JobId::new("j").unwrap();
    let (id, uri) = (TaskId::for_row(&job, 1), |text: &str| text.parse().unwrap());
    let task = RenameTask::new(job, id, uri("s3://bkt/old"), uri("s3://bkt/new")).unwrap();
    let stop = CancellationToken::new();
    let message = Received {
        id: "1".to_owned(),
        receipt: ReceiptHandle("1".to_owned()),
        body: String::new(),
        receive_count: 1,
        sent: None,
        deadline: Instant::now() + Duration::from_mins(5),
    };
    let settings = LeaseSettings::new(Duration::from_mins(5));
    let delivery = Delivery {
        receive_count: 1,
        redelivered: false,
        first_sent: None,
        lease: Lease::new(&message, settings, &stop),
        stop,
    };
    let one = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    // Whatever asks next is denied: for the tags again, if one is too few.
    let answers = [
        head_with("x-amz-tagging-count", b"2"),
        http(200, &[], b"<ListObjectAnnotationsOutput/>"),
        http(200, &[], one.as_bytes()),
        http(403, &[], b"<Error><Code>AccessDenied</Code></Error>"),
    ];
    let renamed = listener.answering(&answers, renamer.rename(&task, &delivery));
    let Err(RenameError::Failed { reason, detail, .. }) = renamed else {
        panic!("{renamed:?}");
    };
    assert_eq!(reason, Reason::TagsDenied, "{detail}");
}
