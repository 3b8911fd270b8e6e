//! Scenarios in which renames wait for one another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rebucket_protocol::{Leg, SubmissionId, VersionPolicy};
use rebucket_simulator::s3::{Content, Metadata, NewObject};

use super::fleet::{PART, THRESHOLD};
use super::scenarios::{Scenario, plain};
use super::scene::{Job, Link, OLD, Pinned, Put, place};
use super::store::Blueprint;

/// The bytes of each object: of its own, or the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bytes {
    Own,
    Same,
    SameInParts,
}

/// The object at the key of this number. Its metadata tell it from the others.
fn object(number: usize, bytes: Bytes) -> Put {
    let mut metadata = Metadata::default();
    metadata.user.insert("born".to_owned(), number.to_string());
    let content = match bytes {
        Bytes::Own => Content::literal(format!("object {number}").into_bytes()),
        Bytes::Same => Content::literal(b"object".to_vec()),
        Bytes::SameInParts => Content::sparse(7, THRESHOLD + PART),
    };
    Put {
        place: place(OLD, &key(number)),
        made: Blueprint {
            content,
            new: NewObject {
                metadata: Arc::new(metadata),
                tags: Arc::new(BTreeMap::from([("born".to_owned(), number.to_string())])),
                ..NewObject::default()
            },
            ..Blueprint::default()
        },
        age: Duration::from_hours(1),
    }
}

fn key(number: usize) -> String {
    format!("k{number}")
}

/// The object at each key goes to the key that stands there.
fn permuted(
    name: &'static str,
    about: &'static str,
    to: &[usize],
    bytes: Bytes,
    chains: Vec<Vec<Link>>,
) -> Scenario {
    let objects = (0..to.len()).map(|number| object(number, bytes)).collect();
    let mut scenario = plain(name, about, objects);
    let jobs = to.iter().enumerate().map(|(from, to)| Job {
        destination: place(OLD, &key(*to)),
        source: place(OLD, &key(from)),
        pins: Pinned {
            etag: true,
            modified: true,
            ..Pinned::default()
        },
        submission: Some(SubmissionId::from_bits(1)),
        ..Job::plain("")
    });
    scenario.scene.jobs = jobs.collect();
    scenario.scene.chains = chains;
    scenario
}

/// Rows that are carried out whole, in this order.
fn whole(rows: &[usize]) -> Vec<Link> {
    rows.iter().map(|row| (*row, None)).collect()
}

/// The same, opened by the first row's first leg and closed by its second.
fn opened(rows: &[usize]) -> Vec<Link> {
    let (first, others) = rows.split_first().expect("a row");
    let out = (*first, Some(Leg::Out));
    let back = (*first, Some(Leg::In));
    [vec![out], whole(others), vec![back]].concat()
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Scenario> {
    let path = || vec![whole(&[2, 1, 0])];
    let cycle = || vec![opened(&[0, 2, 1])];
    // 2 goes out of the way of 1 and 0, and in once 4 and 3 are gone.
    let split = || {
        vec![
            [vec![(2, Some(Leg::Out))], whole(&[1, 0])].concat(),
            [whole(&[4, 3]), vec![(2, Some(Leg::In))]].concat(),
        ]
    };
    // What waits for the temporary key comes before what fills it.
    let mut late = permuted(
        "split_late",
        "a path in two messages, the later one first",
        &[1, 2, 3],
        Bytes::Own,
        vec![
            vec![(2, None), (1, Some(Leg::In))],
            vec![(1, Some(Leg::Out)), (0, None)],
        ],
    );
    late.scene.fleet.max_renames = 1;
    let mut both = permuted(
        "split_first_same",
        "a first leg that nothing waits for, of objects with the same bytes",
        &[1, 2],
        Bytes::Same,
        vec![
            vec![(1, None), (0, Some(Leg::In))],
            vec![(0, Some(Leg::Out))],
        ],
    );
    both.scene.fleet.max_renames = 2;
    let mut several = permuted(
        "chains_at_once",
        "two swaps on one worker",
        &[1, 0, 3, 2],
        Bytes::Same,
        vec![opened(&[0, 1]), opened(&[2, 3])],
    );
    several.scene.fleet.max_renames = 2;
    let same = "the same, of objects with the same bytes";
    vec![
        permuted(
            "path",
            "each object to the next key",
            &[1, 2, 3],
            Bytes::Own,
            path(),
        ),
        permuted("path_same", same, &[1, 2, 3], Bytes::Same, path()),
        permuted(
            "path_parts",
            "the same in parts",
            &[1, 2, 3],
            Bytes::SameInParts,
            path(),
        ),
        permuted(
            "path_versions",
            "the same with versions",
            &[1, 2, 3],
            Bytes::Same,
            path(),
        )
        .versioned(VersionPolicy::Marker),
        permuted(
            "swap",
            "two objects change places",
            &[1, 0],
            Bytes::Own,
            vec![opened(&[0, 1])],
        ),
        permuted(
            "swap_same",
            same,
            &[1, 0],
            Bytes::Same,
            vec![opened(&[0, 1])],
        ),
        permuted(
            "cycle",
            "three objects in a circle",
            &[1, 2, 0],
            Bytes::Own,
            cycle(),
        ),
        permuted("cycle_same", same, &[1, 2, 0], Bytes::Same, cycle()),
        permuted(
            "split",
            "a path in two messages",
            &[1, 2, 3, 4, 5],
            Bytes::Own,
            split(),
        ),
        permuted("split_same", same, &[1, 2, 3, 4, 5], Bytes::Same, split()),
        late,
        both,
        several,
    ]
}
