"""Environments: what somebody asked for (a version), what it was resolved to (its lock), and each build of that."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from experiments.querysets import BuildQuerySet
from experiments.status import BUILD_COLOURS, BUILD_FINAL, BuildStatus
from mlportal.access.models import Workspace
from mlportal.access.querysets import ReadByRuns, WorkspaceScoped


class EnvironmentQuerySet(WorkspaceScoped["Environment"]):
    pass


class EnvironmentVersionQuerySet(ReadByRuns["EnvironmentVersion"]):
    workspace_path = "environment__workspace"


class Environment(models.Model):
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="environments")
    name = models.CharField(max_length=255)
    curated = models.BooleanField(default=False, editable=False, help_text="Ships with the portal.")
    last_version = models.PositiveIntegerField(default=0, editable=False)
    description = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = EnvironmentQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="one_environment_per_name")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("environment", args=[self.workspace.name, self.name])


class EnvironmentVersion(models.Model):
    """A conda YAML as somebody wrote it, for a day. It is resolved once; its lock is what makes its runs repeatable."""

    environment = models.ForeignKey(Environment, models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    definition = models.TextField(help_text="The conda YAML, as uploaded.")
    as_of = models.DateField(null=True, help_text="Packages are taken as they were on this day.")
    digest = models.CharField(
        max_length=64, help_text="Of what matters to the result: equal definitions are one version."
    )
    notes = models.JSONField(default=list, help_text="What the portal reads differently from conda, one object a note.")
    lock = models.JSONField(null=True, help_text="experiments.environments.Lock as stored; null until resolved.")
    lock_key = models.CharField(
        max_length=64, blank=True, db_index=True, help_text="Of lock, interpreter and platform."
    )
    python_version = models.CharField(max_length=20, blank=True)
    resolved_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = EnvironmentVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "version"], name="one_environment_version_per_number"),
            models.UniqueConstraint(fields=["environment", "digest"], name="one_environment_version_per_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.environment.name}:{self.version}"

    def get_absolute_url(self) -> str:
        return f"{self.environment.get_absolute_url()}?version={self.version}"

    @property
    def lock_text(self) -> str:
        """Pinned packages, one a line; empty until resolved."""
        return self.lock["text"] if self.lock else ""


class EnvironmentBuild(models.Model):
    """One preparing of a version on one machine. A hit is not a build: it has no row."""

    version = models.ForeignKey(EnvironmentVersion, models.CASCADE, related_name="builds")
    node = models.CharField(max_length=100)
    status = models.CharField(max_length=20, choices=BuildStatus.choices, default=BuildStatus.WAITING)
    changes = models.JSONField(default=list, help_text="What changed since the environment's former lock, in words.")
    error = models.TextField(blank=True)
    seconds = models.FloatField(null=True)
    size_bytes = models.BigIntegerField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    only_for_runs = models.BooleanField(
        default=False, help_text="Nobody else wants it: without a run that waits for it, it is canceled."
    )
    seen_at = models.DateTimeField(default=timezone.now, help_text="When its worker last said that it is alive.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True)

    objects = BuildQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=BuildStatus.values), name="build_status_is_known"),
            models.UniqueConstraint(
                fields=["version", "node"],
                condition=~Q(status__in=sorted(BUILD_FINAL)),
                name="one_build_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"build {self.pk} of {self.version}"

    @property
    def is_final(self) -> bool:
        return self.status in BUILD_FINAL

    @property
    def colour(self) -> str:
        return BUILD_COLOURS[BuildStatus(self.status)]


class BuildLogChunk(models.Model):
    build = models.ForeignKey(EnvironmentBuild, models.CASCADE, related_name="log_chunks")
    text = models.TextField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text[:60]
