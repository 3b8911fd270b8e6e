"""What a script says while it works: steps with their time, and one progress line."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

LINE_SECONDS = 2.0
REDRAW_SECONDS = 0.1


class Progress:
    """A line redrawn in place on a terminal, a line every 2 s when piped, none under CI."""

    def __init__(self) -> None:
        # The keys are in every script; a terminal that cannot show one must not end the demo.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        self._in_place = sys.stdout.isatty() and os.environ.get("CI") != "true"
        self._silent = os.environ.get("CI") == "true"
        self._last = time.monotonic()
        self._drawn = False

    def update(self, text: str) -> None:
        now = time.monotonic()
        if self._silent or now - self._last < (REDRAW_SECONDS if self._in_place else LINE_SECONDS):
            return
        self._last = now
        if self._in_place:
            print(f"\r\033[K    {text}", end="", flush=True)
            self._drawn = True
        else:
            print(f"    {text}", flush=True)

    def clear(self) -> None:
        if self._drawn:
            print("\r\033[K", end="", flush=True)
            self._drawn = False

    def say(self, text: str, indent: str = "    ") -> None:
        """Print text that stays, each of its lines indented."""
        self.clear()
        for line in text.splitlines():
            print(f"{indent}{line}".rstrip(), flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and say how long it took when it succeeded."""
        print(title, flush=True)
        started = self._last = time.monotonic()
        try:
            yield
        finally:
            self.clear()
        print(f"    done in {time.monotonic() - started:.1f} s", flush=True)
