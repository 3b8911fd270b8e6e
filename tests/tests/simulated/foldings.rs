//! Stores that take two keys for one, in ways that no list is complete for: an
//! object that is renamed to another of its own names stays.

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::s3::{Folding, NewObject};

use crate::stage::{Stage, small};

/// A key, and another one that a store with this folding takes for it.
const TWINS: [(Folding, &str, &str); 6] = [
    (Folding::Nfc, "n/cafe\u{301}.txt", "n/caf\u{e9}.txt"),
    (Folding::Percent, "n/a%2Fb", "n/a/b"),
    (Folding::Folder, "n/dir_$folder$", "n/dir/"),
    (Folding::Case, "n/PHOTO.JPG", "n/photo.jpg"),
    (Folding::Slashes, "n//a", "n/a"),
    (Folding::Tilde, "n/x~1", "n/x"),
];

#[tokio::test]
async fn an_object_that_is_renamed_to_another_of_its_names_stays() {
    for (folding, one, other) in TWINS {
        let stage = Stage::new().await;
        let world = &stage.world;
        {
            let mut s3 = stage.simulator.s3();
            s3.quirks.accept_self_copies = true;
            s3.fold_keys(&world.bucket.name, Some(folding)).unwrap();
        }
        let before = stage.put(one, &small(NewObject::default()));
        let keys = stage.keys();
        let mut tasks = Vec::new();
        for (from, to) in [(one, other), (other, one)] {
            for choice in ["fail", "skip", "overwrite"] {
                let number = u32::try_from(tasks.len()).unwrap() + 1;
                tasks.push(world.task(number, from, to).if_exists(choice));
            }
        }
        world.queue.send(&tasks).await;
        let log = stage.start("").await.drain(&world.queue).await;
        assert_eq!(
            stage.object(one).as_ref(),
            Some(&before),
            "{folding:?} {log}"
        );
        assert_eq!(stage.keys(), keys, "{folding:?}");
        let ended = world.report.outcomes().await;
        assert_eq!(ended.len(), tasks.len(), "{folding:?} {log}");
        for record in ended {
            assert_eq!(record.outcome, Outcome::Failed, "{folding:?} {record:?}");
            assert_eq!(record.reason, Some(Reason::KeysFold), "{record:?}");
        }
        let copied = |(operation, key): &(String, String)| {
            operation == "CopyObject" && key.starts_with("n/")
        };
        assert!(!stage.requests().iter().any(copied), "{folding:?}");
    }
}
