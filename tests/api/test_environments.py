from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client

from experiments.models import (
    BuildLogChunk,
    ComputeNode,
    ComputeTarget,
    Environment,
    EnvironmentBuild,
    EnvironmentVersion,
)
from experiments.services import building, install_curated
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from tests.api.conftest import Callers, error_of
from tests.conftest import TINY

pytestmark = pytest.mark.django_db


def own_versions() -> QuerySet[EnvironmentVersion]:
    """Those that people wrote; every workspace has the portal's own besides."""
    return EnvironmentVersion.objects.filter(environment__curated=False)


@pytest.fixture
def build(version: EnvironmentVersion) -> EnvironmentBuild:
    found, _ = building.open_build(version)
    for text in ("resolving\n", "building\n"):
        BuildLogChunk.objects.create(build=found, text=text)
    return found


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 201), ("contributor", 201), ("reader", 403), ("stranger", 404), ("nobody", 401)]
)
def test_who_may_add(callers: Callers, role: str, status: int) -> None:
    body = {"name": "tiny", "definition": TINY, "as_of": "2024-01-31"}
    answer = callers[role].post("environments/", body)
    assert answer.status_code == status
    assert own_versions().count() == (1 if status == 201 else 0)
    if status == 201:
        assert answer["Location"] == "/api/v1/workspaces/lab/environments/tiny/versions/1/"
        shown = callers[role].get(answer["Location"]).json()
        assert (shown["definition"], shown["as_of"], shown["version"]) == (TINY, "2024-01-31", 1)


def test_a_name_with_blanks_has_an_address(callers: Callers) -> None:
    answer = callers["owner"].post("environments/", {"name": "my tiny?", "definition": TINY})
    assert answer["Location"] == "/api/v1/workspaces/lab/environments/my%20tiny%3F/versions/1/"
    assert callers["owner"].get(answer["Location"]).json()["name"] == "my tiny?"


def test_an_equal_definition_is_the_version_that_is_there(callers: Callers) -> None:
    answers = [callers["owner"].post("environments/", {"name": "tiny", "definition": TINY}).json() for _ in range(2)]
    assert [answer["version"] for answer in answers] == [1, 1]


def test_a_definition_that_is_wrong_is_told_by_line(callers: Callers) -> None:
    body = {"name": "tiny", "definition": "dependencies:\n  - pip:\n    - -e .\n"}
    answer = callers["owner"].post("environments/", body)
    assert answer.status_code == 400
    error = error_of(answer)
    assert (error["details"]["field"], error["details"]["errors"][0]["line"]) == ("definition", 3)
    assert not own_versions().exists()


def test_checking_keeps_nothing(callers: Callers) -> None:
    fine = callers["reader"].post("environments/check/", {"definition": TINY}).json()
    assert fine["errors"] == [] and fine["interpreter"]["version"]
    wrong = callers["reader"].post("environments/check/", {"definition": "dependencies: 3\n"}).json()
    assert wrong["spec"] is None and wrong["errors"][0]["line"] == 1
    assert not own_versions().exists()


@pytest.mark.parametrize(("role", "status"), [("stranger", 404), ("nobody", 401)])
def test_others_neither_look_nor_check(callers: Callers, build: EnvironmentBuild, role: str, status: int) -> None:
    for path in ("environments/", "environments/tiny/", "environments/tiny/versions/", "environments/tiny/versions/1/",
                 f"builds/{build.pk}/", f"builds/{build.pk}/log/", "compute/", "experiments/"):  # fmt: skip
        assert callers[role].get(path).status_code == status, path
    assert callers[role].post("environments/check/", {"definition": TINY}).status_code == status


def test_members_look(callers: Callers, workspace: Workspace, version: EnvironmentVersion) -> None:
    install_curated(workspace)
    (row,) = callers["reader"].get("environments/", {"search": "TIN", "curated": "false"}).json()["results"]
    assert (row["name"], row["last_version"]) == ("tiny", 1)
    shipped = callers["reader"].get("environments/", {"curated": "true"}).json()["results"]
    assert shipped and all(row["curated"] for row in shipped)
    detail = callers["reader"].get("environments/tiny/").json()
    assert detail["latest"]["definition"] == TINY and detail["latest"]["build"] is None
    (row,) = callers["reader"].get("environments/tiny/versions/").json()["results"]
    assert row["version"] == 1
    assert callers["reader"].get("environments/tiny/versions/2/").status_code == 404


@pytest.mark.parametrize(("role", "status"), [("contributor", 202), ("reader", 403), ("stranger", 404)])
def test_who_may_build(callers: Callers, version: EnvironmentVersion, role: str, status: int) -> None:
    answer = callers[role].post("environments/tiny/versions/1/build/")
    assert answer.status_code == status
    assert EnvironmentBuild.objects.count() == (1 if status == 202 else 0)
    if status == 202:
        assert callers[role].get(answer["Location"]).json()["status"] == "Waiting"


