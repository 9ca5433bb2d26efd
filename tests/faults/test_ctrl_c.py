"""The end of a portal, and the next start: nothing is left behind unless it was asked for, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.conftest import TINY
from tests.faults.conftest import STEADY, VARIABLES, assert_exactly_once, is_at
from tests.portal import Client, Portal, wait_until


def folder_with(tmp_path: Path, code: str) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(code)
    return folder


def submit(client: Client, tmp_path: Path, code: str, *arguments: str, definition: str = TINY) -> str:
    return client.submit(folder_with(tmp_path, code), "train.py", definition, arguments=list(arguments))


def test_the_ends_of_a_portal(tmp_path: Path) -> None:
    """One story, because every start costs seconds."""
    portal = Portal(tmp_path / "home", VARIABLES)

    # Ctrl-C ends what runs, and leaves no process of any kind.
    portal.start()
    with portal.client() as client:
        sleeper = submit(client, tmp_path, "import time\nprint('on', flush=True)\ntime.sleep(300)\n")
        is_at(client, sleeper, 1)
    portal.stop()
    wait_until(lambda: not portal.processes(), seconds=5, what=f"nobody is left: {portal.processes()}")
    assert "Ending 1 running scripts" in portal.log

    # The next start tells how it ended; asked to leave the scripts alone, it does.
    portal.start("--leave-runs")
    with portal.client() as client:
        assert client.wait(sleeper, seconds=30)["status"] == "Canceled"
        assert client.get(f"runs/{sleeper}/events/")[-1]["reason"] == "ended when the portal was stopped"
        assert client.log(sleeper) == "on\n"
        left = submit(client, tmp_path, STEADY, "500", "10")
        is_at(client, left, 30)
    portal.stop()
    assert {psutil.Process(process.pid).ppid() for process in portal.processes()}  # its runner and its script go on
    assert "1 scripts go on running" in portal.log

    # Killed without a word, its children end by themselves; the script goes on, and every line arrives once.
    portal.start()
    with portal.client() as client:
        seen = client.log(left).count("\n")
        is_at(client, left, seen + 30)
    assert portal.process is not None
    children = psutil.Process(portal.process.pid).children()
    portal.process.kill()
    portal.process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
    portal.process = None
    portal.start()
    with portal.client() as client:
        assert_exactly_once(client, left)

        # Ctrl-C in the middle of a build: no uv is left, no half environment, and the run has not failed.
        definition = TINY + "  - scikit-learn\n  - pandas\n  - matplotlib\n"
        builder = submit(client, tmp_path, "print('built')\n", definition=definition)
        wait_until(lambda: _uv(portal) or client.run(builder)["status"] != "Preparing", what="uv works")
        portal.stop()
    wait_until(lambda: not portal.processes(), seconds=5, what=f"nobody is left: {portal.processes()}")
    assert not list((portal.home / "environments").glob(".building-*"))
    with portal, portal.client() as client:
        assert client.wait(builder, seconds=120)["status"] == "Completed"


def _uv(portal: Portal) -> bool:
    return any(Path(process.exe()).name == "uv" for process in portal.processes())
