"""The page that compares runs, the parts of it that are exchanged, and what it asks for later: runs to add, two runs' difference."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from experiments.metrics import Goal
from experiments.models import Experiment, Run
from experiments.services import comparing
from experiments.services.comparing import Chosen
from experiments.views.compare_tables import FEW, look_of, tables_of
from mlportal.errors import NotFound
from mlportal.pages import WorkspaceRequest, workspace_view
from mlportal.pages.paging import search_text
from mlportal.pages.polling import is_known, runs_state

FOUND = 6
SHOWN_FILES = 500
CELLS = 12_000  # of one table: more would keep a browser busy
LAYOUTS = ("columns", "rows")
ALL = "all"  # statistics


@require_safe
@workspace_view
def compare(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """`?runs=` are uids with commas between; `?experiment=` leads to its newest runs, `?parent=` to a run's children, of
    which the one that `?with=` names is the first."""
    if family := _family(request):
        return _led_to(request, family)
    if gone := request.GET.get("without"):
        return _led_to(request, [uid for uid in _uids(request) if uid != gone])
    chosen = _chosen(request)
    get_token(request)  # long comparisons are asked for by POST
    context = _context(request, chosen)
    return render(request, "experiments/compare.html", context | {"data": _data(request, chosen)})


@require_safe
@workspace_view
def live(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """The parts that the server renders, for what the address asks now."""
    chosen = _chosen(request)
    if is_known(request, runs_state(chosen.runs)):
        return HttpResponse(status=204)
    return render(request, "experiments/compare/live.html", _context(request, chosen))


@require_safe
@workspace_view
def found(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """Runs that could be added, by `?q=`."""
    uids, text = _uids(request), search_text(request)[:200]
    rows = comparing.find_runs(request.workspace, text, besides=uids, most=FOUND + 1, by=request.user)
    links = [(run, ",".join([*uids, run.uid])) for run in rows[:FOUND]]
    context = {"links": links, "more": len(rows) > FOUND, "text": text}
    return render(request, "experiments/compare/found.html", context)


@require_safe
@workspace_view
def difference(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    before, after = _two(request)
    changes = comparing.compare_two(before, after)
    files = changes.files or []
    context = {
        "before": before,
        "after": after,
        "difference": changes,
        "files": files[:SHOWN_FILES],
        "more_files": max(0, len(files) - SHOWN_FILES),
        "same_arguments": all(mark == " " for mark, _ in changes.arguments),
    }
    return render(request, "experiments/compare/difference.html", context)


@require_safe
@workspace_view
def file(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """One file of both snapshots (`?path=`), line by line."""
    before, after = _two(request)
    shown = comparing.compare_file(before, after, request.GET.get("path", ""))
    return render(request, "experiments/compare/file.html", {"file": shown})


def _led_to(request: WorkspaceRequest, uids: list[str]) -> HttpResponse:
    query = urlencode({"runs": ",".join(uids)}, safe=",")
    return redirect(f"{reverse('compare', args=[request.workspace.name])}?{query}")


def _uids(request: WorkspaceRequest) -> list[str]:
    return [uid for part in request.GET.get("runs", "").replace("\0", "").split(",") if (uid := part.strip())]


def _chosen(request: WorkspaceRequest) -> Chosen:
    return comparing.compared_runs(request.workspace, _uids(request), by=request.user)


def _family(request: WorkspaceRequest) -> list[str]:
    """The runs that `?experiment=` or `?parent=` stands for; none where the runs themselves are named."""
    if request.GET.get("runs"):
        return []
    if name := request.GET.get("experiment", "").replace("\0", ""):
        experiments = Experiment.objects.visible_to(request.user, request.workspace)
        experiment = get_object_or_404(experiments.select_related("workspace"), name=name)
        return comparing.newest_of(experiment, by=request.user)
    if uid := request.GET.get("parent", "").replace("\0", ""):
        runs = comparing.shown_runs(request.workspace, by=request.user).select_related("workspace")
        first = request.GET.get("with", "").replace("\0", "")
        return comparing.family_of(get_object_or_404(runs, uid=uid), first=first, by=request.user)
    return []


def _two(request: WorkspaceRequest) -> tuple[Run, Run]:
    uids = [request.GET.get(name, "").replace("\0", "") for name in ("before", "after")]
    found = {run.uid: run for run in comparing.compared_runs(request.workspace, uids, by=request.user).runs}
    if not all(uid in found for uid in uids):
        raise NotFound("One of the two runs is not there, or not yours to see.")
    return found[uids[0]], found[uids[1]]


def _context(request: WorkspaceRequest, chosen: Chosen) -> dict[str, Any]:
    runs, asked = chosen.runs, request.GET
    statistic = asked.get("stat", "")
    if statistic not in (*comparing.STATISTICS, ALL):
        statistic = "last" if len(runs) > FEW else ALL
    layout = asked.get("layout", "")
    layout = layout if layout in LAYOUTS else LAYOUTS[len(runs) > FEW]
    statistics = comparing.STATISTICS if statistic == ALL else (statistic,)
    text = asked.get("find", "").replace("\0", "")[:250]
    goals = {name: goal for goal in Goal for name in asked.getlist(goal.value)[:100]}
    most = max(1, CELLS // max(1, len(runs)))
    values = comparing.compared_values(
        runs,
        search=text,
        goals=goals,
        most_texts=min(comparing.MOST_NAMES, most),
        most_metrics=min(comparing.MOST_NAMES, max(1, most // len(statistics))),
    )
    return {
        "chosen": chosen,
        "rows": [(run, look_of(at)) for at, run in enumerate(runs)],
        "uids": ",".join(run.uid for run in runs),
        "limit": settings.COMPARE_RUNS,
        "tables": tables_of(runs, values, statistics),
        "left_out": {kind: count for kind, count in values.left_out.items() if count},
        "by_rows": layout == "rows",
        "layout": layout,
        "statistic": statistic,
        "statistics": comparing.STATISTICS,
        "only": asked.get("only") == "1",
        "find": text,
        "state": runs_state(runs),
        "is_live": any(not run.is_final for run in runs),
    }


def _data(request: WorkspaceRequest, chosen: Chosen) -> dict[str, Any]:
    """What the page's scripts start from; the rest they ask the API for."""
    name = request.workspace.name
    return {
        "api": f"/api/v1/workspaces/{name}/compare/",
        "live": reverse("compare-live", args=[name]),
        "difference": reverse("compare-difference", args=[name]),
        "runs": [{"uid": run.uid, "name": run.display_name, "url": run.get_absolute_url()} for run in chosen.runs],
    }
