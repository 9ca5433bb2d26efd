"""Logs, metrics, downloads, and everything else that looks at what is there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command_line.conftest import Run
from tests.conftest import TINY
from tests.portal import Client
from tests.sdk.conftest import MINORS, interpreter
from tests.terminal import TerminalCommand

CODE = """
import os
from azureml.core import Run
run = Run.get_context()
for step in range(3):
    run.log("loss", 1.5 / (step + 1))
run.log("accuracy", float("nan"))
os.makedirs("outputs/deep", exist_ok=True)
open("outputs/model.txt", "wb").write(b"m" * 3_000_000)
open("outputs/deep/other.txt", "w").write("other")
open("logs/more.log", "w").write("more\\n")
print("bytes:", flush=True)
os.write(1, b"\\xff\\xfe\\n")
"""


@pytest.fixture(scope="module")
def finished(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("looking")
    (folder / "train.py").write_text(CODE)
    run = client.wait(client.submit(folder, "train.py", TINY, experiment="looking"))
    assert run["status"] == "Completed", run["failure"]
    return run


def test_a_run_has_many_names(finished: Any, mlportal: Run) -> None:
    uid = finished["id"]
    for name in (uid, uid[:6], f"looking/{finished['number']}"):
        assert mlportal("open", name).out.endswith(f"/runs/{uid}/\n")
    wrong = mlportal("open", "lookign/1")
    assert wrong.status == 4


def test_logs_are_the_bytes_of_the_script(finished: Any, environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlportal_sdk", "logs", finished["id"]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == b"bytes:\n\xff\xfe\n"


def test_other_logs_are_listed_and_shown(finished: Any, mlportal: Run) -> None:
    uid = finished["id"]
    listed = [log["name"] for log in mlportal("logs", uid, "--list", "--json").json]
    assert "user_logs/std_log.txt" in listed and "logs/more.log" in listed
    assert mlportal("logs", uid, "--name", "logs/more.log").out == "more\n"
    wrong = mlportal("logs", uid, "--name", "logs/mor.log")
    assert wrong.status == 4 and "Did you mean logs/more.log?" in wrong.err
    assert [one["text"] for one in mlportal("logs", uid, "--name", "logs/more.log", "--json").json] == ["more\n"]


def test_metrics_as_a_table_and_as_json(finished: Any, mlportal: Run) -> None:
    table = {line.split()[0]: line.split()[1:] for line in mlportal("metrics", finished["id"]).out.splitlines()}
    assert table["METRIC"] == ["LAST", "MIN", "MAX", "MEAN", "COUNT"]
    assert table["loss"] == ["0.5", "0.5", "1.5", "0.916667", "3"]
    assert "accuracy" in table
    assert {one["name"]: one["count"] for one in mlportal("metrics", finished["id"], "--json").json} == {
        "loss": 3,
        "accuracy": 1,
    }


@pytest.mark.parametrize("minor", MINORS)
def test_downloads_all_or_some_and_fetches_nothing_twice(
    minor: str, finished: Any, mlportal: Run, folder: Path
) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"Python {minor} is not installed")
    uid = finished["id"]
    done = mlportal("download", uid, "outputs/deep", "-o", "some", python=python)
    assert done.status == 0
    assert [path.read_text() for path in (folder / "some").rglob("*") if path.is_file()] == ["other"]
    assert done.out == f"{folder.resolve() / 'some' / 'outputs' / 'deep' / 'other.txt'}\n"
    assert mlportal("download", uid, "-o", "all", python=python).status == 0
    model = folder / "all" / "outputs" / "model.txt"
    assert model.read_bytes() == b"m" * 3_000_000
    before = model.stat().st_mtime_ns
    assert mlportal("download", uid, "-o", "all", python=python).status == 0
    assert model.stat().st_mtime_ns == before
    wrong = mlportal("download", uid, "outputs/modl.txt")
    assert wrong.status == 4 and "Did you mean outputs/model.txt?" in wrong.err


def test_a_download_writes_nothing_outside_of_its_folder(finished: Any, mlportal: Run, folder: Path) -> None:
    (folder / "outside").mkdir()
    (folder / "in").mkdir()
    (folder / "in" / "outputs").symlink_to(folder / "outside")
    done = mlportal("download", finished["id"], "outputs", "-o", "in")
    assert done.status == 6 and "outside of" in done.err
    assert not list((folder / "outside").iterdir())


def test_env_check_says_what_would_happen(mlportal: Run, folder: Path) -> None:
    good = mlportal("env", "check", "environment.yml")
    assert good.status == 0 and "Nothing in it is wrong." in good.out
    (folder / "bad.yml").write_text("dependencies:\n  - python=3.11\n  - pip:\n    - 'a b c'\n")
    bad = mlportal("env", "check", "bad.yml")
    assert bad.status == 1 and "bad.yml:4" in bad.out
    assert mlportal("env", "check", "bad.yml", "--json").json[0]["errors"]
    missing = mlportal("env", "check", "god.yml")
    assert missing.status == 2
    assert "sklearn-today" in mlportal("env", "list").out


def test_texts_of_others_draw_nothing_on_the_terminal(
    terminal: Callable[..., TerminalCommand], client: Client, tmp_path: Path
) -> None:
    """A name of a metric must not clear the screen of whoever lists runs."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "train.py").write_text("from azureml.core import Run\nRun.get_context().log('a\\x1b[2Jb', 1)\n")
    run = client.wait(client.submit(folder, "train.py", TINY, experiment="hostile"))
    for words in (["metrics", run["id"]], ["runs", "--experiment", "hostile"]):
        with terminal(*words) as command:
            assert command.end() == 0
            assert "a?[2Jb" in command.raw and "\x1b[2J" not in command.raw


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_their_options(shell: str, mlportal: Run, tmp_path: Path) -> None:
    script = mlportal("completion", shell).out
    for word in ("download", "as-of", "token-stdin", "check"):
        assert word in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "completion"
    path.write_text(script)
    assert subprocess.run([shell, "-n", str(path)], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mlportal dow", ["download"]),
        ("mlportal run --as", ["--as-of"]),
        ("mlportal env ch", ["check"]),
        ("mlportal env check --as", ["--as-of"]),
        ("mlportal -w lab runs --exp", ["--experiment"]),
        ("mlportal completion z", ["zsh"]),
        ("mlportal login --as", []),
    ],
)
def test_bash_completes(line: str, offered: list[str], mlportal: Run, tmp_path: Path) -> None:
    path = tmp_path / "completion"
    path.write_text(mlportal("completion", "bash").out)
    words = line.split()
    ask = f'source {path}; COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; _mlportal; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == offered


def test_every_command_has_help(mlportal: Run) -> None:
    usage = mlportal().out
    commands = [line.split()[0] for line in usage.splitlines() if line.startswith("    ") and line[4] != " "]
    assert len(commands) >= 13
    for command in commands:
        assert mlportal(command, "--help").status == 0


def test_the_documentation_has_every_command_and_exit_status(mlportal: Run) -> None:
    from mlportal_sdk.cli import status

    page = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "command-line.md").read_text()
    usage = mlportal().out
    commands = [line.split()[0] for line in usage.splitlines() if line.startswith("    ") and line[4] != " "]
    assert not [command for command in commands if f"mlportal {command}" not in page]
    numbers = {code for _, code in status.OF_ERROR} | {status.OK, status.FAILED, status.USAGE, status.INTERRUPTED}
    assert not [number for number in numbers if f"\n| {number} |" not in page]
