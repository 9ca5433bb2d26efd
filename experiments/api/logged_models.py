"""Models that a run logged in MLflow 3's way, to look at; MLflow's clients write them, and registering is in `models/`."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from experiments.api.runs import run_of
from experiments.models import LoggedModel, LoggedModelFile, LoggedModelMetric
from mlportal.api.permissions import SignedInUserOrRun
from mlportal.api.views import ListView


class LoggedModelFileSerializer(serializers.ModelSerializer[LoggedModelFile]):
    sha256 = serializers.CharField(source="blob_id")

    class Meta:
        model = LoggedModelFile
        fields = ["path", "size", "sha256"]


class LoggedModelMetricSerializer(serializers.ModelSerializer[LoggedModelMetric]):
    class Meta:
        model = LoggedModelMetric
        fields = ["name", "value", "is_nan", "step", "dataset_name", "dataset_digest"]

    def to_representation(self, instance: LoggedModelMetric) -> Any:
        shape = super().to_representation(instance)
        value = instance.value
        return {**shape, "value": value if value is None or abs(value) != float("inf") else None}


class LoggedModelSerializer(serializers.ModelSerializer[LoggedModel]):
    id = serializers.CharField(source="uid")
    params = serializers.DictField(child=serializers.CharField())
    tags = serializers.DictField(child=serializers.CharField())
    metrics = LoggedModelMetricSerializer(many=True, help_text="The last value of each; null is not finite")
    files = LoggedModelFileSerializer(many=True)

    class Meta:
        model = LoggedModel
        fields = [
            "id",
            "name",
            "model_type",
            "status",
            "params",
            "tags",
            "metrics",
            "size",
            "files",
            "created_at",
            "updated_at",
        ]


class LoggedModels(ListView[LoggedModel]):
    """The models that the run logged, newest first."""

    permission_classes = [SignedInUserOrRun]
    queryset = LoggedModel.objects.none()
    serializer_class = LoggedModelSerializer

    def get_queryset(self) -> QuerySet[LoggedModel]:
        found = LoggedModel.objects.filter(run=run_of(self), deleted_at=None)
        return found.prefetch_related("metrics", "files")
