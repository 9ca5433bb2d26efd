"""`run.wait_for_completion`: until the run is final, with its log as it is written."""

import json
import os
import sys
import time
from typing import Any, Dict, Iterator, Tuple

from azureml._details import error_of
from azureml._said import say
from azureml.exceptions import ActivityFailedException, ExperimentExecutionException

BUILD_LOG = "azureml-logs/20_image_build_log.txt"  # Azure's name for the log of what makes the environment
USER_LOG = "user_logs/std_log.txt"
POLL_SECONDS = 1.0
PATIENCE_SECONDS = 5.0  # of silence, before a caller who waits is told why

_AWAY = "The connection to the portal is lost; waiting goes on."


def wait(run: Any, show_output: bool, raise_on_error: bool) -> Dict[str, Any]:
    """The run's details. It is waited for whole: what it left is stored when it is final, not before."""
    try:
        if show_output:
            _show(run, raise_on_error)
        else:
            for event, data in _events(run, ""):
                if event == "away" and data["seconds"] >= PATIENCE_SECONDS:
                    say(_AWAY)  # shown once
    except KeyboardInterrupt:
        raise ExperimentExecutionException(
            "The output streaming for the run interrupted.\n"
            "But the run is still executing on the compute target. \n"
            "run.cancel() ends it; its page is {}".format(run.get_portal_url())
        ) from None
    data = run._fetch()
    error = error_of(data)
    if error and raise_on_error:
        raise ActivityFailedException("Activity Failed:", json.dumps(error, indent=4))
    found: Dict[str, Any] = run.get_details()
    return found


def _show(run: Any, raise_on_error: bool) -> None:
    out = sys.stdout
    out.write("RunId: {}\nWeb View: {}\n".format(run.id, run.get_portal_url()))
    out.flush()
    shown, is_away = "", False
    for event, data in _events(run, USER_LOG):
        if event == "away":
            out.write("" if is_away else "\n{} ({})\n".format(_AWAY, data["message"]))
            is_away = True
        elif event == "back":
            out.write("The portal is there again.\n")
            is_away = False
        elif event in ("build", "log") and data["text"]:
            name = BUILD_LOG if event == "build" else data["name"]
            if shown != name:
                title = "Streaming " + name
                out.write("\n{}\n{}\n\n".format(title, "=" * len(title)))
                shown = name
            out.write(data["text"])
        out.flush()
    out.write("\nExecution Summary\n=================\n")
    out.write("RunId: {}\nWeb View: {}\n".format(run.id, run.get_portal_url()))
    data = run._fetch()
    warnings = ["{} was not stored: {}".format(*item) for item in data.get("skipped_files") or ()]
    if warnings:
        out.write("\nWarnings:\n{}\n".format("\n".join(warnings)))
    error = error_of(data)
    if error and not raise_on_error:
        out.write("\nError:\n{}\n".format(json.dumps(error, indent=4)))
    out.write("\n")
    out.flush()


def _events(run: Any, log: str) -> Iterator[Tuple[str, Any]]:
    """The run's events until its end."""
    from azureml.core.run import FINAL

    if not os.environ.get("MLPORTAL_RUN_DIR"):
        yield from run._scope.follow(run.id, log=log)
        return
    # a script waits for a run below its own: a run's token opens no event stream
    offset = 0
    while True:
        final = run._fetch()["status"] in FINAL
        if log:
            text = run._log(log) if offset or final else ""
            if text[offset:]:
                yield "log", {"name": log, "text": text[offset:]}
                offset = len(text)
        if final:
            yield "end", {}
            return
        time.sleep(POLL_SECONDS)
