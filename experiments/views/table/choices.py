"""What columns there are to choose from."""

from collections.abc import Collection
from dataclasses import dataclass

from experiments.search import COLUMN_ATTRIBUTES, STATS, Field, Names


@dataclass(frozen=True)
class Choice:
    """`stats` are the numbers of a metric with the columns that show them; `stat` is the one that is shown."""

    label: str
    value: str
    chosen: bool
    stats: tuple[tuple[str, str], ...] = ()
    stat: str = ""


def choices_of(names: Names, chosen: Collection[Field]) -> list[tuple[str, list[Choice]]]:
    """By title: every name of the newest runs, and those that are chosen although they are none of these."""
    sections = []
    for title, kind, known in (
        ("Metrics", "metric", names.metric),
        ("Parameters", "param", names.param),
        ("Tags", "tag", names.tag),
    ):
        others = [column.key for column in chosen if column.kind == kind]
        sections.append((title, [_choice(kind, name, chosen) for name in dict.fromkeys([*known, *others])]))
    attributes = [Field("attribute", name) for name in COLUMN_ATTRIBUTES]
    shown = [Choice(COLUMN_ATTRIBUTES[column.key], str(column), column in chosen) for column in attributes]
    return [*sections, ("The run", shown)]


def _choice(kind: str, name: str, chosen: Collection[Field]) -> Choice:
    if kind != "metric":
        column = Field(kind, name)
        return Choice(name, str(column), column in chosen)
    columns = [Field(kind, name, stat) for stat in STATS]
    stat = next((column.stat for column in columns if column in chosen), "")
    return Choice(name, "", bool(stat), tuple((column.stat, str(column)) for column in columns), stat)
