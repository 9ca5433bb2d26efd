"""Following a run while connections break: nothing twice, nothing left out, and an end to patience."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from mlportal_sdk import client as sdk
from mlportal_sdk import errors, http, stream

from tests.fake_portal import CUT, FakePortal, Reply, fake_portal


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)


def sent(*events: tuple[str, str, Any], cut: bool = True) -> Reply:
    """(id, event, data), then the connection breaks, unless it is the end."""
    text = "retry: 2000\n\n: still here\n\n"
    text += "".join(f"id: {identity}\nevent: {name}\ndata: {json.dumps(data)}\n\n" for identity, name, data in events)
    body = text.encode()
    return Reply(200, body + b"x", {"Content-Type": "text/event-stream"}, cut_at=len(body)) if cut else Reply(200, body)


def log(offset: int, text: str) -> tuple[str, str, Any]:
    end = offset + len(text.encode())
    return (f"7:{end}", "log", {"name": "l", "offset": offset, "next_offset": end, "text": text})


def build(after: int) -> tuple[str, str, Any]:
    return ("7:0", "build", {"after": after, "text": f"chunk {after}\n"})


END = ("9:12", "end", {"status": "Completed"})


def follow(server: FakePortal, **options: Any) -> list[tuple[str, Any]]:
    return list(sdk.Client(server.url, "mlp_x").workspace("default").follow("1" * 32, log="l", **options))


def test_a_stream_that_breaks_goes_on_and_tells_nothing_twice() -> None:
    replies = [
        sent(("7:0", "run", {"status": "Running"}), build(1), build(2), log(0, "one\n")),
        sent(build(1), build(2), build(3), log(0, "one\n"), log(4, "zw\u00f6lf\n")),
        sent(END, cut=False),
    ]
    with fake_portal(lambda request: replies.pop(0)) as server:
        told = follow(server)
        requests = server.requests
    events = [(event, data) for event, data in told if event not in ("away", "back")]
    assert [event for event, _ in events] == ["run", "build", "build", "log", "build", "log", "end"]
    assert "".join(data["text"] for event, data in events if event == "log") == "one\nzw\u00f6lf\n"
    assert "Last-Event-Id" not in requests[0].headers
    assert requests[1].headers["Last-Event-Id"] == "7:4"
    assert requests[1].target.endswith("/stream/?log=l&offset=4")
    assert requests[2].headers["Last-Event-Id"] == "7:11"


def test_it_is_told_that_the_portal_is_away_and_that_it_is_back() -> None:
    replies = [sent(log(0, "one\n")), CUT, Reply.error(503, "It starts."), sent(END, cut=False)]
    with fake_portal(lambda request: replies.pop(0)) as server:
        told = follow(server)
    assert [event for event, _ in told] == ["log", "away", "away", "away", "back", "end"]
    assert "It starts" in told[3][1]["message"]


def test_an_event_that_is_cut_in_the_middle_does_not_count() -> None:
    whole = sent(log(0, "one\n"))
    half = b'id: 7:9\nevent: log\ndata: {"name": "l", "off'
    cut = Reply(200, whole.body[:-1] + half + b"x", whole.headers, cut_at=len(whole.body) - 1 + len(half))
    replies = [cut, sent(log(4, "two\n"), END, cut=False)]
    with fake_portal(lambda request: replies.pop(0)) as server:
        texts = [data["text"] for event, data in follow(server) if event == "log"]
        assert texts == ["one\n", "two\n"]
        assert server.requests[1].headers["Last-Event-Id"] == "7:4"


def test_patience_ends_with_an_error_that_says_how_to_go_on() -> None:
    with fake_portal(lambda request: CUT) as server:
        began = time.monotonic()
        with pytest.raises(errors.Unreachable, match="mlportal logs -f 1111"):
            follow(server, patience=0.3)
        assert 0.3 <= time.monotonic() - began < 5


def test_silence_is_taken_for_a_broken_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A middlebox that forgets a connection tells nobody."""
    monkeypatch.setattr(stream, "SILENCE", 0.2)
    silent = sent(log(0, "one\n"))
    silent.headers["Content-Length"], silent.cut_at = "1000000", None
    replies = [silent, sent(END, cut=False)]
    with fake_portal(lambda request: replies.pop(0)) as server:
        assert [event for event, _ in follow(server)] == ["log", "away", "back", "end"]


@pytest.mark.parametrize(("status", "kind"), [(401, errors.NotAuthenticated), (404, errors.NotFound)])
def test_what_will_not_get_better_is_not_waited_for(status: int, kind: type[Exception]) -> None:
    replies = [sent(log(0, "one\n")), Reply.error(status, "no", "not_found")]
    with fake_portal(lambda request: replies.pop(0)) as server, pytest.raises(kind):
        follow(server)
