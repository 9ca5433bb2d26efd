"""Every error that a user can meet.

PortalError                     status, code, message, details
├── BadInput            400     the request says something that cannot be
│   └── TooLarge        413     a limit was hit; it names the setting
├── NotSignedIn         401
├── NotAllowed          403     seen, but not for this role
├── NotFound            404     is not there, or not for the caller's eyes
├── Conflict            409     the state of the thing does not allow it now
│   ├── IllegalMove             the status table has no such move
│   ├── InProgress              the first request with this key goes on
│   └── StaleState              somebody else changed it first: theirs stands
├── ClientTooOld        426     the client is older than the portal understands
└── Unavailable         503     a part of the portal is away; try again
    ├── BytesLost               the database knows of a file that the storage does not have
    ├── DatabaseAway            it does not answer, or another writer has kept it too long
    └── StorageAway             the bucket does not answer; what is stored there is safe
"""

from collections.abc import Mapping
from typing import Any


class PortalError(Exception):
    """Base of all errors with an HTTP status, a stable code and a message written for the person who meets it."""

    status = 500
    code = "error"
    retry_after: int | None = None
    """Seconds after which it is worth trying again."""

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        if code:
            self.code = code

    def as_json(self) -> Mapping[str, Any]:
        """The one error shape of every dialect of the portal's own API."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


class BadInput(PortalError):
    status, code = 400, "bad_input"


class TooLarge(BadInput):
    status, code = 413, "too_large"


class NotSignedIn(PortalError):
    status, code = 401, "not_signed_in"


class NotAllowed(PortalError):
    status, code = 403, "not_allowed"


class NotFound(PortalError):
    status, code = 404, "not_found"


class Conflict(PortalError):
    status, code = 409, "conflict"


class IllegalMove(Conflict):
    code = "illegal_move"


class InProgress(Conflict):
    code = "in_progress"
    retry_after = 1


class StaleState(Conflict):
    code = "stale_state"


class ClientTooOld(PortalError):
    status, code = 426, "client_too_old"


class Unavailable(PortalError):
    status, code = 503, "unavailable"


class Busy(Unavailable):
    code = "busy"
    retry_after = 5


class BytesLost(Unavailable):
    code = "bytes_lost"


class DatabaseAway(Unavailable):
    code = "database_away"
    retry_after = 2


class StorageAway(Unavailable):
    code = "storage_away"
