//! A store in memory, listers that take turns at random, and the whole bucket
//! in the end.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

const PAGE: usize = 4;

/// A store that lists keys in some order.
struct Store {
    keys: Vec<String>,
    compare: fn(&str, &str) -> Ordering,
}

fn bytes(a: &str, b: &str) -> Ordering {
    Order::Bytes.compare(a, b)
}

fn folders(a: &str, b: &str) -> Ordering {
    Order::Folders.compare(a, b)
}

/// No store that we know does this.
fn shortest_first(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then(a.cmp(b))
}

impl Store {
    fn new(mut keys: Vec<String>, compare: fn(&str, &str) -> Ordering) -> Self {
        keys.sort_by(|a, b| compare(a, b));
        keys.dedup();
        Self { keys, compare }
    }

    fn after<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = &'a str> {
        let compare = self.compare;
        let start = self
            .keys
            .partition_point(|key| after.is_some_and(|after| compare(after, key).is_ge()));
        let keys = self.keys[start..].iter().map(String::as_str);
        keys.filter(move |key| key.starts_with(prefix))
    }

    fn folders(&self, prefix: &str, after: &str) -> (Vec<String>, bool) {
        let mut all: Vec<String> = Vec::new();
        for key in self.after(prefix, Some(after)) {
            let slash = key[prefix.len()..].find('/');
            let folder = slash.map(|slash| key[..=prefix.len() + slash].to_owned());
            if folder.is_some() && all.last() != folder.as_ref() {
                all.extend(folder);
            }
            if all.len() > PAGE {
                break;
            }
        }
        let truncated = all.len() > PAGE;
        all.truncate(PAGE);
        (all, truncated)
    }
}

/// Lists all of it; the keys in the order in which they came, and how many
/// requests it took.
fn list(
    store: &Store,
    plan: Plan,
    listers: usize,
    turns: &[usize],
) -> Result<(Vec<String>, usize), Disorder> {
    let prefix = plan.prefix.clone();
    let mut coverage = Coverage::new(plan, listers);
    let mut at: Vec<Option<String>> = vec![None; listers];
    let (mut listed, mut requests) = (Vec::new(), 0);
    // Requests that were sent and are not answered yet.
    let mut sent: Vec<Option<Request>> = vec![None; listers];
    for turn in turns.iter().cycle() {
        let mut offered = (0..listers).map(|offset| {
            let lister = (turn + offset) % listers;
            let waiting = sent[lister].take();
            (
                lister,
                waiting.map_or_else(|| (coverage.next(lister), false), |r| (r, true)),
            )
        });
        let offer = offered.find(|(_, (request, _))| *request != Request::Wait);
        let (lister, (request, was_sent)) = offer.expect("somebody who does not wait");
        if !was_sent && request != Request::End {
            sent[lister] = Some(request);
            continue;
        }
        match request {
            Request::End => return Ok((listed, requests)),
            Request::Wait => unreachable!("nobody sends that"),
            Request::Folders { prefix, after } => {
                let (found, truncated) = store.folders(&prefix, &after);
                coverage.folders(lister, &found, truncated);
            }
            Request::Probe(after) => {
                coverage.probed(lister, store.after(&prefix, Some(&after)).next())?;
            }
            request => {
                if let Request::Begin(after) = request {
                    at[lister] = after;
                }
                let after = store.after(&prefix, at[lister].as_deref());
                let mut page: Vec<&str> = after.take(PAGE + 1).collect();
                let truncated = page.len() > PAGE;
                page.truncate(PAGE);
                let taken = coverage.page(lister, &page, truncated)?;
                listed.extend(page[..taken].iter().map(|key| (*key).to_owned()));
                at[lister] = page.last().map(|key| (*key).to_owned());
            }
        }
        requests += 1;
    }
    unreachable!("turns never end")
}

fn plan(order: Order, check: bool) -> Plan {
    Plan {
        prefix: String::new(),
        order,
        check,
        repeats: false,
        split: true,
    }
}

fn keys() -> impl Strategy<Value = Vec<String>> {
    let deep = "[ab-]{1,2}(/[ab-]{1,3}){0,3}";
    let flat = "x[0-9]{3}";
    let odd = "[aé/. ]{1,4}";
    let one = prop_oneof![3 => deep, 2 => flat, 1 => odd];
    prop::collection::vec(one, 0..150)
}

