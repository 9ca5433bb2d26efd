"""The cells of a table of runs, as HTML: hundreds of them a page, so they are no templates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from experiments.models import Metric, Parameter, Run, Tag
from experiments.search import COLUMN_ATTRIBUTES, LABELS, Field
from experiments.search.best import column_of
from experiments.search.groups import Stats
from mlportal.pages.wording import number_words
from mlportal.templatetags.portal import duration, moment

SHOWN = 60  # characters of a value; the rest is its title
NOTHING = SafeString('<span class="text-secondary">—</span>')
Values = Mapping[tuple[int, str, str], Metric | Parameter | Tag]


@dataclass(frozen=True)
class Cell:
    """`value` is what tells whether cells differ."""

    html: SafeString | str
    value: Any
    is_number: bool = False


def cell_of(run: Run, column: Field, values: Values) -> Cell:
    if column.kind == "attribute":
        return _attribute(run, column.key)
    row = values.get((run.pk, column.kind, column.key))
    if isinstance(row, Metric):
        number = number_of(row, column)
        return Cell(NOTHING if number is None else number_words(number), repr(number), True)
    if row is None:
        return Cell(NOTHING, None, column.kind == "metric")
    return _text(row.value, empty="✓")  # a tag without a value is there all the same


def number_of(metric: Metric, column: Field) -> float | None:
    """The number of a metric that the column shows; NaN when that was logged last."""
    name = column_of(column)
    value: float | None = getattr(metric, name)
    return math.nan if name == "last" and metric.last_is_nan else value


def stats_cell(stats: Stats | None) -> SafeString:
    """What a metric comes to in a group: the mean, and from where to where."""
    if stats is None:
        return NOTHING
    if stats.least == stats.most:
        return format_html("{}", number_words(stats.least))
    low, high = number_words(stats.least), number_words(stats.most)
    return format_html(
        '{}<div class="text-secondary small" title="least and most">{} to {}</div>', number_words(stats.mean), low, high
    )


def label_of(column: Field) -> str:
    if column == Field("attribute", "status"):
        return "Status"
    return COLUMN_ATTRIBUTES[column.key] if column.kind == "attribute" else column.key


def _text(text: str | None, *, empty: str = "") -> Cell:
    if not text:
        return Cell(empty, text or "")
    if len(text) <= SHOWN:
        return Cell(format_html('<span class="cell-text">{}</span>', text), text)
    shown = format_html('<span class="cell-text" title="{}">{}…</span>', text[:1000], text[:SHOWN])
    return Cell(shown, text)


def _attribute(run: Run, name: str) -> Cell:
    if name == LABELS.key:
        shown = [*_chips(run.shown_parameters, ""), *_chips(run.shown_tags, "tag ")]  # type: ignore[attr-defined]  # of the prefetch
        return Cell(
            format_html('<div class="chips">{}</div>', format_html_join("", "{}", ((one,) for one in shown))), shown
        )
    if name == "duration":
        return Cell(duration(run.started_at, run.ended_at), (run.started_at, run.ended_at))
    if name == "created_at":
        by = format_html('<div class="text-secondary small text-truncate person">{}</div>', run.created_by or "")
        return Cell(format_html('<span class="text-nowrap">{}</span>{}', moment(run.created_at), by), run.created_at)
    if name in ("start_time", "end_time"):
        when = (run.started_at or run.created_at) if name == "start_time" else run.ended_at
        return Cell(format_html('<span class="text-nowrap">{}</span>', moment(when)), when)
    if name == "experiment":
        link = format_html(
            '<a class="text-reset" href="{}">{}</a>', run.experiment.get_absolute_url(), run.experiment.name
        )
        return Cell(link, run.experiment_id)
    if name == "environment" and (version := run.environment_version):
        return _text(f"{version.environment.name}:{version.version}")
    if name == "parent" and run.parent:
        return Cell(
            format_html('<a class="text-reset" href="{}">#{}</a>', run.parent.get_absolute_url(), run.parent.number),
            run.parent_id,
        )
    texts = {
        "user_id": lambda: run.created_by.get_username() if run.created_by else "",
        "script": lambda: run.script,
        "target": lambda: run.compute_target.name if run.compute_target else "",
        "run_id": lambda: run.uid,
    }
    text = texts[name]() if name in texts else ""
    return _text(text) if text else Cell(NOTHING, "")


def _chips(rows: Iterable[Parameter | Tag], before: str) -> list[SafeString]:
    chips = []
    for row in rows:
        sign, value = ("=" if not before else ": ") if row.value else "", row.value or ""
        chips.append(
            format_html(
                '<span class="chip{}" title="{}{}{}{}">{}{}{}</span>',
                " chip-tag" if before else "",
                before,
                row.name,
                " = " if sign == "=" else sign,
                _cut(value, 200),
                row.name,
                sign,
                _cut(value, 30),
            )
        )
    return chips


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
