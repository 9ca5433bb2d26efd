"""Handing over code: a form with many files, one zip, or the names of what the workspace has; and getting it back."""

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.entries import EntriesInput, PlanInput, PlanSerializer
from experiments.api.inputs import SnapshotInput
from experiments.api.serializers import SnapshotSerializer
from experiments.api.uploads import FilesView
from experiments.models import Snapshot
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.api.body_limit import snapshot_limit, snapshot_too_large
from mlportal.api.content import Pieces, attach, guard, is_known
from mlportal.api.permissions import SignedInUserAndRunReads
from mlportal.api.views import ApiView, DetailView, created, get_or_404, validated
from mlportal.errors import BadInput, TooLarge


def snapshot_of(view: ApiView) -> Snapshot:
    """The snapshot of the address, if the caller may see it and it is in the workspace of the address."""
    rows = Snapshot.objects.visible_to(view.request.user, view.workspace)
    return get_or_404(rows, uid=view.kwargs["uid"])


class Snapshots(FilesView):
    def longest(self) -> int:
        return snapshot_limit()

    def too_long(self) -> TooLarge:
        return snapshot_too_large()

    @extend_schema(request={"multipart/form-data": SnapshotInput}, responses={201: SnapshotSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Store a folder. The same folder again is the same snapshot; what ignore files leave out is listed."""
        require(Role.CONTRIBUTOR, self.workspace, self.person)  # before the form is read
        files, paths = request.FILES.getlist("files"), request.POST.getlist("paths")
        archives = request.FILES.getlist("archive")
        if len(archives) == 1 and not files:
            taken = services.take_zip(self.workspace, archives[0].file, by=self.person)
        elif archives or not files:
            raise BadInput("Send `files` with their `paths`, or one zip as `archive`.", field="files")
        elif len(files) != len(paths):
            raise BadInput(f"There are {len(files)} files and {len(paths)} paths; send one path a file.", field="paths")
        else:
            pairs = [(path, upload.file) for path, upload in zip(paths, files, strict=True)]
            taken = services.take_files(self.workspace, pairs, by=self.person)
        return answer(taken)


class Plan(ApiView):
    once = False

    @extend_schema(request=PlanInput, responses=PlanSerializer)
    def post(self, request: Request, workspace: str) -> Response:
        """What a snapshot of this folder would hold, by its ignore files. Nothing is stored, and no file is sent yet."""
        wish = validated(PlanInput, request.data)
        plan = services.plan_snapshot(self.workspace, wish["entries"], wish["ignore_files"], by=self.person)
        ignored = [list(entry) for entry in plan.ignored]  # the renderer takes no named tuples
        return Response({"keep": plan.keep, "ignored": ignored, "files": len(plan.keep), "bytes": plan.total_bytes})


class Manifest(ApiView):
    once = False

    @extend_schema(request=EntriesInput, responses={201: SnapshotSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """A snapshot of bytes that the workspace has. 409 `blobs_missing` names the digests to upload first."""
        wish = validated(EntriesInput, request.data)
        return answer(services.take_manifest(self.workspace, wish["entries"], by=self.person))


class SnapshotDetail(DetailView[Snapshot]):
    permission_classes = [SignedInUserAndRunReads]
    serializer_class = SnapshotSerializer

    def get_object(self) -> Snapshot:
        return snapshot_of(self)


class Archive(ApiView):
    permission_classes = [SignedInUserAndRunReads]

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, workspace: str, uid: str) -> HttpResponseBase:
        """The snapshot as a zip. It never changes, so the ETag always holds."""
        snapshot = snapshot_of(self)
        etag = f'"{snapshot.digest}"'
        response: HttpResponseBase
        if is_known(request, etag):
            response = HttpResponse(status=304)
        else:
            response = StreamingHttpResponse(Pieces(services.zip_of(snapshot)), content_type="application/zip")
            attach(response, f"snapshot-{snapshot.uid}.zip", attachment=True)
        response["ETag"] = etag
        response["Cache-Control"] = "private, no-cache"
        guard(response)
        return response


def answer(taken: services.Taken) -> Response:
    snapshot = taken.snapshot
    data = SnapshotSerializer(snapshot, context={"notes": taken.notes}).data
    return created(data, "workspaces", snapshot.workspace.name, "snapshots", snapshot.uid)
