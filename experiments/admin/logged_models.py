"""Models that runs logged, to look at: MLflow's clients write them."""

from django.contrib import admin

from experiments.models import LoggedModel, LoggedModelFile, LoggedModelMetric, LoggedModelUse
from mlportal.access.admin import RecordAdmin


@admin.register(LoggedModel)
class LoggedModelAdmin(RecordAdmin):
    list_display = ("uid", "name", "workspace", "experiment", "run", "status", "size", "created_by", "created_at")
    list_filter = ("status", "workspace")
    list_select_related = ("workspace", "experiment", "run__experiment", "created_by")
    search_fields = ("uid", "name", "run__uid")
    date_hierarchy = "created_at"


@admin.register(LoggedModelFile)
class LoggedModelFileAdmin(RecordAdmin):
    list_display = ("path", "model", "size")
    list_select_related = ("model",)
    search_fields = ("model__uid", "path", "blob__digest")


@admin.register(LoggedModelMetric)
class LoggedModelMetricAdmin(RecordAdmin):
    list_display = ("name", "model", "value", "step", "dataset_name")
    list_select_related = ("model",)
    search_fields = ("model__uid", "name")


@admin.register(LoggedModelUse)
class LoggedModelUseAdmin(RecordAdmin):
    list_display = ("id", "run", "model", "kind", "step")
    list_select_related = ("run__experiment", "model")
    search_fields = ("run__uid", "model__uid")
