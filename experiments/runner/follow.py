"""Reading a run directory while the run goes on: pure functions of stored offsets, so that any worker can go on."""

from __future__ import annotations

import os
from pathlib import Path

from experiments.runner import beneath
from experiments.runner.collect import STD_LOG_NAME, printable
from experiments.runner.layout import METRICS, STD_LOG, WORK_LOGS
from experiments.runner.records import MAX_LINE, Record, parse

MAX_LOGS = 100
MAX_LOG_DEPTH = 5
READ_BYTES = 4 << 20

_CHUNK = 1 << 18


class RunFiles:
    """The growing files of one run. Everything in them is the script's word: nothing is trusted."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._parts: dict[str, tuple[str, ...]] = {}

    def log_sizes(self) -> dict[str, int]:
        """Stream name → bytes of every log there is now: what was printed, and the files below ./logs.

        Nothing is opened but folders, so that a look at logs that do not grow is cheap.
        """
        self._parts = {STD_LOG_NAME: _STD_LOG}
        sizes = {STD_LOG_NAME: self._std_log_size()}
        for found in beneath.walk(self._run_dir, _WORK_LOGS, depth=MAX_LOG_DEPTH):
            if len(sizes) > MAX_LOGS:
                break
            if not found.problem:
                name = printable("/".join(("logs", *found.parts[len(_WORK_LOGS) :])))
                if name not in sizes:  # of two names that print alike the first is shown
                    self._parts[name], sizes[name] = found.parts, found.size
        return sizes

    def read_log(self, name: str, offset: int, limit: int = _CHUNK, *, final: bool = False) -> bytes:
        """At most `limit` (≥ 4) bytes of the log `name` from `offset` on; empty when there is nothing new.

        A UTF-8 sequence that is not whole yet is held back, unless `final`. KeyError: no such log.
        """
        if name not in self._parts:
            self.log_sizes()
        try:
            descriptor = beneath.open_regular(self._run_dir, self._parts[name])
        except OSError:
            return b""  # removed or replaced by the script
        try:
            data = os.pread(descriptor, max(limit, 4), offset)
            at_end = final and os.fstat(descriptor).st_size <= offset + len(data)
        finally:
            os.close(descriptor)
        return data if at_end else data[: _whole_characters(data)]

    def read_records(self, offset: int, limit: int = READ_BYTES) -> tuple[list[Record], int, int]:
        """Valid records of about `limit` bytes of metrics.jsonl from `offset` on: (records, next offset, bad lines).

        A last line without its newline is left for later. A line over MAX_LINE is skipped and counted once; an offset
        that stands within a line means that the rest of this line is still being skipped. Numbers that overflow come
        as the contract's {"x": "inf"}, NUL and lone surrogates as U+FFFD.
        """
        try:
            descriptor = beneath.open_regular(self._run_dir, (METRICS,))
        except OSError:
            return [], offset, 0
        try:
            return _read_records(descriptor, offset, limit)
        finally:
            os.close(descriptor)

    def _std_log_size(self) -> int:
        try:
            return os.lstat(self._run_dir / STD_LOG).st_size
        except OSError:
            return 0


_STD_LOG, _WORK_LOGS = tuple(STD_LOG.split("/")), tuple(WORK_LOGS.split("/"))


def _read_records(descriptor: int, offset: int, limit: int) -> tuple[list[Record], int, int]:
    if offset and os.pread(descriptor, 1, offset - 1) != b"\n":
        offset, found = _skip_line(descriptor, offset, limit)
        if not found:
            return [], offset, 0
    data = os.pread(descriptor, max(limit, MAX_LINE + 1), offset)
    end = data.rfind(b"\n") + 1
    if not end:
        if len(data) <= MAX_LINE:
            return [], offset, 0
        return [], offset + len(data), 1
    records, bad = [], 0
    for line in data[:end].split(b"\n")[:-1]:
        record = parse(line)
        if record is None:
            bad += 1
        else:
            records.append(record)
    return records, offset + end, bad


def _skip_line(descriptor: int, offset: int, limit: int) -> tuple[int, bool]:
    stop = offset + max(limit, _CHUNK)
    while offset < stop and (data := os.pread(descriptor, _CHUNK, offset)):
        end = data.find(b"\n") + 1
        if end:
            return offset + end, True
        offset += len(data)
    return offset, False


def _whole_characters(data: bytes) -> int:
    """How many bytes of `data` end on a character: less than all only when a UTF-8 sequence is cut at the end."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        needed = 4 if 0xF0 <= byte <= 0xF4 else 3 if byte & 0xF0 == 0xE0 else 2 if 0xC2 <= byte <= 0xDF else 1
        return len(data) - back if needed > back else len(data)
    return len(data)
