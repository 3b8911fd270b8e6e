#!/usr/bin/env python3
"""The mutation check: remove each gate and pin in front of the delete, one at a
time, and see that a test fails for each.

mutations.toml names the edits. Each is applied to a clone of the working tree,
in a throw-away folder with a target folder of its own, which is seeded from
the project's so that only the workspace is compiled anew. Then the suites run,
the fast ones first, until a test fails: the mutation is caught. A mutation
that no suite catches has survived, and so has a gap in the tests, unless the
table says why the mutant does what the original does (`equivalent`).

    tests/mutations/run.py --list
    tests/mutations/run.py --only gate_4_lease
    tests/mutations/run.py --suites unit,simulation --quick --workdir /var/tmp/mutants
    tests/mutations/run.py --left --workdir /var/tmp/mutants

The suites with servers need `make venv` first. Results go into README.md
beside this file; a run of some mutations leaves the others' results alone.
Exit codes: 0 every mutation was caught, 1 some survived or do not compile,
2 the table does not fit the code, or a suite fails without any mutation.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import readme
from clone import ROOT, Clone
from suites import SUITES, BaselineError, Caught, Runner
from table import Mutation, TableError, check, load

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    try:
        table = load(HERE / "mutations.toml", set(SUITES))
        chosen = choose(table, options.only)
        if options.left:
            results = readme.read(README)
            chosen = [m for m in chosen if not readme.is_settled(results.get(m.name, ""))]
        if not options.as_is:
            check(chosen, ROOT)
    except TableError as error:
        return refuse(error)
    if options.list:
        for mutation in chosen:
            print(f"{mutation.name:40} {mutation.removes}")
        return 0
    try:
        if options.workdir:
            bad = run_all(Path(options.workdir), table, chosen, options)
        else:
            with tempfile.TemporaryDirectory(prefix="rebucket-mutations-") as folder:
                bad = run_all(Path(folder), table, chosen, options)
    except (TableError, BaselineError) as error:
        return refuse(error)
    return 1 if bad else 0


def refuse(error: Exception) -> int:
    print(f"mutations: {error}", file=sys.stderr)
    return 2


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="list the mutations and end")
    parser.add_argument("--only", action="append", metavar="NAME", help="run this one; repeatable")
    parser.add_argument(
        "--left", action="store_true", help="run those that no test has caught, as README.md says"
    )
    parser.add_argument(
        "--suites",
        type=lambda text: text.split(","),
        default=list(SUITES),
        help=f"run only these, of {','.join(SUITES)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="leave the slow part of each suite out, as a first pass"
    )
    parser.add_argument("--jobs", type=int, help="how many crates cargo compiles at once")
    parser.add_argument("--workdir", help="keep the clone here, for the next run to go on from")
    parser.add_argument(
        "--as-is", action="store_true", help="take the clone in --workdir as it was left"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.suites) - set(SUITES)
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    return options


def choose(table: list[Mutation], names: list[str] | None) -> list[Mutation]:
    if not names:
        return table
    by_name = {mutation.name: mutation for mutation in table}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise TableError(f"no mutation is named {', '.join(unknown)}")
    return [by_name[name] for name in names]


def run_all(
    workdir: Path,
    table: list[Mutation],
    chosen: list[Mutation],
    options: argparse.Namespace,
) -> int:
    """Run the chosen mutations; how many survived or do not compile."""
    clone = Clone(workdir)
    if not options.as_is:
        clone.refresh()
    clone.seed()
    check(chosen, clone.tree)
    runner = Runner(clone, options.suites, options.quick, options.jobs)
    bad = 0
    for number, mutation in enumerate(chosen, 1):
        began = time.monotonic()
        if not runner.suites_for(mutation):
            print(f"[{number}/{len(chosen)}] {mutation.name}: not for these suites")
            continue
        runner.see_that_all_pass(mutation)
        try:
            clone.apply(mutation)
            result = runner.run(mutation)
        finally:
            clone.revert()
        if not (isinstance(result, Caught) or mutation.equivalent):
            bad += 1
        # Read anew: another run may be at work on other mutations.
        results = {**readme.read(README), mutation.name: result.cell(mutation)}
        readme.write(README, table, results)
        took = time.monotonic() - began
        place = f"[{number}/{len(chosen)}]"
        print(f"{place} {mutation.name}: {results[mutation.name]} ({took:.0f} s)", flush=True)
    print(f"{len(chosen)} mutations, {bad} not caught")
    return bad


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
