from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone


class Blob(models.Model):
    """Bytes, named by their SHA-256: whoever stores the same bytes again stores nothing."""

    digest = models.CharField(primary_key=True, max_length=64, validators=[RegexValidator(r"\A[0-9a-f]{64}\Z")])
    size = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    def __str__(self) -> str:
        return self.digest[:12]

    @property
    def key(self) -> str:
        """Its name in the storage; two letters of fan-out keep folders small."""
        return f"blobs/{self.digest[:2]}/{self.digest}"
