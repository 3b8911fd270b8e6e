//! What the requests cost.

use rebucket_manifest::args::estimate::AssumeArgs;
use rebucket_protocol::StorageClass;

use super::count::{Counts, Request, float};
use super::prices::{PriceError, Prices};

/// Tasks in one request to SQS.
const BATCH: u64 = 10;

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
    /// What the numbers do not say.
    pub(super) notes: Vec<String>,
}

impl Bill {
    /// For objects of the assumed class that become objects of `class`, or of
    /// the same.
    ///
    /// # Errors
    /// [`PriceError::Class`] when the table lacks one of the classes.
    pub(super) fn new(
        counts: &Counts,
        prices: &Prices,
        assume: &AssumeArgs,
        class: Option<&StorageClass>,
        fifo: bool,
    ) -> Result<Self, PriceError> {
        let from = prices.class(&assume.assume_storage_class)?;
        let to = prices.class(class.unwrap_or(&assume.assume_storage_class))?;
        let (read, write) = (from.read_per_million, to.write_per_million);
        // Listing annotations is taken for a list request, which costs as much
        // as a write.
        let kinds = [
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
            (Request::DeleteObject, "DeleteObject", 0.0),
            (Request::Kms, "KMS", prices.kms.per_million),
        ];
        let mut renames: Vec<Line> = kinds
            .into_iter()
            .filter(|(kind, _, _)| counts.of(*kind) > 0)
            .map(|(kind, what, price)| line(what, counts.of(kind), price))
            .collect();
        if from.retrieval_per_gb > 0.0 {
            renames.push(Line {
                what: "retrieval, bytes",
                count: counts.bytes,
                dollars: float(counts.bytes) / GIGABYTE * from.retrieval_per_gb,
            });
        }
        let price = if fifo {
            prices.sqs.fifo_per_million
        } else {
            prices.sqs.standard_per_million
        };
        let batches = counts.renames.div_ceil(BATCH);
        let queue = ["SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch"];
        let queue = queue.map(|what| line(what, batches, price)).to_vec();
        let mut notes = Vec::new();
        if from.archived {
            notes.push(format!(
                "{} objects must be restored before they can be renamed; that is not counted",
                assume.assume_storage_class
            ));
        }
        if from.least_days > 0 {
            notes.push(format!(
                "objects in {} that are younger than {} days are paid for until then, though they \
                 are deleted; that is not counted",
                assume.assume_storage_class, from.least_days
            ));
        }
        Ok(Self {
            renames,
            queue,
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

fn line(what: &'static str, count: u64, per_million: f64) -> Line {
    Line {
        what,
        count,
        dollars: float(count) / 1e6 * per_million,
    }
}
