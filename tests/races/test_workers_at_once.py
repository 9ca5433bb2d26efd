"""Workers that meet over the same run, slot, build or blob: one wins, the others find nothing to do."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import F
from django.utils import timezone

from experiments import services
from experiments.models import ComputeTarget, EnvironmentBuild, EnvironmentVersion, Run
from experiments.services import building, preparing, starting, working
from experiments.status import RUN_FINAL, RunStatus
from mlportal.access.models import User
from mlportal.blobs import services as blobs
from mlportal.blobs.models import Blob
from mlportal.errors import Conflict, StaleState
from tests.experiments.conftest import Submit
from tests.races.conftest import at_once, wins

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_of_many_workers_claims_a_run(queued: Submit) -> None:
    run = queued()
    copies = [Run.objects.get(pk=run.pk) for _ in range(12)]
    won = at_once(
        [
            lambda copy=copy: wins(lambda: Run.objects.claim(copy, worker="w", node="n", seconds=9), StaleState)  # type: ignore[misc]
            for copy in copies
        ]
    )
    assert won.count(True) == 1
    run.refresh_from_db()
    assert (run.attempt, run.events.filter(new="Running").count()) == (1, 1)


def test_one_of_many_workers_adopts_a_run(running: Submit) -> None:
    run = running(seconds=-1)
    copies = [Run.objects.get(pk=run.pk) for _ in range(12)]
    won = at_once(
        [lambda copy=copy: wins(lambda: Run.objects.adopt(copy, worker="w", seconds=9), StaleState) for copy in copies]  # type: ignore[misc]
    )
    assert won.count(True) == 1
    run.refresh_from_db()
    assert run.attempt == 2


def test_the_last_slot_is_taken_once(queued: Submit, target: ComputeTarget) -> None:
    ComputeTarget.objects.filter(pk=target.pk).update(slots=3)
    runs = [queued() for _ in range(6)]
    taken = at_once([lambda: starting.take_next(target, worker="w")] * 12)
    assert [run.pk for run in runs[:3]] == sorted(run.pk for run in taken if run)
    assert Run.objects.filter(status=RunStatus.RUNNING).count() == 3


def test_a_message_that_comes_twice_at_once_runs_the_script_once(queued: Submit, target: ComputeTarget) -> None:
    run = queued("import time\nprint('once', flush=True)\ntime.sleep(0.5)\n")
    at_once([lambda: working.take_next(target)] * 3 + [lambda: working.adopt(Run.objects.get(pk=run.pk))] * 3)
    run.refresh_from_db()
    assert (run.status, run.attempt) == (RunStatus.COMPLETED, 1)
    assert services.read_log(run, "user_logs/std_log.txt").data == b"once\n"


def test_a_version_has_one_build_under_way(version: EnvironmentVersion) -> None:
    opened = at_once([lambda: building.open_build(version)] * 20)
    assert [mine for _, mine in opened].count(True) == 1
    assert len({build.pk for build, _ in opened}) == 1


def test_runs_that_need_the_same_new_environment_have_it_built_once(
    submit: Submit, version: EnvironmentVersion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "ENVIRONMENTS_DIR", tmp_path)
    runs = [submit() for _ in range(6)]
    at_once([lambda run=run: preparing.prepare(Run.objects.get(pk=run.pk)) for run in runs * 2])  # type: ignore[misc]
    for run in runs:
        preparing.prepare(Run.objects.get(pk=run.pk))  # the wake-up that the builder has sent
        run.refresh_from_db()
        assert run.status == RunStatus.QUEUED
        assert [event.new for event in run.events.all()] == ["NotStarted", "Preparing", "Queued"]
    logs = [services.read_build_log(build)[0] for build in EnvironmentBuild.objects.all()]
    assert "".join(logs).count(": built in ") == 1


@pytest.mark.parametrize("turn", range(3))
def test_a_cancel_and_an_end_that_meet_make_one_final_status(
    queued: Submit, owner: User, target: ComputeTarget, turn: int
) -> None:
    run = queued("import time\ntime.sleep(0.1)\n")
    worker = threading.Thread(target=lambda: at_once([lambda: working.take_next(target)]))
    worker.start()
    asked = False
    for _ in range(20 * turn + 1):
        asked |= wins(lambda: services.cancel_run(Run.objects.get(pk=run.pk), by=owner), Conflict)
    worker.join(30)
    run.refresh_from_db()
    finals = [event.new for event in run.events.all() if event.new in RUN_FINAL]
    assert finals == [run.status]
    assert run.status in (RunStatus.COMPLETED, RunStatus.CANCELED)


def test_many_cancels_at_once_are_one(queued: Submit, owner: User) -> None:
    run = queued()
    copies = [Run.objects.get(pk=run.pk) for _ in range(10)]
    at_once([lambda copy=copy: wins(lambda: services.cancel_run(copy, by=owner), Conflict) for copy in copies])  # type: ignore[misc]
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELED
    assert run.events.filter(new="Canceled").count() == 1


def test_revisions_grow_by_one_a_change(running: Submit, owner: User) -> None:
    run = running()
    before = run.revision
    at_once([lambda number=number: services.set_tags(run, {str(number): "x"}, by=owner) for number in range(15)])  # type: ignore[misc]
    run.refresh_from_db()
    assert run.revision == before + 15


def test_a_blob_that_is_stored_while_it_is_swept_has_its_bytes(db: None) -> None:
    """A row says that the bytes are there: the sweeper and the uploads of the same bytes must agree on it."""
    contents = [f"content {number}".encode() for number in range(4)]
    over = threading.Event()

    def store() -> None:
        for _ in range(6):
            for content in contents:
                blobs.put(io.BytesIO(content))
                Blob.objects.update(created_at=F("created_at") - timedelta(days=2))

    def sweep() -> None:
        while not over.is_set():
            blobs.delete_unreferenced(timezone.now() - timedelta(days=1))

    def store_all() -> None:
        try:
            at_once([store] * 3)
        finally:
            over.set()

    calls: list[Callable[[], None]] = [store_all, sweep]
    at_once(calls)
    for blob in Blob.objects.all():
        assert default_storage.exists(blob.key)


def test_a_file_is_deleted_only_when_nobody_can_see_its_row_any_more(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash in between leaves a file too much, never a row whose bytes are gone."""
    blob = blobs.put(io.BytesIO(b"unused"))
    real = default_storage.delete
    seen: list[bool] = []

    def delete(name: str) -> None:
        seen.extend(at_once([lambda: Blob.objects.filter(pk=blob.pk).exists()]))
        real(name)

    monkeypatch.setattr(default_storage, "delete", delete)
    assert blobs.delete_unreferenced(timezone.now() + timedelta(days=1)) == 6
    assert seen == [False]
    assert not default_storage.exists(blob.key)
    assert not Blob.objects.exists()


