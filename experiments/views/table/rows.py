"""The rows of a table of runs. A page has fifty of them, and they are most of its work: of a run no more is fetched than is
shown, what many runs share is fetched once, and rows are made here and not by a template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from experiments.models import Experiment, Run
from experiments.search import LABELS, Field, values_of
from mlportal.access.models import User
from mlportal.statements import Among

from .cells import Cell, Shown, cell_of, chips_of
from .runs_table import RunsTable

FIELDS = (
    "uid",
    "workspace",
    "experiment",
    "number",
    "name",
    "status",
    "script",
    "arguments",
    "parent",
    "created_by",
    "cancel_requested_at",
    "revision",
    "created_at",
    "started_at",
    "ended_at",
)
NUMBER = '<td class="value">'
JOINED = {"environment": ("environment_version", "environment"), "target": ("compute_target",)}


@dataclass
class Row:
    run: Run
    children_count: int
    cells: list[Cell]
    html: str = ""


def rows_of(table: RunsTable, keys: Sequence[int], columns: Sequence[Field]) -> list[Row]:
    """In the order of the keys, without their HTML: `draw` makes it of the columns that stay."""
    joined = [JOINED[column.key] for column in columns if column.kind == "attribute" and column.key in JOINED]
    found: Any = Run.objects.filter(Among("pk", keys)).with_children_count().order_by()
    found = found.only(*FIELDS, *(path[0] for path in joined))
    if joined:
        found = found.select_related(*("__".join(path) for path in joined))
    by_key = {run.pk: run for run in found}
    runs = [by_key[key] for key in keys if key in by_key]
    _relate(table, runs)
    shown = Shown(values_of(keys, columns), chips_of(keys) if LABELS in columns else {})
    return [Row(run, run.children_count, [cell_of(run, column, shown) for column in columns]) for run in runs]


def _relate(table: RunsTable, runs: Iterable[Run]) -> None:
    """Give each its workspace, its experiment, its person and its parent: few, and the same for many."""
    runs = list(runs)
    parents = _by_key(Run.objects.only("uid", "number", "workspace", "experiment"), (run.parent_id for run in runs))
    everybody = [*runs, *parents.values()]
    people = _by_key(User.objects.all(), (run.created_by_id for run in runs))
    if table.experiment and all(run.experiment_id == table.experiment.pk for run in everybody):
        experiments: dict[int, Any] = {table.experiment.pk: table.experiment}
    else:
        experiments = _by_key(Experiment.objects.all(), (run.experiment_id for run in everybody))
    for experiment in experiments.values():
        experiment.workspace = table.request.workspace
    for run in everybody:
        run.workspace, run.experiment = table.request.workspace, experiments[run.experiment_id]
    for run in runs:
        run.created_by = people.get(run.created_by_id)
        run.parent = parents.get(run.parent_id)


def _by_key(rows: Any, keys: Iterable[int | None]) -> dict[Any, Any]:
    wanted = {key for key in keys if key is not None}
    found: dict[Any, Any] = rows.in_bulk(wanted) if wanted else {}
    return found


def draw(table: RunsTable, rows: Iterable[Row]) -> None:
    """Give each its `html`."""
    address, statuses = _addresses(table), {}
    for row in rows:
        run = row.run
        known = (run.status, run.cancel_requested_at is not None)
        if known not in statuses:
            statuses[known] = render_to_string("experiments/run_status.html", {"run": run})
        cells = "".join([f"{NUMBER if cell.is_number else '<td>'}{cell.html}</td>" for cell in row.cells])
        row.html = SafeString(
            f'<tr><td class="pick-col"><input class="form-check-input" type="checkbox" name="run" value="{run.uid}" form="bulk"'
            f' id="pick-{run.uid}" aria-label="Choose {escape(run.display_name)}" data-pick></td>'
            f"<td>{statuses[known]}</td><td>{_run(table, row, address)}</td>{cells}</tr>\n"
        )


def _run(table: RunsTable, row: Row, address: Callable[[str], str]) -> str:
    """Its number and name, its children or whose child it is, and what it runs."""
    run = row.run
    name = f" {escape(_cut(run.name, 24))}" if run.name else ""
    link = (
        f'<a class="text-reset fw-medium text-nowrap" href="{address(run.uid)}">'
        f'<span class="text-secondary">#{run.number}</span>{name}</a>'
    )
    children = parent = script = ""
    if count := row.children_count:
        place = escape(reverse("experiment", args=[run.workspace.name, run.experiment.name]))
        words = f"{count} child{'' if count == 1 else 'ren'}"
        children = f' <a class="badge bg-azure-lt" href="{place}?parent={run.uid}">{words}</a>'
    if run.parent and not table.parent:
        above = f'<a class="text-reset" href="{address(run.parent.uid)}">#{run.parent.number}</a>'
        parent = f'<div class="text-secondary small">child of {above}</div>'
    if run.script:
        arguments = f" {escape(_cut(' '.join(map(str, run.arguments)), 60))}" if run.arguments else ""
        script = f'<div class="text-secondary small text-truncate cell-narrow">{escape(run.script)}{arguments}</div>'
    return f"{link}{children}{parent}{script}"


def _addresses(table: RunsTable) -> Callable[[str], str]:
    """The page of a run by its uid, without asking the router fifty times."""
    before, _, after = reverse("run", args=[table.request.workspace.name, "UID"]).rpartition("UID")
    return lambda uid: escape(f"{before}{uid}{after}")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else str(Truncator(text).chars(most))


def differing(rows: list[Row], columns: tuple[Field, ...]) -> tuple[Field, ...]:
    """Takes the columns out of the rows in which all of them are alike; a single row differs from nothing."""
    if len(rows) < 2:
        return columns
    kept = [place for place in range(len(columns)) if len({repr(row.cells[place].value) for row in rows}) > 1]
    for row in rows:
        row.cells = [row.cells[place] for place in kept]
    return tuple(columns[place] for place in kept)
