//! Answers that lack a part of what they should say, or say it in bytes that
//! nobody can read: what is missing must never pass for what is not there.

use std::sync::Arc;
use std::time::Duration;

use rebucket_protocol::{JobId, Reason, RenameTask, TaskId};
use rebucket_worker::error::ErrorClass;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::lease::{Lease, LeaseSettings};
use rebucket_worker::queue::{ReceiptHandle, Received};
use rebucket_worker::rename::{Delivery, RenameError};
use rebucket_worker::store::s3::S3Store;
use rebucket_worker::store::{BucketFacts, ObjectStore as _, Versioning};
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
        let head = head_with("x-amz-object-lock-event-hold", status.as_bytes());
        let Told::Head(head) = Call::Head.answered(head).unwrap() else {
            unreachable!("asked for a head");
        };
        assert_eq!(head.lock.event_hold.is_some(), is_hold, "{status}");
        let body = Call::Hold.body().replace("ON", status);
        let told = Call::Hold.answered(http(200, &[], body.as_bytes()));
        let is = matches!(told, Ok(Told::Hold(is)) if is == is_hold);
        assert!(is, "{status}: {told:?}");
    }
}

const LIST: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

/// The settings of a bucket that answers so about locks and versions.
fn facts(lock: &[u8], versioning: &[u8]) -> Result<BucketFacts, ErrorClass> {
    let listener = Listener::new();
    let store = S3Store::new(&s3_client(&listener.url), Metrics::new().unwrap());
    let (list, ownership) = (http(200, &[], LIST.as_bytes()), http(404, &[], b""));
    let place = "s3://bkt/".parse().unwrap();
    let answers = [list, ownership, lock.to_vec(), versioning.to_vec()];
    let answered = listener.answering(&answers, store.bucket_facts(&place));
    answered.map_err(|error| error.class())
}

fn versioning(status: &str) -> String {
    format!("<VersioningConfiguration>{status}</VersioningConfiguration>")
}

/// An answer that was lost does not say that no object can be locked.
#[test]
fn a_bucket_has_no_lock_only_if_it_says_so() {
    let locked = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
                  </ObjectLockConfiguration>";
    let never = http(200, &[], versioning("").as_bytes());
    let has_lock = |lock: &[u8]| facts(lock, &never).map(|facts| facts.has_lock);
    let whole = http(200, &[], locked.as_bytes());
    assert_eq!(has_lock(&whole), Ok(true));
    let none = b"<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>";
    assert_eq!(has_lock(&http(404, &[], none)), Ok(false));
    // Nobody knows whose that is.
    assert_eq!(has_lock(&http(404, &[], b"")), Err(ErrorClass::Transient));
    // An endpoint that does not know the query.
    assert_eq!(has_lock(&http(200, &[], LIST.as_bytes())), Ok(false));
    let lost = Err(ErrorClass::Transient);
    assert_eq!(has_lock(&whole[..whole.len() - 9]), lost);
    for end in 0..locked.len() {
        let part = &locked.as_bytes()[..end];
        assert_eq!(has_lock(&http(200, &[], part)), lost, "{}", &locked[..end]);
    }
}

/// The same of versions; whatever is not the answer says nothing.
#[test]
fn a_bucket_keeps_versions_as_it_says_and_else_nobody_knows() {
    let none = b"<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>";
    let unlocked = http(404, &[], none);
    let asked = |answer: Vec<u8>| facts(&unlocked, &answer).map(|facts| facts.versioning);
    let never = versioning("");
    assert_eq!(
        asked(http(200, &[], never.as_bytes())),
        Ok(Versioning::Never)
    );
    for (status, said) in [
        ("Enabled", Versioning::Enabled),
        ("Suspended", Versioning::Suspended),
        ("Odd", Versioning::Unknown),
    ] {
        let body = versioning(&format!("<Status>{status}</Status>"));
        assert_eq!(asked(http(200, &[], body.as_bytes())), Ok(said), "{status}");
    }
    let unknown = Ok(Versioning::Unknown);
    for end in 0..never.len() {
        let part = &never.as_bytes()[..end];
        assert_eq!(asked(http(200, &[], part)), unknown, "{}", &never[..end]);
    }
    assert_eq!(asked(http(200, &[], LIST.as_bytes())), unknown);
    let error = |code: &str| format!("<Error><Code>{code}</Code></Error>");
    for (status, code) in [(403, "AccessDenied"), (404, "Odd"), (501, "NotImplemented")] {
        let answer = http(status, &[], error(code).as_bytes());
        assert_eq!(asked(answer), unknown, "{status}");
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
        receive_count: Some(1),
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
