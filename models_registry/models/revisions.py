from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from experiments.models import EnvironmentVersion, Snapshot
from mlportal.access.models import Workspace
from models_registry.models.registry import ModelVersion

LABEL_CHARACTERS = 300


class RevisionQuerySet(models.QuerySet["Revision"]):
    def unused(self, workspace: Workspace) -> Self:
        """Those of the workspace that are neither wanted nor answer any more, nor wait for a person's word.

        The last ones that have answered for a service are kept, to be gone back to.
        """
        kept: dict[int, list[int]] = {}
        served = self.filter(workspace=workspace).exclude(served=None).values_list("served__deployment", "pk")
        for deployment, pk, _ in served.annotate(last=models.Max("served__pk")).order_by("-last"):
            kept.setdefault(deployment, []).append(pk)
        known = [pk for revisions in kept.values() for pk in revisions[: settings.SERVICE_HISTORY]]
        return self.filter(
            workspace=workspace,
            wanted_by=None,
            answers_for=None,
            tried_by=None,
            stands_by_for=None,
            refused_for=None,
        ).exclude(pk__in=known)


class Revision(models.Model):
    """What a service is made of: models, perhaps a script that answers with them, and where they run.

    A row is never changed but for what is found out of it: another wish is another row. Unused ones are deleted, so
    that they hold on to no model.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    label = models.CharField(max_length=LABEL_CHARACTERS, help_text="What people call it, such as iris:1")
    environment_version = models.ForeignKey(EnvironmentVersion, models.PROTECT, related_name="+")
    environment_given = models.BooleanField(default=False, help_text="A person chose it; it stays for other models")
    note = models.TextField(blank=True, help_text="What a person should know of how the environment was chosen")
    entry_script = models.CharField(max_length=1024, blank=True, help_text="In the snapshot; empty: the model itself")
    snapshot = models.ForeignKey(Snapshot, models.RESTRICT, null=True, related_name="served_by")
    environment_variables = models.JSONField(default=dict)
    cpu = models.FloatField(null=True, help_text="Cores of a replica; empty: what its models ask for")
    memory_gb = models.FloatField(null=True, help_text="Gigabytes of a replica; empty: what its models ask for")
    accept_changes = models.BooleanField(default=False, help_text="It answers though golden requests answer otherwise")
    signature = models.JSONField(
        null=True, help_text="What a model worker says of it: methods, features, example; null until one has answered"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = RevisionQuerySet.as_manager()

    def __str__(self) -> str:
        return self.label

    @property
    def versions(self) -> list[ModelVersion]:
        """In the order in which they were given."""
        return [part.version for part in self.parts.all()]

    @property
    def cores(self) -> float:
        """Of a replica: as asked for, else what the hungriest model asks for."""
        return self.cpu or max((version.cpu or 1 for version in self.versions), default=1)

    @property
    def gigabytes(self) -> float | None:
        """Of a replica: as asked for, else what the models ask for together; None is the portal's default."""
        if self.memory_gb:
            return self.memory_gb
        return sum(version.memory_gb or 0 for version in self.versions) or None


class Part(models.Model):
    """One of the models of a revision."""

    revision = models.ForeignKey(Revision, models.CASCADE, related_name="parts")
    version = models.ForeignKey(ModelVersion, models.RESTRICT, related_name="parts")

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["revision", "version"], name="one_part_per_version")]

    def __str__(self) -> str:
        return f"{self.revision} has {self.version}"
