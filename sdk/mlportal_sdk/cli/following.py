"""A run on the terminal, from now to its end: its log on stdout, what happens to it on stderr."""

import queue
import sys
import threading
from typing import Any, Iterator, Tuple

from mlportal_sdk import errors
from mlportal_sdk.cli import status
from mlportal_sdk.cli.terminal import DIM, RED, STATUS_COLOURS, YELLOW, Terminal
from mlportal_sdk.client import Scope, join

STDOUT = "user_logs/std_log.txt"
FINAL = ("Completed", "Failed", "Canceled")


def follow(workspace: Scope, run: Any, terminal: Terminal, log: str = STDOUT, own: bool = False) -> int:
    """Show it until it is final; the exit status of the command.

    Ctrl-C leaves the run as it is; of an `own` run, one that this command has submitted, it asks whether to cancel it.
    """
    uid = run["id"]
    shower = _Shower(terminal)
    events = _Background(workspace.follow(uid, log=log))
    asked_before = False
    while True:
        try:
            for event, data in events:
                shower.show(event, data)
            break
        except KeyboardInterrupt:
            if asked_before or not own or not _wants_to_go_on(workspace, uid, terminal):
                terminal.say("\nThe run goes on: mlportal logs -f {}".format(uid))
                return status.INTERRUPTED
            asked_before = True
    run = workspace.get(join("runs", uid))
    tell_end(run, terminal)
    return status.of_run(run)


def tell_end(run: Any, terminal: Terminal) -> None:
    terminal.result({"event": "end", "run": run})
    if terminal.as_json:
        return
    failure = run.get("failure") or {}
    if run["status"] == "Failed":
        kind, message = failure.get("type") or "", failure.get("message") or "no reason is known"
        terminal.say("Failed: {}{}".format(kind + ": " if kind else "", message), RED)
        if failure.get("hint"):
            terminal.say(str(failure["hint"]), YELLOW)
    else:
        terminal.say(run["status_label"], STATUS_COLOURS.get(run["status"], ""))


class _Shower:
    """Remembers what was said, so that a connection made anew says nothing twice."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.status = ""
        self.away = False

    def show(self, event: str, data: Any) -> None:
        terminal = self.terminal
        if terminal.as_json:
            if event != "end":  # told with the whole run
                terminal.result({"event": event, "data": data})
        elif event == "run":
            if data["status"] != self.status:
                self.status = data["status"]
                if self.status not in FINAL:
                    terminal.say("{}{}".format(data["status_label"], _reason(data)), DIM)
        elif event == "build":
            terminal.say(data["text"].rstrip("\n"), DIM)
        elif event == "log":
            terminal.write(data["text"])
        elif event == "away" and not self.away:
            self.away = True
            terminal.say("The connection to the portal is lost; trying again. ({})".format(data["message"]), YELLOW)
        elif event == "back":
            self.away = False
            terminal.say("The portal is there again.", YELLOW)


class _Background:
    """Events fetched by a thread: a Ctrl-C in between ends no request, and nothing is lost."""

    def __init__(self, events: Iterator[Tuple[str, Any]]) -> None:
        self._queue: "queue.Queue[Tuple[str, Any]]" = queue.Queue(1000)
        self._events = events
        threading.Thread(target=self._fetch, daemon=True).start()

    def _fetch(self) -> None:
        try:
            for item in self._events:
                self._queue.put(item)
            self._queue.put(("", None))
        except BaseException as error:
            self._queue.put(("", error))

    def __iter__(self) -> "Iterator[Tuple[str, Any]]":
        while True:
            try:
                event, data = self._queue.get(timeout=0.5)  # without a timeout Windows hears no Ctrl-C
            except queue.Empty:
                continue
            if event:
                yield event, data
            elif data is not None:
                raise data
            else:
                return


def _wants_to_go_on(workspace: Scope, uid: str, terminal: Terminal) -> bool:
    """Asks; cancels where that is the answer. False: leave the run alone, and go."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    try:
        sys.stderr.write("\nCancel the run? [c]ancel it, [l]eave it running, [Enter] go on watching: ")
        sys.stderr.flush()
        answer = sys.stdin.readline().strip().lower()
    except KeyboardInterrupt:
        return False
    if answer in ("l", "leave"):
        return False
    if answer in ("c", "cancel", "y", "yes"):
        cancel(workspace, uid, terminal)
    return True


def cancel(workspace: Scope, uid: str, terminal: Terminal) -> Any:
    """Ask for its end; a run that is final meanwhile is as good."""
    try:
        run = workspace.post(join("runs", uid, "cancel"))
        terminal.say("Asked to cancel; the script gets a moment to end.", YELLOW)
        return run
    except errors.Conflict:
        return workspace.get(join("runs", uid))


def _reason(run: Any) -> str:
    """Why it is where it is, as its present phase says."""
    for phase in reversed(run.get("phases") or []):
        if phase["start"] and phase["reason"]:
            return ": " + str(phase["reason"])
    return ""
