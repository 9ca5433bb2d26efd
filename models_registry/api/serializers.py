"""What the registry's part of the API answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from models_registry.models import (
    Deployment,
    DeploymentEvent,
    Disagreement,
    GoldenReplay,
    MirrorCount,
    ModelAlias,
    ModelFile,
    ModelVersion,
    RegisteredModel,
    RequestLog,
    Revision,
    Served,
    ServiceReplica,
)
from models_registry.services import example_request
from models_registry.services.traffic import previous
from models_registry.status import DeploymentStatus, ReplicaState


class ModelFileSerializer(serializers.ModelSerializer[ModelFile]):
    sha256 = serializers.CharField(source="blob_id")

    class Meta:
        model = ModelFile
        fields = ["path", "size", "sha256"]


class InspectionSerializer(serializers.Serializer[Any]):
    """What the model file imports when it is loaded. No verdict means that it is safe."""

    verdict = serializers.ChoiceField(choices=["known", "unknown", "dangerous", "unreadable"])
    format = serializers.CharField()
    message = serializers.CharField()
    imports = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField()), help_text="[[module, name, verdict], …]"
    )


class LineageSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.IntegerField()


class AliasSerializer(serializers.ModelSerializer[ModelAlias]):
    version = serializers.IntegerField(source="version.version")

    class Meta:
        model = ModelAlias
        fields = ["name", "version"]


class SignatureSerializer(serializers.Serializer[Any]):
    """What MLflow's client wrote down of the model's input and output; null where it wrote nothing."""

    inputs = serializers.JSONField(allow_null=True, help_text="MLflow's columns or tensors")
    outputs = serializers.JSONField(allow_null=True)
    params = serializers.JSONField(allow_null=True)


class MlmodelSerializer(serializers.Serializer[Any]):
    """What the version's `MLmodel` says."""

    flavors = serializers.DictField(default=dict)
    signature = SignatureSerializer(allow_null=True, default=None)
    mlflow_version = serializers.CharField(allow_null=True, default=None)
    problem = serializers.CharField(allow_null=True, default=None, help_text="Why it could not be read")


class ModelVersionRowSerializer(serializers.ModelSerializer[ModelVersion]):
    id = serializers.CharField(source="__str__", help_text="name:version")
    name = serializers.CharField(source="model.name")
    workspace = serializers.CharField(source="model.workspace.name")
    run = serializers.SerializerMethodField()
    logged_model = serializers.CharField(source="logged_model.uid", default=None, allow_null=True)
    aliases = serializers.SlugRelatedField[ModelAlias](slug_field="name", many=True, read_only=True)
    environment = serializers.SerializerMethodField()
    verdict = serializers.SerializerMethodField()
    tags = serializers.DictField(child=serializers.CharField())
    properties = serializers.DictField(child=serializers.CharField())
    deployments = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    page = serializers.CharField(source="get_absolute_url")

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "name",
            "version",
            "workspace",
            "run",
            "logged_model",
            "path",
            "stage",
            "aliases",
            "environment",
            "framework",
            "framework_version",
            "cpu",
            "memory_gb",
            "description",
            "tags",
            "properties",
            "size",
            "verdict",
            "deployments",
            "created_by",
            "created_at",
            "updated_at",
            "page",
        ]

    def get_run(self, version: ModelVersion) -> str | None:
        """Its id, that of one which is deleted for good, too; null for files of somebody's own."""
        if version.run is None:
            return str(version.lineage["run"]) if version.lineage else None
        return version.run.uid

    @extend_schema_field(LineageSerializer(allow_null=True))
    def get_environment(self, version: ModelVersion) -> dict[str, Any] | None:
        environment = version.environment_version
        return {"name": environment.environment.name, "version": environment.version} if environment else None

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_deployments(self, version: ModelVersion) -> list[str]:
        return [deployment.name for deployment in version.deployments]

    def get_verdict(self, version: ModelVersion) -> str | None:
        """Of the inspection; null while the file has not been looked into."""
        return version.inspection["verdict"] if version.inspection else None


class ModelVersionSerializer(ModelVersionRowSerializer):
    snapshot = serializers.CharField(source="snapshot.uid", default=None, allow_null=True)
    lineage = serializers.JSONField(
        allow_null=True,
        help_text="Of a run that is deleted for good: {run, name, number, experiment, script, arguments, created_by, started_at, "
        "ended_at, parameters, metrics}",
    )
    lock = serializers.CharField(source="environment_version.lock_text", default="", help_text="Pinned packages")
    files = ModelFileSerializer(many=True)
    inspection = InspectionSerializer(allow_null=True)
    mlmodel = MlmodelSerializer(allow_null=True)

    class Meta(ModelVersionRowSerializer.Meta):
        fields = [
            *ModelVersionRowSerializer.Meta.fields,
            "source",
            "snapshot",
            "lineage",
            "lock",
            "files",
            "inspection",
            "mlmodel",
        ]


class ModelSerializer(serializers.ModelSerializer[RegisteredModel]):
    versions = serializers.IntegerField(source="version_count", help_text="Those that are there")
    tags = serializers.DictField(child=serializers.CharField())
    aliases = AliasSerializer(many=True)
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    page = serializers.CharField(source="get_absolute_url")

    class Meta:
        model = RegisteredModel
        fields = [
            "name",
            "description",
            "tags",
            "aliases",
            "last_version",
            "versions",
            "created_by",
            "created_at",
            "updated_at",
            "page",
        ]


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
