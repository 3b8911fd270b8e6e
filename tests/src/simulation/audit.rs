//! The auditor: watches every change, and knows what no client can see, where
//! each object's bytes first came from. Two objects with the same bytes are
//! two objects to it.
//!
//! What it checks at each change:
//! - Workers write to destinations of the manifest and to scratch keys only.
//! - No object is replaced, unless its task says to overwrite, and then only
//!   what was there before the task's own copy was.
//! - A source is deleted only while its task's destination holds a complete
//!   copy of that very object, with its properties, or an outsider has changed
//!   the destination since it did.
//! - One task takes away one object, or brings another one safely to the
//!   destination as well, if a duplicate of its message finds one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rebucket_protocol::message::decode;
use rebucket_protocol::{IfExists, ObjectUri, RenameTask, Step, Waiver};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::{Object, S3, Version};

use super::history;
use super::twist::Twist;

/// Scratch objects have this in their keys, and nothing else has.
pub const SCRATCH: &str = ".rebucket/";

/// A bucket and a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

impl Place {
    /// The place of an object.
    #[must_use]
    pub fn of(object: &ObjectUri) -> Self {
        Self {
            bucket: object.bucket.to_string(),
            key: object.key.to_string(),
        }
    }

    /// The current object there.
    #[must_use]
    pub fn current<'a>(&self, s3: &'a S3) -> Option<&'a Object> {
        s3.bucket(&self.bucket)?.current(&self.key)
    }

    fn is_scratch(&self) -> bool {
        self.key.contains(SCRATCH)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

/// A task as the auditor knows it.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The task.
    pub task: RenameTask,
    /// Its source.
    pub source: Place,
    /// Its destination.
    pub destination: Place,
    /// Where its object is between its legs, if it has two.
    pub via: Place,
    /// When it was first sent.
    pub sent: Millis,
}

/// Where an object was first written, and as what.
#[derive(Debug, Clone)]
pub struct Birth {
    /// Where.
    pub place: Place,
    /// When.
    pub at: Millis,
    /// What.
    pub object: Object,
}

/// Between the last look at a source and its delete, a copy in one request
/// asks for this much: the copy, a HEAD of it, tags, grants, retention and hold
/// of both.
const REQUESTS_OF_SINGLE: usize = 10;

/// A look at a source.
#[derive(Debug, Default)]
struct Look {
    at: Millis,
    since: BTreeSet<(&'static str, bool)>,
}

/// The auditor.
#[derive(Debug, Default)]
pub struct Audit {
    claims: Vec<Claim>,
    by_source: BTreeMap<Place, usize>,
    by_destination: BTreeMap<Place, usize>,
    births: BTreeMap<u64, Birth>,
    /// Destinations that held a complete copy of an object, and of which.
    copied: BTreeSet<(usize, u64)>,
    /// Objects that each task's workers copied themselves, and when last.
    made: BTreeMap<(usize, u64), Millis>,
    /// The object that each task took away from its source.
    taken: BTreeMap<usize, u64>,
    /// Objects of which an outsider removed or replaced a copy.
    meddled: BTreeSet<u64>,
    /// Objects that a task replaced as it was told to.
    replaced: BTreeSet<u64>,
    /// Places that an outsider changed, and those it changed last.
    touched: BTreeSet<Place>,
    touched_last: BTreeSet<Place>,
    /// When each process last looked at a task's destination.
    looks_there: BTreeMap<(u16, usize), Millis>,
    /// When each process last looked at a task's source, and what it asked of
    /// the task's objects since.
    looks: BTreeMap<(u16, usize), Vec<Look>>,
    /// Tasks of which there are two messages, or two deliveries at once: what
    /// one process asks for two of them cannot be told apart.
    pub doubled: BTreeSet<usize>,
    /// Who began each upload that is not ended.
    pub uploads: BTreeMap<String, u16>,
    /// Processes that may leave an upload or a scratch object behind.
    pub excused: BTreeSet<u16>,
    /// True where tasks wait for one another, and keys are used again: then
    /// each object is counted, wherever it is on its way.
    census: bool,
    /// What is unusual about the world.
    twist: Twist,
    violations: Vec<String>,
}

impl Audit {
    /// An auditor of these tasks.
    #[must_use]
    pub fn new(claims: Vec<Claim>, twist: Twist) -> Self {
        let places = |of: fn(&Claim) -> &Place| {
            let numbered = claims.iter().enumerate();
            numbered.map(|(n, claim)| (of(claim).clone(), n)).collect()
        };
        Self {
            by_source: places(|claim| &claim.source),
            by_destination: places(|claim| &claim.destination),
            claims,
            twist,
            ..Self::default()
        }
    }

