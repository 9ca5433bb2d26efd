from django.conf import settings
from django.db import models
from django.utils import timezone

from mlportal.access.models import Workspace
from mlportal.access.querysets import WorkspaceScoped
from mlportal.uid import new_uid


class PurgeQuerySet(WorkspaceScoped["Purge"]):
    pass


class Purge(models.Model):
    """Runs that were deleted for good in one go. From this row on nobody sees them; their rows and bytes go in batches."""

    uid = models.CharField(max_length=32, unique=True, default=new_uid, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="purges")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    why = models.CharField(max_length=200, blank=True, help_text="Empty: a person asked for it")
    run_count = models.PositiveIntegerField(help_text="Children included")
    expected_bytes = models.BigIntegerField(help_text="What nothing else refers to, as it was when it was asked for")
    freed_bytes = models.BigIntegerField(default=0, help_text="What has been removed from the storage so far")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True)

    objects = PurgeQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.run_count} runs"

    @property
    def later_bytes(self) -> int:
        """What goes with a later sweep: it was stored again, or handed over, less than a day ago."""
        return max(0, self.expected_bytes - self.freed_bytes)
