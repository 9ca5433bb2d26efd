"""The pages of datasets."""

from django.contrib import messages
from django.db.models import Count, OuterRef, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from experiments import services
from experiments.models import Dataset, DatasetVersion
from experiments.status import RUN_FINAL
from mlportal.access.roles import Role
from mlportal.errors import PortalError
from mlportal.pages import WorkspaceRequest, fragment, workspace_view
from mlportal.pages.paging import page_of, search_text

SHOWN_RUNS = 50
SHOWN_VERSIONS = 100


@require_safe
@workspace_view
def datasets(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    found = Dataset.objects.visible_to(request.user, request.workspace)
    text = search_text(request)
    if text:
        found = found.filter(name__icontains=text)
    newest = DatasetVersion.objects.filter(dataset=OuterRef("pk")).order_by("-version").values("pk")[:1]
    page = page_of(request, found.annotate(newest=Subquery(newest)).order_by("-newest"))
    versions = (
        DatasetVersion.objects.defer("definition")
        .select_related("workspace", "created_by")
        .in_bulk([dataset.newest for dataset in page])
    )
    context = {
        "page": page,
        "rows": [versions[dataset.newest] for dataset in page],
        "text": text,
        "may_write": request.role.includes(Role.CONTRIBUTOR),
    }
    return fragment(request, "experiments/data/datasets.html", "experiments/data/datasets_table.html", context)


@require_safe
@workspace_view
def dataset(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    """Its latest version."""
    found = get_object_or_404(Dataset.objects.visible_to(request.user, request.workspace), name=name)
    return _shown(request, found.versions.select_related("workspace", "created_by", "dataset").order_by("-version")[0])


@require_safe
@workspace_view
def version(request: WorkspaceRequest, workspace: str, uid: str) -> HttpResponse:
    """Any version, those whose name was deleted too."""
    versions = DatasetVersion.objects.visible_to(request.user, request.workspace)
    return _shown(request, get_object_or_404(versions.select_related("workspace", "created_by", "dataset"), uid=uid))


@require_POST
@workspace_view
def delete(request: WorkspaceRequest, workspace: str, name: str) -> HttpResponse:
    here = Dataset.objects.visible_to(request.user, request.workspace).select_related("workspace")
    found = get_object_or_404(here, name=name)
    try:
        services.delete_dataset(found, by=request.user)
    except PortalError as error:
        messages.error(request, error.message)
        return redirect(found)
    messages.success(request, f"The dataset {name} is deleted.")
    return redirect("data", workspace)


def _shown(request: WorkspaceRequest, found: DatasetVersion) -> HttpResponse:
    users = services.users_of(DatasetVersion.objects.filter(pk=found.pk))
    versions = found.dataset.versions.defer("definition") if found.dataset else DatasetVersion.objects.none()
    context = {
        "version": found,
        "page": page_of(request, found.files.all()),
        "versions": versions.select_related("created_by")
        .annotate(given=Count("inputs"))
        .order_by("-version")[:SHOWN_VERSIONS],
        "is_latest": found.dataset is not None and found.version == found.dataset.last_version,
        "runs": users.select_related("created_by").order_by("-pk")[:SHOWN_RUNS],
        "in_use": found.dataset is not None and _is_in_use(found.dataset),
        "input_name": _input_name(found.name),
        "may_write": request.role.includes(Role.CONTRIBUTOR),
    }
    return fragment(request, "experiments/data/dataset.html", "experiments/data/dataset_files.html", context)


def _is_in_use(dataset: Dataset) -> bool:
    return services.users_of(dataset.versions.all()).exclude(status__in=RUN_FINAL).exists()


def _input_name(name: str) -> str:
    """A name for it in a script: what is no letter or digit becomes an underscore."""
    return "".join(letter if letter.isalnum() else "_" for letter in name) or "data"
