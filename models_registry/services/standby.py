"""What answered before an update stays in memory for a while, so that rolling back needs no start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from models_registry.models import Revision

NO_STANDBY: dict[str, Any] = {"standby": None, "standby_until": None}


def standby_fields(old: Revision | None) -> dict[str, Any]:
    """The fields of a Deployment that answers with another revision than `old` from now on."""
    seconds = settings.SERVICE_STANDBY_SECONDS
    if not seconds or old is None:
        return NO_STANDBY
    return {"standby": old, "standby_until": timezone.now() + timedelta(seconds=seconds)}
