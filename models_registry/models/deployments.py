from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from mlportal.access.models import Workspace
from mlportal.uid import new_uid
from models_registry.models.revisions import Revision
from models_registry.querysets import DeploymentQuerySet
from models_registry.status import DEPLOYMENT_COLOURS, DeploymentStatus

service_name = RegexValidator(
    r"\A[a-z][a-z0-9-]{1,30}[a-z0-9]\Z",
    "3 to 32 lowercase letters, digits or hyphens; it starts with a letter and ends with a letter or digit.",
)


class Deployment(models.Model):
    """A service: what is wanted (`revision`, `wanted`), and what the supervisor has made of it (`status`, `live_revision`).

    Names are unique in the whole portal, because a service's address is /services/<name>/.
    """

    uid = models.CharField(max_length=32, unique=True, default=new_uid, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="deployments")
    name = models.CharField(max_length=32, unique=True, validators=[service_name])
    description = models.CharField(max_length=500, blank=True)
    tags = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=20, choices=DeploymentStatus.choices, default=DeploymentStatus.TRANSITIONING)
    wanted = models.BooleanField(default=True, help_text="Off: stopped on request")
    revision = models.ForeignKey(Revision, models.RESTRICT, related_name="wanted_by", help_text="What is wanted")
    generation = models.PositiveIntegerField(default=1, help_text="Grows with everything that a person asks for")
    live_revision = models.ForeignKey(
        Revision, models.RESTRICT, null=True, related_name="answers_for", help_text="What answers"
    )
    candidate = models.ForeignKey(
        Revision, models.RESTRICT, null=True, related_name="tried_by", help_text="A second version that gets a share"
    )
    candidate_percent = models.PositiveSmallIntegerField(default=0, help_text="Its share of the requests")
    mirror_percent = models.PositiveSmallIntegerField(
        default=0, help_text="Share of the other requests that it gets a copy of; its answers reach nobody"
    )
    standby = models.ForeignKey(
        Revision,
        models.SET_NULL,
        null=True,
        related_name="stands_by_for",
        help_text="What answered before, still there",
    )
    standby_until = models.DateTimeField(null=True)
    min_replicas = models.PositiveIntegerField(default=1, help_text="The same as the most: a fixed number")
    max_replicas = models.PositiveIntegerField(default=1)
    target_utilization = models.PositiveIntegerField(
        default=70, help_text="Percent of a replica: 70 is 0.7 requests at once for each; more have another one started"
    )
    refresh_seconds = models.PositiveIntegerField(default=1, help_text="How often the load is looked at")
    desired_replicas = models.PositiveIntegerField(default=1, help_text="What the supervisor makes of the load")
    scaling = models.TextField(blank=True, help_text="Why it is that number, for a person")
    auth_enabled = models.BooleanField(default=True)
    primary_nonce = models.CharField(max_length=32, default=new_uid, editable=False)
    secondary_nonce = models.CharField(max_length=32, default=new_uid, editable=False)
    failure = models.TextField(blank=True, help_text="Why it is not healthy, for a person")
    log = models.TextField(blank=True, help_text="The last lines that the model worker wrote")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = DeploymentQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=DeploymentStatus.values), name="deployment_status_is_known")
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("deployment", args=[self.workspace.name, self.name])

    @property
    def scoring_path(self) -> str:
        return f"/services/{self.name}/score"

    @property
    def moved(self) -> dict[str, Any] | None:
        """The worst of what was found to have moved, and of which versions; None when nothing has."""
        flagged = [report for report in self.drift_reports.all() if report.flag]
        if not flagged:
            return None
        worst = "alarm" if any(report.flag == "alarm" for report in flagged) else "warning"
        return {"flag": worst, "versions": sorted(report.version for report in flagged)}

    @property
    def signature(self) -> dict[str, Any] | None:
        """What the model worker says of the model that answers: methods, features, example."""
        return (self.live_revision or self.revision).signature

    @property
    def scales(self) -> bool:
        return self.min_replicas < self.max_replicas

    @property
    def colour(self) -> str:
        return DEPLOYMENT_COLOURS[DeploymentStatus(self.status)]


class DeploymentEvent(models.Model):
    """A status change or a redeploy. Rows are added, never changed."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="events")
    old = models.CharField(max_length=20, choices=DeploymentStatus.choices, blank=True)
    new = models.CharField(max_length=20, choices=DeploymentStatus.choices)
    reason = models.TextField(blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.old} → {self.new}"


class RequestLog(models.Model):
    """One of the last requests to a service; excerpts only, cut at 2,000 characters."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="requests")
    at = models.DateTimeField(default=timezone.now)
    method = models.CharField(max_length=60, blank=True)
    status = models.PositiveSmallIntegerField()
    latency_ms = models.FloatField()
    rows = models.PositiveIntegerField(default=0)
    version = models.CharField(max_length=300, blank=True)
    request = models.TextField(blank=True)
    response = models.TextField(blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.status} {self.method}"
