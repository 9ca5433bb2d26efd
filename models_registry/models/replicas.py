"""The processes of a service, and how much they have to do."""

from django.db import models
from django.utils import timezone

from models_registry.models.deployments import Deployment
from models_registry.models.revisions import Revision
from models_registry.status import REPLICA_COLOURS, ReplicaState


class ServiceReplica(models.Model):
    """One model worker of a service. Written by the supervisor alone; a row is there for as long as its worker is."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="replicas")
    revision = models.ForeignKey(Revision, models.CASCADE, related_name="replicas")
    number = models.PositiveIntegerField(help_text="Among those of its revision, from 1")
    state = models.CharField(max_length=20, choices=ReplicaState.choices, default=ReplicaState.PREPARING)
    node = models.CharField(max_length=100, blank=True)
    pid = models.PositiveIntegerField(null=True)
    socket = models.TextField(blank=True, help_text="Where it listens; empty: it takes no requests")
    started_at = models.DateTimeField(null=True)
    memory_bytes = models.PositiveBigIntegerField(null=True, help_text="The most that the process has had")
    restarts = models.PositiveIntegerField(default=0)
    limits = models.JSONField(null=True, help_text="What it may use, and by what that is enforced")
    problem = models.TextField(blank=True, help_text="Why it does not answer, when it ought to")
    log = models.TextField(blank=True, help_text="The last lines that it wrote")

    class Meta:
        ordering = ["deployment", "revision", "number"]
        constraints = [
            models.UniqueConstraint(fields=["deployment", "revision", "number"], name="one_replica_per_number"),
            models.CheckConstraint(condition=models.Q(state__in=ReplicaState.values), name="replica_state_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.revision}, replica {self.number}"

    @property
    def key(self) -> str:
        """Names it among those of its service, in addresses of pages."""
        return f"{self.revision_id}-{self.number}"

    @property
    def colour(self) -> str:
        return REPLICA_COLOURS[ReplicaState(self.state)]


class ServiceLoad(models.Model):
    """How many requests of a service one gateway had at once, on average of the last second. Gateways add up."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="loads")
    gateway = models.CharField(max_length=32)
    at = models.DateTimeField(default=timezone.now, help_text="By the database's clock")
    in_flight = models.FloatField()

    class Meta:
        ordering = ["deployment", "gateway"]
        constraints = [models.UniqueConstraint(fields=["deployment", "gateway"], name="one_load_per_gateway")]

    def __str__(self) -> str:
        return f"{self.in_flight:.2f}"
