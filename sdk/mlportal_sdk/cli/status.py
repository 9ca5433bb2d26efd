"""What the command exits with. `mlportal run` and `logs -f` exit with the script's own status instead, once it has one."""

from mlportal_sdk import errors

OK = 0
FAILED = 1  # a run or a service that failed, or anything else
USAGE = 2
NOT_LOGGED_IN = 3  # no portal chosen, no token, or one that is refused
NOT_FOUND = 4
AWAY = 5
REFUSED = 6  # bad input, a conflict, not allowed
VERSIONS = 7  # portal and client do not fit each other
INTERRUPTED = 130
PIPE_CLOSED = 141


class Usage(Exception):
    """The command was asked for something that it cannot do; the text says what it takes."""


OF_ERROR = [
    (errors.NotConfigured, NOT_LOGGED_IN),
    (errors.NotAuthenticated, NOT_LOGGED_IN),
    (errors.NotFound, NOT_FOUND),
    (errors.Unreachable, AWAY),
    (errors.Unavailable, AWAY),
    (errors.TooManyRequests, AWAY),
    (errors.NoPortal, AWAY),
    (errors.ServerTooOld, VERSIONS),
    (errors.ClientTooOld, VERSIONS),
    (errors.PortalError, REFUSED),
]


def of_error(error: Exception) -> int:
    return next((status for kind, status in OF_ERROR if isinstance(error, kind)), FAILED)


def of_run(run: "dict[str, object]") -> int:
    """The script's status; 128 + n for a signal; 130 for a run that was canceled, 1 for one that never started its script."""
    if run["status"] == "Completed":
        return OK
    if run["status"] == "Canceled":
        return INTERRUPTED
    signal, code = run.get("exit_signal"), run.get("exit_code")
    if isinstance(signal, int) and signal:
        return 128 + signal
    return code % 256 or FAILED if isinstance(code, int) else FAILED
