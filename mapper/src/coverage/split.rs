//! Splitting a range that somebody else is listing.

use super::{Coverage, Disorder, Doing, Found, RangeId, Request};

/// Probes before a lister looks for something else to do.
const PROBES: u32 = 32;

/// One lister's attempt to split a range.
#[derive(Debug)]
pub(super) struct Attempt {
    victim: RangeId,
    /// Folders of the range's last key whose neighbours are still to be looked
    /// for, the deepest first.
    levels: Vec<String>,
    /// What was asked last.
    asked: Option<String>,
    probes: u32,
}

impl Coverage {
    /// Picks the range that has been listed for the longest time.
    pub(super) fn start_splitting(&mut self, lister: usize) -> Option<Request> {
        if !self.plan.split {
            return None;
        }
        let (id, range) = self
            .ranges
            .iter_mut()
            .filter(|(_, range)| !range.splitting && range.pages > range.tried_at)
            .max_by_key(|(id, range)| (range.pages, **id))?;
        range.splitting = true;
        range.tried_at = range.pages;
        let last = range.last.clone().unwrap_or_default();
        let prefix = self.plan.prefix.len();
        let mut levels = Vec::new();
        if last.len() > prefix {
            let slashes = last[prefix..].match_indices('/');
            levels.push(last[..prefix].to_owned());
            levels.extend(slashes.map(|(at, _)| last[..=prefix + at].to_owned()));
        }
        levels.retain(|level| level.len() >= range.exhausted);
        levels.reverse();
        self.listers[lister] = Doing::Splitting(Attempt {
            victim: *id,
            levels,
            asked: None,
            probes: 0,
        });
        self.go_on_splitting(lister)
    }

    /// The next request of an attempt; `None` when there is none going on, or
    /// it has ended.
    pub(super) fn go_on_splitting(&mut self, lister: usize) -> Option<Request> {
        let Doing::Splitting(attempt) = &mut self.listers[lister] else {
            return None;
        };
        let request = self.ranges.get(&attempt.victim).and_then(|range| {
            let last = range.last.clone().unwrap_or_default();
            if let Some(prefix) = attempt.levels.pop() {
                attempt.asked = Some(prefix.clone());
                return Some(Request::Folders {
                    prefix,
                    after: last,
                });
            }
            attempt.probes += 1;
            if attempt.probes > PROBES {
                return None;
            }
            let until = range.until.as_deref();
            let middle = self.plan.order.between(&last, until, &self.plan.prefix)?;
            attempt.asked = Some(middle.clone());
            Some(Request::Probe(middle))
        });
        if request.is_none() {
            self.end_splitting(lister);
        }
        request
    }

    fn end_splitting(&mut self, lister: usize) {
        if let Doing::Splitting(attempt) = std::mem::take(&mut self.listers[lister])
            && let Some(range) = self.ranges.get_mut(&attempt.victim)
        {
            range.splitting = false;
        }
    }

    /// Takes the folders that were asked for, in any order; `truncated` when
    /// there are more.
    pub fn folders(&mut self, lister: usize, folders: &[String], truncated: bool) {
        let Doing::Splitting(attempt) = &mut self.listers[lister] else {
            return;
        };
        let Some(range) = self.ranges.get_mut(&attempt.victim) else {
            return self.end_splitting(lister);
        };
        if truncated {
            // The next thousand folders of many are but a small part of the
            // range: halve that.
            attempt.levels.clear();
            return;
        }
        let order = self.plan.order;
        let mut points: Vec<&String> = folders
            .iter()
            .filter(|point| {
                let after_last = range
                    .last
                    .as_ref()
                    .is_none_or(|last| order.compare(last, point).is_lt());
                after_last
                    && range
                        .until
                        .as_ref()
                        .is_none_or(|until| order.compare(point, until).is_lt())
            })
            .collect();
        points.sort_by(|a, b| order.compare(a, b));
        points.dedup();
        if points.is_empty() {
            if let Some(asked) = &attempt.asked {
                // Its neighbours are all behind; those of the folders in it
                // may not be.
                range.exhausted = range.exhausted.max(asked.len() + 1);
            }
            return;
        }
        let victim = attempt.victim;
        let idle = self
            .listers
            .iter()
            .filter(|doing| !matches!(doing, Doing::Listing(_)))
            .count();
        let pieces = idle.clamp(1, points.len());
        let chosen: Vec<String> = (0..pieces)
            .map(|piece| points[piece * points.len() / pieces].clone())
            .collect();
        self.split_at(victim, chosen);
        self.end_splitting(lister);
    }

    /// Takes the first key after what was asked for; `None` at the bucket's
    /// end.
    ///
    /// # Errors
    /// [`Disorder`] when the order is not the assumed one.
    pub fn probed(&mut self, lister: usize, first: Option<&str>) -> Result<(), Disorder> {
        let Doing::Splitting(attempt) = &mut self.listers[lister] else {
            return Ok(());
        };
        let (victim, asked) = (attempt.victim, attempt.asked.take());
        let order = self.plan.order;
        let (Some(range), Some(asked)) = (self.ranges.get_mut(&victim), asked) else {
            self.end_splitting(lister);
            return Ok(());
        };
        let passed = range
            .last
            .as_ref()
            .is_some_and(|last| order.compare(last, &asked).is_ge());
        if passed {
            return Ok(());
        }
        let until = range.until.as_deref();
        let ours =
            first.is_some_and(|key| until.is_none_or(|until| order.compare(key, until).is_le()));
        if ours {
            self.split_at(victim, vec![asked]);
            self.end_splitting(lister);
            return Ok(());
        }
        // Nothing is up there: the range ends here.
        let above = range.until.replace(asked.clone());
        let first = Found::of(first);
        self.seam(&asked, |seam| seam.first = first.clone())?;
        match above {
            Some(above) => self.seam(&above, |seam| seam.stop = first),
            None => Ok(()),
        }
    }

    /// Cuts a range at these points, which lie in it and are in order.
    fn split_at(&mut self, victim: RangeId, points: Vec<String>) {
        let Some(range) = self.ranges.get_mut(&victim) else {
            return;
        };
        let mut end = match points.first() {
            Some(first) => range.until.replace(first.clone()),
            None => return,
        };
        for point in points.into_iter().rev() {
            self.add_range(Some(point.clone()), end.replace(point));
        }
    }
}
