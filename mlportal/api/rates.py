"""How many requests a caller has left this minute.

Each web process counts by itself: a store that all share would be one more thing that can be away, and a trip to it for
every request. With two portals behind a load balancer a caller may have twice as many.
"""

import threading
import time
from collections import Counter
from typing import Any, NamedTuple

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException, Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from mlportal.access.models import ApiToken

SECONDS = 60


class Rate(NamedTuple):
    limit: int
    used: int
    reset: int
    """Seconds until it begins anew."""

    def write(self, response: HttpResponseBase) -> None:
        """The fields of draft-ietf-httpapi-ratelimit-headers as it is (-11), and the three of before (-06) that clients read."""
        left = max(0, self.limit - self.used)
        response["RateLimit-Policy"] = f'"requests";q={self.limit};w={SECONDS}'
        response["RateLimit"] = f'"requests";r={left};t={self.reset}'
        response["RateLimit-Limit"] = str(self.limit)
        response["RateLimit-Remaining"] = str(left)
        response["RateLimit-Reset"] = str(self.reset)


class Minute:
    """Counts by name; forgets all of them when a new minute begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self._number = 0
        self._counts: Counter[str] = Counter()

    def count(self, name: str, limit: int) -> Rate:
        now = _now()
        number = int(now // SECONDS)
        with self._lock:
            if number != self._number:
                self._number, self._counts = number, Counter()
            self._counts[name] += 1
            used = self._counts[name]
        return Rate(limit, used, SECONDS - int(now % SECONDS))


requests = Minute()
refusals = Minute()


class PerCaller(BaseThrottle):
    """A token, a run or a signed-in person: one runaway script does not shut out its owner's browser."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not settings.API_RATE:
            return True
        self.rate = view.rate = requests.count(_caller(request), settings.API_RATE)
        return self.rate.used <= self.rate.limit

    def wait(self) -> float:
        return self.rate.reset


def refused(error: APIException, address: str) -> APIException:
    """The 401, or 429 from an address that has had too many of them this minute.

    Only refusals are counted, and only refusals become 429: a token has 256 random bits, so nobody guesses one, and a
    script with a token of last year does not shut out those who share its address.
    """
    limit = settings.API_REFUSED_RATE
    if not limit:
        return error
    rate = refusals.count(address, limit)
    if rate.used <= limit:
        return error
    return Throttled(rate.reset, f"Too many requests without a valid token from {address}. {error.detail}")


def _now() -> float:
    return time.time()


def _caller(request: Request) -> str:
    return f"token-{request.auth.pk}" if isinstance(request.auth, ApiToken) else f"user-{request.user.pk}"
