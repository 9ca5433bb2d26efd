"""Every error of the client. The text of each says what happened and what to do.

AzureMLException                what scripts written for Azure's SDK catch
└── PortalError                 status, code, message, details
    ├── NotConfigured               config.json, address or token are missing or wrong; nothing was sent
    ├── Unreachable                 no answer: refused, cut off, too late
    ├── BadInput            400
    │   └── TooLarge        413
    ├── NotAuthenticated    401
    ├── NotAllowed          403
    ├── NotFound            404
    ├── Conflict            409
    ├── TooManyRequests     429
    ├── Unavailable         5xx     the portal, or what stands before it, cannot answer now
    ├── NoPortal                    something answers there, but it is no portal
    ├── FileChanged                 a file changed while it was uploaded, or arrived other than it was sent
    ├── ServerTooOld                the portal does not know what this client asks for
    └── ClientTooOld                the portal no longer knows what this client asks for
"""

from typing import Any, Dict, Optional

from mlportal_sdk import __version__


class AzureMLException(Exception):
    """Any error of the SDK, by Azure's name: what scripts catch by it are the portal's answers, too."""

    def __init__(self, exception_message: str = "", **kwargs: Any) -> None:
        super().__init__(exception_message)
        self.message = exception_message


class PortalError(AzureMLException):
    """`status` is the HTTP status, 0 where there was no answer; `code` is stable, `message` is for people."""

    def __init__(self, message: str, status: int = 0, code: str = "", details: Optional[Dict[str, Any]] = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details: Dict[str, Any] = details or {}


class NotConfigured(PortalError):
    pass


class Unreachable(PortalError):
    pass


class BadInput(PortalError):
    pass


class TooLarge(BadInput):
    pass


class NotAuthenticated(PortalError):
    pass


class NotAllowed(PortalError):
    pass


class NotFound(PortalError):
    pass


class Conflict(PortalError):
    pass


class TooManyRequests(PortalError):
    pass


class Unavailable(PortalError):
    pass


class NoPortal(PortalError):
    pass


class FileChanged(PortalError):
    pass


class ServerTooOld(PortalError):
    pass


class ClientTooOld(PortalError):
    pass


_BY_STATUS = {
    400: BadInput,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: TooManyRequests,
}
# What a portal of another version answers for an address, a method, a parameter or a field that it does not have.
_UNKNOWN = ("no_such_address", "method_not_allowed", "unknown_parameter")
_UNKNOWN_FIELD = "There is no such field here"


def of_answer(url: str, status: int, body: bytes, version: str = "") -> PortalError:
    """The error that an answer means. `version` is the portal's, from its `X-MLPortal-Version`."""
    import json

    try:
        error = json.loads(body.decode("utf-8"))["error"]
        message, code, details = str(error["message"]), str(error["code"]), error.get("details")
    except (ValueError, KeyError, TypeError):
        return _of_no_portal(url, status)
    if not isinstance(details, dict):
        details = {}
    other = _of_versions(url, status, code, message, version)
    if other is not None:
        return other
    if status == 401:
        message += (
            " (The token comes from MLPORTAL_TOKEN, else from `mlportal login`; "
            "a new one is made at {}/account/tokens/.)".format(url)
        )
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else BadInput if status < 500 else PortalError)
    return kind(message, status, code, details)


def _of_versions(url: str, status: int, code: str, message: str, version: str) -> Optional[PortalError]:
    if status == 426:
        return ClientTooOld(_update_client(url, version), status, code)
    if version == __version__ or not (code in _UNKNOWN or _UNKNOWN_FIELD in message):
        return None
    if _numbers(version) < _numbers(__version__):  # one that does not tell its version is of before they did
        text = "The portal at {} is {}, older than this client ({}), and does not know this: {} ".format(
            url, "version " + version if version else "of a version", __version__, message
        )
        return ServerTooOld(text + "Update the portal, or install the client of its version.", status, code)
    return ClientTooOld("{} ({})".format(_update_client(url, version), message), status, code)


def _update_client(url: str, version: str) -> str:
    return "The portal at {} is version {}, newer than this client ({}): install mlportal-sdk {}.".format(
        url, version or "unknown", __version__, version or "of the portal's version"
    )


def _of_no_portal(url: str, status: int) -> PortalError:
    if status in (502, 503, 504):
        return Unavailable(
            "The portal at {} does not answer at the moment (HTTP {} from what stands before it).".format(url, status),
            status,
        )
    if status == 429:
        return TooManyRequests(
            "What stands before the portal at {} refuses more requests for now (HTTP 429); try again later.".format(
                url
            ),
            status,
        )
    if status >= 500:
        return Unavailable("The portal at {} failed (HTTP {}); its log says why.".format(url, status), status)
    return NoPortal(
        "What answers at {} is no mlportal portal (HTTP {}, and not the portal's JSON). "
        "Check the address in config.json or MLPORTAL_URL.".format(url, status),
        status,
    )


def _numbers(version: str) -> "tuple[int, ...]":
    parts = []
    for part in version.split("."):
        digits = ""
        for letter in part:
            if not letter.isdigit():
                break
            digits += letter
        parts.append(int(digits or 0))
    return tuple(parts)
