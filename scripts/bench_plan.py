"""How fast `rebucket plan` is, beside tools that find duplicates; `make bench-plan` runs it.

All work on the same generated manifest, in turns, with the same memory and two
threads:

  plan       the planner from end to end: reads and checks the manifest, finds
             duplicates and chains in both columns, writes the plan
  sort       `sort | uniq -d`, one column after the other: duplicates and no more
  duckdb     a GROUP BY over each column: duplicates and no more
  parse      the planner's CSV reader alone, which refuses what RFC 4180 forbids
  csv        the csv crate's raw byte records, which refuses nothing

The planner is measured by a small program of its own crate
(planner/examples/bench_plan.rs), because the whole `rebucket` takes minutes to
build for release; the code that plans is the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024

DUCKDB = """
import sys
import duckdb
manifest, folder, memory = sys.argv[1:]
base = duckdb.connect()
base.execute("SET threads = 2")
base.execute(f"SET memory_limit = '{memory}MiB'")
base.execute(f"SET temp_directory = '{folder}'")
base.execute("SET preserve_insertion_order = false")
for column in ("source", "destination"):
    rows = base.execute(
        f"SELECT {column} FROM read_csv('{manifest}', header = true, "
        "columns = {'source': 'VARCHAR', 'destination': 'VARCHAR'}) "
        f"GROUP BY {column} HAVING count(*) > 1"
    ).fetchall()
    assert not rows, rows[:3]
"""


class BenchFailed(Exception):
    """A run that did not do its work: its time would mean nothing."""


@dataclass
class Measured:
    seconds: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)


class Bench:
    def __init__(self, rows: int, memory_mib: int, folder: Path) -> None:
        self.rows = rows
        self.memory_mib = memory_mib
        self.folder = folder
        self.manifest = folder / "manifest.csv"
        self.program = str(program())
        self.results: dict[str, Measured] = {}

    def generate(self) -> None:
        command = [self.program, "generate", str(self.manifest), str(self.rows)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def run(self, name: str) -> None:
        plan = self.folder / "manifest.plan"
        memory = str(self.memory_mib * MIB)
        manifest = str(self.manifest)
        columns = "; ".join(
            f"tail -n +2 '{manifest}' | cut -d, -f{column} | "
            f"sort -S {self.memory_mib}M --parallel=2 -T '{self.folder}' | uniq -d"
            for column in (1, 2)
        )
        commands = {
            "plan": [self.program, "plan", manifest, str(plan), memory],
            "parse": [self.program, "parse", manifest],
            "csv": [self.program, "csv", manifest],
            "sort": ["bash", "-c", f"set -o pipefail; {columns}"],
            "duckdb": [sys.executable, "-c", DUCKDB, manifest, str(self.folder / "duckdb"),
                       str(self.memory_mib)],
        }
        environment = {**os.environ, "LC_ALL": "C", "TMPDIR": str(self.folder)}
        with (self.folder / "run.log").open("wb") as log:
            started = time.monotonic()
            child = subprocess.Popen(commands[name], env=environment, stdout=log, stderr=log)
            # The peak of the largest process, and of this child alone.
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.monotonic() - started
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            said = (self.folder / "run.log").read_text(errors="replace")
            raise BenchFailed(f"{name} ended with {child.returncode}: {said[-2000:]}")
        measured = self.results.setdefault(name, Measured())
        measured.seconds.append(seconds)
        # Kilobytes on Linux, bytes on macOS.
        measured.peak_mib.append(usage.ru_maxrss / (MIB if sys.platform == "darwin" else 1024))
        print(f"    {name:<8} {seconds:8.2f} s", flush=True)
        if name == "plan":
            self.plan_bytes = plan.stat().st_size
            plan.unlink()

    def median(self, name: str) -> float:
        return statistics.median(self.results[name].seconds)

    def report(self) -> None:
        size = self.manifest.stat().st_size
        print(f"\n{self.rows:,} rows, {size / 1e6:,.0f} MB; "
              f"the plan has {self.plan_bytes / 1e6:,.0f} MB; medians")
        print(f"{'':<8} {'seconds':>9} {'rows a second':>14} {'MB/s':>7} {'peak MiB':>9}")
        for name, measured in self.results.items():
            seconds = self.median(name)
            print(f"{name:<8} {seconds:9.2f} {self.rows / seconds:14,.0f} "
                  f"{size / seconds / 1e6:7.0f} {max(measured.peak_mib):9.0f}")
        for other in ("sort", "duckdb"):
            if other in self.results:
                ratio = self.median("plan") / self.median(other)
                print(f"plan takes {ratio:.2f} of the time of {other}")
        if "csv" in self.results:
            ratio = self.median("csv") / self.median("parse")
            print(f"parse has {ratio:.0%} of the speed of csv")


def program() -> Path:
    """The built program, where cargo puts it."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = target / "release" / "examples" / "bench_plan"
    if not path.exists():
        sys.exit(f"{path} is missing; `make bench-plan` builds it")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=1_000_000,
                        help="of the manifest, such as 1e7")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--memory-mib", type=int, default=512)
    parser.add_argument("--folder", type=Path,
                        help="for the manifest and temporary files: about 450 bytes a row")
    parser.add_argument("--only", nargs="+", default=["plan", "sort", "duckdb", "parse", "csv"])
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rebucket-bench-plan-", dir=args.folder))
    try:
        bench = Bench(args.rows, args.memory_mib, folder)
        print(f"generating {args.rows:,} rows in {folder}", flush=True)
        bench.generate()
        for turn in range(args.turns):
            print(f"turn {turn + 1} of {args.turns}", flush=True)
            for name in args.only:
                bench.run(name)
        bench.report()
    except BenchFailed as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
