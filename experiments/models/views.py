from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from experiments.models.experiments import Experiment
from mlportal.access.models import Workspace
from mlportal.access.querysets import WorkspaceScoped
from mlportal.uid import new_uid


class SavedViewQuerySet(WorkspaceScoped["SavedView"]):
    pass


class SavedView(models.Model):
    """A table of runs as somebody has set it up, by a name: of an experiment, or without one of the workspace's runs."""

    uid = models.CharField(max_length=32, unique=True, default=new_uid, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="saved_views")
    experiment = models.ForeignKey(Experiment, models.CASCADE, null=True, blank=True, related_name="saved_views")
    name = models.CharField(max_length=100)
    query = models.JSONField(
        default=dict, help_text='The parameters of the table\'s address, {"q": ["…"], "c": ["…", "…"]}'
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "name"], name="one_view_per_name"),
            models.UniqueConstraint(
                fields=["workspace", "name"], condition=Q(experiment=None), name="one_workspace_view_per_name"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("saved-view", args=[self.workspace.name, self.uid])
