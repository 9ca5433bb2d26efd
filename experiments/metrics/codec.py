"""Series as bytes: how the chunks of a metric are stored.

A header (format version, count of points), then the columns steps, times and values, little-endian: 24 bytes a point.
Compression was measured and left out: zlib halves a noisy curve and costs more than all the rest of the ingest.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable
from typing import Final

from .series import Series

_VERSION: Final = 1
_HEADER: Final = struct.Struct("<BI")
_WIDTH: Final = 8


class BadChunk(ValueError):
    """The bytes are not a chunk that this version can read."""


def pack(series: Series) -> bytes:
    """Encode ``series``; floats keep their bits, so NaN and infinities come back as they were."""
    columns = (series.steps, series.times, series.values)
    return _HEADER.pack(_VERSION, len(series)) + b"".join(_little_endian(column) for column in columns)


def unpack(chunk: bytes) -> Series:
    """Decode what :func:`pack` made. Raises :class:`BadChunk` for another version or a wrong length."""
    count = _count(chunk)
    steps, times, values = array("q"), array("d"), array("d")
    columns: tuple[array[int] | array[float], ...] = (steps, times, values)
    for index, column in enumerate(columns):
        start = _HEADER.size + index * count * _WIDTH
        column.frombytes(chunk[start : start + count * _WIDTH])
        if sys.byteorder == "big":
            column.byteswap()
    return Series(steps, times, values)


def merge(chunks: Iterable[bytes]) -> bytes:
    """Join chunks to one, in the order given. Raises :class:`BadChunk`."""
    steps, times, values = array("q"), array("d"), array("d")
    for chunk in chunks:
        series = unpack(chunk)
        steps += series.steps
        times += series.times
        values += series.values
    return pack(Series(steps, times, values))


def _count(chunk: bytes) -> int:
    if len(chunk) < _HEADER.size:
        raise BadChunk("a chunk of metrics is cut off")
    version, count = _HEADER.unpack_from(chunk)
    if version != _VERSION:
        raise BadChunk(f"a chunk of metrics has format {version}; this version reads {_VERSION}")
    if len(chunk) != _HEADER.size + 3 * _WIDTH * count:
        raise BadChunk(f"a chunk of metrics says {count} points and has {len(chunk)} bytes")
    return int(count)


def _little_endian(column: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()
