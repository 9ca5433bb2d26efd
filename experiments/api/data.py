"""Bytes that clients bring, and the workspace's data store."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.entries import EntriesInput
from experiments.api.run_files import ByPath
from experiments.api.uploads import FilesView
from experiments.models import DataFile
from experiments.services.uploads import require_uploader
from mlportal.api.body_limit import upload_limit, upload_too_large
from mlportal.api.content import file_response
from mlportal.api.permissions import SignedInUserOrRun
from mlportal.api.views import ApiView, ListView
from mlportal.blobs.services import open_blob
from mlportal.errors import BadInput, TooLarge


class BlobsInput(serializers.Serializer[Any]):
    """multipart/form-data: any number of parts named `files`; their file names do not matter."""

    files = serializers.ListField(child=serializers.FileField())


class BlobSerializer(serializers.Serializer[Any]):
    sha256 = serializers.CharField(source="digest")
    size = serializers.IntegerField(help_text="Bytes")


class BlobsSerializer(serializers.Serializer[Any]):
    blobs = BlobSerializer(many=True)


class DataFileSerializer(serializers.ModelSerializer[DataFile]):
    sha256 = serializers.CharField(source="blob_id")

    class Meta:
        model = DataFile
        fields = ["path", "size", "sha256", "updated_at"]


class DataFilesInput(EntriesInput):
    overwrite = serializers.BooleanField(
        default=False, help_text="Replace what is there under these paths; else it is skipped"
    )


class AddedSerializer(serializers.Serializer[Any]):
    files = DataFileSerializer(many=True)
    skipped = serializers.ListField(child=serializers.CharField(), help_text="Paths that were there already")


class PrefixQuery(serializers.Serializer[Any]):
    prefix = serializers.CharField(
        max_length=1024, default="", allow_blank=True, trim_whitespace=False, help_text="What the path begins with"
    )


class PathQuery(serializers.Serializer[Any]):
    path = serializers.CharField(max_length=1024, trim_whitespace=False)


class WhichQuery(serializers.Serializer[Any]):
    path = serializers.CharField(max_length=1024, required=False, trim_whitespace=False, help_text="One file")
    prefix = serializers.CharField(
        max_length=1024,
        required=False,
        trim_whitespace=False,
        help_text="All files whose path begins so; end it with / for a folder",
    )


class Blobs(FilesView):
    permission_classes = [SignedInUserOrRun]

    def longest(self) -> int:
        return upload_limit()

    def too_long(self) -> TooLarge:
        return upload_too_large()

    @extend_schema(request={"multipart/form-data": BlobsInput}, responses={201: BlobsSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Upload bytes, to be named by a request that refers to them within a day. The answer keeps the order."""
        require_uploader(self.workspace, self.asker)  # before the form is read
        files = request.FILES.getlist("files")
        if not files:
            raise BadInput("Send at least one part named `files`.", field="files")
        stored = services.upload(self.workspace, [one.file for one in files], by=self.asker)
        return Response(BlobsSerializer({"blobs": stored}).data, status=201)


class DataFiles(ListView[DataFile]):
    """The files of the data store, by path."""

    queryset = DataFile.objects.none()
    serializer_class = DataFileSerializer
    pagination_class = ByPath

    def known_parameters(self) -> set[str]:
        if self.request.method == "DELETE":
            return set(WhichQuery().fields)
        listing = super().known_parameters() | set(PrefixQuery().fields)
        return listing if self.request.method == "GET" else set()

    def get_queryset(self) -> QuerySet[DataFile]:
        asked = PrefixQuery(data=self.request.query_params)
        asked.is_valid(raise_exception=True)
        files = DataFile.objects.visible_to(self.person, self.workspace)
        return services.with_prefix(files, asked.validated_data["prefix"])

    @extend_schema(parameters=[PrefixQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=DataFilesInput, responses={201: AddedSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Put files into the store, all or none. 409 `blobs_missing` names the digests to upload first."""
        wish = DataFilesInput(data=request.data)
        wish.is_valid(raise_exception=True)
        added = services.add_data_files(
            self.workspace, wish.validated_data["entries"], overwrite=wish.validated_data["overwrite"], by=self.person
        )
        return Response(AddedSerializer(added).data, status=201)

    @extend_schema(parameters=[WhichQuery], responses={204: None})
    def delete(self, request: Request, workspace: str) -> Response:
        """Delete one file, or all below a prefix. Datasets keep what they were made of."""
        which = WhichQuery(data=request.query_params)
        which.is_valid(raise_exception=True)
        services.delete_data_files(self.workspace, **which.validated_data, by=self.person)
        return Response(status=204)


class DataFileContent(ApiView):
    query_serializer = PathQuery

    @extend_schema(parameters=[PathQuery], responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, workspace: str) -> HttpResponseBase:
        """The bytes of a file, or one range of them."""
        found = services.data_file(self.workspace, self.query(request)["path"])
        stream = open_blob(found.blob_id)
        return file_response(request, stream, size=found.size, digest=found.blob_id, path=found.path, download=True)
