from collections.abc import Collection
from typing import Self

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone


class BlobQuerySet(models.QuerySet["Blob"]):
    def unreferenced(self, besides: Collection[type[models.Model]] = ()) -> Self:
        """Those that no row of any model refers to, but perhaps rows of those `besides`."""
        found = self
        for relation in Blob._meta.get_fields(include_hidden=True):
            if isinstance(relation, models.ManyToOneRel) and relation.related_model not in besides:
                holders = relation.related_model._base_manager.filter(**{relation.field.name: OuterRef("pk")})
                found = found.filter(~Exists(holders))
        return found


class Blob(models.Model):
    """Bytes, named by their SHA-256: whoever stores the same bytes again stores nothing."""

    digest = models.CharField(primary_key=True, max_length=64, validators=[RegexValidator(r"\A[0-9a-f]{64}\Z")])
    size = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    objects = BlobQuerySet.as_manager()

    def __str__(self) -> str:
        return self.digest[:12]

    @property
    def key(self) -> str:
        """Its name in the storage; two letters of fan-out keep folders small."""
        return f"blobs/{self.digest[:2]}/{self.digest}"
