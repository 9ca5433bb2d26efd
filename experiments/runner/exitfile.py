"""exit.json: written once, last, whole, even on a disk that has just filled up."""

from __future__ import annotations

import contextlib
import json
import os

from experiments.runner.layout import EXIT, EXIT_RESERVE, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from experiments.runner.contract import ExitRecord

RESERVED_BYTES = 4096
MESSAGE_CHARACTERS = 500  # at most 12 bytes each in JSON: a message and the rest fit into the reserve


class ExitFile:
    """Holds the space of exit.json from the start of the run. One per run directory; shared over fork."""

    def __init__(self, run_dir: str) -> None:
        self._final = os.path.join(run_dir, EXIT)
        self._reserve = os.path.join(run_dir, EXIT_RESERVE)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self._reserve, flags, 0o600)
        with contextlib.suppress(OSError):  # a disk that is full already shows when the run's next file is written
            write_all(self._file, b" " * RESERVED_BYTES)

    def write(self, record: ExitRecord) -> None:
        """Overwrite the reserved bytes in place, cut to size, sync, and give the file its name."""
        record["message"] = record["message"][:MESSAGE_CHARACTERS]
        data = json.dumps(record).encode()
        written = os.pwrite(self._file, data, 0)
        if written < len(data):
            raise OSError(f"exit.json: {written} of {len(data)} bytes written")
        os.ftruncate(self._file, len(data))
        os.fsync(self._file)
        os.replace(self._reserve, self._final)
        folder = os.open(os.path.dirname(self._final), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
