"""A command on a terminal of its own: what it draws, and what somebody types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CTRL_C = "\x03"


class TerminalCommand:
    """Starts it; `expect` waits for a text, `write` types one, `end` is the exit status. Use as a context manager."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        self._terminal, slave = pty.openpty()

        def control() -> None:  # so that Ctrl-C is a SIGINT to the command, as in a shell
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=dict(env), cwd=cwd, preexec_fn=control
        )
        os.close(slave)
        self.raw = ""

    @property
    def text(self) -> str:
        """What was drawn, without colours and with plain line ends."""
        return ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def write(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def expect(self, text: str, seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} not in {self.text!r}"
            assert self._read(), f"it ended without {text!r}: {self.text!r}"

    def end(self, seconds: float = 90.0) -> int:
        deadline = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < deadline, f"still running: {self.text!r}"
        return self.process.wait(timeout=10)

    def _read(self) -> bool:
        """False at the end."""
        if not select.select([self._terminal], [], [], 0.2)[0]:
            return self.process.poll() is None
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += data.decode("utf-8", "replace")
        return bool(data)

    def __enter__(self) -> TerminalCommand:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._terminal)
