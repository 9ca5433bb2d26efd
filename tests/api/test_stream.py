"""The event stream through the real ASGI handler: what is told, in what order, and that nothing stays when a client leaves."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.asgi import get_asgi_application
from django.db import connections
from django.test import Client as Browser
from django.utils import timezone

from experiments import services
from experiments.api import stream
from experiments.api.feed import Feed, decode_whole
from experiments.models import BuildLogChunk, Run
from experiments.services import building, logs
from experiments.status import RunStatus
from mlportal.access.models import ApiToken, Membership, User
from tests.api.conftest import Callers, error_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _let_go_of_the_database() -> Any:
    """The stream's threads keep their connections; the test's database goes away."""
    yield
    for _ in range(8):
        stream.THREADS.submit(connections.close_all).result()


class Client:
    """One GET on the application, event by event."""

    def __init__(self, path: str, headers: dict[str, str]) -> None:
        path, _, query = path.partition("?")
        self.scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": [(key.lower().encode(), value.encode()) for key, value in {"host": "testserver", **headers}.items()],
            "client": ("127.0.0.1", 1), "server": ("testserver", 80),
        }  # fmt: skip
        self.status = 0
        self.headers: dict[str, str] = {}
        self.raw = b""
        self.changed = asyncio.Event()
        self.left = asyncio.Event()
        self._asked = False

    @property
    def events(self) -> list[tuple[str, Any]]:
        blocks = [block for block in self.raw.decode().split("\n\n")[:-1] if "event: " in block]
        lines = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
        return [(line["event"], json.loads(line["data"])) for line in lines]

    def named(self, name: str) -> list[Any]:
        return [data for event, data in self.events if event == name]

    async def run(self) -> None:
        await get_asgi_application()(self.scope, self._receive, self._send)

    async def until(self, true: Callable[[], Any], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                self.changed.clear()
                await self.changed.wait()

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {key.decode().lower(): value.decode() for key, value in message["headers"]}
        self.raw += message.get("body", b"")
        self.changed.set()


def follow(
    callers: Callers,
    run: Run,
    script: Callable[[Client], Awaitable[None]] | None = None,
    *,
    query: str = "",
    role: str = "reader",
    **headers: str,
) -> Client:
    """Follow the run as this role until the stream ends, while `script` does things to it."""

    async def both() -> Client:
        client = Client(callers[role].url(f"runs/{run.uid}/stream/{query}"), {**callers[role].headers, **headers})
        task = asyncio.create_task(client.run())
        async with asyncio.timeout(20):
            if script:
                await script(client)
            await task
        return client

    return asyncio.run(both())


def end(run: Run) -> None:
    Run.objects.move(run, RunStatus.FINALIZING)
    Run.objects.move(run, RunStatus.COMPLETED, exit_code=0)


def test_a_final_run_is_told_whole_and_ends(callers: Callers, running: Run) -> None:
    end(running)
    client = follow(callers, running, query=f"?log={logs.STDOUT}")
    assert (client.status, client.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert [name for name, _ in client.events] == ["run", "log", "metrics", "end"]
    assert client.named("run")[0]["status"] == "Completed"
    assert client.named("log") == [{"name": logs.STDOUT, "offset": 0, "next_offset": 9, "text": "größer\n"}]
    assert client.named("metrics")[0]["summaries"][0]["last"] == 0.05
    assert client.named("end") == [{"status": "Completed"}]


def test_what_happens_is_told_while_it_happens(callers: Callers, running: Run, owner: User) -> None:
    async def script(client: Client) -> None:
        await client.until(lambda: client.named("log"))
        await asyncio.to_thread(_print, running, 9, b"more \xc3")
        await client.until(lambda: len(client.named("log")) == 2)
        await asyncio.to_thread(_print, running, 15, b"\xa9 \0 \xff\n")
        await client.until(lambda: len(client.named("log")) == 3)
        await asyncio.to_thread(services.cancel_run, running, by=owner)
        await client.until(lambda: any(told["cancel_requested_at"] for told in client.named("run")))
        await asyncio.to_thread(_log_point, running)
        await client.until(lambda: client.named("metrics")[-1]["summaries"][0]["count"] == 21)
        await asyncio.to_thread(end, running)

    client = follow(callers, running, script, query=f"?log={logs.STDOUT}")
    parts = client.named("log")
    assert "".join(part["text"] for part in parts) == "größer\nmore é \ufffd \ufffd\n"
    assert [(part["offset"], part["next_offset"]) for part in parts] == [(0, 9), (9, 14), (14, 21)]
    assert client.events[-1] == ("end", {"status": "Completed"})


def test_a_long_log_comes_in_bounded_parts(callers: Callers, running: Run) -> None:
    text = "".join(f"line {at}\n" for at in range(100_000))
    logs.append_log(running, logs.STDOUT, 9, text.encode())
    end(running)
    parts = follow(callers, running, query=f"?log={logs.STDOUT}&offset=9").named("log")
    assert "".join(part["text"] for part in parts) == text
    assert max(len(part["text"]) for part in parts) <= 256 * 1024 < len(text)


def test_a_build_is_told_chunk_by_chunk(callers: Callers, run: Run) -> None:
    assert run.environment_version is not None
    build, _ = building.open_build(run.environment_version)
    Run.objects.move(run, RunStatus.PREPARING, build=build)
    BuildLogChunk.objects.create(build=build, text="one\n")

    async def script(client: Client) -> None:
        await client.until(lambda: client.named("build"))
        await asyncio.to_thread(BuildLogChunk.objects.create, build=build, text="two\n")
        await client.until(lambda: len(client.named("build")) == 2)
        await asyncio.to_thread(Run.objects.move, run, RunStatus.CANCELED)

    client = follow(callers, run, script)
    assert [chunk["text"] for chunk in client.named("build")] == ["one\n", "two\n"]
    assert client.named("build")[0]["after"] < client.named("build")[1]["after"]


def test_a_client_that_comes_back_is_told_only_what_it_missed(callers: Callers, running: Run) -> None:
    running.refresh_from_db()

    async def script(client: Client) -> None:
        await client.until(lambda: client.named("log"))
        client.left.set()

    last = {"Last-Event-ID": f"{running.revision}:3"}
    client = follow(callers, running, script, query=f"?log={logs.STDOUT}", **last)
    assert client.named("run") == []
    assert client.named("log")[0]["offset"] == 3


def test_nothing_stays_when_clients_leave(callers: Callers, running: Run) -> None:
    before = _connections()

    async def many() -> None:
        for _ in range(3):
            clients = [
                Client(callers["reader"].url(f"runs/{running.uid}/stream/"), callers["reader"].headers)
                for _ in range(10)
            ]
            tasks = [asyncio.create_task(client.run()) for client in clients]
            for client in clients:
                await client.until(partial(client.named, "run"))
            assert _connections() - before <= 4  # however many clients there are
            for client in clients:
                client.left.set()
            started = time.monotonic()
            await asyncio.wait_for(asyncio.gather(*tasks), 10)
            assert time.monotonic() - started < 5
            assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    asyncio.run(many())
    streaming = [thread for thread in threading.enumerate() if thread.name.startswith("stream")]
    assert len(streaming) <= 4


def test_a_quiet_stream_says_that_it_is_there(callers: Callers, running: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.2)

    async def script(client: Client) -> None:
        await client.until(lambda: b"\n: still here\n\n" in client.raw)
        client.left.set()

    follow(callers, running, script)


def test_a_quiet_run_costs_one_query_a_tick(running: Run, owner: User, django_assert_num_queries: Any) -> None:
    feed = Feed(running, owner, log=logs.STDOUT)
    assert b"event: log" in feed.look()
    with django_assert_num_queries(1):
        assert feed.look() == b""


def test_a_member_who_is_removed_hears_no_more(callers: Callers, running: Run) -> None:
    async def script(client: Client) -> None:
        await client.until(lambda: client.named("run"))
        await asyncio.to_thread(Membership.objects.filter(user__username="rita").delete)

    assert "end" not in [name for name, _ in follow(callers, running, script).events]


def _revoke(rita: User, session: str) -> None:
    ApiToken.objects.filter(user=rita).update(revoked_at=timezone.now())


def _sign_out(rita: User, session: str) -> None:
    SessionStore(session).flush()


def _let_it_run_out(rita: User, session: str) -> None:
    ApiToken.objects.filter(user=rita).update(expires_at=timezone.now())


def _change_password(rita: User, session: str) -> None:
    rita.set_password("another one than before")
    rita.save()


def _make_inactive(rita: User, session: str) -> None:
    User.objects.filter(pk=rita.pk).update(is_active=False)


@pytest.mark.parametrize(
    ("by_session", "lose"),
    [
        (False, _revoke),
        (False, _let_it_run_out),
        (False, _make_inactive),
        (True, _sign_out),
        (True, _change_password),
        (True, _make_inactive),
    ],
)
def test_who_loses_the_key_hears_no_more(
    callers: Callers,
    running: Run,
    reader: User,
    monkeypatch: pytest.MonkeyPatch,
    by_session: bool,
    lose: Callable[[User, str], None],
) -> None:
    monkeypatch.setattr(stream, "AUTHORISED_SECONDS", 0.1)
    browser = Browser()
    browser.force_login(reader)
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"} if by_session else callers["reader"].headers

    async def script(client: Client) -> None:
        await client.until(lambda: client.named("run"))
        await asyncio.sleep(3 * stream.TICK_SECONDS)
        await asyncio.to_thread(_print, running, 9, b"heard\n")  # still followed, however often it was asked
        await client.until(lambda: len(client.named("log")) == 2)
        await asyncio.to_thread(lose, reader, session)
        await asyncio.sleep(3 * stream.TICK_SECONDS)
        await asyncio.to_thread(_print, running, 15, b"secret\n")

    client = follow(callers, running, script, query=f"?log={logs.STDOUT}", role="nobody", **headers)
    assert client.status == 200
    assert "secret" not in client.raw.decode()
    assert "end" not in [name for name, _ in client.events]


def test_an_administrator_who_is_one_no_more_hears_no_more(
    callers: Callers, running: Run, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "AUTHORISED_SECONDS", 0.1)
    User.objects.filter(pk=stranger.pk).update(is_superuser=True)

    async def script(client: Client) -> None:
        await client.until(lambda: client.named("run"))
        await asyncio.to_thread(User.objects.filter(pk=stranger.pk).update, is_superuser=False)

    assert "end" not in [name for name, _ in follow(callers, running, script, role="stranger").events]


@pytest.mark.parametrize("method", ["head", "options", "post"])
def test_a_stream_is_only_got(callers: Callers, running: Run, method: str) -> None:
    path = callers["reader"].url(f"runs/{running.uid}/stream/")
    answer = getattr(callers["reader"].client, method)(path, headers=callers["reader"].headers)
    assert answer.status_code == 405


@pytest.mark.parametrize(("role", "status"), [("stranger", 404), ("nobody", 401)])
def test_others_hear_nothing(callers: Callers, running: Run, role: str, status: int) -> None:
    answer = callers[role].get(f"runs/{running.uid}/stream/")
    assert answer.status_code == status
    error_of(answer)


@pytest.mark.parametrize("query", ["?offset=-1", "?offset=x", "?logs=a", "?log=a%00b"])
def test_nonsense_is_refused(callers: Callers, running: Run, query: str) -> None:
    answer = callers["reader"].get(f"runs/{running.uid}/stream/{query}")
    assert answer.status_code == 400
    error_of(answer)


@pytest.mark.parametrize(
    ("data", "last", "text", "length"),
    [
        (b"ab\xe2\x82", False, "ab", 2),
        (b"ab\xe2\x82", True, "ab\ufffd", 4),
        (b"\xe2\x82\xac", False, "€", 3),
        (b"\0\xff", False, "\ufffd\ufffd", 2),
        (b"", True, "", 0),
    ],
)  # fmt: skip
def test_a_character_that_is_cut_waits_for_its_rest(data: bytes, last: bool, text: str, length: int) -> None:
    assert decode_whole(data, last=last) == (text, length)


def _print(run: Run, offset: int, data: bytes) -> None:
    logs.append_log(run, logs.STDOUT, offset, data)
    services.set_tags(run, {}, by=run.created_by)  # what the follower does in one transaction: the revision grows


def _connections() -> int:
    """Open connections of this process; SQLite opens the log once for each."""
    folder = Path("/proc/self/fd")
    return sum(os.readlink(link).endswith("-wal") for link in folder.iterdir() if os.path.lexists(link))


def _log_point(run: Run) -> None:
    services.log_metrics(run, [{"t": 30.0, "k": "scalar", "n": "loss", "v": 0.01}], by=run.created_by)
