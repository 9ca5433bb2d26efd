"""The page on which a run is put together: empty and full workspaces, clones, the example."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from django.test import Client

from experiments import services
from experiments.models import ComputeTarget, Run, Snapshot
from mlportal.access.models import User, Workspace
from tests.conftest import TINY


@pytest.fixture
def run(workspace: Workspace, owner: User) -> Run:
    ComputeTarget.objects.get_or_create(name="local", defaults={"slots": 3})
    return services.submit_run(
        workspace,
        experiment="iris",
        snapshot=services.take_files(workspace, [("train.py", io.BytesIO(b"1"))], by=owner).snapshot,
        environment_version=services.add_version(workspace, "tiny", TINY, by=owner),
        script="train.py",
        arguments=["--name", "a b"],
        name="the best",
        wall_seconds=600,
        tags={"stage": "first"},
        by=owner,
    )


def submit_page(client: Client, person: User, query: str = "") -> str:
    client.force_login(person)
    response = client.get(f"/w/lab/submit/{query}")
    assert response.status_code == 200
    return response.content.decode()


def starts_from(html: str) -> dict[str, Any]:
    found = re.search(r'<script id="submit-data" type="application/json">(.*?)</script>', html, re.DOTALL)
    assert found
    data = json.loads(found[1])
    assert isinstance(data, dict)
    return data


def test_an_empty_workspace_can_be_started_from(client: Client, workspace: Workspace, owner: User) -> None:
    html = submit_page(client, owner)
    assert "Try the example" in html and "There is none yet" in html
    assert starts_from(html)["clone"] is None


def test_a_stranger_finds_nothing(client: Client, workspace: Workspace, stranger: User) -> None:
    client.force_login(stranger)
    assert client.get("/w/lab/submit/").status_code == 404
    assert client.post("/w/lab/submit/example/").status_code == 404


def test_a_reader_is_told_why_the_page_is_not_for_them(client: Client, workspace: Workspace, reader: User) -> None:
    html = submit_page(client, reader)
    assert "needs the role contributor" in html and 'href="/w/lab/members/"' in html
    assert 'id="submit-form"' not in html and "js/submit/main" not in html


def test_the_target_is_the_one_that_this_person_used_last(client: Client, run: Run, owner: User) -> None:
    chosen = re.compile(r'<option value="([^"]+)" selected>\1: ')
    other = ComputeTarget.objects.create(name="a-box")
    found = chosen.search(submit_page(client, owner))
    assert found is not None and found[1] == "local"
    Run.objects.filter(pk=run.pk).update(compute_target=other)
    found = chosen.search(submit_page(client, owner))
    assert found is not None and found[1] == "a-box"


def test_the_experiment_is_the_one_that_this_person_used_last(
    client: Client, run: Run, owner: User, contributor: User
) -> None:
    assert 'name="experiment" list="experiments" value="iris"' in submit_page(client, owner)
    assert 'name="experiment" list="experiments" value=""' in submit_page(client, contributor)
    assert 'name="experiment" list="experiments" value="a &amp; b"' in submit_page(client, owner, "?experiment=a+%26+b")


def test_targets_tell_their_free_slots_and_environments_their_version(client: Client, run: Run, owner: User) -> None:
    html = submit_page(client, owner)
    assert re.search(r"local: \d+ of \d+ slots? free", html)
    assert '<option value="tiny:1"' in html


def test_a_clone_starts_from_everything_that_was_asked_for(client: Client, run: Run, owner: User) -> None:
    assert run.snapshot
    assert starts_from(submit_page(client, owner, f"?clone={run.uid}"))["clone"] == {
        "snapshot": run.snapshot.uid,
        "script": "train.py",
        "arguments": ["--name", "a b"],
        "environment": "tiny:1",
        "target": "local",
        "experiment": "iris",
        "name": "the best",
        "tags": {"stage": "first"},
        "inputs": [],
        "wall_seconds": 600,
    }


def test_a_run_of_another_workspace_cannot_be_cloned_here(client: Client, run: Run, owner: User) -> None:
    from mlportal.access.services import create_workspace

    create_workspace("other", by=owner)
    client.force_login(owner)
    assert client.get(f"/w/other/submit/?clone={run.uid}").status_code == 404


def test_the_example_is_one_snapshot_however_often_it_is_tried(
    client: Client, workspace: Workspace, contributor: User
) -> None:
    client.force_login(contributor)
    first, second = (client.post("/w/lab/submit/example/").json() for _ in range(2))
    assert first == second
    snapshot = Snapshot.objects.get(uid=first["snapshot"])
    assert {name for name, _, _ in snapshot.entries} == {first["script"], "sklearn-env.yml"}


def test_the_example_is_refused_to_a_reader_and_to_a_link(client: Client, workspace: Workspace, reader: User) -> None:
    client.force_login(reader)
    assert client.post("/w/lab/submit/example/").status_code == 403
    assert client.get("/w/lab/submit/example/").status_code == 405
    assert not Snapshot.objects.exists()


def test_queries_do_not_grow_with_the_workspace(
    client: Client, run: Run, owner: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        services.add_version(run.workspace, f"env {number}", f"{TINY}name: n{number}\n", by=owner)
        run.workspace.experiments.create(name=f"experiment-{number}")
    client.force_login(owner)
    with django_assert_max_num_queries(20):
        html = client.get("/w/lab/submit/").content.decode()
    assert '<option value="env 19:1"' in html and '<option value="experiment-19">' in html
