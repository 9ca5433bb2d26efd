"""What replicas may use of the machine: ended and told by name when they use more. Control groups on a tree of files."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models_registry.serving import cgroups
from models_registry.serving.cgroups import Group, find_root, make_group
from models_registry.serving.confinement import Confinement, confine, memory_of_tree, processors_for
from models_registry.serving.replica import Limits, Replica, State
from models_registry.serving.worker import process as worker_process
from tests.serving.conftest import FromSource, until, wait_for
from tests.serving.test_replica import ask

# Takes the megabytes that the row says: itself, or in two children that stay.
HUNGRY = """
type("Hungry", (), {"n_features_in_": 2, "predict": lambda self, x: [
    [__import__("subprocess").Popen([__import__("sys").executable, "-c",
        "import time; kept = b'x' * (%d << 20); time.sleep(60)" % x[0][0]]) for _ in range(2)]
    if x[0][1] else bytearray(int(x[0][0]) << 20),
    x[:, 0].astype(float),
][1]})()
""".replace("\n", " ").strip()
# An import of numpy, and what a child of two hundred megabytes may have besides.
LIMIT = 400_000_000

Start = Callable[[Confinement], Replica]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    model = folder / "hungry.pkl"
    model.write_bytes(pickle.dumps(FromSource(HUNGRY)))
    replicas: list[Replica] = []

    def start(confinement: Confinement) -> Replica:
        name = f"confined-{os.urandom(4).hex()}"
        environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        replica = Replica(
            Path(sys.executable),
            model,
            folder / f"{name}.socket",
            folder / f"{name}.log",
            environment,
            Limits(memory_bytes=confinement.memory_bytes),
            confinement=confinement,
        )
        replica.start()
        replicas.append(replica)
        return wait_for(replica, State.READY)

    yield start
    for replica in replicas:
        replica.stop(0)
    until(lambda: all(replica.poll() is State.EXITED for replica in replicas))


def test_a_call_that_takes_too_much_ends_the_replica_as_out_of_memory(start: Start) -> None:
    replica = start(Confinement(memory_bytes=LIMIT))
    assert ask(replica, "predict", np.array([[8.0, 0.0]])).payload.tolist() == [8.0]
    with pytest.raises(AssertionError, match="closed the connection"):
        ask(replica, "predict", np.array([[500.0, 0.0]]))
    until(lambda: replica.poll() is State.EXITED)
    assert replica.exit and replica.exit.reason == "out of memory (its limit is 400 MB)"


def test_children_that_together_have_too_much_end_with_the_replica(start: Start) -> None:
    replica = start(Confinement(memory_bytes=LIMIT))
    assert ask(replica, "predict", np.array([[220.0, 1.0]])).payload.tolist() == [220.0]
    assert replica.pid
    until(lambda: memory_of_tree(replica.pid or 0) > LIMIT)
    until(lambda: replica.poll() is State.EXITED)
    assert replica.exit and replica.exit.out_of_memory
    assert replica.exit.reason.startswith("out of memory (") and replica.exit.reason.endswith(" MB of 400 MB)")
    until(lambda: not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"220 << 20" in _read(path)])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_memory_that_processes_share_is_counted_once() -> None:
    kept = bytearray(os.urandom(1 << 20) * 64)
    child = os.fork()
    if not child:
        os.read(os.pipe()[0], 1)  # until it is killed
    try:
        alone = memory_of_tree(child)
        together = memory_of_tree(os.getpid())
        assert together < 2 * alone + len(kept) // 2
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_a_replica_is_kept_to_its_processors(start: Start) -> None:
    first = min(os.sched_getaffinity(0))
    replica = start(Confinement(processors=(first,)))
    assert os.sched_getaffinity(replica.pid or 0) == {first}


@pytest.mark.parametrize(
    ("cores", "there", "count"), [(0.5, [0, 1], 1), (1.5, [0, 1, 2], 2), (2, [3, 5], 0), (9, [0, 1], 0), (1, [7], 0)]
)
def test_processors_are_as_many_as_the_cores_and_not_chosen_where_it_has_all(
    cores: float, there: list[int], count: int
) -> None:
    chosen = [processors_for(cores, there) for _ in range(len(there))]
    assert {len(each) for each in chosen} == {count}
    assert count == 0 or set().union(*chosen) == set(there), "in turn, so that no processor is left out"


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype("f8")), True),  # type: ignore[attr-defined]
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("can't start new thread"), True),
        (raised(ValueError("the fit failed"), MemoryError()), True),
        (OSError(2, "No such file"), False),
        (RuntimeError("something"), False),
    ],
)
def test_what_a_lack_of_memory_looks_like_in_libraries(error: BaseException, expected: bool) -> None:
    assert worker_process.is_out_of_memory(error) is expected


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A container's own tree, as the kernel shows it, with this process in its root."""
    group(tmp_path, controllers="cpu io memory pids", procs=f"{os.getpid()}\n")
    return tmp_path


