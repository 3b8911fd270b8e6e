"""The table of mutations: exact edits, each of which must fit the code."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class TableError(Exception):
    """The table does not fit the code, or contradicts itself."""


@dataclass(frozen=True)
class Edit:
    """One replacement in one file."""

    file: str
    find: str
    replace: str
    count: int = 1


@dataclass(frozen=True)
class Mutation:
    """A gate, a pin or an order, taken away."""

    name: str
    removes: str
    edits: tuple[Edit, ...]
    suites: tuple[str, ...] = ()
    """The suites that can see it, if not all can; the others are left out."""
    filter: str = ""
    """Tests to begin with, of the suites that need servers."""
    equivalent: str = ""
    """Why no test can see it, if none can."""


def load(path: Path, suites: set[str]) -> list[Mutation]:
    """Read the table, and refuse what it does not know."""
    with path.open("rb") as file:
        entries = tomllib.load(file)["mutation"]
    table = [mutation_of(entry, suites) for entry in entries]
    names = [mutation.name for mutation in table]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(f"named twice: {', '.join(twice)}")
    return table


def mutation_of(entry: dict[str, Any], suites: set[str]) -> Mutation:
    rest = dict(entry)
    try:
        name, removes = rest.pop("name"), rest.pop("removes")
        if "edits" in rest:
            edits = tuple(Edit(**edit) for edit in rest.pop("edits"))
        else:
            single = {key: rest.pop(key) for key in ("file", "find", "replace", "count") if key in rest}
            edits = (Edit(**single),)
        mutation = Mutation(name, removes, edits, tuple(rest.pop("suites", ())), **rest)
    except (KeyError, TypeError) as error:
        raise TableError(f"the mutation {entry.get('name')}: {error}") from error
    unknown = set(mutation.suites) - suites
    if unknown:
        raise TableError(f"{name} names suites that there are not: {', '.join(sorted(unknown))}")
    return mutation


def check(table: list[Mutation], root: Path) -> None:
    """Every edit must match as often as it says, and change something."""
    wrong = [
        f"{mutation.name}: {what}"
        for mutation in table
        for edit in mutation.edits
        if (what := misfit(edit, root))
    ]
    if wrong:
        raise TableError("\n".join(wrong))


def misfit(edit: Edit, root: Path) -> str | None:
    """Why an edit does not fit the code, if it does not."""
    if edit.find == edit.replace:
        return "changes nothing"
    path = root / edit.file
    found = path.read_text("utf-8").count(edit.find) if path.is_file() else 0
    if found == edit.count:
        return None
    return f"found {found} times in {edit.file}, not {edit.count}:\n{edit.find}"
