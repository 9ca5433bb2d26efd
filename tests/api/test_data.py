"""The data store and datasets, as their callers see them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from experiments import services
from experiments.models import DataFile, Dataset, DatasetVersion, Run, RunInput
from experiments.services import reaping
from experiments.status import RunStatus
from mlportal.access.models import AuditEvent, User, Workspace
from mlportal.access.services import create_workspace
from mlportal.blobs.models import Blob
from tests.api.conftest import Caller, Callers, error_of, read_whole
from tests.api.test_blobs import entries, send, sha

pytestmark = pytest.mark.django_db


def put(caller: Caller, *, overwrite: bool | None = None, **files: bytes) -> Any:
    send(caller, *files.values())
    wish: dict[str, Any] = {"entries": entries(**files)}
    return caller.post("data/files/", wish if overwrite is None else wish | {"overwrite": overwrite})


def make(caller: Caller, name: str = "", **more: Any) -> Any:
    files = more.pop("files", {"a_csv": b"1,2\n", "b__c_csv": b"3,4\n"})
    send(caller, *files.values())
    return caller.post("datasets/", {"name": name, "entries": entries(**files), **more})


def paths(caller: Caller, **query: str) -> list[str]:
    return [row["path"] for row in caller.get("data/files/", query).json()["results"]]


# --- the data store


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 201), ("contributor", 201), ("reader", 403), ("stranger", 404), ("nobody", 401)]
)
def test_who_may_put_files_into_the_store(callers: Callers, role: str, status: int) -> None:
    send(callers["owner"], b"1")
    answer = callers[role].post("data/files/", {"entries": entries(a_csv=b"1")})
    assert answer.status_code == status
    assert DataFile.objects.count() == (1 if status == 201 else 0)
    if status == 201:
        assert answer.json()["skipped"] == []
        assert [set(row) for row in answer.json()["files"]] == [{"path", "size", "sha256", "updated_at"}]


def test_who_may_look_and_delete(callers: Callers) -> None:
    put(callers["owner"], a_csv=b"1,2")
    content, delete = "data/files/content/?path=a.csv", "data/files/?path=a.csv"
    for role, looks, deletes in (("stranger", 404, 404), ("nobody", 401, 401), ("reader", 200, 403)):
        assert callers[role].get("data/files/").status_code == looks
        assert callers[role].get(content).status_code == looks
        assert callers[role].delete(delete).status_code == deletes
    assert DataFile.objects.count() == 1
    assert callers["contributor"].delete(delete).status_code == 204
    assert callers["contributor"].delete(delete).status_code == 404
    assert set(AuditEvent.objects.filter(action__startswith="data.").values_list("action", flat=True)) == {
        "data.add",
        "data.delete",
    }


def test_a_runs_token_opens_no_data(run_token: str, callers: Callers) -> None:
    put(callers["owner"], a_csv=b"1")
    uid = make(callers["owner"], "d").json()["uid"]
    for address in ("data/files/", "data/files/content/?path=a.csv", "datasets/", f"datasets/by-uid/{uid}/"):
        assert Caller(run_token).get(address).status_code == 403, address
    assert Caller(run_token).post("data/files/", {"entries": entries(a_csv=b"1")}).status_code == 403
    assert Caller(run_token).post("datasets/", {"entries": entries(a_csv=b"1")}).status_code == 403


def test_what_is_there_is_skipped_and_replaced_only_on_request(callers: Callers) -> None:
    put(callers["owner"], a_csv=b"1", b_csv=b"2")
    answer = put(callers["owner"], a_csv=b"other", c_csv=b"3").json()
    assert ([row["path"] for row in answer["files"]], answer["skipped"]) == (["c.csv"], ["a.csv"])
    assert read_whole(callers["reader"].get("data/files/content/?path=a.csv")) == b"1"
    answer = put(callers["owner"], overwrite=True, a_csv=b"other", b_csv=b"2").json()
    assert ([row["path"] for row in answer["files"]], answer["skipped"]) == (["a.csv", "b.csv"], [])
    assert read_whole(callers["reader"].get("data/files/content/?path=a.csv")) == b"other"
    assert DataFile.objects.count() == 3


def test_a_list_by_path_page_by_page_with_a_prefix_letter_for_letter(callers: Callers) -> None:
    put(callers["owner"], a_csv=b"1", Data__x_csv=b"1", data__y_csv=b"1", data__z_csv=b"1", data2_csv=b"1")
    assert paths(callers["reader"]) == ["Data/x.csv", "a.csv", "data/y.csv", "data/z.csv", "data2.csv"]
    assert paths(callers["reader"], prefix="data/") == ["data/y.csv", "data/z.csv"]
    assert paths(callers["reader"], prefix="D") == ["Data/x.csv"]
    assert paths(callers["reader"], prefix="%") == []
    first = callers["reader"].get("data/files/", {"page_size": "2", "prefix": "data"}).json()
    assert len(first["results"]) == 2 and first["next"]
    second = callers["reader"].get(first["next"].partition("testserver")[2]).json()
    assert [row["path"] for row in second["results"]] == ["data2.csv"]


def test_a_folder_goes_by_its_prefix_and_its_neighbour_stays(callers: Callers) -> None:
    put(callers["owner"], data__y_csv=b"1", data__z_csv=b"1", Data__x_csv=b"1", data2_csv=b"1")
    for nothing in ("data/files/", "data/files/?path=", "data/files/?prefix=", "data/files/?name=a"):
        assert callers["owner"].delete(nothing).status_code == 400, nothing
    assert callers["owner"].delete("data/files/?prefix=data/").status_code == 204
    assert paths(callers["owner"]) == ["Data/x.csv", "data2.csv"]


def test_names_that_cannot_live_beside_what_is_there(callers: Callers) -> None:
    put(callers["owner"], a__b__c_csv=b"1")
    for name in ("A/b/C.csv", "a", "A/B", "a/b/c.csv/d"):
        answer = callers["owner"].post("data/files/", {"entries": [{"path": name, "sha256": sha(b"1")}]})
        assert answer.status_code == 400 and error_of(answer)["details"]["entry"] == name
    both = [{"path": "fine.csv", "sha256": sha(b"1")}, {"path": "a/b", "sha256": sha(b"1")}]
    assert callers["owner"].post("data/files/", {"entries": both, "overwrite": True}).status_code == 400
    assert paths(callers["owner"]) == ["a/b/c.csv"]  # all or none
    assert put(callers["owner"], a__b__d_csv=b"1", ab_csv=b"1").status_code == 201


@override_settings(DATA_STORE_FILES=2, DATA_STORE_BYTES=10, DATASET_MAX_FILES=2)
def test_the_stores_limits_name_their_settings(callers: Callers) -> None:
    assert put(callers["owner"], a_csv=b"12345", b_csv=b"1").status_code == 201
    for files, setting in (
        ({"c_csv": b"1"}, "MLPORTAL_DATA_STORE_FILES"),
        ({"c_csv": b"1", "d_csv": b"1", "e_csv": b"1"}, "MLPORTAL_DATASET_FILES"),
        ({"b_csv": b"1234567890"}, "MLPORTAL_DATA_STORE"),
    ):
        answer = put(callers["owner"], overwrite=True, **files)
        assert answer.status_code == 413 and f"({setting})" in error_of(answer)["message"]
    assert paths(callers["owner"]) == ["a.csv", "b.csv"]


def test_bytes_of_the_store_come_whole_in_ranges_and_not_again(callers: Callers) -> None:
    put(callers["owner"], a_html=b"<script>0123456789")
    whole = callers["reader"].get("data/files/content/?path=a.html")
    assert read_whole(whole) == b"<script>0123456789"
    assert "attachment" in whole["Content-Disposition"] and "sandbox" in whole["Content-Security-Policy"]
    part = callers["reader"].get("data/files/content/?path=a.html", Range="bytes=8-11")
    assert part.status_code == 206 and read_whole(part) == b"0123"
    same = callers["reader"].get("data/files/content/?path=a.html", **{"If-None-Match": whole["ETag"]})
    assert same.status_code == 304
    assert callers["reader"].get("data/files/content/?path=b.html").status_code == 404
    assert callers["reader"].get("data/files/content/?path=../b").status_code == 400


# --- datasets


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 201), ("contributor", 201), ("reader", 403), ("stranger", 404), ("nobody", 401)]
)
def test_who_may_make_a_dataset_and_who_may_see_it(callers: Callers, role: str, status: int) -> None:
    send(callers["owner"], b"1")
    wish = {"name": "iris data", "entries": entries(a_csv=b"1"), "tags": {"team": "blue"}, "description": "Flowers"}
    answer = callers[role].post("datasets/", wish)
    assert answer.status_code == status
    assert Dataset.objects.count() == DatasetVersion.objects.count() == (1 if status == 201 else 0)
    if status != 201:
        return
    made = answer.json()
    assert (made["name"], made["version"], made["kind"], made["definition"]) == ("iris data", 1, "file", {})
    assert made["files"] == [{"path": "a.csv", "size": 1, "sha256": sha(b"1")}]
    assert (made["tags"], made["description"], made["file_count"]) == ({"team": "blue"}, "Flowers", 1)
    assert answer["Location"] == f"/api/v1/workspaces/lab/datasets/by-uid/{made['uid']}/"
    addresses = [
        answer["Location"],
        "datasets/iris data/versions/1/",
        f"datasets/by-uid/{made['uid']}/files/content/?path=a.csv",
    ]
    for address in [*addresses, "datasets/", "datasets/iris data/", "datasets/iris data/versions/"]:
        assert callers["reader"].get(address).status_code == 200, address
        assert callers["stranger"].get(address).status_code == 404, address
        assert callers["nobody"].get(address).status_code == 401, address
    assert callers["reader"].get(addresses[0]).json() == callers["reader"].get(addresses[1]).json() == made
    assert read_whole(callers["reader"].get(addresses[2])) == b"1"


def test_a_dataset_is_not_reached_through_another_workspace(callers: Callers, owner: User) -> None:
    create_workspace("other", by=owner)
    uid = make(callers["owner"], "d").json()["uid"]
    other = Caller(callers["owner"].headers["Authorization"].split()[1], "other")
    for address in (
        f"datasets/by-uid/{uid}/",
        f"datasets/by-uid/{uid}/files/content/?path=a.csv",
        "datasets/d/",
        "datasets/d/versions/1/",
    ):
        assert other.get(address).status_code == 404, address
    assert other.get("datasets/").json()["results"] == []


def test_versions_count_up_and_only_on_request(callers: Callers) -> None:
    caller = callers["owner"]
    first = make(caller, "d", definition={"separator": ","})
    assert first.status_code == 201
    again = make(caller, "d", definition={"separator": ","})
    assert (again.status_code, again.json()["uid"]) == (200, first.json()["uid"])
    clash = make(caller, "d", definition={"separator": ";"})
    assert (clash.status_code, error_of(clash)["code"]) == (409, "exists")
    second = make(caller, "d", definition={"separator": ";"}, create_new_version=True)
    assert (second.status_code, second.json()["version"]) == (201, 2)
    same = make(caller, "d", definition={"separator": ";"}, create_new_version=True)
    assert (same.status_code, same.json()["version"]) == (200, 2)
    back = make(caller, "d", definition={"separator": ","}, create_new_version=True)
    assert (back.status_code, back.json()["version"]) == (201, 3)
    listed = caller.get("datasets/d/versions/").json()["results"]
    assert [row["version"] for row in listed] == [3, 2, 1] and "files" not in listed[0]
    assert caller.get("datasets/d/versions/4/").status_code == 404
    detail = caller.get("datasets/d/").json()
    assert (detail["last_version"], detail["latest"]["version"], len(detail["latest"]["files"])) == (3, 3, 2)
    [row] = caller.get("datasets/").json()["results"]
    assert (row["name"], row["latest"]["uid"]) == ("d", back.json()["uid"])


def test_a_kind_is_part_of_what_a_dataset_is(callers: Callers) -> None:
    make(callers["owner"], "d")
    assert make(callers["owner"], "d", kind="tabular").status_code == 409
    assert make(callers["owner"], "e", kind="picture").status_code == 400


def test_without_a_name_it_is_reached_by_its_uid_alone_and_made_once(callers: Callers) -> None:
    first = make(callers["owner"])
    assert (first.status_code, first.json()["name"], first.json()["version"]) == (201, "", None)
    assert make(callers["owner"]).json()["uid"] == first.json()["uid"]
    assert callers["owner"].get("datasets/").json()["results"] == []
    assert callers["reader"].get(first["Location"]).status_code == 200
    make(callers["owner"], "named")
    assert make(callers["owner"]).json()["uid"] == first.json()["uid"]


def test_datasets_do_not_share_rows_between_workspaces(callers: Callers, owner: User) -> None:
    create_workspace("other", by=owner)
    first = make(callers["owner"]).json()
    other = make(Caller(callers["owner"].headers["Authorization"].split()[1], "other")).json()
    assert first["uid"] != other["uid"]


@pytest.mark.parametrize("name", ["a/b", "-a", ".a", "a\0b", "é", "a" * 256, "a\nb"])
def test_names_that_no_dataset_has(callers: Callers, name: str) -> None:
    answer = make(callers["owner"], name)
    assert answer.status_code == 400
    error_of(answer)
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("name", ["by-uid", "diabetes dataset", "a.b_c-d", "_x"])
def test_names_that_datasets_have(callers: Callers, name: str) -> None:
    assert make(callers["owner"], name).status_code == 201
    assert callers["owner"].get(f"datasets/{name}/").json()["name"] == name
    assert callers["owner"].get(f"datasets/{name}/versions/1/").json()["version"] == 1


@override_settings(DATASET_MAX_FILES=1, DATASET_MAX_BYTES=4, DATASET_DEFINITION_BYTES=20)
def test_a_datasets_limits_name_their_settings(callers: Callers) -> None:
    for files, definition, setting in (
        ({"a": b"1", "b": b"1"}, {}, "MLPORTAL_DATASET_FILES"),
        ({"a": b"12345"}, {}, "MLPORTAL_DATASET_MAX_BYTES"),
        ({"a": b"1"}, {"steps": "x" * 20}, "MLPORTAL_DATASET_DEFINITION"),
    ):
        answer = make(callers["owner"], "d", files=files, definition=definition)
        assert answer.status_code == 413 and f"({setting})" in error_of(answer)["message"]
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("definition", [[], "x", 1, None])
def test_a_definition_is_an_object(callers: Callers, definition: Any) -> None:
    assert make(callers["owner"], "d", definition=definition).status_code == 400


@pytest.mark.parametrize("deep", [300, 1000])
def test_a_definition_that_no_json_writer_takes_is_refused(callers: Callers, deep: int) -> None:
    send(callers["owner"], b"1")
    definition = '{"a": ' * deep + "1" + "}" * deep
    body = f'{{"name": "d", "entries": [{{"path": "a", "sha256": "{sha(b"1")}"}}], "definition": {definition}}}'
    answer = callers["owner"].client.post(
        "/api/v1/workspaces/lab/datasets/", body, "application/json", headers=callers["owner"].headers
    )
    assert answer.status_code == 400
    assert not Dataset.objects.exists()


def test_a_definition_comes_back_as_it_was(callers: Callers) -> None:
    definition = {"steps": [{"separator": "\t", "nested": {"a": [1, 2.5, None, True, "é"]}}], "z": {}, "a": ""}
    uid = make(callers["owner"], "d", definition=definition).json()["uid"]
    assert callers["reader"].get(f"datasets/by-uid/{uid}/").json()["definition"] == definition


def test_a_dataset_keeps_what_the_store_replaces_or_deletes(callers: Callers) -> None:
    put(callers["owner"], a_csv=b"before")
    uid = make(callers["owner"], "d", files={"a_csv": b"before"}).json()["uid"]
    put(callers["owner"], overwrite=True, a_csv=b"after")
    callers["owner"].delete("data/files/?path=a.csv")
    Blob.objects.update(created_at=timezone.now() - timedelta(days=2))
    from experiments.models import UploadedBlob

    UploadedBlob.objects.update(at=timezone.now() - timedelta(days=2))
    reaping.sweep()
    address = f"datasets/by-uid/{uid}/files/content/?path=a.csv"
    assert read_whole(callers["reader"].get(address)) == b"before"
    assert set(Blob.objects.values_list("pk", flat=True)) >= {sha(b"before")}
    assert not Blob.objects.filter(pk=sha(b"after")).exists()
    assert callers["reader"].get(f"datasets/by-uid/{uid}/files/content/?path=b.csv").status_code == 404


# --- inputs of runs


def test_a_run_is_given_datasets_and_says_so(callers: Callers, run: Run) -> None:
    uid = make(callers["owner"], "d").json()["uid"]
    wish = asked(run) | {"inputs": [{"name": "train", "dataset": uid, "mode": "mount"}, {"name": "x", "dataset": uid}]}
    answer = callers["contributor"].post("runs/", wish)
    assert answer.status_code == 201
    given = {"uid": uid, "name": "d", "version": 1}
    assert answer.json()["inputs"] == [
        {"name": "train", "mode": "mount", "dataset": given},
        {"name": "x", "mode": "direct", "dataset": given},
    ]
    again = callers["owner"].post(f"runs/{answer.json()['id']}/rerun/", {})
    assert again.json()["inputs"] == answer.json()["inputs"]


def asked(run: Run) -> dict[str, Any]:
    assert run.snapshot and run.environment_version
    return {
        "experiment": "trials",
        "snapshot": run.snapshot.uid,
        "environment": run.environment_version.environment.name,
        "script": "train.py",
    }


def test_inputs_that_cannot_be_given(callers: Callers, run: Run, owner: User, stranger: User) -> None:
    other = create_workspace("elsewhere", by=stranger)
    services.upload(other, [], by=stranger)
    foreign = make(Caller(token_of(stranger), "elsewhere"), "d").json()["uid"]
    uid = make(callers["owner"], "d").json()["uid"]
    count = Run.objects.count()
    for inputs, arguments, field in (
        ([{"name": "a", "dataset": foreign}], [], "inputs"),
        ([{"name": "a", "dataset": "0" * 32}], [], "inputs"),
        ([{"name": "a", "dataset": uid}, {"name": "A", "dataset": uid}], [], "inputs"),
        ([{"name": "a", "dataset": uid}], ["DatasetConsumptionConfig:b"], "arguments"),
    ):
        answer = callers["owner"].post("runs/", asked(run) | {"inputs": inputs, "arguments": arguments})
        assert answer.status_code == 400, inputs
        assert error_of(answer)["details"]["field"] == field
    for bad in ({"name": "../a", "dataset": uid}, {"name": "a", "dataset": uid, "mode": "copy"}, {"name": "a"}, "a"):
        assert callers["owner"].post("runs/", asked(run) | {"inputs": [bad]}).status_code == 400
    with override_settings(RUN_INPUTS=1):
        two = [{"name": name, "dataset": uid} for name in "ab"]
        answer = callers["owner"].post("runs/", asked(run) | {"inputs": two})
        assert answer.status_code == 413 and "MLPORTAL_RUN_INPUTS" in error_of(answer)["message"]
    assert Run.objects.count() == count


def token_of(person: User) -> str:
    from mlportal.access.services import create_token

    return create_token(person, "test")[1]


def test_a_dataset_in_use_stays_and_an_ended_run_keeps_its_version(
    callers: Callers, submit: Any, workspace: Workspace
) -> None:
    uid = make(callers["owner"], "d").json()["uid"]
    make(callers["owner"], "d", files={"z": b"z"}, create_new_version=True)
    run = submit(inputs=[{"name": "train", "dataset": uid}])
    assert callers["reader"].delete("datasets/d/").status_code == 403
    assert callers["stranger"].delete("datasets/d/").status_code == 404
    refused = callers["owner"].delete("datasets/d/")
    assert refused.status_code == 409 and error_of(refused)["details"]["run"] == run.uid
    Run.objects.move(run, RunStatus.CANCELED)
    assert callers["contributor"].delete("datasets/d/").status_code == 204
    assert callers["owner"].get("datasets/d/").status_code == 404
    assert list(DatasetVersion.objects.values_list("uid", flat=True)) == [uid]  # the other one went
    kept = callers["reader"].get(f"datasets/by-uid/{uid}/").json()
    assert (kept["name"], kept["version"]) == ("d", 1)
    assert callers["reader"].get(f"runs/{run.uid}/").json()["inputs"][0]["dataset"] == {
        "uid": uid,
        "name": "d",
        "version": 1,
    }
    fresh = make(callers["owner"], "d").json()
    assert (fresh["version"], fresh["uid"] != uid) == (1, True)


def test_unnamed_datasets_go_when_nobody_needs_them_any_more(callers: Callers, submit: Any) -> None:
    forgotten = make(callers["owner"], files={"a": b"1"}).json()["uid"]
    given = make(callers["owner"], files={"a": b"2"}).json()["uid"]
    named = make(callers["owner"], "d", files={"a": b"3"}).json()["uid"]
    fresh = make(callers["owner"], files={"a": b"4"}).json()["uid"]
    submit(inputs=[{"name": "train", "dataset": given}])
    long_ago = timezone.now() - timedelta(days=31)
    DatasetVersion.objects.exclude(uid=fresh).update(touched_at=long_ago, created_at=long_ago)
    reaping.sweep()
    assert set(DatasetVersion.objects.values_list("uid", flat=True)) == {given, named, fresh}
    assert callers["owner"].get(f"datasets/by-uid/{forgotten}/").status_code == 404
    assert RunInput.objects.count() == 1