    /// The same for tasks of chains.
    #[must_use]
    pub fn census(claims: Vec<Claim>, twist: Twist) -> Self {
        Self {
            census: true,
            ..Self::new(claims, twist)
        }
    }

    /// The name by which the store knows the object at a place.
    fn own(&self, place: &Place) -> Place {
        self.twist.names.own(place)
    }

    /// Whether the operator gave up what lies behind the current version of a
    /// place in a suspended bucket.
    pub(super) fn gives_up_history(&self, place: &Place) -> bool {
        let place = &self.own(place);
        let mut of = self.claims.iter();
        self.twist.suspended
            && of.any(|claim| {
                let names = [&claim.source, &claim.destination].contains(&place);
                names && claim.task.options.waive.contains(&Waiver::History)
            })
    }

    /// The tasks that a message is about, by their numbers.
    #[must_use]
    pub fn about(&self, body: &str) -> Vec<usize> {
        let Ok(task) = decode(body) else {
            return Vec::new();
        };
        let then = task.then().iter().map(Step::id);
        let ids: Vec<_> = [task.id()].into_iter().chain(then).collect();
        let is_of = |claim: &Claim| {
            claim.task.submission == task.submission && ids.contains(&claim.task.id())
        };
        let claims = self.claims.iter().enumerate();
        claims
            .filter(|(_, claim)| is_of(claim))
            .map(|(n, _)| n)
            .collect()
    }

    /// The tasks.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// What went wrong so far.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// True when an outsider changed this place.
    #[must_use]
    pub fn was_touched(&self, place: &Place) -> bool {
        self.touched.contains(&self.own(place))
    }

    /// True when there were two messages of a task, or two deliveries at once.
    #[must_use]
    pub fn is_doubled(&self, claim: &Claim) -> bool {
        let number = self.by_source.get(&claim.source);
        number.is_some_and(|number| self.doubled.contains(number))
    }

    /// True when the queue's clock is not the store's.
    #[must_use]
    pub fn clocks_differ(&self) -> bool {
        self.twist.queue_ahead != 0
    }

    /// True when there were two deliveries at once of a row whose object an
    /// outsider took away from its temporary key (`docs/SEMANTICS.md`, "Known
    /// limits").
    #[must_use]
    pub fn was_taken_away(&self) -> bool {
        let mut doubled = self.doubled.iter().filter_map(|n| self.claims.get(*n));
        self.census && doubled.any(|claim| self.touched.contains(&claim.via))
    }

    /// Objects that must exist at the end: all but those that an outsider or
    /// an overwriting task did away with.
    pub fn protected(&self) -> impl Iterator<Item = (u64, &Birth)> {
        self.births
            .iter()
            .filter(|(origin, _)| !self.meddled.contains(origin) && !self.replaced.contains(origin))
            .map(|(origin, birth)| (*origin, birth))
    }

    /// Where an object may be at the end: where it was born, and where the
    /// task of that key takes it, perhaps by way of a temporary key.
    #[must_use]
    pub fn homes(&self, birth: &Birth) -> Vec<Place> {
        let number = self.by_source.get(&birth.place);
        let moved = number.map(|n| self.claims[*n].destination.clone());
        let half = number.filter(|_| self.census);
        let half = half.map(|n| self.claims[*n].via.clone());
        [birth.place.clone()]
            .into_iter()
            .chain(moved)
            .chain(half)
            .collect()
    }

