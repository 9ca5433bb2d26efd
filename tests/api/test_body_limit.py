"""A body that is too large ends before it is read: nothing of it reaches Django."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client, override_settings

from experiments.models import Run, RunToken
from experiments.status import RunStatus
from mlportal.access.models import ApiToken, User
from mlportal.access.services import create_token, revoke_token
from mlportal.api.body_limit import STRANGER_BYTES, BodyLimit, snapshot_limit

pytestmark = pytest.mark.django_db(transaction=True)
SNAPSHOTS = "/api/v1/workspaces/lab/snapshots/"
NOBODY = "mlportal_session=made-up-by-somebody"


@pytest.fixture
def cookie(owner: User) -> str:
    """Of a browser in which olga is signed in."""
    browser = Client()
    browser.force_login(owner)
    return f"mlportal_session={browser.cookies['mlportal_session'].value}"


def send(path: str, length: int | None, bodies: list[bytes], **shown: str) -> tuple[list[str], list[Any]]:
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

    headers = [(name.encode(), text.encode()) for name, text in shown.items()]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    scope = {"type": "http", "path": path, "headers": headers}
    asyncio.run(BodyLimit(application)(scope, receive, answer))
    return given, answers


@pytest.fixture(autouse=True)
def _limit() -> Any:
    with override_settings(SNAPSHOT_MAX_BYTES=100_000, DATA_UPLOAD_MAX_NUMBER_FILES=1):
        yield


def test_a_length_over_the_limit_is_refused_unread() -> None:
    given, (start, body) = send(SNAPSHOTS, snapshot_limit() + 1, [b"x"])
    assert given == []
    assert start["status"] == 413
    assert b"MLPORTAL_SNAPSHOT_MAX_BYTES" in body["body"]


def test_a_body_without_a_length_ends_at_the_limit(cookie: str) -> None:
    given, (start, body) = send(SNAPSHOTS, None, [b"x" * 100_000] * 5, cookie=cookie)
    assert given == ["http.request", "http.disconnect"]
    assert start["status"] == 413
    assert b"MLPORTAL_SNAPSHOT_MAX_BYTES" in body["body"]


def test_what_is_allowed_passes(cookie: str) -> None:
    assert send(SNAPSHOTS, snapshot_limit(), [b"x", b"y"], cookie=cookie) == (["http.request"] * 2, [])
    assert send(SNAPSHOTS, None, [b"x" * 90_000, b"y"], cookie=cookie) == (["http.request"] * 2, [])
    assert send("/login/", STRANGER_BYTES, [b"x" * STRANGER_BYTES]) == (["http.request"], [])
    assert send("/login/", None, [b"x" * STRANGER_BYTES]) == (["http.request"], [])


def test_elsewhere_a_form_of_a_page_is_the_most(cookie: str) -> None:
    given, (start, body) = send("/healthz", 10**12, [b"x"])
    assert (given, start["status"]) == ([], 413)
    assert b"DATA_UPLOAD_MAX_MEMORY_SIZE" in body["body"]
    given, (start, _) = send("/healthz", None, [b"x" * 6_000_000] * 3, cookie=cookie)
    assert given == ["http.request", "http.disconnect"]
    assert start["status"] == 413


@pytest.mark.parametrize("path", [SNAPSHOTS, "/api/v1/workspaces/lab/runs/", "/login/", "/nowhere"])
@pytest.mark.parametrize("shown", [{}, {"cookie": NOBODY}, {"authorization": "Bearer mlp_x"}, {"authorization": "?"}])
def test_nobody_uploads_whatever_they_show(path: str, shown: dict[str, str]) -> None:
    given, (start, body) = send(path, STRANGER_BYTES + 1, [b"x"], **shown)
    assert (given, start["status"]) == ([], 401)
    assert str(STRANGER_BYTES).encode() in body["body"]
    given, (start, _) = send(path, None, [b"x" * STRANGER_BYTES, b"x", b"x"], **shown)
    assert (given, start["status"]) == (["http.request", "http.disconnect"], 401)


def test_tokens_upload_while_they_are_in_use(owner: User) -> None:
    token, secret = create_token(owner, "laptop")
    asked: Callable[[], Any] = lambda: send(SNAPSHOTS, 90_000, [b"x"], authorization=f"Bearer {secret}")  # noqa: E731
    assert asked() == (["http.request"], [])
    revoke_token(token, by=owner)
    given, (start, _) = asked()
    assert (given, start["status"]) == ([], 401)


def test_a_runs_token_uploads_while_the_run_goes_on(running: Run, run_token: str) -> None:
    path = f"/api/v1/workspaces/lab/runs/{running.uid}/metrics/"
    assert send(path, 90_000, [b"x"], authorization=f"Bearer {run_token}") == (["http.request"], [])
    Run.objects.move(running, RunStatus.FAILED)
    assert RunToken.objects.exists() and not ApiToken.objects.exists()
    assert send(path, 90_000, [b"x"], authorization=f"Bearer {run_token}")[0] == []


def test_the_portal_counts_what_nobody_announced(cookie: str) -> None:
    from mlportal.asgi import application

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x" * 6_000_000, "more_body": True}

    for headers, status in (([], 401), ([(b"cookie", cookie.encode())], 413)):
        answers: list[Any] = []

        async def answer(message: Any, answers: list[Any] = answers) -> None:
            answers.append(message)

        scope = {"type": "http", "method": "POST", "path": "/healthz", "headers": headers}
        asyncio.run(asyncio.wait_for(application(scope, receive, answer), 20))
        assert [message.get("status") for message in answers] == [status, None]
