"""A secret on its way to the one page that shows it, after the redirect that follows its making.

Half of it is kept in the session, half in a cookie: each half alone is random bytes, so neither a copy of the database
nor the browser's cookies tell the secret, and the first showing destroys both.
"""

import base64
import binascii
import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables

COOKIE = "mlportal_once"
SECONDS = 60  # a redirect takes far less


@sensitive_variables("secret", "data")
def keep(request: HttpRequest, response: HttpResponse, secret: str) -> None:
    """Let the page that the redirect `response` leads to have it. A later secret takes its place."""
    data = secret.encode()
    pad = secrets.token_bytes(len(data))
    request.session[COOKIE] = base64.b64encode(pad).decode()
    response.set_cookie(
        COOKIE,
        base64.b64encode(_xor(data, pad)).decode(),
        max_age=SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def take(request: HttpRequest) -> str:
    """The secret, the one time; "" when there is none to show. The caller `forget`s it in the answer."""
    pad, rest = request.session.pop(COOKIE, ""), request.COOKIES.get(COOKIE, "")
    try:
        return _xor(base64.b64decode(pad), base64.b64decode(rest)).decode()
    except (binascii.Error, ValueError):
        return ""


def forget(response: HttpResponse) -> None:
    response.delete_cookie(COOKIE, samesite="Strict")


def _xor(one: bytes, other: bytes) -> bytes:
    """Nothing when they are not halves of one secret."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
