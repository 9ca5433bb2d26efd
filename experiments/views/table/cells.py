"""The cells of a table of runs, as HTML: hundreds of them a page, so they are no templates. Whatever people or runs have
written goes through `escape`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from django.db.models import Window
from django.db.models.functions import RowNumber
from django.utils.safestring import SafeString

from experiments.models import Run
from experiments.search import COLUMN_ATTRIBUTES, LABELS, Field
from experiments.search.best import column_of
from experiments.search.conditions import MODELS
from experiments.search.groups import Stats
from experiments.search.values import Numbers, Values
from mlportal.pages.wording import number_words
from mlportal.statements import Among
from mlportal.templatetags.portal import duration, moment

CHIPS = 3  # of each kind
SHOWN = 60  # characters of a value; the rest is its title
NOTHING = SafeString('<span class="text-secondary">—</span>')
Chips = Mapping[tuple[int, str], Sequence[tuple[str, str]]]


class Cell(NamedTuple):
    """`value` is what tells whether cells differ."""

    html: str
    value: Any
    is_number: bool = False


class Shown(NamedTuple):
    """What the runs of a page have logged, as far as it is shown."""

    values: Values
    chips: Chips


def chips_of(keys: Sequence[int]) -> Chips:
    """(name, value) of a few of each run's parameters and of the tags that people set, by run and kind: clients of MLflow set
    their own beside them."""
    found: dict[tuple[int, str], list[tuple[str, str]]] = {}
    for kind, model in MODELS.items():
        place = Window(RowNumber(), partition_by="run_id", order_by="name")
        rows = model.objects.filter(Among("run_id", keys)).exclude(name__startswith="mlflow.").alias(place=place)
        for run, name, value in rows.filter(place__lte=CHIPS).order_by("name").values_list("run_id", "name", "value"):
            found.setdefault((run, kind), []).append((name, value or ""))
    return found


def cell_of(run: Run, column: Field, shown: Shown) -> Cell:
    if column.kind == "attribute":
        return _attribute(run, column.key, shown.chips)
    found = shown.values.get((run.pk, column.kind, column.key))
    if isinstance(found, Numbers):
        number = getattr(found, column_of(column))
        return Cell(NOTHING if number is None else number_words(number), repr(number), True)
    if found is None:
        return Cell(NOTHING, None, column.kind == "metric")
    return _text(found, empty="✓")  # a tag without a value is there all the same


def stats_cell(stats: Stats | None) -> SafeString:
    """What a metric comes to in a group: the mean, and from where to where."""
    if stats is None:
        return NOTHING
    if stats.least == stats.most:
        return SafeString(number_words(stats.least))
    span = f"{number_words(stats.least)} to {number_words(stats.most)}"
    least_and_most = f'<div class="text-secondary small" title="least and most">{span}</div>'
    return SafeString(f"{number_words(stats.mean)}{least_and_most}")


def label_of(column: Field) -> str:
    if column == Field("attribute", "status"):
        return "Status"
    return COLUMN_ATTRIBUTES[column.key] if column.kind == "attribute" else column.key


def _text(text: str, *, empty: str = "") -> Cell:
    if not text:
        return Cell(empty, text)
    if len(text) <= SHOWN:
        return Cell(f'<span class="cell-text">{escape(text)}</span>', text)
    title = escape(text[:1000])
    return Cell(f'<span class="cell-text" title="{title}">{escape(text[:SHOWN])}…</span>', text)


def _attribute(run: Run, name: str, chips: Chips) -> Cell:
    if name == LABELS.key:
        shown = [*_chips(chips.get((run.pk, "param"), ())), *_tags(chips.get((run.pk, "tag"), ()))]
        return Cell(f'<div class="chips">{"".join(shown)}</div>', shown)
    if name == "duration":
        return Cell(duration(run.started_at, run.ended_at), (run.started_at, run.ended_at))
    if name == "created_at":
        person = escape(str(run.created_by or ""))
        by = f'<div class="text-secondary small text-truncate person">{person}</div>'
        return Cell(f'<span class="text-nowrap">{moment(run.created_at)}</span>{by}', run.created_at)
    if name in ("start_time", "end_time"):
        when = (run.started_at or run.created_at) if name == "start_time" else run.ended_at
        return Cell(f'<span class="text-nowrap">{moment(when)}</span>', when)
    if name == "experiment":
        return Cell(_link(run.experiment.get_absolute_url(), run.experiment.name), run.experiment_id)
    if name == "environment" and (version := run.environment_version):
        return _text(f"{version.environment.name}:{version.version}")
    if name == "parent" and run.parent:
        return Cell(_link(run.parent.get_absolute_url(), f"#{run.parent.number}"), run.parent_id)
    texts = {
        "user_id": lambda: run.created_by.get_username() if run.created_by else "",
        "script": lambda: run.script,
        "target": lambda: run.compute_target.name if run.compute_target else "",
        "run_id": lambda: run.uid,
    }
    text = texts[name]() if name in texts else ""
    return _text(text) if text else Cell(NOTHING, "")


def _link(address: str, text: str) -> str:
    return f'<a class="text-reset" href="{escape(address)}">{escape(text)}</a>'


def _chips(parameters: Iterable[tuple[str, str]]) -> Iterable[str]:
    for name, value in parameters:
        sign, spaced = ("=", " = ") if value else ("", "")
        yield (
            f'<span class="chip" title="{escape(name)}{spaced}{escape(_cut(value, 200))}">'
            f"{escape(name)}{sign}{escape(_cut(value, 30))}</span>"
        )


def _tags(tags: Iterable[tuple[str, str]]) -> Iterable[str]:
    for name, value in tags:
        sign = ": " if value else ""
        yield (
            f'<span class="chip chip-tag" title="tag {escape(name)}{sign}{escape(_cut(value, 200))}">'
            f"{escape(name)}{sign}{escape(_cut(value, 30))}</span>"
        )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
