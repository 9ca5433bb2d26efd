from typing import Any

from django.contrib import messages
from django.db.models import Count, F, OuterRef, Q, Subquery, Window
from django.db.models.functions import RowNumber
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from experiments import services
from experiments.forms import ExperimentForm
from experiments.models import Experiment, Run
from experiments.views.folders import ExperimentFolder, folder_of, folders_above, name_in, rows_of
from experiments.views.table import RunsTable, page_of_runs
from mlportal.access.roles import Role
from mlportal.errors import BadInput, Conflict
from mlportal.pages import WorkspaceRequest, fragment, workspace_view
from mlportal.pages.paging import page_of, search_text

RECENT = 12


@require_safe
@workspace_view
def experiments(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """Those of a folder and the folders in it; a search finds them wherever they are below it."""
    found = Experiment.objects.visible_to(request.user, request.workspace)
    archived = "1" if request.GET.get("archived") else ""
    found = found.filter(archived_at__isnull=not archived)
    folder = folder_of(request.GET.get("folder", "").replace("\0", ""))
    if folder:
        found = found.filter(name__startswith=f"{folder}/")
    text = search_text(request)
    if text:
        found = found.filter(Q(name__icontains=text) | Q(description__icontains=text))
    newest = Run.objects.filter(experiment=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    found = found.annotate(newest_run=Subquery(newest)).order_by(F("newest_run").desc(nulls_last=True), "name")
    rows: Any = found.values_list("pk", flat=True)
    if not text:
        rows = rows_of(found.values_list("pk", "name"), folder)
    page = page_of(request, rows)
    here = [row for row in page if not isinstance(row, ExperimentFolder)]
    recent, counts = _recent_runs(here), _counts(here)
    shown: dict[int, Any] = found.select_related("workspace").in_bulk(here)
    for experiment in shown.values():
        experiment.recent, experiment.runs_count = recent.get(experiment.pk, []), counts.get(experiment.pk, 0)
        experiment.shown_name = experiment.name if text else name_in(experiment.name, folder)
    context = {
        "page": page,
        "rows": [row if isinstance(row, ExperimentFolder) else shown[row] for row in page],
        "text": text,
        "archived": archived,
        "folder": folder,
        "above": folders_above(folder),
        "may_submit": request.role.includes(Role.CONTRIBUTOR),
    }
    return fragment(request, "experiments/experiments.html", "experiments/experiments_table.html", context)


@require_safe
@workspace_view
def experiment(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = _experiment(request, name)
    return page_of_runs(
        RunsTable(request, found),
        "experiments/experiment.html",
        {"form": ExperimentForm.of(found), "above": folders_above(found.name.rpartition("/")[0])},
    )


@require_safe
@workspace_view
def runs(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """All runs of the workspace."""
    return page_of_runs(RunsTable(request), "experiments/runs.html", {})


@require_POST
@workspace_view
def edit(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = _experiment(request, name)
    form = ExperimentForm(request.POST)
    if form.is_valid():
        description, tags = form.cleaned_data["description"], form.cleaned_data["tags"]
        gone = [tag for tag in found.tags if tag not in tags]
        try:
            services.update_experiment(found, description=description, set_tags=tags, remove_tags=gone, by=request.user)
        except BadInput as error:
            messages.error(request, error.message)
        else:
            messages.success(request, "Saved.")
    else:
        messages.error(request, " ".join(str(each) for errors in form.errors.values() for each in errors))
    return redirect(found)


@require_POST
@workspace_view
def archive(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = _experiment(request, name)
    services.archive_experiment(found, by=request.user)
    messages.success(request, f"{name} is archived: it is listed no more, and its runs stay.")
    return redirect("experiments", workspace)


@require_POST
@workspace_view
def restore(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = _experiment(request, name)
    services.restore_experiment(found, by=request.user)
    messages.success(request, f"{name} is listed again.")
    return redirect(found)


@require_POST
@workspace_view
def delete(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = _experiment(request, name)
    try:
        services.delete_experiment(found, by=request.user)
    except Conflict as error:
        messages.error(request, error.message)
        return redirect(found)
    messages.success(request, f"The experiment {name} is deleted.")
    return redirect("experiments", workspace)


def _experiment(request: WorkspaceRequest, name: str) -> Experiment:
    here = Experiment.objects.visible_to(request.user, request.workspace).select_related("workspace")
    return get_object_or_404(here, name=name)


def _counts(experiments: list[int]) -> dict[int, int]:
    """How many runs each has, those in the trash left out, by the experiment's id."""
    runs = Run.objects.kept().filter(experiment__in=experiments, purge=None).order_by()
    return dict(runs.values_list("experiment").annotate(Count("pk")))


def _recent_runs(experiments: list[int]) -> dict[int, list[Run]]:
    """The newest runs of each experiment, oldest first, by the experiment's id."""
    newest_first = Window(RowNumber(), partition_by="experiment", order_by=F("pk").desc())
    runs = Run.objects.kept().filter(experiment__in=experiments)
    chosen = runs.annotate(place=newest_first).filter(place__lte=RECENT).select_related("workspace", "experiment")
    grouped: dict[int, list[Run]] = {}
    for run in chosen.order_by("pk"):
        grouped.setdefault(run.experiment_id, []).append(run)
    return grouped
