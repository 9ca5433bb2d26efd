from typing import Any, Self

from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils import timezone

from mlportal.access.models import Workspace
from mlportal.access.principals import RunPrincipal
from mlportal.access.querysets import WorkspaceScoped
from mlportal.blobs.models import Blob
from mlportal.uid import new_uid


class SnapshotQuerySet(WorkspaceScoped["Snapshot"]):
    def visible_to(self, principal: Any, workspace: Any = None) -> Self:
        """A running script's own code, too."""
        if isinstance(principal, RunPrincipal):
            runs = apps.get_model("experiments", "Run").objects.visible_to(principal)
            there = self if workspace is None else self.in_workspace(workspace)
            return there.filter(pk__in=runs.values("snapshot"))
        return super().visible_to(principal, workspace)


class Snapshot(models.Model):
    """A folder as it was handed over: names and digests. The same folder handed over again is the same row."""

    uid = models.CharField(max_length=32, unique=True, default=new_uid, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="snapshots")
    digest = models.CharField(max_length=64)
    entries = models.JSONField(help_text="[[name, sha256, size], …], sorted by name")
    ignored = models.JSONField(default=list, help_text="[[name, size, why], …] of what was left out")
    file_count = models.PositiveIntegerField()
    size = models.BigIntegerField()
    blobs = models.ManyToManyField(Blob, through="SnapshotBlob")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["workspace", "digest"], name="one_snapshot_per_digest")]

    def __str__(self) -> str:
        return self.digest[:12]


class SnapshotBlob(models.Model):
    """Keeps the blobs of a snapshot from being swept."""

    snapshot = models.ForeignKey(Snapshot, models.CASCADE)
    blob = models.ForeignKey(Blob, models.PROTECT)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["snapshot", "blob"], name="one_reference_per_snapshot_blob")]

    def __str__(self) -> str:
        return f"{self.snapshot} → {self.blob}"
