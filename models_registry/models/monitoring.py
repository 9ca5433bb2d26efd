"""How services do, as numbers: what the gateways measured, and how much memory the replicas take."""

from django.db import models

from models_registry.models.deployments import Deployment

VERSION_CHARACTERS = 300


class Counted(models.Model):
    """Requests of one version of a service, added up. `latencies` is {number of a bucket: requests}; see serving/measuring."""

    version = models.CharField(max_length=VERSION_CHARACTERS, blank=True)
    requests = models.PositiveBigIntegerField(default=0)
    statuses = models.JSONField(default=dict, help_text="{status: requests}")
    latencies = models.JSONField(default=dict, help_text="{bucket: requests}")
    latency_seconds = models.FloatField(default=0, help_text="Of all requests together")
    rows = models.PositiveBigIntegerField(default=0)
    batches = models.PositiveBigIntegerField(default=0, help_text="Calls of the model")
    batched_requests = models.PositiveBigIntegerField(default=0, help_text="Requests that these calls answered")
    batched_rows = models.PositiveBigIntegerField(default=0, help_text="Rows in these calls")
    largest_batch = models.PositiveIntegerField(default=0, help_text="Most rows in one of them")
    model_seconds = models.FloatField(default=0, help_text="Of these calls together")
    waiting = models.PositiveBigIntegerField(
        default=0, help_text="Sum of the requests that were inside at each request"
    )
    most_waiting = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True


class ServiceMeasure(Counted):
    """What one gateway process counted in a piece of time. Rows are added, and merged to longer ones as they grow old.

    Several rows of the same time are several processes, or a row that came late: who reads adds them up.
    """

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="measures")
    at = models.DateTimeField(help_text="When the piece of time began")
    seconds = models.PositiveIntegerField(help_text="How long it is")

    class Meta:
        indexes = [
            models.Index(fields=["deployment", "at"], name="measures_of_a_service"),
            models.Index(fields=["seconds", "at"], name="measures_to_merge"),
        ]

    def __str__(self) -> str:
        return f"{self.requests} requests in {self.seconds} s"


class ServiceTotal(Counted):
    """All that was ever counted of a version of a service: Prometheus wants numbers that only grow."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="totals")
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deployment", "version"], name="one_total_per_version")]

    def __str__(self) -> str:
        return f"{self.requests} requests of {self.version}"


class ReplicaMeasure(models.Model):
    """The memory of one replica in a piece of time: the most that it had."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="replica_measures")
    replica = models.CharField(max_length=100, help_text="Which one: its machine and its process")
    version = models.CharField(max_length=VERSION_CHARACTERS, blank=True)
    at = models.DateTimeField()
    seconds = models.PositiveIntegerField()
    memory_bytes = models.PositiveBigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["deployment", "at"], name="memory_of_a_service"),
            models.Index(fields=["seconds", "at"], name="memory_to_merge"),
        ]

    def __str__(self) -> str:
        return f"{self.replica}: {self.memory_bytes}"
