"""Everything up to a finished run in Django admin: to look at, and to stop. What a run stands on cannot be edited."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from experiments import services
from experiments.models import (
    Artifact,
    BuildLogChunk,
    ComputeNode,
    ComputeTarget,
    DataFile,
    Dataset,
    DatasetFile,
    DatasetVersion,
    Environment,
    EnvironmentBuild,
    EnvironmentVersion,
    Experiment,
    FollowedFile,
    LogChunk,
    LoggedDataset,
    LoggedValue,
    Metric,
    MetricChunk,
    Parameter,
    Purge,
    RetentionRule,
    Run,
    RunEvent,
    RunInput,
    RunProperty,
    RunToken,
    SavedView,
    Snapshot,
    Tag,
    UploadedBlob,
)
from experiments.models.snapshots import SnapshotBlob
from mlportal.access.admin import RecordAdmin, do_for_each
from mlportal.access.models import User


@admin.register(ComputeTarget)
class ComputeTargetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "workspace", "slots", "description", "created_by", "created_at", "deleted_at")
    list_filter = ("workspace", ("deleted_at", admin.EmptyFieldListFilter))
    list_select_related = ("workspace", "created_by")
    search_fields = ("name", "description")
    autocomplete_fields = ("workspace",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("name", "workspace") if obj else ()  # queues of workers and runs that wait know it by name

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without "Delete selected": each is looked at by itself, on its own page."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Runs go to `local` where nobody names another, and it would be back at the next start.
        unused = obj is None or (obj.name != "local" and not obj.runs.exists())
        return unused and super().has_delete_permission(request, obj)


@admin.register(ComputeNode)
class ComputeNodeAdmin(RecordAdmin):
    list_display = ("name", "seen_at")
    search_fields = ("name",)


@admin.register(Experiment)
class ExperimentAdmin(RecordAdmin):
    list_display = ("name", "workspace", "last_number", "created_by", "created_at", "archived_at")
    list_filter = ("workspace", ("archived_at", admin.EmptyFieldListFilter))
    list_select_related = ("workspace", "created_by")
    search_fields = ("name", "description")
    date_hierarchy = "created_at"


class RunEventInline(admin.TabularInline):  # type: ignore[type-arg]
    model = RunEvent
    fields = readonly_fields = ("at", "old", "new", "reason", "actor")
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[RunEvent]:
        return super().get_queryset(request).select_related("actor")


@admin.register(Run)
class RunAdmin(RecordAdmin):
    list_display = (
        "display_name",
        "workspace",
        "status",
        "script",
        "compute_target",
        "node",
        "attempt",
        "created_by",
        "created_at",
        "last_logged_at",
        "ended_at",
    )
    list_filter = ("status", "workspace", "compute_target", ("parent", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("workspace", "experiment", "compute_target", "created_by")
    search_fields = ("uid", "name", "experiment__name", "created_by__username", "script")
    date_hierarchy = "created_at"
    hidden = ("environment_variables",)  # people put passwords there
    inlines = (RunEventInline,)
    actions = ("cancel",)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("experiments.change_run")

    @admin.action(description="Cancel the selected runs", permissions=["cancel"])
    def cancel(self, request: HttpRequest, runs: QuerySet[Run]) -> None:
        person = request.user
        assert isinstance(person, User)
        asked = runs.select_related("workspace", "experiment")
        do_for_each(self, request, asked, lambda run: services.cancel_run(run, by=person), "Cancel was requested")


@admin.register(EnvironmentBuild)
class EnvironmentBuildAdmin(RecordAdmin):
    list_display = ("id", "version", "node", "status", "seconds", "size_bytes", "created_at", "ended_at")
    list_filter = ("status", "node")
    list_select_related = ("version__environment",)
    search_fields = ("version__environment__name", "node", "error")
    date_hierarchy = "created_at"
    actions = ("cancel",)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("experiments.change_environmentbuild")

    @admin.action(description="Cancel the selected builds", permissions=["cancel"])
    def cancel(self, request: HttpRequest, builds: QuerySet[EnvironmentBuild]) -> None:
        person = request.user
        assert isinstance(person, User)
        asked = builds.select_related("version__environment__workspace")
        do_for_each(self, request, asked, lambda build: services.cancel_build(build, by=person), "Cancel was requested")


@admin.register(Environment)
class EnvironmentAdmin(RecordAdmin):
    list_display = ("name", "workspace", "curated", "last_version", "created_at")
    list_filter = ("curated", "workspace")
    list_select_related = ("workspace",)
    search_fields = ("name", "description")


@admin.register(EnvironmentVersion)
class EnvironmentVersionAdmin(RecordAdmin):
    list_display = ("environment", "version", "python_version", "as_of", "resolved_at", "created_by", "created_at")
    list_filter = ("python_version", "environment__workspace")
    list_select_related = ("environment", "created_by")
    search_fields = ("environment__name", "lock_key", "definition")
    date_hierarchy = "created_at"


@admin.register(Snapshot)
class SnapshotAdmin(RecordAdmin):
    list_display = ("uid", "workspace", "file_count", "size", "created_by", "created_at")
    list_filter = ("workspace",)
    list_select_related = ("workspace", "created_by")
    search_fields = ("uid", "digest")
    date_hierarchy = "created_at"


class OfRunAdmin(RecordAdmin):
    """Rows of one run, found by its uid."""

    list_select_related: ClassVar[tuple[str, ...]] = ("run__experiment",)
    search_fields: ClassVar[tuple[str, ...]] = ("run__uid",)


@admin.register(RunEvent)
class RunEventAdmin(OfRunAdmin):
    list_display = ("at", "run", "old", "new", "reason", "actor")
    list_filter = ("new",)
    list_select_related = ("run__experiment", "actor")
    date_hierarchy = "at"


@admin.register(RunToken)
class RunTokenAdmin(OfRunAdmin):
    list_display = ("id", "run", "created_at")
    hidden = ("digest",)


@admin.register(Artifact)
class ArtifactAdmin(OfRunAdmin):
    list_display = ("path", "run", "size", "created_at")
    search_fields = ("run__uid", "path", "blob__digest")


@admin.register(Metric)
class MetricAdmin(OfRunAdmin):
    list_display = ("name", "run", "count", "last", "least", "most", "updated_at")
    search_fields = ("run__uid", "name")


@admin.register(Parameter, RunProperty, Tag)
class NamedAdmin(OfRunAdmin):
    list_display = ("name", "value", "run")
    search_fields = ("run__uid", "name")


@admin.register(LoggedValue)
class LoggedValueAdmin(OfRunAdmin):
    list_display = ("name", "kind", "run")
    list_filter = ("kind",)
    search_fields = ("run__uid", "name")


@admin.register(LoggedDataset)
class LoggedDatasetAdmin(OfRunAdmin):
    list_display = ("name", "digest", "context", "source_type", "run")
    list_filter = ("source_type",)
    search_fields = ("run__uid", "name", "digest")


@admin.register(FollowedFile)
class FollowedFileAdmin(OfRunAdmin):
    list_display = ("name", "offset", "run")


class ChunkAdmin(RecordAdmin):
    """Packed bytes: their place is shown, the bytes are not even fetched."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("data")


