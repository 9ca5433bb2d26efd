"""Artifacts through the portal: bytes in and out, and paths that lead nowhere else."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import pytest

from tests.mlflow.conftest import Mlflow, refused
from tests.portal import Portal


@pytest.fixture(scope="module")
def run(api: Mlflow) -> str:
    return api.new_run()


def paths(api: Mlflow, run: str, folder: str = "") -> list[str]:
    listed = api.get("artifacts/list", run_id=run, **({"path": folder} if folder else {}))
    return [entry["path"] for entry in listed.get("files", [])]


def test_bytes_come_back(api: Mlflow) -> None:
    run = api.new_run()
    data = bytes(range(256)) * 20_000
    assert api.put(f"0/{run}/artifacts/model/data.bin", data).json() == {}
    api.put(f"0/{run}/artifacts/note.txt", b"")
    url = api.url(f"mlflow-artifacts/artifacts/0/{run}/artifacts/model/data.bin")
    whole = api.http.get(url)
    assert whole.content == data and whole.headers["content-type"] == "application/octet-stream"
    assert (
        whole.headers["content-disposition"].startswith("attachment")
        and whole.headers["etag"].strip('"') == hashlib.sha256(data).hexdigest()
    )
    part = api.http.get(url, headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (
        206,
        data[1000:2000],
        f"bytes 1000-1999/{len(data)}",
    )
    assert api.http.get(url, headers={"Range": "bytes=9999999999-"}).status_code == 416
    assert api.http.get(url, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status_code == 200
    assert paths(api, run) == ["model", "note.txt"] and paths(api, run, "model") == ["model/data.bin"]
    listed = api.http.get(api.url("mlflow-artifacts/artifacts"), params={"path": f"0/{run}/artifacts"}).json()["files"]
    assert listed == [{"path": "model", "is_dir": True}, {"path": "note.txt", "is_dir": False, "file_size": 0}]
    api.put(f"0/{run}/artifacts/note.txt", b"replaced")
    assert api.http.get(api.url(f"mlflow-artifacts/artifacts/0/{run}/artifacts/note.txt")).content == b"replaced"
    assert api.put(f"0/{run}/artifacts/note.txt/below", b"x").status_code == 400
    assert api.http.delete(api.url(f"mlflow-artifacts/artifacts/0/{run}/artifacts/model")).status_code == 200
    assert paths(api, run) == ["note.txt"]


BAD = ["..", "../x", "a/../../x", "a/..", "%2e%2e/x", "%252e%252e/x", "%25252e%25252e%25252fx", "/etc/passwd", "//etc/passwd",
       "file:///etc/passwd", "file:/x", "C:/x", "c:x", "a\\b", "..\\x", "a;b", "a;/../x", "a#b", "a\0b", "a\nb", "./x", "a//b",
       "x" * 300, "a/" * 600 + "a", ""]  # fmt: skip


@pytest.mark.parametrize("path", BAD, ids=lambda text: text[:30].encode("unicode_escape").decode())
def test_a_path_that_is_none_is_refused(api: Mlflow, run: str, portal: Portal, path: str) -> None:
    before = sorted(portal.home.rglob("*blobs*/*/*"))
    url = api.url(f"mlflow-artifacts/artifacts/0/{run}/artifacts/")
    raw = path.encode("ascii", "surrogateescape") if "%" in path else quote(path, safe="").encode()
    for method in ("PUT", "GET"):
        answer = api.http.request(method, url + raw.decode(), content=b"x" if method == "PUT" else None)
        assert answer.status_code in ((400, 404) if method == "GET" and not path else (400,)), (method, answer.text)
    if path:
        refused(api.http.delete(url + raw.decode()))
        refused(api.http.get(api.url("mlflow-artifacts/artifacts"), params={"path": f"0/{run}/artifacts/{path}"}))
        refused(api.ask("artifacts/list", run_id=run, path=path))
        refused(
            api.http.post(
                api.url(f"mlflow-artifacts/mpu/create/0/{run}/artifacts/{raw.decode()}"),
                json={"path": "f", "num_parts": 1},
            )
        )
    assert paths(api, run) == [] and sorted(portal.home.rglob("*blobs*/*/*")) == before


@pytest.mark.parametrize("name", ["%ff", "%c0%ae", "a%80/b"])
def test_a_name_that_is_no_utf_8_is_refused(api: Mlflow, run: str, name: str) -> None:
    url = api.url(f"mlflow-artifacts/artifacts/0/{run}/artifacts/{name}")
    for method in ("PUT", "GET", "DELETE"):
        refused(api.http.request(method, url, content=b"x" if method == "PUT" else None))
    assert paths(api, run) == []
    itself = f"0/{run}/artifacts/%EF%BF%BD"  # the character that stands for what cannot be read
    assert api.put(itself, b"x").status_code == 200
    assert api.http.delete(api.url(f"mlflow-artifacts/artifacts/{itself}")).status_code == 200


@pytest.mark.parametrize("path", ["", "x", "0", "0/%s", "0/%s/other/x", "%s/artifacts/x", "0/%2e%2e/0/%s/artifacts/x"])
def test_outside_of_runs_there_is_nothing(api: Mlflow, run: str, path: str) -> None:
    assert api.put(path.replace("%s", run), b"x").status_code in (400, 404)
    assert api.http.get(api.url(f"mlflow-artifacts/artifacts/{path.replace('%s', run)}")).status_code in (400, 404)


def test_a_file_has_a_limit_that_is_told(api: Mlflow, run: str) -> None:
    def pieces() -> object:
        for _ in range(31):
            yield b"x" * 1_000_000

    assert "30000000" in refused(api.put(f"0/{run}/artifacts/large", b"x" * 30_000_001))
    answer = api.http.put(api.url(f"mlflow-artifacts/artifacts/0/{run}/artifacts/large"), content=pieces())  # type: ignore[arg-type]
    assert "MLPORTAL_UPLOAD_MAX_BYTES" in refused(answer)
    assert paths(api, run) == []


def test_in_parts(api: Mlflow, portal: Portal, tokens: dict[str, str]) -> None:
    run = api.new_run()
    at = f"0/{run}/artifacts/deep"
    made = api.http.post(
        api.url(f"mlflow-artifacts/mpu/create/{at}"), json={"path": "/tmp/local/f.bin", "num_parts": 2}
    ).json()
    data = [b"a" * 100_000, b"b" * 50_000]
    parts = []
    for part, piece in zip(made["credentials"], data, strict=True):
        assert api.http.put(part["url"], content=piece, headers={"Authorization": ""}).status_code == 401
        sent = api.http.put(part["url"], content=piece, headers=part["headers"])
        parts.append({"part_number": part["part_number"], "etag": sent.headers["etag"], "url": part["url"]})
    whole = {"path": "/tmp/local/f.bin", "upload_id": made["upload_id"], "parts": parts[::-1]}
    complete = api.url(f"mlflow-artifacts/mpu/complete/{at}")
    refused(api.http.post(complete, json={**whole, "upload_id": "x"}))
    refused(api.http.post(complete, json={**whole, "path": "g.bin"}))
    refused(api.http.post(complete, json={**whole, "parts": [{"part_number": 1, "etag": "0" * 64}]}))
    assert paths(api, run) == []
    assert api.http.post(complete, json=whole).status_code == 200
    assert api.http.get(api.url(f"mlflow-artifacts/artifacts/{at}/f.bin")).content == b"".join(data)
    aborted = api.http.post(
        api.url(f"mlflow-artifacts/mpu/abort/{at}"), json={"path": "f", "upload_id": made["upload_id"]}
    )
    assert aborted.status_code == 200
