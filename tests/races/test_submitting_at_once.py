"""Numbers count up by one, equal things are one, whoever asks at the same time."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from django.conf import settings
from django.db import connection

from experiments import services
from experiments.models import EnvironmentVersion, Experiment, Run, Snapshot
from mlportal.access.models import User, Workspace
from mlportal.blobs.models import Blob
from tests.conftest import TINY
from tests.experiments.conftest import Submit
from tests.portal import ROOT
from tests.races.conftest import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_twenty_threads_number_their_runs_without_gap_or_double(
    submit: Submit, upload: Callable[..., Snapshot]
) -> None:
    snapshot = upload({"train.py": "print(1)\n"})
    runs = at_once([lambda: submit(snapshot=snapshot, experiment="brand-new")] * 20)
    assert sorted(run.number for run in runs) == list(range(1, 21))
    assert Experiment.objects.get().last_number == 20
    assert all(run.events.count() == 1 for run in runs)


def test_processes_number_their_runs_without_gap_or_double(
    submit: Submit, owner: User, workspace: Workspace, version: EnvironmentVersion
) -> None:
    snapshot = submit().snapshot
    assert snapshot is not None
    if connection.vendor != "sqlite":
        pytest.skip("the processes are told of the test's database by its file")
    variables = {
        **os.environ,
        "MLPORTAL_HOME": str(settings.HOME / "of-processes"),
        "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
        "PYTHONPATH": str(ROOT),
    }
    ids = [str(row.pk) for row in (owner, workspace, snapshot, version)]
    command = [sys.executable, "-m", "tests.races.submitter", *ids, "10"]
    processes = [subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE) for _ in range(2)]
    numbers = [int(word) for process in processes for word in process.communicate(timeout=60)[0].split()]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(numbers) == list(range(1, 21))
    assert Run.objects.filter(experiment__name="busy").count() == 20


def test_versions_count_up_and_an_equal_definition_is_one(workspace: Workspace, owner: User) -> None:
    def add(text: str) -> Callable[[], EnvironmentVersion]:
        return lambda: services.add_version(workspace, "shared", text, by=owner)

    versions = at_once([add(f"{TINY}# {number}\n") for number in range(10)] + [add(TINY)] * 10)
    assert sorted({version.version for version in versions}) == list(range(1, 12))
    assert len({version.pk for version in versions[10:]}) == 1


def test_the_same_folder_from_many_at_once_is_one_snapshot(workspace: Workspace, owner: User) -> None:
    def take() -> Snapshot:
        pairs = [("train.py", io.BytesIO(b"print(1)\n")), ("big.bin", io.BytesIO(b"x" * 500_000))]
        return services.take_files(workspace, pairs, by=owner).snapshot

    assert len({snapshot.pk for snapshot in at_once([take] * 20)}) == 1
    assert Blob.objects.count() == 2
    assert Snapshot.objects.get().blobs.count() == 2


def test_tags_of_many_at_once_are_all_there(submit: Submit, owner: User) -> None:
    run = submit()

    def tag(number: int) -> Callable[[], object]:
        return lambda: services.set_tags(run, {f"t{number}": "x", "last": str(number)}, by=owner)

    at_once([tag(number) for number in range(20)])
    assert run.tags.count() == 21


def test_points_of_many_batches_at_once_are_all_there(submit: Submit, owner: User) -> None:
    """MLflow's client logs from several threads and processes of one run."""
    run = submit()

    def log(first: int) -> Callable[[], object]:
        records = [
            {"t": 1.0, "k": "scalar", "n": "x", "v": float(step), "s": step} for step in range(first, first + 10)
        ]
        return lambda: services.log_metrics(run, records, by=owner)

    at_once([log(first) for first in range(0, 200, 10)])
    assert services.series(run, ["x"])["x"]["steps"] == list(range(200))
    assert services.metric_summaries(run)[0]["count"] == 200
