"""How a runner starts: detached, alone, fast, and with nothing of its caller's."""

from __future__ import annotations

import ast
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import experiments.runner
from experiments.runner import isolation, launch, linux, processes
from tests.runner.conftest import RealRun, is_running

MAIN = Path(experiments.runner.__file__).with_name("main.py")


def test_the_script_sees_its_own_environment_and_nothing_else(run: RealRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    code = "import os; print(sorted(os.environ.items()))\nprint(open('/proc/self/environ').read().count('secret'))"
    run.start(code, environment={"AZUREML_RUN_ID": "run_1"}).finish()
    seen, secrets = run.log.decode().splitlines()
    expected = {
        "AZUREML_RUN_ID": "run_1",
        "MLPORTAL_RUN_DIR": str(run.dir),
        "PATH": "/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
    }
    locale = {"LC_CTYPE": "C.UTF-8"}  # Python itself adds it
    assert {**locale, **dict(ast.literal_eval(seen))} == {**locale, **expected}
    assert secrets == "0"


def test_the_runner_carries_no_secret_of_its_caller(run: RealRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    run.start("print('ready')\nimport time; time.sleep(60)")
    run.saw(b"ready")
    for pid in (run.pid, run.inner_pid):
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_the_script_has_three_descriptors_a_session_and_default_signals(run: RealRun) -> None:
    inherited = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    code = """
import os, signal
print(sorted(fd for fd in range(100) if os.path.exists(f"/proc/self/fd/{fd}")))
print(os.getsid(0) == os.getpid(), os.readlink("/proc/self/fd/0"), signal.getsignal(signal.SIGHUP) == signal.SIG_DFL)
print(oct(os.umask(0)), os.getcwd().endswith("/work"), sorted(os.listdir()))
"""
    try:
        run.start(code).finish()
    finally:
        os.close(inherited)
    assert run.log.decode().splitlines() == [
        "[0, 1, 2]",
        "True /dev/null True",
        "0o77 True ['logs', 'outputs', 'train.py']",
    ]


def test_the_runner_is_neither_child_nor_zombie_of_its_caller(run: RealRun) -> None:
    others = set(zombies())  # what another test of this process has left
    run.start("print('ready')\nimport time; time.sleep(60)")
    run.saw(b"ready")
    guardian = processes.read(run.pid)
    assert guardian and guardian.parent != os.getpid()
    assert os.getsid(run.pid) == run.pid != os.getsid(0)
    assert set(zombies()) <= others


def zombies() -> list[processes.Process]:
    return [child for child in processes.table() if child.parent == os.getpid() and child.state == "Z"]


def test_the_runner_outlives_the_process_that_started_it(run: RealRun) -> None:
    (run.dir / "work/train.py").write_text("import time; time.sleep(0.5); print('done')")
    run.spec([sys.executable, "-S", "train.py"])
    code = (
        "import os, signal, sys; from pathlib import Path; from experiments.runner import launch\n"
        "launch.start(Path(sys.argv[1])); os.killpg(0, signal.SIGKILL)"
    )
    root = Path(experiments.runner.__file__).parents[2]
    starter = subprocess.run(
        [sys.executable, "-c", code, str(run.dir)], env={"PYTHONPATH": str(root)}, start_new_session=True, timeout=20
    )
    assert starter.returncode < 0
    assert run.finish().succeeded and run.log == b"done\n"


def test_a_second_runner_is_refused_and_touches_nothing(run: RealRun) -> None:
    run.start("print('ready')\nimport time; time.sleep(60)")
    run.saw(b"ready")
    before = {path.name: path.stat().st_ino for path in run.dir.iterdir()}
    second = subprocess.run([sys.executable, "-I", "-S", str(MAIN), str(run.dir)], timeout=20)
    assert second.returncode == 75
    with pytest.raises(launch.AlreadyRunning):
        launch.start(run.dir)
    assert {path.name: path.stat().st_ino for path in run.dir.iterdir()} == before
    assert is_running(run.script_pid) and run.log == b"ready\n"


def test_a_directory_is_run_once(run: RealRun) -> None:
    run.start("print('once')").finish()
    with pytest.raises(launch.AlreadyRunning):
        launch.start(run.dir)
    assert run.log == b"once\n"


def test_asking_whether_it_lives_never_gets_in_the_way_of_a_start(run: RealRun) -> None:
    run.spec(["/bin/true"])
    with (run.dir / "runner.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # what is_alive does, for longer
        starting = subprocess.Popen([sys.executable, "-I", "-S", str(MAIN), str(run.dir)])
        time.sleep(0.1)
    assert starting.wait(20) == 0
    assert run.finish().succeeded


def test_a_missing_directory_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(launch.RunnerError, match="No such file"):
        launch.start(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        launch.prepare_directory(tmp_path)


def test_the_runner_loads_the_standard_library_alone(run: RealRun) -> None:
    (run.dir / "work" / "json.py").write_text("raise SystemExit('the run folder was imported')")
    code = (
        f"import sys; sys.argv = ['main.py']; sys.path.append({str(MAIN.parents[2])!r})\n"
        "import experiments.runner.guardian\n"
        "print([n for n, m in sys.modules.items() if 'site-packages' in str(getattr(m, '__file__', ''))])\n"
        "print(sorted({'typing', 'dataclasses', 'pathlib', 'subprocess', 'asyncio'} & set(sys.modules)))"
    )
    seen = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, cwd=run.dir / "work", timeout=20
    )
    assert seen.stdout == "[]\n[]\n", seen.stderr


def test_a_runner_starts_within_milliseconds(new_run: Callable[[], RealRun]) -> None:
    taken = []
    for _ in range(5):
        run = new_run()
        run.spec(["/bin/true"])
        before = time.perf_counter()
        run.pid = launch.start(run.dir)
        taken.append(time.perf_counter() - before)
        run.finish()
    assert min(taken) < 0.1, taken  # about 30 ms on a quiet machine; the suite shares its cores


def test_the_isolation_says_what_it_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    layer = isolation.select()
    assert layer.wrap(["python", "a b"], str(tmp_path)) == ["python", "a b"]
    assert "no filesystem" in layer.describe() and "ends with it" in layer.describe()
    monkeypatch.setattr(linux, "HAS_PRCTL", False)
    assert "no prctl" in layer.describe()
