"""A POST with an Idempotency-Key is done once: the same request again gets the first answer, not a second run.

The answer is kept in the transaction that did the work, so after a kill there are both or neither. What was refused or
failed is not kept: it may be tried again under its key.
"""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import orjson
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from mlportal.access.models import User
from mlportal.api.models import KeptAnswer
from mlportal.api.renderers import JSONRenderer
from mlportal.errors import BadInput, Conflict, InProgress

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
WAIT_SECONDS = (
    10  # for the first of two that come at once; SQLite's own timeout where every writer waits for the others
)
Handler = Callable[..., HttpResponseBase]


def once(handler: Handler, request: Request) -> Handler:
    """The view's handler, such that the request is carried out once for its key."""

    def handle(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key, owner, asked = _key(request), _owner(request), _digest(request)
        with ExitStack() as stack:
            try:
                stack.enter_context(transaction.atomic())
                _wait_for_turn(f"{owner} {key}")
            except OperationalError as error:
                raise InProgress("The first request with this key has not ended yet; try again.") from error
            kept = KeptAnswer.objects.filter(owner=owner, key=key, at__gt=_oldest()).first()
            if kept is not None:
                return _again(kept, asked)
            response = handler(request, *args, **kwargs)
            if isinstance(response, Response) and response.status_code < 400:
                KeptAnswer.objects.update_or_create(
                    owner=owner,
                    key=key,
                    defaults={
                        "request": asked,
                        "status": response.status_code,
                        "location": response.get("Location", ""),
                        "body": JSONRenderer().render(response.data),
                        "at": timezone.now(),
                    },
                )
            return response

    return handle


def forget_answers() -> None:
    KeptAnswer.objects.filter(at__lte=_oldest()).delete()


def _oldest() -> Any:
    return timezone.now() - timedelta(seconds=settings.IDEMPOTENCY_SECONDS)


def _key(request: Request) -> str:
    key = request.headers[HEADER]
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise BadInput(f"{HEADER} has 1 to 255 printable ASCII characters.", field=HEADER)
    return key


def _owner(request: Request) -> str:
    person = request.user
    return f"user-{person.pk}" if isinstance(person, User) else str(person.pk)


def _digest(request: Request) -> str:
    """Of what the request says: the same JSON with its names in another order is the same."""
    body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode() + body).hexdigest()


def _wait_for_turn(name: str) -> None:
    """Behind another request of the same key. SQLite needs nothing: its writers have waited at BEGIN IMMEDIATE."""
    if connection.vendor != "postgresql":
        return
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")


def _again(kept: KeptAnswer, asked: str) -> HttpResponse:
    if kept.request != asked:
        raise Conflict(
            f"This {HEADER} came with another request before; use a new one for each request.",
            code="idempotency_key_reused",
            field=HEADER,
        )
    response = HttpResponse(bytes(kept.body), status=kept.status, content_type="application/json")
    response[REPLAYED] = "true"
    if kept.location:
        response["Location"] = kept.location
    return response
