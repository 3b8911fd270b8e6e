//! What the world has that a plain model of it leaves out: names that are not
//! what they seem, clocks that do not agree, a queue that says less, nodes of
//! one endpoint that differ.

use fastrand::Rng;
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::{AliasKind, Folding, Quirks, S3};

use super::audit::Place;
use super::hidden::{Hidden, Property};
use super::scene::{NEW, OLD, SENT};

/// The longest that two clocks are apart, in milliseconds.
const APART: i64 = 60_000;

/// What is unusual about a scene; nothing by default.
#[derive(Debug, Clone, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent choices, not a state machine"
)]
pub struct Twist {
    /// Which names mean one object.
    pub names: Names,
    /// How far the queue's clock is ahead of the store's, in milliseconds; or
    /// behind, if negative.
    pub queue_ahead: i64,
    /// True when the queue does not say how often a message was delivered.
    pub uncounted: bool,
    /// How long after the tasks were sent the dead-letter queue is moved back,
    /// in milliseconds, if it is.
    pub redriven_after: Option<u64>,
    /// Of 1,000 copies, this many meet a node of the endpoint that ignores the
    /// conditions on the destination.
    pub lax_nodes: u32,
    /// True when both buckets kept versions for a while, and do no more.
    pub suspended: bool,
    /// What workers may not read.
    pub hidden: Hidden,
    /// True when objects may have an event hold, where there are locks.
    pub held: bool,
    /// Of 1,000 requests, this many are answered by somebody else than the
    /// service.
    pub impostors: u32,
    /// How far the time in the messages, at which the job began, is behind the
    /// store's clock, in milliseconds. A submitter that cannot ask the store
    /// names an earlier time.
    pub submitted_behind: u64,
    /// True when what is renamed are chains, of two jobs of one name.
    pub chained: bool,
    /// True when the store does not know an upload any more that it has
    /// completed, as AWS does.
    pub forgets_uploads: bool,
}

/// Names of buckets and keys that mean one object.
#[derive(Debug, Clone, Copy, Default)]
pub struct Names {
    /// True when [`NEW`] is another name of [`OLD`].
    pub alias: bool,
    /// What the store makes of every key.
    pub folding: Option<Folding>,
    /// True when the store makes a copy of an object onto itself, which AWS
    /// refuses.
    pub copies_onto_itself: bool,
}

impl Names {
    /// The name by which the store knows the object at a place.
    #[must_use]
    pub fn own(&self, place: &Place) -> Place {
        let key = &place.key;
        let folded = self.folding.map(|folding| folding.fold(key).into_owned());
        Place {
            bucket: if self.alias && place.bucket == NEW {
                OLD.to_owned()
            } else {
                place.bucket.clone()
            },
            key: folded.unwrap_or_else(|| key.clone()),
        }
    }

    /// Tells the store, whose buckets have nothing in them yet.
    pub(super) fn set(self, s3: &mut S3) {
        s3.quirks = Quirks {
            accept_self_copies: self.copies_onto_itself,
            fold_keys: self.folding,
            ..s3.quirks
        };
    }

    /// Gives the bucket [`OLD`] its second name.
    pub(super) fn alias(s3: &mut S3) {
        s3.alias_bucket(NEW, OLD, AliasKind::Plain)
            .expect("a name that is free");
    }

    /// A key that this store takes for `key`, where there is one.
    #[must_use]
    pub fn twin(&self, key: &str) -> Option<String> {
        let twin = match self.folding? {
            Folding::Case => key.to_ascii_uppercase(),
            Folding::Tilde => format!("{key}~1"),
            Folding::Percent => key.replacen('k', "%6B", 1),
            Folding::Slashes => format!("/{key}"),
            Folding::Nfc | Folding::Folder => return None,
        };
        (self.folding?.fold(&twin) == self.folding?.fold(key)).then_some(twin)
    }
}

impl Twist {
    /// Draws what is unusual about a schedule: often nothing.
    #[must_use]
    pub fn draw(chance: &mut Rng, trusted: bool, looks: bool) -> Self {
        let folding = [Folding::Case, Folding::Tilde, Folding::Percent];
        let names = match chance.u8(0..12) {
            0 => Names {
                alias: true,
                ..Names::default()
            },
            // AWS takes keys as they are.
            1 if !trusted => Names {
                folding: Some(folding[chance.usize(0..folding.len())]),
                ..Names::default()
            },
            _ => Names::default(),
        };
        Self {
            names: Names {
                copies_onto_itself: chance.bool(),
                ..names
            },
            queue_ahead: if chance.u8(0..4) == 0 {
                chance.i64(-APART..=APART)
            } else {
                0
            },
            uncounted: chance.u8(0..8) == 0,
            redriven_after: (chance.u8(0..4) == 0).then(|| chance.u64(10_000..=600_000)),
            // Whoever believes every answer has chosen so.
            lax_nodes: if looks && chance.u8(0..8) == 0 {
                chance.u32(1..=500)
            } else {
                0
            },
            suspended: chance.u8(0..3) == 0,
            hidden: if chance.u8(0..8) == 0 {
                let property = Property::ALL[chance.usize(0..Property::ALL.len())];
                Hidden::property(property, if chance.bool() { OLD } else { NEW })
            } else {
                Hidden::default()
            },
            held: chance.u8(0..3) == 0,
            impostors: if chance.u8(0..8) == 0 {
                chance.u32(1..=60)
            } else {
                0
            },
            submitted_behind: if chance.u8(0..8) == 0 {
                // A job begins with a whole second.
                chance.u64(0..=400) * 1_000
            } else {
                0
            },
            chained: chance.u8(0..6) == 0,
            forgets_uploads: !trusted && chance.u8(0..3) == 0,
        }
    }

    /// When the messages say that the job began.
    #[must_use]
    pub fn submitted(&self) -> Millis {
        Millis(SENT.0.saturating_sub(self.submitted_behind))
    }

    /// What the queue's clock shows.
    #[must_use]
    pub fn queue_time(&self, now: Millis) -> Millis {
        Millis(now.0.saturating_add_signed(self.queue_ahead))
    }
}
