"""A run's logs and artifacts, as lists and as bytes."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.entries import EntriesInput
from experiments.api.inputs import LOG_BYTES, ArtifactQuery, LogQuery
from experiments.api.run_serializers import ArtifactSerializer, LogFileSerializer
from experiments.api.runs import run_of
from experiments.models import Artifact, Run
from mlportal.api.content import attach, file_response, guard, is_known
from mlportal.api.pagination import Pages
from mlportal.api.permissions import SignedInUserOrRun
from mlportal.api.views import ApiView, ListView, validated

TEXT = "text/plain; charset=utf-8"


class ByPath(Pages):
    ordering = "path"

    def is_position(self, position: str) -> bool:
        return "\0" not in position


class Artifacts(ListView[Artifact]):
    """The files that it left, by path."""

    once = False
    permission_classes = [SignedInUserOrRun]

    queryset = Artifact.objects.none()
    serializer_class = ArtifactSerializer
    pagination_class = ByPath

    def get_queryset(self) -> QuerySet[Artifact]:
        return Artifact.objects.filter(run=run_of(self))

    @extend_schema(request=EntriesInput, responses={201: ArtifactSerializer(many=True)})
    def post(self, request: Request, workspace: str, uid: str) -> Response:
        """Name bytes of the workspace as files of the run; the same file again changes nothing.

        409 `blobs_missing` names the digests to upload first, 409 `exists` a path that has other content.
        """
        wish = validated(EntriesInput, request.data)
        stored = services.add_artifacts(run_of(self), wish["entries"], by=self.asker)
        return Response(ArtifactSerializer(stored, many=True).data, status=201)


class ArtifactContent(ApiView):
    query_serializer = ArtifactQuery
    permission_classes = [SignedInUserOrRun]

    @extend_schema(parameters=[ArtifactQuery], responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, workspace: str, uid: str) -> HttpResponseBase:
        """The bytes of a file, or one range of them. Pictures can be shown, everything else is a download."""
        wish = self.query(request)
        found = services.artifact(run_of(self), wish["path"])
        stream = services.open_artifact(found)
        return file_response(
            request, stream, size=found.size, digest=found.blob_id, path=found.path, download=wish["download"]
        )


class Logs(ApiView):
    output = LogFileSerializer
    permission_classes = [SignedInUserOrRun]

    @extend_schema(responses=LogFileSerializer(many=True))
    def get(self, request: Request, workspace: str, uid: str) -> Response:
        """The script's output first, then every file of ./logs."""
        return Response(LogFileSerializer(services.log_files(run_of(self)), many=True).data)


class LogContent(ApiView):
    query_serializer = LogQuery
    permission_classes = [SignedInUserOrRun]

    @extend_schema(
        parameters=[LogQuery],
        responses={
            (200, "text/plain"): OpenApiResponse(
                OpenApiTypes.STR,
                description="Headers: X-Offset, X-Next-Offset (ask with it for what comes next), X-Complete (true: nothing will).",
            )
        },
    )
    def get(self, request: Request, workspace: str, uid: str) -> HttpResponseBase:
        """At most `limit` bytes of a log from `offset` on; with `download` all that there is."""
        wish, run = self.query(request), run_of(self)
        etag = f'"{_digest(run, wish)}"' if run.is_final else None  # the log of a run that goes on grows
        if etag and is_known(request, etag):
            return HttpResponse(status=304, headers={"ETag": etag, "Cache-Control": "private, no-cache"})
        part = services.read_log(run, wish["name"], wish["offset"], 1 if wish["download"] else wish["limit"])
        response: HttpResponseBase
        if wish["download"]:
            response = StreamingHttpResponse(
                _whole_log(run, wish["name"], wish["offset"], part.size), content_type=TEXT
            )
            attach(response, wish["name"], attachment=True)
        else:
            response = HttpResponse(part.data, content_type=TEXT)
            response["X-Offset"] = str(part.offset)
            response["X-Next-Offset"] = str(part.next_offset)
            response["X-Complete"] = "true" if part.complete else "false"
        if etag:
            response["ETag"] = etag
        response["Cache-Control"] = "private, no-cache"
        guard(response)
        return response


def _digest(run: Run, wish: dict[str, Any]) -> str:
    return hashlib.sha256(f"{run.uid} {sorted(wish.items())}".encode()).hexdigest()


async def _whole_log(run: Run, name: str, offset: int, end: int) -> AsyncIterator[bytes]:
    """What the log holds now: it may grow faster than a slow client reads, so it ends where it ended at the start."""
    read = sync_to_async(services.read_log)
    while offset < end:
        part = await read(run, name, offset, min(LOG_BYTES, end - offset))
        if not part.data:
            return
        yield part.data
        offset = part.next_offset
