"""Who is asking: a token in the Authorization header, or the browser's session (with its CSRF check)."""

import logging
import math
import time
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.db import OperationalError
from django.http import HttpRequest
from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.request import Request
from rest_framework.settings import api_settings

from mlportal.access.models import ApiToken, User, digest_of
from mlportal.access.principals import Principal, RunPrincipal

logger = logging.getLogger(__name__)
NOTE_AGAIN = timedelta(minutes=1)
_noted: dict[str, float] = {}  # digests of tokens, and when this process last wrote that they were used


def bearer(request: Request) -> str | None:
    """The secret of `Authorization: Bearer <secret>`."""
    scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


class UserTokenAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        secret = bearer(request)
        if secret is None or not secret.startswith(ApiToken.PREFIX):
            return None
        token = ApiToken.objects.usable().select_related("user").filter(digest=digest_of(secret)).first()
        if token is None:
            raise exceptions.AuthenticationFailed(
                "This API token is unknown, expired or revoked; make a new one on the Tokens page."
            )
        self._note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="mlportal"'

    @staticmethod
    def _note_use(token: ApiToken) -> None:
        """A write a minute, not a request; and who only reads is not refused when the database takes no writes."""
        now = timezone.now()
        noted, tried = token.last_used_at, _noted.get(token.digest, -math.inf)
        if (noted and now - noted < NOTE_AGAIN) or time.monotonic() - tried < NOTE_AGAIN.total_seconds():
            return
        _noted[token.digest] = time.monotonic()
        try:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        except OperationalError as error:
            logger.warning("The use of a token could not be noted: %s", error)


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session, answered with 401 (not 403) when there is none, and a token that none before has taken."""

    def authenticate(self, request: Request) -> Any:
        if bearer(request) is not None:
            raise exceptions.AuthenticationFailed(
                f"This is no token of the portal: those of people begin with {ApiToken.PREFIX}. Copy it again."
            )
        return super().authenticate(request)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="mlportal"'


def who_asks(asked: HttpRequest) -> User | RunPrincipal | None:
    """Whom the key or the session of these headers belongs to at this moment, whatever `asked.user` remembers.

    For what has to know outside of a view: before a long body is read, and while a stream goes on. What changes
    something is not decided by it: it looks at no CSRF token.
    """
    request = HttpRequest()
    request.META, request.COOKIES = asked.META, asked.COOKIES
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(
        asked.COOKIES.get(settings.SESSION_COOKIE_NAME)
    )
    known: Any = api_settings.DEFAULT_AUTHENTICATION_CLASSES
    by_key = [one() for one in known if not issubclass(one, SessionAuthentication)]
    try:
        found: Principal = Request(request, authenticators=by_key).user
    except exceptions.AuthenticationFailed:
        return None
    if not found.is_authenticated:
        found = get_user(request)
    return found if isinstance(found, User | RunPrincipal) else None
