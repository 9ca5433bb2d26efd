"""The script's output: from its pipe to the log file, with bounded memory whatever it prints."""

from __future__ import annotations

import contextlib
import fcntl
import os

from experiments.runner.layout import write_all

CHUNK = 1 << 18
TAIL = 8192
_PIPE_CAPACITY = 1 << 20


def marker(limit: int) -> bytes:
    """The line that stands where a log was cut."""
    return b"\n[mlportal] log cut here: limit of %d bytes reached (MLPORTAL_LOG_LIMIT); the run goes on\n" % limit


class LogPipe:
    """Read end of the script's output, copied to a file up to `limit` bytes; afterwards only counted.

    `cut_bytes`: how many bytes were not kept; `tail`: the last of what the script printed, kept or not;
    `error`: why the file could not be written (nothing is written any more), None while all is well.
    """

    def __init__(self, path: str, limit: int | None) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._limit = limit
        self._room = limit
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            # An OSError here means: over the user's pipe quota. The default size is only slower.
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.read_end, fcntl.F_SETPIPE_SZ, _PIPE_CAPACITY)
        self.cut_bytes = 0
        self.tail = b""
        self.error: OSError | None = None
        self.open = True

    def close_write_end(self) -> None:
        """To be called once the script has its own copy."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def pump(self) -> bool:
        """Copy what one read gives; False when there is nothing to read now (`open` is False after the end)."""
        if not self.open:
            return False
        try:
            data = os.read(self.read_end, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.open = False
            return False
        self.tail = (self.tail + data[-TAIL:])[-TAIL:]
        self._keep(data)
        return True

    def _keep(self, data: bytes) -> None:
        if self.error is not None:
            self.cut_bytes += len(data)
            return
        kept = data if self._room is None else data[: self._room]
        try:
            write_all(self._file, kept)
            if self._room is not None:
                self._room -= len(kept)
                if len(kept) < len(data) and not self.cut_bytes:
                    write_all(self._file, marker(self._limit or 0))
        except OSError as error:
            self.error = error
            kept = b""
        self.cut_bytes += len(data) - len(kept)
