"""Downloads that are cut off, that arrive wrong, and that find something of an earlier one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mlportal_sdk import client as sdk
from mlportal_sdk import downloads, errors, http

from tests.fake_portal import FakePortal, Reply, Request, fake_portal

CONTENT = os.urandom(1_500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)


def serve(content: bytes = CONTENT, *, cuts: int = 0, etag: str = SHA256) -> Callable[[Request], Reply]:
    """A file with ranges; the first `cuts` answers break off after 400,000 bytes."""
    left = [cuts]

    def answer(request: Request) -> Reply:
        start, headers = 0, {"ETag": f'"{etag}"'}
        wanted = request.headers.get("Range")
        if wanted and request.headers.get("If-Range", headers["ETag"]) == headers["ETag"]:
            start = int(wanted[len("bytes=") :].rstrip("-"))
            if start >= len(content):
                return Reply(416, b"", {**headers, "Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut_at = None
        if left[0]:
            left[0] -= 1
            cut_at = 400_000
        return Reply(206 if start else 200, content[start:], headers, cut_at)

    return answer


def download(server: FakePortal, target: Path, **options: object) -> str:
    path: str = sdk.Client(server.url, "mlp_x").download("file/", str(target), path="outputs/model", **options)
    return path


def test_a_download_that_is_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with fake_portal(serve(cuts=2)) as server:
        target = tmp_path / "below" / "model"
        download(server, target, size=len(CONTENT), sha256=SHA256, progress=lambda done, all: told.append((done, all)))
        assert target.read_bytes() == CONTENT
        assert [request.headers.get("Range") for request in server.requests] == [None, "bytes=400000-", "bytes=800000-"]
        assert server.requests[0].target == "/api/v1/file/?path=outputs%2Fmodel"
    assert told[-1] == (len(CONTENT), len(CONTENT)) and sorted(told) == told
    assert os.listdir(target.parent) == ["model"]


def test_without_a_digest_the_file_of_the_first_answer_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "model.part").write_bytes(b"of something else")
    with fake_portal(serve(cuts=1)) as server:
        download(server, tmp_path / "model")
        assert (tmp_path / "model").read_bytes() == CONTENT
        assert len(server.requests) == 2


def test_what_an_earlier_download_left_is_used_when_it_is_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "model.part").write_bytes(CONTENT[:1_000_000])
    with fake_portal(serve()) as server:
        download(server, tmp_path / "model", size=len(CONTENT), sha256=SHA256)
        assert server.requests[0].headers["Range"] == "bytes=1000000-"
    assert (tmp_path / "model").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 5)])
def test_what_an_earlier_download_left_of_another_file_does_no_harm(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "model.part").write_bytes(left)
    with fake_portal(serve()) as server:
        download(server, tmp_path / "model", size=len(CONTENT), sha256=SHA256)
    assert (tmp_path / "model").read_bytes() == CONTENT
    assert not (tmp_path / "model.part").exists()


def test_a_file_that_is_there_already_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(CONTENT)
    with fake_portal(serve()) as server:
        download(server, tmp_path / "model", sha256=SHA256)
        assert not server.requests


def test_wrong_bytes_become_no_file_and_leave_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"old")
    with fake_portal(serve(b"wrong", etag="x")) as server, pytest.raises(errors.FileChanged, match="did not arrive"):
        download(server, tmp_path / "model", size=len(CONTENT), sha256=SHA256)
    assert (tmp_path / "model").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model"]


def test_an_empty_file_is_one(tmp_path: Path) -> None:
    with fake_portal(serve(b"", etag="x")) as server:
        download(server, tmp_path / "empty", size=0, sha256=hashlib.sha256().hexdigest())
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_portal_that_is_gone_ends_it_and_what_came_is_kept_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "TRIES", 3)
    first = [Reply(200, CONTENT, {"ETag": f'"{SHA256}"'}, 400_000)]
    with (
        fake_portal(lambda request: first.pop() if first else Reply(cut_at=-1)) as server,
        pytest.raises(errors.Unreachable),
    ):
        download(server, tmp_path / "model", sha256=SHA256)
    assert (tmp_path / "model.part").stat().st_size == 400_000
    assert not (tmp_path / "model").exists()
