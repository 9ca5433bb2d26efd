"""What MLflow's own clients have logged elsewhere, moved here and back, and read by a real client on both sides.

Everything is moved once, and each test looks at one side of it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.mlflow.conftest import Mlflow
from tests.portal import Portal

HERE = Path(__file__).parent
# One process for all commands: each start of Django takes longer than its work.
MOVE = """
import json, sys
from django.core.management import CommandError, call_command
from mlportal.access import services
from mlportal.access.models import User
admin = User.objects.get(username="admin")
for name in ("from-folder", "from-server", "from-file", "from-old-file"):
    services.create_workspace(name, by=admin)
for words in json.loads('''{commands}'''):
    try:
        call_command(*words)
    except CommandError as error:
        print("ERROR", error)
"""
Said = dict[str, Any]
GREATEST: Final = "1.7976931348623157e+308"  # which MLflow's databases make of infinity


@dataclass(frozen=True)
class Moved:
    """What the newest client reads at each place, and what the commands wrote."""

    output: list[str]
    from_files: list[str]
    ids: dict[str, str]
    folder: Said
    in_portal: Said
    folder_again: Said
    server: Said
    server_in_portal: Said
    file: Said
    file_in_portal: Said
    old_file: Said
    old_file_in_portal: Said


@pytest.fixture(scope="module")
def moved(
    portal: Portal, mlflow_server: str, client_python: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Moved:
    home = tmp_path_factory.mktemp("port")
    environment = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_TRACKING_TOKEN": portal.token}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_DISABLE_AUTH": "true"}

    pythons = {which: client_python(which) for which in ("2.x", "newest")}

    def run(which: str, uri: str, *words: str, cwd: Path = home) -> str:
        place = {"MLFLOW_TRACKING_URI": uri} if uri else {}
        done = subprocess.run(
            [pythons[which], *words], env={**environment, **place}, cwd=cwd, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    folder, again = home / "mlruns", home / "again" / "mlruns"
    file, old_file = home / "project" / "mlflow.db", home / "old project" / "runs.db"
    for each in (file, old_file):
        each.parent.mkdir()
    fill = str(HERE / "port_fill.py")
    with ThreadPoolExecutor() as pool:  # four processes, which mostly wait for their imports and for the disk
        filled = [
            pool.submit(run, "newest", mlflow_server, fill, "new "),
            pool.submit(run, "2.x", folder.as_uri(), fill, "old "),
            pool.submit(run, "newest", "", fill, "new ", cwd=file.parent),  # who says nothing gets a database
            pool.submit(run, "2.x", f"sqlite:///{old_file}", fill, "old ", cwd=old_file.parent),
        ]
    told = [each.result() for each in filled]
    ids = dict(line.split() for line in told[0].splitlines() if len(line.split()) == 2)
    imports = [
        ["import_mlflow", str(folder), "--workspace", "from-folder"],
        ["import_mlflow", mlflow_server, "--workspace", "from-server"],
    ]
    exports = [
        ["export_mlflow", str(again), "--workspace", "from-folder"],
        ["export_mlflow", mlflow_server, "--workspace", "from-folder"],
    ]
    files = [
        ["import_mlflow", str(file.parent), "--workspace", "from-file"],
        ["import_mlflow", str(old_file), "--workspace", "from-old-file"],
    ]
    commands = [*imports, *imports, *exports, exports[1], *files, *files]
    output = portal.manage("shell", "-v", "0", "-c", MOVE.format(commands=json.dumps(commands)))
    places = [
        folder.as_uri(),
        f"{portal.url}/w/from-folder",
        again.as_uri(),
        mlflow_server,
        f"{portal.url}/w/from-server",
        f"sqlite:///{file}",
        f"{portal.url}/w/from-file",
        f"sqlite:///{old_file}",
        f"{portal.url}/w/from-old-file",
    ]
    run("newest", "", "-m", "mlflow", "db", "upgrade", f"sqlite:///{old_file}")  # or the newest client does not read it
    run("newest", "", str(HERE / "port_read.py"), str(home / "said.json"), *places)
    said = json.loads((home / "said.json").read_text())
    written = output.splitlines()
    return Moved(written[:-4], written[-4:], ids, *said)


def test_nothing_is_missing_and_a_second_time_nothing_is_new(moved: Moved) -> None:
    registry, logged = "2 registered models, 2 versions", "2 logged models already here"
    assert moved.output[:4] == [
        f"Imported into from-folder: 4 experiments, 8 runs, 2009 points, 8 files, {registry}",
        f"Imported into from-server: 4 experiments, 8 runs, 2010 points, 8 files, 2 logged models, {registry}",
        f"Imported into from-folder: 4 experiments already here, 8 runs already here, {registry} already here",
        f"Imported into from-server: 4 experiments already here, 8 runs already here, {logged}, {registry} already here",
    ]
    assert not [line for line in moved.output if "Not moved" in line or line.startswith("ERROR")]


def test_a_folder_of_an_old_client_is_here_as_it_was(moved: Moved) -> None:
    same(moved.folder, moved.in_portal)


def test_a_server_with_all_that_mlflow_3_knows_is_here_as_it_was(moved: Moved) -> None:
    came = {kind: dict(rows) for kind, rows in moved.server.items()}
    names = set(moved.server_in_portal["experiments"])
    for kind in ("runs", "models"):  # the export to this server came later
        came[kind] = {key: row for key, row in came[kind].items() if not from_here(row)}
    came["experiments"] = {name: row for name, row in came["experiments"].items() if name in names}
    came["registered"] = {name: row for name, row in came["registered"].items() if name.startswith("new ")}
    same(came, moved.server_in_portal)
    assert len(came["models"]) == 2 and came["runs"][moved.ids["child"]]["model inputs"] == [moved.ids["model"]]


def test_database_files_of_both_are_here_as_they_were(moved: Moved) -> None:
    """The old one is read by the newest client after MLflow has upgraded it, and was imported before."""
    for file, here in ((moved.file, moved.file_in_portal), (moved.old_file, moved.old_file_in_portal)):
        same(file, finite(here))
    assert len(moved.file_in_portal["models"]) == 2 and '"inf"' in json.dumps(moved.file_in_portal)


def test_database_files_bring_what_folder_and_server_do_and_a_second_time_nothing(moved: Moved) -> None:
    registry, logged = "2 registered models, 2 versions", "2 logged models"
    gone, here = "1 deleted logged models left out", "4 experiments already here, 8 runs already here"
    assert moved.from_files == [
        f"Imported into from-file: 4 experiments, 8 runs, 2010 points, 8 files, {logged}, {gone}, {registry}",
        f"Imported into from-old-file: 4 experiments, 8 runs, 2009 points, 8 files, {registry}",
        f"Imported into from-file: {here}, {logged} already here, {gone}, {registry} already here",
        f"Imported into from-old-file: {here}, {registry} already here",
    ]


def test_a_written_folder_is_read_as_what_it_came_from(moved: Moved) -> None:
    """Registered versions name the files of the new folder."""
    again = json.loads(json.dumps(moved.folder_again))
    for name, model in again["registered"].items():
        for number, version in model["versions"].items():
            assert "/again/mlruns/" in version["source"]
            version["source"] = moved.folder["registered"][name]["versions"][number]["source"]
    same(moved.folder, again)


def test_a_server_has_what_was_sent_to_it_under_new_ids(moved: Moved) -> None:
    sent = {key: row for key, row in moved.server["runs"].items() if from_here(row)}
    new_ids = {row["tags"]["mlportal.run_id"]: key for key, row in sent.items()}
    assert new_ids.keys() == moved.in_portal["runs"].keys() and not set(new_ids.values()) & new_ids.keys()
    for uid, here in moved.in_portal["runs"].items():
        there = json.loads(json.dumps(sent[new_ids[uid]]))
        assert there["tags"].pop("mlportal.run_id") == uid
        if parent := here["tags"].get("mlflow.parentRunId"):
            assert there["tags"].pop("mlflow.parentRunId") == new_ids[parent]
            there["tags"]["mlflow.parentRunId"] = parent
        assert there == finite(here)
    for name, here in moved.in_portal["registered"].items():
        there = moved.server["registered"][name]
        assert (there["description"], there["tags"], there["aliases"]) == (
            here["description"],
            here["tags"],
            here["aliases"],
        )
        assert there["versions"].keys() == here["versions"].keys()  # a number that was deleted is not given again
        for number, version in here["versions"].items():
            new = there["versions"][number]
            assert new["tags"].pop("mlportal.version") == number
            for field in ("stage", "description", "tags", "aliases", "files", "doubles"):
                assert new[field] == version[field], field
            assert new["run"] == new_ids[version["run"]]


def test_what_was_sent_already_is_not_sent_again(moved: Moved) -> None:
    assert moved.output[-1].endswith(
        ": 4 experiments, 8 runs already there, 2 registered models, 2 versions already there"
    )


def test_a_run_that_goes_on_here_can_be_logged_to_and_ended(moved: Moved, portal: Portal) -> None:
    api = Mlflow(portal.url, portal.token, "from-server")
    run_id = moved.ids["running"]
    assert api.run(run_id)["info"]["status"] == "RUNNING"
    api.post("runs/log-metric", run_id=run_id, key="later", value=1, timestamp=1)
    api.post("runs/update", run_id=run_id, status="FINISHED", end_time=1_900_000_000_000)
    assert api.run(run_id)["info"]["end_time"] == 1_900_000_000_000


def same(source: Any, copy: Any, place: str = "") -> None:
    """Field by field, so that a failure tells which."""
    if isinstance(source, dict) and isinstance(copy, dict):
        assert source.keys() == copy.keys(), place
        for key, value in source.items():
            same(value, copy[key], f"{place}/{key}")
    else:
        assert copy == source, place


def from_here(row: Said) -> bool:
    return "mlportal.run_id" in row["tags"] or "mlportal.model_id" in row["tags"]


def finite(said: Said) -> Said:
    text = json.dumps(said)
    return json.loads(text.replace('"inf"', f'"{GREATEST}"').replace('"-inf"', f'"-{GREATEST}"'))  # type: ignore[no-any-return]
