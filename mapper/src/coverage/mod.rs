//! Listing a bucket side by side: which part is listed by whom, and when it is
//! split.
//!
//! Pure: it says which request a lister is to send next, and is told the
//! answer. A listing begins as one range of keys. A lister without work takes
//! the second half of a range that another one is at: it splits it at a folder,
//! or, where there are none, at a key between. So one request lists a small
//! bucket, and a large one is listed by all, whatever its keys look like.
//!
//! That every key is listed once rests on the order of the keys. Amazon's is
//! that of their bytes; some other stores sort folder by folder. Where the
//! order is not known, each seam is checked: the key at which the lister below
//! stops is the first that the lister above sees. Else the listing is
//! [`Disorder`], and has to be begun again, with another [`Order`].

mod order;
mod split;

use std::collections::{HashMap, VecDeque};
use std::fmt;

pub use order::Order;

use split::Attempt;

/// A range of keys and how far it is listed.
#[derive(Debug)]
struct Range {
    /// Only keys after this one.
    after: Option<String>,
    /// Only keys up to this one.
    until: Option<String>,
    /// The last key of the last page.
    last: Option<String>,
    pages: u64,
    /// The pages there were when a split was tried last.
    tried_at: u64,
    /// Another lister is about to split it.
    splitting: bool,
    /// Folders up to this length have no other folder after them in here.
    exhausted: usize,
}

/// Where two ranges meet.
#[derive(Debug, Default)]
struct Seam {
    /// The first key after the range below.
    stop: Found,
    /// The first key of the range above.
    first: Found,
}

/// What comes next in a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Found {
    #[default]
    Unknown,
    Key(String),
    /// No key any more.
    End,
}

impl Found {
    fn of(key: Option<&str>) -> Self {
        key.map_or(Self::End, |key| Self::Key(key.to_owned()))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key:?}"),
            Self::End => f.write_str("the end"),
            Self::Unknown => f.write_str("something"),
        }
    }
}

type RangeId = u64;

/// What a lister is at.
#[derive(Debug, Default)]
enum Doing {
    #[default]
    Nothing,
    Listing(RangeId),
    Splitting(Attempt),
}

/// What a lister is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// List a first page after this key; answered with [`Coverage::page`].
    Begin(Option<String>),
    /// List the next page; answered with [`Coverage::page`].
    Continue,
    /// List the folders in `prefix` after a key; answered with
    /// [`Coverage::folders`].
    Folders {
        /// The folder to look into.
        prefix: String,
        /// The key.
        after: String,
    },
    /// Find the first key after this one; answered with [`Coverage::probed`].
    Probe(String),
    /// Ask again when another lister has made progress.
    Wait,
    /// All is listed.
    End,
}

/// The listing is not in the order that was assumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the keys are not listed in the order of their {order}: {detail}")]
pub struct Disorder {
    /// The order that was assumed.
    pub order: Order,
    /// What was seen.
    pub detail: String,
}

/// How a listing is done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What every key starts with.
    pub prefix: String,
    /// The order of the keys.
    pub order: Order,
    /// The order is only assumed: check it.
    pub check: bool,
    /// A key can be on a page, and on the next, more than once: a listing of
    /// versions.
    pub repeats: bool,
    /// Let idle listers take over parts. Without, the order does not matter.
    pub split: bool,
}

/// A listing in progress.
#[derive(Debug)]
pub struct Coverage {
    plan: Plan,
    ranges: HashMap<RangeId, Range>,
    pending: VecDeque<RangeId>,
    next_id: RangeId,
    seams: HashMap<String, Seam>,
    listers: Vec<Doing>,
}

impl Coverage {
    /// A listing by so many listers, numbered from 0.
    #[must_use]
    pub fn new(plan: Plan, listers: usize) -> Self {
        let mut coverage = Self {
            plan,
            ranges: HashMap::new(),
            pending: VecDeque::new(),
            next_id: 0,
            seams: HashMap::new(),
            listers: (0..listers).map(|_| Doing::Nothing).collect(),
        };
        coverage.add_range(None, None);
        coverage
    }

