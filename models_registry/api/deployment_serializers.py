"""What the API answers of services."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from models_registry.api.model_serializers import LineageSerializer
from models_registry.models import (
    Deployment,
    DeploymentEvent,
    Disagreement,
    GoldenReplay,
    MirrorCount,
    RequestLog,
    Revision,
    Served,
    ServiceReplica,
)
from models_registry.services import example_request
from models_registry.services.traffic import previous
from models_registry.status import DeploymentStatus, ReplicaState


class DeploymentRowSerializer(serializers.ModelSerializer[Deployment]):
    workspace = serializers.CharField(source="workspace.name")
    tags = serializers.DictField(child=serializers.CharField())
    status = serializers.ChoiceField(choices=DeploymentStatus.choices)
    status_label = serializers.CharField(source="get_status_display")
    colour = serializers.CharField()
    version = serializers.CharField(
        source="revision.label",
        help_text="What is wanted, as people call it: name:version, or a script with its models",
    )
    live_version = serializers.SerializerMethodField()
    models = serializers.SerializerMethodField()
    entry_script = serializers.CharField(source="revision.entry_script", help_text="Empty: the model serves itself")
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    page = serializers.CharField(source="get_absolute_url")

    class Meta:
        model = Deployment
        fields = [
            "name",
            "workspace",
            "description",
            "tags",
            "status",
            "status_label",
            "colour",
            "version",
            "live_version",
            "models",
            "entry_script",
            "scoring_path",
            "auth_enabled",
            "failure",
            "created_by",
            "created_at",
            "page",
        ]

    def get_live_version(self, deployment: Deployment) -> str | None:
        """What answers, as people call it; null when nothing does."""
        return str(deployment.live_revision) if deployment.live_revision else None

    @extend_schema_field(LineageSerializer(many=True))
    def get_models(self, deployment: Deployment) -> list[dict[str, Any]]:
        """What is wanted."""
        return [{"name": each.model.name, "version": each.version} for each in deployment.revision.versions]


class ReplicaLimitsSerializer(serializers.Serializer[Any]):
    """What the process may use, and by what that is enforced."""

    memory_bytes = serializers.IntegerField(allow_null=True)
    memory_by = serializers.ChoiceField(
        choices=["cgroup", "rlimit"], help_text="rlimit: of each process, and all together are watched"
    )
    cores = serializers.FloatField()
    cpu_by = serializers.ChoiceField(
        choices=["cgroup", "affinity", "threads"],
        help_text="affinity: it is kept to `processors`; threads: it is only told how many to start",
    )
    processors = serializers.ListField(child=serializers.IntegerField())


class ReplicaSerializer(serializers.ModelSerializer[ServiceReplica]):
    """A process that answers, or is to."""

    version = serializers.CharField(source="revision.label")
    state = serializers.ChoiceField(choices=ReplicaState.choices)
    limits = ReplicaLimitsSerializer(allow_null=True)

    class Meta:
        model = ServiceReplica
        fields = [
            "version",
            "number",
            "state",
            "node",
            "pid",
            "started_at",
            "memory_bytes",
            "restarts",
            "problem",
            "limits",
        ]


class ScalingSerializer(serializers.ModelSerializer[Deployment]):
    """How many replicas it has: as many as `min_replicas`, or up to `max_replicas` by its load."""

    autoscale_enabled = serializers.BooleanField(source="scales")
    autoscale_target_utilization = serializers.IntegerField(
        source="target_utilization", help_text="Percent of a replica: at 70, more than 0.7 requests at once start one"
    )
    autoscale_refresh_seconds = serializers.IntegerField(source="refresh_seconds")
    reason = serializers.CharField(source="scaling", help_text="Of the last change of their number")

    class Meta:
        model = Deployment
        fields = [
            "min_replicas",
            "max_replicas",
            "desired_replicas",
            "autoscale_enabled",
            "autoscale_target_utilization",
            "autoscale_refresh_seconds",
            "reason",
        ]


class InferenceSerializer(serializers.Serializer[Any]):
    """How the models are served; the values of the variables, which may be passwords, are not told."""

    entry_script = serializers.CharField()
    snapshot = serializers.CharField(source="snapshot.uid", default=None, allow_null=True)
    environment = serializers.SerializerMethodField()
    environment_variables = serializers.SerializerMethodField()
    note = serializers.CharField(help_text="How the environment was chosen, where nobody gave one")

    @extend_schema_field(LineageSerializer())
    def get_environment(self, revision: Revision) -> dict[str, Any]:
        version = revision.environment_version
        return {"name": version.environment.name, "version": version.version}

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_environment_variables(self, revision: Revision) -> list[str]:
        return sorted(revision.environment_variables)


class GoldenResultSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    method = serializers.CharField()
    passed = serializers.BooleanField()
    problem = serializers.CharField(help_text="answers [1, 2] instead of [0, 2]")
    seconds = serializers.FloatField()


class GoldenReplaySerializer(serializers.ModelSerializer[GoldenReplay]):
    """What came of the golden requests when something new was last started."""

    refused = serializers.CharField(
        source="refused.label", default=None, allow_null=True, help_text="What was not made live; accept-changes/ does"
    )
    passed = serializers.BooleanField()
    results = GoldenResultSerializer(many=True)

    class Meta:
        model = GoldenReplay
        fields = ["label", "passed", "refused", "accepted", "results", "at"]


class MirrorCountSerializer(serializers.ModelSerializer[MirrorCount]):
    class Meta:
        model = MirrorCount
        fields = ["same", "different", "failed", "dropped"]


class CandidateSerializer(serializers.Serializer[Deployment]):
    """A second version beside the one that answers."""

    version = serializers.CharField(source="candidate.label")
    percent = serializers.IntegerField(source="candidate_percent", help_text="Of the requests, which it answers")
    mirror = serializers.IntegerField(source="mirror_percent", help_text="Of the others, of which it gets a copy")
    mirrored = serializers.SerializerMethodField()

    @extend_schema_field(MirrorCountSerializer(allow_null=True))
    def get_mirrored(self, deployment: Deployment) -> Any:
        """What became of the copies."""
        row = deployment.mirror_counts.filter(revision=deployment.candidate_id).first()
        return MirrorCountSerializer(row).data if row else None


class DeploymentSerializer(DeploymentRowSerializer):
    inference = InferenceSerializer(source="revision")
    cpu = serializers.FloatField(source="revision.cpu", allow_null=True, help_text="Null: what the models ask for")
    memory_gb = serializers.FloatField(
        source="revision.memory_gb", allow_null=True, help_text="Null: what the models ask for"
    )
    golden = GoldenReplaySerializer(source="golden_replay", default=None, allow_null=True)
    replicas = ReplicaSerializer(many=True)
    scaling = ScalingSerializer(source="*")
    candidate = serializers.SerializerMethodField()
    earlier_version = serializers.SerializerMethodField()
    standby_until = serializers.DateTimeField(
        allow_null=True, help_text="Until then going back to the earlier version takes no start"
    )
    signature = serializers.DictField(allow_null=True, help_text="What the model or the script says of itself")
    example = serializers.SerializerMethodField()

    class Meta(DeploymentRowSerializer.Meta):
        fields = [
            *DeploymentRowSerializer.Meta.fields,
            "inference",
            "cpu",
            "memory_gb",
            "golden",
            "replicas",
            "scaling",
            "candidate",
            "earlier_version",
            "standby_until",
            "signature",
            "example",
        ]

    @extend_schema_field(CandidateSerializer(allow_null=True))
    def get_candidate(self, deployment: Deployment) -> Any:
        return CandidateSerializer(deployment).data if deployment.candidate_id else None

    def get_earlier_version(self, deployment: Deployment) -> str | None:
        """What can be gone back to."""
        found = previous(deployment)
        return str(found) if found else None

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_example(self, deployment: Deployment) -> dict[str, Any] | None:
        """A body for `score` that it takes."""
        return example_request(deployment)


class ServedSerializer(serializers.ModelSerializer[Served]):
    actor = serializers.CharField(source="actor.username", default=None, allow_null=True)

    class Meta:
        model = Served
        fields = ["version", "share", "since", "until", "why", "actor"]


class DisagreementSerializer(serializers.ModelSerializer[Disagreement]):
    class Meta:
        model = Disagreement
        fields = ["at", "version", "candidate", "method", "what", "request", "answer", "other"]


class DeploymentEventSerializer(serializers.ModelSerializer[DeploymentEvent]):
    actor = serializers.CharField(source="actor.username", default=None, allow_null=True)

    class Meta:
        model = DeploymentEvent
        fields = ["old", "new", "reason", "actor", "at"]


class DeploymentLogSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=DeploymentStatus.choices)
    failure = serializers.CharField(allow_blank=True)
    text = serializers.CharField(source="log", allow_blank=True, help_text="The last lines of the model worker")


class KeysSerializer(serializers.Serializer[Any]):
    primary = serializers.CharField()
    secondary = serializers.CharField()


class NewKeySerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    value = serializers.CharField()


class RequestLogSerializer(serializers.ModelSerializer[RequestLog]):
    class Meta:
        model = RequestLog
        fields = ["at", "method", "status", "latency_ms", "rows", "version", "request", "response", "error"]
