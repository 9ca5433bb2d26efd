"""What services were asked and answered, as far as their people want it kept, and what came true of it."""

from django.db import models
from django.utils import timezone

from models_registry.models.deployments import Deployment
from models_registry.models.monitoring import VERSION_CHARACTERS


class Watch(models.Model):
    """How a service is watched. A service without a row is watched by these defaults: nothing is kept of its requests."""

    deployment = models.OneToOneField(Deployment, models.CASCADE, related_name="watch")
    sample_percent = models.FloatField(default=0, help_text="Of the requests that are answered: 0 keeps none, 100 all")
    sample_rows = models.PositiveIntegerField(default=10_000, help_text="The newest rows that are kept")
    psi_warning = models.FloatField(default=0.1, help_text="A PSI from which a column is told to have moved")
    psi_alarm = models.FloatField(default=0.25, help_text="A PSI from which a column is told to have moved far")
    significance = models.FloatField(
        default=0.01, help_text="Of the tests, after Benjamini and Hochberg's correction for the number of columns"
    )
    least_rows = models.PositiveIntegerField(default=100, help_text="Fewer rows are not compared")
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.sample_percent:g} % of {self.deployment}"


class SampledRequest(models.Model):
    """A request that was answered, with its rows and predictions: users' data. It goes when it is too old, and with its
    service. Its number and that of a row, from 0, name a prediction."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="samples")
    request_id = models.CharField(max_length=64, help_text="The answer's x-request-id")
    version = models.CharField(max_length=VERSION_CHARACTERS)
    method = models.CharField(max_length=60)
    at = models.DateTimeField()
    rows = models.PositiveIntegerField(help_text="That are kept; a request may have had more")
    data = models.BinaryField(help_text="{columns, rows, predictions, classes}: see services/monitoring/packing.py")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deployment", "request_id"], name="one_sample_per_request")]
        indexes = [models.Index(fields=["deployment", "version", "at"], name="samples_of_a_version")]

    def __str__(self) -> str:
        return self.request_id


class ActualValue(models.Model):
    """What came true for one row of a request."""

    sampled = models.ForeignKey(SampledRequest, models.CASCADE, related_name="actuals")
    row = models.PositiveIntegerField()
    value = models.JSONField(help_text="A number, a text, or true or false")
    predicted = models.JSONField(null=True, help_text="What was predicted, so that it can be compared in one look")
    is_class = models.BooleanField(default=False, help_text="Both name a class; else they are numbers of a scale")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sampled", "row"], name="one_actual_value_per_row")]

    def __str__(self) -> str:
        return f"{self.sampled_id}/{self.row}: {self.value}"


class DriftReport(models.Model):
    """The newest comparison of what a version of a service is asked with what its model was trained on."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="drift_reports")
    version = models.CharField(max_length=VERSION_CHARACTERS)
    at = models.DateTimeField()
    rows = models.PositiveIntegerField(default=0)
    since = models.DateTimeField(null=True, help_text="Of the oldest row that was compared")
    newest = models.PositiveBigIntegerField(default=0, help_text="The last sampled request that it knows of")
    problem = models.TextField(blank=True, help_text="Why nothing was compared, for a person")
    columns = models.JSONField(default=list, help_text="[{name, kind, psi, test, statistic, p, flag, histogram}, …]")
    flag = models.CharField(max_length=10, blank=True, help_text="The worst of its columns': empty, warning or alarm")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deployment", "version"], name="one_drift_report_per_version")]

    def __str__(self) -> str:
        return f"{self.version}: {self.flag or 'as trained'}"