def test_a_storage_that_fails_while_blobs_are_swept_makes_no_row_a_lie(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = blobs.put(io.BytesIO(b"unused"))
    real = default_storage.delete

    def fail(name: str) -> None:
        real(name)
        raise OSError("the answer was lost")

    monkeypatch.setattr(default_storage, "delete", fail)
    with pytest.raises(OSError, match="lost"):
        blobs.delete_unreferenced(timezone.now() + timedelta(days=1))
    assert not Blob.objects.filter(pk=blob.pk).exists()


def test_bytes_that_are_swept_between_their_storing_and_their_row_are_stored_again(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"stored again while the sweeper was at it"
    digest = hashlib.sha256(content).hexdigest()
    real = default_storage.save
    swept: list[str] = []

    def save(name: str, file: Any) -> str:
        saved: str = real(name, file)
        if not swept:  # the sweeper has deleted the row before, and now comes to the file
            swept.append(name)
            blobs._delete_file(digest, len(content))
            assert not default_storage.exists(name)
        return saved

    monkeypatch.setattr(default_storage, "save", save)
    blob = blobs.put(io.BytesIO(content))
    assert swept == [blob.key]
    with blobs.open_blob(blob.pk) as stream:
        assert stream.read() == content
    monkeypatch.undo()
    blobs._delete_file(digest, len(content))  # whose row is there by now
    assert default_storage.exists(blob.key)
    assert Blob.objects.filter(pk=digest).exists()
