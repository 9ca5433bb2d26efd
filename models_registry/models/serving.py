from django.db import models


class ServingLease(models.Model):
    """Which supervisor serves, of those of all machines that work on this database: one row, which its holder renews."""

    node = models.CharField(max_length=100, blank=True)
    folder = models.TextField(blank=True, help_text="With the node: whose successor may go on at once")
    token = models.CharField(max_length=32, blank=True, help_text="Of the process that holds it")
    until = models.DateTimeField(null=True, help_text="By the database's clock")

    def __str__(self) -> str:
        return self.node
