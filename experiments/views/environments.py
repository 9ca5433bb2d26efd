from datetime import date
from typing import Any

from django.contrib import messages
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from experiments import services
from experiments.forms import EnvironmentForm
from experiments.models import Environment, EnvironmentBuild, EnvironmentVersion
from experiments.services.building import is_built_here
from experiments.status import BuildStatus
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.errors import BadInput
from mlportal.pages import WorkspaceRequest, fragment, workspace_view
from mlportal.pages.paging import asked_number, search_text

BUILDS = RUNS = 10
VERSIONS = 100
TEMPLATE = """\
name: my-environment
dependencies:
  - python=3.11
  - scikit-learn
  - pandas
"""


@require_safe
@workspace_view
def environments(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    newest = EnvironmentVersion.objects.visible_to(request.user).filter(
        environment__workspace=request.workspace, version=F("environment__last_version")
    )
    text = search_text(request)
    if text:
        newest = newest.filter(
            Q(environment__name__icontains=text)
            | Q(environment__description__icontains=text)
            | Q(definition__icontains=text)
        )
    builds = EnvironmentBuild.objects.filter(version=OuterRef("pk"))
    newest = newest.annotate(
        build_status=Subquery(builds.order_by("-pk").values("status")[:1]),
        was_built=Exists(builds.filter(status=BuildStatus.READY)),
    ).defer("definition", "lock")
    ordered = newest.select_related("environment__workspace", "created_by").order_by(
        "environment__curated", "environment__name"
    )
    context = {
        "own": [version for version in ordered if not version.environment.curated],
        "curated": [version for version in ordered if version.environment.curated],
        "text": text,
        "may_change": request.role.includes(Role.CONTRIBUTOR),
    }
    return fragment(request, "experiments/environments.html", "experiments/environments_tables.html", context)


@require_safe
@workspace_view
def environment(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = _environment(request, name)
    versions = list(found.versions.select_related("created_by").defer("definition", "lock")[:VERSIONS])
    number = asked_number(request, "version") or found.last_version
    version = get_object_or_404(found.versions.select_related("environment__workspace", "created_by"), version=number)
    builds = list(version.builds.all()[:BUILDS])
    runs = version.runs.filter(workspace=request.workspace).select_related("experiment", "workspace", "created_by")
    packages = [line.partition("==")[::2] for line in version.lock_text.splitlines() if "==" in line]
    context = {
        "environment": found,
        "versions": versions,
        "version": version,
        "packages": packages,
        "changes": services.lock_difference(version),
        "builds": builds,
        "runs": runs[:RUNS],
        "built_here": is_built_here(version),
        "usual_seconds": services.usual_seconds(version),
        "may_change": request.role.includes(Role.CONTRIBUTOR),
        **(_log_context(builds[0]) if builds else {}),
    }
    return render(request, "experiments/environment.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@workspace_view
def new(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """A new environment, or a new version of one; `?from=name&version=2` starts with that text."""
    require(Role.CONTRIBUTOR, request.workspace, request.user)
    form = EnvironmentForm(request.POST) if request.method == "POST" else EnvironmentForm(initial=_start_of(request))
    values = form.cleaned_data if form.is_valid() else form.initial
    text = values.get("definition")
    checked = services.check_definition(text, as_of=values.get("as_of")) if text else None
    if form.is_valid() and checked:
        try:
            return _added(request, checked, **values)
        except BadInput as error:
            field = error.details.get("field")
            form.add_error(field if field in form.fields else None, error.message)
    context = {"form": form, "checked": checked}
    return render(request, "experiments/environment_new.html", context, status=400 if form.errors else 200)


@require_POST
@workspace_view
def check(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """What would become of the text in the form: drawn beside it while somebody types."""
    text = request.POST.get("definition", "")
    checked = services.check_definition(text, as_of=_date(request.POST.get("as_of", ""))) if text.strip() else None
    return render(request, "experiments/environment_checked.html", {"checked": checked})


@require_POST
@workspace_view
def build(request: WorkspaceRequest, workspace: str, name: str, number: int) -> HttpResponse:
    version = get_object_or_404(_environment(request, name).versions, version=number)
    if services.request_build(version, by=request.user) is None:
        messages.info(request, f"{version} is built on this machine already.")
    return redirect(version)


@require_POST
@workspace_view
def cancel(request: WorkspaceRequest, workspace: str, pk: int) -> HttpResponse:
    found = _build(request, pk)
    services.cancel_build(found, by=request.user)
    return redirect(found.version)


@require_safe
@workspace_view
def build_log(request: WorkspaceRequest, workspace: str, pk: int) -> HttpResponse:
    """What the log has after `?after=`, and how the build stands; the whole page is asked for again when it ends."""
    found = _build(request, pk)
    context = _log_context(found, asked_number(request, "after") or 0)
    if not found.is_final and not context["log"] and request.GET.get("status") == found.status:
        return HttpResponse(status=204)
    drawn = render_to_string("experiments/environment_log.html", context | {"is_update": True}, request)
    response = HttpResponse(drawn.rstrip())  # the file's last line end would be a line of the log
    if found.is_final:
        response["HX-Refresh"] = "true"
    return response


def _added(
    request: WorkspaceRequest,
    checked: services.Checked,
    *,
    name: str,
    definition: str,
    as_of: date | None,
    build: bool,
) -> HttpResponse:
    if checked.spec is None:  # told before anything about the name, which may be in the file
        raise BadInput(checked.errors[0]["message"], field="definition")
    asked_at = timezone.now()
    name = name or checked.spec.name or ""
    version = services.add_version(request.workspace, name, definition, as_of=as_of, by=request.user)
    if version.created_at < asked_at:
        messages.info(request, f"{version} says the same already, so no new version was made.")
    else:
        messages.success(request, f"{version} is there.")
    if build:
        services.request_build(version, by=request.user)
    return redirect(version)


def _start_of(request: WorkspaceRequest) -> dict[str, Any]:
    source = request.GET.get("from")
    if not source:
        return {"definition": TEMPLATE, "build": True}
    found = _environment(request, source)
    number = asked_number(request, "version") or found.last_version
    version = get_object_or_404(found.versions, version=number)
    name = f"{found.name}-mine" if found.curated else found.name
    return {"name": name, "definition": version.definition, "as_of": version.as_of, "build": True}


def _environment(request: WorkspaceRequest, name: str) -> Environment:
    here = Environment.objects.visible_to(request.user, request.workspace)
    return get_object_or_404(here.select_related("workspace"), name=name)


def _build(request: WorkspaceRequest, pk: int) -> EnvironmentBuild:
    here = EnvironmentBuild.objects.visible_to(request.user, request.workspace)
    return get_object_or_404(here.select_related("version__environment__workspace"), pk=pk)


def _log_context(build: EnvironmentBuild, after: int = 0) -> dict[str, Any]:
    log, last = services.read_build_log(build, after)
    return {"build": build, "log": log, "after": last}


def _date(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None
