from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone

from experiments.models.purges import Purge
from mlportal.access.models import Workspace
from mlportal.access.querysets import WorkspaceScoped

experiment_name = RegexValidator(
    r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z",
    "1 to 255 letters, digits, hyphens, dots or underscores; it does not start with - or a dot.",
)

any_name = RegexValidator(r"\A[^\x00-\x1f\x7f]{1,500}\Z", "1 to 500 characters, and no control characters.")


class ExperimentQuerySet(WorkspaceScoped["Experiment"]):
    pass


class Experiment(models.Model):
    """Runs that belong together, numbered in the order of their submission."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="experiments")
    # MLflow's clients name experiments as they like, "team/churn model" too; everybody else by `experiment_name`.
    name = models.CharField(max_length=500, validators=[any_name])
    description = models.TextField(blank=True, max_length=5000)
    tags = models.JSONField(default=dict, blank=True)
    last_number = models.PositiveIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True)
    # Archived alone it is listed no more, and its runs stay; here they went to the trash with it
    deleted_at = models.DateTimeField(null=True, editable=False, help_text="When it was put in the trash")
    deleted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    purge = models.ForeignKey(
        Purge, models.SET_NULL, null=True, related_name="experiments", help_text="It goes with the last of its runs"
    )

    objects = ExperimentQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="one_experiment_per_name")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("experiment", args=[self.workspace.name, self.name])
