from typing import Any

import pytest
from django.db.models import QuerySet

from experiments.models import BuildLogChunk, EnvironmentBuild, EnvironmentVersion
from experiments.services import building, install_curated
from mlportal.access.models import Workspace
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
