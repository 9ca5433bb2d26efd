"""The client's HTTP on a bad day: what is repeated, what is not, where the token goes, what errors say."""

from __future__ import annotations

import os
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlportal_sdk import client as sdk
from mlportal_sdk import errors, http

from tests.fake_portal import CUT, FakePortal, Reply, Request, fake_portal

OK = Reply.json({"fine": True})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def in_turn(*replies: Reply) -> Callable[[Request], Reply]:
    """An answer function: one reply after the other, the last for ever."""
    left = list(replies)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]


def client(server: FakePortal, timeout: float = 10.0) -> sdk.Client:
    return sdk.Client(server.url, "mlp_secret", timeout)


def test_a_connection_is_used_again_and_each_thread_has_its_own() -> None:
    with fake_portal(lambda request: OK) as server:
        portal = client(server)
        for _ in range(3):
            portal.get("me/")
        assert [request.connection for request in server.requests] == [1, 1, 1]
        thread = threading.Thread(target=portal.get, args=("me/",))
        thread.start()
        thread.join()
        assert [request.connection for request in server.requests] == [1, 1, 1, 2]


def test_a_connection_that_the_server_closed_while_idle_is_not_used() -> None:
    """A PATCH is never sent twice, so it must not be lost on a connection that is dead already."""
    with fake_portal(lambda request: OK) as server:
        portal = client(server)
        portal.get("me/")
        server.close_connections()
        assert portal.patch("runs/1/", {"name": "x"}) == {"fine": True}
        assert [request.method for request in server.requests] == ["GET", "PATCH"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_connections_of_its_own() -> None:
    with fake_portal(lambda request: OK) as server:
        portal = client(server)
        portal.get("me/")
        child = os.fork()
        if not child:
            try:
                portal.get("child/")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        portal.get("me/")
        used = {request.target.rsplit("/", 2)[1]: request.connection for request in server.requests}
        assert used["child"] != used["me"] == 1


def test_a_get_is_repeated_when_the_answer_breaks_off() -> None:
    half = Reply(200, b'{"fine": true}', cut_at=5)
    with fake_portal(in_turn(CUT, half, OK)) as server:
        assert client(server).get("me/") == {"fine": True}
        assert len(server.requests) == 3


def test_a_post_is_repeated_under_one_idempotency_key_and_the_next_post_has_another() -> None:
    with fake_portal(in_turn(CUT, OK)) as server:
        portal = client(server)
        portal.post("runs/", {"experiment": "iris"})
        portal.post("runs/", {"experiment": "iris"})
        first, again, second = (request.headers["Idempotency-Key"] for request in server.requests)
        assert first == again != second
        assert server.requests[0].body == server.requests[1].body


def test_a_patch_whose_answer_was_lost_is_not_repeated() -> None:
    with fake_portal(in_turn(CUT, OK)) as server:
        with pytest.raises(errors.Unreachable, match="does not answer"):
            client(server).patch("runs/1/", {"name": "x"})
        assert len(server.requests) == 1


def test_a_delete_that_is_repeated_and_finds_nothing_left_has_succeeded() -> None:
    with fake_portal(in_turn(CUT, Reply.error(404, "gone", "not_found"))) as server:
        assert client(server).delete("experiments/x/") is None
    with fake_portal(lambda request: Reply.error(404, "gone", "not_found")) as server, pytest.raises(errors.NotFound):
        client(server).delete("experiments/x/")


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(status: int) -> None:
    busy = Reply.error(status, "busy", **{"Retry-After": "1"})
    with fake_portal(in_turn(busy, OK)) as server:
        began = time.monotonic()
        assert client(server).post("runs/") == {"fine": True}
        assert time.monotonic() - began >= 1
    with fake_portal(in_turn(Reply.error(429, "later", **{"Retry-After": "3600"}), OK)) as server:
        with pytest.raises(errors.TooManyRequests, match="later"):
            client(server).get("me/")
        assert len(server.requests) == 1


def test_tries_end() -> None:
    with fake_portal(lambda request: CUT) as server:
        with pytest.raises(errors.Unreachable):
            client(server).get("me/")
        assert len(server.requests) == http.TRIES


def test_nobody_at_the_address_is_said_and_a_request_that_was_not_sent_is_repeated() -> None:
    with fake_portal(lambda request: OK) as server:
        url = server.url
    with pytest.raises(errors.Unreachable, match="Is it running"):
        sdk.Client(url, "mlp_x").patch("me/", {})


def test_a_server_that_never_answers_is_given_up() -> None:
    release = threading.Event()

    def wait(request: Request) -> Reply:
        release.wait(30)
        return OK

    with fake_portal(wait) as server:
        began = time.monotonic()
        with pytest.raises(errors.Unreachable, match="no answer in time"):
            client(server, timeout=0.2).http.request("GET", "/api/v1/me/", tries=2)
        release.set()
        assert time.monotonic() - began < 5


def test_a_refusal_of_a_large_body_is_heard_before_all_of_it_is_sent() -> None:
    refusal = Reply.error(413, "A snapshot has at most 5 bytes.", "too_large", Connection="close")
    with fake_portal(lambda request: refusal, read_bodies=False) as server:
        body = http.Body(50_000_000, lambda: (b"x" * 1_000_000 for _ in range(50)), "application/octet-stream")
        with pytest.raises(errors.PortalError) as caught:
            client(server).raw("POST", "blobs/", body=body)
        # a reset may overtake the answer: then the connection is what is told of
        assert isinstance(caught.value, errors.TooLarge | errors.Unreachable)


def test_the_token_follows_a_redirect_on_this_host_only() -> None:
    with (
        fake_portal(lambda request: OK) as elsewhere,
        fake_portal(
            lambda request: OK if "there" in request.target else Reply(302, headers={"Location": "/there/"})
        ) as near,
        fake_portal(lambda request: Reply(302, headers={"Location": f"http://localhost:{elsewhere.port}/x"})) as far,
    ):
        assert client(near).get("me/") == {"fine": True}
        assert near.requests[1].headers["Authorization"] == "Bearer mlp_secret"
        assert client(far).get("me/") == {"fine": True}
        assert "Authorization" not in elsewhere.requests[0].headers
        assert "mlp_secret" not in repr(elsewhere.requests)


def test_a_redirect_of_a_post_names_the_right_address_and_sends_nothing_there() -> None:
    with (
        fake_portal(lambda request: OK) as elsewhere,
        fake_portal(lambda request: Reply(301, headers={"Location": elsewhere.url + "/api/v1/runs/"})) as server,
    ):
        with pytest.raises(errors.NoPortal, match=elsewhere.url):
            client(server).post("runs/", {})
        assert not elsewhere.requests


def test_redirects_in_a_circle_end() -> None:
    again = Reply(302, headers={"Location": "/again/"})
    with fake_portal(lambda request: again) as server, pytest.raises(errors.NoPortal, match="on and on"):
        client(server).get("me/")


def test_a_proxy_of_the_environment_is_used_unless_no_proxy_names_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_portal(lambda request: OK) as proxy, fake_portal(lambda request: OK) as server:
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        portal = client(server)
        portal.get("me/")
        portal.get("me/")
        assert [request.target for request in proxy.requests] == [f"{server.url}/api/v1/me/"] * 2
        assert proxy.requests[0].headers["Proxy-Authorization"] == "Basic bWU6c2VjcmV0"
        assert not server.requests
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        portal.get("me/")
        assert [request.target for request in server.requests] == ["/api/v1/me/"]
        assert "Proxy-Authorization" not in server.requests[0].headers


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A certificate of nobody's for 127.0.0.1."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def test_a_certificate_of_nobody_is_refused_at_once_and_one_of_ours_is_taken(
    tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, certificate = tls
    with fake_portal(lambda request: OK, tls=context) as server:
        monkeypatch.setattr(http, "_context", None)
        with pytest.raises(errors.Unreachable, match="SSL_CERT_FILE"):
            client(server).get("me/")
        assert not server.requests
        monkeypatch.setattr(http, "_context", None)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert client(server).get("me/") == {"fine": True}
        monkeypatch.setattr(http, "_context", None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadInput),
        (401, errors.NotAuthenticated),
        (403, errors.NotAllowed),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (500, errors.Unavailable),
    ],
)
def test_errors_keep_what_the_portal_said(status: int, kind: type[errors.PortalError]) -> None:
    with fake_portal(lambda request: Reply.error(status, "It is so.", "a_code")) as server:
        with pytest.raises(kind, match="It is so") as caught:
            client(server).post("runs/", {})
        assert (caught.value.status, caught.value.code) == (status, "a_code")


