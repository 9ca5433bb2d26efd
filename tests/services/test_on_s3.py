"""Blobs in a bucket, on a server that speaks S3 (moto): one process beside the tests, real requests."""

from __future__ import annotations

import hashlib
import io
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.test import override_settings
from django.utils import timezone

from experiments import services
from experiments.models import Artifact
from experiments.services import purging
from mlportal import settings as made
from mlportal.access.models import User, Workspace
from mlportal.blobs import services as blobs
from mlportal.blobs.models import Blob
from mlportal.errors import BytesLost, StorageAway
from tests.conftest import TINY
from tests.portal import Portal, free_port, wait_until

pytestmark = pytest.mark.services
SECRET = "a+b/c"  # as Amazon makes them
BIG = bytes(range(256)) * 40_000


def address(endpoint: str, bucket: str) -> str:
    return f"s3://{bucket}/some/prefix?endpoint_url={endpoint}&access_key=a&secret_key={SECRET}&region_name=us-east-1"


class Server:
    def __init__(self, log: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", self.endpoint.rpartition(":")[2]]
        self.process = subprocess.Popen(command, stdout=log.open("wb"), stderr=subprocess.STDOUT)
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        self.client = boto3.client("s3", endpoint_url=self.endpoint, **keys)

    def answers(self) -> bool:
        assert self.process.poll() is None, "moto ended"
        try:
            return httpx.get(self.endpoint).status_code == 200
        except httpx.HTTPError:
            return False


class Bucket:
    """An empty one."""

    def __init__(self, server: Server) -> None:
        self.server, self.name = server, f"blobs-{uuid.uuid4().hex}"
        self.url = address(server.endpoint, self.name)
        server.client.create_bucket(Bucket=self.name)

    def names(self) -> list[str]:
        return [item["Key"] for item in self.server.client.list_objects_v2(Bucket=self.name).get("Contents", [])]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("moto") / "log")
    try:
        wait_until(server.answers, what="moto")
        yield server
    finally:
        server.process.kill()
        server.process.wait(10)


@pytest.fixture
def bucket(server: Server) -> Bucket:
    return Bucket(server)


@contextmanager
def using(url: str) -> Iterator[None]:
    """The tests' own process stores there, too."""
    with override_settings(STORAGES={**settings.STORAGES, "default": made._blob_storage(url)}):
        yield


@pytest.fixture
def stored(db: None, bucket: Bucket) -> Iterator[Bucket]:
    with using(bucket.url):
        yield bucket


def test_a_plus_in_a_secret_key_is_a_plus() -> None:
    options = made._blob_storage("s3://b/p/?endpoint_url=http://x:1&secret_key=a+b/c%3D")["OPTIONS"]
    assert (options["bucket_name"], options["location"], options["secret_key"]) == ("b", "p", "a+b/c=")


def test_blobs_are_put_read_and_swept(stored: Bucket) -> None:
    blob = blobs.put(io.BytesIO(BIG))
    assert stored.names() == [f"some/prefix/{blob.key}"]
    assert blobs.put(io.BytesIO(BIG)).pk == blob.pk == hashlib.sha256(BIG).hexdigest()
    with blobs.open_blob(blob.pk) as stream:
        assert stream.read(10) == BIG[:10]
        assert stream.seek(1_000_003) == 1_000_003
        assert stream.read(300_000) == BIG[1_000_003:1_300_003]
        assert stream.seek(-5, io.SEEK_END) == len(BIG) - 5
        assert stream.read() == BIG[-5:]
        stream.seek(0)
        assert stream.read() == BIG
    empty = blobs.put(io.BytesIO(b""))
    with blobs.open_blob(empty.pk) as stream:
        assert stream.read() == b""
    assert blobs.delete_unreferenced(timezone.now() + timedelta(days=1)) == len(BIG)
    assert stored.names() == []
    assert not Blob.objects.exists()
    with pytest.raises(BytesLost):
        blobs.open_blob(blob.pk)


