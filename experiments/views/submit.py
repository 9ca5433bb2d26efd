"""The page on which a run is put together. It submits through the API; here is what it starts from."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F
from django.http import HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from experiments import services
from experiments.models import DatasetVersion, EnvironmentVersion, Experiment, Run
from mlportal.access.models import Workspace
from mlportal.access.roles import Role
from mlportal.pages import WorkspaceRequest, workspace_view

EXAMPLE = "iris"
EXAMPLE_SCRIPT = "train_iris.py"
# By the name in the snapshot: the file of the example.
EXAMPLE_FILES = {EXAMPLE_SCRIPT: EXAMPLE_SCRIPT, "sklearn-env.yml": "sklearn-env-as-of-2020.yml"}
OFFERED_EXPERIMENTS = 500
OFFERED_DATASETS = 500


@require_safe
@workspace_view
def submit(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """`?clone=<uid>` starts from what that run was submitted with, `?experiment=<name>` goes to that one."""
    here = request.workspace
    clone = _clone(request, here)
    datasets = _datasets(request, here, clone)
    get_token(request)  # the page's scripts post to the API
    context = {
        "may_write": request.role.includes(Role.CONTRIBUTOR),
        "clone": clone,
        "environments": _environments(request, here),
        "targets": [item | {"free": max(0, item["slots"] - item["busy"])} for item in services.compute_overview(here)],
        "datasets": datasets,
        "experiments": _experiments(request, here),
        "experiment": request.GET.get("experiment", "")[:500] or _last_used(request, here, "experiment__name"),
        "target": _last_used(request, here, "compute_target__name") or "local",
        "limits": _limits(),
        "wall_minutes": round(settings.RUN_WALL_SECONDS / 60),
        "data": _data(here, clone) | {"datasets": datasets},
    }
    return render(request, "experiments/submit.html", context)


@require_POST
@workspace_view
def example(request: WorkspaceRequest, workspace: str) -> JsonResponse:
    """Take the iris example as a snapshot: {"snapshot": uid, …what to fill in beside it}."""
    here = request.workspace
    folder = Path(settings.BASE_DIR) / "examples" / EXAMPLE
    streams = [(name, (folder / file).open("rb")) for name, file in EXAMPLE_FILES.items()]
    try:
        taken = services.take_files(here, streams, by=request.user)
    finally:
        for _, stream in streams:
            stream.close()
    choices = {"experiment": EXAMPLE, "arguments": ["--kernel", "linear", "--penalty", "1.0"]}
    return JsonResponse({"snapshot": taken.snapshot.uid, "script": EXAMPLE_SCRIPT} | choices)


def _clone(request: WorkspaceRequest, workspace: Workspace) -> Run | None:
    uid = request.GET.get("clone")
    if not uid:
        return None
    runs = Run.objects.visible_to(request.user, workspace)
    related = runs.select_related("experiment", "snapshot", "environment_version__environment", "compute_target")
    return get_object_or_404(related.prefetch_related("tags", "inputs__dataset_version"), uid=uid)


def _environments(request: WorkspaceRequest, workspace: Workspace) -> list[dict[str, Any]]:
    """Every version, the newest of each first; the workspace's own before those that ship with the portal."""
    found = EnvironmentVersion.objects.visible_to(request.user).filter(environment__workspace=workspace)
    return [
        {
            "name": version.environment.name,
            "curated": version.environment.curated,
            "description": version.environment.description,
            "version": version.version,
            "python": version.python_version,
            "as_of": version.as_of,
        }
        for version in found.defer("definition", "lock", "notes")
        .select_related("environment")
        .order_by("environment__curated", "environment__name", "-version")
    ]


def _datasets(request: WorkspaceRequest, workspace: Workspace, clone: Run | None) -> list[dict[str, str]]:
    """The latest version of each dataset, the newest first, and those that the clone was given."""
    versions = DatasetVersion.objects.visible_to(request.user, workspace)
    latest = versions.filter(version=F("dataset__last_version")).defer("definition").order_by("-pk")
    given = [one.dataset_version for one in clone.inputs.all()] if clone else []
    found = [*latest[:OFFERED_DATASETS], *given]
    return [{"uid": one.uid, "name": one.name, "label": str(one)} for one in dict.fromkeys(found)]


def _experiments(request: WorkspaceRequest, workspace: Workspace) -> list[str]:
    found = Experiment.objects.visible_to(request.user, workspace).filter(archived_at=None)
    return list(found.order_by("-pk").values_list("name", flat=True)[:OFFERED_EXPERIMENTS])


def _last_used(request: WorkspaceRequest, workspace: Workspace, field: str) -> str:
    """The experiment or target that this person submitted to last."""
    runs = Run.objects.visible_to(request.user, workspace).filter(created_by=request.user.pk)
    return runs.exclude(compute_target=None).values_list(field, flat=True).first() or ""


def _limits() -> dict[str, int]:
    return {"max_bytes": settings.SNAPSHOT_MAX_BYTES, "max_files": settings.SNAPSHOT_MAX_FILES}


def _data(workspace: Workspace, clone: Run | None) -> dict[str, Any]:
    """What the page's scripts start from."""
    return {
        "api": f"/api/v1/workspaces/{workspace.name}/",
        "example": reverse("submit-example", args=[workspace.name]),
        "files": reverse("snapshot-file", args=[workspace.name, "SNAPSHOT"]),
        "limits": _limits(),
        "clone": clone and _asked_for(clone),
    }


def _asked_for(run: Run) -> dict[str, Any]:
    return {
        "snapshot": run.snapshot.uid if run.snapshot else None,
        "script": run.script,
        "arguments": run.arguments,
        "environment": str(run.environment_version) if run.environment_version else None,
        "target": run.compute_target.name if run.compute_target else None,
        "experiment": run.experiment.name,
        "name": run.name,
        "tags": {tag.name: tag.value for tag in run.tags.all()},
        "inputs": [
            {"name": one.name, "dataset": one.dataset_version.uid, "label": str(one.dataset_version)}
            for one in run.inputs.all()
        ],
        "wall_seconds": run.wall_seconds,
    }
