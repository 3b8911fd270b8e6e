//! What is there before the first step: buckets, objects, tasks.

use std::sync::Arc;
use std::time::Duration;

use rebucket_protocol::message::encode;
use rebucket_protocol::places::{in_transit, temporary_key};
use rebucket_protocol::{
    BucketName, ETag, Hop, IfExists, JobId, Leg, ObjectKey, ObjectUri, RenameTask, Step,
    StorageClass, SubmissionId, TaskId, VersionId, VersionPolicy, Waiver,
};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::{BucketSettings, S3, Versioning};
use rebucket_simulator::sqs::Sqs;

use super::audit::{Audit, Claim, Place};
use super::cloud::{Cloud, EPOCH, timestamp, timestamp_seconds};
use super::fleet::Fleet;
use super::queue::{DEAD, QUEUE};
use super::store::{Blueprint, put};
use super::twist::{Names, Twist};

/// The bucket that sources are in.
pub const OLD: &str = "old-keys";
/// The bucket that most destinations are in.
pub const NEW: &str = "new-keys";

/// An object that is there before the first step.
#[derive(Debug, Clone)]
pub struct Put {
    /// Where.
    pub place: Place,
    /// What.
    pub made: Blueprint,
    /// How long before [`EPOCH`] it was written.
    pub age: Duration,
}

/// What a message pins of its source.
#[derive(Debug, Clone, Copy, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent choices, not a state machine"
)]
pub struct Pinned {
    /// ETag and size.
    pub etag: bool,
    /// The version.
    pub version: bool,
    /// The date.
    pub modified: bool,
    /// The storage class.
    pub class: bool,
}

/// A task in the making.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its source.
    pub source: Place,
    /// Its destination.
    pub destination: Place,
    /// What to do when the destination is taken.
    pub if_exists: IfExists,
    /// What a delete means.
    pub versioned: VersionPolicy,
    /// What the message pins.
    pub pins: Pinned,
    /// Whether it names the job's start.
    pub submitted: bool,
    /// Which submission it is of. Each counts its rows from 1.
    pub submission: Option<SubmissionId>,
    /// Whether the operator gives up what lies behind a suspended bucket's
    /// current versions.
    pub waives_history: bool,
}

impl Job {
    /// A plain rename of a key to the same key of the other bucket.
    #[must_use]
    pub fn plain(key: &str) -> Self {
        Self {
            source: place(OLD, key),
            destination: place(NEW, key),
            if_exists: IfExists::Fail,
            versioned: VersionPolicy::Marker,
            pins: Pinned::default(),
            submitted: true,
            submission: None,
            waives_history: false,
        }
    }
}

/// A place by names.
#[must_use]
pub fn place(bucket: &str, key: &str) -> Place {
    Place {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    }
}

/// The whole of it.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The settings of [`OLD`].
    pub old: BucketSettings,
    /// The settings of [`NEW`].
    pub new: BucketSettings,
    /// The objects, in the order in which they were written.
    pub objects: Vec<Put>,
    /// The tasks.
    pub jobs: Vec<Job>,
    /// The tasks that wait for one another, each by its number in `jobs`, in
    /// the order in which they are carried out: a message for each chain.
    /// Where there is none, there is a message for each task.
    pub chains: Vec<Vec<Link>>,
    /// The workers.
    pub fleet: Fleet,
    /// What is unusual about the world.
    pub twist: Twist,
}

/// A member of a chain: a task by its number, or one leg of it.
pub type Link = (usize, Option<Leg>);

/// One of two legs, by way of the task's temporary key. What is in the way of
/// a second leg in another message, the first one says.
fn hop(tasks: &[RenameTask], number: usize, leg: Leg, chain: &[Link]) -> Hop {
    let elsewhere = leg == Leg::Out && !chain.contains(&(number, Some(Leg::In)));
    let destination = tasks[number].destination();
    let mut there = tasks.iter().filter(|task| task.source() == destination);
    Hop {
        leg,
        via: temporary(&tasks[number]),
        occupant: there
            .next()
            .filter(|_| elsewhere)
            .map(|task| task.pins.clone()),
        arrived: None,
    }
}

