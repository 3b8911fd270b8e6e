"""A clone of the working tree, to break things in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from table import Edit, Mutation, TableError

ROOT = Path(__file__).resolve().parents[2]

# Incremental state is of no use to another folder, and large.
SEED = ("deps", "build", ".fingerprint")


class Clone:
    """The tracked and the new files of the project, and a target folder."""

    def __init__(self, workdir: Path) -> None:
        self.tree = workdir / "tree"
        self.target = workdir / "target"
        self.originals: dict[Path, str] = {}

    def refresh(self) -> None:
        """Bring the clone up to date with the working tree, whatever is in it."""
        self.tree.mkdir(parents=True, exist_ok=True)
        wanted = set(files_of(ROOT))
        for name in wanted:
            copy_if_changed(ROOT / name, self.tree / name)
        for stale in set(files_below(self.tree)) - wanted:
            (self.tree / stale).unlink()
        link = self.tree / ".venv"
        if not link.is_symlink() and (ROOT / ".venv").is_dir():
            link.symlink_to(ROOT / ".venv")

    def seed(self) -> None:
        """Take over what the project's target folder has compiled of others' crates."""
        own, theirs = self.target / "debug", project_target() / "debug"
        if own.exists() or not theirs.is_dir():
            return
        own.mkdir(parents=True)
        folders = [str(theirs / name) for name in SEED if (theirs / name).is_dir()]
        subprocess.run(["cp", "-a", "--reflink=auto", *folders, str(own)], check=True)

    def apply(self, mutation: Mutation) -> None:
        for edit in mutation.edits:
            path = self.tree / edit.file
            self.originals.setdefault(path, path.read_text("utf-8"))
            path.write_text(replaced(path, edit), "utf-8")

    def revert(self) -> None:
        for path, text in self.originals.items():
            path.write_text(text, "utf-8")
        self.originals.clear()

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CARGO_TARGET_DIR": str(self.target),
            "CARGO_TERM_COLOR": "never",
        }


def project_target() -> Path:
    return ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target")


def files_of(root: Path) -> list[str]:
    """What git tracks or would add, as far as it is there."""
    command = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (root / name).is_file()]


def files_below(root: Path) -> list[str]:
    found = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    names = (path.relative_to(root) for path in found)
    return [str(name) for name in names if name.parts[0] not in (".venv", "target", ".git")]


def copy_if_changed(source: Path, copy: Path) -> None:
    """Cargo goes by dates, so a file that is the same is left alone."""
    if copy.is_file() and copy.read_bytes() == source.read_bytes():
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
    shutil.copymode(source, copy)


def replaced(path: Path, edit: Edit) -> str:
    text = path.read_text("utf-8")
    if text.count(edit.find) != edit.count:
        raise TableError(f"{edit.file} does not have {edit.count} times:\n{edit.find}")
    return text.replace(edit.find, edit.replace)
