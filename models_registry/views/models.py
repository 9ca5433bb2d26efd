"""The pages of registered models."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from mlportal.access.roles import Role
from mlportal.errors import BadInput, Conflict
from mlportal.pages import WorkspaceRequest, fragment, workspace_view
from mlportal.pages.paging import page_of
from mlportal.pages.polling import is_known, state_of
from models_registry import services
from models_registry.forms import ModelForm, ServiceForm, VersionForm
from models_registry.models import Deployment, ModelVersion, Part, RegisteredModel, Stage
from models_registry.views import samples
from models_registry.views.found import version_of
from models_registry.views.golden import rows_of

WORST_FIRST = {"dangerous": 0, "unknown": 1, "known": 2}


@require_safe
@workspace_view
def models(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    newest = ModelVersion.objects.filter(model=OuterRef("pk")).order_by("-version").values("pk")[:1]
    rows = RegisteredModel.objects.visible_to(request.user, request.workspace)
    text = request.GET.get("q", "").strip()
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(description__icontains=text))
    page = page_of(
        request,
        rows.select_related("workspace").annotate(newest=Subquery(newest), count=Count("versions")).order_by("name"),
    )
    versions = {
        version.pk: version for version in _related(ModelVersion.objects.filter(pk__in=[m.newest for m in page]))
    }
    in_service = _in_service(list(page))
    context = {
        "page": page,
        "rows": [(model, versions.get(model.newest), in_service[model.pk]) for model in page],
        "text": text,
        "may_change": request.role.includes(Role.CONTRIBUTOR),
    }
    return fragment(request, "models_registry/models.html", "models_registry/models_table.html", context)


@require_safe
@workspace_view
def model(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = _model(request, name)
    context = {
        "model": found,
        "aliases": found.aliases.select_related("version__model__workspace"),
        "form": ModelForm.of(found),
        "page": page_of(request, _related(found.versions.all())),
        "may_change": request.role.includes(Role.CONTRIBUTOR),
    }
    return fragment(request, "models_registry/model.html", "models_registry/model_versions.html", context)


@require_safe
@workspace_view
def version(request: WorkspaceRequest, workspace: str, name: str, number: int) -> HttpResponse:
    """The version; for htmx, what its file imports, which a worker is about to find out."""
    found = version_of(request, name, number)
    context = _inspection(found)
    if request.htmx:
        if is_known(request, context["state"]):
            return HttpResponse(status=204)
        # The sample beside the model is taken with it; a form that somebody may be filling in stays otherwise.
        sample = samples.shown(found)
        has_news = bool(sample["sample"] or sample["sample_problem"])
        may_change = request.role.includes(Role.CONTRIBUTOR)
        context |= sample | {"model": found.model, "may_change": may_change, "is_update": True, "sample_too": has_news}
        return render(request, "models_registry/version_inspection.html", context)
    context |= _whole(request, found) | {"form": VersionForm.of(found)}
    return render(request, "models_registry/version.html", context)


@require_POST
@workspace_view
def edit_version(request: WorkspaceRequest, workspace: str, name: str, number: int) -> HttpResponse:
    found = version_of(request, name, number)
    form = VersionForm(request.POST)
    if form.is_valid():
        services.update_version(found, **form.cleaned_data, by=request.user)
        messages.success(request, "Saved.")
        return redirect(found)
    context = _inspection(found) | _whole(request, found) | {"form": form}
    return render(request, "models_registry/version.html", context, status=400)


@require_POST
@workspace_view
def deploy(request: WorkspaceRequest, workspace: str, name: str, number: int) -> HttpResponse:
    found = version_of(request, name, number)
    form = ServiceForm(request.POST)
    if not form.is_valid():
        context = _inspection(found) | _whole(request, found) | {"form": VersionForm.of(found), "service_form": form}
        return render(request, "models_registry/version.html", context, status=400)
    try:
        made = services.deploy(found, name=request.POST.get("name", ""), **form.said(), by=request.user)
    except (BadInput, Conflict) as error:
        messages.error(request, error.message)
        return redirect(found)
    return redirect(made)


@require_POST
@workspace_view
def delete_version(request: WorkspaceRequest, workspace: str, name: str, number: int) -> HttpResponse:
    found = version_of(request, name, number)
    try:
        services.delete_version(found, by=request.user)
    except Conflict as error:
        messages.error(request, error.message)
        return redirect(found)
    messages.success(request, f"{found} is deleted.")
    return redirect(found.model)


@require_POST
@workspace_view
def delete(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = _model(request, name)
    try:
        services.delete_model(found, by=request.user)
    except Conflict as error:
        messages.error(request, error.message)
        return redirect(found)
    messages.success(request, f"The model {name} is deleted.")
    return redirect("models", workspace)


def _inspection(found: ModelVersion) -> dict[str, Any]:
    inspection = found.inspection
    imports = sorted(inspection["imports"], key=lambda each: (WORST_FIRST.get(each[2], 1), *each)) if inspection else []
    return {"version": found, "inspection": inspection, "imports": imports, "state": state_of(inspection)}


def _whole(request: WorkspaceRequest, found: ModelVersion) -> dict[str, Any]:
    environment = found.environment_version
    lock = environment.lock_text if environment else ""
    try:
        served_in, note = services.environment_for(request.workspace, [found], None)
        servable = True
    except BadInput as error:
        served_in, note, servable = None, error.message, False
    return {
        "model": found.model,
        "files": found.files.all(),
        "packages": [line.partition("==")[::2] for line in lock.splitlines() if "==" in line],
        "deployments": Deployment.objects.filter(revision__parts__version=found).select_related("workspace"),
        "servable": servable,
        "served_in": served_in,
        "served_note": note,
        "service_form": ServiceForm(),
        "proposed_name": services.propose_service_name(found),
        "may_change": request.role.includes(Role.CONTRIBUTOR),
        "aliases": found.aliases.all(),
        "other_aliases": found.model.aliases.exclude(version=found).values_list("name", flat=True),
        "stages": Stage.values,
        "signature": _signature(found),
        "default_memory": settings.SERVICE_MEMORY_BYTES,
        "golden": rows_of(found),
        "is_latest": found.version == found.model.last_version,
        **samples.shown(found),
    }


def _signature(version: ModelVersion) -> list[dict[str, Any]]:
    """Rows of the table: MLflow's columns have a type, its tensors a shape, too."""
    rows = []
    said = (version.mlmodel or {}).get("signature") or {}
    for part, label in (("inputs", "input"), ("outputs", "output"), ("params", "parameter")):
        fields: Any = said.get(part)
        for field in fields if isinstance(fields, list) else []:
            if not isinstance(field, dict):
                continue
            tensor: Any = field.get("tensor-spec")
            tensor = tensor if isinstance(tensor, dict) else {}
            kind = tensor.get("dtype") or field.get("dtype") or field.get("type", "")
            shape = ", ".join(map(str, tensor["shape"])) if isinstance(tensor.get("shape"), list) else ""
            row = {"part": label, "name": field.get("name"), "type": kind, "shape": shape}
            rows.append({**row, "required": field.get("required", True)})
    return rows


