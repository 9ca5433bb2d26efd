"""What a caller of a service may be told. Each error has a status, a code, a message and details.

GatewayError
├── BadInput 400 · NoMethod 400 · UnknownVersion 400 · Unauthorized 401 · UnknownService 404 · UnknownPath 404 · WrongVerb 405
├── WrongHost 400 · SlowBody 408 · BodyTooLarge 413 · TooManyRows 413 · WrongContentType 415 · TooManyRequests 429
├── ModelFailed 500 · DeadlineExceeded 504
├── OutOfMemory 507
└── NotReady 503 · NotRunning 503 · Elsewhere 503 · ReplicaCrashed 503
"""

from __future__ import annotations

from typing import Any, ClassVar

MESSAGE_CHARACTERS = 2000


class GatewayError(Exception):
    """Base of what is answered as `{"error": {"code", "message", "details"}}`."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"
    headers: dict[str, str] = {}

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.asked = ""  # the method that was asked for, where the request was understood that far
        self.message = message[:MESSAGE_CHARACTERS]  # an error is no echo of what was sent
        self.details = details


class BadInput(GatewayError):
    """The body is not what the model takes."""

    status, code = 400, "bad_input"


class UnknownVersion(GatewayError):
    """The service has no such version now."""

    status, code = 400, "unknown_version"


class NoMethod(GatewayError):
    """The model has no such method."""

    status, code = 400, "no_method"


class Unauthorized(GatewayError):
    """The key is missing or wrong."""

    status, code = 401, "unauthorized"
    headers = {"www-authenticate": "Bearer"}


class UnknownService(GatewayError):
    """No service has this name."""

    status, code = 404, "unknown_service"


class UnknownPath(GatewayError):
    """A service has no such path."""

    status, code = 404, "not_found"


class WrongVerb(GatewayError):
    """The path exists, with other verbs."""

    status, code = 405, "method_not_allowed"

    def __init__(self, message: str, *, allowed: list[str]) -> None:
        super().__init__(message, allowed=allowed)
        self.headers = {"allow": ", ".join(allowed)}


class WrongHost(GatewayError):
    """The Host header names somebody else: a browser was led here under a name that is not the portal's."""

    status, code = 400, "wrong_host"


class SlowBody(GatewayError):
    """The body did not arrive in time."""

    status, code = 408, "slow_body"
    headers = {"connection": "close"}


class BodyTooLarge(GatewayError):
    """The body is larger than this gateway takes."""

    status, code = 413, "body_too_large"
    headers = {"connection": "close"}


class TooManyRows(GatewayError):
    """The request has more rows than this gateway takes."""

    status, code = 413, "too_many_rows"


class WrongContentType(GatewayError):
    """The body is neither JSON nor CSV."""

    status, code = 415, "unsupported_media_type"


class TooManyRequests(GatewayError):
    """The queue of the service is full."""

    status, code = 429, "too_many_requests"
    headers = {"retry-after": "1"}


class ModelFailed(GatewayError):
    """The model raised an error on valid input."""

    status, code = 500, "model_error"


class ReplicaCrashed(GatewayError):
    """The request was lost with its replica, more than once."""

    status, code = 503, "replica_crashed"
    headers = {"retry-after": "5"}


class OutOfMemory(GatewayError):
    """The request was lost with its replica, which had no memory left: sent again as it is, it will be lost again."""

    status, code = 507, "out_of_memory"


class NotRunning(GatewayError):
    """The service is stopped or has failed: it answers when somebody has started it."""

    status, code = 503, "not_running"


class Elsewhere(GatewayError):
    """The replicas of the service are on another machine."""

    status, code = 503, "served_elsewhere"
    headers = {"retry-after": "5"}  # this machine may be about to take over


class NotReady(GatewayError):
    """No replica answers now."""

    status, code = 503, "not_ready"
    headers = {"retry-after": "2"}


class DeadlineExceeded(GatewayError):
    """The answer did not come in time."""

    status, code = 504, "deadline_exceeded"
