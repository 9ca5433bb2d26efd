from django.conf import settings
from django.db import models
from django.utils import timezone

from models_registry.models.deployments import Deployment
from models_registry.models.registry import ModelVersion
from models_registry.models.revisions import Revision

NAME_CHARACTERS = 100


class GoldenRequest(models.Model):
    """A request with the answer that a version owes to it: asked of each new service before it answers anybody else."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="golden_requests")
    name = models.CharField(max_length=NAME_CHARACTERS)
    method = models.CharField(max_length=60, help_text="predict, predict_proba …; run: of an entry script")
    request = models.JSONField(help_text='The body, as callers send it, without the method: {"data": [[…], …]}')
    answer = models.JSONField(help_text="As callers get it: NaN is null", null=True)
    rtol = models.FloatField(default=1e-6, help_text="By how much of itself a number with a fraction may differ")
    atol = models.FloatField(default=1e-9, help_text="By how much a number with a fraction may differ besides")
    is_recorded = models.BooleanField(default=False, help_text="By the portal, at the first deployment")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["version", "name"], name="one_golden_request_per_name")]

    def __str__(self) -> str:
        return self.name


class GoldenReplay(models.Model):
    """What came of the golden requests when a service was last started with something new."""

    deployment = models.OneToOneField(Deployment, models.CASCADE, related_name="golden_replay")
    label = models.CharField(max_length=300, help_text="What was asked, as people call it")
    refused = models.ForeignKey(
        Revision,
        models.SET_NULL,
        null=True,
        related_name="refused_for",
        help_text="What was not made live; kept, so that a person can deploy it all the same",
    )
    accepted = models.BooleanField(default=False, help_text="Answers might change: a person had said so")
    results = models.JSONField(default=list, help_text="[{name, method, passed, problem, seconds}, …]")
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.deployment}: {self.label}"

    @property
    def passed(self) -> bool:
        return all(result["passed"] for result in self.results)
