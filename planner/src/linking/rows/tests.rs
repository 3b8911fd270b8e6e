use proptest::prelude::*;
use rebucket_protocol::{BucketName, ObjectKey, ObjectUri, Pins};

use super::*;

fn row(key: u64, name: &str) -> PlannedRename {
    let object = |key: String| {
        ObjectUri::new(
            BucketName::new("bkt").unwrap(),
            ObjectKey::new(key).unwrap(),
        )
    };
    PlannedRename {
        row: key,
        line: key + 1,
        source: object(format!("from/{name}")),
        destination: object(format!("to/{name}")),
        pins: Pins::default(),
        if_exists: None,
    }
}

proptest! {
    #[test]
    fn rows_come_back_in_order_whatever_the_memory(
        rows in prop::collection::btree_map(any::<u64>(), "[a-z]{0,40}", 0..200),
        memory in 0_usize..8_000,
        long in 1_usize..6,
    ) {
        let spill = Spill::new(std::env::temp_dir()).unwrap();
        let mut sorter = RowSorter::new(&spill, memory);
        let named: Vec<(u64, PlannedRename)> =
            rows.iter().map(|(key, name)| (*key, row(*key, &name.repeat(long)))).collect();
        // In no order: as hashes of their keys would have them.
        let mut shuffled: Vec<&(u64, PlannedRename)> = named.iter().collect();
        shuffled.sort_by_key(|(key, _)| key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for (key, row) in shuffled {
            sorter.push(*key, row).unwrap();
        }
        let sorted: Result<Vec<_>, _> = sorter.finish().ok().unwrap().collect();
        prop_assert_eq!(sorted.ok().unwrap(), named);
    }
}
