"""Environments, their versions and builds."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.inputs import BuildLogQuery, CheckInput, EnvironmentInput
from experiments.api.serializers import (
    BuildLogSerializer,
    BuildSerializer,
    CheckedSerializer,
    EnvironmentDetailSerializer,
    EnvironmentSerializer,
    VersionRowSerializer,
    VersionSerializer,
)
from experiments.filters import EnvironmentFilter
from experiments.models import Environment, EnvironmentBuild, EnvironmentVersion
from mlportal.api.permissions import SignedInUserAndRunReads
from mlportal.api.views import ApiView, DetailView, ListView, address, created, get_or_404, validated
from mlportal.errors import BadInput


class Environments(ListView[Environment]):
    permission_classes = [SignedInUserAndRunReads]
    queryset = Environment.objects.none()
    serializer_class = EnvironmentSerializer
    filterset_class = EnvironmentFilter

    def get_queryset(self) -> QuerySet[Environment]:
        return self.workspace.environments.select_related("workspace")

    @extend_schema(request=EnvironmentInput, responses={201: VersionSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Add a version to an environment, which is made when it is new. An equal definition is the version that is there."""
        wish = validated(EnvironmentInput, request.data)
        version = services.add_version(
            self.workspace, wish["name"], wish["definition"], as_of=wish["as_of"], by=self.person
        )
        path = ("environments", version.environment.name, "versions", str(version.version))
        return created(VersionSerializer(version).data, "workspaces", self.workspace.name, *path)


class Check(ApiView):
    once = False

    @extend_schema(request=CheckInput, responses=CheckedSerializer)
    def post(self, request: Request, workspace: str) -> Response:
        """Read a definition without keeping or building anything; what is wrong in it is told by line and key."""
        here = self.workspace
        wish = validated(CheckInput, request.data)
        target = services.target_named(here, wish["target"]) if wish["target"] else None
        checked = services.check_definition(wish["definition"], as_of=wish["as_of"], target=target)
        return Response(CheckedSerializer(checked).data)


class EnvironmentDetail(DetailView[Environment]):
    permission_classes = [SignedInUserAndRunReads]
    serializer_class = EnvironmentDetailSerializer

    def get_object(self) -> Environment:
        return get_or_404(self.workspace.environments.select_related("workspace"), name=self.kwargs["name"])


class Versions(ListView[EnvironmentVersion]):
    permission_classes = [SignedInUserAndRunReads]
    queryset = EnvironmentVersion.objects.none()
    serializer_class = VersionRowSerializer

    def get_queryset(self) -> QuerySet[EnvironmentVersion]:
        environment = get_or_404(self.workspace.environments.all(), name=self.kwargs["name"])
        return environment.versions.select_related("environment", "created_by").defer("definition", "lock")


class VersionDetail(DetailView[EnvironmentVersion]):
    permission_classes = [SignedInUserAndRunReads]
    serializer_class = VersionSerializer

    def get_object(self) -> EnvironmentVersion:
        return version_of(self)


class Build(ApiView):
    @extend_schema(request=None, responses={202: BuildSerializer, 204: None})
    def post(self, request: Request, workspace: str, name: str, number: int) -> Response:
        """Have it built now: 202 with the build, or 204 when it is built already."""
        build = services.request_build(version_of(self), by=self.person)
        if build is None:
            return Response(status=204)
        location = address("workspaces", self.workspace.name, "builds", build.pk)
        return Response(BuildSerializer(build).data, status=202, headers={"Location": location})


class BuildDetail(DetailView[EnvironmentBuild]):
    serializer_class = BuildSerializer

    def get_object(self) -> EnvironmentBuild:
        return build_of(self)


class BuildLog(ApiView):
    query_serializer = BuildLogQuery

    @extend_schema(parameters=[BuildLogQuery], responses=BuildLogSerializer)
    def get(self, request: Request, workspace: str, build: int) -> Response:
        """What was written after `after`; the build's status is from before the reading, so that nothing is missed."""
        found = build_of(self)
        text, after = services.read_build_log(found, self.query(request)["after"])
        return Response({"text": text, "after": after, "status": found.status})


class CancelBuild(ApiView):
    @extend_schema(request=None, responses={202: BuildSerializer})
    def post(self, request: Request, workspace: str, build: int) -> Response:
        """Ask for its end. Asking again, or after the end, changes nothing."""
        found = build_of(self)
        services.cancel_build(found, by=self.person)
        found.refresh_from_db()
        return Response(BuildSerializer(found).data, status=202)


def find_version(view: ApiView, name: str, version: int | None) -> EnvironmentVersion:
    """The version that a request names in its workspace, the latest for None; BadInput when there is none."""
    versions = EnvironmentVersion.objects.in_workspace(view.workspace).select_related("environment")
    found = versions.filter(environment__name=name, **({"version": version} if version else {})).first()
    if found is None:
        raise BadInput(f"There is no environment {name}{f':{version}' if version else ''} here.", field="environment")
    return found


def version_of(view: ApiView) -> EnvironmentVersion:
    versions = EnvironmentVersion.objects.visible_to(view.request.user, view.workspace)
    related = versions.select_related("environment__workspace", "created_by")
    return get_or_404(related, environment__name=view.kwargs["name"], version=view.kwargs["number"])


def build_of(view: ApiView) -> EnvironmentBuild:
    builds = EnvironmentBuild.objects.visible_to(view.request.user, view.workspace)
    return get_or_404(builds.select_related("version__environment__workspace"), pk=view.kwargs["build"])
