"""Deleted for good: rows, files and bytes are gone, and what somebody else refers to is not."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from experiments import services
from experiments.models import (
    Artifact,
    Experiment,
    LoggedModel,
    MetricChunk,
    Purge,
    RetentionRule,
    Run,
    Snapshot,
    UploadedBlob,
)
from experiments.services import purging, reaping
from mlportal.access.models import AuditEvent, User, Workspace
from mlportal.blobs import services as blobs
from mlportal.blobs.models import Blob
from mlportal.errors import Conflict, NotAllowed
from tests.trash.conftest import MakeRun, trashed

pytestmark = pytest.mark.django_db
Carried = Callable[..., Purge]


@pytest.fixture
def purge(workspace: Workspace, owner: User, django_capture_on_commit_callbacks: Any) -> Carried:
    """As a request does it, to its end."""

    def purge(*runs: Run, **more: object) -> Purge:
        with django_capture_on_commit_callbacks(execute=True):
            asked = services.purge_runs(workspace, runs=runs, by=owner, **more)  # type: ignore[arg-type]
        asked.refresh_from_db()
        return asked

    return purge


def stored() -> set[str]:
    """The keys of what is in the storage, of blobs that tests of this file may have made."""
    return {blob.key for blob in Blob.objects.all() if default_storage.exists(blob.key)}


def test_rows_files_and_bytes_are_gone_and_counted(make_run: MakeRun, owner: User, purge: Carried) -> None:
    run = make_run(files={"outputs/model.bin": b"m" * 1000, "outputs/again.bin": b"m" * 1000, "logs/l": b"l" * 50})
    services.log_metrics(run, [{"t": 1.0, "k": "scalar", "n": "loss", "v": 1}], by=owner)
    services.set_tags(run, {"a": "b"}, by=owner)
    keys = stored()
    other = make_run(files={"outputs/x": b"x"})
    done = purge(trashed(run, owner))
    assert not Run.objects.filter(pk=run.pk).exists() and not MetricChunk.objects.exists()
    assert (done.run_count, done.expected_bytes, done.freed_bytes) == (1, 1050, 1050)
    assert done.ended_at and not any(default_storage.exists(key) for key in keys)
    assert [row.path for row in Artifact.objects.all()] == ["outputs/x"] and Run.objects.get() == other
    asked, told = AuditEvent.objects.filter(action__startswith="run.purge").order_by("pk")
    assert (asked.actor, asked.subject, asked.details["expected_bytes"]) == (owner, run.uid, 1050)
    assert (told.action, told.actor, told.details["freed_bytes"]) == ("run.purged", owner, 1050)


def test_what_it_logged_as_a_model_goes_with_it(
    make_run: MakeRun, owner: User, workspace: Workspace, purge: Carried
) -> None:
    run, other = make_run(files={"outputs/s": b"s" * 100}), make_run()
    content = {"own": b"o" * 7, "shared": b"s" * 100, "others": b"t" * 30}
    for place in (run, other):
        model = services.create_logged_model(place.experiment, name="svc", run=place, by=owner)
        for name in ("own", "shared", "others") if place == run else ("others",):
            services.put_model_file(model, name, blobs.put(io.BytesIO(content[name])), by=owner)
    trashed(run, owner)
    (told,) = services.trashed_runs(workspace)
    services.tell_trashed(workspace, [told])
    assert told.freed_bytes == services.usage(workspace).trash == 107  # type: ignore[attr-defined]
    assert services.usage(workspace).runs == 137
    done = purge(run)
    assert (done.expected_bytes, done.freed_bytes) == (107, 107)
    assert LoggedModel.objects.get().run == other and services.usage(workspace).runs == 30


def test_bytes_that_something_else_refers_to_stay(
    make_run: MakeRun, owner: User, workspace: Workspace, purge: Carried
) -> None:
    shared, in_data = b"s" * 100, b"d" * 70
    run = make_run(files={"outputs/s": shared, "outputs/d": in_data, "outputs/own": b"o" * 5})
    other = make_run(files={"outputs/s": shared})
    (blob,) = services.upload(workspace, [io.BytesIO(in_data)], by=owner)
    services.add_data_files(workspace, [services.Named("d.csv", blob.pk)], by=owner)
    plan = services.plan_purge(workspace, runs=[trashed(run, owner)])
    assert plan.freed_bytes == 5
    assert services.freed_by_each({run.pk: [run.pk]}) == {run.pk: 5}
    assert purge(run).freed_bytes == 5
    artifact = other.artifacts.get()
    with blobs.open_blob(artifact.blob_id) as stream:
        assert stream.read() == shared
    assert Blob.objects.filter(size=70).exists()


def test_bytes_that_only_trashed_runs_share_go_with_the_last_of_them(
    make_run: MakeRun, owner: User, workspace: Workspace, purge: Carried
) -> None:
    first, second = (trashed(make_run(files={"outputs/s": b"s" * 100}), owner) for _ in range(2))
    trees = {run.pk: [run.pk] for run in (first, second)}
    assert services.freed_by_each(trees) == dict.fromkeys(trees, 0)
    assert services.plan_purge(workspace, everything=True).freed_bytes == 100
    Blob.objects.update(created_at=timezone.now() - timedelta(days=2))  # else they wait for a day
    assert (purge(second).freed_bytes, purge(first).freed_bytes) == (0, 100)


def test_the_last_of_two_that_go_together_frees_what_they_share(make_run: MakeRun, owner: User, purge: Carried) -> None:
    runs = [trashed(make_run(files={"outputs/s": b"s" * 100}), owner) for _ in range(purging.AT_ONCE + 5)]
    assert purge(*runs).freed_bytes == 100


def test_code_goes_with_the_last_run_that_has_it(
    make_run: MakeRun, owner: User, workspace: Workspace, code: Callable[[bytes], Snapshot], purge: Carried
) -> None:
    snapshot = code(b"print('hello')")
    first, second = (trashed(make_run(snapshot=snapshot), owner) for _ in range(2))
    assert services.plan_purge(workspace, runs=[first]).freed_bytes == 0
    assert services.plan_purge(workspace, everything=True).freed_bytes == 14
    assert (purge(first).freed_bytes, Snapshot.objects.count()) == (0, 1)
    assert (purge(second).freed_bytes, Snapshot.objects.count()) == (14, 0)


def test_what_was_handed_over_today_goes_with_the_sweep(
    make_run: MakeRun, owner: User, workspace: Workspace, purge: Carried
) -> None:
    """A client that was told that the workspace has these bytes may still name them."""
    run = make_run(files={"outputs/u": b"u" * 30})
    blob = run.artifacts.get().blob
    UploadedBlob.objects.create(workspace=workspace, blob=blob, by=owner)
    done = purge(trashed(run, owner))
    assert (done.freed_bytes, done.later_bytes) == (0, 30)
    later = timezone.now() - timedelta(days=2)
    UploadedBlob.objects.update(at=later)
    Blob.objects.update(created_at=later)
    reaping.sweep()
    assert not Blob.objects.filter(pk=blob.pk).exists() and not default_storage.exists(blob.key)


def test_children_go_with_their_parents(make_run: MakeRun, owner: User, purge: Carried) -> None:
    parent = make_run()
    for _ in range(purging.AT_ONCE * 2):
        make_run(parent=parent, files={"outputs/x": b"x"})
    assert purge(trashed(parent, owner)).run_count == purging.AT_ONCE * 2 + 1
    assert not Run.objects.exists()


def test_only_what_is_in_the_trash_can_go(make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    run = make_run()
    with pytest.raises(Conflict) as caught:
        services.purge_runs(workspace, runs=[run], by=owner)
    assert caught.value.code == "not_in_trash"
    assert Run.objects.kept().get() == run and not Purge.objects.exists()


def test_what_has_not_ended_stays_with_its_tree_and_the_rest_goes(
    make_run: MakeRun, owner: User, workspace: Workspace, purge: Carried
) -> None:
    parent, other = make_run(), make_run()
    child = make_run(parent=parent, status="Running", ended_at=None)
    trashed(parent, owner), trashed(other, owner)
    with pytest.raises(Conflict, match="has not ended"):
        services.purge_runs(workspace, runs=[parent], by=owner)
    assert purge(everything=True).run_count == 1
    assert set(Run.objects.all()) == {parent, child}
    services.cancel_run(child, by=owner)
    assert purge(everything=True).run_count == 2


def test_only_owners_delete_for_good(
    make_run: MakeRun, owner: User, contributor: User, reader: User, stranger: User, workspace: Workspace
) -> None:
    run = trashed(make_run(), owner)
    for person in (contributor, reader, stranger):
        with pytest.raises(NotAllowed):
            services.purge_runs(workspace, runs=[run], by=person)
    assert Run.objects.trashed().get() == run


def test_from_the_first_moment_on_nobody_sees_them(make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    """What a kill after the first transaction leaves: out of sight, and ended by the next look of beat."""
    runs = [trashed(make_run(files={"outputs/x": b"x%d" % n}), owner) for n in range(5)]
    begun = services.purge_runs(workspace, runs=runs, by=owner)  # its worker is killed before it begins
    assert Run.objects.count() == 5 and not Run.objects.visible_to(owner).exists()
    assert not services.trashed_runs(workspace).exists()
    with pytest.raises(Conflict, match="for good"):
        services.restore_runs(workspace, runs, by=owner)
    with pytest.raises(Conflict):
        services.purge_runs(workspace, runs=runs, by=owner)
    assert begun.ended_at is None
    purging.resume()
    purging.resume()
    begun.refresh_from_db()
    assert begun.ended_at and begun.freed_bytes == 10 and not Run.objects.exists()
    assert AuditEvent.objects.filter(action="run.purged").count() == 1


def test_a_kill_between_rows_and_bytes_leaves_bytes_for_the_sweep(
    make_run: MakeRun, owner: User, workspace: Workspace
) -> None:
    run = trashed(make_run(files={"outputs/x": b"x" * 10}), owner)
    key = run.artifacts.get().blob.key
    begun = services.purge_runs(workspace, runs=[run], by=owner)
    purging._delete_rows(begun, [run.pk])
    assert default_storage.exists(key) and not Run.objects.exists()
    purging.resume()
    Blob.objects.update(created_at=timezone.now() - timedelta(days=2))
    reaping.sweep()
    assert not default_storage.exists(key)


def test_an_experiment_in_the_trash_goes_with_its_runs(
    make_run: MakeRun, owner: User, workspace: Workspace, purge: Carried
) -> None:
    run, other = make_run(), make_run("kept")
    services.trash_experiment(run.experiment, by=owner)
    empty = services.create_experiment(workspace, "empty", by=owner)[0]
    services.trash_experiment(empty, by=owner)
    assert purge(experiments=[run.experiment]).run_count == 1
    assert purge(experiments=[empty]).run_count == 0
    assert list(Experiment.objects.all()) == [other.experiment]


def test_an_experiment_that_got_a_new_run_stays(make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    run = make_run()
    services.trash_experiment(run.experiment, by=owner)
    services.purge_runs(workspace, experiments=[run.experiment], by=owner)
    new = services.start_run(workspace, experiment="iris", by=owner)
    purging.resume()
    assert Run.objects.get() == new
    place = Experiment.objects.get()
    assert (place.archived_at, place.deleted_at, place.purge) == (None, None, None)


def test_the_trash_is_emptied_by_itself(make_run: MakeRun, owner: User, workspace: Workspace, settings: Any) -> None:
    settings.TRASH_SECONDS = 30 * 86_400
    old, young = trashed(make_run(), owner, days=31), trashed(make_run(), owner, days=29)
    left = trashed(make_run(status="Running", ended_at=None), owner, days=31)  # its client is gone for good
    place = make_run("gone").experiment
    services.trash_experiment(place, by=owner)
    Experiment.objects.filter(pk=place.pk).update(deleted_at=timezone.now() - timedelta(days=31))
    Run.objects.filter(experiment=place).update(deleted_at=timezone.now() - timedelta(days=31))
    purging.expire()
    assert list(Run.objects.all()) == [young]
    assert not Experiment.objects.filter(name="gone").exists()
    told = AuditEvent.objects.filter(action="run.purge").get()
    assert told.actor is None and {old.uid, left.uid} <= set(told.details["runs"])


def test_rules_say_how_long_their_trash_is_kept(
    make_run: MakeRun, owner: User, workspace: Workspace, settings: Any
) -> None:
    settings.TRASH_SECONDS = 0
    runs = {name: trashed(make_run(name), owner, days=10) for name in ("iris", "wine", "kept")}
    purging.expire()
    assert Run.objects.count() == 3
    services.set_rule(workspace, purge_days=7, enabled=True, by=owner)
    services.set_rule(workspace, experiment=runs["wine"].experiment, purge_days=20, enabled=True, by=owner)
    services.set_rule(workspace, experiment=runs["kept"].experiment, purge_days=0, enabled=True, by=owner)
    RetentionRule.objects.filter(experiment=None).update(enabled=False)
    purging.expire()
    assert Run.objects.count() == 3
    RetentionRule.objects.filter(experiment=None).update(enabled=True)
    limits = services.deadlines(workspace)
    due = {name: limits.of(run.deleted_at, run.experiment_id) for name, run in runs.items()}
    assert due["kept"] is None and due["iris"] is not None and due["iris"] < timezone.now()
    purging.expire()
    assert set(Run.objects.all()) == {runs["wine"], runs["kept"]}


def test_folders_of_runs_that_are_gone_are_removed(
    make_run: MakeRun, workspace: Workspace, settings: Any, tmp_path: Path
) -> None:
    """Such as the one whose outputs the disk had no room for, which is kept as long as its run is."""
    settings.RUNS_DIR = tmp_path
    kept = make_run(failure={"reason": "disk_full"}).uid
    gone, young, other = "a" * 32, "b" * 32, "somebody's"
    for name in (kept, gone, young, other):
        (tmp_path / name).mkdir()
        if name != young:
            os.utime(tmp_path / name, (0, 0))
    reaping.sweep_run_folders()
    assert {path.name for path in tmp_path.iterdir()} == {kept, young, other}


def test_a_trash_that_is_kept_for_ages_has_no_end(make_run: MakeRun, owner: User, settings: Any) -> None:
    run = trashed(make_run(), owner)
    settings.TRASH_SECONDS = 10**12
    assert services.deadlines(run.workspace).of(run.deleted_at, run.experiment_id) is None
    purging.expire()
    assert Run.objects.exists()


def test_more_runs_are_no_more_queries_to_plan(make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    counts = []
    for _ in range(2):
        for n in range(10):
            trashed(make_run(files={"outputs/x": b"x%d" % n}), owner)
        with CaptureQueriesContext(connection) as captured:
            services.plan_purge(workspace, everything=True)
            services.usage(workspace)
        counts.append(len(captured))
    assert counts[0] == counts[1]
