"""Building, finding again, and what is left after every way of not finishing."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from experiments.environments import (
    BuildError,
    BuiltEnvironment,
    Canceled,
    EnvironmentSpec,
    Interpreter,
    InterpreterNotFound,
    Lock,
    TimedOut,
    build,
    choose,
    discover,
    find,
    parse_conda_yaml,
    resolve,
    sweep,
)
from tests.environments.conftest import MakeWheel

BUILDER = Path(__file__).with_name("builder.py")
REPOSITORY = BUILDER.parents[2]
Build = Callable[..., BuiltEnvironment]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "environments"


@pytest.fixture
def build_it(root: Path, interpreter: Interpreter, uv_path: Path, cache_dir: Path) -> Build:
    def run(lock: Lock, **other: Any) -> BuiltEnvironment:
        settings = {"log": lambda line: None, "cancelled": lambda: False, "uv": uv_path, "cache_dir": cache_dir}
        return build(lock, interpreter, root, **{**settings, "timeout": 60, **other})

    return run


@pytest.fixture
def lock(make_wheel: MakeWheel, interpreter: Interpreter) -> Lock:
    make_wheel("hello", "1.0", script=True)
    return Lock("hello==1.0\n", (("hello", "1.0"),), str(interpreter.version), interpreter.platform)


def run_builder(lock: Lock, root: Path, uv: Path, cache_dir: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, BUILDER, json.dumps(lock.as_dict()), root, uv, cache_dir],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def remains(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name != ".locks")


def test_a_built_environment_works_where_it_lies(lock: Lock, build_it: Build, root: Path) -> None:
    log: list[str] = []
    environment = build_it(lock, log=log.append)
    assert (environment.hit, environment.path, remains(root)) == (False, root / lock.key, [lock.key])
    assert environment.size_bytes > 0
    said = subprocess.run([environment.python, "-c", "import hello; hello.main()"], capture_output=True, text=True)
    assert said.stdout == "1.0\n"
    script = subprocess.run([environment.path / "bin" / "hello"], capture_output=True, text=True)
    assert script.stdout == "1.0\n", "the scripts of a renamed environment have to find their Python"
    assert any("hello==1.0" in line for line in log)


def test_the_second_time_it_is_found_without_uv_and_at_once(lock: Lock, build_it: Build, root: Path) -> None:
    build_it(lock)
    log: list[str] = []
    again = build_it(lock, uv=Path("/nowhere/uv"), log=log.append)
    assert again.hit and "there already" in log[0]
    times = []
    for _ in range(20):
        started = time.perf_counter()
        assert find(root, lock.key) is not None
        times.append(time.perf_counter() - started)
    assert min(times) < 0.002


def test_an_environment_of_no_packages_is_built(interpreter: Interpreter, build_it: Build) -> None:
    environment = build_it(Lock("", (), str(interpreter.version), interpreter.platform))
    assert subprocess.run([environment.python, "-c", ""]).returncode == 0


def test_relative_folders_are_those_of_the_portal(
    lock: Lock,
    build_it: Build,
    interpreter: Interpreter,
    uv_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = build(
        lock,
        interpreter,
        Path("here"),
        log=lambda line: None,
        cancelled=lambda: False,
        uv=uv_path,
        cache_dir=Path("cache"),
        timeout=60,
    )
    assert environment.path == tmp_path / "here" / lock.key


def test_four_who_ask_at_once_get_one_build(
    lock: Lock, root: Path, wrap_uv: Callable[[str], Path], cache_dir: Path
) -> None:
    slow = wrap_uv("echo once >> $STARTED; sleep 0.7")
    processes = [run_builder(lock, root, slow, cache_dir) for _ in range(4)]
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert sorted(answer["hit"] for answer in answers) == [False, True, True, True]
    assert (root.parent / "started").read_text() == "once\n"
    assert any("waiting" in line for answer in answers for line in answer["log"])
    assert remains(root) == [lock.key]


def test_kill_9_in_the_middle_leaves_nothing_that_is_used(
    lock: Lock, root: Path, wrap_uv: Callable[[str], Path], uv_path: Path, cache_dir: Path, build_it: Build
) -> None:
    slow = wrap_uv("echo $$ > $STARTED; sleep 1")
    process = run_builder(lock, root, slow, cache_dir)
    started = root.parent / "started"
    wait_for(lambda: started.exists() and started.read_text().endswith("\n"))
    process.kill()
    process.communicate()
    left_behind = int(started.read_text())
    assert remains(root) == [f".building-{lock.key}"]
    assert find(root, lock.key) is None
    assert sweep(root) == 0, "the uv that was left behind still writes there"

    log: list[str] = []
    environment = build_it(lock, log=log.append)
    assert is_gone(left_behind), "whoever builds next waits until nobody writes into the remains"
    assert any("waiting" in line for line in log)
    assert not environment.hit
    assert remains(root) == [lock.key]
    assert subprocess.run([environment.python, "-c", "import hello"]).returncode == 0


@pytest.fixture
def slow_to_start(make_wheel: MakeWheel, interpreter: Interpreter, tmp_path: Path) -> Lock:
    """A package that holds up every start of its Python, the check of the new environment being the first."""
    started = tmp_path / "started"
    make_wheel("slow", "1.0", pth=f"import time; open({str(started)!r}, 'w').close(); time.sleep(1)\n")
    return Lock("slow==1.0\n", (("slow", "1.0"),), str(interpreter.version), interpreter.platform)


def test_kill_9_during_the_check_keeps_others_out_until_the_check_has_ended(
    slow_to_start: Lock, root: Path, uv_path: Path, cache_dir: Path, build_it: Build
) -> None:
    process = run_builder(slow_to_start, root, uv_path, cache_dir)
    wait_for((root.parent / "started").exists)
    process.kill()
    process.communicate()
    assert find(root, slow_to_start.key) is None
    assert sweep(root) == 0
    assert not build_it(slow_to_start).hit
    assert remains(root) == [slow_to_start.key]


def test_cancel_is_heard_during_the_check(slow_to_start: Lock, root: Path, build_it: Build) -> None:
    with pytest.raises(Canceled):
        build_it(slow_to_start, cancelled=(root.parent / "started").exists)
    assert remains(root) == []


def test_cancel_ends_uv_at_once_and_leaves_nothing(
    lock: Lock, root: Path, wrap_uv: Callable[[str], Path], build_it: Build
) -> None:
    started = root.parent / "started"
    uv = wrap_uv("sleep 30 & echo $! > $STARTED; wait")
    asked: list[float] = []

    def cancelled() -> bool:
        if started.exists() and started.read_text().endswith("\n"):
            asked.append(time.monotonic())
        return bool(asked)

    with pytest.raises(Canceled):
        build_it(lock, uv=uv, cancelled=cancelled)
    assert time.monotonic() - asked[0] < 1
    grandchild = int(started.read_text())
    wait_for(lambda: is_gone(grandchild))
    assert remains(root) == []
    assert not build_it(lock).hit


def test_cancel_is_heard_while_somebody_else_builds(
    lock: Lock, root: Path, wrap_uv: Callable[[str], Path], cache_dir: Path, build_it: Build
) -> None:
    process = run_builder(lock, root, wrap_uv("touch $STARTED; sleep 1.5"), cache_dir)
    wait_for((root.parent / "started").exists)
    log: list[str] = []
    with pytest.raises(Canceled):
        build_it(lock, cancelled=lambda: bool(log), log=log.append)
    assert find(root, lock.key) is None, "the other build goes on"
    process.communicate(timeout=30)
    assert find(root, lock.key) is not None


def test_a_build_that_takes_too_long_ends(
    lock: Lock, root: Path, wrap_uv: Callable[[str], Path], build_it: Build
) -> None:
    with pytest.raises(TimedOut):
        build_it(lock, uv=wrap_uv("sleep 30"), timeout=1)
    assert remains(root) == []


def test_packages_that_are_not_all_there_are_no_environment(
    lock: Lock, root: Path, wrap_uv: Callable[[str], Path], build_it: Build
) -> None:
    with pytest.raises(BuildError, match="hello"):
        build_it(lock, uv=wrap_uv("exit 0"))
    assert remains(root) == []


def test_a_package_that_is_gone_is_an_error_in_words(
    interpreter: Interpreter, root: Path, build_it: Build, lock: Lock
) -> None:
    with pytest.raises(BuildError, match="absent"):
        build_it(Lock("absent==1.0\n", (("absent", "1.0"),), str(interpreter.version), interpreter.platform))
    assert remains(root) == []


def test_an_environment_that_lost_its_interpreter_is_built_again(lock: Lock, build_it: Build, root: Path) -> None:
    environment = build_it(lock)
    environment.python.unlink()
    environment.python.symlink_to("/nowhere/python")
    assert find(root, lock.key) is None
    assert not build_it(lock).hit
    assert remains(root) == [lock.key]


def test_remains_are_swept_and_whole_ones_stay(lock: Lock, build_it: Build, root: Path) -> None:
    build_it(lock)
    for name in (".building-dead", ".building-dead.old"):
        (root / name / "bin").mkdir(parents=True)
    assert sweep(root) == 2
    assert remains(root) == [lock.key]
    assert sweep(root / "nowhere") == 0


def test_no_secret_of_the_portal_reaches_uv(
    lock: Lock, root: Path, wrap_uv: Callable[[str], Path], build_it: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://hunter2")
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    monkeypatch.setenv("UV_PUBLISH_TOKEN", "hunter2")
    build_it(lock, uv=wrap_uv("env > $STARTED"))
    seen = (root.parent / "started").read_text()
    assert "hunter2" not in seen
    assert "UV_FIND_LINKS=" in seen and "PATH=" in seen


def test_an_interpreter_of_another_minor_does_not_do(lock: Lock, build_it: Build) -> None:
    with pytest.raises(InterpreterNotFound, match=r"The lock is for Python 3\.6\.0"):
        build_it(Lock(lock.text, lock.packages, "3.6.0", lock.platform))


def test_another_patch_does(lock: Lock, build_it: Build) -> None:
    """The machine was upgraded, or it is another than the one that resolved."""
    minor = lock.python_version.rpartition(".")[0]
    assert build_it(Lock(lock.text, lock.packages, f"{minor}.99", lock.platform)).python.exists()


def test_the_articles_environment_trains_as_it_did_in_2020(root: Path, uv_path: Path, cache_dir: Path) -> None:
    """Real packages from the real index, on Python 3.6."""
    interpreters = discover()
    if not any(str(each.version).startswith("3.6.") for each in interpreters):
        pytest.skip("no Python 3.6 on this machine")
    spec: EnvironmentSpec = parse_conda_yaml("dependencies: [python=3.6.2, scikit-learn, numpy]")
    python = choose(spec.python, interpreters).interpreter
    settings: dict[str, Any] = {"log": lambda line: None, "cancelled": lambda: False, "timeout": 300}
    lock = resolve(spec, python, as_of=date(2020, 7, 24), uv=uv_path, cache_dir=cache_dir, **settings)
    environment = build(lock, python, root, uv=uv_path, cache_dir=cache_dir, **settings)
    program = (
        "import numpy, sklearn.svm as s, sklearn.datasets as d, sklearn.model_selection as m\n"
        "x, y = d.load_iris(return_X_y=True)\n"
        "a, b, c, e = m.train_test_split(x, y, random_state=0)\n"
        "print(numpy.float(s.SVC(kernel='linear', C=1.0).fit(a, c).score(b, e)))\n"
    )
    said = subprocess.run([environment.python, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "0.9736842105263158"