def _in_service(models: list[RegisteredModel]) -> dict[int, list[tuple[Deployment, int]]]:
    """By the key of each model: the services that are to be made of it, with the number of the version."""
    parts = Part.objects.filter(version__model__in=models).exclude(revision__wanted_by=None)
    wanted_by = Prefetch("revision__wanted_by", Deployment.objects.select_related("workspace"))
    found: dict[int, list[tuple[Deployment, int]]] = {model.pk: [] for model in models}
    for part in parts.select_related("version", "revision").prefetch_related(wanted_by):
        for deployment in part.revision.wanted_by.all():
            found[part.version.model_id].append((deployment, part.version.version))
    return {pk: sorted(pairs, key=lambda pair: (pair[0].name, -pair[1])) for pk, pairs in found.items()}


def _related(versions: QuerySet[ModelVersion]) -> QuerySet[ModelVersion]:
    used_by = Prefetch("parts__revision__wanted_by", Deployment.objects.select_related("workspace"))
    return (
        versions.select_related(
            "model__workspace",
            "run__experiment",
            "run__workspace",
            "environment_version__environment__workspace",
            "created_by",
        )
        .prefetch_related(used_by, "aliases")
        .annotate(verdict=F("inspection__verdict"))
        .defer("inspection", "environment_version__definition", "environment_version__lock")
    )


def _model(request: WorkspaceRequest, name: str) -> RegisteredModel:
    here = RegisteredModel.objects.visible_to(request.user, request.workspace)
    return get_object_or_404(here.select_related("workspace", "created_by"), name=name)
