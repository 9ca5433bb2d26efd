"""Registered models and their versions. A running script registers from its own runs."""

from typing import Any

from django.db import transaction
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiments.api.environments import find_version as find_environment
from experiments.models import LoggedModel, Run
from mlportal.access.models import User
from mlportal.api.content import file_response
from mlportal.api.permissions import SignedInUserAndRunReads, SignedInUserOrRun
from mlportal.api.views import ApiView, DetailView, ListView, created, get_or_404, validated
from mlportal.errors import BadInput, NotAllowed
from models_registry import services
from models_registry.api.inputs import AliasInput, FileQuery, ModelChange, RegisterInput, StageInput, VersionChange
from models_registry.api.model_serializers import (
    AliasSerializer,
    ModelSerializer,
    ModelVersionRowSerializer,
    ModelVersionSerializer,
)
from models_registry.filters import ModelFilter, VersionFilter
from models_registry.models import Deployment, ModelVersion, RegisteredModel


class Models(ListView[RegisteredModel]):
    permission_classes = [SignedInUserOrRun]
    queryset = RegisteredModel.objects.none()
    serializer_class = ModelSerializer
    filterset_class = ModelFilter

    def get_queryset(self) -> QuerySet[RegisteredModel]:
        return models_of(self)

    @extend_schema(request=RegisterInput, responses={201: ModelVersionSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Register a file or folder of a run, a logged model, or files of your own, as the next version of a model.

        The model is made when it is new. 409 `blobs_missing` names the digests to upload first.
        """
        wish = validated(RegisterInput, request.data)
        uid, path, logged, entries, environment = (
            wish.pop(name) for name in ("run", "path", "logged_model", "entries", "environment")
        )
        wish["environment_version"] = find_environment(self, **environment) if environment else None
        named = [given is not None for given in (uid, logged, entries)]
        if sum(named) != 1 or (uid is None) is not (path is None):
            raise BadInput("Name a `run` and a `path` in it, a `logged_model`, or the `entries` of files.", field="run")
        if logged is not None:
            found = LoggedModel.objects.visible_to(self.asker, self.workspace)
            model = found.filter(uid=logged, deleted_at=None).select_related("run__workspace", "workspace").first()
            if model is None:
                raise BadInput("There is no such logged model in this workspace.", field="logged_model")
            version = services.register_logged_model(model, **wish, by=self.asker)
        elif uid is None:
            if not isinstance(self.asker, User):
                raise NotAllowed("A run's token registers what is in its own runs; name a run and a path.")
            version = services.register_files(self.workspace, entries, **wish, by=self.asker)
        else:
            run = Run.objects.visible_to(self.asker, self.workspace).filter(uid=uid).first()
            if run is None:
                raise BadInput("There is no such run in this workspace.", field="run")
            version = services.register_model(run, path=path, **wish, by=self.asker)
        path = ("models", version.model.name, "versions", str(version.version))
        return created(ModelVersionSerializer(version).data, "workspaces", self.workspace.name, *path)


class ModelDetail(DetailView[RegisteredModel]):
    permission_classes = [SignedInUserAndRunReads]
    serializer_class = ModelSerializer

    def get_object(self) -> RegisteredModel:
        return get_or_404(models_of(self), name=self.kwargs["name"])

    @extend_schema(request=ModelChange, responses=ModelSerializer)
    def patch(self, request: Request, workspace: str, name: str) -> Response:
        """Change what people say of the model as a whole, and its name. 409 `exists` when another has the name."""
        changes: dict[str, Any] = validated(ModelChange, request.data)
        model, new = self.get_object(), changes.pop("name", None)
        with transaction.atomic():
            if changes:
                services.update_model(model, **changes, by=self.person)
            if new is not None:
                services.rename_model(model, new, by=self.person)
        return Response(ModelSerializer(get_or_404(models_of(self), pk=model.pk)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str) -> Response:
        """Delete the model with all its versions; 409 while one of them is deployed."""
        services.delete_model(self.get_object(), by=self.person)
        return Response(status=204)


class Alias(ApiView):
    """A name that points to one version, such as `champion`."""

    permission_classes = [SignedInUserOrRun]

    @extend_schema(request=AliasInput, responses=AliasSerializer)
    def put(self, request: Request, workspace: str, name: str, alias: str) -> Response:
        """Point it to a version; it points to no other one any more."""
        number = validated(AliasInput, request.data)["version"]
        version = get_or_404(versions_of(self), model__name=name, version=number)
        return Response(AliasSerializer(services.set_alias(version, alias, by=self.asker)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str, alias: str) -> Response:
        """The version stays."""
        model = get_or_404(models_of(self), name=name)
        get_or_404(model.aliases.all(), name=alias)
        services.remove_alias(model, alias, by=self.person)
        return Response(status=204)


class Versions(ListView[ModelVersion]):
    permission_classes = [SignedInUserAndRunReads]
    queryset = ModelVersion.objects.none()
    serializer_class = ModelVersionRowSerializer

    def get_queryset(self) -> QuerySet[ModelVersion]:
        model = get_or_404(RegisteredModel.objects.in_workspace(self.workspace), name=self.kwargs["name"])
        return versions_of(self).filter(model=model)


class AllVersions(ListView[ModelVersion]):
    """Versions of all models, newest first."""

    permission_classes = [SignedInUserAndRunReads]
    queryset = ModelVersion.objects.none()
    serializer_class = ModelVersionRowSerializer
    filterset_class = VersionFilter

    def get_queryset(self) -> QuerySet[ModelVersion]:
        return versions_of(self)


class VersionDetail(DetailView[ModelVersion]):
    permission_classes = [SignedInUserAndRunReads]
    serializer_class = ModelVersionSerializer

    def get_object(self) -> ModelVersion:
        return version_of(self)

    @extend_schema(request=VersionChange, responses=ModelVersionSerializer)
    def patch(self, request: Request, workspace: str, name: str, number: int) -> Response:
        """Change what people say of it; what is left out stays. 409 names properties that have another value already."""
        changes: dict[str, Any] = validated(VersionChange, request.data)
        version = services.update_version(version_of(self), **changes, by=self.person)
        return Response(ModelVersionSerializer(version).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str, number: int) -> Response:
        """Delete the version; 409 while it is deployed. Its number is not given again."""
        services.delete_version(version_of(self), by=self.person)
        return Response(status=204)


class VersionStage(ApiView):
    permission_classes = [SignedInUserOrRun]

    @extend_schema(request=StageInput, responses=ModelVersionSerializer)
    def put(self, request: Request, workspace: str, name: str, number: int) -> Response:
        """MLflow's stage of the version. Aliases took the place of stages, which still work."""
        version = version_of(self)
        services.set_stage(version, **validated(StageInput, request.data), by=self.asker)
        return Response(ModelVersionSerializer(version).data)


class FileContent(ApiView):
    permission_classes = [SignedInUserAndRunReads]
    query_serializer = FileQuery

    @extend_schema(parameters=[FileQuery], responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, workspace: str, name: str, number: int) -> HttpResponseBase:
        """The bytes of one file of the version; a part of them with a Range header."""
        wish = self.query(request)
        file, stream = services.open_file(version_of(self), wish["path"])
        return file_response(
            request, stream, size=file.size, digest=file.blob_id, path=file.path, download=wish["download"]
        )


def models_of(view: ApiView) -> QuerySet[RegisteredModel]:
    models = RegisteredModel.objects.visible_to(view.request.user, view.workspace)
    models = models.prefetch_related("aliases__version")
    return models.select_related("workspace", "created_by").annotate(version_count=Count("versions"))


def versions_of(view: ApiView) -> QuerySet[ModelVersion]:
    versions = ModelVersion.objects.visible_to(view.request.user, view.workspace)
    related = versions.select_related(
        "model__workspace", "run", "logged_model", "environment_version__environment", "created_by"
    )
    used_by = Prefetch("parts__revision__wanted_by", Deployment.objects.only("name", "revision"))
    return related.prefetch_related("aliases", used_by)


def version_of(view: ApiView) -> ModelVersion:
    rows = versions_of(view).select_related("snapshot").prefetch_related("files")
    return get_or_404(rows, model__name=view.kwargs["name"], version=view.kwargs["number"])