def test_what_is_deleted_for_good_is_gone_from_the_bucket(stored: Bucket, workspace: Workspace, owner: User) -> None:
    run, other = (services.start_run(workspace, experiment="e", by=owner) for _ in range(2))
    shared, own = blobs.put(io.BytesIO(b"shared")), blobs.put(io.BytesIO(BIG))
    for each, blob in ((run, shared), (run, own), (other, shared)):
        Artifact.objects.create(run=each, path=f"outputs/{blob}", blob=blob, size=blob.size)
    services.finish_run(run, "Completed", by=owner)
    services.trash_run(run, by=owner)
    begun = services.purge_runs(workspace, runs=[run], by=owner)
    purging.resume()
    begun.refresh_from_db()
    assert begun.freed_bytes == len(BIG)
    assert stored.names() == [f"some/prefix/{shared.key}"]


def test_only_what_is_read_is_fetched(stored: Bucket) -> None:
    """The last line of a log of gigabytes is asked for every second."""
    blob = blobs.put(io.BytesIO(BIG))
    asked: list[Any] = []
    client = default_storage.connection.meta.client  # type: ignore[attr-defined]
    client.meta.events.register("before-send.s3.GetObject", lambda request, **_: asked.append(request.headers["Range"]))
    with blobs.open_blob(blob.pk) as stream:
        stream.seek(-10, io.SEEK_END)
        assert stream.read() == BIG[-10:]
    assert asked == [f"bytes={len(BIG) - 10}-".encode()]


def test_bytes_that_are_swept_while_they_are_stored_are_stored_again(
    stored: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = default_storage.save
    swept: list[str] = []

    def save(name: str, file: Any) -> str:
        saved: str = real(name, file)
        if not swept:
            swept.append(name)
            blobs._delete_file(hashlib.sha256(BIG).hexdigest(), len(BIG))
        return saved

    with monkeypatch.context() as patched:
        patched.setattr(default_storage, "save", save)
        blob = blobs.put(io.BytesIO(BIG))
    assert swept == [blob.key]
    with blobs.open_blob(blob.pk) as stream:
        assert stream.read() == BIG


def test_a_storage_that_is_away_is_told_soon(db: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never answers
        gone = f"http://127.0.0.1:{free_port()}"
        for endpoint in (gone, f"http://127.0.0.1:{silent.getsockname()[1]}"):
            with using(address(endpoint, "blobs")):
                started = time.monotonic()
                with pytest.raises(StorageAway):
                    blobs.open_blob("0" * 64)
                if endpoint == gone:
                    with pytest.raises(StorageAway):
                        blobs.put(io.BytesIO(b"y"))
                assert time.monotonic() - started < 30
    assert not Blob.objects.exists()


@pytest.mark.slow
def test_a_run_goes_on_when_the_storage_comes_back(bucket: Bucket, tmp_path: Path) -> None:
    folder = tmp_path / "trials"
    folder.mkdir()
    (folder / "train.py").write_text(
        "import time\nprint('on', flush=True)\ntime.sleep(2)\n"
        "open('outputs/big.bin', 'wb').write(bytes(range(256)) * 40_000)\n"
    )
    # One attempt: a storage that is away costs none.
    variables = {"STORAGE_URL": bucket.url, "MLPORTAL_RUN_ATTEMPTS": "1"}
    with Portal(tmp_path / "home", variables) as portal, portal.client() as client:
        uid = client.submit(folder, "train.py", TINY)
        client.wait(uid, "Running", seconds=60)
        bucket.server.process.send_signal(signal.SIGSTOP)
        time.sleep(4)  # the script has ended, and what it left can not be stored
        assert client.run(uid)["status"] in ("Running", "Finalizing")
        asked = time.monotonic()
        code = client.http.get("/readyz", timeout=60).status_code
        assert (code, time.monotonic() - asked < 45) == (503, True)
        bucket.server.process.send_signal(signal.SIGCONT)
        run = client.wait(uid, seconds=120)
        assert run["status"] == "Completed", run["failure"]
        where = f"{client.base}/runs/{uid}/artifacts/content/"
        assert client.http.get(where, params={"path": "outputs/big.bin"}).content == BIG
        part = client.http.get(where, params={"path": "outputs/big.bin"}, headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, BIG[1000:2000])
        assert client.log(uid) == "on\n"
        digest = hashlib.sha256(BIG).hexdigest()
        bucket.server.client.delete_object(Bucket=bucket.name, Key=f"some/prefix/blobs/{digest[:2]}/{digest}")
        lost = client.http.get(where, params={"path": "outputs/big.bin"})
        assert (lost.status_code, lost.json()["error"]["code"]) == (503, "bytes_lost")
