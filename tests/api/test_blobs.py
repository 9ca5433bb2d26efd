"""Bytes first, then the rows that name them: what a workspace has, what it lacks, and what another's digest gives."""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from django.utils import timezone

from experiments import services
from experiments.models import Artifact, Run, Snapshot, UploadedBlob
from experiments.services import reaping, uploads
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from mlportal.blobs import services as blobs
from mlportal.blobs.models import Blob
from tests.api.conftest import Caller, Callers, error_of, read_whole

pytestmark = pytest.mark.django_db


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def send(caller: Caller, *contents: bytes) -> Any:
    return caller.upload("blobs/", {"files": [SimpleUploadedFile("any", data) for data in contents]})


def entries(**files: bytes) -> list[dict[str, Any]]:
    """Entries of a manifest; double underscores stand for slashes, a single one for the dot."""
    return [{"path": name.replace("__", "/").replace("_", "."), "sha256": sha(data)} for name, data in files.items()]


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 201), ("contributor", 201), ("reader", 403), ("stranger", 404), ("nobody", 401)]
)
def test_who_may_upload(callers: Callers, role: str, status: int) -> None:
    answer = send(callers[role], b"one", b"", b"two", b"one")
    assert answer.status_code == status
    if status == 201:
        assert answer.json() == {
            "blobs": [{"sha256": sha(data), "size": len(data)} for data in (b"one", b"", b"two", b"one")]
        }
        assert UploadedBlob.objects.count() == 3
        assert all(UploadedBlob.objects.values_list("by", flat=True))
    else:
        error_of(answer)
        assert not UploadedBlob.objects.exists() and not Blob.objects.exists()


def test_a_run_uploads_to_its_own_workspace_alone(
    callers: Callers, run_token: str, owner: User, stranger: User
) -> None:
    create_workspace("elsewhere", by=stranger)
    assert send(Caller(run_token), b"mine").status_code == 201
    assert send(Caller(run_token, "elsewhere"), b"mine").status_code == 404


def test_names_first_then_what_is_missing_then_again(callers: Callers) -> None:
    caller, wish = callers["contributor"], {"entries": entries(train_py=b"print(1)", data__a_txt=b"a")}
    refused = caller.post("snapshots/manifest/", wish)
    assert refused.status_code == 409
    error = error_of(refused)
    assert error["code"] == "blobs_missing"
    assert set(error["details"]["missing"]) == {sha(b"print(1)"), sha(b"a")}
    assert not Snapshot.objects.exists()
    send(caller, b"a")
    assert error_of(caller.post("snapshots/manifest/", wish))["details"]["missing"] == [sha(b"print(1)")]
    send(caller, b"print(1)")
    made = caller.post("snapshots/manifest/", wish)
    assert made.status_code == 201
    assert made.json()["suggested_script"] == "train.py" and made.json()["size"] == 9
    again = caller.post("snapshots/manifest/", wish)
    assert again.json()["uid"] == made.json()["uid"]
    form = {"files": [SimpleUploadedFile("train.py", b"print(1)"), SimpleUploadedFile("a", b"a")]}
    same = caller.upload("snapshots/", {**form, "paths": ["train.py", "data/a.txt"]})
    assert same.json()["uid"] == made.json()["uid"]


@pytest.mark.parametrize(("role", "status"), [("reader", 403), ("stranger", 404), ("nobody", 401)])
@pytest.mark.parametrize("address", ["snapshots/manifest/", "snapshots/plan/"])
def test_who_may_not_name_anything(callers: Callers, role: str, status: int, address: str) -> None:
    send(callers["owner"], b"1")
    wish: Any = {"entries": entries(a_py=b"1") if "manifest" in address else [["a.py", 1]]}
    assert callers[role].post(address, wish).status_code == status


def test_the_digest_of_another_workspace_gives_nothing(callers: Callers, stranger: User, run: Run) -> None:
    """Neither what was uploaded there, nor what a snapshot, an artifact or the data store there refers to."""
    other = create_workspace("elsewhere", by=stranger)
    secret = b"the other workspace's"
    services.upload(other, [io.BytesIO(secret)], by=stranger)
    services.take_files(other, [("a.txt", io.BytesIO(secret))], by=stranger)
    services.add_data_files(other, [services.Named("a.txt", sha(secret))], by=stranger)
    services.create_dataset(other, [services.Named("a.txt", sha(secret))], name="a", by=stranger)
    wish = {"entries": entries(a_txt=secret)}
    for address in ("snapshots/manifest/", "data/files/", "datasets/", f"runs/{run.uid}/artifacts/"):
        answer = callers["owner"].post(address, wish)
        assert answer.status_code == 409 and error_of(answer)["details"]["missing"] == [sha(secret)], address
    assert callers["owner"].post("snapshots/manifest/", wish).status_code == 409
    send(callers["owner"], secret)  # who has the bytes may store them
    assert callers["owner"].post("snapshots/manifest/", wish).status_code == 201


