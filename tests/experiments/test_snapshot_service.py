"""Folders that were handed over: stored once, readable again, refused whole."""

import io
import zipfile
from pathlib import Path

import pytest
from django.conf import settings

from experiments import services
from experiments.models import Snapshot
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from mlportal.blobs.models import Blob
from mlportal.blobs.services import open_blob
from mlportal.errors import BadInput, NotAllowed, TooLarge

FILES = {"train.py": b"print(1)\n", "data/a.csv": b"1,2\n" * 1000, "data/copy.csv": b"1,2\n" * 1000}


def take(workspace: Workspace, owner: User, files: dict[str, bytes] = FILES) -> Snapshot:
    return services.take_files(workspace, [(name, io.BytesIO(data)) for name, data in files.items()], by=owner).snapshot


def stored_bytes() -> int:
    return sum(
        path.stat().st_size
        for path in Path(settings.STORAGES["default"]["OPTIONS"]["location"]).rglob("*")
        if path.is_file()
    )


def test_the_same_folder_a_hundred_times_stores_its_bytes_once(workspace: Workspace, owner: User) -> None:
    first = take(workspace, owner)
    bytes_after_one = stored_bytes()
    for _ in range(99):
        assert take(workspace, owner) == first
    assert stored_bytes() == bytes_after_one
    assert Snapshot.objects.count() == 1
    assert Blob.objects.count() == 2  # two of the three files are equal
    assert (first.file_count, first.size) == (3, sum(map(len, FILES.values())))


def test_a_changed_file_adds_that_file_alone(workspace: Workspace, owner: User) -> None:
    first = take(workspace, owner)
    second = take(workspace, owner, {**FILES, "train.py": b"print(2)\n"})
    assert second.digest != first.digest
    assert Blob.objects.count() == 3


def test_what_is_stored_is_what_was_handed_over(workspace: Workspace, owner: User) -> None:
    manifest = services.manifest_of(take(workspace, owner))
    for name, digest, size in manifest.rows():
        with open_blob(digest) as stream:
            assert (stream.read(), size) == (FILES[name], len(FILES[name]))


def test_a_zip_of_the_folder_is_the_same_snapshot(workspace: Workspace, owner: User) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in FILES.items():
            file.writestr(name, data)
    archive.seek(0)
    assert services.take_zip(workspace, archive, by=owner).snapshot == take(workspace, owner)


def test_two_workspaces_have_their_own_rows_and_the_same_bytes(workspace: Workspace, owner: User) -> None:
    first = take(workspace, owner)
    size = stored_bytes()
    other = create_workspace("other", by=owner)
    second = take(other, owner)
    assert (first.pk != second.pk, first.digest) == (True, second.digest)
    assert stored_bytes() == size
    assert list(Snapshot.objects.in_workspace(other)) == [second]


@pytest.mark.parametrize("name", ["../up.py", "/etc/passwd", "a/../../b", "a\\..\\b", "nul\0.py"])
def test_a_name_that_leads_elsewhere_refuses_the_whole_folder(workspace: Workspace, owner: User, name: str) -> None:
    with pytest.raises(BadInput) as refusal:
        take(workspace, owner, {"train.py": b"1", name: b"2"})
    assert refusal.value.code == "snapshot_refused"
    assert not Snapshot.objects.exists()


def test_limits_are_told_by_their_number(workspace: Workspace, owner: User, settings: object) -> None:
    settings.SNAPSHOT_MAX_BYTES = 100  # type: ignore[attr-defined]
    with pytest.raises(TooLarge) as refusal:
        take(workspace, owner)
    assert refusal.value.details["limit"] == 100
    settings.SNAPSHOT_MAX_BYTES, settings.SNAPSHOT_MAX_FILES = 10**6, 2  # type: ignore[attr-defined]
    with pytest.raises(TooLarge):
        take(workspace, owner)
    assert not Snapshot.objects.exists()


def test_nothing_at_all_is_no_snapshot(workspace: Workspace, owner: User) -> None:
    with pytest.raises(BadInput):
        take(workspace, owner, {})


def test_readers_hand_over_nothing(workspace: Workspace, reader: User) -> None:
    with pytest.raises(NotAllowed):
        take(workspace, reader)
    assert not Blob.objects.exists()
