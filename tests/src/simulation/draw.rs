//! Draws a schedule's scene and events from its seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use rebucket_protocol::{BucketName, IfExists, VersionPolicy};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::{
    AclRequest, BucketSettings, CannedAcl, ChecksumAlgorithm, Content, Encryption, EventHold,
    HoldPeriod, Metadata, NewObject, Ownership, Retention, RetentionMode, StorageClass, Versioning,
};
use rebucket_worker::rename::VerifyMode;
use rebucket_worker::store::endpoint::Abilities;
use rebucket_worker::store::{BucketFacts, Versioning as Known};

use super::events::{Event, Troubles};
use super::fate::{Dice, Director as _, Fate, Roughness};
use super::fleet::{Fleet, PART, THRESHOLD};
use super::hidden::Hidden;
use super::outsider::Ambush;
use super::permuted;
use super::scene::{Job, Link, NEW, OLD, Put, SENT, Scene, place};
use super::schedule::{Decision, Schedule};
use super::store::Blueprint;
use super::twist::Twist;

/// A schedule has at most so many tasks.
pub const TASKS: u16 = 4;

/// And at most so many events.
pub const EVENTS: u16 = 5;

/// All that a seed decides in advance.
#[derive(Debug)]
pub struct Drawn {
    /// What is there.
    pub scene: Scene,
    /// What happens, in order.
    pub events: Vec<Event>,
    /// What an outsider does in answer to workers.
    pub ambushes: Vec<Ambush>,
    /// What becomes of requests.
    pub roughness: Roughness,
    /// Workers side by side.
    pub workers: usize,
    /// How long a worker stays away after it died or stopped.
    pub rest: Duration,
    /// From then on, nothing goes wrong any more.
    pub calm_at: Millis,
}

/// Draws a schedule.
#[must_use]
pub fn draw(schedule: &Schedule) -> Drawn {
    let mut chance = schedule.chance();
    let chance = &mut chance;
    let versioned = chance.u8(0..4) == 0;
    let setting = Setting {
        versioned,
        lock: versioned && chance.u8(0..4) == 0,
        acls: chance.u8(0..4) == 0,
        plain: chance.u8(0..3) == 0,
    };
    let mut fleet = fleet(chance, setting);
    let twist = unusual(schedule, &fleet, setting);
    let old = settings(setting);
    let other = Setting {
        versioned: versioned != (!setting.lock && chance.u8(0..8) == 0),
        ..setting
    };
    let new = settings(other);
    if twist.suspended {
        fleet.facts.versioning = Known::Suspended;
    }
    fleet.hidden = twist.hidden.clone();
    let tasks = chance.u16(1..=TASKS);
    let mut roughness = roughness(chance, fleet.visibility);
    roughness.impostor = twist.impostors;
    let workers = chance.usize(1..=3);
    let rest = Duration::from_millis(chance.u64(0..=20_000));
    let length = chance.u64(5_000..=180_000);
    let meddling = chance.u8(0..3);

    let (mut objects, jobs, chains) = subjects(schedule, setting, &twist, tasks);
    objects.push(bystander());
    let scene = Scene {
        old,
        new,
        objects,
        jobs,
        chains,
        fleet,
        twist,
    };

    let events = chance.u16(0..=EVENTS);
    let troubles = Troubles {
        length,
        workers,
        meddling: meddling > 0,
    };
    let (events, ambushes) = troubles.draw(schedule, events, &scene);
    Drawn {
        scene,
        events,
        ambushes,
        roughness,
        workers,
        rest,
        calm_at: Millis(SENT.0 + length),
    }
}

/// The objects, the tasks, and which of them wait for one another.
fn subjects(
    schedule: &Schedule,
    setting: Setting,
    twist: &Twist,
    tasks: u16,
) -> (Vec<Put>, Vec<Job>, Vec<Vec<Link>>) {
    if twist.chained {
        let mut chance = schedule.chance_of(Decision::Chains);
        let both = permuted::draw(&mut chance, setting.versioned);
        return (both.objects, both.jobs, both.chains);
    }
    let (mut objects, mut jobs) = (Vec::new(), Vec::new());
    for number in 0..tasks {
        let decision = Decision::Task(number);
        if schedule.has(decision) {
            let mut chance = schedule.chance_of(decision);
            let before = objects.len();
            subject(&mut chance, number, setting, &mut objects, &mut jobs);
            rename_to_twin(&mut chance, twist, &mut jobs);
            if let Some(job) = jobs.last_mut() {
                job.waives_history = twist.suspended && chance.u8(0..4) == 0;
            }
            if twist.held && setting.lock {
                hold(&mut chance, &mut objects[before..]);
            }
        }
    }
    (objects, jobs, Vec::new())
}

/// The requests, of so many workers and among the first so many of each, that
/// a schedule does not simply answer.
#[must_use]
pub fn rough_requests(schedule: &Schedule, workers: u16, requests: u32) -> Vec<Decision> {
    let roughness = draw(schedule).roughness;
    let dice = Dice::new(schedule.clone(), roughness, Duration::from_secs(1));
    (0..workers)
        .flat_map(|worker| (0..requests).map(move |number| (worker, number)))
        .filter(|(worker, number)| dice.course(*worker, *number).fate != Fate::Answered)
        .map(|(worker, number)| Decision::Request(worker, number))
        .collect()
}

