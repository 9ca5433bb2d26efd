"""The pages of services."""

import shlex
from typing import Any

import orjson
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from experiments.models import EnvironmentBuild
from experiments.services import usual_seconds
from mlportal.access.roles import Role
from mlportal.errors import BadInput, Conflict
from mlportal.pages import WorkspaceRequest, fragment, workspace_view
from mlportal.pages.polling import is_known, state_of
from models_registry import services
from models_registry.forms import ScalingForm, ServiceForm
from models_registry.models import Deployment
from models_registry.serving.portal_routes import told
from models_registry.status import DeploymentStatus
from models_registry.views.console import console
from models_registry.views.logs import log_of
from models_registry.views.service import choices_of, deployment_of, deployments_of
from models_registry.views.traffic import traffic_of

EVENTS = 20
CHOICES = 50
S = DeploymentStatus
STEADY = frozenset({S.HEALTHY, S.FAILED, S.STOPPED})
UNKNOWN_EXAMPLE = {"data": [["…"]], "method": "predict"}  # until the model has said what it takes
EMPTY_EXAMPLE: dict[str, Any] = {"data": []}  # a script says only what its decorators say


@require_safe
@workspace_view
def deployments(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    rows = list(deployments_of(request).defer("log", "revision__signature", "live_revision__signature"))
    state = state_of([(row.pk, row.generation, row.status, row.live_revision_id, row.moved) for row in rows])
    if request.htmx and is_known(request, state):
        return HttpResponse(status=204)
    context = {"rows": rows, "state": state, "is_steady": all(row.status in STEADY for row in rows)}
    return fragment(request, "models_registry/deployments.html", "models_registry/deployments_table.html", context)


@require_safe
@workspace_view
def deployment(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """The service; for htmx, what of it changes by itself."""
    found = deployment_of(request, name)
    if request.htmx:
        context = _live(request, found)
        if is_known(request, context["state"]):
            return HttpResponse(status=204)
        # A form that somebody may be typing into stays; anything else there goes with the status.
        # The forms that offer versions stay as well, unless the versions they are about have changed.
        has_moved_on = request.GET.get("choices") != context["choices_state"]
        context |= {"is_update": True, "console_too": not request.GET.get("form"), "choices_too": has_moved_on}
        if has_moved_on:
            context |= traffic_of(found) | _choices(found)
        return render(request, "models_registry/deployment_live.html", context)
    return render(request, "models_registry/deployment.html", _page(request, found))


@require_safe
@workspace_view
def requests(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    context = _requests(deployment_of(request, name))
    if is_known(request, context["requests_state"]):
        return HttpResponse(status=204)
    return render(request, "models_registry/deployment_requests.html", context)


@require_safe
@workspace_view
def keys(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """The card with the keys: shown by `?show=1`, which is noted, hidden otherwise."""
    return _keys(request, deployment_of(request, name), show=request.GET.get("show") == "1")


@require_POST
@workspace_view
def regenerate_key(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = deployment_of(request, name)
    services.regenerate_key(found, request.POST.get("key", ""), by=request.user)
    return _keys(request, found, show=True)


@require_POST
@workspace_view
def redeploy(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = deployment_of(request, name)
    asked = request.POST.get("version", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0
    version = get_object_or_404(choices_of(found), version=number)
    try:
        services.redeploy(found, version, by=request.user)
    except (BadInput, Conflict) as error:
        messages.error(request, error.message)
    return redirect(found)


@require_POST
@workspace_view
def edit(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """What is said of it, and whether callers need a key."""
    found = deployment_of(request, name)
    form = ServiceForm(request.POST)
    if form.is_valid():
        services.update(found, **form.said(), by=request.user)
        messages.success(request, "Saved.")
        return redirect(found)
    return render(request, "models_registry/deployment.html", _page(request, found, form=form), status=400)


@require_POST
@workspace_view
def scale(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """How many replicas it has."""
    found = deployment_of(request, name)
    form = ScalingForm(request.POST)
    if form.is_valid():
        try:
            services.update(found, scaling=form.cleaned_data, by=request.user)
        except BadInput as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Saved.")
            return redirect(found)
    return render(request, "models_registry/deployment.html", _page(request, found, scaling_form=form), status=400)


@require_POST
@workspace_view
def stop(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = deployment_of(request, name)
    services.stop(found, by=request.user)
    return redirect(found)


@require_POST
@workspace_view
def start(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = deployment_of(request, name)
    try:
        services.start(found, by=request.user)
    except Conflict as error:
        messages.info(request, error.message)
    return redirect(found)


@require_POST
@workspace_view
def delete(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    services.delete(deployment_of(request, name), by=request.user)
    messages.success(request, f"The deployment {name} is deleted.")
    return redirect("deployments", workspace)


def _page(request: WorkspaceRequest, found: Deployment, **forms: Any) -> dict[str, Any]:
    """What the whole page shows; `forms` that were refused stay as they were filled in."""
    return {
        **_live(request, found),
        **_requests(found),
        **traffic_of(found),
        **_choices(found),
        "form": ServiceForm.of(found),
        "scaling_form": ScalingForm.of(found),
        **forms,
    }


def _choices(found: Deployment) -> dict[str, Any]:
    """The versions that may be deployed in its place, and those that may be started beside it."""
    choices = list(choices_of(found)[:CHOICES])
    wanted = found.revision.versions
    live = found.live_revision.versions if found.live_revision else []
    return {
        "choices": choices,
        "others": [choice for choice in choices if choice not in wanted],
        "live_versions": live,
    }


def _live(request: WorkspaceRequest, found: Deployment) -> dict[str, Any]:
    told()
    status = DeploymentStatus(found.status)
    is_steady = status in STEADY
    build = None
    if status == S.TRANSITIONING:
        build = EnvironmentBuild.objects.under_way().filter(version=found.revision.environment_version).first()
    example = services.example_request(found)
    has_script = bool((found.live_revision or found.revision).entry_script)
    body = orjson.dumps(example or (EMPTY_EXAMPLE if has_script else UNKNOWN_EXAMPLE)).decode()
    events = list(found.events.select_related("actor")[:EVENTS])
    moving = found.log if not is_steady else ""
    golden = getattr(found, "golden_replay", None)
    replicas = list(found.replicas.select_related("revision"))
    return {
        "deployment": found,
        "is_steady": is_steady,
        "seconds": 5 if is_steady else 1,
        "build": build,
        "usual_seconds": usual_seconds(build.version) if build else None,
        "example": example,
        "has_form": status != S.STOPPED and bool(example or found.signature),
        "has_script": has_script,
        **console(found, has_script=has_script, asked=request.GET.get("console", "")),
        "versions": found.revision.versions,
        "choices_state": state_of(found.revision_id, found.live_revision_id, found.candidate_id, is_steady),
        "replicas": replicas,
        **log_of(found, replicas, request.GET.get("log", "")),
        "earlier": services.previous(found) if status != S.STOPPED else None,
        "example_text": pretty(example) if example else "",
        "curl": _curl(found, body),
        "address": settings.PUBLIC_URL + found.scoring_path,
        "events": events,
        "may_change": request.role.includes(Role.CONTRIBUTOR),
        "golden": golden,
        "state": state_of(
            golden and golden.at, golden and golden.refused_id,
            status, found.generation, found.failure, found.live_revision_id, found.revision_id, moving, len(events),
            found.scaling, found.standby_id, found.candidate_id,
            build and build.pk, [(each.pk, each.state, each.pid, each.restarts) for each in replicas],
        ),
    }  # fmt: skip


def pretty(request: dict[str, Any]) -> str:
    """JSON with a line a row of data: what a person reads and changes."""
    if request.keys() != {"data", "method"}:
        return orjson.dumps(request, option=orjson.OPT_INDENT_2).decode()
    rows = ",\n    ".join(orjson.dumps(row).decode().replace(",", ", ") for row in request["data"])
    return f'{{\n  "data": [\n    {rows}\n  ],\n  "method": "{request["method"]}"\n}}'


def _curl(found: Deployment, body: str) -> str:
    lines = [f"curl {settings.PUBLIC_URL}{found.scoring_path}"]
    if found.auth_enabled:
        lines.append('-H "Authorization: Bearer $KEY"')
    lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(lines)


def _requests(found: Deployment) -> dict[str, Any]:
    rows = list(services.recent_requests(found))
    return {"deployment": found, "requests": rows, "requests_state": state_of([row.pk for row in rows[:1]], len(rows))}


def _keys(request: WorkspaceRequest, found: Deployment, *, show: bool) -> HttpResponse:
    pair = services.keys(found, by=request.user) if show else None
    context = {"deployment": found, "keys": list(zip(("primary", "secondary"), pair, strict=True)) if pair else None}
    response = render(request, "models_registry/deployment_keys.html", context)
    response["Cache-Control"] = "no-store"
    return response
