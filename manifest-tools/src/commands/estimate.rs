//! `rebucket estimate`: what a job costs and how long it takes, before it is
//! begun.

mod bill;
mod count;
mod prices;

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use rebucket_manifest::Exit;
use rebucket_manifest::args::estimate::{AssumeArgs, EstimateArgs, EstimateFormat};
use rebucket_planner::PlanReader;
use rebucket_protocol::printable::grouped;
use serde_json::json;

use super::distinct::Files;
use super::say::{Lines, print, print_with};
use super::words::{self, plural, scaled};
use super::{CommandError, interrupted, source};
use bill::{Bill, Line};
use count::{Counter, Counts};
pub(crate) use prices::PriceError;
use prices::Prices;

/// What a job comes to.
#[derive(Debug)]
pub(crate) struct Estimate {
    counts: Counts,
    bill: Bill,
    prices: Prices,
    assume: AssumeArgs,
}

/// Runs the command.
pub(crate) async fn run(args: EstimateArgs) -> Result<Exit, CommandError> {
    let interrupted = interrupted();
    Files::of(&args.manifest)
        .reads("--prices", args.assume.prices.as_deref())
        .check()?;
    let work = async {
        // A wrong table is said before a long manifest is read.
        let prices = Prices::load(args.assume.prices.as_deref())?;
        let source = source::read(&args.manifest, args.s3).await?;
        let assume = args.assume.clone();
        tokio::task::spawn_blocking(move || {
            let mut plan = source.plan;
            estimate(&mut plan, assume, prices, false)
        })
        .await?
    };
    let estimate = tokio::select! {
        done = work => done?,
        () = interrupted => return Ok(Exit::Interrupted),
    };
    let name = match args.manifest.manifest.as_str() {
        "-" => "<stdin>",
        name => name,
    };
    match args.format {
        EstimateFormat::Text => print(&estimate.text(name))?,
        EstimateFormat::Json => print_with(|out| Ok(writeln!(out, "{}", estimate.json())?))?,
    }
    Ok(Exit::Done)
}

fn estimate(
    plan: &mut PlanReader<File>,
    assume: AssumeArgs,
    prices: Prices,
    fifo: bool,
) -> Result<Estimate, CommandError> {
    let choices = plan.choices();
    let class = choices.storage_class.clone();
    let if_exists = choices.if_exists.unwrap_or_default();
    let counter = Counter::new(&assume, &choices.job_options(), if_exists);
    let counts = counter.count(plan)?;
    let bill = Bill::new(&counts, &prices, &assume, class.as_ref(), fifo)?;
    Ok(Estimate {
        counts,
        bill,
        prices,
        assume,
    })
}

impl Estimate {
    /// Goes through a plan, and leaves it at its start. Blocks.
    ///
    /// # Errors
    /// [`CommandError`] when the prices or the plan cannot be read.
    pub(crate) fn of(
        plan: &mut PlanReader<File>,
        assume: &AssumeArgs,
        fifo: bool,
    ) -> Result<Self, CommandError> {
        let prices = Prices::load(assume.prices.as_deref())?;
        estimate(plan, assume.clone(), prices, fifo)
    }

    /// With a queue, in US dollars.
    pub(crate) fn dollars(&self) -> f64 {
        self.bill.dollars()
    }

    /// How long the workers take.
    pub(crate) fn time(&self) -> Duration {
        self.counts.time(&self.assume).0
    }

    /// The whole in a line.
    pub(crate) fn line(&self) -> String {
        let workers = plural(u64::from(self.assume.workers), "worker");
        let unknown = match self.counts.of_unknown_size {
            0 => "",
            count if count == self.counts.renames => ", if the objects are small",
            _ => ", if those of unknown size are small",
        };
        let unpriced = match self.bill.unpriced {
            0 => String::new(),
            count => format!(
                ", with {} at the prices of {}",
                plural(count, "object"),
                self.assume.assume_storage_class
            ),
        };
        let whose = match self.assume.prices {
            None => "AWS's list prices",
            Some(_) => "the prices given",
        };
        format!(
            "estimate: {}, about ${:.2} at {whose}{unpriced} and {} with {workers}{unknown} \
             (see `rebucket estimate`)",
            plural(self.counts.renames, "rename"),
            self.dollars(),
            words::duration(self.time()),
        )
    }

