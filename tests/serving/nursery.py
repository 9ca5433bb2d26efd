"""Starts model workers without an interpreter and an import of scikit-learn for each: imports once, then forks.

Each line of standard input is JSON: a log file, and the arguments of the model worker, which then runs in the child as
ever. The child's process id is the answer. All end with this process.
"""

import json
import os
import runpy
import signal
import sys
from typing import List  # noqa: UP035 - Python 3.6


def bear(log: str, worker: str, arguments: List[str]) -> None:  # noqa: UP006
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor, path in ((0, os.devnull), (1, log), (2, log)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
    sys.argv = [worker, *arguments]
    try:
        runpy.run_path(worker, run_name="__main__")
    finally:
        os._exit(1)  # it has not ended by itself


if __name__ == "__main__":
    try:
        from sklearn.utils.discovery import all_estimators

        all_estimators()  # imports every module
    except ImportError:  # of another age
        import sklearn.linear_model  # noqa: F401
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        child = os.fork()
        if not child:
            bear(*json.loads(line))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
