"""`mlportal run`: what is uploaded, what is shown where, and what it exits with."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlportal_sdk import blobs
from mlportal_sdk import client as sdk

from tests.command_line.conftest import Run
from tests.portal import Client, Portal
from tests.sdk.conftest import MINORS, interpreter
from tests.terminal import CTRL_C, TerminalCommand

Terminal = Callable[..., TerminalCommand]
HELLO = """
import os, sys
from azureml.core import Run
print("hello", sys.argv[1:], os.environ.get("FLOWER"), sorted(os.listdir(".")))
Run.get_context().log("loss", 0.25)
"""
SLOW = """
import sys, time
for second in range(int(sys.argv[1]) * 10):
    print("tick", second, flush=True)
    time.sleep(0.1)
"""


@pytest.mark.parametrize("minor", MINORS)
def test_it_uploads_submits_and_shows_what_the_script_prints(
    minor: str, mlportal: Run, folder: Path, client: Client
) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"Python {minor} is not installed")
    (folder / "train.py").write_text(HELLO)
    (folder / ".amlignore").write_text("*.csv\n")
    (folder / "data.csv").write_text("1")
    done = mlportal(
        *("run", "train.py", "--experiment", f"hello-{minor}", "--tag", "area=iris", "--tag", "trial"),
        *("--variable", "FLOWER=setosa", "--name", "first", "--", "--kernel", "linear", "--", "-x"),
        python=python,
    )
    assert done.status == 0, done.err
    files = [".amlignore", "environment.yml", "logs", "outputs", "train.py"]
    assert done.out == f"hello {['--kernel', 'linear', '--', '-x']} setosa {files}\n"
    assert "1 left out" in done.err and "Completed" in done.err
    [run] = mlportal("runs", "--experiment", f"hello-{minor}", "--json", python=python).json
    assert (run["name"], run["tags"], run["metrics"]) == ("first", {"area": "iris", "trial": None}, {"loss": 0.25})
    assert f"/runs/{run['id']}/" in done.err
    uid = run["id"]
    assert mlportal("metrics", uid, python=python).out.splitlines()[1].split() == ["loss", *["0.25"] * 4, "1"]
    assert mlportal("logs", uid, python=python).out == done.out


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("raise SystemExit(7)", 7, "Failed"),
        ("raise ValueError('no data')", 1, "ValueError: no data"),
        ("import os; os.kill(os.getpid(), 11)", 128 + 11, "Failed"),
    ],
)
def test_it_exits_with_the_scripts_status(code: str, status: int, said: str, mlportal: Run, folder: Path) -> None:
    (folder / "train.py").write_text(code)
    done = mlportal("run", "train.py")
    assert done.status == status
    assert said in done.err
    assert mlportal("logs", "-f", "last").status == status


def test_an_environment_that_cannot_be_built_is_1_and_says_why(mlportal: Run, folder: Path) -> None:
    (folder / "train.py").write_text("print(1)")
    (folder / "environment.yml").write_text(
        "dependencies:\n  - python=3.11\n  - pip:\n    - no-such-package-at-all==9\n"
    )
    done = mlportal("run", "train.py")
    assert done.status == 1
    assert "no-such-package-at-all" in done.err
    assert done.out == ""


def test_a_dataset_is_an_input_by_name(mlportal: Run, folder: Path, portal: Portal) -> None:
    workspace = sdk.Client(portal.url, portal.token).workspace("default")
    for content in (b"old", b"new"):
        files = [blobs.of_bytes(content, "flowers.csv")]
        wish = {"name": "flowers", "create_new_version": True, "entries": blobs.entries_of(files)}
        workspace.name_files("datasets/", wish, files)
    (folder / "train.py").write_text(
        "import os, sys\n"
        "for name in ('new', 'old'):\n"
        "    print(open(os.path.join(os.environ['AZUREML_DATAREFERENCE_' + name], 'flowers.csv')).read())\n"
    )
    done = mlportal("run", "train.py", "--input", "new=flowers", "--input", "old=flowers:1")
    assert done.out == "new\nold\n", done.err
    missing = mlportal("run", "train.py", "--input", "data=flower")
    assert missing.status == 4 and "Did you mean flowers?" in missing.err


def test_in_a_run_the_client_uses_the_runs_own_token(mlportal: Run, folder: Path) -> None:
    (folder / "train.py").write_text(
        "import os\n"
        "from mlportal_sdk.client import Client\n"
        "from mlportal_sdk import config, errors\n"
        "workspace = Client.from_environment().workspace(config.of_environment().workspace)\n"
        "uid = os.environ['AZUREML_RUN_ID']\n"
        "print(workspace.get('runs/' + uid + '/')['status'])\n"
        "try:\n"
        "    workspace.post('environments/', {'name': 'x', 'definition': ''})\n"
        "except errors.NotAllowed:\n"
        "    print('only itself')\n"
    )
    done = mlportal("run", "train.py")
    assert done.out == "Running\nonly itself\n", done.err


def test_detached_it_prints_the_id_alone(mlportal: Run, folder: Path, client: Client) -> None:
    (folder / "train.py").write_text("print(1)")
    done = mlportal("run", "train.py", "--detach")
    assert done.status == 0
    assert client.wait(done.out.strip())["status"] == "Completed"


def test_with_json_every_line_is_an_event_and_the_last_has_the_run(mlportal: Run, folder: Path) -> None:
    (folder / "train.py").write_text("print('caf\u00e9'); raise SystemExit(3)")
    done = mlportal("run", "train.py", "--json")
    assert done.status == 3
    first, *between, last = done.json
    assert first["event"] == "submitted" and first["run"]["id"] == last["run"]["id"]
    assert "".join(one["data"]["text"] for one in between if one["event"] == "log") == "caf\u00e9\n"
    assert last["event"] == "end" and last["run"]["exit_code"] == 3


def test_a_requirements_file_and_a_named_environment_do_as_well(mlportal: Run, folder: Path) -> None:
    (folder / "train.py").write_text("import six; print(six.PY3)")
    (folder / "requirements.txt").write_text("# for this\nsix>=1.10 ; python_version >= '3'\n")
    assert mlportal("run", "train.py", "--env", "requirements.txt", "--experiment", "pip-env").out == "True\n"
    assert mlportal("run", "train.py", "--env", "pip-env:1").out == "True\n"
    missing = mlportal("run", "train.py", "--env", "pip-evn")
    assert (missing.status, missing.out) == (4, "")
    assert "Did you mean pip-env?" in missing.err


def test_a_script_in_a_folder_below_runs_with_the_whole_folder(mlportal: Run, folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "train.py").write_text("import os; print(sorted(os.listdir('src')), os.path.exists('data.txt'))")
    (folder / "data.txt").write_text("1")
    assert mlportal("run", "src/train.py").out == "['train.py'] True\n"
    only = mlportal("run", "train.py", "--source", "src", "--env", "environment.yml")
    assert "No such file" in only.err and only.status == 1  # there is no src in src


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["run", "trian.py"], 2, "Did you mean train.py?"),
        (["run", "train.py", "--env", "enviroment.yml"], 2, "Did you mean environment.yml?"),
        (["run", "train.py", "--target", "locl"], 6, "Did you mean local?"),
        (["run", "train.py", "--as-of", "yesterday"], 2, "YYYY-MM-DD"),
        (["run", "train.py", "--tag", "=x"], 2, "KEY=VALUE"),
        (["run", "../train.py", "--source", "."], 2, "no file"),
        (["run", "train.py", "--experimnt", "x"], 2, "Did you mean --experiment?"),
        (["run", "train.py", "--kernel", "linear"], 2, "The script's own come after --"),
        (["rnu", "train.py"], 2, "Did you mean run"),
        (["runs", "--experiment", "no-such"], 4, "no experiment no-such"),
        (["logs", "feedfeed"], 4, "no run feedfeed"),
        (["runs", "--", "x"], 2, "only `mlportal run`"),
    ],
)
def test_a_mistake_is_answered_with_what_may_be_meant(
    words: list[str], status: int, said: str, mlportal: Run, folder: Path
) -> None:
    (folder / "train.py").write_text("print(1)")
    done = mlportal(*words)
    assert (done.status, done.out) == (status, "")
    assert said in done.err


def test_ctrl_c_asks_and_cancels(terminal: Terminal, folder: Path, mlportal: Run) -> None:
    (folder / "train.py").write_text(SLOW)
    with terminal("run", "train.py", "--experiment", "canceled", "--", "60") as command:
        command.expect("tick 3")
        command.write(CTRL_C)
        command.expect("[c]ancel")
        command.write("c\n")
        assert command.end() == 130
        assert "Canceled" in command.text
    [run] = mlportal("runs", "--experiment", "canceled", "--json").json
    assert run["status"] == "Canceled"


def test_ctrl_c_and_enter_goes_on_and_loses_nothing(terminal: Terminal, folder: Path) -> None:
    (folder / "train.py").write_text(SLOW)
    with terminal("run", "train.py", "--", "3") as command:
        command.expect("tick 3")
        command.write(CTRL_C)
        command.expect("[c]ancel")
        time.sleep(0.5)
        command.write("\n")
        assert command.end() == 0
        ticks = [line for line in command.text.splitlines() if line.startswith("tick")]
        assert ticks == [f"tick {number}" for number in range(30)]


@pytest.mark.parametrize("answer", [CTRL_C, "l\n"])
def test_ctrl_c_can_leave_the_run_running(
    answer: str, terminal: Terminal, folder: Path, mlportal: Run, client: Client
) -> None:
    (folder / "train.py").write_text(SLOW)
    with terminal("run", "train.py", "--experiment", "left", "--", "60") as command:
        command.expect("tick 3")
        command.write(CTRL_C)
        command.expect("[c]ancel")
        command.write(answer)
        assert command.end() == 130
        assert "mlportal logs -f" in command.text
    run = mlportal("runs", "--experiment", "left", "--json").json[0]
    assert (run["status"], run["cancel_requested_at"]) == ("Running", None)
    assert mlportal("cancel", run["id"]).status == 0
    assert client.wait(run["id"])["status"] == "Canceled"


def test_without_a_terminal_an_interrupt_leaves_the_run_running(
    environment: dict[str, str], folder: Path, client: Client
) -> None:
    (folder / "train.py").write_text(SLOW)
    command = [sys.executable, "-m", "mlportal_sdk", "run", "train.py", "--experiment", "piped", "--", "60"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"tick 0\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"The run goes on" in said
    run = client.get("runs/", experiment="piped")["results"][0]
    assert run["status"] == "Running"
    client.post(f"runs/{run['id']}/cancel/")


@pytest.mark.parametrize("minor", ["3.6", "3.13"])
def test_a_portal_that_goes_away_in_the_middle_is_waited_for(
    minor: str, terminal: Terminal, folder: Path, portal: Portal
) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"Python {minor} is not installed")
    (folder / "train.py").write_text(SLOW)
    with terminal("run", "train.py", "--", "8", python=python) as command:
        command.expect("tick 3\n")
        portal.kill("web")
        command.expect("The connection to the portal is lost")
        command.expect("The portal is there again")
        assert command.end() == 0
        ticks = [line for line in command.text.splitlines() if line.startswith("tick")]
        assert ticks == [f"tick {number}" for number in range(80)]


def test_on_a_terminal_there_is_a_bar_and_colour_and_with_no_color_none(terminal: Terminal, folder: Path) -> None:
    (folder / "train.py").write_text("print(1)")
    (folder / "data.bin").write_bytes(bytes(range(256)) * 40_000)
    with terminal("run", "train.py") as command:
        assert command.end() == 0
        assert "Uploading" in command.raw and "100%" in command.raw
        assert "\x1b[32mCompleted" in command.raw
    with terminal("run", "train.py", NO_COLOR="1") as command:
        assert command.end() == 0
        assert "Uploading" not in command.raw  # the portal knows the bytes
        assert "\x1b[3" not in command.raw and "\x1b[1m" not in command.raw


def test_a_reader_that_stops_reading_ends_it_quietly(environment: dict[str, str], folder: Path, mlportal: Run) -> None:
    (folder / "train.py").write_text("print('x' * 100 + '\\n', end='') \nfor i in range(200000): print(i)")
    assert mlportal("run", "train.py", "--experiment", "long").status == 0
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m mlportal_sdk logs last | head -1"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("x" * 100 + "\n", "", 141)
