"""Handing over code: a form with many files, or one zip."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.inputs import SnapshotInput
from experiments.api.serializers import SnapshotSerializer
from experiments.api.uploads import OneFileUploadHandler
from experiments.models import Snapshot
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.api.body_limit import snapshot_limit, snapshot_too_large
from mlportal.api.views import ApiView, DetailView, created, get_or_404
from mlportal.errors import BadInput


class Snapshots(ApiView):
    parser_classes = [MultiPartParser]

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self.upload = OneFileUploadHandler(request)
        request.upload_handlers = [self.upload]
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            self.upload.close()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before anybody is authenticated: the check of the session's CSRF token reads the whole form.
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > snapshot_limit():
            raise snapshot_too_large()
        super().initial(request, *args, **kwargs)

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
        snapshot = taken.snapshot
        data = SnapshotSerializer(snapshot, context={"notes": taken.notes}).data
        return created(data, "workspaces", self.workspace.name, "snapshots", snapshot.uid)


class SnapshotDetail(DetailView[Snapshot]):
    serializer_class = SnapshotSerializer

    def get_object(self) -> Snapshot:
        rows = Snapshot.objects.visible_to(self.request.user).in_workspace(self.workspace)
        return get_or_404(rows, uid=self.kwargs["uid"])
