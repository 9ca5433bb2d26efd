from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from experiments.models import Experiment, Parameter, Run, Tag
from experiments.status import RunStatus
from experiments.views.columns import metric_columns, order_by_metric, with_values
from mlportal.access.roles import Role
from mlportal.pages import WorkspaceRequest, fragment, workspace_view
from mlportal.pages.paging import page_of, search_text
from mlportal.pages.polling import is_known, runs_state, state_of

RECENT = 12
SORTS = {"": ("-pk",), "number": ("pk",), "name": ("name", "-pk"), "status": ("status", "-pk")}


@require_safe
@workspace_view
def experiments(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    found = Experiment.objects.visible_to(request.user).in_workspace(request.workspace).filter(archived_at=None)
    text = search_text(request)
    if text:
        found = found.filter(Q(name__icontains=text) | Q(description__icontains=text))
    newest = Run.objects.filter(experiment=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    found = found.annotate(newest_run=Subquery(newest)).order_by(F("newest_run").desc(nulls_last=True), "name")
    page = page_of(request, found.select_related("workspace"))
    recent = _recent_runs(page.object_list)
    for experiment in page:
        experiment.recent = recent.get(experiment.pk, [])
    context = {"page": page, "text": text, "may_submit": request.role.includes(Role.CONTRIBUTOR)}
    return fragment(request, "experiments/experiments.html", "experiments/experiments_table.html", context)


@require_safe
@workspace_view
def experiment(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    here = Experiment.objects.visible_to(request.user).in_workspace(request.workspace).select_related("workspace")
    found = get_object_or_404(here, name=name)
    everything = Run.objects.visible_to(request.user).in_workspace(request.workspace).filter(experiment=found)
    status, text, sort = request.GET.get("status", ""), search_text(request), request.GET.get("sort", "")
    columns = metric_columns(found)
    runs = _sorted(_filtered(everything, status, text), sort, columns)
    page = page_of(request, with_values(runs, columns))
    rows = list(page)
    state = state_of(runs_state(rows), columns, page.paginator.count)
    if is_known(request, state):
        return HttpResponse(status=204)
    context = {
        "experiment": found,
        "page": page,
        "rows": rows,
        "columns": columns,
        "state": state,
        "statuses": RunStatus.choices,
        "status": status,
        "text": text,
        "sort": sort,
        "is_live": any(not run.is_final for run in rows),
        "may_submit": request.role.includes(Role.CONTRIBUTOR),
    }
    return fragment(request, "experiments/experiment.html", "experiments/experiment_runs.html", context)


def _recent_runs(experiments: Any) -> dict[int, list[Run]]:
    """The newest runs of each experiment, oldest first, by the experiment's id."""
    newest_first = Window(RowNumber(), partition_by="experiment", order_by=F("pk").desc())
    runs = Run.objects.filter(experiment__in=[experiment.pk for experiment in experiments])
    chosen = runs.annotate(place=newest_first).filter(place__lte=RECENT).select_related("workspace", "experiment")
    grouped: dict[int, list[Run]] = {}
    for run in chosen.order_by("pk"):
        grouped.setdefault(run.experiment_id, []).append(run)
    return grouped


def _filtered(runs: QuerySet[Run], status: str, text: str) -> QuerySet[Run]:
    if status in RunStatus.values:
        runs = runs.filter(status=status)
    if not text:
        return runs
    matches = Q(name__icontains=text) | Q(script__icontains=text) | Q(created_by__username__iexact=text) | Q(uid=text)
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 10:
        matches |= Q(number=int(number))
    said = Q(name__icontains=text) | Q(value__icontains=text)
    for model in (Tag, Parameter):
        matches |= Q(Exists(model.objects.filter(said, run=OuterRef("pk"))))
    return runs.filter(matches)


def _sorted(runs: QuerySet[Run], sort: str, columns: list[str]) -> QuerySet[Run]:
    """By one of SORTS, or by a metric's last value: `metric:loss`, `-metric:loss`."""
    kind, _, metric = sort.partition("metric:")
    if metric in columns and kind in ("", "-"):
        return order_by_metric(runs, metric, descending=kind == "-")
    return runs.order_by(*SORTS.get(sort, SORTS[""]))
