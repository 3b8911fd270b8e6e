//! What the requests cost.

use rebucket_manifest::args::estimate::AssumeArgs;
use rebucket_protocol::StorageClass;

use super::count::{ClassCounts, Counts, Request, float};
use super::prices::{ClassPrices, PriceError, Prices};
use crate::commands::words::plural;

/// Tasks in one request to SQS.
const BATCH: u64 = 10;

/// What is billed by bytes.
const RETRIEVAL: &str = "retrieval, bytes";

/// Bytes of a gigabyte, as they are billed.
const GIGABYTE: f64 = 1e9;

/// What is sent and what it costs: one line of the estimate.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(super) struct Line {
    /// The request, or what else is billed.
    pub(super) what: &'static str,
    /// How many; bytes for what is billed by them.
    pub(super) count: u64,
    /// US dollars.
    pub(super) dollars: f64,
}

/// Everything that is billed, and what must be known besides.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bill {
    /// For the renames themselves.
    pub(super) renames: Vec<Line>,
    /// For the queue, besides; `rebucket run` needs none.
    pub(super) queue: Vec<Line>,
    /// Objects in classes that the table does not have.
    pub(super) unpriced: u64,
    /// What the numbers do not say.
    pub(super) notes: Vec<String>,
}

/// What is done with the objects of a storage class, and at which prices.
struct Priced<'a> {
    name: &'a StorageClass,
    counts: &'a ClassCounts,
    /// The table has it.
    known: bool,
    /// Of the class itself.
    from: &'a ClassPrices,
    /// Of the one that the copies get.
    to: &'a ClassPrices,
}

/// Of a million requests, for a class.
type Price<'a> = &'a dyn Fn(&Priced<'_>) -> f64;

impl Bill {
    /// For objects that become objects of `class`, or stay in their own. Those
    /// in a class that the table lacks are counted like those in the assumed
    /// one: a job must not wait for a price.
    ///
    /// # Errors
    /// [`PriceError::Class`] when the table lacks one of the classes that were
    /// given.
    pub(super) fn new(
        counts: &Counts,
        prices: &Prices,
        assume: &AssumeArgs,
        class: Option<&StorageClass>,
        fifo: bool,
    ) -> Result<Self, PriceError> {
        let assumed = prices.class(&assume.assume_storage_class)?;
        let chosen = class.map(|class| prices.class(class)).transpose()?;
        let priced = counts.classes.iter().map(|(name, counts)| {
            let own = prices.class(name).ok();
            let from = own.unwrap_or(assumed);
            Priced {
                name,
                counts,
                known: own.is_some(),
                from,
                to: chosen.unwrap_or(from),
            }
        });
        let priced: Vec<Priced<'_>> = priced.collect();
        let read = &|class: &Priced<'_>| class.from.read_per_million;
        let write = &|class: &Priced<'_>| class.to.write_per_million;
        let free = &|_: &Priced<'_>| 0.0;
        let kms = &|_: &Priced<'_>| prices.kms.per_million;
        // Listing annotations is taken for a list request, which costs as much
        // as a write.
        let kinds: [(_, _, Price<'_>); 10] = [
            (Request::HeadObject, "HeadObject", read),
            (Request::GetObjectAcl, "GetObjectAcl", read),
            (Request::GetObjectTagging, "GetObjectTagging", read),
            (
                Request::ListObjectAnnotations,
                "ListObjectAnnotations",
                write,
            ),
            (Request::CopyObject, "CopyObject", write),
            (
                Request::CreateMultipartUpload,
                "CreateMultipartUpload",
                write,
            ),
            (Request::UploadPartCopy, "UploadPartCopy", write),
            (
                Request::CompleteMultipartUpload,
                "CompleteMultipartUpload",
                write,
            ),
            (Request::DeleteObject, "DeleteObject", free),
            (Request::Kms, "KMS", kms),
        ];
        let mut renames: Vec<Line> = kinds
            .into_iter()
            .filter(|(kind, _, _)| counts.of(*kind) > 0)
            .map(|(kind, what, price)| {
                let each = priced.iter();
                let each = each.map(|class| line(what, class.counts.of(kind), price(class)));
                sum(what, each)
            })
            .collect();
        let retrieved: Vec<Line> = priced
            .iter()
            .filter(|class| class.from.retrieval_per_gb > 0.0)
            .map(|class| Line {
                what: RETRIEVAL,
                count: class.counts.bytes,
                dollars: float(class.counts.bytes) / GIGABYTE * class.from.retrieval_per_gb,
            })
            .collect();
        if !retrieved.is_empty() {
            renames.push(sum(RETRIEVAL, retrieved));
        }
        let price = if fifo {
            prices.sqs.fifo_per_million
        } else {
            prices.sqs.standard_per_million
        };
        let batches = counts.renames.div_ceil(BATCH);
        let queue = ["SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch"];
        let queue = queue.map(|what| line(what, batches, price)).to_vec();
        let unknown: Vec<_> = priced.iter().filter(|class| !class.known).collect();
        let mut notes: Vec<String> = priced.iter().flat_map(Priced::notes).collect();
        notes.extend(unpriced_note(&unknown, &assume.assume_storage_class));
        Ok(Self {
            renames,
            queue,
            unpriced: unknown.iter().map(|class| class.counts.objects).sum(),
            notes,
        })
    }

    /// For the renames, without a queue.
    pub(super) fn run_dollars(&self) -> f64 {
        self.renames.iter().map(|line| line.dollars).sum()
    }

    /// Everything.
    pub(super) fn dollars(&self) -> f64 {
        self.run_dollars() + self.queue.iter().map(|line| line.dollars).sum::<f64>()
    }
}

impl Priced<'_> {
    /// What the numbers do not say of the class.
    fn notes(&self) -> Vec<String> {
        let (name, objects) = (self.name, plural(self.counts.objects, "object"));
        let mut notes = Vec::new();
        if !self.known {
            return notes;
        }
        if self.from.archived {
            notes.push(format!(
                "{objects} in {name} must be restored before the job, or will fail as `archived`; \
                 restoring is not counted"
            ));
        }
        if self.from.least_days > 0 {
            notes.push(format!(
                "{objects} in {name}: what is younger than {} days is paid for until then, though \
                 it is deleted; that is not counted",
                self.from.least_days
            ));
        }
        notes
    }
}

fn unpriced_note(unknown: &[&Priced<'_>], assumed: &StorageClass) -> Option<String> {
    /// Classes that are named.
    const SHOWN: usize = 5;
    let mut names: Vec<&str> = unknown.iter().map(|class| class.name.as_str()).collect();
    if names.len() > SHOWN {
        names.truncate(SHOWN);
        names.push("...");
    }
    (!names.is_empty()).then(|| {
        format!(
            "the prices have no table for {}: objects in it are counted at those of {assumed}; add \
             it to a copy of the table, as [s3.CLASS], and give that with --prices",
            names.join(", ")
        )
    })
}

/// Lines of one kind as one.
fn sum(what: &'static str, lines: impl IntoIterator<Item = Line>) -> Line {
    let none = Line {
        what,
        count: 0,
        dollars: 0.0,
    };
    lines.into_iter().fold(none, |sum, line| Line {
        what,
        count: sum.count.saturating_add(line.count),
        dollars: sum.dollars + line.dollars,
    })
}

fn line(what: &'static str, count: u64, per_million: f64) -> Line {
    Line {
        what,
        count,
        dollars: float(count) / 1e6 * per_million,
    }
}
