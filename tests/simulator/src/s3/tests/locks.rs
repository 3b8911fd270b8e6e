//! Object Lock.

use super::*;

fn lockable() -> S3 {
    with(BucketSettings {
        object_lock: true,
        ..BucketSettings::default()
    })
}

#[test]
fn a_locked_version_stays() {
    let until = later(60);
    let retention = |mode| Some(Retention { mode, until });
    for (retention, hold, bypass, at, deleted) in [
        (None, None, false, NOW, true),
        (None, Some(true), true, NOW, false),
        (None, Some(false), false, NOW, true),
        (retention(RetentionMode::Compliance), None, true, NOW, false),
        (
            retention(RetentionMode::Compliance),
            None,
            false,
            until,
            true,
        ),
        (
            retention(RetentionMode::Governance),
            None,
            false,
            NOW,
            false,
        ),
        (retention(RetentionMode::Governance), None, true, NOW, true),
        (
            retention(RetentionMode::Governance),
            Some(true),
            true,
            NOW,
            false,
        ),
    ] {
        let mut s3 = lockable();
        let request = PutObjectRequest {
            properties: NewObject {
                retention,
                legal_hold: hold,
                ..NewObject::default()
            },
            ..PutObjectRequest::new("b", "k", "1")
        };
        let version = s3.put_object(request, NOW).unwrap().version_id.unwrap();
        let mut delete = DeleteObjectRequest::new("b", "k");
        delete.bypass_governance = bypass;
        delete.object.version = Some(version);
        let result = s3.delete_object(&delete, at);
        assert_eq!(result.is_ok(), deleted, "{retention:?} {hold:?} {bypass}");
        if let Err(error) = result {
            assert_eq!(error.code, ErrorCode::AccessDenied);
        }
        // A marker hides even what is locked.
        delete.object.version = None;
        s3.delete_object(&delete, NOW).unwrap();
        assert!(current(&s3, "k").is_none());
    }
}

#[test]
fn retention_is_not_weakened() {
    let mut s3 = lockable();
    put(&mut s3, "k", "1");
    let object = ObjectRef::new("b", "k");
    let retention = |mode, seconds| {
        Some(Retention {
            mode,
            until: later(seconds),
        })
    };
    let governance = RetentionMode::Governance;
    let compliance = RetentionMode::Compliance;
    for (to, bypass, done) in [
        (retention(governance, 60), false, true),
        (retention(governance, 30), false, false),
        (None, false, false),
        (retention(governance, 30), true, true),
        (retention(compliance, 30), false, false),
        (retention(compliance, 30), true, true),
        (retention(governance, 90), true, false),
        (retention(compliance, 29), true, false),
        (retention(compliance, 90), false, true),
        (None, true, false),
    ] {
        let put = s3.put_object_retention(&object, to, bypass, NOW);
        assert_eq!(put.is_ok(), done, "{to:?} {bypass}");
    }
}

#[test]
fn no_lock_without_its_bucket() {
    let mut s3 = plain();
    put(&mut s3, "k", "1");
    let object = ObjectRef::new("b", "k");
    let request = PutObjectRequest {
        properties: NewObject {
            legal_hold: Some(true),
            ..NewObject::default()
        },
        ..PutObjectRequest::new("b", "l", "1")
    };
    assert_eq!(code(s3.put_object(request, NOW)), ErrorCode::InvalidRequest);
    assert_eq!(
        code(s3.get_object_retention(&object, NOW)),
        ErrorCode::InvalidRequest
    );
    let mut s3 = lockable();
    put(&mut s3, "k", "1");
    assert_eq!(
        code(s3.get_object_retention(&object, NOW)),
        ErrorCode::NoSuchObjectLockConfiguration
    );
}

#[test]
fn new_objects_get_the_buckets_retention() {
    let mut s3 = lockable();
    let default = DefaultRetention {
        mode: RetentionMode::Governance,
        period: Duration::from_mins(1),
    };
    s3.put_object_lock_configuration("b", Some(default), None, NOW)
        .unwrap();
    let written = put(&mut s3, "k", "1");
    assert_eq!(written.object.retention.unwrap().until, later(60));
}

#[test]
fn an_event_hold_keeps_a_version_until_it_is_released_and_then_for_its_period() {
    let mut s3 = lockable();
    let request = PutObjectRequest {
        properties: NewObject {
            retention: Some(Retention {
                mode: RetentionMode::Compliance,
                until: later(1),
            }),
            event_hold: Some(EventHold::on(HoldPeriod::Days(1))),
            ..NewObject::default()
        },
        ..PutObjectRequest::new("b", "k", "1")
    };
    let version = s3.put_object(request, NOW).unwrap().version_id.unwrap();
    let object = ObjectRef::new("b", "k").version(version);
    let delete = DeleteObjectRequest {
        object: object.clone(),
        if_match: None,
        bypass_governance: false,
    };
    let (day, year) = (later(86_400), later(365 * 86_400));
    assert_eq!(
        code(s3.delete_object(&delete, year)),
        ErrorCode::AccessDenied
    );
    let off = EventHold {
        on: false,
        then: None,
    };
    s3.put_object_event_hold(&object, off, NOW).unwrap();
    let answer = s3.get_object_retention(&object, NOW).unwrap();
    assert_eq!(answer.event_hold, Some(off));
    assert_eq!(answer.retention.unwrap().until, day);
    assert_eq!(
        code(s3.delete_object(&delete, NOW)),
        ErrorCode::AccessDenied
    );
    s3.delete_object(&delete, day).unwrap();
}

#[test]
fn a_bucket_holds_new_objects_by_default() {
    let mut s3 = lockable();
    let period = HoldPeriod::Years(7);
    s3.put_object_lock_configuration("b", None, Some(period), NOW)
        .unwrap();
    let put = |s3: &mut S3, event_hold| {
        let request = PutObjectRequest {
            properties: NewObject {
                event_hold,
                ..NewObject::default()
            },
            ..PutObjectRequest::new("b", "k", "1")
        };
        s3.put_object(request, NOW).unwrap().object.event_hold
    };
    assert_eq!(put(&mut s3, None), Some(EventHold::on(period)));
    let own = EventHold::on(HoldPeriod::Days(3));
    assert_eq!(put(&mut s3, Some(own)), Some(own));
}
