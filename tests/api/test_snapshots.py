import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from experiments.models import Snapshot
from mlportal.access.models import Workspace
from tests.api.conftest import Callers, error_of

pytestmark = pytest.mark.django_db


def form(**files: bytes) -> dict[str, Any]:
    """A form as the browser sends it; double underscores stand for slashes, a single one for the dot."""
    names = [name.replace("__", "/").replace("_", ".") for name in files]
    uploads = [
        SimpleUploadedFile(name.rpartition("/")[2], data) for name, data in zip(names, files.values(), strict=True)
    ]
    return {"files": uploads, "paths": names}


def zipped(**files: bytes) -> SimpleUploadedFile:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return SimpleUploadedFile("code.zip", packed.getvalue())


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 201), ("contributor", 201), ("reader", 403), ("stranger", 404), ("nobody", 401)]
)
def test_who_may_upload(callers: Callers, role: str, status: int) -> None:
    answer = callers[role].upload("snapshots/", form(train_py=b"print(1)", env_yml=b"name: x", lib__a_py=b""))
    assert answer.status_code == status
    assert Snapshot.objects.count() == (1 if status == 201 else 0)
    if status != 201:
        error_of(answer)
        return
    made = answer.json()
    assert [file["name"] for file in made["files"]] == ["env.yml", "lib/a.py", "train.py"]
    assert (made["suggested_script"], made["suggested_environment"]) == ("train.py", "env.yml")
    assert made["scripts"] == ["lib/a.py", "train.py"]
    assert answer["Location"] == f"/api/v1/workspaces/lab/snapshots/{made['uid']}/"
    assert callers["reader"].get(answer["Location"]).json()["digest"] == made["digest"]
    assert callers["stranger"].get(answer["Location"]).status_code == 404


def test_every_byte_arrives(callers: Callers, workspace: Workspace) -> None:
    from mlportal.blobs.services import open_blob

    data = {"big_bin": bytes(range(256)) * 12_000, "empty_txt": b"", "small_txt": b"x"}
    callers["owner"].upload("snapshots/", form(**data))
    entries = {name: digest for name, digest, _ in Snapshot.objects.get().entries}
    for name, content in data.items():
        with open_blob(entries[name.replace("_", ".")]) as stream:
            assert stream.read() == content


def test_the_same_folder_again_is_the_same_snapshot(callers: Callers) -> None:
    uids = {callers["owner"].upload("snapshots/", form(train_py=b"1")).json()["uid"] for _ in range(2)}
    assert len(uids) == 1


def test_a_zip_is_taken_and_tells_what_it_leaves_out(callers: Callers) -> None:
    files = {"top__train_py": b"1", "top__.gitignore": b"*.csv\n", "top__data_csv": b"1,2"}
    made = callers["owner"].upload("snapshots/", {"archive": zipped(**files)}).json()
    assert [file["name"] for file in made["files"]] == [".gitignore", "train.py"]
    assert [(row["name"], row["why"]) for row in made["ignored"]] == [("data.csv", ".gitignore:1: *.csv")]
    assert made["notes"]


def test_as_many_files_as_the_limit_allows(callers: Callers) -> None:
    uploads = [SimpleUploadedFile(f"{at}.py", b"") for at in range(2000)]
    made = callers["owner"].upload("snapshots/", {"files": uploads, "paths": [f"a/{at}.py" for at in range(2000)]})
    assert made.status_code == 201
    assert made.json()["file_count"] == 2000


@pytest.mark.parametrize(
    ("sent", "field"),
    [({}, "files"), ({"paths": ["a"]}, "files"), ({"files": [SimpleUploadedFile("a", b"1")]}, "paths")],
)
def test_a_form_that_lacks_something(callers: Callers, sent: dict[str, Any], field: str) -> None:
    answer = callers["owner"].upload("snapshots/", sent)
    assert answer.status_code == 400
    assert error_of(answer)["details"]["field"] == field


@pytest.mark.parametrize("path", ["../x.py", "/x.py", "a/../../x.py", "a\\..\\x.py", "C:/x.py"])
def test_names_that_lead_out_are_refused_by_name(callers: Callers, path: str) -> None:
    answer = callers["owner"].upload("snapshots/", {"files": [SimpleUploadedFile("x.py", b"1")], "paths": [path]})
    assert answer.status_code == 400
    assert error_of(answer)["details"]["entry"] == path
    assert not Snapshot.objects.exists()


@override_settings(SNAPSHOT_MAX_BYTES=1000)
def test_too_many_bytes_name_the_limit(callers: Callers) -> None:
    answer = callers["owner"].upload("snapshots/", form(a_bin=b"x" * 1001))
    assert answer.status_code == 413
    assert error_of(answer)["details"]["limit"] == 1000


@override_settings(SNAPSHOT_MAX_BYTES=1000, DATA_UPLOAD_MAX_NUMBER_FILES=1)
def test_a_body_that_is_too_long_is_not_even_parsed(callers: Callers) -> None:
    answer = callers["owner"].upload("snapshots/", form(a_bin=b"x" * 10_000))
    assert answer.status_code == 413
    assert "MLPORTAL_SNAPSHOT_MAX_BYTES" in error_of(answer)["message"]


@override_settings(DATA_UPLOAD_MAX_NUMBER_FILES=2)
def test_more_parts_than_allowed_are_an_error_of_the_one_shape(callers: Callers) -> None:
    answer = callers["owner"].upload("snapshots/", form(a_py=b"1", b_py=b"1", c_py=b"1"))
    assert answer.status_code == 400
    error_of(answer)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 but not a zip", b"plain text"])
def test_what_is_no_zip_is_refused(callers: Callers, data: bytes) -> None:
    answer = callers["owner"].upload("snapshots/", {"archive": SimpleUploadedFile("code.zip", data)})
    assert answer.status_code == 400
    error_of(answer)


def test_an_upload_leaves_no_file_behind(callers: Callers, settings: Any, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    callers["owner"].upload("snapshots/", form(a_bin=b"x" * 5_000_000))
    callers["owner"].upload("snapshots/", {"archive": SimpleUploadedFile("code.zip", b"no zip")})
    assert list(tmp_path.iterdir()) == []
