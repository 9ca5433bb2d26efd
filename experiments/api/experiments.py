"""Experiments, and the compute targets that a workspace may use."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.serializers import ComputeSerializer, ExperimentSerializer
from experiments.filters import ExperimentFilter
from experiments.models import Experiment
from mlportal.api.views import ApiView, DetailView, ListView, get_or_404


class Experiments(ListView[Experiment]):
    queryset = Experiment.objects.none()
    serializer_class = ExperimentSerializer
    filterset_class = ExperimentFilter

    def get_queryset(self) -> QuerySet[Experiment]:
        return self.workspace.experiments.select_related("workspace", "created_by")


class ExperimentDetail(DetailView[Experiment]):
    serializer_class = ExperimentSerializer

    def get_object(self) -> Experiment:
        return get_or_404(
            self.workspace.experiments.select_related("workspace", "created_by"), name=self.kwargs["name"]
        )


class Compute(ApiView):
    @extend_schema(responses=ComputeSerializer(many=True))
    def get(self, request: Request, workspace: str) -> Response:
        """The targets with their slots, those that wait, and the machines behind them."""
        return Response(ComputeSerializer(services.compute_overview(self.workspace), many=True).data)
