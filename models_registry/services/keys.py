"""The two keys of a service. They are derived from the portal's secret and never stored: a copy of the database has none."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
from typing import Literal

from django.conf import settings
from django.db import transaction

from mlportal.access.models import User
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput
from mlportal.uid import new_uid
from models_registry.models import Deployment
from models_registry.services import journal

PREFIX = "mls_"
Slot = Literal["primary", "secondary"]
SLOTS: tuple[Slot, Slot] = ("primary", "secondary")


@functools.lru_cache(maxsize=4096)
def derive(uid: str, slot: Slot, nonce: str) -> str:
    """`mls_` and 256 bits. Another nonce is another key; another secret of the portal makes all keys others."""
    digest = hmac.new(settings.SECRET_KEY.encode(), f"{uid}:{slot}:{nonce}".encode(), hashlib.sha256).digest()
    return PREFIX + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def pair_of(deployment: Deployment) -> tuple[str, str]:
    uid = deployment.uid
    return derive(uid, "primary", deployment.primary_nonce), derive(uid, "secondary", deployment.secondary_nonce)


def is_key(header: str | None, pair: tuple[str, str]) -> bool:
    """Whether this Authorization header bears one of the keys; both are compared whatever the first says."""
    scheme, _, given = (header or "").partition(" ")
    offered = given.strip().encode(errors="surrogateescape")
    matches = [hmac.compare_digest(offered, key.encode()) for key in pair]
    return scheme.lower() == "bearer" and any(matches)


def keys(deployment: Deployment, *, by: User) -> tuple[str, str]:
    """(primary, secondary), for contributors; that somebody saw them is on the audit trail."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    record("deployment.keys", by=by, workspace=deployment.workspace, subject=deployment)
    return pair_of(deployment)


@transaction.atomic
def regenerate_key(deployment: Deployment, slot: str, *, by: User) -> str:
    """A new key in this slot; the old one opens nothing from now on (within a second)."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    if slot not in SLOTS:
        raise BadInput(f"{slot!r} is not a key; there are {' and '.join(SLOTS)}.", field="key")
    nonce = new_uid()
    journal.note(deployment, f"{slot} key regenerated", by=by, **{f"{slot}_nonce": nonce})
    record("deployment.regenerate_key", by=by, workspace=deployment.workspace, subject=deployment, key=slot)
    return derive(deployment.uid, "primary" if slot == "primary" else "secondary", nonce)
