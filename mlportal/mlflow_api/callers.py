"""Who calls: a user's or a run's token, or a name with a password or token (basic auth).

What is found is remembered for two seconds, so that a script that logs a thousand times a second is not looked up as
often. A token that is revoked, a member who is removed and a run that has ended are refused after that at the latest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.auth import authenticate
from django.http import HttpRequest

from experiments.models import Run, RunToken
from mlportal.access.authentication import who_asks
from mlportal.access.models import ApiToken, User, Workspace
from mlportal.access.principals import RunPrincipal
from mlportal.errors import NotFound, NotSignedIn
from mlportal.mlflow_api.call import REMEMBERED_SECONDS

PASSWORD_SECONDS: Final = 300.0  # how long a password that was right is not hashed again, as long as it is not changed
MOST_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    by: User | RunPrincipal
    workspace: Workspace
    until: float
    runs: dict[str, tuple[Run, float]] = field(default_factory=dict)  # that it was found to write to, and until when


_callers: dict[tuple[bytes, str], Caller] = {}
_passwords: dict[bytes, tuple[int, str, float]] = {}  # what was shown → the user, the hash that it opened, until when


def remembered(authorization: str, workspace: str) -> Caller | None:
    """Who was found for these words a moment ago. Asks no database."""
    caller = _callers.get((_digest(authorization), workspace))
    return caller if caller and caller.until > time.monotonic() else None


def find(authorization: str, workspace: str, address: str) -> Caller:
    """Raises NotSignedIn for a key that opens nothing, NotFound for a workspace that is not the caller's to see."""
    digest = _digest(authorization)
    by = _who(authorization, digest, address)
    if by is None:
        raise NotSignedIn(
            "Send an API token of the portal: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD."
        )
    place = Workspace.objects.visible_to(by).filter(name=workspace).first()
    if place is None:
        raise NotFound(f"There is no workspace {workspace[:63]!r}, or it is not yours to see.")
    caller = Caller(by, place, time.monotonic() + REMEMBERED_SECONDS)
    _keep(_callers, (digest, workspace), caller)
    return caller


def _who(authorization: str, digest: bytes, address: str) -> User | RunPrincipal | None:
    scheme, _, words = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return _by_token(words.strip())
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(words.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    if "\0" in name:  # PostgreSQL takes none, not even to look for it
        return None
    if secret.startswith((ApiToken.PREFIX, RunToken.PREFIX)):
        found = _by_token(secret)
        return found if isinstance(found, RunPrincipal) or (found and found.username == name) else None
    return _by_password(name, secret, digest, address)


def _by_token(secret: str) -> User | RunPrincipal | None:
    request = HttpRequest()
    request.META["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return who_asks(request)


def _by_password(name: str, password: str, digest: bytes, address: str) -> User | None:
    known = _passwords.get(digest)
    if known and known[2] > time.monotonic():
        user = User.objects.filter(pk=known[0], password=known[1], is_active=True).first()
        if user:
            return user
    request = HttpRequest()  # who guesses is counted, as at the login page
    request.META.update({"REMOTE_ADDR": address, "HTTP_USER_AGENT": "mlflow"})
    request.path, request.method = "/api/2.0/mlflow/", "POST"
    user = authenticate(request, username=name, password=password)
    if not isinstance(user, User):
        return None
    _keep(_passwords, digest, (user.pk, user.password, time.monotonic() + PASSWORD_SECONDS))
    return user


def _digest(authorization: str) -> bytes:
    return hashlib.sha256(authorization.encode()).digest()


def _keep(cache: dict[Any, Any], key: Any, value: Any) -> None:
    if len(cache) >= MOST_REMEMBERED:
        cache.clear()
    cache[key] = value
