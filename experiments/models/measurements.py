"""What a run logged: numbers in columnar chunks with one summary a name, and the small things as rows."""

import math

from django.db import models
from django.utils import timezone

from experiments.metrics import Summary
from experiments.models.runs import Run


class Metric(models.Model):
    """The summary of one name's numbers (`experiments.metrics.Summary`).

    SQLite makes NULL of NaN, so it is told by flag: where `last_is_nan`, `last` is null. The extremes and the total leave
    NaN out.
    """

    run = models.ForeignKey(Run, models.CASCADE, related_name="metrics")
    name = models.CharField(max_length=250)
    description = models.CharField(max_length=1000, blank=True)
    count = models.BigIntegerField(default=0)
    nan_count = models.BigIntegerField(default=0)
    first_step = models.BigIntegerField(null=True)
    last = models.FloatField(null=True)
    last_is_nan = models.BooleanField(default=False)
    last_step = models.BigIntegerField(null=True)
    last_time = models.FloatField(null=True, help_text="Epoch seconds")
    least = models.FloatField(null=True)
    least_step = models.BigIntegerField(null=True)
    most = models.FloatField(null=True)
    most_step = models.BigIntegerField(null=True)
    total = models.FloatField(null=True, help_text="Sum of the values; null when infinities cancel out")
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="one_metric_per_name")]
        indexes = [models.Index(fields=["name", "last"], name="metrics_by_last")]

    def __str__(self) -> str:
        return self.name

    @property
    def summary(self) -> Summary:
        return Summary(
            count=self.count,
            nan_count=self.nan_count,
            first_step=self.first_step,
            last=math.nan if self.last_is_nan else self.last,
            last_step=self.last_step,
            last_time=self.last_time,
            min=self.least,
            min_step=self.least_step,
            max=self.most,
            max_step=self.most_step,
            total=math.nan if self.total is None else self.total,
        )

    @summary.setter
    def summary(self, summary: Summary) -> None:
        is_nan = summary.last is not None and math.isnan(summary.last)
        self.count, self.nan_count, self.first_step = summary.count, summary.nan_count, summary.first_step
        self.last, self.last_is_nan = (None if is_nan else summary.last), is_nan
        self.last_step, self.last_time = summary.last_step, summary.last_time
        self.least, self.least_step = summary.min, summary.min_step
        self.most, self.most_step = summary.max, summary.max_step
        self.total = None if math.isnan(summary.total) else summary.total

    @property
    def mean(self) -> float | None:
        return self.summary.mean


class MetricChunk(models.Model):
    """Steps, times and values of one metric as packed arrays (`experiments.metrics.codec`)."""

    metric = models.ForeignKey(Metric, models.CASCADE, related_name="chunks")
    first_step = models.BigIntegerField()
    count = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.count} points of {self.metric}"


class LoggedValue(models.Model):
    """Whatever was logged under a name and is not a series of numbers: texts, lists, rows, tables, images …"""

    class Kind(models.TextChoices):
        TEXT = "text"
        LIST = "list"
        ROW = "row"
        TABLE = "table"
        IMAGE = "image"
        CONFUSION_MATRIX = "confusion_matrix"
        ACCURACY_TABLE = "accuracy_table"
        PREDICTIONS = "predictions"
        RESIDUALS = "residuals"

    run = models.ForeignKey(Run, models.CASCADE, related_name="logged_values")
    name = models.CharField(max_length=250)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    description = models.CharField(max_length=1000, blank=True)
    value = models.JSONField(help_text="As in metrics.jsonl; numbers that are not finite are {'x': 'nan'}")
    time = models.FloatField(help_text="Epoch seconds")

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["run", "name"], name="logged_values_by_name")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Parameter(models.Model):
    """Written once."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="parameters")
    name = models.CharField(max_length=250)
    value = models.TextField()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="one_parameter_per_name")]

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


class Tag(models.Model):
    """May change; a tag without a value is one, too."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="tags")
    name = models.CharField(max_length=250)
    value = models.TextField(null=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="one_tag_per_name")]

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


class RunProperty(models.Model):
    """Written once, like a parameter, but about the run, not the model."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="properties")
    name = models.CharField(max_length=250)
    value = models.TextField()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "run properties"
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="one_property_per_name")]

    def __str__(self) -> str:
        return f"{self.name}={self.value}"