def test_what_an_artifact_or_a_model_refers_to_need_not_be_sent(
    callers: Callers, run: Run, store: Any, owner: User
) -> None:
    from models_registry.services import register_model

    store("outputs/model.bin", b"weights")
    register_model(run, name="m", path="outputs/model.bin", by=owner)
    Artifact.objects.all().delete()
    assert callers["owner"].post("snapshots/manifest/", {"entries": entries(m_bin=b"weights")}).status_code == 201


def test_an_upload_is_forgotten_after_a_day_and_its_bytes_go(callers: Callers, workspace: Workspace) -> None:
    send(callers["owner"], b"kept", b"unused")
    callers["owner"].post("data/files/", {"entries": entries(a_txt=b"kept")})
    reaping.sweep()
    assert Blob.objects.count() == 2
    yesterday = timezone.now() - timedelta(hours=25)
    UploadedBlob.objects.update(at=yesterday)
    Blob.objects.update(created_at=yesterday)
    assert uploads.held(workspace, [sha(b"unused")]) == {}
    reaping.sweep()
    assert list(Blob.objects.values_list("pk", flat=True)) == [sha(b"kept")]
    assert not UploadedBlob.objects.exists()


def test_what_is_named_is_safe_from_the_sweeper(callers: Callers, workspace: Workspace) -> None:
    """Old bytes that an upload of yesterday still vouches for are touched when they are named."""
    send(callers["owner"], b"old")
    Blob.objects.update(created_at=timezone.now() - timedelta(hours=30))
    callers["owner"].post("snapshots/manifest/", {"entries": entries(a_txt=b"old")})
    assert Blob.objects.get().created_at > timezone.now() - timedelta(minutes=1)


def test_a_kill_between_bytes_and_row_leaves_nothing_that_can_be_named(workspace: Workspace) -> None:
    blobs.put(io.BytesIO(b"stored, and then killed"))
    assert uploads.held(workspace, [sha(b"stored, and then killed")]) == {}
    Blob.objects.update(created_at=timezone.now() - timedelta(days=2))
    reaping.sweep()
    assert not Blob.objects.exists()


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({}, "required"),
        ({"entries": []}, "list of files"),
        ({"entries": {}}, "list of files"),
        ({"entries": ["a"]}, "Entry 0"),
        ({"entries": [{"path": "a", "sha256": "A" * 64}]}, "hex digits"),
        ({"entries": [{"path": "a", "sha256": "a" * 63}]}, "hex digits"),
        ({"entries": [{"path": "", "sha256": "a" * 64}]}, "path of entry 0"),
        ({"entries": [{"path": 7, "sha256": "a" * 64}]}, "path of entry 0"),
        ({"entries": [{"path": "a", "sha256": "a" * 64, "size": -1}]}, "size of entry 0"),
        ({"entries": [{"path": "a", "sha256": "a" * 64, "mode": 1}]}, "Entry 0"),
        ({"entries": [], "strip_top": True}, "strip_top"),
    ],
)
def test_entries_that_are_none(callers: Callers, wish: Any, says: str) -> None:
    answer = callers["owner"].post("snapshots/manifest/", wish)
    assert answer.status_code == 400
    assert says in error_of(answer)["message"]


@pytest.mark.parametrize(
    "names",
    [["../a"], ["/a"], ["a//b"], ["a\\b"], ["C:/a"], ["a\0b"], ["a", "A"], ["a", "a"], ["a", "a/b"], ["%2e%2e/a"]],
)
def test_names_that_cannot_live_on_a_disk_or_together(callers: Callers, names: list[str]) -> None:
    send(callers["owner"], b"1")
    wish = {"entries": [{"path": name, "sha256": sha(b"1")} for name in names]}
    for address in ("snapshots/manifest/", "data/files/", "datasets/"):
        answer = callers["owner"].post(address, wish)
        assert answer.status_code == 400, address
        assert error_of(answer)["details"]["entry"] in names
    assert callers["reader"].get("data/files/").json()["results"] == []


