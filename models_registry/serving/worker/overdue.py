"""Ends the process when a call does not return, and says where it was. Python 3.6, standard library only.

Who has asked is told that it takes too long by then; to all others the process would never answer again. The time that a
call began is kept, and another thread looks at it: a timer of faulthandler's for each call costs 50 µs, this 0.1 µs. A call
that lets no other thread run is not seen here; then the process does not tell its health either, and the supervisor ends
it, with SIGABRT, at which faulthandler writes the same.
"""

import faulthandler
import os
import time

from . import process

EXIT_NOT_RETURNED = 6
LOOK_SECONDS = 1.0


class Overdue(object):
    """Set `since` to `time.monotonic()` when a call begins and to 0 when it has returned; have another thread `look`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.look_seconds = min(LOOK_SECONDS, seconds / 4)
        self.since = 0.0

    def look(self) -> None:
        since = self.since
        if since and time.monotonic() - since > self.seconds:
            process.log("a call did not return within %g s; this is where all threads are:" % self.seconds)
            faulthandler.dump_traceback(file=process.log_file, all_threads=True)
            os._exit(EXIT_NOT_RETURNED)
