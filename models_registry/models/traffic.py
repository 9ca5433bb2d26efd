"""Which versions of a service answered when, and what a second one would have answered instead."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from models_registry.models.deployments import Deployment
from models_registry.models.revisions import LABEL_CHARACTERS, Revision


class Served(models.Model):
    """A version had this share of a service's requests, from then until then. Rows are closed, never changed otherwise."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="served")
    revision = models.ForeignKey(Revision, models.SET_NULL, null=True, related_name="served")
    version = models.CharField(max_length=LABEL_CHARACTERS, help_text="The label of the revision, which may be gone")
    share = models.PositiveSmallIntegerField(help_text="Percent of the requests")
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, help_text="Empty: it answers now")
    why = models.TextField(blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.version}, {self.share} %"


class MirrorCount(models.Model):
    """What became of the requests that were copied to a candidate."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="mirror_counts")
    revision = models.ForeignKey(Revision, models.CASCADE, related_name="mirror_counts", help_text="The candidate")
    same = models.PositiveBigIntegerField(default=0)
    different = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0, help_text="The candidate answered with an error, or not at all")
    dropped = models.PositiveBigIntegerField(default=0, help_text="Not sent: the candidate was behind")

    class Meta:
        ordering = ["deployment", "revision"]
        constraints = [
            models.UniqueConstraint(fields=["deployment", "revision"], name="one_mirror_count_per_candidate")
        ]

    def __str__(self) -> str:
        return f"{self.same} the same, {self.different} not"


class Disagreement(models.Model):
    """A copied request to which the candidate answered something else; excerpts only, cut at 2,000 characters."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="disagreements")
    revision = models.ForeignKey(Revision, models.CASCADE, related_name="disagreements", help_text="The candidate")
    at = models.DateTimeField(default=timezone.now)
    version = models.CharField(max_length=LABEL_CHARACTERS, help_text="Whose answer the caller got")
    candidate = models.CharField(max_length=LABEL_CHARACTERS)
    method = models.CharField(max_length=60, blank=True)
    what = models.CharField(max_length=500, help_text="How they differ, for a person")
    request = models.TextField(blank=True)
    answer = models.TextField(blank=True)
    other = models.TextField(blank=True, help_text="What the candidate answered")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.version} and {self.candidate}: {self.what}"