def test_a_size_that_is_not_that_of_the_bytes(callers: Callers) -> None:
    send(callers["owner"], b"12345")
    wish = {"entries": [{"path": "a", "sha256": sha(b"12345"), "size": 4}]}
    answer = callers["owner"].post("snapshots/manifest/", wish)
    assert answer.status_code == 400 and error_of(answer)["details"]["entry"] == "a"
    wish["entries"][0]["size"] = 5
    assert callers["owner"].post("snapshots/manifest/", wish).status_code == 201


@override_settings(SNAPSHOT_MAX_FILES=2, SNAPSHOT_MAX_BYTES=10)
def test_limits_name_their_setting_and_the_entry(callers: Callers) -> None:
    send(callers["owner"], b"123456", b"1")
    many = callers["owner"].post("snapshots/manifest/", {"entries": entries(a=b"1", b=b"1", c=b"1")})
    assert many.status_code == 413 and "MLPORTAL_SNAPSHOT_MAX_FILES" in error_of(many)["message"]
    large = callers["owner"].post("snapshots/manifest/", {"entries": entries(a=b"123456", b=b"123456")})
    assert large.status_code == 413 and error_of(large)["details"]["entry"] == "b"
    before = [{"path": "a", "sha256": "0" * 64, "size": 11}]  # before it is uploaded for nothing
    assert callers["owner"].post("snapshots/manifest/", {"entries": before}).status_code == 413


@override_settings(UPLOAD_MAX_BYTES=100, DATA_UPLOAD_MAX_NUMBER_FILES=1)
def test_an_upload_beyond_the_limit_is_not_even_parsed(callers: Callers) -> None:
    answer = send(callers["owner"], b"x" * 5000)
    assert answer.status_code == 413 and "MLPORTAL_UPLOAD_MAX_BYTES" in error_of(answer)["message"]
    assert not Blob.objects.exists()


def test_an_upload_without_files(callers: Callers) -> None:
    answer = callers["owner"].upload("blobs/", {"name": "x"})
    assert answer.status_code == 400 and error_of(answer)["details"]["field"] == "files"


def test_a_plan_says_what_a_snapshot_would_hold_as_the_upload_does(callers: Callers) -> None:
    files = {
        "train.py": b"1",
        ".gitignore": b"*.csv\n!keep.csv\n",
        "big.csv": b"1,2",
        "keep.csv": b"3,4",
        "sub/.amlignore": b"x.txt\n",
        "sub/.gitignore": b"y.txt\n",
        "sub/x.txt": b"x",
        "sub/y.txt": b"y",
        "__pycache__/a.pyc": b"0",
    }
    sizes = [[name, len(data)] for name, data in files.items()]
    texts = {name: data.decode() for name, data in files.items() if name.endswith("ignore")}
    plan = callers["contributor"].post("snapshots/plan/", {"entries": sizes, "ignore_files": texts})
    assert plan.status_code == 200
    uploaded = callers["contributor"].upload(
        "snapshots/",
        {"files": [SimpleUploadedFile("f", data) for data in files.values()], "paths": list(files)},
    )
    taken = uploaded.json()
    assert sorted(plan.json()["keep"]) == [row["name"] for row in taken["files"]]
    assert plan.json()["ignored"] == [[row["name"], row["size"], row["why"]] for row in taken["ignored"]]
    assert (plan.json()["files"], plan.json()["bytes"]) == (taken["file_count"], taken["size"])


def test_a_plan_cuts_no_folder_off(callers: Callers) -> None:
    plan = callers["owner"].post("snapshots/plan/", {"entries": [["top/a.py", 1]]})
    assert plan.json()["keep"] == ["top/a.py"]


@override_settings(SNAPSHOT_MAX_FILES=3, SNAPSHOT_MAX_BYTES=10)
def test_a_plan_beyond_the_limits_names_the_entry(callers: Callers) -> None:
    large = callers["owner"].post("snapshots/plan/", {"entries": [["a", 6], ["b", 6]]})
    assert large.status_code == 413
    assert (error_of(large)["code"], error_of(large)["details"]["entry"]) == ("snapshot_refused", "b")
    many = callers["owner"].post("snapshots/plan/", {"entries": [[name, 1] for name in "abcd"]})
    assert many.status_code == 413 and error_of(many)["details"]["limit"] == 3
    lacking = callers["owner"].post("snapshots/plan/", {"entries": [[".gitignore", 3], ["a", 1]]})
    assert lacking.status_code == 400 and error_of(lacking)["details"]["entry"] == ".gitignore"


