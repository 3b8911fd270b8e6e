"""How fast `rebucket plan` is, beside tools that find duplicates; `make bench-plan` runs it.

All work on the same generated manifest, in turns, with the same memory and two
threads:

  plan       `rebucket plan`, from its start to its end: reads and checks the
             manifest, finds duplicates and chains in both columns, writes the
             plan
  sort       `sort | uniq -d`, one column after the other: duplicates and no more
  duckdb     a GROUP BY over each column: duplicates and no more
  parse      the planner's CSV reader alone, which refuses what RFC 4180 forbids
  csv        the csv crate's raw byte records, which refuses nothing

The last two, and what generates the manifest, are in
planner/examples/bench_plan.rs. With --linked some rows are parts of chains and
of a cycle; their plan is not kept, because then `rebucket plan` would ask S3
for their objects.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from binaries import binary
from clients import clean_environment
from measured import MIB, BenchFailed, Measured, measured

# Of disk for each row: the manifest, and an estimate, rather too much, of what
# any of the tools needs besides, which is removed before the next one starts.
MANIFEST_BYTES = 130
TEMPORARY_BYTES = 200

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


class Bench:
    def __init__(self, rows: int, linked: int, memory_mib: int, duckdb_mib: int,
                 folder: Path) -> None:
        self.rows = rows
        self.linked = linked
        self.memory_mib = memory_mib
        self.duckdb_mib = duckdb_mib
        self.folder = folder
        self.manifest = folder / "manifest.csv"
        self.results: dict[str, list[Measured]] = {}
        self.plan_bytes: int | None = None

    def generate(self) -> None:
        command = [example(), "generate", str(self.manifest), str(self.rows), str(self.linked)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def run(self, name: str) -> None:
        work = self.folder / "work"
        work.mkdir()
        plan = work / "manifest.plan"
        manifest = str(self.manifest)
        columns = "; ".join(
            f"tail -n +2 '{manifest}' | cut -d, -f{column} | "
            f"sort -S {self.memory_mib}M --parallel=2 -T '{work}' | uniq -d"
            for column in (1, 2)
        )
        keep = [] if self.linked else ["--out", str(plan)]
        commands = {
            "plan": [str(binary("rebucket", "release")), "plan", manifest, *keep,
                     "--memory", f"{self.memory_mib}MiB", "--temp-dir", str(work)],
            "parse": [example(), "parse", manifest],
            "csv": [example(), "csv", manifest],
            "sort": ["bash", "-c", f"set -o pipefail; {columns}"],
            "duckdb": [sys.executable, "-c", DUCKDB, manifest, str(work / "duckdb"),
                       str(self.duckdb_mib)],
        }
        environment = {**clean_environment(), "LC_ALL": "C", "TMPDIR": str(work)}
        done = measured(commands[name], self.folder / "run.log", environment)
        self.results.setdefault(name, []).append(done)
        print(f"    {name:<8} {done.seconds:8.2f} s", flush=True)
        if plan.exists():
            self.plan_bytes = plan.stat().st_size
        shutil.rmtree(work)

    def median(self, name: str) -> float:
        return statistics.median(done.seconds for done in self.results[name])

    def report(self) -> None:
        size = self.manifest.stat().st_size
        kept = f"the plan has {self.plan_bytes / 1e6:,.0f} MB; " if self.plan_bytes else ""
        linked = f", {self.linked} % linked" if self.linked else ""
        print(f"\n{self.rows:,} rows{linked}, {size / 1e6:,.0f} MB; {kept}medians")
        print(f"{'':<8} {'seconds':>9} {'CPU s':>8} {'rows a second':>14} {'MB/s':>7} {'peak MiB':>9}")
        for name, runs in self.results.items():
            seconds = self.median(name)
            cpu = statistics.median(done.cpu_seconds for done in runs)
            peak = max(done.peak_mib for done in runs)
            print(f"{name:<8} {seconds:9.2f} {cpu:8.2f} {self.rows / seconds:14,.0f} "
                  f"{size / seconds / 1e6:7.0f} {peak:9.0f}")
        for other in ("sort", "duckdb"):
            if {"plan", other} <= self.results.keys():
                ratio = self.median("plan") / self.median(other)
                print(f"plan takes {ratio:.2f} of the time of {other}")
        if {"csv", "parse"} <= self.results.keys():
            ratio = self.median("csv") / self.median("parse")
            print(f"parse has {ratio:.0%} of the speed of csv")


def example() -> str:
    return str(binary("examples/bench_plan", "release"))


def check_room(folder: Path, rows: int) -> None:
    needed = rows * (MANIFEST_BYTES + TEMPORARY_BYTES)
    free = shutil.disk_usage(folder).free
    print(f"needs about {needed / 1e9:,.1f} GB in {folder}, where {free / 1e9:,.1f} GB are free")
    if free < needed:
        raise BenchFailed("name another folder with --folder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=1_000_000,
                        help="of the manifest, such as 1e7")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--linked", type=int, default=0, metavar="PERCENT",
                        help="of the rows are parts of chains and of a cycle")
    parser.add_argument("--memory-mib", type=int, default=512)
    parser.add_argument("--duckdb-memory-mib", type=int,
                        help="for DuckDB alone, which does not do 1e8 rows with 512")
    parser.add_argument("--folder", type=Path,
                        help="for the manifest and temporary files: about "
                             f"{MANIFEST_BYTES + TEMPORARY_BYTES} bytes a row")
    parser.add_argument("--only", nargs="+", default=["plan", "sort", "duckdb", "parse", "csv"])
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rebucket-bench-plan-", dir=args.folder))
    try:
        check_room(folder, args.rows)
        duckdb_mib = args.duckdb_memory_mib or args.memory_mib
        bench = Bench(args.rows, args.linked, args.memory_mib, duckdb_mib, folder)
        print(f"generating {args.rows:,} rows in {folder}", flush=True)
        bench.generate()
        for turn in range(args.turns):
            print(f"turn {turn + 1} of {args.turns}", flush=True)
            for name in args.only:
                bench.run(name)
        bench.report()
    except (BenchFailed, FileNotFoundError) as error:
        sys.exit(str(error))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
