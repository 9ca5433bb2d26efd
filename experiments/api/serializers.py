"""Snapshots, environments, builds, experiments and compute targets as JSON."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from experiments import services
from experiments.models import Environment, EnvironmentBuild, EnvironmentVersion, Experiment, Snapshot
from experiments.snapshots import guess_entry_script, guess_environment
from experiments.status import BuildStatus


class FileSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    size = serializers.IntegerField()


class IgnoredSerializer(FileSerializer):
    why = serializers.CharField(help_text="The ignore file, its line and the pattern")


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    files = serializers.SerializerMethodField()
    ignored = serializers.SerializerMethodField()
    notes = serializers.SerializerMethodField()
    suggested_script = serializers.SerializerMethodField()
    suggested_environment = serializers.SerializerMethodField()
    scripts = serializers.SerializerMethodField()

    class Meta:
        model = Snapshot
        fields = [
            "uid",
            "digest",
            "files",
            "ignored",
            "file_count",
            "size",
            "notes",
            "suggested_script",
            "suggested_environment",
            "scripts",
        ]

    @extend_schema_field(FileSerializer(many=True))
    def get_files(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        return [{"name": name, "size": size} for name, _, size in snapshot.entries]

    @extend_schema_field(IgnoredSerializer(many=True))
    def get_ignored(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        return [{"name": name, "size": size, "why": why} for name, size, why in snapshot.ignored]

    def get_notes(self, snapshot: Snapshot) -> list[str]:
        """What a person should know of how it was taken; told once, when it is."""
        return list(self.context.get("notes", ()))

    def get_suggested_script(self, snapshot: Snapshot) -> str | None:
        return guess_entry_script(_names(snapshot))

    def get_suggested_environment(self, snapshot: Snapshot) -> str | None:
        return guess_environment(_names(snapshot))

    def get_scripts(self, snapshot: Snapshot) -> list[str]:
        return [name for name in _names(snapshot) if name.endswith(".py")]


def _names(snapshot: Snapshot) -> list[str]:
    return [name for name, _, _ in snapshot.entries]


class NoteSerializer(serializers.Serializer[Any]):
    text = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    key = serializers.CharField(allow_null=True)


class FileErrorSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    key = serializers.CharField(allow_null=True)


class InterpreterSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field, not the attribute of fields
    platform = serializers.CharField()


class SpecSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(allow_null=True)
    python = serializers.CharField()
    requirements = serializers.ListField(child=serializers.CharField())
    provided = serializers.ListField(child=serializers.CharField())
    as_of = serializers.DateField(allow_null=True)


class CheckedSerializer(serializers.Serializer[Any]):
    """What a definition says, and what would be done with it; nothing is built."""

    spec = SpecSerializer(allow_null=True)
    interpreter = InterpreterSerializer(allow_null=True)
    notes = NoteSerializer(many=True)
    errors = FileErrorSerializer(many=True)  # type: ignore[assignment]


class BuildSerializer(serializers.ModelSerializer[EnvironmentBuild]):
    status = serializers.ChoiceField(choices=BuildStatus.choices)
    colour = serializers.CharField()
    changes = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = EnvironmentBuild
        fields = [
            "id",
            "node",
            "status",
            "colour",
            "changes",
            "error",
            "seconds",
            "size_bytes",
            "created_at",
            "ended_at",
            "cancel_requested_at",
        ]


class BuildLogSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(allow_blank=True)
    after = serializers.IntegerField(help_text="Ask with this number for what comes next")
    status = serializers.ChoiceField(choices=BuildStatus.choices)


class EnvironmentSerializer(serializers.ModelSerializer[Environment]):
    page = serializers.CharField(source="get_absolute_url")

    class Meta:
        model = Environment
        fields = ["name", "curated", "description", "last_version", "created_at", "page"]


class VersionRowSerializer(serializers.ModelSerializer[EnvironmentVersion]):
    name = serializers.CharField(source="environment.name")
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)

    class Meta:
        model = EnvironmentVersion
        fields = ["name", "version", "as_of", "python_version", "lock_key", "resolved_at", "created_by", "created_at"]


class VersionSerializer(VersionRowSerializer):
    notes = NoteSerializer(many=True)
    lock = serializers.CharField(source="lock_text", help_text="Pinned packages, one a line; empty until resolved")
    changes = serializers.SerializerMethodField()
    build = serializers.SerializerMethodField()

    class Meta(VersionRowSerializer.Meta):
        fields = [*VersionRowSerializer.Meta.fields, "definition", "notes", "lock", "changes", "build"]

    def get_changes(self, version: EnvironmentVersion) -> list[str]:
        """What its lock has that the environment's former lock had not."""
        return services.lock_difference(version)

    @extend_schema_field(BuildSerializer(allow_null=True))
    def get_build(self, version: EnvironmentVersion) -> Any:
        """The latest build."""
        build = version.builds.first()
        return BuildSerializer(build).data if build else None


class EnvironmentDetailSerializer(EnvironmentSerializer):
    latest = serializers.SerializerMethodField()

    class Meta(EnvironmentSerializer.Meta):
        fields = [*EnvironmentSerializer.Meta.fields, "latest"]

    @extend_schema_field(VersionSerializer(allow_null=True))
    def get_latest(self, environment: Environment) -> Any:
        version = environment.versions.select_related("environment", "created_by").first()
        return VersionSerializer(version).data if version else None


class ExperimentSerializer(serializers.ModelSerializer[Experiment]):
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    runs = serializers.IntegerField(source="last_number", help_text="Submitted so far")
    tags = serializers.DictField(child=serializers.CharField(allow_null=True))
    page = serializers.CharField(source="get_absolute_url")

    class Meta:
        model = Experiment
        fields = ["name", "description", "tags", "runs", "created_by", "created_at", "archived_at", "page"]


class NodeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    seen_at = serializers.DateTimeField()
    alive = serializers.BooleanField()
    details = serializers.DictField()


class ComputeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(source="target.name")
    description = serializers.CharField(source="target.description")
    shared = serializers.SerializerMethodField()
    slots = serializers.IntegerField()
    busy = serializers.IntegerField()
    waiting = serializers.IntegerField()
    nodes = NodeSerializer(many=True)

    def get_shared(self, item: dict[str, Any]) -> bool:
        """Whether every workspace may use it."""
        return item["target"].workspace_id is None
