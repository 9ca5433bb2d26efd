"""Nothing that was promised in the database is forgotten, and nothing that is needed is swept away."""

import io
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from experiments import services
from experiments.models import ComputeNode, EnvironmentBuild, EnvironmentVersion, Run, Snapshot
from experiments.runner import launch
from experiments.services import building, dispatch, preparing, reaping, starting, working
from experiments.status import BuildStatus, RunStatus
from mlportal.access.models import User
from mlportal.blobs import services as blobs
from mlportal.blobs.models import Blob
from mlportal.node import node_name
from tests.experiments.conftest import Submit
from tests.portal import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
Messages = Callable[[], list[tuple[str, list[Any]]]]
LONG_AGO = timedelta(days=2)


def heard_long_ago(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(woken_at=timezone.now() - timedelta(seconds=60))


def test_the_message_of_each_status_is_sent_again_when_it_was_lost(
    queued: Submit, submit: Submit, messages: Messages
) -> None:
    new, waiting = submit(), queued()
    messages()
    reaping.reap()
    assert messages() == []  # they were woken a moment ago
    heard_long_ago(new)
    heard_long_ago(waiting)
    reaping.reap()
    assert sorted(messages()) == [
        (dispatch.PREPARE, [new.pk]),
        (dispatch.TAKE_NEXT, [waiting.compute_target_id]),
    ]
    reaping.reap()
    assert messages() == []


def test_a_run_without_a_living_worker_is_given_to_its_machine(running: Submit, messages: Messages) -> None:
    alive, silent = running(seconds=60), running(seconds=-1)
    heard_long_ago(alive)
    heard_long_ago(silent)
    messages()
    reaping.reap()
    assert messages() == [(dispatch.FOLLOW, [silent.pk])]


def test_a_broker_that_is_away_at_the_submit_loses_nothing(submit: Submit, messages: Messages) -> None:
    folder = Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"]))
    away = folder.with_name("away")
    folder.rename(away)
    try:
        run = submit()
    finally:
        away.rename(folder)
    assert Run.objects.get(pk=run.pk).status == RunStatus.NOT_STARTED
    assert messages() == []
    heard_long_ago(run)
    reaping.reap()
    assert messages() == [(dispatch.PREPARE, [run.pk])]


def test_a_dead_builder_is_closed_and_the_run_is_woken_to_try_again(
    submit: Submit, version: EnvironmentVersion, messages: Messages
) -> None:
    run = submit()
    build, _ = building.open_build(version)
    preparing.prepare(run)
    EnvironmentBuild.objects.move(build, BuildStatus.RESOLVING)
    messages()
    reaping.reap()
    build.refresh_from_db()
    assert build.status == BuildStatus.RESOLVING  # it gave a sign of life a moment ago
    EnvironmentBuild.objects.update(seen_at=timezone.now() - timedelta(seconds=60))
    reaping.reap()
    build.refresh_from_db()
    assert (build.status, bool(build.error)) == (BuildStatus.CANCELED, True)
    assert messages() == [(dispatch.PREPARE, [run.pk])]
    preparing.prepare(Run.objects.get(pk=run.pk))
    assert [found.status for found in EnvironmentBuild.objects.order_by("pk")] == [
        BuildStatus.CANCELED,
        BuildStatus.READY,
    ]


def test_a_build_whose_message_was_lost_is_asked_for_again(
    version: EnvironmentVersion, owner: User, messages: Messages
) -> None:
    build = services.request_build(version, by=owner)
    assert build is not None
    assert messages() == [(dispatch.BUILD, [build.pk])]
    EnvironmentBuild.objects.update(seen_at=timezone.now() - timedelta(seconds=60))
    reaping.reap()
    build.refresh_from_db()
    assert build.status == BuildStatus.WAITING
    assert messages() == [(dispatch.BUILD, [build.pk])]


def test_a_run_whose_failed_build_told_nobody_is_woken(
    submit: Submit, version: EnvironmentVersion, messages: Messages
) -> None:
    run = submit()
    build, _ = building.open_build(version)
    preparing.prepare(run)
    EnvironmentBuild.objects.move(build, BuildStatus.FAILED)
    heard_long_ago(run)
    messages()
    reaping.reap()
    assert messages() == [(dispatch.PREPARE, [run.pk])]


def test_a_machine_that_is_gone_takes_its_runs_with_it(running: Submit, messages: Messages) -> None:
    run = running(seconds=-1)
    Run.objects.filter(pk=run.pk).update(node="gone", woken_at=None)
    node = ComputeNode.objects.create(name="gone", seen_at=timezone.now() - timedelta(seconds=60))
    messages()
    reaping.reap()
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING  # a minute is no reason to give it up
    ComputeNode.objects.filter(pk=node.pk).update(seen_at=timezone.now() - timedelta(hours=1))
    heard_long_ago(run)
    reaping.reap()
    run.refresh_from_db()
    assert run.failure is not None
    assert (run.status, run.failure["type"]) == (RunStatus.FAILED, "Machine lost")


def test_this_machine_is_never_gone(running: Submit, messages: Messages) -> None:
    """A portal that was off for a night reaps before it has reported itself."""
    run = running(seconds=-1)
    ComputeNode.objects.create(name=node_name(), seen_at=timezone.now() - timedelta(hours=8))
    heard_long_ago(run)
    messages()
    reaping.reap()
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING
    assert messages() == [(dispatch.FOLLOW, [run.pk])]


def exists(blob: Blob) -> bool:
    return Blob.objects.filter(pk=blob.pk).exists() and default_storage.exists(blob.key)


def make_old() -> None:
    Blob.objects.update(created_at=timezone.now() - LONG_AGO)
    Snapshot.objects.update(created_at=timezone.now() - LONG_AGO)


def test_the_sweeper_frees_what_nothing_refers_to_and_nothing_else(
    submit: Submit, upload: Callable[..., Snapshot]
) -> None:
    run = submit("print('kept')\n")
    assert run.snapshot is not None
    kept = run.snapshot.blobs.get()
    abandoned = upload({"abandoned.py": "x = 1\n"})
    lost = abandoned.blobs.get()
    orphan = blobs.put(io.BytesIO(b"nobody refers to me"))
    make_old()
    fresh = blobs.put(io.BytesIO(b"just uploaded"))
    reaping.sweep()
    assert [exists(kept), exists(fresh)] == [True, True]
    for blob in (lost, orphan):
        assert not Blob.objects.filter(pk=blob.pk).exists()
        assert not default_storage.exists(blob.key)
    assert list(Snapshot.objects.all()) == [run.snapshot]
    with blobs.open_blob(kept.pk) as stream:
        assert stream.read() == b"print('kept')\n"


def test_the_sweeper_asks_as_little_of_many_blobs_as_of_few(upload: Callable[..., Snapshot]) -> None:
    asked = []
    for count in (2, 60):
        upload({f"{count}-{number}.py": f"print({number}, {count})" for number in range(count)})
        with CaptureQueriesContext(connection) as queries:
            assert blobs.delete_unreferenced(timezone.now() + LONG_AGO) == 0
        asked.append(len(queries))
    assert asked[0] == asked[1] == 1


def test_files_of_the_storage_that_no_row_knows_are_removed(upload: Callable[..., Snapshot]) -> None:
    kept = blobs.put(io.BytesIO(b"kept"))
    lost = "ab" + "0" * 62
    names = [f"blobs/ab/{lost}", "blobs/ab/.draft-x", "blobs/cd/.draft-y"]
    for name in names:
        default_storage.save(name, ContentFile(b"x"))
    folders = [f"{number:02x}" for number in range(256)]
    assert blobs.delete_orphans(timezone.now() - timedelta(hours=1), folders) == 0
    assert blobs.delete_orphans(timezone.now() + timedelta(hours=1), folders) >= 3  # and what other tests left
    assert not any(map(default_storage.exists, names))
    assert default_storage.exists(kept.key) and list(Blob.objects.all()) == [kept]


def test_what_was_stored_again_today_is_not_old(upload: Callable[..., Snapshot]) -> None:
    """The second upload of an old, unused folder must last until its run is submitted."""
    first = upload({"train.py": "print(1)\n"})
    make_old()
    assert upload({"train.py": "print(1)\n"}) == first
    reaping.sweep()
    assert Snapshot.objects.filter(pk=first.pk).exists()
    assert exists(first.blobs.get())


def test_a_folder_of_a_final_run_is_removed_and_a_living_one_asked_to_end(running: Submit) -> None:
    """The portal gave the run up while its machine was cut off; now the machine is back, and the script goes on."""
    run = running("import time\nprint('on', flush=True)\ntime.sleep(60)\n")
    starting.start(run)
    directory = starting.run_directory(run)
    log = directory / "logs" / "std_log.txt"
    wait_until(lambda: log.exists() and b"on" in log.read_bytes(), what="the script runs")
    Run.objects.move(run, RunStatus.FAILED, reason="given up", failure={"type": "Machine lost", "message": "silent"})
    reaping.sweep_run_folders()
    wait_until(lambda: not launch.is_alive(directory), seconds=15, what="the script has ended")
    reaping.sweep_run_folders()
    assert not directory.exists()


def test_every_worker_sweeps_its_own_machine_again_and_again(running: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beat's message reaches one machine only: what another one keeps would stay there for ever."""
    stop = threading.Event()
    monkeypatch.setattr(working, "STOP", stop)
    monkeypatch.setattr(working, "REPORT_SECONDS", 0.05)
    monkeypatch.setattr(settings, "SWEEP_SECONDS", 0)
    working.arrive(["local"])
    try:
        run = running()
        leftover, draft = starting.run_directory(run), Path(settings.RUNS_DIR) / f"{starting.DRAFT}gone.1"
        half_built = Path(settings.ENVIRONMENTS_DIR) / ".building-0123"
        for folder in (leftover, draft, half_built):
            folder.mkdir(parents=True)
        Run.objects.move(run, RunStatus.FAILED, reason="given up")
        folders = (leftover, draft, half_built)
        wait_until(lambda: not any(folder.exists() for folder in folders), seconds=10, what="all is swept")
    finally:
        stop.set()
        for thread in threading.enumerate():
            if thread.name == "report":
                thread.join()


def test_a_folder_that_is_in_use_or_unknown_stays(running: Submit) -> None:
    run = running()
    directory = starting.run_directory(run)
    launch.prepare_directory(directory)
    unknown = Path(settings.RUNS_DIR) / "notes"
    unknown.mkdir()
    reaping.sweep_run_folders()
    assert directory.exists()
    assert unknown.exists()


def test_leases_are_told_by_the_database_s_clock(running: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose own clock is an hour fast or slow changes nothing about who owns what."""
    kept, ended = running(seconds=60), running(seconds=-1)
    real = timezone.now
    for wrong in (timedelta(hours=1), timedelta(hours=-1)):
        monkeypatch.setattr(timezone, "now", lambda wrong=wrong: real() + wrong)
        assert list(Run.objects.without_a_living_worker()) == [ended]
        Run.objects.renew(kept, seconds=60)
        assert list(Run.objects.without_a_living_worker()) == [ended]
