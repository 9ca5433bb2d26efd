"""What a run was given, and what came out of it, as references to blobs; and the log while it is being written."""

from typing import Self

from django.db import models
from django.db.models.functions import Left
from django.utils import timezone

from experiments.models.runs import Run
from experiments.models.snapshots import Snapshot
from mlportal.access.querysets import WorkspaceScoped
from mlportal.blobs.models import Blob

__all__ = ["Artifact", "FollowedFile", "LogChunk", "Snapshot"]


class ArtifactQuerySet(WorkspaceScoped["Artifact"]):
    workspace_path = "run__workspace"

    def below(self, folder: str) -> Self:
        """What is in the folder, however deep; "" is all. SQLite's LIKE knows no case, so beginnings are compared, too."""
        if not folder:
            return self.all()
        prefix = f"{folder}/"
        return self.alias(beginning=Left("path", len(prefix))).filter(path__startswith=prefix, beginning=prefix)


class Artifact(models.Model):
    """A file of a run, by its name in the run: `outputs/model.joblib`, `logs/training.log`."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="artifacts")
    path = models.CharField(max_length=1024)
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="+")
    size = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ArtifactQuerySet.as_manager()

    class Meta:
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["run", "path"], name="one_artifact_per_path")]

    def __str__(self) -> str:
        return self.path


class FollowedFile(models.Model):
    """How far a file of the run directory has been shipped. Written in the transaction of what was shipped: exactly once."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="followed_files")
    name = models.CharField(max_length=1024)
    offset = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="one_offset_per_file")]

    def __str__(self) -> str:
        return f"{self.name} at {self.offset}"


class LogChunk(models.Model):
    """Bytes of a log at their offset, while the run lives. At its end the whole log is an artifact and the chunks go."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="log_chunks")
    name = models.CharField(max_length=1024)
    offset = models.BigIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ["name", "offset"]
        constraints = [models.UniqueConstraint(fields=["run", "name", "offset"], name="one_log_chunk_per_offset")]

    def __str__(self) -> str:
        return f"{self.name}[{self.offset}:]"
