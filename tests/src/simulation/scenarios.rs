//! The scenarios of which every request is made to go wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rebucket_protocol::{BucketName, IfExists, Outcome, VersionPolicy};
use rebucket_simulator::s3::{
    AclRequest, BucketSettings, CannedAcl, ChecksumAlgorithm, Content, Encryption, Metadata,
    NewObject, Ownership, StorageClass, Versioning,
};
use rebucket_worker::rename::VerifyMode;
use rebucket_worker::store::endpoint::Abilities;
use rebucket_worker::store::{BucketFacts, Versioning as Known};

use super::audit::Place;
use super::fate::{Fate, Moment};
use super::fleet::{Fleet, PART, THRESHOLD};
use super::hidden::Hidden;
use super::outsider::Act;
use super::scene::{Job, NEW, OLD, Put, Scene, place};
use super::store::Blueprint;
use super::twist::Twist;

/// One course of things that is known from beginning to end.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name, in tests and documents.
    pub name: &'static str,
    /// The same in a sentence.
    pub about: &'static str,
    /// What is there.
    pub scene: Scene,
    /// What happens before the enumeration: what becomes of the first request
    /// of this operation.
    pub trouble: Option<(&'static str, Fate)>,
    /// How often each task is sent, each time as another message.
    pub messages: usize,
    /// The first worker is told to stop so long after the tasks were sent.
    pub stop_after: Option<Duration>,
    /// How the task ends when nothing else goes wrong.
    pub outcome: Outcome,
}

const KEY: &str = "k";
pub(super) const KEY_ARN: &str = "arn:aws:kms:us-east-1:1:key/a";
const HOUR: Duration = Duration::from_hours(1);

pub(super) fn small() -> Content {
    Content::literal(b"some bytes".to_vec())
}

fn large() -> Content {
    Content::sparse(7, THRESHOLD + PART)
}

pub(super) fn rich() -> NewObject {
    let mut metadata = Metadata {
        content_type: Some("text/plain".to_owned()),
        cache_control: Some("no-cache".to_owned()),
        ..Metadata::default()
    };
    metadata.user.insert("owner".to_owned(), "a&b".to_owned());
    NewObject {
        metadata: Arc::new(metadata),
        tags: Arc::new(BTreeMap::from([("team".to_owned(), "blue".to_owned())])),
        storage_class: Some(StorageClass::StandardIa),
        redirect: Some("/elsewhere".to_owned()),
        acl: AclRequest::Canned(CannedAcl::PublicRead),
        ..NewObject::default()
    }
}

pub(super) fn object(bucket: &str, content: Content, new: NewObject, parts: Option<u64>) -> Put {
    Put {
        place: place(bucket, KEY),
        made: Blueprint {
            content,
            new,
            parts,
            ..Blueprint::default()
        },
        age: HOUR,
    }
}

fn bucket(versioning: Versioning) -> BucketSettings {
    BucketSettings {
        versioning,
        ownership: Ownership::BucketOwnerPreferred,
        ..BucketSettings::default()
    }
}

/// A worker on AWS: responses are believed.
fn fleet() -> Fleet {
    Fleet {
        visibility: Duration::from_secs(30),
        max_receive_count: 20,
        max_renames: 4,
        verify: None,
        assume_plain: false,
        abilities: Abilities::aws(),
        facts: BucketFacts {
            has_acls: true,
            has_lock: false,
            versioning: Known::Enabled,
        },
        buckets: [OLD, NEW]
            .map(|name| BucketName::new(name).expect("a bucket's name"))
            .to_vec(),
        skews: Vec::new(),
        resumed: false,
        tags_uncounted: false,
        hidden: Hidden::default(),
        new_versioning: None,
    }
}

/// A plain rename on AWS, which the others change something of.
pub(super) fn plain(name: &'static str, about: &'static str, objects: Vec<Put>) -> Scenario {
    Scenario {
        name,
        about,
        scene: Scene {
            old: bucket(Versioning::Off),
            new: bucket(Versioning::Off),
            objects,
            jobs: vec![Job::plain(KEY)],
            chains: Vec::new(),
            fleet: fleet(),
            twist: Twist::default(),
        },
        trouble: None,
        messages: 1,
        stop_after: None,
        outcome: Outcome::Renamed,
    }
}

impl Scenario {
    /// On an endpoint that is not AWS: every copy is read back.
    fn elsewhere(mut self) -> Self {
        self.scene.fleet.abilities.trusted = false;
        self.scene.fleet.abilities.replaces_conditionally = false;
        self
    }

    pub(super) fn if_exists(mut self, choice: IfExists) -> Self {
        self.scene.jobs[0].if_exists = choice;
        self
    }

    pub(super) fn versioned(mut self, policy: VersionPolicy) -> Self {
        self.scene.old = bucket(Versioning::Enabled);
        self.scene.new = bucket(Versioning::Enabled);
        self.scene.jobs[0].versioned = policy;
        self.scene.jobs[0].pins.version = policy == VersionPolicy::Purge;
        self
    }