    /// Records a violation.
    pub fn violation(&mut self, what: String) {
        self.violations.push(what);
    }

    /// An object was there before the first step.
    pub fn born(&mut self, place: &Place, at: Millis, object: &Object) {
        let (place, object) = (self.own(place), object.clone());
        self.births
            .insert(object.origin, Birth { place, at, object });
    }

    /// An outsider changed a place.
    pub fn outsider(&mut self, place: &Place, before: Option<&Object>, s3: &S3, now: Millis) {
        let place = &self.own(place);
        if let Some(before) = before {
            self.meddled.insert(before.origin);
            if let Some(&number) = self.by_destination.get(place) {
                let all = (number, 0)..=(number, u64::MAX);
                let copied = self.copied.range(all).map(|(_, origin)| *origin);
                self.meddled.extend(copied);
            }
        }
        if let Some(after) = place.current(s3) {
            self.born(place, now, after);
            // At a temporary key, where every object is dated after the job's
            // start, only its bytes tell the job's own (`docs/SEMANTICS.md`).
            let in_transit = self.claims.iter().any(|claim| claim.via == *place);
            if in_transit && before.is_some_and(|before| before.content == after.content) {
                self.meddled.insert(after.origin);
            }
        }
        self.touched.insert(place.clone());
        self.touched_last.insert(place.clone());
        self.compare(place, s3);
    }

    /// Everything is there that was there before the first step.
    pub fn begin(&mut self, s3: &S3) {
        for (bucket, there) in s3.buckets() {
            for key in there.keys() {
                let place = Place {
                    bucket: bucket.to_owned(),
                    key: key.to_owned(),
                };
                let versions = there.versions(key);
                for version in versions {
                    let Some(object) = &version.object else {
                        continue;
                    };
                    self.born(&place, version.modified, object);
                    // Older versions are found by their versions' ids, not by
                    // a look at the keys.
                    if Some(version) != versions.last() {
                        self.meddled.insert(object.origin);
                    }
                }
            }
        }
        for number in 0..self.claims.len() {
            let place = self.claims[number].destination.clone();
            self.compare(&place, s3);
        }
    }

    /// If the task that ends at this place finds a complete copy there, of an
    /// object that it may have been sent for, that is as good as its own.
    fn compare(&mut self, place: &Place, s3: &S3) {
        if self.census {
            return;
        }
        let Some(&number) = self.by_destination.get(place) else {
            return;
        };
        let claim = &self.claims[number];
        let Some(there) = place.current(s3) else {
            return;
        };
        if let Some(birth) = self.births.get(&there.origin)
            && birth.place == claim.source
            && difference(&birth.object, there).is_none()
        {
            self.copied.insert((number, there.origin));
        }
        let equal = self.births.iter().filter(|(_, birth)| {
            birth.place == claim.source
                && birth.at < claim.sent
                && difference(&birth.object, there).is_none()
        });
        let equal: Vec<_> = equal.map(|(origin, _)| (number, *origin)).collect();
        self.copied.extend(equal);
    }

    /// A worker's request for an object was carried out.
    pub fn asked(&mut self, worker: u16, operation: &'static str, place: &Place, now: Millis) {
        if self.census {
            return;
        }
        let place = &self.own(place);
        let (number, at_source) = match (self.by_source.get(place), self.by_destination.get(place))
        {
            (Some(&number), _) => (number, true),
            (None, Some(&number)) => (number, false),
            (None, None) => return,
        };
        let head = operation == "HeadObject";
        if head && !at_source {
            self.looks_there.insert((worker, number), now);
        }
        // Two messages of one task may be worked on by one process at once.
        let looks = self.looks.entry((worker, number)).or_default();
        if operation == "DeleteObject" {
            return;
        }
        // A copy of what nobody looked at is a look of its own.
        let unseen = operation == "CopyObject" && looks.is_empty();
        if (head && at_source) || unseen {
            let since = BTreeSet::new();
            looks.push(Look { at: now, since });
        } else {
            for look in looks {
                look.since.insert((operation, at_source));
            }
        }
    }

