"""The notebook's display of a run, renewed by a thread of its own until the run is final."""

import importlib
import threading
import time
from typing import Any, Dict, List

from azureml.core.run import FINAL
from azureml.widgets._view import render

LOG = "user_logs/std_log.txt"
LOG_LINES = 15
LEAST_SECONDS = 1.0  # between two updates: a browser draws each of them
CHARTS = 6
POINTS = 200


class State:
    """What is known of the run."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.data: Dict[str, Any] = run._fetch()
        self.url = run.get_portal_url()
        self.log: List[str] = []
        self.building = ""
        self.series: Dict[str, Any] = {}
        self.message = ""

    @property
    def is_final(self) -> bool:
        return self.data["status"] in FINAL

    def take(self, event: str, told: Any) -> None:
        if event == "run":
            self.data = told
        elif event == "build" and told["text"].strip():
            self.building = told["text"].strip().splitlines()[-1]
        elif event == "log":
            self._add(told["text"])
        elif event == "metrics":
            self.fetch_series([one["name"] for one in told["summaries"]])
        if event in ("away", "back"):
            self.message = told.get("message", "")

    def fetch_series(self, names: List[str]) -> None:
        if names:
            path = self.run._path + "metrics/series/"
            self.series = self.run._scope.get(path, name=sorted(names)[:CHARTS], points=POINTS)

    def fetch_all(self) -> None:
        """Of a run that is final: one look is enough."""
        self.fetch_series([one["name"] for one in self.run._scope.get(self.run._path + "metrics/")])
        if any(row["name"] == LOG for row in self.run._scope.get(self.run._path + "logs/")):
            self._add(self.run._log(LOG))

    def _add(self, text: str) -> None:
        """The last lines; a line may come in pieces."""
        whole = "\n".join(self.log) + text if self.log else text
        self.log = whole.split("\n")[-LOG_LINES - 1 :]


def show(run: Any) -> None:
    jupyter = importlib.import_module("IPython.display")  # there in a kernel, and nowhere else needed
    state = State(run)
    if state.is_final:
        state.fetch_all()
    handle = jupyter.display(jupyter.HTML(render(state)), display_id=True)
    if not state.is_final:
        thread = threading.Thread(
            target=_follow, args=(state, handle, jupyter.HTML), name="mlportal-widget", daemon=True
        )
        thread.start()


def _follow(state: State, handle: Any, html: Any) -> None:
    from mlportal_sdk.errors import PortalError

    shown_at = 0.0
    try:
        for event, told in state.run._scope.follow(state.run.id, log=LOG):
            state.take(event, told)
            if event == "end" or time.monotonic() - shown_at >= LEAST_SECONDS:
                shown_at = time.monotonic()
                handle.update(html(render(state)))
        state.data = state.run._fetch()
        state.fetch_all() if not state.log and not state.series else None
    except PortalError as error:
        state.message = error.message
    handle.update(html(render(state)))
