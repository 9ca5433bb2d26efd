from pathlib import Path

from django.conf import settings
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from experiments.models import Experiment, Run
from experiments.status import RUN_ACTIVE, RunStatus
from mlportal.access.roles import Role
from mlportal.api.content import attach
from mlportal.pages import WorkspaceRequest, fragment, workspace_view
from mlportal.pages.polling import is_known, runs_state

LATEST = 10
EXAMPLES = {
    name: settings.BASE_DIR / "examples" / "iris" / name
    for name in ("train_iris.py", "sklearn-env.yml", "sklearn-env-as-of-2020.yml")
}


@require_safe
@workspace_view
def overview(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    runs = Run.objects.kept().visible_to(request.user, request.workspace)
    rows = runs.select_related("experiment", "workspace", "created_by")
    parents = rows.filter(parent=None)  # children are on the page of theirs
    active = list(parents.filter(status__in=RUN_ACTIVE)[: LATEST * 2])
    latest = list(parents.exclude(status__in=RUN_ACTIVE)[:LATEST])
    state = runs_state([*active, *latest])
    if is_known(request, state):
        return HttpResponse(status=204)
    by_status = dict(runs.values_list("status").order_by().annotate(Count("pk")))
    total = sum(by_status.values())
    models = request.workspace.models.count()
    deployments = request.workspace.deployments.count()
    completed = by_status.get(RunStatus.COMPLETED, 0)
    context = {
        "active": active,
        "active_count": sum(by_status.get(status, 0) for status in RUN_ACTIVE),
        "latest": latest,
        "state": state,
        "total": total,
        "completed": completed,
        "failed": by_status.get(RunStatus.FAILED, 0),
        "experiment_count": Experiment.objects.visible_to(request.user, request.workspace).count(),
        "model_count": models,
        "deployment_count": deployments,
        "may_submit": request.role.includes(Role.CONTRIBUTOR),
        "steps": {"run": total, "completed": completed, "model": models, "deployment": deployments},
        "show_steps": total <= 3 and not (models and deployments),
    }
    return fragment(request, "experiments/overview.html", "experiments/overview_live.html", context)


@require_safe
@workspace_view
def example_file(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """A file of the iris example, to download and submit."""
    path: Path | None = EXAMPLES.get(name)
    if path is None:
        raise Http404
    response = HttpResponse(path.read_bytes(), content_type="text/plain; charset=utf-8")
    attach(response, name, attachment=True)
    return response