    /// A worker looked at a place where nothing was.
    pub fn found_nothing(&mut self, worker: u16, place: &Place, now: Millis) {
        let place = self.own(place);
        if let Some(&number) = self.by_destination.get(&place) {
            self.looks_there.insert((worker, number), now);
        }
    }

    /// True when the object came to its place after the process had looked
    /// there for the last time, right before its delete, or right before a copy
    /// in one request: with the same bytes, no condition of S3 can tell it from
    /// the one that was seen (`docs/SEMANTICS.md`, "Known limits").
    fn came_unseen(&self, worker: u16, number: usize, origin: u64) -> bool {
        let born = self.births.get(&origin).map(|birth| birth.at);
        let looks = self.looks.get(&(worker, number));
        looks.is_some_and(|looks| {
            looks.iter().any(|look| {
                let single = look.since.contains(&("CopyObject", false));
                let soon = look.since.is_empty()
                    || (single && look.since.len() <= REQUESTS_OF_SINGLE)
                    || self.doubled.contains(&number);
                soon && born.is_some_and(|born| born >= look.at)
            })
        })
    }

    /// True when the object came to its place within two seconds after its task
    /// was sent, and the message does not say when that was: the queue's clock
    /// is known to a second, and so is the store's (`docs/SEMANTICS.md`, "When
    /// a task was sent").
    fn came_early(&self, number: usize, origin: u64) -> bool {
        let claim = &self.claims[number];
        let before = Millis(claim.sent.0 + 2_000);
        claim.task.submitted.is_none()
            && self
                .births
                .get(&origin)
                .is_some_and(|birth| birth.at < before)
    }

    /// True when the object came to the destination after the process had
    /// looked there for the last time: two workers had the same task at once,
    /// by way of two messages (`docs/SEMANTICS.md`, "Known limits").
    fn came_there_unseen(&self, worker: u16, number: usize, origin: u64) -> bool {
        // One process may have both, and what it looked at for the one, it did
        // not see for the other.
        let looked = self.looks_there.get(&(worker, number));
        let looked = looked.filter(|_| !self.doubled.contains(&number));
        self.births
            .get(&origin)
            .is_some_and(|birth| looked.is_none_or(|looked| birth.at >= *looked))
    }

    /// True when a worker of this task made the copy after the process had
    /// looked at the destination for the last time.
    fn made_unseen(&self, worker: u16, number: usize, origin: u64) -> bool {
        let looked = self.looks_there.get(&(worker, number));
        let made = self.made.get(&(number, origin));
        made.is_some_and(|made| looked.is_none_or(|looked| made >= looked))
    }

    /// A worker wrote an object. `before` is what was current there.
    pub fn written(
        &mut self,
        worker: u16,
        place: &Place,
        before: Option<&Object>,
        s3: &S3,
        now: Millis,
    ) {
        let place = &self.own(place);
        if self.census {
            return self.replaced_in_census(worker, place, before, s3);
        }
        if place.is_scratch() {
            return;
        }
        let Some(after) = place.current(s3) else {
            return self.violation(format!("w{worker} wrote {place}, and nothing is there"));
        };
        let Some(&number) = self.by_destination.get(place) else {
            return self.violation(format!("w{worker} wrote {place}, no task's destination"));
        };
        let claim = &self.claims[number];
        // Parts of two objects with the same bytes make a third: it has no
        // birth, and no source may be deleted for it.
        let elsewhere = self
            .births
            .get(&after.origin)
            .is_some_and(|birth| birth.place != claim.source);
        if elsewhere {
            let source = &claim.source;
            self.violations.push(format!(
                "w{worker} wrote {place} from an object that was never at {source}"
            ));
        }
        if let Some(before) = before.filter(|before| before.origin != after.origin) {
            if claim.task.if_exists != IfExists::Overwrite {
                // Between the look and the copy: a known limit of endpoints
                // whose nodes differ.
                let lax = self.twist.lax_nodes > 0
                    && (self.came_there_unseen(worker, number, before.origin)
                        || self.made_unseen(worker, number, before.origin));
                // An equal one of the job's first second, or written since the
                // time at which its messages say that it began, cannot be told
                // from a copy.
                let began = self.twist.submitted();
                let after_that = |birth: &Birth| birth.at.seconds() >= began.seconds();
                let unclear = claim.task.submitted.is_none()
                    || self.births.get(&before.origin).is_some_and(after_that);
                let equal = unclear && difference(before, after).is_none();
                if !lax && !equal {
                    self.violations
                        .push(format!("w{worker} replaced a foreign object at {place}"));
                }
            } else if self.made.contains_key(&(number, after.origin))
                // To `If-Match` the same bytes are the same object.
                && before.content != after.content
                && !self.came_there_unseen(worker, number, before.origin)
            {
                self.violations.push(format!(
                    "w{worker} copied to {place} again, over what came after its copy"
                ));
            }
            self.replaced.insert(before.origin);
        }
        // The same, after the other had deleted the source.
        let own = before.filter(|before| before.origin == after.origin);
        if self.doubled.contains(&number)
            && own.is_some_and(|own| difference(own, after) == Some("annotations"))
        {
            self.meddled.insert(after.origin);
        }
        self.made.insert((number, after.origin), now);
        self.touched_last.remove(place);
        self.compare(place, s3);
    }