def test_a_build_log_goes_on_where_it_was(callers: Callers, build: EnvironmentBuild) -> None:
    first = callers["reader"].get(f"builds/{build.pk}/log/").json()
    assert first["text"] == "resolving\nbuilding\n"
    assert callers["reader"].get(f"builds/{build.pk}/log/", {"after": first["after"]}).json()["text"] == ""


@pytest.mark.parametrize(("role", "status"), [("contributor", 202), ("reader", 403), ("stranger", 404)])
def test_who_may_cancel_a_build(callers: Callers, build: EnvironmentBuild, role: str, status: int) -> None:
    assert callers[role].post(f"builds/{build.pk}/cancel/").status_code == status
    build.refresh_from_db()
    assert (build.cancel_requested_at is not None) == (status == 202)


def test_compute_targets_with_their_slots(callers: Callers, target: Any) -> None:
    (found,) = callers["reader"].get("compute/").json()
    assert (found["name"], found["shared"], found["busy"], found["slots"]) == ("local", True, 0, target.slots)


def test_experiments(callers: Callers, run: Any) -> None:
    (row,) = callers["reader"].get("experiments/").json()["results"]
    assert (row["name"], row["runs"], row["created_by"]) == ("trials", 1, "olga")
    assert callers["reader"].get("experiments/trials/").json() == row
    assert callers["reader"].get("experiments/", {"archived": "true"}).json()["results"] == []
    assert callers["reader"].get("experiments/missing/").status_code == 404


def test_more_rows_are_no_more_queries(
    callers: Callers, workspace: Workspace, django_assert_max_num_queries: Any
) -> None:
    for at in range(10):
        body = {"name": f"tiny-{at}", "definition": TINY + f"  - pip  # {at}\n"}
        assert callers["owner"].post("environments/", body).status_code == 201
    callers["reader"].get("environments/")
    with django_assert_max_num_queries(4):
        assert len(callers["reader"].get("environments/", {"curated": "false"}).json()["results"]) == 10


def test_a_definition_that_is_too_long_is_told_the_limit(callers: Callers, client: Client, owner: User) -> None:
    long = "dependencies:\n  - numpy\n" + "#" * 70_000
    checked = callers["owner"].post("environments/check/", {"definition": long}).json()
    refused = error_of(callers["owner"].post("environments/", {"name": "long", "definition": long}))
    client.force_login(owner)
    page = client.post("/w/lab/new-environment/", {"name": "long", "definition": long})
    assert page.status_code == 400
    for told in (checked["errors"][0]["message"], refused["message"], page.content.decode()):
        assert "the file has 70,024 bytes" in told and "at most 65,536 (64 kB)" in told
    assert not Environment.objects.exists()


def test_a_definition_of_megabytes_is_told_the_same_limit(callers: Callers) -> None:
    large = TINY + "# x\n" * 500_000
    added = callers["owner"].post("environments/", {"name": "large", "definition": large})
    assert added.status_code == 400
    assert f"{len(large):,} bytes; an environment may have at most 65,536 (64 kB)" in error_of(added)["message"]
    assert not own_versions().exists()


def test_lines_that_contradict_each_other_are_told_by_both(callers: Callers) -> None:
    text = "dependencies:\n  - numpy=1.26\n  - pip:\n    - numpy==1.24\n"
    (error,) = callers["owner"].post("environments/check/", {"definition": text}).json()["errors"]
    assert error["line"] == 4 and "(line 2)" in error["message"]


def test_a_check_is_for_the_machines_of_a_target(callers: Callers, workspace: Workspace, owner: User) -> None:
    node = ComputeNode.objects.create(name="box", details={"pythons": [{"version": "3.19.2", "source": "uv"}]})
    node.targets.add(ComputeTarget.objects.create(name="future"))
    ComputeTarget.objects.create(name="foreign", workspace=create_workspace("other", by=owner))
    asked = {"definition": "dependencies:\n  - python=3.19\n", "target": "future"}
    answer = callers["reader"].post("environments/check/", asked).json()
    assert (answer["errors"], answer["interpreter"]["version"]) == ([], "3.19.2")
    for unknown in ("nowhere", "foreign"):
        refusal = callers["reader"].post("environments/check/", {**asked, "target": unknown})
        assert refusal.status_code == 400
        assert error_of(refusal)["details"]["field"] == "target"
        assert "future" in error_of(refusal)["message"] and "there are: future" in error_of(refusal)["message"]