/// The temporary key of a task.
fn temporary(task: &RenameTask) -> ObjectUri {
    let folder = in_transit(&task.source().bucket, None);
    let submission = task.submission.unwrap_or(SubmissionId::from_bits(0));
    temporary_key(&folder, submission, task.id()).expect("a key that fits")
}

/// The message of a chain.
fn chained(tasks: &[RenameTask], chain: &[Link]) -> RenameTask {
    let (first, rest) = chain.split_first().expect("a chain of one at least");
    let then = rest.iter().map(|(number, leg)| {
        let task = &tasks[*number];
        let (source, destination) = (task.source().clone(), task.destination().clone());
        let hop = leg.map(|leg| hop(tasks, *number, leg, chain));
        let mut step = Step::new(task.id().clone(), source, destination, hop).expect("other keys");
        step.pins = task.pins.clone();
        step.if_exists = task.if_exists;
        step
    });
    let mut task = tasks[first.0].clone();
    if let Some(leg) = first.1 {
        task = task
            .in_two_legs(hop(tasks, first.0, leg, chain))
            .expect("other keys");
    }
    task.followed_by(then.collect()).expect("a chain")
}

/// A scene that has been set.
pub struct Stage {
    /// The world.
    pub cloud: Arc<Cloud>,
    /// Each task's message.
    pub bodies: Vec<String>,
}

/// When tasks are sent: the job's start.
pub const SENT: Millis = Millis(EPOCH.0 + 1_000);

fn uri(place: &Place) -> ObjectUri {
    ObjectUri {
        bucket: BucketName::new(&place.bucket).expect("a bucket's name"),
        key: ObjectKey::new(&place.key).expect("a key"),
    }
}

fn task(row: usize, job: &Job, sent: Millis, s3: &S3) -> RenameTask {
    let id = JobId::new("sim").expect("a job's name");
    let row = TaskId::for_row(&id, row as u64);
    let mut task = RenameTask::new(id, row, uri(&job.source), uri(&job.destination))
        .expect("two different places");
    task.if_exists = job.if_exists;
    task.options.versioned = job.versioned;
    task.submitted = job.submitted.then(|| timestamp(sent));
    task.submission = job.submission;
    if job.waives_history {
        task.options.waive.insert(Waiver::History);
    }
    let history = s3
        .bucket(&job.source.bucket)
        .map_or(&[][..], |bucket| bucket.versions(&job.source.key));
    if let Some(version) = history.last()
        && let Some(object) = &version.object
    {
        if job.pins.etag {
            task.pins.etag = ETag::new(&object.etag.to_string()).ok();
            task.pins.size = Some(object.content.size());
        }
        if job.pins.modified {
            task.pins.modified = Some(timestamp_seconds(version.modified));
        }
        if job.pins.class {
            task.pins.storage_class = StorageClass::new(object.storage_class.as_str()).ok();
        }
        if job.pins.version {
            task.pins.version = VersionId::new(version.id.to_string()).ok();
        }
    }
    task
}

/// Where versioning was on for a while, that was in between: what is older
/// than this has no version of its own.
const TURNED_ON: Duration = Duration::from_mins(90);
const SUSPENDED: Duration = Duration::from_mins(30);

impl Scene {
    /// How many messages there are.
    #[must_use]
    pub fn messages(&self) -> usize {
        if self.chains.is_empty() {
            self.jobs.len()
        } else {
            self.chains.len()
        }
    }

    /// The tasks that are carried out by one message.
    #[must_use]
    pub fn tasks_of(&self, message: usize) -> Vec<usize> {
        match self.chains.get(message) {
            Some(chain) => chain.iter().map(|(number, _)| *number).collect(),
            None => vec![message],
        }
    }

