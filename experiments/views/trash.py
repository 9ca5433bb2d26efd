"""The trash of a workspace: what is in it, back out of it, and deleting for good."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from experiments import services
from experiments.models import Experiment, Purge, Run
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.errors import Conflict
from mlportal.pages import WorkspaceRequest, fragment, workspace_view
from mlportal.pages.paging import page_of
from mlportal.templatetags.portal import in_bytes

LATEST = 5  # times that something was deleted for good
NAMED = 20  # models and runs on the page that asks
MOST = 1000  # runs that are chosen at once
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@require_safe
@workspace_view
def trash(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    runs = services.trashed_runs(request.workspace).visible_to(request.user)
    page = page_of(request, runs.select_related("workspace", "experiment", "deleted_by"))
    rows = list(page)
    services.tell_trashed(request.workspace, rows)
    purges = list(Purge.objects.in_workspace(request.workspace).select_related("by")[:LATEST])
    context = {
        "page": page,
        "rows": rows,
        "trashed": services.told_experiments(request.workspace),
        "purges": purges,
        "is_live": any(purge.ended_at is None for purge in purges),
        "usage": services.usage(request.workspace),
        "may_write": request.role.includes(Role.CONTRIBUTOR),
        "may_purge": request.role.includes(Role.OWNER),
    }
    return fragment(request, "experiments/trash/trash.html", "experiments/trash/purges.html", context)


@require_POST
@workspace_view
def restore(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """What is checked, or what the button beside it names."""
    runs, experiments = _chosen(request, request.POST)
    if not runs and not experiments:
        messages.warning(request, "Choose some runs first.")
        return redirect("trash", workspace)
    try:
        count = services.restore(request.workspace, runs=runs, experiments=experiments, by=request.user)
    except Conflict as error:
        messages.error(request, error.message)
    else:
        names = [str(each) for each in (*experiments, *runs)]
        said = names[0] if len(names) == 1 else f"{count} runs"
        messages.success(request, f"{said} {'is' if len(names) == 1 else 'are'} back.")
    return redirect("trash", workspace)


@require_safe
@workspace_view
def ask(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """What would go, what stays, and whether they mean it."""
    require(Role.OWNER, request.workspace, request.user)
    runs, experiments = _chosen(request, request.GET)
    everything = "all" in request.GET
    if not (runs or experiments or everything):
        messages.warning(request, "Choose some runs first.")
        return redirect("trash", workspace)
    plan = services.plan_purge(request.workspace, runs=runs, experiments=experiments, everything=everything)
    models = services.models_of(plan.runs)
    why = [services.why_staying(run) for run in {run.pk: run for run in plan.staying.values()}.values()]
    context = {
        "plan": plan,
        "only": runs[0] if len(runs) == 1 and not experiments else None,
        "models": models[:NAMED],
        "more_models": len(models[NAMED:]),
        "staying": why[:NAMED],
        "more_staying": len(why[NAMED:]),
        "runs": runs,
        "experiments": experiments,
        "everything": everything,
    }
    return render(request, "experiments/trash/ask.html", context)


@require_POST
@workspace_view
def purge(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    runs, experiments = _chosen(request, request.POST)
    try:
        done = services.purge_runs(
            request.workspace, runs=runs, experiments=experiments, everything="all" in request.POST, by=request.user
        )
    except Conflict as error:
        messages.error(request, error.message)
    else:
        what = "1 run is" if done.run_count == 1 else f"{done.run_count:,} runs are"
        if done.ended_at is None:
            messages.success(request, f"{what} deleted for good; the bytes are being freed.")
        else:
            later = f"; {in_bytes(done.later_bytes)} more within a day" if done.later_bytes else ""
            messages.success(request, f"{what} deleted for good: {in_bytes(done.freed_bytes)} freed{later}.")
    return redirect("trash", workspace)


@require_POST
@workspace_view
def run_trash(request: WorkspaceRequest, workspace: str, uid: str) -> HttpResponse:
    """From the page of a run; the message on the next page takes it back."""
    run = _run(request, uid)
    try:
        services.trash_run(run, by=request.user)
    except Conflict as error:
        messages.error(request, error.message)
        return redirect(run)
    undo = reverse("run-restore", args=[workspace, uid])
    messages.success(request, f"{run} is in the trash.", extra_tags=f"undo {undo}")
    return redirect(run.experiment)


@require_POST
@workspace_view
def run_restore(request: WorkspaceRequest, workspace: str, uid: str) -> HttpResponse:
    run = _run(request, uid)
    services.untrash_run(run, by=request.user)
    messages.success(request, f"{run} is back.")
    return redirect(run)


@require_POST
@workspace_view
def undo(request: WorkspaceRequest, workspace: str, moment: int) -> HttpResponse:
    """Of the person's own: what went at that moment; back to the page on which it was asked for."""
    try:
        at = EPOCH + timedelta(microseconds=moment)
    except OverflowError:
        raise Http404 from None
    if count := services.undo_trash(request.workspace, at, by=request.user):
        messages.success(request, f"{count} {'run is' if count == 1 else 'runs are'} back.")
    else:
        messages.warning(request, "Nothing of that is in the trash any more.")
    back = request.headers.get("Referer", "")
    is_here = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return redirect(back if is_here else reverse("runs", args=[workspace]))


def moment_in_address(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1)


def _run(request: WorkspaceRequest, uid: str) -> Run:
    here = Run.objects.visible_to(request.user, request.workspace)
    return get_object_or_404(here.select_related("workspace", "experiment__workspace"), uid=uid)


def _chosen(request: WorkspaceRequest, said: QueryDict) -> tuple[list[Run], list[Experiment]]:
    """`only` is one run, `only-experiment` one experiment, by a button; else all that are checked."""

    def named(rows: Any, field: str, values: list[str]) -> list[Any]:
        values = [value for value in values if "\0" not in value][:MOST]
        return list(rows.in_workspace(request.workspace).select_related("workspace").filter(**{f"{field}__in": values}))

    runs = Run.objects.visible_to(request.user).select_related("experiment")
    experiments = Experiment.objects.visible_to(request.user)
    if "only" in said:
        return named(runs, "uid", said.getlist("only")[:1]), []
    if "only-experiment" in said:
        return [], named(experiments, "name", said.getlist("only-experiment")[:1])
    return named(runs, "uid", said.getlist("run")), named(experiments, "name", said.getlist("experiment"))
