"""A run's events as they happen. A connection that breaks is made again, and goes on where it was."""

import json
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

from mlportal_sdk import errors
from mlportal_sdk.http import pause

SILENCE = 45.0  # the portal says something at least every 15 seconds
PATIENCE = 300.0  # how long it may be away

Event = Tuple[str, Any]


def follow(scope: Any, run: str, log: str = "", offset: int = 0, patience: float = PATIENCE) -> Iterator[Event]:
    """(event, data) of a run until its "end": run, build, log, metrics; nothing of a log twice, nothing left out.

    While the portal is away there is an event "away" {"message", "seconds"} for each failed try, and "back" {} when it
    answers again. Raises Unreachable after `patience` seconds of that.
    """
    last_id: Optional[str] = None
    away_since: Optional[float] = None
    built, read, tries = 0, offset, 0
    while True:
        message = ""
        try:
            answer = scope.raw(
                "GET",
                "runs/{}/stream/".format(run),
                query={"log": log or None, "offset": read if log else None},
                headers={"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})},
                timeout=SILENCE,
                tries=1,
            )
            try:
                for event, data, identity in _events(answer):
                    if away_since is not None:
                        away_since, tries = None, 0
                        yield "back", {}
                    last_id = identity or last_id
                    if event == "build":
                        if data["after"] <= built:
                            continue
                        built = data["after"]
                    elif event == "log":
                        if data["next_offset"] <= read:
                            continue
                        read = data["next_offset"]
                    yield event, data
                    if event == "end":
                        return
            finally:
                answer.close()
            message = "the stream of the run broke off"
        except (errors.Unreachable, errors.Unavailable, errors.TooManyRequests) as error:
            message = error.message
        now = time.monotonic()
        away_since = now if away_since is None else away_since
        if now - away_since >= patience:
            raise errors.Unreachable(
                "The portal has been away for {:.0f} s: {} A run that was submitted goes on without us; "
                "`mlportal logs -f {}` shows it again.".format(now - away_since, message, run)
            )
        tries += 1
        yield "away", {"message": message, "seconds": round(now - away_since, 1)}
        time.sleep(pause(tries))


def _events(answer: Any) -> Iterator[Tuple[str, Any, str]]:
    """(event, data, id) of server-sent events; https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    fields: Dict[str, str] = {}
    data: List[str] = []
    while True:
        raw = answer.line()
        if not raw.endswith(b"\n"):
            return  # the end, perhaps in the middle of an event, which then does not count
        field, _, value = raw.decode("utf-8").rstrip("\r\n").partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "data":
            data.append(value)
        elif field:
            fields[field] = value
        elif not raw.strip():
            if data:
                yield fields.get("event", "message"), json.loads("\n".join(data)), fields.get("id", "")
            fields, data = {}, []