fn fleet(chance: &mut Rng, setting: Setting) -> Fleet {
    let trusted = chance.bool();
    let read_back = if setting.plain {
        None
    } else {
        Some(VerifyMode::Head)
    };
    let verify = [
        None,
        Some(VerifyMode::Response),
        Some(VerifyMode::Head),
        read_back,
    ];
    let skews = (0..3).map(|_| match chance.u8(0..4) {
        0 => chance.i64(-120_000..=120_000),
        _ => 0,
    });
    Fleet {
        skews: skews.collect(),
        visibility: Duration::from_secs(chance.u64(10..=60)),
        max_receive_count: chance.u32(3..=12),
        max_renames: chance.usize(1..=4),
        verify: verify[chance.usize(0..verify.len())],
        assume_plain: setting.plain,
        abilities: Abilities {
            trusted,
            replaces_conditionally: trusted,
            counts_tags: chance.u8(0..4) > 0,
            ..Abilities::aws()
        },
        facts: BucketFacts {
            has_acls: setting.acls,
            has_lock: setting.lock,
            versioning: if setting.versioned {
                Known::Enabled
            } else {
                Known::Never
            },
        },
        buckets: [OLD, NEW]
            .map(|name| BucketName::new(name).expect("a bucket's name"))
            .to_vec(),
        resumed: false,
        tags_uncounted: false,
        hidden: Hidden::default(),
        new_versioning: None,
    }
}

/// What the buckets have.
#[derive(Debug, Clone, Copy)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent choices, not a state machine"
)]
struct Setting {
    versioned: bool,
    lock: bool,
    acls: bool,
    /// Objects have nothing that a copy loses, and workers are told so.
    plain: bool,
}

fn settings(setting: Setting) -> BucketSettings {
    BucketSettings {
        object_lock: setting.lock,
        versioning: if setting.versioned {
            Versioning::Enabled
        } else {
            Versioning::Off
        },
        ownership: if setting.acls {
            Ownership::BucketOwnerPreferred
        } else {
            Ownership::BucketOwnerEnforced
        },
        ..BucketSettings::default()
    }
}

/// Some schedules are quiet, some have one kind of trouble, some have all.
fn roughness(chance: &mut Rng, visibility: Duration) -> Roughness {
    let margin = u64::try_from((visibility / 4).as_millis()).unwrap_or(u64::MAX);
    let heavy = chance.u32(1..=120);
    let mut some = |of: u32| if chance.bool() { of } else { 0 };
    Roughness {
        refused: some(heavy),
        lost: some(heavy),
        silent: some(heavy / 4),
        death: some(heavy / 2),
        freeze: some(heavy / 4),
        impostor: 0,
        latency: if chance.u8(0..3) == 0 {
            chance.u64(0..=margin.min(5_000) / 2)
        } else {
            chance.u64(0..=200)
        },
    }
}

/// An object's properties: often none, sometimes many.
fn properties(chance: &mut Rng, setting: Setting) -> NewObject {
    let mut metadata = Metadata::default();
    if chance.bool() {
        metadata.content_type = Some("text/plain".to_owned());
        metadata.user = BTreeMap::from([("owner".to_owned(), "a&b".to_owned())]);
    }
    let tags = if chance.u8(0..3) == 0 {
        BTreeMap::from([("team".to_owned(), "blue".to_owned())])
    } else {
        BTreeMap::new()
    };
    NewObject {
        metadata: Arc::new(metadata),
        storage_class: (chance.u8(0..4) == 0).then_some(StorageClass::StandardIa),
        tags: Arc::new(tags),
        acl: if setting.acls && chance.bool() && !setting.plain {
            AclRequest::Canned(CannedAcl::PublicRead)
        } else {
            AclRequest::default()
        },
        redirect: (chance.u8(0..8) == 0 && !setting.plain).then(|| "/elsewhere".to_owned()),
        encryption: (chance.u8(0..8) == 0 && !setting.plain)
            .then(|| Encryption::kms("arn:aws:kms:us-east-1:1:key/a")),
        retention: (setting.lock && chance.bool()).then(|| Retention {
            mode: RetentionMode::Governance,
            // Longer than the clocks differ: an expired one is not carried.
            until: Millis(SENT.0 + chance.u64(3_600_000..=100_000_000)),
        }),
        legal_hold: (setting.lock && chance.u8(0..4) == 0).then_some(true),
        event_hold: None,
    }
}

/// An object's bytes and the parts it was uploaded in.
fn bytes(chance: &mut Rng, number: u16) -> (Content, Option<u64>) {
    match chance.u8(0..8) {
        0 => (Content::literal(Vec::new()), None),
        1 => (Content::sparse(u64::from(number), THRESHOLD + PART), None),
        2 => (
            Content::sparse(u64::from(number), THRESHOLD + PART),
            Some(PART + (4 << 20)),
        ),
        3 => (Content::sparse(u64::from(number), 2 * PART + 1), Some(PART)),
        _ => (
            Content::literal(format!("object {number}").into_bytes()),
            None,
        ),
    }
}

