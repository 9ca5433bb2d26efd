"""The page of one run, and the parts of it that are exchanged while the run goes on."""

import math
from datetime import date
from typing import Any

from django.conf import settings
from django.db.models import Prefetch
from django.http import HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from experiments import services
from experiments.models import LoggedModel, Run, RunEvent, Snapshot
from experiments.views.columns import metric_columns, with_values
from experiments.views.ending import ending_in_words
from experiments.views.trees import tree_rows
from mlportal.access.roles import Role
from mlportal.api.content import FileBytes, guard
from mlportal.blobs import services as blobs
from mlportal.errors import NotFound
from mlportal.pages import WorkspaceRequest, workspace_view
from mlportal.pages.polling import is_known, runs_state, state_of
from mlportal.pages.wording import number_words

SHOWN_FILES = 2000
SHOWN_CHILDREN = 100
SHOWN_MODELS = 100
SHOWN_LOGGED = 12
FRAMEWORKS = {
    "scikit-learn": "ScikitLearn",
    "tensorflow": "TensorFlow",
    "keras": "TfKeras",
    "torch": "PyTorch",
    "onnx": "Onnx",
}


@require_safe
@workspace_view
def run(request: WorkspaceRequest, workspace: str, uid: str) -> HttpResponse:
    found = _run(request, uid)
    context = _context(request, found)
    get_token(request)  # the page's scripts post to the API
    return render(request, "experiments/run.html", context | _children(found) | {"data": _data(found, context)})


@require_safe
@workspace_view
def live(request: WorkspaceRequest, workspace: str, uid: str) -> HttpResponse:
    """The parts that the server renders, as they are now."""
    return render(request, "experiments/run/live.html", _context(request, _run(request, uid)))


@require_safe
@workspace_view
def children(request: WorkspaceRequest, workspace: str, uid: str) -> HttpResponse:
    """The list of the run's children, when it is another one than the page shows."""
    context = _children(_run(request, uid))
    if is_known(request, context["children_state"]):
        return HttpResponse(status=204)
    return render(request, "experiments/run/children.html", context)


@require_safe
@workspace_view
def snapshot_file(request: WorkspaceRequest, workspace: str, uid: str) -> StreamingHttpResponse:
    """A file of a snapshot (`?path=`) as plain text: whatever it is, no browser runs it."""
    snapshots = Snapshot.objects.visible_to(request.user, request.workspace)
    snapshot = get_object_or_404(snapshots, uid=uid)
    path = request.GET.get("path", "")
    found = next(((digest, size) for name, digest, size in snapshot.entries if name == path), None)
    if found is None:
        raise NotFound(f"The snapshot has no file named {path!r}.")
    digest, size = found
    content = FileBytes(blobs.open_blob(digest), size)
    response = StreamingHttpResponse(content, content_type="text/plain; charset=utf-8")
    guard(response)
    return response


def _run(request: WorkspaceRequest, uid: str) -> Run:
    runs = Run.objects.visible_to(request.user, request.workspace)
    related = ("workspace", "experiment", "snapshot", "environment_version__environment", "compute_target")
    people = ("created_by", "deleted_by", "rerun_of__experiment", "parent__experiment", "parent__workspace", "build")
    events = Prefetch("events", RunEvent.objects.select_related("actor"))
    rows = ("tags", "parameters", "properties", "inputs__dataset_version", "artifacts", "model_versions__model")
    return get_object_or_404(runs.select_related(*related, *people).prefetch_related(events, *rows), uid=uid)


def _context(request: WorkspaceRequest, run: Run) -> dict[str, Any]:
    artifacts = list(run.artifacts.all())
    paths = [artifact.path for artifact in artifacts]
    snapshot, preparing = run.snapshot, services.explain_preparing(run)
    packages = _packages(run)
    return {
        "run": run,
        "api": _api(run),
        "may_write": request.role.includes(Role.CONTRIBUTOR),
        "ending": ending_in_words(run),
        "canceled": services.canceled_words(run),
        "phases": services.phases(run),
        "preparing": preparing,
        "rerun_problem": _rerun_problem(run),
        "build_log": services.read_build_log(preparing["build"])[0] if preparing["build"] else "",
        "packages": packages,
        "artifact_rows": tree_rows((artifact.path, artifact.size) for artifact in artifacts[:SHOWN_FILES]),
        "artifact_count": len(artifacts),
        "shown_files": SHOWN_FILES,
        "code_rows": tree_rows((name, size) for name, _, size in snapshot.entries) if snapshot else [],
        "output_choices": _output_choices(paths),
        "logged_models": _logged_models(run),
        "logged": _logged(run) if run.is_client_side else None,
        "frameworks": _frameworks(packages),
        "public_url": settings.PUBLIC_URL,
    }