@pytest.mark.parametrize(
    "wish",
    [
        {"entries": [["a"]]},
        {"entries": [["a", "1"]]},
        {"entries": [["a", True]]},
        {"entries": [["a", 1]], "ignore_files": {".gitignore": 1}},
        {"entries": [["a", 1]], "ignore_files": []},
        {"entries": [["../a", 1]]},
    ],
)
def test_plans_that_are_none(callers: Callers, wish: Any) -> None:
    answer = callers["owner"].post("snapshots/plan/", wish)
    assert answer.status_code == 400
    error_of(answer)


def test_a_snapshot_comes_back_as_a_zip(callers: Callers) -> None:
    files = {"train.py": b"print(1)\n" * 50_000, "data/größe.txt": "ß".encode(), "empty": b""}
    send(callers["owner"], *files.values())
    wish = {"entries": [{"path": name, "sha256": sha(data)} for name, data in files.items()]}
    uid = callers["owner"].post("snapshots/manifest/", wish).json()["uid"]
    answer = callers["reader"].get(f"snapshots/{uid}/archive/")
    assert answer.status_code == 200 and answer["Content-Type"] == "application/zip"
    assert "attachment" in answer["Content-Disposition"] and answer["X-Content-Type-Options"] == "nosniff"
    whole = read_whole(answer)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files
    assert read_whole(callers["reader"].get(f"snapshots/{uid}/archive/")) == whole
    same = callers["reader"].get(f"snapshots/{uid}/archive/", **{"If-None-Match": answer["ETag"]})
    assert same.status_code == 304
    assert callers["stranger"].get(f"snapshots/{uid}/archive/").status_code == 404
    again = callers["owner"].upload("snapshots/", {"archive": SimpleUploadedFile("a.zip", whole)})
    assert again.json()["uid"] == uid


def test_a_run_is_given_files_by_a_contributor_or_by_itself(
    callers: Callers, running: Run, run_token: str, stranger: User
) -> None:
    send(callers["owner"], b"picture", b"other")
    address = f"runs/{running.uid}/artifacts/"
    wish = {"entries": entries(plots__a_png=b"picture")}
    assert callers["reader"].post(address, wish).status_code == 403
    assert callers["stranger"].post(address, wish).status_code == 404
    made = callers["contributor"].post(address, wish)
    assert made.status_code == 201
    assert [(row["path"], row["size"]) for row in made.json()] == [("plots/a.png", 7)]
    revision = Run.objects.get(pk=running.pk).revision
    assert revision > running.revision
    again = Caller(run_token).post(address, {"entries": entries(plots__a_png=b"picture", plots__b_png=b"other")})
    assert again.status_code == 201 and len(again.json()) == 2
    assert Run.objects.get(pk=running.pk).output_bytes == 12
    clash = callers["owner"].post(address, {"entries": entries(c_png=b"other", plots__a_png=b"other")})
    assert clash.status_code == 409
    assert (error_of(clash)["code"], error_of(clash)["details"]["path"]) == ("exists", "plots/a.png")
    assert running.artifacts.count() == 2  # all or none
    for name in ("Plots/a.png", "plots", "plots/a.png/x"):
        refused = callers["owner"].post(address, {"entries": [{"path": name, "sha256": sha(b"other")}]})
        assert refused.status_code == 400, name


def test_a_run_writes_no_other_runs_files(callers: Callers, running: Run, run_token: str, submit: Any) -> None:
    other = submit()
    send(callers["owner"], b"1")
    assert Caller(run_token).post(f"runs/{other.uid}/artifacts/", {"entries": entries(a=b"1")}).status_code == 404
    assert not other.artifacts.exists()


def test_what_the_script_prints_is_the_portals_to_write(callers: Callers, running: Run, run_token: str) -> None:
    send(callers["owner"], b"forged")
    wish = {"entries": [{"path": "user_logs/std_log.txt", "sha256": sha(b"forged")}]}
    assert Caller(run_token).post(f"runs/{running.uid}/artifacts/", wish).status_code == 409


@override_settings(RUN_OUTPUT_FILES=2, RUN_OUTPUT_BYTES=10)
def test_the_limits_of_a_run_count_what_it_has(callers: Callers, run: Run, store: Any) -> None:
    store("outputs/a", b"12345678")
    send(callers["owner"], b"1", b"123")
    address = f"runs/{run.uid}/artifacts/"
    large = callers["owner"].post(address, {"entries": entries(b=b"123")})
    assert large.status_code == 413 and "MLPORTAL_OUTPUT_LIMIT" in error_of(large)["message"]
    many = callers["owner"].post(address, {"entries": entries(b=b"1", c=b"1")})
    assert many.status_code == 413 and "MLPORTAL_OUTPUT_FILES" in error_of(many)["message"]
    assert callers["owner"].post(address, {"entries": entries(b=b"1")}).status_code == 201
