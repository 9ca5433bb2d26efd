"""The page that watches a service."""

from typing import Any

import orjson
from django.contrib import messages
from django.db.models import Max, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from mlportal.access.roles import Role
from mlportal.errors import BadInput
from mlportal.pages import WorkspaceRequest, workspace_view
from mlportal.pages.polling import is_known, state_of
from mlportal.pages.wording import number_words
from models_registry.models import ActualValue, Deployment, DriftReport
from models_registry.services import monitoring
from models_registry.watch_form import WatchForm

WIDTH, HEIGHT = 200, 44  # of the small histograms


@require_safe
@workspace_view
def page(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """Charts, which its script draws and keeps up to date. `?range=`, or `?from=` and `?to=`."""
    found = _deployment(request, name)
    return _page(request, found, WatchForm.of(monitoring.watch_of(found)))


@require_safe
@workspace_view
def quality(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """What moved, and how right the service was: drawn anew when there is something new."""
    found = _deployment(request, name)
    if is_known(request, _state(found)):
        return HttpResponse(status=204)
    return render(request, "models_registry/monitoring_quality.html", _quality(request, found))


@require_POST
@workspace_view
def watch(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """Which share of the requests is kept, and from when on a difference is told."""
    found = _deployment(request, name)
    form = WatchForm(request.POST)
    if form.is_valid():
        try:
            monitoring.set_watch(found, **form.cleaned_data, by=request.user)
        except BadInput as error:
            form.add_error(error.details["field"], error.message)
        else:
            messages.success(request, "Saved.")
            return redirect("monitoring", workspace, found.name)
    return _page(request, found, form, status=400)


@require_POST
@workspace_view
def compare(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = _deployment(request, name)
    monitoring.ask_for_comparison(found, by=request.user)
    messages.success(request, "A worker compares; what it finds shows here.")
    return redirect("monitoring", workspace, found.name)


@require_POST
@workspace_view
def forget(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = _deployment(request, name)
    count = monitoring.forget_samples(found, by=request.user)
    messages.success(request, f"The rows of {count} requests are deleted.")
    return redirect("monitoring", workspace, found.name)


def _page(request: WorkspaceRequest, found: Deployment, form: WatchForm, status: int = 200) -> HttpResponse:
    chosen = request.GET.get("range", "")
    named = [each[0] for each in monitoring.ranges()]
    fixed = bool(request.GET.get("from") or request.GET.get("to"))
    api = f"/api/v1/workspaces/{request.workspace.name}/deployments/{found.name}/"
    context = {
        "ranges": monitoring.ranges(),
        "chosen": "" if fixed else chosen if chosen in named else named[0],
        "data": {
            "api": api,
            "ranges": {short: seconds for short, _, seconds in monitoring.ranges()},
            "usual": named[0],
        },
        "api": api,
        "form": form,
        **_quality(request, found),
    }
    return render(request, "models_registry/monitoring.html", context, status=status)


def _quality(request: WorkspaceRequest, found: Deployment) -> dict[str, Any]:
    kept = found.samples.aggregate(rows=Sum("rows"))["rows"] or 0
    reports = list(found.drift_reports.order_by("version"))
    return {
        "deployment": found,
        "watch": monitoring.watch_of(found),
        "kept": kept,
        "reports": [(report, _columns(report), monitoring.model_of(found, report.version)) for report in reports],
        "accuracies": [{**one, "rows": _rows(one), **_over_time(one)} for one in monitoring.live_accuracy(found)],
        "may_change": request.role.includes(Role.CONTRIBUTOR),
        "state": _state(found),
    }


def _rows(accuracy: dict[str, Any]) -> list[tuple[str, list[int]]]:
    confusion = accuracy.get("confusion", {"labels": [], "counts": []})
    return list(zip(confusion["labels"], confusion["counts"], strict=True))


def _over_time(accuracy: dict[str, Any]) -> dict[str, Any]:
    """The steps under one name of their figure, for the table, and the same for the chart that its script draws."""
    is_share = accuracy["kind"] == "classes"
    name, title = ("accuracy", "Accuracy") if is_share else ("mae", "Mean absolute error")
    steps = [{**step, "value": step[name]} for step in accuracy["steps"]]
    chart = {
        "name": title,
        "times": [int(step["at"].timestamp()) for step in steps],
        "values": [step["value"] for step in steps],
        "counts": [step["count"] for step in steps],
        "isShare": is_share,
    }
    return {"steps": steps, "title": title, "chart": orjson.dumps(chart).decode()}


def _state(found: Deployment) -> str:
    reports = list(found.drift_reports.order_by("version").values_list("version", "at"))
    actuals = ActualValue.objects.filter(sampled__deployment=found).aggregate(Max("at"))["at__max"]
    return state_of(reports, actuals, found.samples.exists())


def _columns(report: DriftReport) -> list[dict[str, Any]]:
    """With the bars of both histograms: {x, width, was, now}, heights from the top of a box of HEIGHT."""
    return [
        {**column, "bars": _bars(column["reference"], column["current"]), "ends": _ends(column)}
        for column in report.columns
    ]


def _ends(column: dict[str, Any]) -> list[str]:
    """What stands below the first bar and the last one: numbers with four digits, names as they are."""
    ends = column["labels"][:1] + column["labels"][-1:]
    if column["kind"] == "number":
        return [number_words(float(f"{float(end):.4g}")) for end in ends]
    return [str(end) for end in ends]


def _bars(was: list[float], now: list[float]) -> list[dict[str, float]]:
    most = max([*was, *now, 1e-9])
    step = WIDTH / max(1, len(was))
    return [
        {
            "x": round(place * step, 2),
            "width": round(step * 0.9, 2),
            "was": round(HEIGHT * before / most, 2),
            "was_y": round(HEIGHT - HEIGHT * before / most, 2),
            "now": round(HEIGHT * after / most, 2),
            "now_y": round(HEIGHT - HEIGHT * after / most, 2),
            "inner": round((place + 0.25) * step, 2),
            "inner_width": round(step * 0.4, 2),
        }
        for place, (before, after) in enumerate(zip(was, now, strict=True))
    ]


def _deployment(request: WorkspaceRequest, name: str) -> Deployment:
    rows = Deployment.objects.visible_to(request.user, request.workspace)
    return get_object_or_404(rows.select_related("workspace", "revision", "live_revision", "watch"), name=name)
