"""What was moved, and what was not and why: said at the end, and by the exit code."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Final, TextIO

from mlportal.texts import storable

MOST_LISTED: Final = 1000
SECONDS_BETWEEN: Final = 0.5
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Report:
    """`progress` is a terminal: the line on it is written again and again."""

    def __init__(self, out: TextIO, *, progress: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self.problems: list[tuple[str, str]] = []
        self.more = 0
        self._out, self._progress, self._next = out, progress, 0.0

    def count(self, what: str, many: int = 1) -> None:
        self.counts[what] += many
        if self._progress and time.monotonic() >= self._next:
            self._next = time.monotonic() + SECONDS_BETWEEN
            self._out.write(f"\r\033[K{self.summary()}")
            self._out.flush()

    def problem(self, where: str, what: str) -> None:
        """Something that was not moved, and why."""
        if len(self.problems) < MOST_LISTED:
            self.problems.append((plain(where, 300), plain(what, 500)))
        else:
            self.more += 1

    @property
    def found(self) -> int:
        """How many problems there are by now."""
        return len(self.problems) + self.more

    def summary(self) -> str:
        return ", ".join(f"{many} {what}" for what, many in self.counts.items()) or "nothing"

    def close(self, verb: str) -> None:
        """Write what came of it."""
        if self._progress:
            self._out.write("\r\033[K")
        self._out.write(f"{verb}: {self.summary()}\n")
        if self.problems:
            self._out.write(f"Not moved ({self.found}):\n")
            self._out.writelines(f"  {where}: {what}\n" for where, what in self.problems)
        if self.more:
            self._out.write(f"  … and {self.more} more\n")


def plain(text: str, most: int) -> str:
    """What a stranger's text may do to a terminal: nothing."""
    shown: str = _UNPRINTABLE.sub("�", storable(str(text)))
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
