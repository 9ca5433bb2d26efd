"""What the address of a table of runs asks for, read from its parameters.

q        plain words, or a search
status   one of the portal's statuses
sort     keys of an order, such as `max(metrics.auc) DESC`; several times: one after the other
c        columns, such as `params.kernel`; several times, in this order
differ   1: only columns in which the rows shown differ
group    a parameter, a tag or an attribute by whose values the runs are put together
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from experiments.status import RunStatus

from .attributes import attribute_named
from .found import GROUPED, Wanted, ordered_by
from .grammar import Field, parse_field
from .tokens import BadSearch

PARAMETERS: Final = ("q", "status", "sort", "c", "differ", "group")
MAX_COLUMNS: Final = 100
MAX_SORTS: Final = 5
MAX_CHARACTERS: Final = 500  # of a column or a key: a name of 250 characters in quotes
LABELS: Final = Field("attribute", "labels")  # the first few parameters and tags, as chips
_COLUMN_KINDS: Final = ("attribute", "metric", "param", "tag")
COLUMN_ATTRIBUTES: Final = {
    "experiment": "Experiment",
    "duration": "Duration",
    "created_at": "Submitted",
    "start_time": "Started",
    "end_time": "Ended",
    "user_id": "Person",
    "script": "Script",
    "environment": "Environment",
    "target": "Compute",
    "parent": "Parent",
    "run_id": "Run ID",
    "labels": "Parameters, tags",
}


@dataclass(frozen=True)
class Asked:
    """`columns` is empty for those that a table has by itself."""

    wanted: Wanted = field(default_factory=Wanted)
    columns: tuple[Field, ...] = ()
    differ: bool = False
    group: Field | None = None

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> Asked:
        """By lists of values, {"q": ["…"], "c": ["…", "…"]}. Raises BadSearch for what cannot be."""
        asked = {name: [value for value in query.get(name, ()) if value] for name in PARAMETERS}
        for name, values in asked.items():
            most = {"c": MAX_COLUMNS, "sort": MAX_SORTS}.get(name, 1)
            if len(values) > most:
                raise BadSearch(f"A table of runs has at most {most} of {name!r}.", field=name)
        if any("\0" in value for values in asked.values() for value in values):
            raise BadSearch("Nothing in the address of a table of runs holds a NUL character.")
        columns = dict.fromkeys(column_of_text(text) for text in asked["c"])
        orders = tuple(asked["sort"])
        for text in orders:
            ordered_by(_short(text))
        status = _first(asked["status"])
        wanted = Wanted(_first(asked["q"]).strip(), status if status in RunStatus.values else "", orders)
        group = group_of_text(asked["group"][0]) if asked["group"] else None
        found = cls(wanted, tuple(columns), bool(asked["differ"]), group)
        found.wanted.check()
        return found


def column_of_text(text: str) -> Field:
    """Raises BadSearch."""
    if text == LABELS.key:
        return LABELS
    named = parse_field(_short(text), _COLUMN_KINDS)
    if named.kind == "attribute":
        return Field("attribute", attribute_named(named.key, tuple(COLUMN_ATTRIBUTES)))
    return named


def group_of_text(text: str) -> Field:
    """Raises BadSearch."""
    named = parse_field(_short(text), ("attribute", "param", "tag"))
    return Field("attribute", attribute_named(named.key, tuple(GROUPED))) if named.kind == "attribute" else named


def _short(text: str) -> str:
    if len(text) > MAX_CHARACTERS:
        raise BadSearch(f"A column or a key of an order has at most {MAX_CHARACTERS} characters.")
    return text


def _first(values: Sequence[str]) -> str:
    return values[0] if values else ""
