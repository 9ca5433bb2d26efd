"""How the command speaks: results on stdout, everything about them on stderr; colours and bars only where somebody looks."""

import io
import json
import os
import shutil
import sys
import time
from typing import Any, Callable, Optional, Sequence

BOLD, DIM, RED, GREEN, YELLOW, BLUE = "1", "2", "31", "32", "33", "34"
STATUS_COLOURS = {
    "Completed": GREEN,
    "Healthy": GREEN,
    "Failed": RED,
    "Unhealthy": RED,
    "Canceled": YELLOW,
    "Running": BLUE,
    "Finalizing": BLUE,
}
BAR_SECONDS = 0.1


def prepare_streams() -> None:
    """What the terminal's encoding cannot show becomes a question mark, not an exception."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
        elif hasattr(stream, "buffer"):  # Python 3.6
            setattr(
                sys,
                name,
                io.TextIOWrapper(stream.buffer, stream.encoding, errors="replace", line_buffering=stream.isatty()),
            )


class Terminal:
    """`json` makes every result one JSON object a line; `quiet` leaves out what is not a result or an error."""

    def __init__(self, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json, self.quiet = as_json, quiet
        self._bar_shown = False

    def result(self, data: Any, text: Optional[str] = None) -> None:
        """`data` for scripts, `text` for people."""
        if self.as_json:
            self.write(json.dumps(data, separators=(",", ":"), default=str) + "\n")
        elif text is not None:
            self.write(text + "\n")

    def write(self, text: str) -> None:
        """Onto stdout as it is: a script's output."""
        self._clear_bar()
        sys.stdout.write(text)
        sys.stdout.flush()

    def say(self, text: str, colour: str = "") -> None:
        if not self.quiet:
            self._clear_bar()
            sys.stderr.write(paint(text, colour, sys.stderr) + "\n")
            sys.stderr.flush()

    def error(self, text: str) -> None:
        self._clear_bar()
        sys.stderr.write("{} {}\n".format(paint("mlportal:", RED, sys.stderr), text))
        sys.stderr.flush()

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[Any]], data: Sequence[Any]) -> None:
        """Columns as wide as their longest cell; the data one object a line with --json."""
        if self.as_json:
            for item in data:
                self.result(item)
            return
        cells = [[plain(cell) for cell in row] for row in rows]
        widths = [max([len(head)] + [len(row[at]) for row in cells]) for at, head in enumerate(heads)]

        def line(row: Sequence[str]) -> str:
            return "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()  # noqa: B905

        self.write(paint(line(heads), BOLD, sys.stdout) + "\n")
        for row in cells:
            text = line(row)
            for cell in row:
                if cell in STATUS_COLOURS:
                    text = text.replace(cell, paint(cell, STATUS_COLOURS[cell], sys.stdout), 1)
            self.write(text + "\n")

    def bar(self, title: str) -> Optional[Callable[[int, int], None]]:
        """A function (done, total) in bytes that draws; None where nobody looks."""
        if self.quiet or self.as_json or not sys.stderr.isatty():
            return None
        drawn = [0.0]

        def draw(done: int, total: int) -> None:
            now = time.monotonic()
            if now - drawn[0] < BAR_SECONDS and done < total:
                return
            drawn[0] = now
            share = done / total if total else 1.0
            width = max(10, min(40, shutil.get_terminal_size().columns - len(title) - 40))
            full, empty = ("\u2588", "\u2591") if "utf" in (sys.stderr.encoding or "").lower() else ("#", ".")
            drawing = full * int(share * width) + empty * (width - int(share * width))
            sys.stderr.write("\r{} {} {:4.0%} {} of {}\x1b[K".format(title, drawing, share, size(done), size(total)))
            sys.stderr.flush()
            self._bar_shown = True
            if done >= total:
                self._clear_bar()

        return draw

    def _clear_bar(self) -> None:
        if self._bar_shown:
            self._bar_shown = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def paint(text: str, colour: str, stream: Any) -> str:
    if not colour or not stream.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return text
    return "\x1b[{}m{}\x1b[0m".format(colour, text)


def plain(value: Any) -> str:
    """A cell of a table: what came from somebody else must not move the cursor or colour the rest."""
    text = "-" if value is None or value == "" else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return "{:.0f} {}".format(count, unit) if unit == "B" else "{:.1f} {}".format(count, unit)
        count /= 1000
    raise AssertionError("not reached")


def number(value: Any) -> str:
    """A metric's value: six digits are enough to compare by eye."""
    return "{:.6g}".format(value) if isinstance(value, float) else str(value)
