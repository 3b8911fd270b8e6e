"""How fast, and with how much memory, a report is read; `make bench-report` runs it.

The report is generated: as four workers would have written it that ended the
tasks of one job in no order, one task in fifty twice.

  summary    `rebucket report`: the sums
  csv        `rebucket report --format csv`: the outcome of every task
  undo       `rebucket undo`: the manifest that takes the job back
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from binaries import binary
from clients import clean_environment
from measured import BenchFailed, Measured, measured

JOB = "bench"
WORKERS = 4
# A task that has two lines, in so many.
TWICE = 50
# Of disk for each row: the report, its sorted copy, and what is written.
ROW_BYTES = 1100
# Coprime to all numbers of rows that are powers of ten: rows in no order.
STRIDE = 7_368_787
LINE = (
    '{"task":"bench/%012d","source":"s3://bench/a/folder/of/the/old/names/object-%012d",'
    '"destination":"s3://bench/and/a/folder/of/the/new/names/object-%012d","outcome":"%s",'
    '"reason":null,"detail":null,"bytes":1048576,"etag":"\\"9bb58f26192e4ba00f01e2e7b136bbd8\\"",'
    '"attempts":1,"started":"2026-11-23T08:00:00.000Z","ended":"2026-11-23T08:00:0%d.500Z",'
    '"worker":"worker-%d"}\n'
)


def generate(folder: Path, rows: int) -> int:
    """Writes the report; how many bytes it has."""
    job = folder / JOB
    job.mkdir(parents=True)
    record = {"job": JOB, "started": "2026-11-23T08:00:00.000Z", "submitted": rows, "plan": None}
    (job / "job.json").write_text(json.dumps(record))
    files = [(job / f"worker-{worker}.jsonl").open("w") for worker in range(WORKERS)]
    for at in range(rows):
        row = at * STRIDE % rows + 1
        worker = row % WORKERS
        files[worker].write(LINE % (row, row, row, "renamed", 1, worker))
        if row % TWICE == 0:
            worker = (worker + 1) % WORKERS
            files[worker].write(LINE % (row, row, row, "already_renamed", 2, worker))
    for file in files:
        file.close()
    return sum(file.stat().st_size for file in job.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=1_000_000,
                        help="tasks of the job, such as 1e7")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--folder", type=Path,
                        help=f"for the report and temporary files: about {ROW_BYTES} bytes a row")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rebucket-bench-report-", dir=args.folder))
    try:
        free = shutil.disk_usage(folder).free
        if free < args.rows * ROW_BYTES:
            raise BenchFailed(f"{folder} has only {free / 1e9:,.1f} GB; name another with --folder")
        size = generate(folder / "report", args.rows)
        report, rebucket = str(folder / "report"), str(binary("rebucket", "release"))
        commands = {
            "summary": [rebucket, "report", report, "--format", "json"],
            "csv": [rebucket, "report", report, "--format", "csv"],
            "undo": [rebucket, "undo", report, "--out", str(folder / "back.csv")],
        }
        environment = {**clean_environment(), "TMPDIR": str(folder)}
        results: dict[str, list[Measured]] = {name: [] for name in commands}
        for _ in range(args.turns):
            for name, command in commands.items():
                done = measured(command, folder / "run.log", environment)
                results[name].append(done)
                if name == "summary" and f'"renamed":{args.rows},' not in done.output:
                    raise BenchFailed(f"not every task is renamed: {done.output}")
        print(f"{args.rows:,} tasks, a report of {size / 1e6:,.0f} MB; medians")
        print(f"{'':<8} {'seconds':>9} {'tasks a second':>15} {'peak MiB':>9}")
        for name, runs in results.items():
            seconds = statistics.median(done.seconds for done in runs)
            peak = max(done.peak_mib for done in runs)
            print(f"{name:<8} {seconds:9.2f} {args.rows / seconds:15,.0f} {peak:9.0f}")
    except (BenchFailed, FileNotFoundError) as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