    fn text(&self, name: &str) -> Lines {
        let counts = &self.counts;
        let mut out = Lines::default();
        out.add(format_args!("{name}: {}", plural(counts.renames, "rename")));
        out.add(format_args!(
            "  {:<26} {:>20}{}",
            "bytes",
            grouped(counts.bytes()),
            scaled(counts.bytes())
        ));
        for (count, what) in [
            (counts.of_assumed_size, "of assumed size"),
            (counts.of_unknown_size, "of unknown size"),
            (counts.too_large, "too large, will fail"),
        ] {
            if count > 0 {
                out.add(format_args!("  {what:<26} {:>20}", grouped(count)));
            }
        }
        for (name, objects) in counts.objects_by_class() {
            let what = format!("in {name}");
            out.add(format_args!("  {what:<26} {:>20}", grouped(objects)));
        }
        if counts.of_assumed_class > 0 {
            let count = grouped(counts.of_assumed_class);
            out.add(format_args!("  {:<26} {count:>20}", "of assumed class"));
        }
        out.add("");
        out.add(format_args!(
            "  {:<26} {:>20} {:>12}",
            "billed", "count", "dollars"
        ));
        let row = |out: &mut Lines, line: &Line| {
            let (what, count) = (line.what, grouped(line.count));
            out.add(format_args!(
                "  {what:<26} {count:>20} {:>12.2}",
                line.dollars
            ));
        };
        for line in &self.bill.renames {
            row(&mut out, line);
        }
        let sum = |out: &mut Lines, what: &str, dollars: f64| {
            out.add(format_args!("  {what:<26} {:>20} {dollars:>12.2}", ""));
        };
        sum(&mut out, "with `rebucket run`", self.bill.run_dollars());
        for line in &self.bill.queue {
            row(&mut out, line);
        }
        sum(&mut out, "with a queue and workers", self.dollars());
        let (time, limit) = counts.time(&self.assume);
        let workers = plural(u64::from(self.assume.workers), "worker");
        let (time, least) = (
            words::duration(time),
            words::duration(counts.partition_time(&self.assume)),
        );
        out.add("");
        out.add(format_args!(
            "  {:<26} {time}, limited by {limit}",
            format!("time, {workers}")
        ));
        let partitions = plural(u64::from(self.assume.partitions), "partition");
        out.add(format_args!(
            "  {:<26} {least}",
            format!("at best, {partitions}")
        ));
        out.add("");
        for note in self.notes() {
            out.add(format_args!("  note: {note}"));
        }
        out
    }

    fn notes(&self) -> Vec<String> {
        let counts = &self.counts;
        let mut notes = vec![format!(
            "prices of {}: {}; retries, failures and what an S3 report writes are not counted",
            self.prices.region, self.prices.as_of
        )];
        if counts.of_unknown_size > 0 {
            notes.push(format!(
                "the size of {} is unknown: counted as one copy of no bytes each; --assume-size \
                 gives one",
                plural(counts.of_unknown_size, "object")
            ));
        }
        notes.extend(self.bill.notes.iter().cloned());
        notes
    }

    fn json(&self) -> serde_json::Value {
        let counts = &self.counts;
        let (time, limit) = counts.time(&self.assume);
        json!({
            "renames": counts.renames,
            "bytes": counts.bytes(),
            "of_assumed_size": counts.of_assumed_size,
            "of_unknown_size": counts.of_unknown_size,
            "of_assumed_class": counts.of_assumed_class,
            "storage_classes": counts.objects_by_class(),
            "too_large": counts.too_large,
            "billed": self.bill.renames,
            "billed_for_queue": self.bill.queue,
            "dollars": cents(self.dollars()),
            "dollars_without_queue": cents(self.bill.run_dollars()),
            "workers": self.assume.workers,
            "partitions": self.assume.partitions,
            "seconds": time.as_secs(),
            "limited_by": limit,
            "seconds_at_best": counts.partition_time(&self.assume).as_secs(),
            "prices": {"region": self.prices.region, "as_of": self.prices.as_of},
            "notes": self.notes(),
        })
    }
}

/// Sums of prices without the noise of binary fractions.
fn cents(dollars: f64) -> f64 {
    (dollars * 1e6).round() / 1e6
}