@admin.register(LogChunk)
class LogChunkAdmin(ChunkAdmin):
    list_display = ("id", "run", "name", "offset")
    list_select_related = ("run__experiment",)
    search_fields = ("run__uid", "name")


@admin.register(MetricChunk)
class MetricChunkAdmin(ChunkAdmin):
    list_display = ("id", "metric", "first_step", "count")
    list_select_related = ("metric",)
    search_fields = ("metric__run__uid", "metric__name")


@admin.register(BuildLogChunk)
class BuildLogChunkAdmin(RecordAdmin):
    list_display = ("id", "build", "text")
    list_select_related = ("build__version__environment",)
    search_fields = ("build__version__environment__name",)


@admin.register(SnapshotBlob)
class SnapshotBlobAdmin(RecordAdmin):
    list_display = ("snapshot", "blob")
    list_select_related = ("snapshot", "blob")
    search_fields = ("snapshot__uid", "blob__digest")


@admin.register(UploadedBlob)
class UploadedBlobAdmin(RecordAdmin):
    list_display = ("blob", "workspace", "by", "at")
    list_select_related = ("blob", "workspace", "by")
    search_fields = ("blob__digest__startswith",)
    date_hierarchy = "at"


@admin.register(DataFile)
class DataFileAdmin(RecordAdmin):
    list_display = ("path", "workspace", "size", "updated_by", "updated_at")
    list_filter = ("workspace",)
    list_select_related = ("workspace", "updated_by")
    search_fields = ("path", "blob__digest")
    date_hierarchy = "updated_at"


@admin.register(Dataset)
class DatasetAdmin(RecordAdmin):
    list_display = ("name", "workspace", "last_version", "created_by", "created_at")
    list_filter = ("workspace",)
    list_select_related = ("workspace", "created_by")
    search_fields = ("name",)
    date_hierarchy = "created_at"


@admin.register(DatasetVersion)
class DatasetVersionAdmin(RecordAdmin):
    list_display = ("__str__", "workspace", "kind", "file_count", "size", "created_by", "created_at")
    list_filter = ("kind", "workspace")
    list_select_related = ("workspace", "created_by")
    search_fields = ("uid", "name")
    date_hierarchy = "created_at"


@admin.register(DatasetFile)
class DatasetFileAdmin(RecordAdmin):
    list_display = ("path", "dataset_version", "size")
    list_select_related = ("dataset_version",)
    search_fields = ("path", "dataset_version__uid", "dataset_version__name", "blob__digest")


@admin.register(RunInput)
class RunInputAdmin(OfRunAdmin):
    list_display = ("name", "run", "dataset_version", "mode")
    list_select_related = ("run__experiment", "dataset_version")
    search_fields = ("run__uid", "name", "dataset_version__uid", "dataset_version__name")


@admin.register(Purge)
class PurgeAdmin(RecordAdmin):
    list_display = ("__str__", "workspace", "by", "why", "expected_bytes", "freed_bytes", "created_at", "ended_at")
    list_filter = ("workspace", ("ended_at", admin.EmptyFieldListFilter))
    list_select_related = ("workspace", "by")
    search_fields = ("uid", "by__username")
    date_hierarchy = "created_at"


@admin.register(RetentionRule)
class RetentionRuleAdmin(RecordAdmin):
    list_display = ("__str__", "enabled", "older_than_days", "keep_best", "metric", "purge_days", "applied_at")
    list_filter = ("enabled", "workspace")
    list_select_related = ("workspace", "experiment")
    search_fields = ("experiment__name", "workspace__name")
    date_hierarchy = "created_at"


@admin.register(SavedView)
class SavedViewAdmin(RecordAdmin):
    list_display = ("name", "workspace", "experiment", "created_by", "updated_at")
    list_filter = ("workspace",)
    list_select_related = ("workspace", "experiment", "created_by")
    search_fields = ("uid", "name")
