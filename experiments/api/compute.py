"""The compute targets that a workspace may use: its own, and those that all workspaces share."""

from django.db.models import F
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.inputs import ComputeChange, ComputeInput
from experiments.api.serializers import ComputeSerializer
from experiments.models import ComputeTarget
from experiments.services.compute import look_at
from mlportal.api.views import ApiView, created, get_or_404, validated


class Compute(ApiView):
    output = ComputeSerializer

    @extend_schema(responses=ComputeSerializer(many=True))
    def get(self, request: Request, workspace: str) -> Response:
        """The targets with their slots, those that wait, and the machines behind them."""
        return Response(ComputeSerializer(services.compute_overview(self.workspace), many=True).data)

    @extend_schema(request=ComputeInput, responses={201: ComputeSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Make a target of this workspace; 409 when the workspace can use one of this name already."""
        wish = validated(ComputeInput, request.data)
        target = services.create_target(self.workspace, **wish, by=self.person)
        return created(shown(target), "workspaces", self.workspace.name, "compute", target.name)


class ComputeDetail(ApiView):
    output = ComputeSerializer

    @extend_schema(responses=ComputeSerializer)
    def get(self, request: Request, workspace: str, name: str) -> Response:
        """One target, as in the list."""
        return Response(shown(target_of(self)))

    @extend_schema(request=ComputeChange, responses=ComputeSerializer)
    def patch(self, request: Request, workspace: str, name: str) -> Response:
        """Change the slots or the description of a target of this workspace; what is left out stays."""
        changes = validated(ComputeChange, request.data)
        return Response(shown(services.update_target(target_of(self), **changes, by=self.person)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, name: str) -> Response:
        """Delete a target of this workspace; 409 while a run on it has not ended. Runs of the past go on naming it."""
        services.delete_target(target_of(self), by=self.person)
        return Response(status=204)


def target_of(view: ApiView) -> ComputeTarget:
    """The workspace's own one of this name, else the shared one."""
    usable = ComputeTarget.objects.usable_in(view.workspace).select_related("workspace")
    return get_or_404(usable.order_by(F("workspace").asc(nulls_last=True)), name=view.kwargs["name"])


def shown(target: ComputeTarget) -> object:
    return ComputeSerializer(look_at(ComputeTarget.objects.filter(pk=target.pk))[0]).data