def group(path: Path, controllers: str = "", procs: str = "") -> None:
    path.mkdir(parents=True, exist_ok=True)
    files = {"cgroup.controllers": controllers, "cgroup.procs": procs, "cgroup.subtree_control": ""}
    for name, text in {**files, "cgroup.type": "domain\n"}.items():
        (path / name).write_text(text)


def own(folder: Path, text: str) -> Path:
    path = folder / "own"
    path.write_text(text)
    return path


def test_in_a_container_the_portals_processes_go_into_a_leaf(mount: Path) -> None:
    assert find_root(own(mount, "0::/\n"), mount) == mount
    assert (mount / "portal" / "cgroup.procs").read_text() == str(os.getpid())
    assert (mount / "cgroup.subtree_control").read_text() == "+memory +cpu"


@pytest.mark.parametrize("text", ["4:memory:/somewhere\n1:cpu:/\n", "0::/gone/away\n", ""])
def test_without_version_2_or_a_group_of_ones_own_there_are_none(mount: Path, text: str) -> None:
    assert find_root(own(mount, text), mount) is None
    assert not (mount / "portal").exists()


def test_the_machines_own_root_and_controllers_of_others_are_left_alone(mount: Path) -> None:
    (mount / "cgroup.type").unlink()
    assert find_root(own(mount, "0::/\n"), mount) is None
    group(mount, controllers="hugetlb")
    assert find_root(own(mount, "0::/\n"), mount) is None
    assert (mount / "cgroup.subtree_control").read_text() == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="for others, what they may write is theirs")
def test_a_group_that_nobody_has_delegated_is_not_taken_though_root_could(mount: Path) -> None:
    group(mount / "user.slice" / "shell.scope", controllers="cpu memory")
    assert find_root(own(mount, "0::/user.slice/shell.scope\n"), mount) is None
    delegated = mount / "system.slice" / "mlportal.service"
    group(delegated, controllers="cpu memory")
    os.setxattr(delegated, "user.delegate", b"1")
    assert find_root(own(mount, "0::/system.slice/mlportal.service\n"), mount) == delegated
    group(delegated / "main", controllers="cpu memory")
    assert find_root(own(mount, "0::/system.slice/mlportal.service/main\n"), mount) == delegated


@pytest.fixture
def in_groups(mount: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cgroups, "root", lambda: mount)
    return mount


def test_a_group_has_the_limits_of_its_replica(in_groups: Path) -> None:
    made = make_group("a", 300_000_000, 1.5)
    assert made is not None
    written = {path.name: path.read_text() for path in made.path.iterdir()}
    assert written == {"memory.max": "300000000", "memory.oom.group": "1", "cpu.max": "150000 100000"}
    assert made.oom_kills() == 0
    (made.path / "memory.events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 1\n")
    assert made.oom_kills() == 2


def test_no_group_where_none_can_be_made(in_groups: Path) -> None:
    (in_groups / "replica-b").write_text("in the way")
    assert make_group("b", 1, 1) is None
    told = confine("b", 10**9, 1).told()
    assert (told["memory_by"], told["memory_bytes"]) == ("rlimit", 10**9)
    assert confine("c", 10**9, 1.0).told()["cpu_by"] == "cgroup"
    assert confine("d", 10**9, None).told()["cpu_by"] == "threads"


def test_a_replica_joins_its_group_and_a_kill_there_is_out_of_memory(start: Start, tmp_path: Path) -> None:
    there = Group(tmp_path / "replica-e")
    there.path.mkdir()
    replica = start(Confinement(memory_bytes=LIMIT, group=there))
    assert (there.path / "cgroup.procs").read_text() == "0"
    limits: Any = Path(f"/proc/{replica.pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if "data size" in line).split()[3] == "unlimited"
    (there.path / "memory.events").write_text("oom_kill 1\n")  # a child of it, say
    until(lambda: replica.poll() is State.EXITED)
    assert replica.exit and replica.exit.reason == "out of memory (its limit is 400 MB)"
