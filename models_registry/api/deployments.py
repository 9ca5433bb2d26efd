"""Services made of model versions."""

from collections.abc import Mapping
from typing import IO, Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from mlportal.api.views import ApiView, DetailView, ListView, created, get_or_404, validated
from mlportal.errors import BadInput
from models_registry import services
from models_registry.api.inputs import DeployInput, KeyInput, RedeployInput
from models_registry.api.serializers import (
    DeploymentEventSerializer,
    DeploymentLogSerializer,
    DeploymentRowSerializer,
    DeploymentSerializer,
    KeysSerializer,
    NewKeySerializer,
    RequestLogSerializer,
)
from models_registry.filters import DeploymentFilter
from models_registry.models import Deployment, DeploymentEvent, ModelVersion, RequestLog
from models_registry.services.keys import pair_of
from models_registry.serving.asgi import score


class Deployments(ListView[Deployment]):
    queryset = Deployment.objects.none()
    serializer_class = DeploymentRowSerializer
    filterset_class = DeploymentFilter

    def get_queryset(self) -> QuerySet[Deployment]:
        return deployments_of(self)

    @extend_schema(request=DeployInput, responses={201: DeploymentSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Make a service of a model version. 409 with a free name in `details.hint` when the name is taken."""
        wish = validated(DeployInput, request.data)
        version = find_version(self, wish.pop("model"), wish.pop("version"))
        deployment = services.deploy(version, **wish, by=self.person)
        return created(
            DeploymentSerializer(deployment).data, "workspaces", self.workspace.name, "deployments", deployment.name
        )


class DeploymentDetail(DetailView[Deployment]):
    serializer_class = DeploymentSerializer

    def get_object(self) -> Deployment:
        return deployment_of(self)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str) -> Response:
        """Delete the service with its keys and its request log."""
        services.delete(deployment_of(self), by=self.person)
        return Response(status=204)


class Redeploy(ApiView):
    @extend_schema(request=RedeployInput, responses={202: DeploymentSerializer})
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """Have another version answer, without an error for callers: the old one serves until the new one is ready."""
        wish = validated(RedeployInput, request.data)
        deployment = deployment_of(self)
        version = find_version(self, wish["model"] or deployment.version.model.name, wish["version"])
        services.redeploy(deployment, version, by=self.person)
        return Response(DeploymentSerializer(deployment).data, status=202)


class Stop(ApiView):
    @extend_schema(request=None, responses=DeploymentSerializer)
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """Answer no more. Stopping twice changes nothing."""
        deployment = deployment_of(self)
        services.stop(deployment, by=self.person)
        return Response(DeploymentSerializer(deployment).data)


class Start(ApiView):
    @extend_schema(request=None, responses={202: DeploymentSerializer})
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """Start a service that is stopped or has failed."""
        deployment = deployment_of(self)
        services.start(deployment, by=self.person)
        return Response(DeploymentSerializer(deployment).data, status=202)


class Keys(ApiView):
    @extend_schema(responses=KeysSerializer)
    def get(self, request: Request, workspace: str, name: str) -> Response:
        """Both keys; for contributors, and noted on the audit trail."""
        primary, secondary = services.keys(deployment_of(self), by=self.person)
        response = Response({"primary": primary, "secondary": secondary})
        response["Cache-Control"] = "no-store"
        return response


class RegenerateKey(ApiView):
    @extend_schema(request=KeyInput, responses=NewKeySerializer)
    def post(self, request: Request, workspace: str, name: str) -> Response:
        """A new key; the old one stops working within a second."""
        slot = validated(KeyInput, request.data)["key"]
        value = services.regenerate_key(deployment_of(self), slot, by=self.person)
        response = Response({"key": slot, "value": value})
        response["Cache-Control"] = "no-store"
        return response


class Requests(ListView[RequestLog]):
    """The last requests, newest first; excerpts only."""

    queryset = RequestLog.objects.none()
    serializer_class = RequestLogSerializer
    pagination_class = None

    def get_queryset(self) -> QuerySet[RequestLog]:
        return services.recent_requests(deployment_of(self))


class Events(ListView[DeploymentEvent]):
    """What was asked of the service and what became of it, newest first."""

    queryset = DeploymentEvent.objects.none()
    serializer_class = DeploymentEventSerializer

    def get_queryset(self) -> QuerySet[DeploymentEvent]:
        return deployment_of(self).events.select_related("actor")


class Log(ApiView):
    @extend_schema(responses=DeploymentLogSerializer)
    def get(self, request: Request, workspace: str, name: str) -> Response:
        """The last lines that the model worker wrote."""
        return Response(DeploymentLogSerializer(deployment_of(self)).data)


class AnyBody(BaseParser):
    """The body as it is: the gateway reads it, and says what is wrong with it."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return stream.read(settings.SERVICE_BODY_BYTES + 1)


class Score(ApiView):
    parser_classes = [AnyBody]

    @extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.ANY)
    def post(self, request: Request, workspace: str, name: str) -> HttpResponse:
        """Ask the service without a key, for members: what callers of its scoring address get, and logged like theirs."""
        deployment = deployment_of(self)
        body = request.data if isinstance(request.data, bytes) else b""
        answer = async_to_sync(score)(
            deployment.name, pair_of(deployment)[0], body, request.content_type or "application/json"
        )
        return HttpResponse(answer.body, status=answer.status, content_type="application/json")


def deployments_of(view: ApiView) -> QuerySet[Deployment]:
    rows = Deployment.objects.visible_to(view.request.user).in_workspace(view.workspace)
    return rows.select_related("workspace", "version__model", "live_version__model", "created_by")


def deployment_of(view: ApiView) -> Deployment:
    return get_or_404(deployments_of(view), name=view.kwargs["name"])


def find_version(view: ApiView, model: str, number: int | None) -> ModelVersion:
    """The version of that number, the latest for None; BadInput when there is none."""
    versions = ModelVersion.objects.visible_to(view.request.user).in_workspace(view.workspace).filter(model__name=model)
    found = versions.select_related("model__workspace").filter(**({"version": number} if number else {})).first()
    if found is None:
        raise BadInput(
            f"There is no model {model}{f' with a version {number}' if number else ''} here.", field="version"
        )
    return found
