use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::chains::tests::{any_rows, in_chains};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// With room for one row up to all of them.
    #[test]
    fn rows_are_ranked_whatever_the_memory(rows in any_rows(), in_memory in 1_usize..70) {
        let spill = Spill::new(std::env::temp_dir()).unwrap();
        // It is not alone in the file.
        spill.append(b"before").unwrap();
        let sources: BTreeMap<u32, u32> =
            (0..).zip(&rows).map(|(row, (from, _))| (*from, row)).collect();
        let links = (0..).zip(&rows).filter_map(|(row, (_, to))| {
            sources.get(to).map(|next| Ok::<_, SpillError>((row, *next)))
        });
        let number = u32::try_from(rows.len()).unwrap();
        let places = ranks(links, number, in_memory * ROW_BYTES, &spill).unwrap();
        let mut places: Vec<(u64, u32)> =
            places.map(|place| place.unwrap().key()).zip(0..).collect();
        places.sort_unstable();
        let sorted: Vec<(Chain, u32)> =
            places.into_iter().map(|(key, row)| (Place::chain(key), row)).collect();
        prop_assert_eq!(sorted, in_chains(&rows));
    }
}

/// The last bits of each number are told apart.
#[test]
fn a_place_has_room_for_the_most_rows() {
    for (row, links, cycle) in [(0, 0, false), (MAX_ROWS - 1, MAX_ROWS, true)] {
        let place = Place::first(row, cycle).after(links);
        assert_eq!(Place::chain(place.key()), Chain { cycle, first: row });
        assert_eq!(place.link(), None);
        assert_eq!(place.0 & Place::LOW, u64::from(links));
        assert_eq!(
            Place::before(row).after(links - links.min(1)).link(),
            Some((row, links.max(1)))
        );
    }
}
