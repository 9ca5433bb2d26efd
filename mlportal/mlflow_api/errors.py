"""MLflow's error codes with their HTTP statuses (mlflow/exceptions.py), and the portal's own errors in their words."""

from __future__ import annotations

from typing import Final

from mlportal.errors import BadInput, Conflict, NotAllowed, NotFound, NotSignedIn, PortalError, Unavailable

STATUS: Final = {
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "RESOURCE_CONFLICT": 409,
    "INTERNAL_ERROR": 500,
    "TEMPORARILY_UNAVAILABLE": 503,
}
# Conflicts that MLflow has another word for.
_CONFLICTS: Final = {
    "exists": "RESOURCE_ALREADY_EXISTS",
    "written_once": "INVALID_PARAMETER_VALUE",
    "deleted": "INVALID_PARAMETER_VALUE",
}
_KINDS: Final = (
    (BadInput, "INVALID_PARAMETER_VALUE"),
    (NotSignedIn, "UNAUTHENTICATED"),
    (NotAllowed, "PERMISSION_DENIED"),
    (NotFound, "RESOURCE_DOES_NOT_EXIST"),
    (Conflict, "RESOURCE_CONFLICT"),
    (Unavailable, "TEMPORARILY_UNAVAILABLE"),
)


class MlflowError(Exception):
    """An answer that the client raises as its `MlflowException` with this error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, STATUS[code]


def invalid(message: str) -> MlflowError:
    return MlflowError("INVALID_PARAMETER_VALUE", message)


def missing(name: str) -> MlflowError:
    return invalid(f"Missing value for required parameter '{name}'.")


def not_there(message: str) -> MlflowError:
    return MlflowError("RESOURCE_DOES_NOT_EXIST", message)


def translated(error: PortalError) -> MlflowError:
    if isinstance(error, Conflict) and error.code in _CONFLICTS:
        return MlflowError(_CONFLICTS[error.code], error.message)
    code = next((code for kind, code in _KINDS if isinstance(error, kind)), "INTERNAL_ERROR")
    return MlflowError(code, error.message)
