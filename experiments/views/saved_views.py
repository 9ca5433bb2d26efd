"""Saved views: the address by which they are shared, and what is done with them."""

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from experiments import services
from experiments.models import Experiment, SavedView
from experiments.search import PARAMETERS
from mlportal.errors import PortalError
from mlportal.pages import WorkspaceRequest, workspace_view


@require_safe
@workspace_view
def open_view(request: WorkspaceRequest, workspace: str, uid: str) -> HttpResponse:
    return redirect(table_of(_view(request, uid)))


@require_POST
@workspace_view
def save(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    name = _text(request, "experiment")
    experiments = Experiment.objects.visible_to(request.user, request.workspace)
    experiment = get_object_or_404(experiments.select_related("workspace"), name=name) if name else None
    try:
        view = services.save_view(
            request.workspace, experiment, _text(request, "name"), _query(request), by=request.user
        )
    except PortalError as error:
        messages.error(request, error.message)
        here = experiment.get_absolute_url() if experiment else reverse("runs", args=[workspace])
        return redirect(f"{here}?{_text(request, 'query')}")
    messages.success(request, f"The view {view.name} is saved.")
    return redirect(table_of(view))


@require_POST
@workspace_view
def change(request: WorkspaceRequest, workspace: str, uid: str) -> HttpResponse:
    view = _view(request, uid)
    name = _text(request, "name") if "name" in request.POST else None
    query = _query(request) if "query" in request.POST else None
    try:
        services.change_view(view, name=name, query=query, by=request.user)
    except PortalError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"The view {view.name} is saved.")
    return redirect(table_of(view))


@require_POST
@workspace_view
def delete(request: WorkspaceRequest, workspace: str, uid: str) -> HttpResponse:
    view = _view(request, uid)
    here = table_of(view).partition("?")[0]
    try:
        services.delete_view(view, by=request.user)
    except PortalError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"The view {view.name} is deleted; its runs stay.")
    return redirect(here)


def table_of(view: SavedView) -> str:
    """The address of the table that it shows."""
    query = QueryDict(mutable=True)
    for name in PARAMETERS:
        query.setlist(name, view.query.get(name, []))
    query["view"] = view.uid
    here = view.experiment.get_absolute_url() if view.experiment else reverse("runs", args=[view.workspace.name])
    return f"{here}?{query.urlencode()}"


def _view(request: WorkspaceRequest, uid: str) -> SavedView:
    here = SavedView.objects.visible_to(request.user, request.workspace)
    return get_object_or_404(here.select_related("workspace", "experiment__workspace"), uid=uid)


def _query(request: WorkspaceRequest) -> dict[str, list[str]]:
    asked = QueryDict(_text(request, "query"))
    return {name: asked.getlist(name) for name in PARAMETERS if name in asked}


def _text(request: WorkspaceRequest, name: str) -> str:
    return str(request.POST.get(name, "")).replace("\0", "")
