//! Two jobs of one name at once, on one bucket: each of chains, swaps and
//! circles, with the same row numbers and perhaps the same bytes.

use fastrand::Rng;
use rebucket_protocol::{SubmissionId, VersionPolicy};

use super::chains;
use super::outsider::{Act, Ambush, Trigger};
use super::scene::{Job, Link, OLD, Put, Scene, place};

/// What two jobs are about.
pub(super) struct Permuted {
    /// The objects of both.
    pub objects: Vec<Put>,
    /// The tasks of both.
    pub jobs: Vec<Job>,
    /// A message for each chain.
    pub chains: Vec<Vec<Link>>,
}

/// Draws two jobs, of which the second one often does the same as the first,
/// to other keys.
pub(super) fn draw(chance: &mut Rng, versioned: bool) -> Permuted {
    let all = chains::all();
    let first = chance.usize(0..all.len());
    let second = match chance.u8(0..3) {
        0 => chance.usize(0..all.len()),
        _ => first,
    };
    let pin_version = chance.bool();
    let mut both = Permuted {
        objects: Vec::new(),
        jobs: Vec::new(),
        chains: Vec::new(),
    };
    for (bits, which, folder) in [(1, first, ""), (2, second, "other/")] {
        add(&mut both, bits, &all[which].scene, folder);
    }
    for job in &mut both.jobs {
        job.versioned = VersionPolicy::Marker;
        job.pins.version = versioned && pin_version;
    }
    both
}

fn add(both: &mut Permuted, submission: u128, scene: &Scene, folder: &str) {
    let before = both.jobs.len();
    let moved = |key: &str| place(OLD, &format!("{folder}{key}"));
    both.objects.extend(scene.objects.iter().map(|object| Put {
        place: moved(&object.place.key),
        ..object.clone()
    }));
    both.jobs.extend(scene.jobs.iter().map(|job| Job {
        source: moved(&job.source.key),
        destination: moved(&job.destination.key),
        submission: Some(SubmissionId::from_bits(submission)),
        ..job.clone()
    }));
    let later = |chain: &Vec<Link>| -> Vec<Link> {
        let links = chain.iter();
        links.map(|(number, leg)| (number + before, *leg)).collect()
    };
    both.chains.extend(scene.chains.iter().map(later));
}

/// An outsider gets at an object between its two legs: as soon as it is there,
/// it is removed or replaced.
pub(super) fn ambush(chance: &mut Rng, scene: &Scene) -> Option<Ambush> {
    let places = scene.temporary_places();
    let place = places.get(chance.usize(0..places.len().max(1)))?.clone();
    let act = match chance.u8(0..3) {
        0 => Act::Put(
            scene.objects[chance.usize(0..scene.objects.len())]
                .made
                .clone(),
        ),
        _ => Act::Delete,
    };
    Some(Ambush {
        place,
        trigger: Trigger::Written,
        act,
    })
}
