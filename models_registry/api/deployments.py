"""Services made of model versions."""

from collections.abc import Mapping
from typing import IO, Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from experiments.api.environments import find_version as find_environment
from experiments.models import Snapshot
from mlportal.api.views import ApiView, DetailView, ListView, created, get_or_404, validated
from mlportal.errors import BadInput
from models_registry import services
from models_registry.api.deployment_serializers import (
    DeploymentEventSerializer,
    DeploymentLogSerializer,
    DeploymentRowSerializer,
    DeploymentSerializer,
    KeysSerializer,
    NewKeySerializer,
    RequestLogSerializer,
)
from models_registry.api.inputs import DeployInput, DeploymentChange, KeyInput, RedeployInput
from models_registry.filters import DeploymentFilter
from models_registry.models import Deployment, DeploymentEvent, ModelVersion, RequestLog, ServiceReplica
from models_registry.services.keys import pair_of
from models_registry.serving.asgi import score
from models_registry.serving.portal_routes import told


class Deployments(ListView[Deployment]):
    queryset = Deployment.objects.none()
    serializer_class = DeploymentRowSerializer
    filterset_class = DeploymentFilter

    def get_queryset(self) -> QuerySet[Deployment]:
        return deployments_of(self)

    @extend_schema(request=DeployInput, responses={201: DeploymentSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Make a service of one model, or of an entry script with its models.

        409 with a free name in `details.hint` when the name is taken; `overwrite` redeploys the service instead.
        """
        wish = validated(DeployInput, request.data)
        del wish["model"], wish["version"]
        versions = [find_version(self, each["name"], each["version"]) for each in wish.pop("models")]
        inference = find_inference(self, wish.pop("inference"))
        made = services.deploy(*versions, workspace=self.workspace, inference=inference, **wish, by=self.person)
        data = DeploymentSerializer(get_or_404(deployments_of(self), pk=made.pk)).data
        return created(data, "workspaces", self.workspace.name, "deployments", made.name)


class DeploymentDetail(DetailView[Deployment]):
    serializer_class = DeploymentSerializer

    def get_object(self) -> Deployment:
        found = deployment_of(self)
        told()
        return found

    @extend_schema(request=DeploymentChange, responses=DeploymentSerializer)
    def patch(self, request: Request, workspace: str, name: str) -> Response:
        """Change what is said of the service, who may call it, or what it is made of: the latter is a redeployment."""
        wish = validated(DeploymentChange, request.data)
        if "models" in wish:
            wish["versions"] = [find_version(self, each["name"], each["version"]) for each in wish.pop("models")]
        if "inference" in wish:
            wish["inference"] = find_inference(self, wish["inference"])
        services.update(deployment_of(self), **wish, by=self.person)
        return Response(DeploymentSerializer(deployment_of(self)).data)

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
        models = [version.model.name for version in deployment.revision.versions]
        if wish["model"] is None and len(models) != 1:
            raise BadInput(f"{deployment} is made of {len(models)} models; say which.", field="model")
        version = find_version(self, wish["model"] or models[0], wish["version"])
        services.redeploy(deployment, version, accept_changes=wish["accept_changes"], by=self.person)
        return Response(DeploymentSerializer(deployment_of(self)).data, status=202)


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
    once = False

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
    output = DeploymentLogSerializer

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
    once = False
    refusals = frozenset({408, 500, 504, 507})

    @extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.ANY)
    def post(self, request: Request, workspace: str, name: str) -> HttpResponse:
        """Ask the service without a key, for members: what callers of its scoring address get, and logged like theirs."""
        deployment = deployment_of(self)
        body = request.data if isinstance(request.data, bytes) else b""
        answer = async_to_sync(score)(
            deployment.name, pair_of(deployment)[0], body, request.content_type or "application/json"
        )
        kind = answer.headers.pop("content-type", "application/octet-stream")
        answer.headers.pop("content-length", None)
        return HttpResponse(answer.body, status=answer.status, content_type=kind, headers=answer.headers)


def deployments_of(view: ApiView) -> QuerySet[Deployment]:
    rows = Deployment.objects.visible_to(view.request.user, view.workspace)
    related = rows.select_related(
        "workspace",
        "revision__environment_version__environment",
        "revision__snapshot",
        "live_revision",
        "candidate",
        "standby",
        "created_by",
        "golden_replay__refused",
    )
    replicas = Prefetch("replicas", ServiceReplica.objects.select_related("revision").defer("log"))
    return related.prefetch_related("revision__parts__version__model", replicas)


def deployment_of(view: ApiView) -> Deployment:
    return get_or_404(deployments_of(view), name=view.kwargs["name"])


def find_version(view: ApiView, model: str, number: int | None) -> ModelVersion:
    """The version of that number, the latest for None; BadInput when there is none."""
    versions = ModelVersion.objects.visible_to(view.request.user, view.workspace).filter(model__name=model)
    found = versions.select_related("model__workspace").filter(**({"version": number} if number else {})).first()
    if found is None:
        raise BadInput(
            f"There is no model {model}{f' with a version {number}' if number else ''} here.", field="version"
        )
    return found


def find_inference(view: ApiView, wish: Mapping[str, Any] | None) -> services.Inference:
    """What was asked for, as rows of this workspace; BadInput names what is not there."""
    if wish is None:
        return services.NO_INFERENCE
    snapshot = environment = None
    if wish["snapshot"] is not None:
        here = Snapshot.objects.visible_to(view.request.user, view.workspace)
        snapshot = here.filter(uid=wish["snapshot"]).first()
        if snapshot is None:
            raise BadInput("There is no such snapshot in this workspace.", field="inference.snapshot")
    if wish["environment"] is not None:
        environment = find_environment(view, **wish["environment"])
    return services.Inference(wish["entry_script"], snapshot, environment, wish["environment_variables"])
