"""A table of runs as a file: what its address shows, all pages of it."""

from collections.abc import AsyncIterator, Callable, Iterator

from asgiref.sync import sync_to_async
from django.http import Http404, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from experiments.models import Experiment
from experiments.services.exporting import columns_to_export, csv_of, parquet_of
from experiments.views.table import RunsTable
from mlportal.api.content import attach, guard
from mlportal.pages import WorkspaceRequest, workspace_view

FORMATS: dict[str, tuple[Callable[..., Iterator[bytes]], str]] = {
    "csv": (csv_of, "text/csv; charset=utf-8"),
    "parquet": (parquet_of, "application/vnd.apache.parquet"),
}


@require_safe
@workspace_view
def export(request: WorkspaceRequest, workspace: str, kind: str, name: str = "") -> HttpResponseBase:
    if kind not in FORMATS:
        raise Http404
    here = Experiment.objects.visible_to(request.user, request.workspace).select_related("workspace")
    table = RunsTable(request, get_object_or_404(here, name=name) if name else None)
    if table.error:
        raise table.error
    write, content_type = FORMATS[kind]
    pieces: Iterator[bytes] = write(table.found, columns_to_export(table.columns, table.names))
    response = StreamingHttpResponse(_streamed(pieces), content_type=content_type)
    attach(response, f"{name.replace('/', '-') or 'runs'}-{timezone.now():%Y-%m-%d}.{kind}", attachment=True)
    guard(response)
    response["Cache-Control"] = "private, no-store"
    return response


async def _streamed(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """In the thread of the request, which has its connection to the database."""
    while (piece := await sync_to_async(lambda: next(pieces, None), thread_sensitive=True)()) is not None:
        yield piece
