"""Datasets in a run's folder, before its script starts."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from experiments import services
from experiments.models import DatasetVersion, Run
from experiments.services import reaping, starting, working
from experiments.services.uploads import Named
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.blobs.models import Blob
from tests.experiments.conftest import Submit

pytestmark = pytest.mark.django_db(transaction=True)
STDOUT = "user_logs/std_log.txt"
Make = Callable[..., DatasetVersion]


@pytest.fixture
def make(workspace: Workspace, owner: User) -> Make:
    def make(files: Mapping[str, bytes], name: str = "", **more: Any) -> DatasetVersion:
        stored = services.upload(workspace, [io.BytesIO(data) for data in files.values()], by=owner)
        entries = [Named(path, blob.digest) for path, blob in zip(files, stored, strict=True)]
        return services.create_dataset(workspace, entries, name=name, by=owner, **more).version

    return make


def see_through(run: Run) -> Run:
    assert run.compute_target is not None
    working.take_next(run.compute_target)
    run.refresh_from_db()
    return run


CODE = """
import json, os, sys
said = {"arguments": sys.argv[1:], "inputs": json.load(open(os.path.join(os.environ["MLPORTAL_RUN_DIR"], "inputs.json")))}
said["folders"] = {name: os.environ["AZUREML_DATAREFERENCE_" + name] for name in said["inputs"]}
said["content"] = {}
for name, folder in said["folders"].items():
    for above, _, names in os.walk(folder):
        for file in names:
            path = os.path.join(above, file)
            said["content"][name + ":" + os.path.relpath(path, folder)] = open(path).read()
            said["mode"] = oct(os.stat(path).st_mode & 0o777)
print(json.dumps(said))
"""


def test_the_files_are_there_before_the_first_line(queued: Submit, make: Make) -> None:
    several = make({"a.csv": b"1,2\n", "b/c.csv": b"3,4\n"}, "flowers", definition={"separator": ","}, kind="tabular")
    single = make({"data/only.txt": "größe".encode()})
    arguments = ["--data", "DatasetConsumptionConfig:several", "DatasetConsumptionConfig:single", "x"]
    arguments.append("DatasetConsumptionConfig:by_id")
    arguments += ["$AZUREML_DATAREFERENCE_several/b/c.csv", "$AZUREML_DATAREFERENCE_other", "$HOME"]
    inputs = [
        {"name": "several", "dataset": several.uid, "mode": "mount"},
        {"name": "single", "dataset": single.uid, "mode": "download"},
        {"name": "by_id", "dataset": several.uid},
    ]
    run = see_through(queued(CODE, arguments=arguments, inputs=inputs))
    assert run.status == RunStatus.COMPLETED, services.read_log(run, STDOUT).data
    said = json.loads(services.read_log(run, STDOUT).data)
    home = starting.run_directory(run) / "inputs"
    assert said["arguments"][:5] == ["--data", str(home / "several"), str(home / "single"), "x", several.uid]
    assert said["arguments"][5:] == [str(home / "several/b/c.csv"), "$AZUREML_DATAREFERENCE_other", "$HOME"]
    assert said["folders"] == {name: str(home / name) for name in ("several", "single", "by_id")}
    assert said["content"] == {
        "several:a.csv": "1,2\n",
        "several:b/c.csv": "3,4\n",
        "by_id:a.csv": "1,2\n",
        "by_id:b/c.csv": "3,4\n",
        "single:data/only.txt": "größe",
    }
    assert said["mode"] == "0o400"
    told = said["inputs"]["several"]
    assert {name: told[name] for name in ("uid", "name", "version", "kind", "mode", "definition", "path")} == {
        "uid": several.uid,
        "name": "flowers",
        "version": 1,
        "kind": "tabular",
        "mode": "mount",
        "definition": {"separator": ","},
        "path": str(home / "several"),
    }
    assert [(file["path"], file["size"]) for file in told["files"]] == [("a.csv", 4), ("b/c.csv", 4)]
    assert said["inputs"]["single"]["path"] == str(home / "single" / "data" / "only.txt")
    assert list(run.artifacts.values_list("path", flat=True)) == [STDOUT]  # inputs are no outputs
    assert not Path(settings.RUNS_DIR, run.uid).exists()


def test_a_run_without_data_has_no_inputs(queued: Submit) -> None:
    code = 'import os; print(sorted(set(os.listdir(os.environ["MLPORTAL_RUN_DIR"])) & {"inputs", "inputs.json"}))'
    run = see_through(queued(code))
    assert services.read_log(run, STDOUT).data == b"[]\n"


def test_damaged_bytes_are_given_to_no_script(queued: Submit, make: Make) -> None:
    version = make({"a.csv": b"1,2\n" * 100})
    run = queued(CODE, inputs=[{"name": "train", "dataset": version.uid}])
    from django.core.files.storage import default_storage

    stored = default_storage.path(Blob(digest=version.files.get().blob_id).key)
    os.chmod(stored, 0o600)
    Path(stored).write_bytes(b"9,9\n" * 100)
    see_through(run)
    assert run.status == RunStatus.FAILED
    assert run.failure is not None and "a.csv" in run.failure["message"] and "damaged" in run.failure["message"]
    assert not list(Path(settings.RUNS_DIR).iterdir())


def test_what_a_waiting_run_was_given_survives_the_sweeper(queued: Submit, make: Make) -> None:
    from datetime import timedelta

    from django.utils import timezone

    version = make({"a.csv": b"only here"})
    run = queued(CODE, inputs=[{"name": "train", "dataset": version.uid}])
    long_ago = timezone.now() - timedelta(days=100)
    DatasetVersion.objects.update(touched_at=long_ago)
    Blob.objects.update(created_at=long_ago)
    from experiments.models import UploadedBlob

    UploadedBlob.objects.update(at=long_ago)
    reaping.sweep()
    assert see_through(run).status == RunStatus.COMPLETED
