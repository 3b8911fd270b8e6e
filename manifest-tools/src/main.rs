//! `rebucket`: the command for operators.

mod commands;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use rebucket_manifest::Exit;
use rebucket_manifest::args::estimate::EstimateArgs;
use rebucket_manifest::args::undo::UndoArgs;
use rebucket_manifest::args::{Given, ManifestArgs, PlanArgs, ReportArgs, RunArgs, SubmitArgs};
use rebucket_manifest::map_args::MapArgs;

use commands::{CommandError, complain, estimate, explain, map, plan, report, run, submit, undo};

const EXIT_CODES: &str = "\
Exit codes:
  0    all done
  1    some renames failed
  2    a usage, manifest or configuration error
  3    the endpoint or the queue could not be reached, or denied us
  130  interrupted";

const PLAN_EXAMPLES: &str = "\
Examples:
  rebucket plan renames.csv                      check it, and print every problem
  rebucket plan renames.csv --out renames.plan   and write the plan for submit or run
  rebucket plan renames.csv --pin list           and see that every source is there
  rebucket plan keys.csv.gz --bucket photos      source and destination are keys
  make-renames | rebucket plan - --url-encoded   keys with %20 and + in them

A manifest:
  source,destination
  s3://photos/2025/cat.jpg,s3://archive/photos/2025/cat.jpg
  \"s3://photos/a, b.jpg\",\"s3://archive/photos/a, b.jpg\"";

const ESTIMATE_EXAMPLES: &str = "\
Examples:
  rebucket estimate renames.csv --workers 8
  rebucket estimate renames.csv --assume-size 40MiB --assume-storage-class STANDARD_IA
  rebucket estimate renames.plan --prices mine.toml --format json";

const SUBMIT_EXAMPLES: &str = "\
Examples:
  rebucket submit renames.csv --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/renames
  rebucket submit renames.plan --queue-url URL --job archive-2026 --report s3://ops/reports";

const RUN_EXAMPLES: &str = "\
Examples:
  rebucket run renames.csv                       with its report in renames.report/
  rebucket run renames.csv --if-exists skip      leave destinations that are taken
  rebucket run renames.csv --retry-failed        once more what failed before";

const MAP_EXAMPLES: &str = "\
Examples:
  rebucket map s3://photos/logs/ --rewrite 's|^logs/(\\d{4})-(\\d\\d)|logs/$1/$2|' --dry-run
  rebucket map s3://photos/2025/ --to s3://archive/photos --out moves.csv.zst
  rebucket map inventory/2026-11-22T01-00Z/manifest.json --template '{hash:2}/{key}' > moves.csv
  rebucket map names.csv --bucket photos --template '{folder}{column:name}{suffix}' > moves.csv";

const UNDO_EXAMPLES: &str = "\
Examples:
  rebucket undo renames.report --out back.csv
  rebucket undo s3://ops/reports --job archive-2026 --out back.csv
  rebucket run back.csv                          carries it out";

/// Renames objects in S3 in bulk, without losing any.
#[derive(Parser)]
#[command(name = "rebucket", version, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a manifest, print every problem with its line, and write the plan.
    ///
    /// Nothing is renamed. Without --pin, S3 is asked for nothing but the objects
    /// of renames that wait for one another, when their plan is written.
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanArgs),

    /// Say what a job will cost and how long it will take.
    ///
    /// No endpoint is asked. The prices are AWS's list prices, unless others
    /// are given.
    #[command(after_help = ESTIMATE_EXAMPLES)]
    Estimate(Box<EstimateArgs>),

    /// Check a manifest and send one message for each of its renames to the
    /// workers' queue.
    ///
    /// Nothing is sent when the manifest has a problem.
    #[command(after_help = SUBMIT_EXAMPLES)]
    Submit(Box<SubmitArgs>),

    /// Check a manifest and carry it out here, without a queue.
    ///
    /// A run that was interrupted goes on where it was when the same command
    /// is given again.
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),

    /// Make a manifest from a bucket's keys, by rules or a template.
    ///
    /// Only keys that change are in it. Nothing is renamed, and nothing is
    /// written when two objects would get one key.
    #[command(after_help = MAP_EXAMPLES)]
    Map(Box<MapArgs>),

    /// Say what became of a job.
    Report(ReportArgs),

    /// Make the manifest that takes a job back, from its report.
    ///
    /// It has a row for every rename that was carried out, from the new name
    /// to the old one. Nothing is renamed until it is given to run or submit.
    #[command(after_help = UNDO_EXAMPLES)]
    Undo(UndoArgs),
}

fn main() -> ExitCode {
    let command = command();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!(
                "rebucket: the runtime cannot be started: {error}"
            ));
            return Exit::BadInput.into();
        }
    };
    let ended = runtime.block_on(execute(command));
    // A read that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    let exit = ended.unwrap_or_else(|error| {
        explain(&error);
        error.exit()
    });
    exit.into()
}

/// What is to be done, and which of it the command line itself says.
fn command() -> Command {
    let matches = Cli::command().get_matches();
    let mut command = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli.command,
        Err(error) => error.format(&mut Cli::command()).exit(),
    };
    let given = matches.subcommand().map(|(_, matches)| Given::of(matches));
    let given = given.unwrap_or_default();
    match &mut command {
        Command::Plan(args) => args.manifest.given = given,
        Command::Estimate(args) => args.manifest.given = given,
        Command::Submit(args) => args.manifest.given = given,
        Command::Run(args) => args.manifest.given = given,
        Command::Map(args) => args.given = given,
        Command::Report(_) | Command::Undo(_) => {}
    }
    command
}

async fn execute(command: Command) -> Result<Exit, CommandError> {
    // Where there was no room is known here: the rest has files without names.
    let placing = |args: &ManifestArgs, out: Option<&PathBuf>| {
        let (folder, out) = (args.temp_dir.clone(), out.cloned());
        move |error: CommandError| error.placed(folder, out)
    };
    match command {
        Command::Plan(args) => {
            let placed = placing(&args.manifest, args.out.as_ref());
            plan::run(args).await.map_err(placed)
        }
        Command::Estimate(args) => {
            let placed = placing(&args.manifest, None);
            estimate::run(*args).await.map_err(placed)
        }
        Command::Submit(args) => {
            let placed = placing(&args.manifest, None);
            submit::run(*args).await.map_err(placed)
        }
        Command::Run(args) => {
            let placed = placing(&args.manifest, None);
            run::run(*args).await.map_err(placed)
        }
        Command::Map(args) => map::run(*args).await,
        Command::Report(args) => report::run(args).await,
        Command::Undo(args) => undo::run(args).await,
    }
}