    /// Sent twice, and worked on one after the other: the second message does
    /// not look like a redelivery.
    pub(super) fn sent_twice(mut self) -> Self {
        self.messages = 2;
        self.scene.fleet.max_renames = 1;
        self
    }

    fn pinned(mut self) -> Self {
        self.scene.jobs[0].pins.etag = true;
        self.scene.jobs[0].pins.modified = true;
        self
    }

    pub(super) fn ends(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    pub(super) fn trouble(mut self, operation: &'static str, fate: Fate) -> Self {
        self.trouble = Some((operation, fate));
        self
    }

    fn encrypted(mut self) -> Self {
        for object in &mut self.scene.objects {
            object.made.new.encryption = Some(Encryption::kms(KEY_ARN));
        }
        self
    }

    fn verified(mut self, mode: VerifyMode) -> Self {
        self.scene.fleet.verify = Some(mode);
        self
    }
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [
        undisturbed(),
        taken_destinations(),
        versions(),
        retries(),
        redeliveries(),
        super::unseen::all(),
        several(),
    ]
    .concat()
}

fn source() -> Put {
    object(OLD, small(), rich(), None)
}

fn bare() -> Put {
    object(OLD, small(), NewObject::default(), None)
}

fn whole() -> Put {
    object(OLD, large(), rich(), None)
}

/// A copy of it in parts has a checksum of its parts only.
fn hashed() -> Put {
    let mut hashed = whole();
    hashed.made.checksum = Some(ChecksumAlgorithm::Sha256);
    hashed
}

/// Another object at the destination.
pub(super) fn taken() -> Put {
    object(NEW, Content::literal(b"other".to_vec()), rich(), None)
}

/// A version before the source's own.
fn older() -> Put {
    let mut older = source();
    older.age = HOUR * 2;
    older.made.content = Content::literal(b"older".to_vec());
    older
}

/// Nothing is in the way.
fn undisturbed() -> Vec<Scenario> {
    let in_parts = object(OLD, large(), rich(), Some(PART + (4 << 20)));
    let mut annotated = whole();
    annotated.made.annotation = Some("a note".to_owned());
    let ours = "with the source's own parts";
    let kms = "under a KMS key: ETags say nothing";
    let composite = "in parts, with a checksum that only covers parts";
    vec![
        plain("single", "one CopyObject, on AWS", vec![source()]),
        plain(
            "single_bare",
            "the same without any properties",
            vec![bare()],
        ),
        plain(
            "single_elsewhere",
            "one CopyObject, not on AWS",
            vec![source()],
        )
        .elsewhere(),
        plain(
            "pinned",
            "with ETag, size and date in the message",
            vec![source()],
        )
        .pinned(),
        plain(
            "multipart",
            "three parts, of a source in one piece",
            vec![whole()],
        ),
        plain("multipart_elsewhere", "the same, not on AWS", vec![whole()]).elsewhere(),
        plain("multipart_own_parts", ours, vec![in_parts]).verified(VerifyMode::Strict),
        plain("encrypted", kms, vec![source()]).encrypted(),
        plain("annotated", "with an annotation, in parts", vec![annotated]),
        plain("composite", composite, vec![hashed()]),
        plain("missing", "there is no source", vec![]).ends(Outcome::Failed),
    ]
}

/// Something is at the destination, or could be.
fn taken_destinations() -> Vec<Scenario> {
    let mut other_properties = object(NEW, small(), rich(), None);
    other_properties.made.new = NewObject::default();
    let mut foreign = object(NEW, large(), rich(), Some(PART));
    foreign.made.checksum = Some(ChecksumAlgorithm::Sha256);
    let both = || vec![taken(), source()];
    let alike = vec![other_properties, source()];
    let equal = "equal bytes in other parts, with another checksum";
    let bytes_only = "the destination has the bytes, not the properties";
    vec![
        plain(
            "skip_free",
            "`skip`, and the destination is free",
            vec![source()],
        )
        .if_exists(IfExists::Skip),
        plain("skip_taken", "`skip`, and the destination is taken", both())
            .if_exists(IfExists::Skip)
            .ends(Outcome::Skipped),
        plain("fail_taken", "`fail`, and the destination is taken", both()).ends(Outcome::Failed),
        plain("fail_properties", bytes_only, alike).ends(Outcome::Failed),
        plain("foreign_proof", equal, vec![foreign, whole()]).ends(Outcome::Failed),
        plain(
            "overwrite",
            "`overwrite`, and the destination is taken",
            both(),
        )
        .if_exists(IfExists::Overwrite),
        plain(
            "overwrite_multipart",
            "the same in parts",
            vec![taken(), whole()],
        )
        .if_exists(IfExists::Overwrite),
        plain(
            "overwrite_elsewhere",
            "`overwrite`, not on AWS: a look stands in for If-Match",
            both(),
        )
        .if_exists(IfExists::Overwrite)
        .elsewhere(),
        plain(
            "overwrite_multipart_elsewhere",
            "the same in parts",
            vec![taken(), whole()],
        )
        .if_exists(IfExists::Overwrite)
        .elsewhere(),
    ]
}

/// Buckets with versions.
fn versions() -> Vec<Scenario> {
    let marker = "versions: the source gets a delete marker";
    let purge = "versions: exactly the named one is removed";
    vec![
        plain("marker", marker, vec![older(), source()]).versioned(VersionPolicy::Marker),
        plain("purge", purge, vec![older(), source()]).versioned(VersionPolicy::Purge),
    ]
}

/// An answer was lost, and the next attempt hears 412.
fn retries() -> Vec<Scenario> {
    let copy = "the copy's answer is lost, and the next one hears 412";
    let complete = "the same of the completion of an upload";
    vec![
        plain("retry_after_412", copy, vec![source()]).trouble("CopyObject", Fate::ReplyLost),
        plain("retry_after_412_multipart", complete, vec![whole()])
            .trouble("CompleteMultipartUpload", Fate::ReplyLost),
    ]
}

/// A worker has died already.
fn redeliveries() -> Vec<Scenario> {
    let died =
        |scenario: Scenario, operation| scenario.trouble(operation, Fate::Death(Moment::Applied));
    let mut rewritten = source();
    rewritten.age = Duration::ZERO;
    let again = |name, about, objects| died(plain(name, about, objects), "CopyObject");
    let in_parts =
        |name, about, objects| died(plain(name, about, objects), "CompleteMultipartUpload");
    let proof = "nothing can be compared: a scratch copy proves it";
    vec![
        again(
            "redelivery",
            "a worker died between copy and delete",
            vec![source()],
        ),
        again(
            "redelivery_elsewhere",
            "the same, not on AWS",
            vec![source()],
        )
        .elsewhere(),
        in_parts(
            "redelivery_multipart",
            "the same with three parts",
            vec![whole()],
        ),
        again(
            "redelivery_encrypted",
            "the same under a KMS key",
            vec![source()],
        )
        .encrypted(),
        in_parts("redelivery_proof", proof, vec![hashed()]),
        again(
            "redelivery_overwrite",
            "the same with `overwrite`",
            vec![taken(), source()],
        )
        .if_exists(IfExists::Overwrite),
        again(
            "redelivery_purge",
            "the same, to purge a named version",
            vec![source()],
        )
        .versioned(VersionPolicy::Purge),
        died(
            plain(
                "redelivery_done",
                "a worker died after its delete",
                vec![source()],
            ),
            "DeleteObject",
        )
        .ends(Outcome::AlreadyRenamed),
        died(
            plain(
                "redelivery_recorded",
                "a worker died after it recorded",
                vec![source()],
            ),
            "Record",
        ),
        died(
            plain(
                "redelivery_early",
                "the source was written right before the job",
                vec![rewritten],
            ),
            "HeadObject",
        ),
    ]
}

/// Shutdowns, two tasks, two messages.
fn several() -> Vec<Scenario> {
    let mut second = bare();
    "k2".clone_into(&mut second.place.key);
    let mut two = plain(
        "two_tasks",
        "two tasks on one worker",
        vec![source(), second],
    );
    two.scene.jobs.push(Job::plain("k2"));
    let twice = "the submitter sent the task twice";
    vec![
        Scenario {
            stop_after: Some(Duration::from_millis(10)),
            ..plain(
                "hand_over",
                "the worker is told to stop in the middle",
                vec![source()],
            )
        },
        Scenario {
            stop_after: Some(Duration::from_millis(22)),
            ..plain(
                "hand_over_multipart",
                "the same with an upload open",
                vec![whole()],
            )
        },
        plain("sent_twice", twice, vec![source()]).sent_twice(),
        plain(
            "sent_twice_overwrite",
            "the same with `overwrite`",
            vec![taken(), source()],
        )
        .if_exists(IfExists::Overwrite)
        .sent_twice(),
        two,
    ]
}

impl Scenario {
    /// What an outsider may do to the first task's source and destination:
    /// put the same bytes with the same or other properties, put other bytes,
    /// delete.
    #[must_use]
    pub fn outsider_acts(&self) -> Vec<(Place, Act)> {
        let job = &self.scene.jobs[0];
        let objects = &self.scene.objects;
        let same = objects.iter().rev().find(|put| put.place == job.source);
        let own = Blueprint {
            content: Content::literal(b"the outsider's own".to_vec()),
            ..Blueprint::default()
        };
        let mut acts = vec![Act::Delete, Act::Put(own)];
        if let Some(same) = same {
            let bare = Blueprint {
                new: NewObject::default(),
                ..same.made.clone()
            };
            acts.extend([Act::Put(same.made.clone()), Act::Put(bare)]);
        }
        [&job.source, &job.destination]
            .into_iter()
            .flat_map(|place| acts.iter().map(|act| (place.clone(), act.clone())))
            .collect()
    }
}
