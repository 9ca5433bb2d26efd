"""What a run logged: numbers in columnar chunks with one summary a name, and the small things as rows."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from experiments.metrics import Summary
from experiments.models.expressions import Beginning
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
        indexes = [
            models.Index(fields=["name", "last", "run"], name="metrics_by_last"),
            models.Index(fields=["name", "least", "run"], name="metrics_by_least"),
            models.Index(fields=["name", "most", "run"], name="metrics_by_most"),
        ]

    def __str__(self) -> str:
        return self.name

    SUMMARY: ClassVar = (
        "count",
        "nan_count",
        "first_step",
        "last",
        "last_is_nan",
        "last_step",
        "last_time",
        "least",
        "least_step",
        "most",
        "most_step",
        "total",
    )

    @property
    def summary(self) -> Summary:
        return summary_of([getattr(self, column) for column in self.SUMMARY])

    @summary.setter
    def summary(self, summary: Summary) -> None:
        for column, value in zip(self.SUMMARY, values_of(summary), strict=True):
            setattr(self, column, value)

    @property
    def mean(self) -> float | None:
        return self.summary.mean


def summary_of(values: Sequence[Any]) -> Summary:
    """The summary that the columns `Metric.SUMMARY` hold."""
    count, nan_count, first_step, last, last_is_nan, last_step, last_time, least, least_step, most, most_step, total = (
        values
    )
    return Summary(
        count=count,
        nan_count=nan_count,
        first_step=first_step,
        last=math.nan if last_is_nan else last,
        last_step=last_step,
        last_time=last_time,
        min=least,
        min_step=least_step,
        max=most,
        max_step=most_step,
        total=math.nan if total is None else total,
    )


def values_of(summary: Summary) -> tuple[Any, ...]:
    """What the columns `Metric.SUMMARY` hold of it."""
    is_nan = summary.last is not None and math.isnan(summary.last)
    return (
        summary.count,
        summary.nan_count,
        summary.first_step,
        None if is_nan else summary.last,
        is_nan,
        summary.last_step,
        summary.last_time,
        summary.min,
        summary.min_step,
        summary.max,
        summary.max_step,
        None if math.isnan(summary.total) else summary.total,
    )


class MetricChunk(models.Model):
    """Steps, times and values of one metric as packed arrays (`experiments.metrics.codec`)."""

    metric = models.ForeignKey(Metric, models.CASCADE, related_name="chunks")
    first_step = models.BigIntegerField()
    count = models.PositiveIntegerField()
    data = models.BinaryField()

    LOOSE: ClassVar = 4096  # points; a chunk with fewer is merged with those that come

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["metric"], condition=Q(count__lt=4096), name="loose_metric_chunks")]

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
        indexes = [models.Index(F("name"), Beginning("value"), F("run"), name="parameters_by_value")]

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
        indexes = [models.Index(F("name"), Beginning("value"), F("run"), name="tags_by_value")]

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


class LoggedDataset(models.Model):
    """Data that a run says it used, as MLflow's clients describe it: the portal has no bytes of it."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="logged_datasets")
    name = models.CharField(max_length=500)
    digest = models.CharField(max_length=36)
    context = models.CharField(max_length=500, blank=True, help_text="What for: training, evaluation …")
    source_type = models.CharField(max_length=500, blank=True)
    source = models.TextField(blank=True)
    schema = models.TextField(blank=True)
    profile = models.TextField(blank=True)
    tags = models.JSONField(default=dict, help_text="Of this use of it; the context is one of them")

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["run", "name", "digest"], name="one_logged_dataset_per_digest")]

    def __str__(self) -> str:
        return f"{self.name} ({self.digest})"