def test_an_expired_token_says_where_a_new_one_comes_from() -> None:
    expired = Reply.error(401, "This token is expired.")
    with (
        fake_portal(lambda request: expired) as server,
        pytest.raises(errors.NotAuthenticated, match="/account/tokens/"),
    ):
        client(server).get("me/")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, errors.NoPortal), (404, errors.NoPortal), (429, errors.TooManyRequests), (502, errors.Unavailable)],
)
def test_something_that_is_no_portal_is_told_from_one(status: int, kind: type[errors.PortalError]) -> None:
    page = Reply(status, b"<html>Welcome to nginx</html>", {"Content-Type": "text/html"})
    with fake_portal(lambda request: page) as server, pytest.raises(kind, match=server.url):
        client(server).get("me/")


@pytest.mark.parametrize(
    ("version", "kind", "text"),
    [
        ("0.0.9", errors.ServerTooOld, "Update the portal"),
        ("", errors.ServerTooOld, "older than this client"),
        ("99.0", errors.ClientTooOld, "install mlportal-sdk 99.0"),
    ],
)
def test_a_portal_of_another_version_is_named_where_it_lacks_something(
    version: str, kind: type[errors.PortalError], text: str
) -> None:
    headers: dict[str, Any] = {"X-MLPortal-Version": version} if version else {}
    missing = Reply.error(404, "The API has no address /api/v1/moon/.", "no_such_address", **headers)
    with fake_portal(lambda request: missing) as server, pytest.raises(kind, match=text):
        client(server).get("moon/")
    # another version alone is nobody's fault
    with fake_portal(lambda request: Reply.json({"fine": True}, **headers)) as server:
        assert client(server).get("me/") == {"fine": True}