    /// A worker annotated an object.
    pub fn annotated(&mut self, worker: u16, place: &Place, s3: &S3) {
        let place = &self.own(place);
        if !place.is_scratch() && !self.by_destination.contains_key(place) {
            self.violation(format!(
                "w{worker} annotated {place}, no task's destination"
            ));
        }
        self.compare(place, s3);
    }

    /// Two deliveries at once of a task that overwrites an equal object: the
    /// one completes its copy over that of the other, and has not annotated it
    /// yet when the other deletes the source (`docs/SEMANTICS.md`, "Known
    /// limits").
    fn dropped_annotations(&mut self, number: usize, object: &Object, s3: &S3) -> bool {
        let claim = &self.claims[number];
        let there = claim.destination.current(s3);
        let dropped = self.doubled.contains(&number)
            && claim.task.if_exists == IfExists::Overwrite
            && there.is_some_and(|there| difference(object, there) == Some("annotations"));
        if dropped {
            self.meddled.insert(object.origin);
        }
        dropped
    }

    /// A worker took an object away from its key.
    pub fn deleted(&mut self, worker: u16, place: &Place, removed: &Version, s3: &S3) {
        let place = &self.own(place);
        let Some(object) = removed.object.as_deref() else {
            return self.violation(format!("w{worker} removed a delete marker at {place}"));
        };
        if self.census {
            return self.deleted_in_census(worker, place, object, s3);
        }
        if place.is_scratch() {
            return;
        }
        let Some(&number) = self.by_source.get(place) else {
            return self.violation(format!("w{worker} deleted {place}, no task's source"));
        };
        let sent = self.claims[number].sent;
        let destination = self.claims[number].destination.clone();
        let moved = self.made.contains_key(&(number, object.origin));
        let early = self.came_early(number, object.origin);
        if early {
            self.meddled.insert(object.origin);
        }
        if let Some(&first) = self.taken.get(&number)
            && first != object.origin
            && !moved
            && !early
            && !self.came_unseen(worker, number, object.origin)
        {
            return self.violation(format!(
                "w{worker} deleted {place} once more: another object by now"
            ));
        }
        self.taken.insert(number, object.origin);
        let sent_for = self
            .births
            .get(&object.origin)
            .is_some_and(|birth| birth.at < sent || early);
        let wrong = match destination.current(s3) {
            None => Some("nothing".to_owned()),
            Some(there) if there.origin != object.origin && !sent_for => {
                Some("the copy of another object".to_owned())
            }
            Some(there) => {
                difference(object, there).map(|what| format!("a copy with another {what}"))
            }
        };
        // A copy of a version that somebody had deleted, to its own key by
        // another name: it is a version still, but not what somebody put over
        // the copy meanwhile, where versioning is suspended
        // (`docs/SEMANTICS.md`, "Known limits").
        let version_stays = destination == *place
            && self.touched.contains(place)
            && history::of(place, s3).iter().any(|version| {
                let kept = version.object.as_deref();
                kept.is_some_and(|kept| kept.origin == object.origin || self.twist.suspended)
            });
        let unseen =
            wrong.is_some() && (version_stays || self.came_unseen(worker, number, object.origin));
        if unseen {
            self.meddled.insert(object.origin);
        }
        let excused = unseen
            || (self.touched_last.contains(&destination)
                && (self.copied.contains(&(number, object.origin))
                    || self.made.contains_key(&(number, object.origin))));
        let excused = excused || self.dropped_annotations(number, object, s3);
        self.copied.insert((number, object.origin));
        if let Some(wrong) = wrong.filter(|_| !excused) {
            let what = format!("w{worker} deleted {place} while {destination} holds {wrong}");
            self.violations.push(what);
        }
    }
}

/// Chains: an object may be at any key of its chain, but is never replaced,
/// and never removed but for a complete copy elsewhere.
impl Audit {
    fn replaced_in_census(&mut self, worker: u16, place: &Place, before: Option<&Object>, s3: &S3) {
        let after = place.current(s3).map(|object| object.origin);
        if before.is_some_and(|before| Some(before.origin) != after) {
            self.violation(format!("w{worker} replaced the object at {place}"));
        }
    }