    /// The temporary keys of those tasks that have two legs.
    #[must_use]
    pub fn temporary_places(&self) -> Vec<Place> {
        let out = self.chains.iter().flatten();
        let out = out.filter(|(_, leg)| *leg == Some(Leg::Out));
        let rows: Vec<_> = self.rows().collect();
        out.map(|(number, _)| {
            let task = task(rows[*number], &self.jobs[*number], SENT, &S3::new());
            Place::of(&temporary(&task))
        })
        .collect()
    }

    /// What a bucket's versioning was when an object of this age was written.
    fn versioning_at(&self, age: Duration) -> Option<Versioning> {
        self.twist.suspended.then(|| {
            if (SUSPENDED..TURNED_ON).contains(&age) {
                Versioning::Enabled
            } else {
                Versioning::Suspended
            }
        })
    }

    /// Each task's row in the manifest of its submission.
    fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.jobs.iter().enumerate().map(|(number, job)| {
            let before = self.jobs[..number].iter();
            1 + before.filter(|it| it.submission == job.submission).count()
        })
    }

    /// Sets the scene: a world in which all this is there, and nothing sent.
    #[must_use]
    pub fn set(&self, log: bool) -> Stage {
        let mut s3 = S3::new();
        let made = Millis(EPOCH.0 - 86_400_000);
        let names = self.twist.names;
        names.set(&mut s3);
        s3.quirks.forgets_completed_uploads = self.twist.forgets_uploads;
        for (name, settings) in [(OLD, &self.old), (NEW, &self.new)] {
            if names.alias && name == NEW {
                Names::alias(&mut s3);
                continue;
            }
            s3.create_bucket(name, settings.clone(), made)
                .expect("a new bucket");
        }
        for object in &self.objects {
            let age = u64::try_from(object.age.as_millis()).unwrap_or(u64::MAX);
            let at = Millis(EPOCH.0.saturating_sub(age));
            if let Some(versioning) = self.versioning_at(object.age) {
                s3.put_bucket_versioning(&object.place.bucket, versioning, at)
                    .expect("a bucket without locks");
            }
            put(&mut s3, &object.place, &object.made, at);
        }
        if self.twist.suspended {
            for name in [OLD, NEW] {
                if s3.bucket(name).is_some() {
                    s3.put_bucket_versioning(name, Versioning::Suspended, made)
                        .expect("a bucket without locks");
                }
            }
        }
        let mut sqs = Sqs::new();
        sqs.create_queue(DEAD, &[], made).expect("a new queue");
        let policy = format!(
            r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":{}}}"#,
            sqs.arn(DEAD),
            self.fleet.max_receive_count
        );
        sqs.create_queue(QUEUE, &[("RedrivePolicy", &policy)], made)
            .expect("a new queue");
        let tasks: Vec<_> = self
            .jobs
            .iter()
            .zip(self.rows())
            .map(|(job, row)| task(row, job, self.twist.submitted(), &s3))
            .collect();
        let messages = if self.chains.is_empty() {
            tasks.clone()
        } else {
            let chains = self.chains.iter();
            chains.map(|chain| chained(&tasks, chain)).collect()
        };
        let bodies = messages
            .iter()
            .map(|task| encode(task).expect("a task that fits"))
            .collect();
        let claims = tasks
            .into_iter()
            .map(|task| Claim {
                source: names.own(&Place::of(task.source())),
                destination: names.own(&Place::of(task.destination())),
                via: Place::of(&temporary(&task)),
                sent: SENT,
                task,
            })
            .collect();
        let mut audit = if self.chains.is_empty() {
            Audit::new(claims, self.twist.clone())
        } else {
            Audit::census(claims, self.twist.clone())
        };
        audit.begin(&s3);
        Stage {
            cloud: Cloud::new(s3, sqs, audit, log, self.twist.clone()),
            bodies,
        }
    }
}
