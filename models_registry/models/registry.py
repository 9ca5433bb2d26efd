from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone

from experiments.models import EnvironmentVersion, LoggedModel, Run, Snapshot
from mlportal.access.models import Workspace
from mlportal.access.querysets import ReadByRuns
from mlportal.blobs.models import Blob

if TYPE_CHECKING:
    from models_registry.models.deployments import Deployment

# MLflow's clients name models as they like; a name is also a part of an address.
model_name = RegexValidator(
    r"\A(?!\.{1,2}\Z)(?! )[^\x00-\x1f\x7f/:\\]{1,255}(?<! )\Z",
    "1 to 255 characters without /, : and \\; it neither begins nor ends with a blank.",
)
alias_name = RegexValidator(
    r"\A(?!(?i:latest)\Z)(?!(?i:v)\d+\Z)[\w-]{1,255}\Z",
    "1 to 255 letters, digits, hyphens or underscores; not latest, and not v with a number.",
)


class RegisteredModelQuerySet(ReadByRuns["RegisteredModel"]):
    pass


class ModelVersionQuerySet(ReadByRuns["ModelVersion"]):
    workspace_path = "model__workspace"


class Framework(models.TextChoices):
    """Azure's `Model.Framework`."""

    CUSTOM = "Custom"
    TENSORFLOW = "TensorFlow"
    SCIKITLEARN = "ScikitLearn"
    ONNX = "Onnx"
    TFKERAS = "TfKeras"
    PYTORCH = "PyTorch"
    MULTI = "Multi"


class Stage(models.TextChoices):
    """MLflow's stages. It calls them deprecated; aliases took their place."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"


class RegisteredModel(models.Model):
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="models")
    name = models.CharField(max_length=255, validators=[model_name])
    description = models.TextField(blank=True, max_length=5000)
    tags = models.JSONField(default=dict, blank=True)
    last_version = models.PositiveIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = RegisteredModelQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="one_model_per_name")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("model", args=[self.workspace.name, self.name])


class ModelVersion(models.Model):
    """A model's files as they came out of a run, with all that is needed to know and repeat how they came about."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="model_versions")
    # What stays when the run is deleted for good
    snapshot = models.ForeignKey(
        Snapshot, models.RESTRICT, null=True, related_name="model_versions", help_text="The code of the run"
    )
    lineage = models.JSONField(
        null=True, help_text="Of a run that is deleted for good: {run, name, number, experiment, script, …}"
    )
    path = models.CharField(
        max_length=1024,
        blank=True,
        help_text="In the run: a file or a folder; without a run what its files have in common",
    )
    logged_model = models.ForeignKey(LoggedModel, models.SET_NULL, null=True, related_name="model_versions")
    from_files = models.BooleanField(default=False, help_text="Registered from somebody's own files, not from a run")
    environment_version = models.ForeignKey(
        EnvironmentVersion, models.PROTECT, null=True, related_name="model_versions"
    )
    framework = models.CharField(max_length=20, choices=Framework.choices, default=Framework.SCIKITLEARN)
    framework_version = models.CharField(max_length=50, blank=True)
    cpu = models.FloatField(null=True, help_text="Cores of a replica")
    memory_gb = models.FloatField(null=True, help_text="Gigabytes of a replica")
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.NONE)
    source = models.TextField(blank=True, help_text="Where its files came from, as MLflow's client put it")
    run_link = models.TextField(blank=True)
    mlmodel = models.JSONField(null=True, help_text="What its MLmodel says: {flavors, signature, …}; null without one")
    example = models.JSONField(
        null=True, help_text="A real row of its inputs, {columns, row}: of its sample, or MLflow's input example"
    )
    description = models.TextField(blank=True, max_length=5000)
    tags = models.JSONField(default=dict, blank=True)
    properties = models.JSONField(default=dict, blank=True)
    inspection = models.JSONField(
        null=True, help_text="{verdict, format, message, imports: [[module, name, verdict], …]}"
    )
    size = models.BigIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-version"]
        constraints = [models.UniqueConstraint(fields=["model", "version"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.model.name}:{self.version}"

    def get_absolute_url(self) -> str:
        return reverse("model-version", args=[self.model.workspace.name, self.model.name, self.version])

    @property
    def deployments(self) -> "list[Deployment]":
        """The services that are to be made of it. Lists prefetch `parts__revision__wanted_by`."""
        found = {deployment for part in self.parts.all() for deployment in part.revision.wanted_by.all()}
        return sorted(found, key=lambda deployment: deployment.name)


class ModelAlias(models.Model):
    """A name that points to one version of a model, `champion`, until it is pointed to another."""

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=255, validators=[alias_name])
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="aliases")

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "model aliases"
        constraints = [models.UniqueConstraint(fields=["model", "name"], name="one_version_per_alias")]

    def __str__(self) -> str:
        return self.name


class ModelFile(models.Model):
    """A file of a version. The blob is the run's own: registering copies no bytes, and outlives the run."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="files")
    path = models.CharField(max_length=1024)
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="+")
    size = models.BigIntegerField()

    class Meta:
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["version", "path"], name="one_model_file_per_path")]

    def __str__(self) -> str:
        return self.path