proptest! {
    #[test]
    fn every_key_is_listed_once_in_any_known_order(
        keys in keys(),
        by_folders: bool,
        listers in 1_usize..6,
        turns in prop::collection::vec(0_usize..6, 1..50),
    ) {
        let (order, compare) = if by_folders {
            (Order::Folders, folders as fn(&str, &str) -> Ordering)
        } else {
            (Order::Bytes, bytes as fn(&str, &str) -> Ordering)
        };
        let store = Store::new(keys, compare);
        let (mut listed, _) = list(&store, plan(order, true), listers, &turns).unwrap();
        listed.sort_by(|a, b| compare(a, b));
        prop_assert_eq!(&listed, &store.keys);
    }

    #[test]
    fn a_wrong_order_never_loses_a_key_unnoticed(
        keys in keys(),
        wrong in 0_usize..3,
        listers in 1_usize..6,
        turns in prop::collection::vec(0_usize..6, 1..50),
    ) {
        let (order, compare) = [
            (Order::Bytes, folders as fn(&str, &str) -> Ordering),
            (Order::Folders, bytes as fn(&str, &str) -> Ordering),
            (Order::Bytes, shortest_first as fn(&str, &str) -> Ordering),
        ][wrong];
        let store = Store::new(keys, compare);
        if let Ok((mut listed, _)) = list(&store, plan(order, true), listers, &turns) {
            listed.sort_by(|a, b| compare(a, b));
            prop_assert_eq!(&listed, &store.keys);
        }
    }

    #[test]
    fn alone_a_lister_needs_no_order(keys in keys()) {
        let store = Store::new(keys, shortest_first);
        let alone = Plan { split: false, ..plan(Order::Bytes, false) };
        let (listed, requests) = list(&store, alone, 1, &[0]).unwrap();
        prop_assert_eq!(&listed, &store.keys);
        prop_assert_eq!(requests, store.keys.len().div_ceil(PAGE).max(1));
    }
}

/// A kind of keys: its name, and the key of each number.
type Shape = (&'static str, fn(usize) -> String);

/// How many rounds of one request for each lister a listing takes.
fn rounds(keys: Vec<String>, listers: usize) -> usize {
    let store = Store::new(keys, bytes);
    let turns: Vec<usize> = (0..listers).collect();
    let (listed, requests) = list(&store, plan(Order::Bytes, false), listers, &turns).unwrap();
    assert_eq!(listed.len(), store.keys.len());
    requests / listers
}

#[test]
fn all_listers_share_the_work_whatever_the_keys_look_like() {
    let count = 20_000;
    let pages = count / PAGE;
    let shapes: [Shape; 4] = [
        ("flat numbers", |n| format!("IMG_{n:08}.jpg")),
        ("hashes", |n| {
            format!("{:016x}", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        }),
        ("days", |n| {
            format!(
                "logs/{:04}/{:02}/{:02}/{n}",
                2000 + n / 3000,
                n / 250 % 12,
                n % 28
            )
        }),
        ("tiny folders", |n| format!("users/{n:07}/profile.json")),
    ];
    for (name, shape) in shapes {
        let alone = rounds((0..count).map(shape).collect(), 1);
        assert_eq!(alone, pages, "{name}");
        let eight = rounds((0..count).map(shape).collect(), 8);
        assert!(
            eight < pages / 5,
            "{name}: {eight} rounds for {pages} pages"
        );
    }
}

#[test]
fn a_small_bucket_takes_one_request() {
    let store = Store::new(vec!["a".into(), "b/c".into()], bytes);
    let (listed, requests) = list(&store, plan(Order::Bytes, true), 8, &[0]).unwrap();
    assert_eq!((listed.len(), requests), (2, 1));
}

#[test]
fn a_key_with_versions_on_two_pages_is_in_order() {
    let versions = Plan {
        repeats: true,
        ..plan(Order::Bytes, true)
    };
    let mut coverage = Coverage::new(versions, 1);
    coverage.next(0);
    assert_eq!(coverage.page(0, &["a", "b", "b"], true), Ok(3));
    assert_eq!(coverage.page(0, &["b", "c"], false), Ok(2));
    assert_eq!(coverage.next(0), Request::End);
}

#[test]
fn a_seam_that_does_not_meet_is_noticed() {
    let both = |first: &str| {
        let mut coverage = Coverage::new(plan(Order::Bytes, true), 2);
        assert_eq!(coverage.next(0), Request::Begin(None));
        coverage.page(0, &["a1", "a2"], true).unwrap();
        assert!(matches!(coverage.next(1), Request::Folders { .. }));
        coverage.folders(1, &[], false);
        let Request::Probe(seam) = coverage.next(1) else {
            panic!("expected a probe");
        };
        coverage.probed(1, Some("x1")).unwrap();
        assert_eq!(coverage.next(1), Request::Begin(Some(seam)));
        coverage.page(1, &[first], false).unwrap();
        coverage.page(0, &["b", "x1"], true)
    };
    assert_eq!(both("x1"), Ok(1));
    assert!(both("x2").is_err());
}
