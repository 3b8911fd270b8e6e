"""Where cargo puts the programs that the scripts run."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def binary_folder(profile: str = "debug") -> Path:
    """target/<profile>, wherever CARGO_TARGET_DIR puts target."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or "target")
    return (ROOT / target) / profile


def binary(name: str, profile: str) -> Path:
    path = binary_folder(profile) / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: build it first (`make build`)")
    return path
