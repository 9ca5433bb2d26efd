"""The parts of a service's page about its two versions, the way back, and what served when."""

from __future__ import annotations

from statistics import median
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from mlportal.errors import BadInput, Conflict
from mlportal.pages import WorkspaceRequest, workspace_view
from mlportal.pages.polling import is_known, state_of
from models_registry import services
from models_registry.models import Deployment
from models_registry.views.service import choices_of, deployment_of

SHOWN = 20


@require_safe
@workspace_view
def traffic(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """What of the card changes by itself."""
    context = traffic_of(deployment_of(request, name))
    if is_known(request, context["traffic_state"]):
        return HttpResponse(status=204)
    return render(request, "models_registry/deployment_traffic_live.html", context)


@require_POST
@workspace_view
def set_candidate(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = deployment_of(request, name)
    shares: dict[str, Any] = {}
    for field in ("percent", "mirror"):
        asked = request.POST.get(field, "")
        if not asked.isascii() or not asked.isdigit() or len(asked) > 3:
            messages.error(request, f"{field} is a number from 0 to 100.")
            return redirect(found)
        shares[field] = int(asked)
    version = request.POST.get("version", "")
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
    versions = [get_object_or_404(choices_of(found), version=number)] if version else None
    return _done(request, found, lambda: services.set_candidate(found, versions, **shares, by=request.user))


@require_POST
@workspace_view
def remove_candidate(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = deployment_of(request, name)
    return _done(request, found, lambda: services.remove_candidate(found, by=request.user))


@require_POST
@workspace_view
def promote(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = deployment_of(request, name)
    return _done(request, found, lambda: services.promote(found, by=request.user))


@require_POST
@workspace_view
def roll_back(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = deployment_of(request, name)
    return _done(request, found, lambda: services.roll_back(found, by=request.user))


@require_POST
@workspace_view
def forget(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    found = deployment_of(request, name)
    return _done(request, found, lambda: services.forget_disagreements(found, by=request.user))


def _done(request: WorkspaceRequest, found: Deployment, act: Any) -> HttpResponse:
    try:
        act()
    except (BadInput, Conflict) as error:
        messages.error(request, error.message)
    return redirect(found)


def traffic_of(found: Deployment) -> dict[str, Any]:
    """For deployment_traffic.html and its live part."""
    candidate = found.candidate
    main = found.live_revision or found.revision
    lately = list(services.recent_requests(found))
    counts = found.mirror_counts.filter(revision=candidate).first() if candidate else None
    rows = [(str(main), 100 - found.candidate_percent)]
    if candidate is not None:
        rows.append((str(candidate), found.candidate_percent))
    lines = []
    for version, share in rows:
        own = [row for row in lately if row.version == version]
        lines.append(
            {
                "version": version,
                "share": share,
                "requests": len(own),
                "latency": median(row.latency_ms for row in own) if own else None,
                "errors": sum(row.status >= 500 for row in own),
            }
        )
    disagreements = list(found.disagreements.all()[:SHOWN]) if candidate else []
    served = list(found.served.select_related("actor")[:SHOWN])
    ready = dict(found.replicas.filter(state="ready").values_list("revision").annotate(Count("pk")))
    candidate_ready, main_ready = ready.get(found.candidate_id, 0), ready.get(main.pk, 0)
    return {
        "deployment": found,
        "lines": lines,
        "lately": len(lately),
        "counts": counts,
        "disagreements": disagreements,
        "served": served,
        "candidate_ready": candidate_ready,
        "main_ready": main_ready,
        "traffic_state": state_of(
            [list(line.values()) for line in lines],
            counts and [counts.same, counts.different, counts.failed, counts.dropped],
            [row.pk for row in disagreements[:1]], [(row.pk, row.until) for row in served],
            candidate_ready, main_ready,
        ),
    }  # fmt: skip