    fn add_range(&mut self, after: Option<String>, until: Option<String>) {
        let id = self.next_id;
        self.next_id += 1;
        self.ranges.insert(
            id,
            Range {
                after,
                until,
                last: None,
                pages: 0,
                tried_at: 0,
                splitting: false,
                exhausted: 0,
            },
        );
        self.pending.push_back(id);
    }

    /// What a lister is to do now.
    pub fn next(&mut self, lister: usize) -> Request {
        if let Doing::Listing(_) = self.listers[lister] {
            return Request::Continue;
        }
        if let Some(request) = self.go_on_splitting(lister) {
            return request;
        }
        if let Some(id) = self.pending.pop_front() {
            self.listers[lister] = Doing::Listing(id);
            let after = self.ranges.get(&id).and_then(|range| range.after.clone());
            return Request::Begin(after);
        }
        if self.ranges.is_empty() {
            return Request::End;
        }
        self.start_splitting(lister).unwrap_or(Request::Wait)
    }

    /// Takes a page of keys, in the order in which they came; `truncated` when
    /// there are more. Returns how many of them, from the first, are this
    /// lister's.
    ///
    /// # Errors
    /// [`Disorder`] when the order is not the assumed one.
    pub fn page(
        &mut self,
        lister: usize,
        keys: &[&str],
        truncated: bool,
    ) -> Result<usize, Disorder> {
        let Doing::Listing(id) = self.listers[lister] else {
            return Ok(0);
        };
        let (plan, order) = (&self.plan, self.plan.order);
        let Some(range) = self.ranges.get_mut(&id) else {
            return Ok(0);
        };
        if plan.split {
            let mut before = range.last.as_deref();
            let mut strict = !plan.repeats;
            if before.is_none() {
                (before, strict) = (range.after.as_deref(), true);
            }
            for &key in keys {
                if let Some(before) = before
                    && (order.compare(before, key).is_gt() || (strict && before == key))
                {
                    return Err(Disorder {
                        order,
                        detail: format!("{key:?} after {before:?}"),
                    });
                }
                (before, strict) = (Some(key), !plan.repeats);
            }
        }
        let accepted = match &range.until {
            None => keys.len(),
            Some(until) => keys.partition_point(|key| order.compare(key, until).is_le()),
        };
        let first = match (range.last.is_none() && range.pages == 0, keys.first()) {
            (true, Some(key)) => Found::of(Some(key)),
            (true, None) if !truncated => Found::End,
            _ => Found::Unknown,
        };
        if !keys.is_empty() || !truncated {
            range.pages += 1;
        }
        if let Some(last) = keys.last() {
            range.last = Some((*last).to_owned());
        }
        let (after, until) = (range.after.clone(), range.until.clone());
        let stop = Found::of(keys.get(accepted).copied());
        let ended = stop != Found::End || !truncated;
        if ended {
            self.ranges.remove(&id);
            self.listers[lister] = Doing::Nothing;
        }
        if let (Some(after), true) = (after, first != Found::Unknown) {
            self.seam(&after, |seam| seam.first = first)?;
        }
        if let (Some(until), true) = (until, ended) {
            self.seam(&until, |seam| seam.stop = stop)?;
        }
        Ok(accepted)
    }

    /// Notes what is at a seam; once both sides are known they must agree.
    fn seam(&mut self, at: &str, note: impl FnOnce(&mut Seam)) -> Result<(), Disorder> {
        if !self.plan.check {
            return Ok(());
        }
        let seam = self.seams.entry(at.to_owned()).or_default();
        note(seam);
        if seam.stop == Found::Unknown || seam.first == Found::Unknown {
            return Ok(());
        }
        if seam.stop != seam.first {
            let detail = format!(
                "after {at:?} comes {} in one listing and {} in another",
                seam.stop, seam.first
            );
            return Err(Disorder {
                order: self.plan.order,
                detail,
            });
        }
        self.seams.remove(at);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
