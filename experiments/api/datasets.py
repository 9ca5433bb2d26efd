"""Datasets: names, versions, files."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.data import PathQuery
from experiments.api.entries import EntriesInput
from experiments.models import Dataset, DatasetFile, DatasetKind, DatasetVersion
from mlportal.api.content import file_response
from mlportal.api.fields import TextMap
from mlportal.api.pagination import Pages
from mlportal.api.views import ApiView, DetailView, ListView, address, get_or_404
from mlportal.blobs.services import open_blob

OBJECT = {"type": "object", "additionalProperties": {}}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


@extend_schema_field(OBJECT)
class Definition(serializers.DictField):
    """Any JSON object: it is the client's."""


class DatasetInput(EntriesInput):
    name = serializers.CharField(
        max_length=255, allow_blank=True, default="", help_text="Empty: it can be reached by its uid alone"
    )
    kind = serializers.ChoiceField(choices=DatasetKind.choices, default=DatasetKind.FILE)
    description = serializers.CharField(max_length=5000, allow_blank=True, default="")
    tags = TextMap(default=dict)
    definition = Definition(default=dict, help_text="How a client reads the files; kept as it is, 64 kB at most")
    create_new_version = serializers.BooleanField(
        default=False, help_text="Whether a name that is there with other content gets a new version; else it is 409"
    )


class DatasetFileSerializer(serializers.ModelSerializer[DatasetFile]):
    sha256 = serializers.CharField(source="blob_id")

    class Meta:
        model = DatasetFile
        fields = ["path", "size", "sha256"]


class DatasetVersionRowSerializer(serializers.ModelSerializer[DatasetVersion]):
    """A version without its files."""

    kind = serializers.ChoiceField(choices=DatasetKind.choices)
    tags = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    page = serializers.CharField(source="get_absolute_url")

    class Meta:
        model = DatasetVersion
        fields = [
            "uid",
            "name",
            "version",
            "kind",
            "description",
            "tags",
            "file_count",
            "size",
            "created_at",
            "created_by",
            "page",
        ]

    @extend_schema_field(TEXTS)
    def get_tags(self, version: DatasetVersion) -> Any:
        return version.tags


class DatasetVersionSerializer(DatasetVersionRowSerializer):
    definition = serializers.SerializerMethodField()
    files = DatasetFileSerializer(many=True)

    class Meta(DatasetVersionRowSerializer.Meta):
        fields = [*DatasetVersionRowSerializer.Meta.fields, "definition", "files"]

    @extend_schema_field(OBJECT)
    def get_definition(self, version: DatasetVersion) -> Any:
        return version.definition


class DatasetRowSerializer(serializers.ModelSerializer[Dataset]):
    latest = serializers.SerializerMethodField()

    class Meta:
        model = Dataset
        fields = ["name", "last_version", "created_at", "latest"]

    @extend_schema_field(DatasetVersionRowSerializer)
    def get_latest(self, dataset: Dataset) -> Any:
        latest: list[DatasetVersion] = dataset.newest  # type: ignore[attr-defined]  # of the prefetch
        return DatasetVersionRowSerializer(latest[0]).data


class DatasetSerializer(DatasetRowSerializer):
    """A dataset with the files of its latest version."""

    @extend_schema_field(DatasetVersionSerializer)
    def get_latest(self, dataset: Dataset) -> Any:
        latest: list[DatasetVersion] = dataset.newest  # type: ignore[attr-defined]
        return DatasetVersionSerializer(latest[0]).data


def versions_of(view: ApiView) -> QuerySet[DatasetVersion]:
    visible = DatasetVersion.objects.visible_to(view.request.user, view.workspace)
    return visible.select_related("workspace", "created_by")


class Datasets(ListView[Dataset]):
    """The names, each with its latest version."""

    queryset = Dataset.objects.none()
    serializer_class = DatasetRowSerializer

    def get_queryset(self) -> QuerySet[Dataset]:
        datasets = Dataset.objects.visible_to(self.person, self.workspace)
        newest = versions_of(self).defer("definition").order_by("-version")[:1]
        return datasets.prefetch_related(Prefetch("versions", newest, to_attr="newest"))

    @extend_schema(request=DatasetInput, responses={201: DatasetVersionSerializer, 200: DatasetVersionSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Make a dataset, or a version of one. 200: the same is there already. 409 `blobs_missing`: upload them first."""
        wish = DatasetInput(data=request.data)
        wish.is_valid(raise_exception=True)
        kept = services.create_dataset(self.workspace, by=self.person, **wish.validated_data)
        data = DatasetVersionSerializer(kept.version).data
        headers = {"Location": address("workspaces", workspace, "datasets", "by-uid", kept.version.uid)}
        return Response(data, status=201 if kept.made else 200, headers=headers)


class DatasetDetail(DetailView[Dataset]):
    serializer_class = DatasetSerializer

    def get_object(self) -> Dataset:
        newest = versions_of(self).order_by("-version")[:1]
        found = Dataset.objects.visible_to(self.person, self.workspace).select_related("workspace")
        return get_or_404(
            found.prefetch_related(Prefetch("versions", newest, to_attr="newest")), name=self.kwargs["name"]
        )

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str) -> Response:
        """Delete the name with all its versions; 409 while a run that has not ended uses one. Ended runs keep theirs."""
        services.delete_dataset(self.get_object(), by=self.person)
        return Response(status=204)


class ByVersion(Pages):
    ordering = "-version"


class Versions(ListView[DatasetVersion]):
    """Newest first."""

    queryset = DatasetVersion.objects.none()
    serializer_class = DatasetVersionRowSerializer
    pagination_class = ByVersion

    def get_queryset(self) -> QuerySet[DatasetVersion]:
        datasets = Dataset.objects.visible_to(self.person, self.workspace)
        dataset = get_or_404(datasets, name=self.kwargs["name"])
        return versions_of(self).filter(dataset=dataset).defer("definition")


class VersionDetail(DetailView[DatasetVersion]):
    serializer_class = DatasetVersionSerializer

    def get_object(self) -> DatasetVersion:
        wanted = versions_of(self).filter(dataset__name=self.kwargs["name"])
        return get_or_404(wanted, version=self.kwargs["number"])


class ByUid(DetailView[DatasetVersion]):
    """Any version, those without a name too."""

    serializer_class = DatasetVersionSerializer

    def get_object(self) -> DatasetVersion:
        return get_or_404(versions_of(self), uid=self.kwargs["uid"])


class FileContent(ApiView):
    query_serializer = PathQuery

    @extend_schema(parameters=[PathQuery], responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, workspace: str, uid: str) -> HttpResponseBase:
        """The bytes of a file, or one range of them."""
        version = get_or_404(versions_of(self), uid=uid)
        found = services.dataset_file(version, self.query(request)["path"])
        stream = open_blob(found.blob_id)
        return file_response(request, stream, size=found.size, digest=found.blob_id, path=found.path, download=True)
