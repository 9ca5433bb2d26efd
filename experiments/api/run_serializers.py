"""Runs as JSON."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from experiments import services
from experiments.metrics import encode
from experiments.models import Artifact, InputMode, LoggedValue, Metric, Run, RunEvent, RunInput
from experiments.querysets import RunQuerySet
from experiments.status import RunStatus

ROW_METRICS = 100  # of each run in a collection; the run itself shows all
TEXTS = {"type": "object", "additionalProperties": {"type": "string", "nullable": True}}
NUMBERS = {
    "type": "object",
    "additionalProperties": {"oneOf": [{"type": "number"}, {"type": "string"}], "nullable": True},
    "description": 'The last value of each name; what is not finite is "NaN", "Infinity" or "-Infinity".',
}


class EnvironmentNameSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(source="environment.name")
    version = serializers.IntegerField()


class PhaseSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    start = serializers.DateTimeField(allow_null=True, help_text="null: it has not begun")
    end = serializers.DateTimeField(allow_null=True, help_text="null: it goes on")
    reason = serializers.CharField(allow_blank=True)


class RunRowSerializer(serializers.ModelSerializer[Run]):
    """A run as collections show it, with its first hundred metrics by name; `prepared_rows` fetches what it reads."""

    id = serializers.CharField(source="uid")
    experiment = serializers.CharField(source="experiment.name")
    workspace = serializers.CharField(source="workspace.name")
    display_name = serializers.CharField()
    parent = serializers.CharField(source="parent.uid", default=None, allow_null=True)  # type: ignore[assignment]  # a field
    children_count = serializers.IntegerField()
    client_side = serializers.BooleanField(
        source="is_client_side", help_text="Started by a client that runs it itself; the portal only keeps what it logs"
    )
    status = serializers.ChoiceField(choices=RunStatus.choices)
    status_label = serializers.CharField(source="get_status_display")
    colour = serializers.CharField()
    arguments = serializers.ListField(child=serializers.CharField())
    target = serializers.CharField(source="compute_target.name", default=None, allow_null=True)
    environment = EnvironmentNameSerializer(source="environment_version", allow_null=True)
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    tags = serializers.SerializerMethodField()
    parameters = serializers.SerializerMethodField()
    properties = serializers.SerializerMethodField()
    metrics = serializers.SerializerMethodField()
    page = serializers.CharField(source="get_absolute_url")

    class Meta:
        model = Run
        fields = [
            "id",
            "number",
            "name",
            "display_name",
            "description",
            "experiment",
            "workspace",
            "parent",
            "children_count",
            "client_side",
            "status",
            "status_label",
            "colour",
            "script",
            "arguments",
            "target",
            "environment",
            "created_by",
            "created_at",
            "preparing_at",
            "queued_at",
            "started_at",
            "finalizing_at",
            "ended_at",
            "last_logged_at",
            "cancel_requested_at",
            "exit_code",
            "exit_signal",
            "tags",
            "parameters",
            "properties",
            "metrics",
            "revision",
            "page",
        ]

    RELATED = (
        "workspace",
        "experiment",
        "environment_version__environment",
        "compute_target",
        "created_by",
        "parent",
    )

    @staticmethod
    def prepared_rows(runs: RunQuerySet, chosen: frozenset[str] | None = None) -> QuerySet[Run]:
        """`chosen`: the fields that will be read, None for all."""
        metrics = Prefetch("metrics", Metric.objects.order_by("name")[:ROW_METRICS], to_attr="row_metrics")
        related = runs.with_children_count().select_related(*RunRowSerializer.RELATED)
        each: dict[str, Any] = {
            "tags": "tags",
            "parameters": "parameters",
            "properties": "properties",
            "metrics": metrics,
        }
        wanted = [rows for name, rows in each.items() if chosen is None or name in chosen]
        return related.prefetch_related(*wanted)

    @extend_schema_field(TEXTS)
    def get_tags(self, run: Run) -> dict[str, str | None]:
        return {tag.name: tag.value for tag in run.tags.all()}

    @extend_schema_field(TEXTS)
    def get_parameters(self, run: Run) -> dict[str, str]:
        return {parameter.name: parameter.value for parameter in run.parameters.all()}

    @extend_schema_field(TEXTS)
    def get_properties(self, run: Run) -> dict[str, str]:
        return {item.name: item.value for item in run.properties.all()}

    @extend_schema_field(NUMBERS)
    def get_metrics(self, run: Run) -> dict[str, Any]:
        metrics: list[Metric] = run.row_metrics  # type: ignore[attr-defined]  # of the prefetch
        return {metric.name: encode(metric.summary.last) for metric in metrics}


class RunInputDatasetSerializer(serializers.Serializer[Any]):
    uid = serializers.CharField()
    name = serializers.CharField(allow_blank=True, help_text="Empty: it has none")
    version = serializers.IntegerField(allow_null=True)


class RunInputSerializer(serializers.ModelSerializer[RunInput]):
    mode = serializers.ChoiceField(choices=InputMode.choices)
    dataset = RunInputDatasetSerializer(source="dataset_version")

    class Meta:
        model = RunInput
        fields = ["name", "mode", "dataset"]


class RunSerializer(RunRowSerializer):
    """One run with its phases and how it ended."""

    phases = serializers.SerializerMethodField()
    failure = serializers.JSONField(
        allow_null=True, help_text="{type, message, file, line, frames, log, offset, hint, exit_code, signal}"
    )
    skipped_files = serializers.JSONField(help_text="[[name, why], …] of what was not stored")
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What of its logged values was left out, and why"
    )
    snapshot = serializers.CharField(source="snapshot.uid", default=None, allow_null=True)
    inputs = RunInputSerializer(many=True, help_text="The datasets that it was given")
    rerun_of = serializers.CharField(source="rerun_of.uid", default=None, allow_null=True)

    class Meta(RunRowSerializer.Meta):
        fields = [
            *RunRowSerializer.Meta.fields,
            "deleted_at",
            "phases",
            "failure",
            "snapshot",
            "inputs",
            "rerun_of",
            "node",
            "wall_seconds",
            "skipped_files",
            "warnings",
            "log_cut_bytes",
            "output_bytes",
            "peak_memory_bytes",
            "cpu_seconds",
        ]

    @staticmethod
    def prepared(runs: RunQuerySet) -> QuerySet[Run]:
        related = runs.with_children_count().select_related(*RunRowSerializer.RELATED, "snapshot", "rerun_of", "build")
        metrics = Prefetch("metrics", to_attr="row_metrics")
        return related.prefetch_related("tags", "parameters", "properties", "inputs__dataset_version", metrics)

    @extend_schema_field(PhaseSerializer(many=True))
    def get_phases(self, run: Run) -> Any:
        return PhaseSerializer(services.phases(run), many=True).data


class RunEventSerializer(serializers.ModelSerializer[RunEvent]):
    old = serializers.ChoiceField(choices=RunStatus.choices, allow_blank=True)
    new = serializers.ChoiceField(choices=RunStatus.choices)
    actor = serializers.CharField(source="actor.username", default=None, allow_null=True)

    class Meta:
        model = RunEvent
        fields = ["old", "new", "reason", "actor", "at"]


class LogFileSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes")


class ArtifactSerializer(serializers.ModelSerializer[Artifact]):
    sha256 = serializers.CharField(source="blob_id")

    class Meta:
        model = Artifact
        fields = ["path", "size", "sha256", "created_at"]


class LoggedValueSerializer(serializers.ModelSerializer[LoggedValue]):
    value = serializers.JSONField(help_text="As in metrics.jsonl; numbers that are not finite are {'x': 'nan'}")

    class Meta:
        model = LoggedValue
        fields = ["name", "kind", "description", "value", "time"]


class MetricSummarySerializer(serializers.Serializer[Any]):
    """Values that are not finite are "NaN", "Infinity" or "-Infinity"."""

    name = serializers.CharField()
    description = serializers.CharField()
    count = serializers.IntegerField()
    last = serializers.FloatField(allow_null=True)
    last_step = serializers.IntegerField(allow_null=True)
    last_time = serializers.FloatField(allow_null=True, help_text="Epoch seconds")
    least = serializers.FloatField(allow_null=True)
    least_step = serializers.IntegerField(allow_null=True)
    most = serializers.FloatField(allow_null=True)
    most_step = serializers.IntegerField(allow_null=True)
    mean = serializers.FloatField(allow_null=True)
