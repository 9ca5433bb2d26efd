"""Models that runs log in MLflow 3's way: objects of their own, with files, parameters, tags and metrics."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from experiments.models.experiments import Experiment
from experiments.models.runs import Run
from mlportal.access.models import Workspace
from mlportal.access.principals import RunPrincipal
from mlportal.access.querysets import WorkspaceScoped
from mlportal.blobs.models import Blob
from mlportal.uid import new_uid


def new_model_uid() -> str:
    return f"m-{new_uid()}"


class LoggedModelQuerySet(WorkspaceScoped["LoggedModel"]):
    def visible_to(self, principal: Any, workspace: Any = None) -> "LoggedModelQuerySet":
        """A run's token sees what is of its run and of that run's descendants; nobody what is being deleted for good."""
        there = self.filter(run__purge=None)
        if isinstance(principal, RunPrincipal):
            return there.filter(run__in=Run.objects.visible_to(principal, workspace).values("pk"))
        return super(LoggedModelQuerySet, there).visible_to(principal, workspace)

    def kept(self) -> "LoggedModelQuerySet":
        """Neither deleted, nor of a run in the trash."""
        return self.filter(deleted_at=None, run__deleted_at=None)


class LoggedModel(models.Model):
    """Its files come after it, one by one; it is pending until its client says that it is ready."""

    class Status(models.TextChoices):
        PENDING = "PENDING"
        READY = "READY"
        FAILED = "FAILED"

    uid = models.CharField(max_length=34, unique=True, default=new_model_uid, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="logged_models")
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="logged_models")
    run = models.ForeignKey(Run, models.CASCADE, null=True, related_name="logged_models")
    name = models.CharField(max_length=250)
    model_type = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    params = models.JSONField(default=dict)
    tags = models.JSONField(default=dict)
    size = models.BigIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = LoggedModelQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["experiment", "name"], name="logged_models_by_name")]

    def __str__(self) -> str:
        return f"{self.name} ({self.uid})"


class LoggedModelFile(models.Model):
    model = models.ForeignKey(LoggedModel, models.CASCADE, related_name="files")
    path = models.CharField(max_length=1024)
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="+")
    size = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["model", "path"], name="one_logged_file_per_path")]

    def __str__(self) -> str:
        return self.path


class LoggedModelMetric(models.Model):
    """The last value of a metric that was logged for the model, on a dataset if one was named; the run has the whole series.

    SQLite makes NULL of NaN, so it is told by flag.
    """

    model = models.ForeignKey(LoggedModel, models.CASCADE, related_name="metrics")
    run = models.ForeignKey(Run, models.CASCADE, related_name="+")
    name = models.CharField(max_length=250)
    dataset_name = models.CharField(max_length=500, blank=True)
    dataset_digest = models.CharField(max_length=36, blank=True)
    value = models.FloatField(null=True)
    is_nan = models.BooleanField(default=False)
    step = models.BigIntegerField()
    time = models.FloatField(help_text="Epoch seconds")

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "run", "name", "dataset_name", "dataset_digest"], name="one_value_per_logged_metric"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


class LoggedModelUse(models.Model):
    """A run that used the model, or that made it; at which step."""

    class Kind(models.TextChoices):
        INPUT = "input"
        OUTPUT = "output"

    run = models.ForeignKey(Run, models.CASCADE, related_name="logged_model_uses")
    model = models.ForeignKey(LoggedModel, models.CASCADE, related_name="uses")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    step = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["run", "model", "kind"], name="one_use_per_logged_model")]

    def __str__(self) -> str:
        return f"{self.kind} {self.model_id}"
