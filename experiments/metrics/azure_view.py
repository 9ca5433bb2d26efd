"""What ``Run.get_metrics()`` of Azure's SDK v1 returns for the metrics of a run."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Final, cast

from .logged import Kind, Logged
from .series import Series

_SCALAR: Final = "scalar"
_TABLE: Final = "table"
# Numbers and texts are one kind for Azure, rows and tables are another.
_GROUPS: Final = {Kind.TEXT: _SCALAR, Kind.ROW: _TABLE, Kind.TABLE: _TABLE}


def run_metrics(
    series: Mapping[str, Series], logged: Iterable[Logged], *, image_reference: Callable[[str], str]
) -> dict[str, object]:
    """Convert the metrics of a run to ``{name: scalar | list | {column: …}}``, names in the order of their first log.

    One log of a name gives a scalar, more give a list; lists extend each other, and a list of one is a scalar; one row
    is ``{column: cell}``, more are ``{column: [cells]}``, a table always is. Images become ``image_reference(artifact
    name)``. A name logged as two kinds keeps the first one. Non-finite numbers are Python floats.
    """
    by_name: dict[str, dict[str, list[Logged]]] = {}
    for item in logged:
        by_name.setdefault(item.name, {}).setdefault(_GROUPS.get(item.kind, item.kind), []).append(item)
    found: list[tuple[float, str, object]] = []
    for name in {**series, **by_name}:
        points = series.get(name, Series.of())
        groups = by_name.get(name, {})
        starts = {group: items[0].time for group, items in groups.items()}
        if points:
            starts[_SCALAR] = min(points.times[0], starts.get(_SCALAR, points.times[0]))
        if starts:
            group = min(starts, key=starts.__getitem__)
            found.append((starts[group], name, _convert(group, points, groups.get(group, []), image_reference)))
    return {name: value for _, name, value in sorted(found, key=itemgetter(0))}


def _convert(group: str, points: Series, items: list[Logged], image_reference: Callable[[str], str]) -> object:
    if group == _SCALAR:
        texts = ((item.time, item.value) for item in items)
        return _one_or_all([v for _, v in heapq.merge(_timed(points), texts, key=itemgetter(0))])
    if group == _TABLE:
        return _columns(items)
    if group == Kind.LIST:
        return _one_or_all([cell for item in items for cell in cast("list[object]", item.plain())])
    if group == Kind.IMAGE:
        return _one_or_all([image_reference(str(item.value)) for item in items])
    return _one_or_all([item.plain() for item in items])


def _timed(points: Series) -> Iterable[tuple[float, object]]:
    return zip(points.times, points.values, strict=True)


def _columns(items: list[Logged]) -> object:
    if len(items) == 1:
        return items[0].plain()
    columns: dict[str, list[object]] = {}
    for item in items:
        for column, cells in cast("dict[str, object]", item.plain()).items():
            more = cast("list[object]", cells) if item.kind == Kind.TABLE else [cells]
            columns.setdefault(column, []).extend(more)
    return columns


def _one_or_all(values: list[object]) -> object:
    return values[0] if len(values) == 1 else values