def test_a_portal_of_the_same_version_just_has_no_such_thing() -> None:
    from mlportal_sdk import __version__

    missing = Reply.error(404, "none", "no_such_address", **{"X-MLPortal-Version": __version__})
    with fake_portal(lambda request: missing) as server, pytest.raises(errors.NotFound):
        client(server).get("moon/")


def test_lists_are_read_to_their_end_whatever_address_the_portal_believes_to_have() -> None:
    def answer(request: Request) -> Reply:
        if "cursor=b" in request.target:
            return Reply.json({"results": [3], "next": None, "previous": None})
        return Reply.json(
            {"results": [1, 2], "next": "http://inside:9/api/v1/runs/?cursor=b&page_size=7", "previous": None}
        )

    with fake_portal(answer) as server:
        assert list(client(server).pages("runs/", status=["Running", "Queued"], mine=True)) == [1, 2, 3]
        assert (
            server.requests[1].target == "/api/v1/runs/?page_size=200&status=Running&status=Queued&mine=true&cursor=b"
        )


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://user:word@host", "nonsense://x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(errors.NotConfigured, match="address"):
        sdk.Client(url, "mlp_x")


def test_a_token_with_a_line_break_is_refused_without_being_shown() -> None:
    with pytest.raises(errors.NotConfigured) as caught:
        sdk.Client("http://host", "mlp_top\nsecret")
    assert "secret" not in str(caught.value)
