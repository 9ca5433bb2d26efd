"""Numbers on their way: read to their end before the database is locked for them, in a file where they are many."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Final

from django.conf import settings

from experiments.metrics import Series, Summary, pack, unpack
from mlportal.mlflow_port.comparing import Latest

IN_MEMORY: Final = 8 << 20


class PointSpool:
    """Use as a context manager; what is in it can be read as often as one likes."""

    def __init__(self) -> None:
        folder = str(settings.FILE_UPLOAD_TEMP_DIR)
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=folder)  # noqa: SIM115  (closed at the exit)
        self._parts: list[tuple[str, int]] = []
        self._summaries: dict[str, Summary] = {}
        self.count = 0

    def __enter__(self) -> PointSpool:
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()

    def add(self, name: str, series: Iterable[Series]) -> None:
        for some in series:
            data = pack(some)
            self._file.write(data)
            self._parts.append((name, len(data)))
            self._summaries[name] = self._summaries.get(name, Summary()).update(some)
            self.count += len(some)

    def read(self) -> Iterator[tuple[str, Series]]:
        self._file.seek(0)
        for name, size in self._parts:
            yield name, unpack(self._file.read(size))

    @property
    def latest(self) -> Latest:
        return {
            name: (each.last or 0.0, round((each.last_time or 0) * 1000), each.last_step or 0)
            for name, each in self._summaries.items()
        }
