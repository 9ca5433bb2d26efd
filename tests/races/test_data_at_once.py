"""Data that many hand over, name and delete at the same moment: all of it or none, and never a row without its bytes."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from experiments import services
from experiments.models import DataFile, Dataset, DatasetVersion, Run, RunInput, UploadedBlob
from experiments.services import reaping
from experiments.services.uploads import Named
from mlportal.access.models import User, Workspace
from mlportal.blobs.models import Blob
from mlportal.blobs.services import open_blob
from mlportal.errors import BadInput, Conflict, NotFound
from tests.experiments.conftest import Submit
from tests.races.conftest import at_once, wins

pytestmark = pytest.mark.django_db(transaction=True)
Store = Callable[..., list[Named]]


@pytest.fixture
def store(workspace: Workspace, owner: User) -> Store:
    """Uploaded, and named by nothing yet."""

    def store(**files: str) -> list[Named]:
        stored = services.upload(workspace, [io.BytesIO(text.encode()) for text in files.values()], by=owner)
        return [Named(path, blob.digest) for path, blob in zip(files, stored, strict=True)]

    return store


def test_the_same_bytes_uploaded_at_once_are_one_blob(workspace: Workspace, owner: User) -> None:
    found = at_once([lambda: services.upload(workspace, [io.BytesIO(b"same"), io.BytesIO(b"same")], by=owner)] * 8)
    assert len({blob.digest for blobs in found for blob in blobs}) == 1
    assert Blob.objects.count() == UploadedBlob.objects.count() == 1


def test_versions_count_up_and_the_same_is_one(workspace: Workspace, owner: User, store: Store) -> None:
    entries = [store(**{"a.csv": str(number % 3)}) for number in range(9)]

    def make(some: list[Named]) -> Callable[[], Any]:
        return lambda: services.create_dataset(workspace, some, name="d", create_new_version=True, by=owner)

    at_once([make(some) for some in entries])
    versions = list(Dataset.objects.get().versions.order_by("version").values_list("version", "digest"))
    assert [number for number, _ in versions] == list(range(1, len(versions) + 1))
    assert 3 <= len(versions) <= 9
    assert all(one[1] != other[1] for one, other in itertools.pairwise(versions))


def test_one_of_two_names_that_cannot_live_together_comes_in(workspace: Workspace, owner: User, store: Store) -> None:
    for number in range(5):
        names = (f"x{number}", f"x{number}/y", f"X{number}")
        several = [store(**{name: name}) for name in names]

        def add(some: list[Named]) -> Callable[[], bool]:
            return lambda: wins(lambda: services.add_data_files(workspace, some, by=owner), BadInput)

        assert sum(at_once([add(some) for some in several])) == 1
    assert DataFile.objects.count() == 5


def test_a_dataset_is_deleted_or_given_never_both(
    submit: Submit, workspace: Workspace, owner: User, store: Store
) -> None:
    snapshot = submit().snapshot
    for number in range(5):
        version = services.create_dataset(workspace, store(a=str(number)), name=f"d{number}", by=owner).version
        dataset = Dataset.objects.select_related("workspace").get(name=f"d{number}")
        inputs = [{"name": "a", "dataset": version.uid, "mode": "mount"}]

        def give(inputs: Any = inputs) -> bool:
            return wins(lambda: submit(snapshot=snapshot, inputs=inputs), BadInput)

        def delete(dataset: Dataset = dataset) -> bool:
            return wins(lambda: services.delete_dataset(dataset, by=owner), Conflict)

        given, deleted = at_once([give, delete])
        assert given != deleted
        assert DatasetVersion.objects.filter(pk=version.pk).exists() is given
        assert RunInput.objects.filter(dataset_version__uid=version.uid).exists() is given
    assert Run.objects.filter(inputs=None).count() == 1


def test_the_sweeper_takes_nothing_that_is_being_named(workspace: Workspace, owner: User, store: Store) -> None:
    """Uploaded almost a day ago: at the very moment in which it is named, the sweeper thinks that it is old."""
    for number in range(10):
        [entry] = store(**{f"{number}.csv": f"content {number}"})
        Blob.objects.filter(pk=entry.sha256).update(created_at=timezone.now() - timedelta(days=2))

        def name(entry: Named = entry) -> bool:
            return wins(lambda: services.add_data_files(workspace, [entry], by=owner), Conflict, NotFound)

        def sweep(entry: Named = entry) -> bool:
            UploadedBlob.objects.filter(blob=entry.sha256).update(at=timezone.now() - timedelta(days=2))
            reaping.sweep()
            return True

        named, _ = at_once([name, sweep])
        assert DataFile.objects.filter(blob=entry.sha256).exists() is named
        if named:
            row = services.data_file(workspace, entry.path)
            with open_blob(row.blob_id) as stream:
                assert stream.read() == f"content {number}".encode()