    fn deleted_in_census(&mut self, worker: u16, place: &Place, object: &Object, s3: &S3) {
        let elsewhere = s3
            .buckets()
            .flat_map(|(_, bucket)| bucket.current_objects())
            .any(|(_, _, other)| {
                other.origin == object.origin && difference(object, other).is_none()
            });
        // Of two deliveries at once, the one made a copy, which an outsider took
        // away; the other one made another, deleted the source, and went on:
        // now the first one deletes what has come to the source's place
        // (`docs/SEMANTICS.md`, "Known limits").
        let of_place = self.claims.iter().enumerate();
        let doubled = of_place
            .filter(|(number, claim)| claim.source == *place && self.doubled.contains(number));
        let taken_away = doubled.into_iter().any(|(_, claim)| {
            self.touched.contains(&claim.via) || self.touched.contains(&claim.destination)
        });
        if taken_away {
            self.meddled.insert(object.origin);
        }
        // Whoever replaced or deleted one of them did away with it.
        if !elsewhere && !self.meddled.contains(&object.origin) {
            self.violation(format!(
                "w{worker} deleted the only copy of what is at {place}"
            ));
        }
    }
}

/// What a copy does not have of its source, if anything.
#[must_use]
pub fn difference(source: &Object, copy: &Object) -> Option<&'static str> {
    let kept = |object: &Object| object.checksum.map(|kept| kept.algorithm);
    let checks = [
        ("content", source.content == copy.content),
        ("metadata", source.metadata == copy.metadata),
        ("tags", source.tags == copy.tags),
        ("grants", source.acl == copy.acl),
        ("storage class", source.storage_class == copy.storage_class),
        ("encryption", source.encryption == copy.encryption),
        // A lock that the copy has in addition does no harm.
        (
            "retention",
            source.retention.is_none() || source.retention == copy.retention,
        ),
        (
            "legal hold",
            source.legal_hold != Some(true) || copy.legal_hold == Some(true),
        ),
        (
            "event hold",
            source.event_hold.is_none_or(|hold| !hold.on) || source.event_hold == copy.event_hold,
        ),
        ("redirect", source.redirect == copy.redirect),
        ("checksum", kept(source) == kept(copy)),
        // So does an annotation.
        (
            "annotations",
            source.annotations.iter().all(|(name, own)| {
                let there = copy.annotations.get(name);
                there.is_some_and(|there| there.payload == own.payload)
            }),
        ),
    ];
    checks
        .into_iter()
        .find(|(_, same)| !same)
        .map(|(what, _)| what)
}
