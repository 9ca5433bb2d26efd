from django.db import models
from django.utils import timezone


class KeptAnswer(models.Model):
    """What a request with an Idempotency-Key was answered, for the same request again."""

    owner = models.CharField(max_length=40, help_text="user-<number> or run-<number>")
    key = models.CharField(max_length=255)
    request = models.CharField(max_length=64, help_text="SHA-256 of method, address and body")
    status = models.PositiveSmallIntegerField()
    location = models.CharField(max_length=2000, blank=True)
    body = models.BinaryField()
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return f"{self.key} of {self.owner}"
