"""A body that is too large ends before it is read: nothing of it reaches Django."""

import asyncio
from typing import Any

import pytest
from django.test import override_settings

from mlportal.api.body_limit import BodyLimit, snapshot_limit

SNAPSHOTS = "/api/v1/workspaces/lab/snapshots/"


def send(path: str, length: int | None, bodies: list[bytes], *, signed_in: bool = True) -> tuple[list[str], list[Any]]:
    """What the application was given to read, and what the client was answered."""
    given: list[str] = []
    answers: list[Any] = []
    waiting = [{"type": "http.request", "body": body, "more_body": True} for body in bodies]

    async def receive() -> Any:
        return waiting.pop(0)

    async def answer(message: Any) -> None:
        answers.append(message)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while waiting and (not given or given[-1] != "http.disconnect"):
            given.append((await receive())["type"])

    headers = [(b"cookie", b"mlportal_session=x")] if signed_in else []
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    scope = {"type": "http", "path": path, "headers": headers}
    asyncio.run(BodyLimit(application)(scope, receive, answer))
    return given, answers


@pytest.fixture(autouse=True)
def _limit() -> Any:
    with override_settings(SNAPSHOT_MAX_BYTES=1000, DATA_UPLOAD_MAX_NUMBER_FILES=1):
        yield


def test_a_length_over_the_limit_is_refused_unread() -> None:
    given, (start, body) = send(SNAPSHOTS, snapshot_limit() + 1, [b"x"])
    assert given == []
    assert start["status"] == 413
    assert b"MLPORTAL_SNAPSHOT_MAX_BYTES" in body["body"]


def test_a_body_without_a_length_ends_at_the_limit() -> None:
    given, (start, body) = send(SNAPSHOTS, None, [b"x" * 1000] * 5)
    assert given == ["http.request", "http.request", "http.disconnect"]
    assert start["status"] == 413
    assert b"MLPORTAL_SNAPSHOT_MAX_BYTES" in body["body"]


def test_what_is_allowed_passes() -> None:
    assert send(SNAPSHOTS, snapshot_limit(), [b"x", b"y"]) == (["http.request"] * 2, [])
    assert send("/api/v1/me/", 100, [b"x"], signed_in=False) == (["http.request"], [])


def test_elsewhere_a_form_of_a_page_is_the_most() -> None:
    given, (start, body) = send("/healthz", 10**12, [b"x"])
    assert (given, start["status"]) == ([], 413)
    assert b"DATA_UPLOAD_MAX_MEMORY_SIZE" in body["body"]
    given, _ = send("/healthz", None, [b"x" * 6_000_000] * 3)
    assert given == ["http.request", "http.disconnect"]


def test_nobody_uploads_without_a_key_or_a_session() -> None:
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10):
        given, (start, _) = send(SNAPSHOTS, None, [b"x" * 1000] * 5, signed_in=False)
    assert (given, start["status"]) == ([], 401)


def test_the_portal_counts_what_nobody_announced() -> None:
    from mlportal.asgi import application

    answers: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * 6_000_000, "more_body": True}

    async def answer(message: Any) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/healthz", "headers": []}
    asyncio.run(asyncio.wait_for(application(scope, receive, answer), 20))
    assert [message.get("status") for message in answers] == [413, None]