def _children(run: Run) -> dict[str, Any]:
    """The newest of them; they may come as long as the run, or one of them, goes on."""
    everything = Run.objects.filter(parent=run, purge=None)
    everything = everything if run.deleted_at else everything.kept()
    count = everything.count()
    columns = metric_columns(everything) if count else []
    rows = list(with_values(everything, columns)[:SHOWN_CHILDREN]) if count else []
    return {
        "run": run,
        "children": rows,
        "children_count": count,
        "columns": columns,
        "is_live": not run.is_final or any(not child.is_final for child in rows),
        "children_state": state_of(run.is_final, count, columns, runs_state(rows)),
    }


def _data(run: Run, context: dict[str, Any]) -> dict[str, Any]:
    """What the page's scripts start from; the event stream sends the same shapes later."""
    return {
        "api": context["api"],
        "live": reverse("run-live", args=[run.workspace.name, run.uid]),
        "now": timezone.now(),
        "status": run.status,
        "final": run.is_final,
        "failure": run.failure,
        "phases": [
            {"name": span.name, "start": span.start, "end": span.end, "reason": span.reason}
            for span in context["phases"]
        ],
    }


def _api(run: Run) -> str:
    return f"/api/v1/workspaces/{run.workspace.name}/runs/{run.uid}/"


def _rerun_problem(run: Run) -> str:
    """Why the re-run that the failure's hint suggests would come to nothing; "" when it may help."""
    day = ((run.failure or {}).get("hint") or {}).get("suggested_as_of")
    if not day or run.environment_version is None:
        return ""
    return services.rerun_problem(run.environment_version, date.fromisoformat(day), target=run.compute_target)


def _packages(run: Run) -> dict[str, str]:
    """{name: version} of the run's lock; empty while it is not resolved."""
    lock = run.environment_version.lock_text if run.environment_version else ""
    pairs = (line.partition(" ")[0].partition(";")[0].partition("==") for line in lock.splitlines())
    return {name.strip().lower(): version.strip() for name, pinned, version in pairs if pinned}


def _frameworks(packages: dict[str, str]) -> list[dict[str, str]]:
    """The frameworks to choose from, those of the lock with their version; scikit-learn is the likeliest."""
    known = [{"name": name, "version": packages.get(package, "")} for package, name in FRAMEWORKS.items()]
    return [*known, {"name": "Custom", "version": ""}]


def _logged(run: Run) -> dict[str, Any]:
    """The beginning of what a client has logged: such a run has no phases to look at."""
    metrics = list(run.metrics.order_by("name").values_list("name", "last", "last_is_nan")[: SHOWN_LOGGED + 1])
    parameters = run.parameters.all()
    words = [(name, number_words(math.nan if is_nan else last or 0.0)) for name, last, is_nan in metrics]
    return {
        "metrics": words[:SHOWN_LOGGED],
        "more_metrics": len(words) > SHOWN_LOGGED,
        "parameters": parameters[:SHOWN_LOGGED],
        "more_parameters": len(parameters) > SHOWN_LOGGED,
    }


def _logged_models(run: Run) -> list[LoggedModel]:
    rows = run.logged_models.filter(deleted_at=None)
    return list(rows.prefetch_related("metrics", "model_versions__model__workspace")[:SHOWN_MODELS])


def _output_choices(paths: list[str]) -> list[str]:
    """Files and folders that may be a model: MLflow's first, then what looks like a saved model."""
    logged = [path.rpartition("/")[0] for path in paths if path.endswith("/MLmodel")]
    outputs = [path for path in paths if path.startswith("outputs/")]
    folders = {
        "/".join(parts[:depth]) for parts in (path.split("/") for path in outputs) for depth in range(2, len(parts))
    }
    usual = (".joblib", ".pkl", ".pickle", ".onnx", ".skops")
    others = sorted(
        {*outputs, *folders, *(path for path in paths if path.endswith(usual))} - {*logged},
        key=lambda path: (not path.endswith(usual), path),
    )
    return [*sorted(logged), *others]
