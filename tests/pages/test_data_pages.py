"""Datasets and the data store, as pages."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import pytest
from django.test import Client

from experiments import services
from experiments.models import DataFile, Dataset, DatasetVersion, Run
from experiments.services.uploads import Named
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from tests.api.conftest import run as run
from tests.api.conftest import snapshot as snapshot
from tests.api.conftest import submit as submit
from tests.api.conftest import target as target
from tests.api.conftest import version as version

pytestmark = pytest.mark.django_db


def put(workspace: Workspace, by: User, files: Mapping[str, bytes]) -> list[Named]:
    stored = services.upload(workspace, [io.BytesIO(data) for data in files.values()], by=by)
    entries = [Named(path, blob.digest) for path, blob in zip(files, stored, strict=True)]
    services.add_data_files(workspace, entries, overwrite=True, by=by)
    return entries


@pytest.fixture
def files(workspace: Workspace, owner: User) -> list[Named]:
    return put(
        workspace,
        owner,
        {
            "top.csv": b"1",
            "iris/train.csv": b"1,2",
            "iris/raw/<b>&x.csv": b"3",
            "iris/raw/y.csv": b"4",
            "other/z.csv": b"5",
        },
    )


@pytest.fixture
def flowers(workspace: Workspace, owner: User, files: list[Named]) -> DatasetVersion:
    return services.create_dataset(
        workspace, files[:2], name="my flowers", description="Petals & sepals", tags={"team": "blue"}, by=owner
    ).version


def page(client: Client, person: User, address: str) -> str:
    client.force_login(person)
    answer = client.get(f"/w/lab/{address}")
    assert answer.status_code == 200, address
    return answer.content.decode()


@pytest.mark.parametrize("address", ["data/", "data/files/"])
def test_empty_pages_say_what_comes_next(
    client: Client, workspace: Workspace, reader: User, owner: User, address: str
) -> None:
    assert "yet" in page(client, owner, address)
    html = page(client, reader, address)
    assert 'id="upload"' not in html and "data-open-dialog" not in html
    assert ('aria-current="page"' in html) and ">Data<" in html


@pytest.mark.parametrize("address", ["data/", "data/files/", "datasets/my flowers/", "dataset-versions/UID/"])
def test_strangers_find_nothing(client: Client, flowers: DatasetVersion, stranger: User, address: str) -> None:
    client.force_login(stranger)
    assert client.get(f"/w/lab/{address.replace('UID', flowers.uid)}").status_code == 404


def test_folders_show_what_is_below_them(client: Client, files: list[Named], reader: User) -> None:
    html = page(client, reader, "data/files/")
    assert [
        name for name in ("iris", "other", "top.csv", "train.csv") if f">{name}<" in re.sub(r"<svg.*?</svg>", "", html)
    ] == [
        "iris",
        "other",
        "top.csv",
    ]
    assert "3 files" in html and "1 file<" in html
    assert html.count("data-relative") == 3  # a folder is as old as the newest file in it
    html = page(client, reader, "data/files/?folder=iris")
    assert "train.csv" in html and "?folder=iris/raw" in html.replace("%2F", "/") and "top.csv" not in html
    html = page(client, reader, "data/files/?folder=iris/raw")
    assert "&lt;b&gt;&amp;x.csv" in html and "<b>" not in html and "path=iris%2Fraw%2F%3Cb%3E%26x.csv" in html
    assert "Nothing in this folder" in page(client, reader, "data/files/?folder=no/such thing")


def test_who_may_delete_from_the_store(
    client: Client, files: list[Named], reader: User, stranger: User, contributor: User
) -> None:
    for person, status in ((reader, 403), (stranger, 404)):
        client.force_login(person)
        answer = client.post("/w/lab/data/files/delete/", {"folder": "iris"}, follow=True)
        assert DataFile.objects.count() == 5
        assert answer.status_code in (200, status)
    assert "delete" not in page(client, reader, "data/files/").split('id="files"')[1]
    client.force_login(contributor)
    answer = client.post("/w/lab/data/files/delete/", {"folder": "iris"}, follow=True)
    assert "iris is deleted with 3 files." in answer.content.decode()
    answer = client.post("/w/lab/data/files/delete/", {"path": "other/z.csv"}, follow=True)
    assert "Nothing in this folder" in answer.content.decode()
    for hostile in ({"folder": "a\0b"}, {"path": "\0"}, {"path": "../x"}, {}):
        assert client.post("/w/lab/data/files/delete/", hostile).status_code == 302
    assert "has nothing at" in client.post("/w/lab/data/files/delete/", {"path": "z"}, follow=True).content.decode()
    assert [file.path for file in DataFile.objects.all()] == ["top.csv"]


def test_a_dataset_of_a_folder(client: Client, files: list[Named], contributor: User, reader: User) -> None:
    client.force_login(reader)
    client.post("/w/lab/data/files/dataset/", {"folder": "iris", "name": "iris"})
    assert not Dataset.objects.exists()
    client.force_login(contributor)
    for said in ("is made", "was there already"):
        answer = client.post("/w/lab/data/files/dataset/", {"folder": "iris", "name": "iris"}, follow=True)
        assert said in answer.content.decode()
    made = DatasetVersion.objects.get()
    assert answer.redirect_chain[-1][0] == f"/w/lab/dataset-versions/{made.uid}/"
    assert list(made.files.values_list("path", flat=True)) == ["raw/<b>&x.csv", "raw/y.csv", "train.csv"]
    client.post("/w/lab/data/files/dataset/", {"folder": "", "name": "iris"})
    assert DatasetVersion.objects.get(version=2).file_count == 5
    for form, says in (
        ({"folder": "iris"}, "needs a name"),
        ({"folder": "no", "name": "x"}, "no file"),
        ({"folder": "iris", "name": "a/b"}, "cannot name"),
    ):
        assert says in client.post("/w/lab/data/files/dataset/", form, follow=True).content.decode()
    assert Dataset.objects.count() == 1


def test_the_list_and_its_search(client: Client, flowers: DatasetVersion, reader: User) -> None:
    html = page(client, reader, "data/")
    assert "my flowers" in html and "Version 1" in html and "Petals &amp; sepals" in html
    assert "my flowers" in page(client, reader, "data/?q=FLOW")
    assert "Nothing found" in page(client, reader, "data/?q=none")


def test_a_dataset_says_what_it_is_and_who_was_given_it(
    client: Client,
    flowers: DatasetVersion,
    files: list[Named],
    workspace: Workspace,
    owner: User,
    reader: User,
    submit: Any,
) -> None:
    run = submit(inputs=[{"name": "train", "dataset": flowers.uid, "mode": "mount"}])
    newer = services.create_dataset(workspace, files, name="my flowers", create_new_version=True, by=owner).version
    old = page(client, reader, f"dataset-versions/{flowers.uid}/")
    assert "version 1" in old and run.display_name in old and "AZUREML_DATAREFERENCE_my_flowers" in old
    assert "team=blue" in old and "iris/train.csv" in old and "latest" not in old
    new = page(client, reader, "datasets/my flowers/")
    assert "version 2" in new and "latest" in new and "No run was given this version" in new and newer.uid in new
    assert "Delete" not in new and new.index("<span>Version 2") < new.index("<span>Version 1")
    assert (
        " disabled"
        in page(client, owner, "datasets/my flowers/")
        .partition("dataset-delete")[0]
        .partition("Delete this dataset?")[2][:300]
    )
    html = page(client, reader, f"runs/{run.uid}/")
    assert f"/w/lab/dataset-versions/{flowers.uid}/" in html and "my flowers:1" in html


def test_deleting_asks_the_service_and_a_run_keeps_what_it_was_given(
    client: Client, flowers: DatasetVersion, owner: User, reader: User, submit: Any
) -> None:
    run = submit(inputs=[{"name": "train", "dataset": flowers.uid}])
    address = "/w/lab/datasets/my flowers/delete/"
    client.force_login(reader)
    client.post(address)
    client.force_login(owner)
    assert "has not ended" in client.post(address, follow=True).content.decode()
    assert Dataset.objects.exists()
    Run.objects.move(run, RunStatus.CANCELED)
    assert "is deleted" in client.post(address, follow=True).content.decode()
    assert client.get("/w/lab/datasets/my flowers/").status_code == 404
    assert "Its name was deleted" in page(client, reader, f"dataset-versions/{flowers.uid}/")


def test_submit_offers_datasets_and_a_clone_has_the_same(
    client: Client, flowers: DatasetVersion, files: list[Named], workspace: Workspace, owner: User, submit: Any
) -> None:
    run = submit(inputs=[{"name": "train", "dataset": flowers.uid}])
    newer = services.create_dataset(workspace, files, name="my flowers", create_new_version=True, by=owner).version
    html = page(client, owner, "submit/")
    assert newer.uid in html and flowers.uid not in html
    clone = page(client, owner, f"submit/?clone={run.uid}")
    assert f'"name": "train", "dataset": "{flowers.uid}", "label": "my flowers:1"' in clone


def test_queries_do_not_grow_with_rows(
    client: Client, workspace: Workspace, owner: User, flowers: DatasetVersion, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        [entry] = put(workspace, owner, {f"many/{number}.csv": str(number).encode()})
        services.create_dataset(workspace, [entry], name=f"d{number}", by=owner)
        services.create_dataset(workspace, [entry], name="my flowers", create_new_version=True, by=owner)
    for address in ("data/", "data/files/?folder=many", "datasets/my flowers/", "submit/"):
        client.force_login(owner)
        with django_assert_max_num_queries(20):
            client.get(f"/w/lab/{address}")
