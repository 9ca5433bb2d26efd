"""The page of one run: who may see it, what it tells of a run's way and end, and that nothing out of a run becomes HTML."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import Client

from experiments import services
from experiments.models import Artifact, ComputeNode, ComputeTarget, EnvironmentBuild, Run, Snapshot
from experiments.services import building
from experiments.status import BuildStatus, RunStatus
from experiments.views.ending import ending_in_words
from experiments.views.trees import tree_rows
from mlportal.access.models import User, Workspace
from mlportal.blobs import services as blobs
from tests.conftest import TINY

FAILURE = {
    "type": "AttributeError",
    "message": "module 'numpy' has no attribute 'float' <b>",
    "file": "train.py",
    "line": 23,
    "frames": [{"file": "train.py", "line": 23, "function": "main", "source": "np.float(1)"}],
    "log": "user_logs/std_log.txt",
    "offset": 20,
    "hint": {"kind": "removed_name", "text": "numpy 1.24 removed it.", "suggested_as_of": "2022-12-01"},
}


@pytest.fixture
def run(workspace: Workspace, owner: User) -> Run:
    ComputeTarget.objects.get_or_create(name="local")
    files = [("train.py", io.BytesIO(b"print('<script>')\n")), ("lib/tools.py", io.BytesIO(b"pass\n"))]
    return services.submit_run(
        workspace,
        experiment="iris",
        snapshot=services.take_files(workspace, files, by=owner).snapshot,
        environment_version=services.add_version(workspace, "tiny", TINY, by=owner),
        script="train.py",
        arguments=["--name", "a b"],
        tags={"stage": "first"},
        by=owner,
    )


def move(run: Run, *statuses: RunStatus, **fields: Any) -> None:
    for status in statuses:
        Run.objects.move(run, status, **(fields if status == statuses[-1] else {}))


def leave(run: Run, path: str) -> None:
    blob = blobs.put(io.BytesIO(path.encode()))
    Artifact.objects.create(run=run, path=path, blob=blob, size=blob.size)


def page(client: Client, person: User, run: Run, suffix: str = "") -> HttpResponse:
    client.force_login(person)
    return client.get(f"/w/{run.workspace.name}/runs/{run.uid}/{suffix}")  # type: ignore[return-value]


def parts(response: HttpResponse) -> set[str]:
    return set(re.findall(r'data-part="(\w+)"', response.content.decode()))


@pytest.mark.parametrize("suffix", ["", "live/"])
def test_a_stranger_finds_nothing_and_a_passer_by_is_asked_to_sign_in(
    client: Client, run: Run, stranger: User, suffix: str
) -> None:
    assert client.get(f"/w/lab/runs/{run.uid}/{suffix}").status_code == 302
    assert page(client, stranger, run, suffix).status_code == 404


def test_a_run_of_another_workspace_is_not_found_under_this_one(client: Client, run: Run, owner: User) -> None:
    from mlportal.access.services import create_workspace

    create_workspace("other", by=owner)
    client.force_login(owner)
    assert client.get(f"/w/other/runs/{run.uid}/").status_code == 404


def test_a_reader_sees_the_run_but_no_button_that_would_be_refused(client: Client, run: Run, reader: User) -> None:
    html = page(client, reader, run).content.decode()
    assert "iris #1" in html
    assert 'id="cancel"' not in html and "Clone and edit" not in html and 'data-tag="set"' not in html


def test_what_can_be_done_follows_the_status(client: Client, run: Run, contributor: User) -> None:
    html = page(client, contributor, run).content.decode()
    assert 'id="cancel"' in html and 'id="rerun"' not in html
    move(run, RunStatus.PREPARING, RunStatus.CANCELED)
    html = page(client, contributor, run).content.decode()
    assert 'id="cancel"' not in html and 'id="rerun"' in html


def test_the_live_update_returns_the_very_parts_that_the_page_includes(client: Client, run: Run, owner: User) -> None:
    whole, live = page(client, owner, run), page(client, owner, run, "live/")
    assert parts(whole) == parts(live) != set()
    assert b"<html" not in live.content


def test_parts_are_the_same_twice_so_that_nothing_is_exchanged_without_need(
    client: Client, run: Run, owner: User
) -> None:
    move(run, RunStatus.PREPARING, RunStatus.CANCELED)
    assert page(client, owner, run, "live/").content == page(client, owner, run, "live/").content


def test_a_failed_run_tells_on_top_what_where_and_how_to_mend_it(client: Client, run: Run, owner: User) -> None:
    ended = {"exit_code": 1, "failure": FAILURE}
    move(run, RunStatus.PREPARING, RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.FINALIZING, RunStatus.FAILED, **ended)
    html = page(client, owner, run).content.decode()
    top = html[: html.index('role="tablist"')]
    assert "AttributeError" in top and "train.py:23" in top and "Exit code 1" in top
    assert "has no attribute &#x27;float&#x27; &lt;b&gt;" in top
    assert "Re-run with packages as of 2022-12-01" in top and 'name="as_of" value="2022-12-01"' in top
    assert "data-first-error" in top


def test_a_run_that_did_not_fail_has_no_failure_on_top(client: Client, run: Run, owner: User) -> None:
    assert b"failure-card" not in page(client, owner, run).content


def test_names_of_files_are_shown_as_text(client: Client, run: Run, owner: User) -> None:
    leave(run, "outputs/<img src=x onerror=alert(1)>.txt")
    html = page(client, owner, run).content.decode()
    assert "<img src=x" not in html and "&lt;img src=x" in html


def test_a_saved_model_is_the_first_choice_for_registering(client: Client, run: Run, owner: User) -> None:
    for path in ("logs/a.log", "outputs/notes.txt", "outputs/best/model.joblib"):
        leave(run, path)
    html = page(client, owner, run).content.decode()
    assert re.findall(r"<option>(.*?)</option>", html) == [
        "outputs/best/model.joblib",
        "outputs/best",
        "outputs/notes.txt",
    ]


def test_queries_do_not_grow_with_what_the_run_left(
    client: Client, run: Run, owner: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        leave(run, f"outputs/{number}.txt")
        run.tags.create(name=f"tag {number}", value="x")
        run.parameters.create(name=f"parameter {number}", value="x")
    client.force_login(owner)
    with django_assert_max_num_queries(25):
        assert client.get(f"/w/lab/runs/{run.uid}/").status_code == 200


def test_a_file_of_the_snapshot_is_plain_text_whatever_it_holds(client: Client, run: Run, owner: User) -> None:
    response = snapshot_file(client, owner, run, "train.py")
    assert async_to_sync(whole)(response) == b"print('<script>')\n"
    assert response["Content-Type"].startswith("text/plain")
    assert response["X-Content-Type-Options"] == "nosniff" and "sandbox" in response["Content-Security-Policy"]


def test_a_file_of_the_snapshot_is_only_for_those_who_see_the_workspace(
    client: Client, run: Run, owner: User, stranger: User
) -> None:
    assert snapshot_file(client, owner, run, "../../etc/passwd").status_code == 404
    assert snapshot_file(client, stranger, run, "train.py").status_code == 404


async def whole(response: Any) -> bytes:
    return b"".join([part async for part in response.streaming_content])


def snapshot_file(client: Client, person: User, run: Run, path: str) -> HttpResponse:
    snapshot = run.snapshot
    assert isinstance(snapshot, Snapshot)
    client.force_login(person)
    return client.get(f"/w/lab/snapshots/{snapshot.uid}/file/", {"path": path})  # type: ignore[return-value]


def test_endings_in_words() -> None:
    assert ending_in_words(Run()) == ""
    assert ending_in_words(Run(exit_code=3)) == "Exit code 3"
    assert ending_in_words(Run(exit_signal=9)).startswith("Ended by signal 9 (SIGKILL: killed at once")
    assert ending_in_words(Run(exit_signal=200)) == "Ended by signal 200 (unknown)"


def test_a_tree_has_folders_first_with_what_is_below_them() -> None:
    rows = tree_rows([("b.txt", 1), ("a/x/1.bin", 10), ("a/2.bin", 5)])
    assert [(row.path, row.level, row.is_folder, row.size, row.files) for row in rows] == [
        ("a", 0, True, 15, 2),
        ("a/x", 1, True, 10, 1),
        ("a/x/1.bin", 2, False, 10, 1),
        ("a/2.bin", 1, False, 5, 1),
        ("b.txt", 0, False, 1, 1),
    ]


def test_a_rerun_as_of_a_day_is_offered_only_where_it_may_help(
    client: Client, run: Run, workspace: Workspace, owner: User
) -> None:
    pythons = [{"version": version, "source": "pyenv"} for version in ("3.9.18", "3.12.1")]
    node = ComputeNode.objects.create(name="box", details={"pythons": pythons})
    node.targets.add(ComputeTarget.objects.get(name="local"))
    Run.objects.filter(pk=run.pk).update(status=RunStatus.FAILED, failure=FAILURE)
    for python, offered in (("3.12", False), ("3.9", True)):
        text = f"dependencies:\n  - python={python}\n"
        version = services.add_version(workspace, "mine", text, by=owner)
        Run.objects.filter(pk=run.pk).update(environment_version=version)
        html = page(client, owner, run).content.decode()
        assert ('id="rerun-as-of"' in html) is offered
        assert ("A re-run as of 2022-12-01 would not help" in html) is not offered
        assert ("it came out on 2023-10-02" in html) is not offered


def test_a_run_whose_environment_could_not_be_built_says_why_and_leads_to_it(
    client: Client, run: Run, owner: User
) -> None:
    version = run.environment_version
    assert version is not None
    build, _ = building.open_build(version, node="box")
    move(run, RunStatus.PREPARING)
    Run.objects.filter(pk=run.pk).update(build=build)
    EnvironmentBuild.objects.move(build, BuildStatus.FAILED, error="nobody has <numpy 99>")
    building.settle(build)
    html = page(client, owner, run).content.decode()
    card = html[html.index('data-part="failure"') :][:2000]
    assert "nobody has &lt;numpy 99&gt;" in card
    assert f'href="{version.get_absolute_url()}"' in card
    assert "Its environment could not be built on box: nobody has &lt;numpy 99&gt;" in html
    assert "was built" not in html and "built for this run" not in html
    client.force_login(owner)
    told = client.get(f"/api/v1/workspaces/lab/runs/{run.uid}/").json()
    assert (told["status"], told["failure"]["message"], told["failure"]["build"]) == (
        "Failed",
        "nobody has <numpy 99>",
        build.pk,
    )
    assert "nobody has <numpy 99>" in told["phases"][0]["reason"]
