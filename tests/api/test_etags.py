"""What has not changed is not sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments import services
from experiments.models import Artifact, Run
from experiments.services import logs
from experiments.status import RunStatus
from tests.api.conftest import Callers

pytestmark = pytest.mark.django_db


def test_json_that_is_the_same_is_not_sent_again(callers: Callers, run: Run) -> None:
    reader = callers["reader"]
    for path in (
        "runs/",
        f"runs/{run.uid}/",
        "config.json",
        "environments/tiny/versions/1/",
        "experiments/?fields=name",
    ):
        first = reader.get(path)
        assert first.status_code == 200 and first["Cache-Control"] == "private, no-cache", path
        again = reader.get(path, **{"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b""), path
        assert again["ETag"] == first["ETag"] and again["X-MLPortal-Version"]


def test_a_change_is_sent(callers: Callers, run: Run) -> None:
    before = callers["reader"].get(f"runs/{run.uid}/")["ETag"]
    services.set_tags(run, {"team": "green"}, by=run.created_by)
    after = callers["reader"].get(f"runs/{run.uid}/", **{"If-None-Match": before})
    assert after.status_code == 200 and after.json()["tags"] == {"team": "green"}


def test_a_place_in_the_queue_is_a_change(callers: Callers, submit: Callable[..., Run]) -> None:
    """The run's own row stays as it is: its revision would not tell."""
    ahead, run = submit(), submit()
    for one in (ahead, run):
        Run.objects.move(one, RunStatus.PREPARING)
        Run.objects.move(one, RunStatus.QUEUED)
    before = callers["reader"].get(f"runs/{run.uid}/")
    Run.objects.claim(ahead, worker="w", node="here", seconds=60)
    after = callers["reader"].get(f"runs/{run.uid}/", **{"If-None-Match": before["ETag"]})
    assert after.status_code == 200
    assert after.json()["revision"] == before.json()["revision"]


def test_a_stranger_learns_nothing_from_an_etag(callers: Callers, run: Run) -> None:
    etag = callers["reader"].get(f"runs/{run.uid}/")["ETag"]
    assert callers["stranger"].get(f"runs/{run.uid}/", **{"If-None-Match": etag}).status_code == 404
    assert callers["stranger"].get(f"runs/{run.uid}/", **{"If-None-Match": "*"}).status_code == 404


def test_a_secret_has_no_etag(callers: Callers, owner: Any) -> None:
    callers["owner"].client.force_login(owner)
    answer = callers["owner"].client.post("/api/v1/tokens/", {"name": "t"}, "application/json")
    assert not answer.has_header("ETag")


def test_files_are_told_by_their_digest(callers: Callers, store: Callable[[str, bytes], Artifact], run: Run) -> None:
    artifact = store("outputs/a.txt", b"hello")
    path, query = f"runs/{run.uid}/artifacts/content/", {"path": "outputs/a.txt"}
    etag = f'"{artifact.blob_id}"'
    assert callers["reader"].get(path, query)["ETag"] == etag
    for shown in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        assert callers["reader"].get(path, query, **{"If-None-Match": shown}).status_code == 304, shown
    assert callers["reader"].get(path, query, **{"If-None-Match": '"other"'}).status_code == 200


def test_the_log_of_a_run_that_goes_on_has_no_etag_and_that_of_a_final_one_has(callers: Callers, running: Run) -> None:
    path, query = f"runs/{running.uid}/logs/content/", {"name": logs.STDOUT}
    assert not callers["reader"].get(path, query).has_header("ETag")
    Run.objects.move(running, RunStatus.FINALIZING)
    Run.objects.move(running, RunStatus.COMPLETED)
    first = callers["reader"].get(path, query)
    again = callers["reader"].get(path, query, **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = callers["reader"].get(path, {**query, "offset": 1}, **{"If-None-Match": first["ETag"]})
    assert other.status_code == 200
