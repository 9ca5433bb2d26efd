"""How the demo speaks: numbered steps, indented lines, colours where somebody looks."""

from __future__ import annotations

import os
from typing import Protocol

BOLD, DIM, GREEN, RED = "1", "2", "32", "31"


class Stream(Protocol):
    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...
    def isatty(self) -> bool: ...


class Terminal:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._colours = stream.isatty() and "NO_COLOR" not in os.environ
        self._steps = 0

    def step(self, text: str) -> None:
        self._steps += 1
        self._write(f"\n{self._painted(f'{self._steps}. {text}', BOLD)}")

    def say(self, text: str) -> None:
        self._write(f"   {text}")

    def good(self, text: str) -> None:
        self._write(f"   {self._painted(text, GREEN)}")

    def bad(self, text: str) -> None:
        self._write(f"   {self._painted(text, RED)}")

    def quote(self, text: str) -> None:
        """Lines that somebody else wrote: a log, a file, an answer."""
        for line in text.splitlines():
            self._write(self._painted(f"   │ {line}", DIM))

    def _write(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _painted(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text
