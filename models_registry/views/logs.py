"""The log on the page of a service: of the whole, or of the replica that `?log=` of the address names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import replace_url

from mlportal.pages import WorkspaceRequest, workspace_view
from mlportal.pages.polling import is_known, state_of
from models_registry.models import Deployment, ServiceReplica
from models_registry.views.service import deployment_of

LONGEST = 40  # of a replica's name: two numbers


@require_safe
@workspace_view
def log(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """The lines alone: asked when somebody chooses, and again and again for what was chosen."""
    found = deployment_of(request, name)
    context = log_of(found, list(found.replicas.select_related("revision")), request.GET.get("log", ""))
    if is_known(request, context["log_state"]):
        return HttpResponse(status=204)
    response = render(request, "models_registry/deployment_log_lines.html", context)
    here = request.htmx.current_url
    return replace_url(response, _with(here, context["log_asked"])) if here else response


def log_of(found: Deployment, replicas: Sequence[ServiceReplica], asked: str) -> dict[str, Any]:
    """For deployment_log.html and its lines. A replica that is not there any more is said to be gone."""
    asked = asked[:LONGEST]
    chosen = next((replica for replica in replicas if replica.key == asked), None)
    text = chosen.log if chosen else "" if asked else found.log
    return {
        "deployment": found,
        "log_choices": [(replica.key, str(replica)) for replica in replicas],
        "log_asked": asked,
        "log_replica": chosen,
        "log_text": text,
        "log_state": state_of(asked, chosen and chosen.pk, text),
    }


def _with(address: str, asked: str) -> str:
    """The page's address with the choice, and whatever else it said."""
    parts = urlsplit(address)
    query = {name: values for name, values in parse_qs(parts.query).items() if name != "log"}
    if asked:
        query["log"] = [asked]
    return f"{parts.path}{'?' if query else ''}{urlencode(query, doseq=True)}"
