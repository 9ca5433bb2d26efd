from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now
from django.urls import reverse
from django.utils import timezone

from experiments.models.compute import ComputeTarget
from experiments.models.environments import EnvironmentBuild, EnvironmentVersion
from experiments.models.experiments import Experiment
from experiments.models.expressions import Seconds
from experiments.models.purges import Purge
from experiments.models.snapshots import Snapshot
from experiments.querysets import RunQuerySet
from experiments.status import RUN_COLOURS, RUN_FINAL, RunStatus
from mlportal.access.models import Workspace
from mlportal.uid import new_uid


class Run(models.Model):
    """One execution of a script. Its status is written by `Run.objects.move` alone."""

    uid = models.CharField(max_length=32, unique=True, default=new_uid, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="runs")
    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField(help_text="Counts up in its experiment")
    name = models.CharField(max_length=255, blank=True)
    description = models.TextField(blank=True, max_length=5000)
    status = models.CharField(max_length=20, choices=RunStatus.choices, default=RunStatus.NOT_STARTED)

    # What was asked for
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, null=True, related_name="runs")
    script = models.CharField(max_length=1024, blank=True)
    arguments = models.JSONField(default=list)
    environment_version = models.ForeignKey(EnvironmentVersion, models.PROTECT, null=True, related_name="runs")
    environment_variables = models.JSONField(default=dict)
    compute_target = models.ForeignKey(ComputeTarget, models.PROTECT, null=True, related_name="runs")
    wall_seconds = models.PositiveIntegerField(null=True)
    rerun_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="reruns")
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="runs")
    cancel_requested_at = models.DateTimeField(null=True)

    # Who owns it now: writes of an older attempt are refused
    attempt = models.PositiveIntegerField(default=0)
    fruitless_attempts = models.PositiveIntegerField(
        default=0, help_text="How often a worker took it up since anything came of it."
    )
    node = models.CharField(max_length=100, blank=True)
    worker = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True)
    woken_at = models.DateTimeField(null=True, help_text="When a worker was last sent a message about it")
    revision = models.BigIntegerField(
        default=0, help_text="Grows with every change, so that a page sees one by one number"
    )

    # Its way
    build = models.ForeignKey(
        EnvironmentBuild, models.SET_NULL, null=True, related_name="runs", help_text="Empty on a cache hit"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    preparing_at = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finalizing_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    last_logged_at = models.DateTimeField(
        null=True, help_text="When its client last sent something; all that is known of one that fell silent"
    )
    deleted_at = models.DateTimeField(null=True, editable=False, help_text="When it was put in the trash")
    deleted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    deleted_why = models.CharField(max_length=200, blank=True, help_text="Empty: a person asked for it")
    purge = models.ForeignKey(
        Purge, models.CASCADE, null=True, related_name="runs", help_text="Deleted for good: nobody sees it any more"
    )

    # How it ended
    exit_code = models.IntegerField(null=True)
    exit_signal = models.PositiveIntegerField(null=True)
    failure = models.JSONField(null=True, help_text="{type, message, file, line, frames, log, offset, hint}")
    skipped_files = models.JSONField(default=list, help_text="[[name, why], …] of what was not stored")
    warnings = models.JSONField(default=list, help_text="[text, …]: what of its logged values was left out")
    log_cut_bytes = models.BigIntegerField(default=0)
    output_bytes = models.BigIntegerField(default=0)
    peak_memory_bytes = models.BigIntegerField(null=True)
    cpu_seconds = models.FloatField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["experiment", "number"], name="one_run_per_number"),
            models.CheckConstraint(condition=Q(status__in=RunStatus.values), name="run_status_is_known"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="runs_by_workspace"),
            models.Index(fields=["status", "compute_target"], name="runs_by_status"),
            models.Index(fields=["workspace", "-id"], condition=Q(deleted_at__isnull=False), name="runs_in_the_trash"),
            models.Index(F("experiment"), Coalesce("started_at", "created_at").desc(), name="runs_by_start"),
            models.Index(F("experiment"), Seconds("ended_at", "started_at"), name="runs_by_duration"),
            # All that tables of runs filter and sort by, so that they read this and not the rows, which are ten times as long.
            models.Index(
                fields=[
                    "workspace",
                    "experiment",
                    "-id",
                    "parent",
                    "status",
                    "created_by",
                    "number",
                    "name",
                    "created_at",
                    "started_at",
                    "ended_at",
                    "compute_target",
                    "environment_version",
                    # Always null in it, or nearly; SQLite would read the row to see that
                    "deleted_at",
                    "purge",
                ],
                condition=Q(deleted_at=None),
                name="runs_in_tables",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name

    def get_absolute_url(self) -> str:
        return reverse("run", args=[self.workspace.name, self.uid])

    @property
    def display_name(self) -> str:
        return self.name or f"{self.experiment.name} #{self.number}"

    @property
    def is_final(self) -> bool:
        return self.status in RUN_FINAL

    @property
    def is_given_up(self) -> bool:
        """Whether a person said that it has failed, while the portal executed it."""
        return bool((self.failure or {}).get("given_up"))

    @property
    def is_client_side(self) -> bool:
        """Started by a client that runs it itself: no worker, no lease, no reaper ever touches it."""
        return self.compute_target_id is None

    @property
    def colour(self) -> str:
        return RUN_COLOURS[RunStatus(self.status)]


class RunEvent(models.Model):
    """A status change. Rows are added, never changed."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="events")
    old = models.CharField(max_length=20, choices=RunStatus.choices, blank=True)
    new = models.CharField(max_length=20, choices=RunStatus.choices)
    reason = models.TextField(blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.old} → {self.new}"


class RunToken(models.Model):
    """The key that a running script holds: it opens its own run, until the run is final."""

    PREFIX: ClassVar = "mlr_"

    run = models.ForeignKey(Run, models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"token of {self.run_id}"
