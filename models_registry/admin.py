"""Models and services in Django admin: to look at, and to stop."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from mlportal.access.admin import RecordAdmin, do_for_each
from mlportal.access.models import User
from models_registry import services
from models_registry.models import (
    ActualValue,
    Deployment,
    DeploymentEvent,
    Disagreement,
    DriftReport,
    GoldenReplay,
    GoldenRequest,
    MirrorCount,
    ModelAlias,
    ModelFile,
    ModelVersion,
    Part,
    RegisteredModel,
    ReplicaMeasure,
    RequestLog,
    Revision,
    SampledRequest,
    Served,
    ServiceLoad,
    ServiceMeasure,
    ServiceReplica,
    ServiceTotal,
    ServingLease,
    TrainingSample,
    Watch,
)


@admin.register(RegisteredModel)
class RegisteredModelAdmin(RecordAdmin):
    list_display = ("name", "workspace", "last_version", "created_by", "created_at")
    list_filter = ("workspace",)
    list_select_related = ("workspace", "created_by")
    search_fields = ("name", "description")
    date_hierarchy = "created_at"


@admin.register(ModelVersion)
class ModelVersionAdmin(RecordAdmin):
    list_display = ("model", "version", "framework", "framework_version", "path", "size", "created_by", "created_at")
    list_filter = ("framework", "model__workspace")
    list_select_related = ("model", "created_by")
    search_fields = ("model__name", "description", "run__uid", "path")
    date_hierarchy = "created_at"


@admin.register(ModelAlias)
class ModelAliasAdmin(RecordAdmin):
    list_display = ("name", "model", "version")
    list_select_related = ("model", "version__model")
    search_fields = ("name", "model__name")


@admin.register(ModelFile)
class ModelFileAdmin(RecordAdmin):
    list_display = ("path", "version", "size")
    list_select_related = ("version__model",)
    search_fields = ("version__model__name", "path", "blob__digest")


@admin.register(TrainingSample)
class TrainingSampleAdmin(RecordAdmin):
    list_display = ("version", "rows", "of_rows", "target", "source", "size", "created_by", "created_at")
    list_select_related = ("version__model", "created_by")
    search_fields = ("version__model__name", "source")
    date_hierarchy = "created_at"


@admin.register(GoldenRequest)
class GoldenRequestAdmin(RecordAdmin):
    list_display = ("name", "version", "method", "is_recorded", "created_by", "created_at")
    list_select_related = ("version__model", "created_by")
    search_fields = ("name", "version__model__name")
    date_hierarchy = "created_at"


@admin.register(GoldenReplay)
class GoldenReplayAdmin(RecordAdmin):
    list_display = ("deployment", "label", "refused", "accepted", "at")
    list_select_related = ("deployment", "refused")
    search_fields = ("deployment__name", "label")
    date_hierarchy = "at"


@admin.register(Deployment)
class DeploymentAdmin(RecordAdmin):
    list_display = ("name", "workspace", "status", "wanted", "revision", "live_revision", "generation", "updated_at")
    list_filter = ("status", "wanted", "workspace")
    list_select_related = ("workspace", "revision", "live_revision")
    search_fields = ("name", "description", "revision__label")
    date_hierarchy = "created_at"
    hidden = ("primary_nonce", "secondary_nonce")  # the keys are made of them
    actions = ("stop",)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("models_registry.change_deployment")

    @admin.action(description="Stop the selected services", permissions=["stop"])
    def stop(self, request: HttpRequest, deployments: QuerySet[Deployment]) -> None:
        person = request.user
        assert isinstance(person, User)
        asked = deployments.select_related("workspace", "revision")
        do_for_each(self, request, asked, lambda one: services.stop(one, by=person), "Stopped")


@admin.register(Revision)
class RevisionAdmin(RecordAdmin):
    list_display = ("label", "workspace", "entry_script", "environment_version", "created_at")
    list_filter = ("workspace",)
    list_select_related = ("workspace", "environment_version__environment")
    search_fields = ("label", "entry_script", "wanted_by__name")
    date_hierarchy = "created_at"
    hidden = ("environment_variables",)  # people put passwords there


@admin.register(Part)
class PartAdmin(RecordAdmin):
    list_display = ("revision", "version")
    list_select_related = ("revision", "version__model")
    search_fields = ("revision__label", "version__model__name")


class OfDeploymentAdmin(RecordAdmin):
    list_select_related: ClassVar[tuple[str, ...]] = ("deployment",)
    search_fields = ("deployment__name",)
    date_hierarchy = "at"


@admin.register(DeploymentEvent)
class DeploymentEventAdmin(OfDeploymentAdmin):
    list_display = ("at", "deployment", "old", "new", "reason", "actor")
    list_filter = ("new",)
    list_select_related = ("deployment", "actor")


@admin.register(RequestLog)
class RequestLogAdmin(OfDeploymentAdmin):
    list_display = ("at", "deployment", "method", "status", "latency_ms", "rows", "version")
    list_filter = ("status",)


@admin.register(ServiceMeasure)
class ServiceMeasureAdmin(OfDeploymentAdmin):
    list_display = ("at", "seconds", "deployment", "version", "requests", "rows", "batches", "most_waiting")
    list_filter = ("seconds",)


@admin.register(ServiceTotal)
class ServiceTotalAdmin(OfDeploymentAdmin):
    list_display = ("deployment", "version", "requests", "rows", "updated_at")
    date_hierarchy = "updated_at"


@admin.register(ReplicaMeasure)
class ReplicaMeasureAdmin(OfDeploymentAdmin):
    list_display = ("at", "seconds", "deployment", "version", "replica", "memory_bytes")
    list_filter = ("seconds",)


@admin.register(ServiceReplica)
class ServiceReplicaAdmin(RecordAdmin):
    list_display = ("deployment", "revision", "number", "state", "node", "pid", "memory_bytes", "restarts")
    list_filter = ("state", "node")
    list_select_related = ("deployment", "revision")
    search_fields = ("deployment__name", "revision__label")


@admin.register(ServiceLoad)
class ServiceLoadAdmin(OfDeploymentAdmin):
    list_display = ("deployment", "gateway", "at", "in_flight")


@admin.register(Watch)
class WatchAdmin(OfDeploymentAdmin):
    list_display = ("deployment", "sample_percent", "sample_rows", "updated_at")
    date_hierarchy = "updated_at"


@admin.register(SampledRequest)
class SampledRequestAdmin(OfDeploymentAdmin):
    list_display = ("at", "deployment", "version", "request_id", "method", "rows")


@admin.register(ActualValue)
class ActualValueAdmin(RecordAdmin):
    list_display = ("at", "sampled", "row", "value", "predicted")
    list_select_related = ("sampled",)
    search_fields = ("sampled__request_id", "sampled__deployment__name")


@admin.register(DriftReport)
class DriftReportAdmin(OfDeploymentAdmin):
    list_display = ("at", "deployment", "version", "rows", "flag", "problem")
    list_filter = ("flag",)


@admin.register(Served)
class ServedAdmin(OfDeploymentAdmin):
    list_display = ("deployment", "version", "share", "since", "until", "actor")
    list_select_related = ("deployment", "actor")
    date_hierarchy = "since"


@admin.register(MirrorCount)
class MirrorCountAdmin(RecordAdmin):
    list_display = ("deployment", "revision", "same", "different", "failed", "dropped")
    list_select_related = ("deployment", "revision")
    search_fields = ("deployment__name",)


@admin.register(Disagreement)
class DisagreementAdmin(OfDeploymentAdmin):
    list_display = ("at", "deployment", "version", "candidate", "method", "what")


@admin.register(ServingLease)
class ServingLeaseAdmin(RecordAdmin):
    list_display = ("node", "folder", "until")
    search_fields = ("node",)
    hidden = ("token",)
