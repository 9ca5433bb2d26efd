"""What the API answers of models and their versions."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from models_registry.models import (
    ModelAlias,
    ModelFile,
    ModelVersion,
    RegisteredModel,
)


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
