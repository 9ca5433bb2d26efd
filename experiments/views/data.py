"""The data store in the browser: folders, files, uploads, and making a dataset of a folder."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from experiments import services
from experiments.models import DataFile
from mlportal.access.roles import Role
from mlportal.errors import BadInput, PortalError
from mlportal.pages import WorkspaceRequest, fragment, workspace_view
from mlportal.pages.paging import page_of


@require_safe
@workspace_view
def files(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """`?folder=` shows what is in it."""
    folder = request.GET.get("folder", "").replace("\0", "").strip("/")
    found = DataFile.objects.visible_to(request.user, request.workspace).filter(folder=folder)
    page = page_of(request, found.select_related("updated_by"))
    folders = services.folders_in(request.workspace, folder) if page.number == 1 else []
    get_token(request)  # the page's script posts to the API
    context = {
        "page": page,
        "folder": folder,
        "folders": folders,
        "trail": _trail(folder),
        "may_write": request.role.includes(Role.CONTRIBUTOR),
        "api": f"/api/v1/workspaces/{workspace}/",
        "limit": settings.UPLOAD_MAX_BYTES,
        "proposed": _proposed(folder),
    }
    return fragment(request, "experiments/data/files.html", "experiments/data/files_table.html", context)


@require_POST
@workspace_view
def delete(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """One file by `path`, or a folder with all that is below it."""
    path, folder = (request.POST.get(name, "").replace("\0", "") for name in ("path", "folder"))
    try:
        prefix = f"{folder}/" if folder else ""
        count = services.delete_data_files(request.workspace, path=path, prefix=prefix, by=request.user)
    except PortalError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"{path or folder} is deleted{f' with {count} files' if folder else ''}.")
    return redirect(_address(workspace, (path or folder).rpartition("/")[0]))


@require_POST
@workspace_view
def make_dataset(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """A dataset of all files of a folder, by their names in it; a name that is there gets a new version."""
    folder = request.POST.get("folder", "").replace("\0", "")
    below = f"{folder}/" if folder else ""
    here = DataFile.objects.visible_to(request.user, request.workspace)
    chosen = services.with_prefix(here, below).values_list("path", "blob", "size")
    entries = [services.Named(path[len(below) :], blob, size) for path, blob, size in chosen]
    name = request.POST.get("name", "").strip()
    try:
        if not name:
            raise BadInput("A dataset needs a name, by which people and scripts ask for it.")
        kept = services.create_dataset(
            request.workspace,
            entries,
            name=name,
            description=request.POST.get("description", "").strip(),
            create_new_version=True,
            by=request.user,
        )
    except PortalError as error:
        messages.error(request, error.message)
        return redirect(_address(workspace, folder))
    done = "is made" if kept.made else "was there already, with the same files"
    messages.success(request, f"{kept.version} {done}.")
    return redirect(kept.version)


def _address(workspace: str, folder: str) -> str:
    query = f"?{urlencode({'folder': folder})}" if folder else ""
    return reverse("data-files", args=[workspace]) + query


def _trail(folder: str) -> list[tuple[str, str]]:
    """The folder and those above it: (name, path), the highest first."""
    parts = folder.split("/") if folder else []
    return [(name, "/".join(parts[: at + 1])) for at, name in enumerate(parts)]


def _proposed(folder: str) -> str:
    name = folder.rpartition("/")[2]
    return name if name.replace("-", "").replace("_", "").replace(".", "").isalnum() and name.isascii() else ""
