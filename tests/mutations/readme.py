"""The results, as a table that people read and the next run goes on from."""

from __future__ import annotations

from pathlib import Path

from table import Mutation

UNKNOWN = "not run yet"

HEAD = """\
# Mutation check

Every gate and pin in front of the delete, taken away one at a time, and the
test that fails for it. `run.py` writes this file; `mutations.toml` has the
edits. To check one: `tests/mutations/run.py --only NAME`.

| Mutation | What it does | Caught by |
| --- | --- | --- |
"""


def read(path: Path) -> dict[str, str]:
    """The results by the names of the mutations."""
    results: dict[str, str] = {}
    if path.is_file():
        for line in path.read_text("utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if line.startswith("| `") and len(cells) == 3:
                results[cells[0].strip("`")] = cells[2]
    return results


def is_settled(result: str) -> bool:
    """True for what a test caught, and for what none can."""
    return bool(result) and not result.startswith("**") and result != UNKNOWN


def write(path: Path, table: list[Mutation], results: dict[str, str]) -> None:
    rows = (row(mutation, results.get(mutation.name, UNKNOWN)) for mutation in table)
    path.write_text(HEAD + "".join(rows), "utf-8")


def row(mutation: Mutation, result: str) -> str:
    cells = [f"`{mutation.name}`", mutation.removes, result]
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |\n"
