from typing import Any, Self

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from mlportal.access.models import Workspace
from mlportal.access.querysets import WorkspaceScoped


class ComputeTargetQuerySet(WorkspaceScoped["ComputeTarget"]):
    def visible_to(self, principal: Any, workspace: Any = None) -> Self:
        """A workspace's own targets, and the shared ones, which are in every workspace, for everybody who is signed in."""
        own = super().visible_to(principal, workspace)
        if principal.is_authenticated:
            return self.filter(Q(pk__in=own.values("pk")) | Q(workspace=None))
        return own

    def there(self) -> Self:
        """Without the deleted ones, which stay as rows because runs of the past name them."""
        return self.filter(deleted_at=None)

    def usable_in(self, workspace: Workspace) -> Self:
        return self.there().filter(Q(workspace=workspace) | Q(workspace=None))


class ComputeTarget(models.Model):
    """Where runs go: one Celery queue, and at most `slots` runs at a time, on whichever machines' workers listen to it.

    A workspace names its own targets as it likes; names of shared ones are unique among those.
    """

    workspace = models.ForeignKey(Workspace, models.CASCADE, null=True, blank=True, help_text="Empty: shared by all.")
    name = models.CharField(
        max_length=63,
        validators=[RegexValidator(r"\A[A-Za-z0-9][A-Za-z0-9-]{1,62}\Z", "Letters, digits and hyphens.")],
    )
    description = models.CharField(max_length=500, blank=True)
    slots = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = ComputeTargetQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "name"],
                condition=Q(deleted_at=None),
                name="one_target_per_name",
                violation_error_message="The workspace has a compute target of this name already.",
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(deleted_at=None, workspace=None),
                name="one_shared_target_per_name",
                violation_error_message="There is a shared compute target of this name already.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def full_name(self) -> str:
        """`local`, or with its workspace, `lab/cluster`: as workers are told it."""
        return f"{self.workspace.name}/{self.name}" if self.workspace else self.name

    @property
    def queue(self) -> str:
        return f"compute.{self.full_name.replace('/', '.')}"


class ComputeNode(models.Model):
    """A machine whose worker has reported: what it serves, what it can isolate, which interpreters it has."""

    name = models.CharField(max_length=100, unique=True)
    targets = models.ManyToManyField(ComputeTarget, related_name="nodes")
    seen_at = models.DateTimeField(default=timezone.now)
    details = models.JSONField(default=dict, help_text="cpus, memory_bytes, pythons, isolation")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def queue(self) -> str:
        """Its own queue: only this machine has its runs' folders."""
        return f"node.{self.name}"
