//! Scenarios in which nobody has to look at the source (`--assume plain`).

use rebucket_protocol::{IfExists, Outcome};
use rebucket_simulator::s3::{AclRequest, Content, Encryption, NewObject};
use rebucket_worker::store::Versioning;

use super::fate::{Fate, Moment};
use super::fleet::PART;
use super::scenarios::{KEY_ARN, Scenario, object, plain, rich, small, taken};
use super::scene::{OLD, Put};

impl Scenario {
    /// Nobody has to look at the source: the operator and the pins say all.
    #[must_use]
    pub fn unseen(mut self) -> Self {
        self.scene.fleet.assume_plain = true;
        self.scene.fleet.facts.versioning = Versioning::Never;
        self.scene.jobs[0].pins.etag = true;
        self.scene.jobs[0].pins.class = true;
        self
    }
}

/// An object as the operator states: with headers, metadata and tags, and
/// nothing that a copy loses.
fn stated() -> Put {
    let new = NewObject {
        acl: AclRequest::default(),
        redirect: None,
        storage_class: None,
        ..rich()
    };
    object(OLD, small(), new, None)
}

/// Under the KMS key that is the buckets' default.
fn under_kms() -> Scenario {
    let mut source = stated();
    source.made.new.encryption = Some(Encryption::kms(KEY_ARN));
    let about = "the same under the KMS key that is the buckets' default";
    let mut scenario = plain("unseen_encrypted", about, vec![source]).unseen();
    for bucket in [&mut scenario.scene.old, &mut scenario.scene.new] {
        bucket.encryption = Encryption::kms(KEY_ARN);
    }
    scenario
}

/// All of them.
pub(super) fn all() -> Vec<Scenario> {
    let of = |name, about, objects| plain(name, about, objects).unseen();
    let in_parts = object(
        OLD,
        Content::sparse(7, PART + 1),
        NewObject::default(),
        Some(PART),
    );
    let both = || vec![taken(), stated()];
    let lost = "the copy's answer is lost: the source is inspected after all";
    vec![
        of(
            "unseen",
            "`--assume plain`: nobody looks at the source",
            vec![stated()],
        ),
        under_kms(),
        of(
            "unseen_in_parts",
            "the same of a source in parts, copied in one request",
            vec![in_parts],
        ),
        of(
            "unseen_taken",
            "the same, and the destination is taken",
            both(),
        )
        .ends(Outcome::Failed),
        of("unseen_skip_taken", "the same with `skip`", both())
            .if_exists(IfExists::Skip)
            .ends(Outcome::Skipped),
        of("unseen_retry_after_412", lost, vec![stated()]).trouble("CopyObject", Fate::ReplyLost),
        of(
            "unseen_redelivery",
            "a worker died between copy and delete of what nobody looked at",
            vec![stated()],
        )
        .trouble("CopyObject", Fate::Death(Moment::Applied)),
        of(
            "unseen_sent_twice",
            "the submitter sent such a task twice",
            vec![stated()],
        )
        .sent_twice(),
    ]
}
