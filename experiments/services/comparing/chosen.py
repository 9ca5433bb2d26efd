"""Which runs are compared: those of one workspace that the caller sees, no more than the setting allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q

from experiments.models import Experiment, Run
from experiments.querysets import RunQuerySet
from mlportal.access.models import Workspace

NEWEST = 10  # of an experiment, when nobody chose


@dataclass(frozen=True)
class Chosen:
    """`runs` as they were asked for; of the others `missing` are not there for the caller, and `over` beyond the limit."""

    runs: list[Run]
    missing: int = 0
    over: int = 0


def compared_runs(workspace: Workspace, uids: Sequence[str], *, by: Any) -> Chosen:
    """The runs in the order of their uids, each once. Those in the trash and of other workspaces count as missing."""
    wanted = list(dict.fromkeys(uids))
    taken = wanted[: settings.COMPARE_RUNS]
    rows = shown_runs(workspace, by=by).filter(uid__in=taken)
    # Whole folders and files of packages: nothing of them is shown of many runs at a time.
    heavy = ("snapshot__entries", "snapshot__ignored", "environment_version__lock", "environment_version__definition")
    related = ("workspace", "experiment", "snapshot", "environment_version__environment", "compute_target")
    found = {run.uid: run for run in rows.select_related(*related).defer(*heavy)}
    runs = [found[uid] for uid in taken if uid in found]
    return Chosen(runs, missing=len(taken) - len(runs), over=len(wanted) - len(taken))


def shown_runs(workspace: Workspace, *, by: Any) -> RunQuerySet:
    """All that could be compared."""
    return Run.objects.kept().visible_to(by, workspace)


def newest_of(experiment: Experiment, *, by: Any) -> list[str]:
    """The uids of its newest runs that are nobody's children, newest first."""
    runs = shown_runs(experiment.workspace, by=by).filter(experiment=experiment)
    roots = runs.filter(parent=None).order_by("-pk").values_list("uid", flat=True)[:NEWEST]
    return list(roots)


def family_of(parent: Run, *, first: str = "", by: Any) -> list[str]:
    """The uids of its children, newest first but for `first`, as many as can be compared."""
    children = shown_runs(parent.workspace, by=by).filter(parent=parent)
    chosen = children.filter(uid=first).values_list("uid", flat=True)
    newest = children.order_by("-pk").values_list("uid", flat=True)[: settings.COMPARE_RUNS]
    return list(dict.fromkeys([*chosen, *newest]))[: settings.COMPARE_RUNS]


def find_runs(workspace: Workspace, text: str, *, besides: Sequence[str], most: int, by: Any) -> list[Run]:
    """The newest runs whose name, experiment, number or uid is like `text`, but those of `besides`."""
    runs = shown_runs(workspace, by=by).exclude(uid__in=besides)
    for word in text.split():
        alike = Q(name__icontains=word) | Q(experiment__name__icontains=word) | Q(uid=word)
        number = word.removeprefix("#")
        if number.isascii() and number.isdigit() and len(number) < 10:
            alike |= Q(number=int(number))
        runs = runs.filter(alike)
    return list(runs.select_related("experiment", "workspace").order_by("-pk")[:most])
