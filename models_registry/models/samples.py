from django.conf import settings
from django.db import models
from django.utils import timezone

from mlportal.access.querysets import ReadByRuns
from mlportal.blobs.models import Blob
from models_registry.models.registry import ModelVersion


class TrainingSampleQuerySet(ReadByRuns["TrainingSample"]):
    workspace_path = "version__model__workspace"


class TrainingSample(models.Model):
    """Rows that a version was trained on: what its inputs look like, which the test console and drift compare with."""

    version = models.OneToOneField(ModelVersion, models.CASCADE, related_name="sample")
    blob = models.ForeignKey(
        Blob, models.PROTECT, related_name="+", help_text="The rows kept, as CSV; services.read_sample reads it"
    )
    size = models.BigIntegerField()
    rows = models.PositiveIntegerField(help_text="Kept; all figures are of these")
    of_rows = models.BigIntegerField(help_text="In the file that was handed over")
    columns = models.JSONField(
        help_text="[{name, kind, missing, distinct, …}, …]: see models_registry/tables/describing.py"
    )
    target = models.CharField(max_length=250, blank=True, help_text="The column that is predicted; empty: not known")
    source = models.CharField(max_length=1024, blank=True, help_text="Where it came from: a file's name, a dataset")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TrainingSampleQuerySet.as_manager()

    def __str__(self) -> str:
        return f"sample of {self.version}"
