"""What is said at start when the configuration is wrong, and how to mend it."""

import ipaddress
import os
import tempfile
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

WELL_KNOWN_SECRETS = ("changeme", "change-me", "secret", "insecure", "django-insecure", "test", "default")
SECRET_CHARACTERS = 32


def is_public(bind: str) -> bool:
    """Whether others than this machine can reach the address `host:port`."""
    host = bind.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


@register(Tags.security)
def safe_to_listen(**kwargs: Any) -> list[CheckMessage]:
    """A public address needs a secret of its own, and no debug pages."""
    found: list[CheckMessage] = []
    host, _, port = settings.BIND.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        found.append(
            Error(
                f"MLPORTAL_BIND={settings.BIND!r} is not host:port.",
                hint="For example 127.0.0.1:8000.",
                id="mlportal.E001",
            )
        )
        return found
    weak = len(settings.SECRET_KEY) < SECRET_CHARACTERS or settings.SECRET_KEY.lower().startswith(WELL_KNOWN_SECRETS)
    if weak:
        kind = Error if is_public(settings.BIND) else Warning
        found.append(
            kind(
                "The secret key is short or well known.",
                hint="Unset MLPORTAL_SECRET_KEY: a good one is made at the first start and kept in MLPORTAL_HOME.",
                id="mlportal.E002",
            )
        )
    if settings.DEBUG and is_public(settings.BIND):
        found.append(
            Error(
                f"MLPORTAL_DEBUG is on and {settings.BIND} can be reached from outside: its error pages show settings to anybody.",
                hint="Unset MLPORTAL_DEBUG, or bind to 127.0.0.1.",
                id="mlportal.E003",
            )
        )
    return found


@register()
def home_is_usable(**kwargs: Any) -> list[CheckMessage]:
    try:
        with tempfile.TemporaryFile(dir=settings.HOME):
            pass
    except OSError as error:
        return [
            Error(
                f"MLPORTAL_HOME={settings.HOME} cannot be written: {error.strerror}.",
                hint="Give the portal's user the folder, or set MLPORTAL_HOME to another.",
                id="mlportal.E004",
            )
        ]
    if os.stat(settings.HOME).st_mode & 0o077:
        return [
            Warning(
                f"MLPORTAL_HOME={settings.HOME} is open to other users of this machine; scripts, models and the secret are in it.",
                hint=f"chmod 700 {settings.HOME}",
                id="mlportal.W005",
            )
        ]
    return []


@register()
def backends_are_installed(**kwargs: Any) -> list[CheckMessage]:
    """The three addresses that leave the embedded default need their client library."""
    needs = [
        ("DATABASE_URL", settings.DATABASE_URL, ("postgres", "postgresql"), "psycopg", "postgresql"),
        ("BROKER_URL", settings.BROKER_URL, ("redis", "rediss"), "redis", "redis"),
        ("STORAGE_URL", settings.STORAGE_URL, ("s3",), "storages.backends.s3", "s3"),
    ]
    found: list[CheckMessage] = []
    for name, url, schemes, module, extra in needs:
        if url.partition(":")[0] in schemes:
            try:
                __import__(module)
            except ImportError:
                found.append(
                    Error(
                        f"{name} needs the package behind `{module}`.",
                        hint=f".venv/bin/uv pip install --python .venv/bin/python -r pyproject.toml --extra {extra}",
                        id="mlportal.E006",
                    )
                )
    return found
