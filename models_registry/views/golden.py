"""Golden requests on the pages: the card of a version, and the word of a person who accepts changed answers."""

from typing import Any

import orjson
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from mlportal.errors import BadInput, Conflict
from mlportal.pages import WorkspaceRequest, workspace_view
from models_registry import services
from models_registry.models import Deployment, ModelVersion
from models_registry.services.golden import most_bytes, parse

EXCERPT = 300


@require_POST
@workspace_view
def save(request: WorkspaceRequest, workspace: str, name: str, number: int) -> HttpResponse:
    """Those of a file, or of what was pasted: JSON as in golden_requests.json."""
    version = _version(request, name, number)
    chosen = request.FILES.get("file")
    text: Any = chosen.read(most_bytes() + 1) if chosen else request.POST.get("golden", "")
    try:
        items = parse(text, "What you gave")
        with transaction.atomic():
            saved = [services.save_golden(version, **item, by=request.user) for item in items]
    except (BadInput, Conflict) as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"{len(saved)} golden request{'' if len(saved) == 1 else 's'} saved.")
    return redirect(f"{version.get_absolute_url()}#golden")


@require_POST
@workspace_view
def delete(request: WorkspaceRequest, workspace: str, name: str, number: int, golden: int) -> HttpResponse:
    version = _version(request, name, number)
    found = get_object_or_404(version.golden_requests.select_related("version__model__workspace"), pk=golden)
    services.delete_golden(found, by=request.user)
    messages.success(request, f"The golden request {found} is deleted.")
    return redirect(f"{version.get_absolute_url()}#golden")


@require_POST
@workspace_view
def accept(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    rows = Deployment.objects.visible_to(request.user, request.workspace)
    deployment = get_object_or_404(rows.select_related("workspace", "revision"), name=name)
    try:
        services.accept_changes(deployment, by=request.user)
    except (BadInput, Conflict) as error:
        messages.error(request, error.message)
    return redirect(deployment)


def rows_of(version: ModelVersion) -> list[dict[str, Any]]:
    """What the card shows of each."""
    return [
        {"golden": golden, "request": _excerpt(golden.request), "answer": _excerpt(golden.answer)}
        for golden in version.golden_requests.select_related("created_by")
    ]


def _excerpt(value: Any) -> str:
    text = orjson.dumps(value).decode().replace(",", ", ")
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"


def _version(request: WorkspaceRequest, name: str, number: int) -> ModelVersion:
    here = ModelVersion.objects.visible_to(request.user, request.workspace)
    return get_object_or_404(here.select_related("model__workspace"), model__name=name, version=number)
