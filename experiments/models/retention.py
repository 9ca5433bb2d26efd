from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from experiments.models.experiments import Experiment
from mlportal.access.models import Workspace
from mlportal.access.querysets import WorkspaceScoped

KEEP_TAG = "keep"


class RetentionRuleQuerySet(WorkspaceScoped["RetentionRule"]):
    pass


class Direction(models.TextChoices):
    MIN = "min", "lowest"
    MAX = "max", "highest"


class RetentionRule(models.Model):
    """Which finished runs go to the trash by themselves, and how long they stay there. An experiment's own rule stands in
    for that of its workspace."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="retention_rules")
    experiment = models.ForeignKey(
        Experiment, models.CASCADE, null=True, related_name="retention_rules", help_text="Empty: the whole workspace"
    )
    enabled = models.BooleanField(default=False)
    older_than_days = models.PositiveIntegerField(null=True, help_text="Since their end; empty: of any age")
    keep_best = models.PositiveIntegerField(null=True, help_text="So many of each experiment stay; empty: none")
    metric = models.CharField(max_length=250, blank=True)
    direction = models.CharField(max_length=3, choices=Direction.choices, default=Direction.MAX)
    keep_tag = models.CharField(max_length=250, blank=True, default=KEEP_TAG, help_text="Runs with it stay")
    purge_days = models.PositiveIntegerField(
        null=True,
        help_text="In the trash, then they are deleted for good; 0: never; empty: as the portal's setting says",
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    applied_at = models.DateTimeField(null=True, editable=False)
    applied_runs = models.PositiveIntegerField(default=0, editable=False, help_text="How many it moved then")

    objects = RetentionRuleQuerySet.as_manager()

    class Meta:
        ordering = ["experiment__name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["experiment"], name="one_rule_per_experiment"),
            models.UniqueConstraint(
                fields=["workspace"], condition=Q(experiment=None), name="one_rule_for_a_whole_workspace"
            ),
            models.CheckConstraint(condition=Q(direction__in=Direction.values), name="retention_direction_is_known"),
        ]

    def __str__(self) -> str:
        return f"the rule of {self.experiment or self.workspace}"

    @property
    def moves_runs(self) -> bool:
        """Else it only says how long the trash is kept."""
        return self.older_than_days is not None or self.keep_best is not None
