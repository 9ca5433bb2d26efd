"""Bytes on their way: only what is missing, in batches, each content once, and none that is not what was named."""

from __future__ import annotations

import email
import email.policy
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlportal_sdk import blobs, errors, http
from mlportal_sdk import client as sdk

from tests.fake_portal import CUT, FakePortal, Reply, Request, fake_portal


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE", 0.001)


def parts_of(request: Request) -> list[bytes]:
    """What a real reader of forms finds in the body."""
    head = b"Content-Type: " + request.headers["Content-Type"].encode() + b"\r\n\r\n"
    message = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    found: list[bytes] = []
    for part in message.iter_parts():
        assert part["Content-Disposition"].params["name"] == "files"
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        found.append(payload)
    return found


class Store:
    """A workspace's bytes, and what was named in it."""

    def __init__(self, *, cuts: int = 0, damage: bool = False) -> None:
        self.known: set[str] = set()
        self.uploads: list[list[bytes]] = []
        self.named: list[Any] = []
        self.cuts, self.damage = cuts, damage

    def __call__(self, request: Request) -> Reply:
        if request.target.endswith("/blobs/"):
            return self.upload(request)
        if request.target.endswith("/plan/"):
            entries = request.json()["entries"]
            keep = [name for name, _ in entries if not name.endswith(".csv")]
            ignored = [[name, size, ".amlignore:1: *.csv"] for name, size in entries if name.endswith(".csv")]
            return Reply.json({"keep": keep, "ignored": ignored, "files": len(keep), "bytes": 0})
        body = request.json()
        missing = sorted({entry["sha256"] for entry in body["entries"]} - self.known)
        if missing:
            error = {"code": "blobs_missing", "message": "upload", "details": {"missing": missing}}
            return Reply.json({"error": error}, 409)
        self.named.append(body)
        return Reply.json({"uid": "1", "file_count": len(body["entries"]), "size": 0}, 201)

    def upload(self, request: Request) -> Reply:
        parts = parts_of(request)
        if self.cuts:
            self.cuts -= 1
            return CUT
        self.uploads.append(parts)
        digests = [hashlib.sha256(part + b"!" * self.damage).hexdigest() for part in parts]
        self.known.update(digests)
        return Reply.json({"blobs": [{"sha256": digest, "size": 0} for digest in digests]}, 201)


def scope(server: FakePortal) -> sdk.Scope:
    return sdk.Client(server.url, "mlp_x").workspace("lab")


def lay_out(folder: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return str(folder)


def test_a_folder_is_sent_once_and_named_the_second_time(tmp_path: Path) -> None:
    store, told = Store(), list[tuple[int, int]]()
    folder = lay_out(tmp_path, {"train.py": b"1\r\n--x", "a/same.txt": b"same", "b/same.txt": b"same", "big.csv": b"x"})
    with fake_portal(store) as server:
        snapshot = scope(server).snapshot(folder, lambda done, all: told.append((done, all)))
        assert snapshot["ignored"] == [{"name": "big.csv", "size": 1, "why": ".amlignore:1: *.csv"}]
        assert sorted(store.uploads[0]) == [b"1\r\n--x", b"same"]
        assert told[-1] == (10, 10)
        again = scope(server).snapshot(folder)
        assert len(store.uploads) == 1
        assert store.named[0] == store.named[1] and again["file_count"] == 3
        names = [(entry["path"], entry["size"]) for entry in store.named[0]["entries"]]
        assert sorted(names) == [("a/same.txt", 4), ("b/same.txt", 4), ("train.py", 6)]


def test_many_files_travel_in_batches_by_count_and_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "BATCH_FILES", 10)
    monkeypatch.setattr(blobs, "BATCH_BYTES", 5000)
    small = {f"{number:02}.txt": str(number).encode() for number in range(25)}
    large = {"large0": b"0" * 9000, "large1": b"1" * 3000, "large2": b"2" * 3000}
    store = Store()
    with fake_portal(store) as server:
        scope(server).snapshot(lay_out(tmp_path, {**small, **large}))
    assert sum(len(batch) for batch in store.uploads) == 28
    assert all(len(batch) <= 10 for batch in store.uploads)
    assert all(len(batch) == 1 or sum(map(len, batch)) <= 5000 for batch in store.uploads)


def test_an_upload_that_breaks_is_sent_again_from_its_beginning(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    store = Store(cuts=2)
    with fake_portal(store) as server:
        scope(server).snapshot(lay_out(tmp_path, {"big.bin": content}))
    assert store.uploads == [[content]]


def change_after(path: Path, content: bytes) -> Callable[[], Any]:
    def opener() -> Any:
        path.write_bytes(content)
        return path.open("rb")

    return opener


@pytest.mark.parametrize(("content", "said"), [(b"12", "became shorter"), (b"XXXX", "changed while")])
def test_a_file_that_changes_while_it_is_sent_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(b"1234")
    source = blobs.of_file(str(path))._replace(open=change_after(path, content))
    store = Store()
    with fake_portal(store) as server:
        wish = {"entries": blobs.entries_of([source])}
        with pytest.raises(errors.FileChanged, match=f"data.txt {said}"):
            scope(server).name_files("snapshots/manifest/", wish, [source])
    assert not store.named


def test_a_file_that_is_gone_meanwhile_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(b"1234")
    source = blobs.of_file(str(path))
    path.unlink()
    with fake_portal(Store()) as server, pytest.raises(errors.FileChanged, match=r"data\.txt cannot be read any more"):
        scope(server).upload([source], [source.sha256])


def test_bytes_that_nobody_named_are_not_asked_for(tmp_path: Path) -> None:
    with fake_portal(Store()) as server, pytest.raises(errors.FileChanged, match="nobody named"):
        scope(server).upload([blobs.of_bytes(b"1", "one")], ["f" * 64])


def test_another_conflict_is_not_taken_for_missing_bytes() -> None:
    taken = Reply.error(409, "The name is taken.", "exists")
    with fake_portal(lambda request: taken) as server, pytest.raises(errors.Conflict, match="taken"):
        scope(server).name_files("datasets/", {"entries": []}, [])


def test_a_portal_that_never_keeps_what_it_is_sent_ends_it() -> None:
    source = blobs.of_bytes(b"1", "one")
    store = Store()

    def forgetful(request: Request) -> Reply:
        store.known.clear()
        return store(request)

    with fake_portal(forgetful) as server, pytest.raises(errors.Conflict):
        scope(server).name_files("datasets/", {"entries": blobs.entries_of([source])}, [source])
    assert 1 <= len(store.uploads) <= 4


def test_an_empty_folder_and_one_that_is_all_left_out_say_so(tmp_path: Path) -> None:
    with fake_portal(Store()) as server:
        with pytest.raises(errors.BadInput, match="no file in"):
            scope(server).snapshot(str(tmp_path))
        lay_out(tmp_path, {"only.csv": b"1"})
        with pytest.raises(errors.BadInput, match="leave out every file"):
            scope(server).snapshot(str(tmp_path))
        with pytest.raises(errors.BadInput, match="no folder"):
            scope(server).snapshot(str(tmp_path / "none"))