/// Everything about an object.
fn blueprint(chance: &mut Rng, number: u16, setting: Setting) -> Blueprint {
    let (content, parts) = bytes(chance, number);
    Blueprint {
        content,
        parts,
        new: properties(chance, setting),
        checksum: match chance.u8(0..8) {
            0 => Some(ChecksumAlgorithm::Sha256),
            1 => Some(ChecksumAlgorithm::Crc32),
            _ => None,
        },
        annotation: (chance.u8(0..8) == 0).then(|| "a note".to_owned()),
    }
}

/// An object with these bytes and nothing else.
pub(super) fn plain(bytes: &[u8]) -> Blueprint {
    Blueprint {
        content: Content::literal(bytes.to_vec()),
        ..Blueprint::default()
    }
}

/// One task with its source and what may be in its way.
fn subject(
    chance: &mut Rng,
    number: u16,
    setting: Setting,
    objects: &mut Vec<Put>,
    jobs: &mut Vec<Job>,
) {
    let key = format!("k{number}");
    let mut job = Job::plain(&key);
    if chance.u8(0..4) == 0 {
        job.destination = place(OLD, &format!("moved/{key}"));
    }
    job.if_exists = match chance.u8(0..6) {
        0 => IfExists::Skip,
        1 => IfExists::Overwrite,
        _ => IfExists::Fail,
    };
    job.pins.etag = chance.u8(0..3) == 0;
    job.pins.modified = job.pins.etag && chance.bool();
    if setting.plain && chance.u8(0..4) > 0 {
        job.pins.etag = true;
        job.pins.modified = false;
    }
    job.pins.class = setting.plain;
    job.pins.version = setting.versioned && chance.bool();
    job.submitted = chance.u8(0..4) > 0;
    if setting.versioned && chance.u8(0..3) == 0 {
        job.versioned = VersionPolicy::Purge;
    }
    let source = Put {
        place: job.source.clone(),
        made: blueprint(chance, number, setting),
        age: Duration::from_secs([3_600, 3_600, 2, 0][chance.usize(0..4)]),
    };
    if setting.versioned && chance.bool() {
        // An older version: perhaps the same bytes, perhaps not.
        let mut older = source.clone();
        older.age = Duration::from_hours(2);
        if chance.bool() {
            older.made = plain(b"older");
        }
        objects.push(older);
    }
    if chance.u8(0..6) == 0 {
        let mut there = source.clone();
        there.place = job.destination.clone();
        match chance.u8(0..4) {
            0 => {}
            1 => there.made.new = properties(chance, setting),
            2 => there.made = blueprint(chance, number, setting),
            _ => there.made = plain(b"something else"),
        }
        objects.push(there);
    }
    if chance.u8(0..16) > 0 {
        objects.push(source);
    }
    jobs.push(job);
}

/// What is unusual about the world. Drawn apart, so that what else a seed draws
/// stays as it is.
fn unusual(schedule: &Schedule, fleet: &Fleet, setting: Setting) -> Twist {
    if !schedule.has(Decision::World) {
        return Twist::default();
    }
    let trusted = fleet.abilities.trusted;
    let looks = !trusted && fleet.verify != Some(VerifyMode::Response);
    let mut twist = Twist::draw(&mut schedule.chance_of(Decision::World), trusted, looks);
    // Object Lock does not let versioning be suspended.
    twist.suspended &= setting.versioned && !setting.lock;
    if twist.names.alias || twist.names.folding.is_some() {
        // What one node creates in the place of an object by another name of
        // it, no answer shows (`docs/SEMANTICS.md`, "Known limits").
        twist.lax_nodes = 0;
    }
    if twist.names.alias {
        // Workers look at start whether two names are of one bucket, whatever
        // they may read under each.
        twist.hidden = twist.hidden.of_both(OLD, NEW);
    }
    if twist.chained {
        // Whether something came between a look and a copy is not followed
        // where keys are used again.
        twist.lax_nodes = 0;
    }
    twist
}

/// Some objects have an event hold.
fn hold(chance: &mut Rng, objects: &mut [Put]) {
    for object in objects {
        let period = HoldPeriod::Days(chance.u32(1..=400));
        let hold = EventHold {
            on: chance.u8(0..4) > 0,
            then: Some(period),
        };
        object.made.new.event_hold = chance.bool().then_some(hold);
    }
}

/// Where keys fold, half of the tasks rename an object to another name of it.
fn rename_to_twin(chance: &mut Rng, twist: &Twist, jobs: &mut [Job]) {
    let Some(job) = jobs.last_mut() else {
        return;
    };
    if let Some(twin) = twist.names.twin(&job.source.key)
        && chance.bool()
    {
        job.destination = place(OLD, &twin);
    }
}

/// An object that no task names.
fn bystander() -> Put {
    Put {
        place: place(OLD, "bystander"),
        made: plain(b"not yours"),
        age: Duration::from_hours(1),
    }
}
