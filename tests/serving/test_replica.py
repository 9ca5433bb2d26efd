"""Model worker processes: start, description, limits, death."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models_registry.serving.replica import Backoff, Replica, State
from models_registry.serving.worker import protocol
from models_registry.serving.worker.sockets import address_of
from tests.serving.conftest import IRIS, until, wait_for

Launch = Callable[..., Replica]


def ask(replica: Replica, method: str, payload: Any) -> protocol.Message:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        with address_of(replica.socket_path) as address:
            connection.connect(address)
        connection.sendall(protocol.encode(1, method, payload))
        decoder = protocol.Decoder()
        while True:
            data = connection.recv(1 << 16)
            assert data, "the worker closed the connection"
            if messages := decoder.feed(data):
                return messages[0]


def test_a_model_says_what_it_takes(iris: Replica) -> None:
    assert iris.describe is not None
    assert iris.describe["class"] == "SVC"
    assert (iris.describe["n_features"], iris.describe["classes"]) == (4, [0, 1, 2])
    assert iris.describe["methods"] == ["predict", "decision_function"], "no predict_proba: fitted without it"
    assert len(iris.describe["example"][0]) == 4
    assert "sklearn" in iris.describe["versions"]


def test_it_answers_as_the_model_in_process(iris: Replica, iris_model: Path) -> None:
    model, rows = joblib.load(iris_model), np.array(IRIS)
    for method in ("predict", "decision_function"):
        np.testing.assert_array_equal(ask(iris, method, rows).payload, getattr(model, method)(rows))


@pytest.mark.parametrize(
    ("method", "payload", "code"),
    [
        ("predict", np.zeros((1, 3)), "bad_input"),
        ("predict", {"rows": [["a", "b", "c", "d"]]}, "bad_input"),
        ("predict_proba", np.zeros((1, 4)), "no_method"),
        ("fit", np.zeros((1, 4)), "no_method"),
        ("__class__", None, "no_method"),
    ],
)
def test_what_the_model_cannot_do_is_an_error(iris: Replica, method: str, payload: Any, code: str) -> None:
    answer = ask(iris, method, payload)
    assert (answer.kind, answer.name) == (protocol.ERROR, code), answer


def test_text_columns_reach_the_model(folder: Path, launch: Launch) -> None:
    rows = np.array([["red", 1.0], ["blue", 2.0], ["red", 3.0], ["blue", 4.0]], dtype=object)
    columns = ColumnTransformer([("colour", OneHotEncoder(), [0]), ("size", StandardScaler(), [1])])
    model = make_pipeline(columns, LogisticRegression()).fit(rows, ["no", "yes", "no", "yes"])
    joblib.dump(model, folder / "text.joblib", compress=3)
    replica = wait_for(launch(folder / "text.joblib"), State.READY)
    assert ask(replica, "predict", {"rows": [["red", 1.5], ["blue", 3.5]]}).payload == ["no", "yes"]
    assert replica.describe and replica.describe["example"] == [["blue", 2.5]]


def test_python_36_serves_what_it_trained(folder: Path, launch: Launch, python36: Path) -> None:
    script = """
        import joblib, pandas
        from sklearn.compose import ColumnTransformer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder
        from sklearn.svm import SVC
        frame = pandas.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "colour": ["red", "blue", "red", "blue"]})
        columns = ColumnTransformer([("c", OneHotEncoder(), ["colour"])], remainder="passthrough")
        joblib.dump(make_pipeline(columns, SVC(kernel="linear")).fit(frame, ["no", "yes", "no", "yes"]), "old.joblib")
        frame["colour"] = [1.0, 0.0, 1.0, 0.0]
        picked = ColumnTransformer([("s", "passthrough", ["size"])])
        joblib.dump(make_pipeline(picked, SVC(kernel="linear")).fit(frame, [0, 0, 1, 1]), "numbers.joblib")
    """
    subprocess.run([python36, "-c", textwrap.dedent(script)], cwd=folder, check=True)
    replica, of_numbers = launch(folder / "old.joblib", python36), launch(folder / "numbers.joblib", python36)
    wait_for(replica, State.READY)
    assert replica.describe is not None
    assert replica.describe["python"].startswith("3.6")
    assert replica.describe["feature_names"] == ["size", "colour"]
    assert ask(replica, "predict", {"rows": [[1.5, "red"], [3.5, "blue"]]}).payload == ["no", "yes"]
    wait_for(of_numbers, State.READY)
    columns_by_name = ask(of_numbers, "predict", np.array([[1.0, 9.0], [4.0, 9.0]]))
    assert columns_by_name.payload.tolist() == [0, 1]


def test_a_plain_pickle_is_loaded(folder: Path, launch: Launch, iris_model: Path) -> None:
    (folder / "plain.pkl").write_bytes(pickle.dumps(joblib.load(iris_model)))
    replica = wait_for(launch(folder / "plain.pkl"), State.READY)
    assert ask(replica, "predict", np.array(IRIS)).payload.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"not a model", "the model cannot be loaded"),
        (b"cno_such_package.models\nModel\n.", "it needs the package no_such_package"),
        (b"c__main__\nMyModel\n.", "move it into a module beside the script"),
        (b"csklearn.no_such_part\nModel\n.", "another version of sklearn"),
    ],
)
def test_a_model_that_cannot_be_loaded_says_why(folder: Path, launch: Launch, body: bytes, says: str) -> None:
    path = folder / f"broken{abs(hash(body))}.pkl"
    path.write_bytes(body)
    replica = wait_for(launch(path), State.EXITED)
    assert replica.exit is not None
    assert (replica.exit.code, replica.exit.expected, replica.exit.out_of_memory) == (3, False, False)
    assert says in replica.exit.reason
    assert says in replica.tail_log()


def test_a_model_over_its_memory_is_out_of_memory(folder: Path, launch: Launch) -> None:
    joblib.dump([np.zeros(50 << 20, dtype="u1"), np.zeros(400 << 20, dtype="u1")], folder / "big.joblib")
    replica = wait_for(launch(folder / "big.joblib", memory_bytes=300_000_000), State.EXITED)
    assert replica.exit is not None
    assert replica.exit.out_of_memory
    assert replica.exit.reason == "out of memory (its limit is 300 MB)"


def test_stopping_answers_what_has_arrived(launch: Launch, iris_model: Path) -> None:
    replica = wait_for(launch(iris_model), State.READY)
    with socket.socket(socket.AF_UNIX) as connection:
        with address_of(replica.socket_path) as address:
            connection.connect(address)
        connection.sendall(b"".join(protocol.encode(n, "predict", np.zeros((5000, 4))) for n in range(3)))
        replica.stop(drain_seconds=10)
        decoder, answers = protocol.Decoder(), []
        while data := connection.recv(1 << 16):
            answers += decoder.feed(data)
    assert [answer.request_id for answer in answers] == [0, 1, 2]
    until(lambda: replica.poll() is State.EXITED)
    assert replica.exit and (replica.exit.code, replica.exit.reason) == (0, "stopped")
    assert not replica.socket_path.exists()


def test_a_stopped_process_that_does_not_end_is_killed(launch: Launch, iris_model: Path) -> None:
    replica = wait_for(launch(iris_model), State.READY)
    assert replica.pid
    os.kill(replica.pid, signal.SIGSTOP)
    replica.stop(drain_seconds=0.2)
    until(lambda: replica.poll() is State.EXITED, 5)
    assert replica.exit and replica.exit.signal == signal.SIGKILL


def test_stopping_a_process_that_has_just_ended_is_seen_as_its_end(launch: Launch, iris_model: Path) -> None:
    replica = wait_for(launch(iris_model), State.READY)
    assert replica.pid
    os.kill(replica.pid, signal.SIGKILL)
    os.waitid(os.P_PID, replica.pid, os.WEXITED | os.WNOWAIT)
    replica.stop()
    assert replica.poll() is State.EXITED


def test_silence_is_noticed_and_forgiven(launch: Launch, iris_model: Path) -> None:
    replica = wait_for(launch(iris_model, health_seconds=0.3), State.READY)
    assert replica.pid
    os.kill(replica.pid, signal.SIGSTOP)
    until(lambda: replica.poll() is State.UNRESPONSIVE, 5)
    os.kill(replica.pid, signal.SIGCONT)
    until(lambda: replica.poll() is State.READY, 5)
    assert replica.peak_memory_bytes and replica.peak_memory_bytes > 10 << 20


def test_a_start_that_takes_too_long_is_ended(launch: Launch, iris_model: Path) -> None:
    replica = wait_for(launch(iris_model, start_seconds=0.01), State.EXITED)
    assert replica.exit and replica.exit.reason == "it was not ready after 0.01 s"


def test_a_killed_process_is_noticed(launch: Launch, iris_model: Path) -> None:
    replica = wait_for(launch(iris_model), State.READY)
    assert replica.pid
    os.kill(replica.pid, signal.SIGKILL)
    until(lambda: replica.poll() is State.EXITED, 5)
    assert replica.exit and replica.exit.signal == signal.SIGKILL
    assert "out of memory" not in replica.exit.reason  # callers would be told to send fewer rows
    assert not replica.exit.expected
    assert replica.exit.reason.startswith("killed")


def test_a_worker_does_not_outlive_its_supervisor(folder: Path, iris_model: Path) -> None:
    script = f"""
        import time
        from pathlib import Path
        from models_registry.serving.replica import Replica, State
        replica = Replica(Path({sys.executable!r}), Path({str(iris_model)!r}), Path("o.s").absolute(), Path("o.log"), {{}})
        replica.start()
        while replica.poll() is State.STARTING:
            time.sleep(0.01)
        print(replica.pid, flush=True)
        time.sleep(60)
    """
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder, env=environment) as supervisor:
        assert supervisor.stdout
        pid = int(supervisor.stdout.readline())
        supervisor.kill()
    until(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(), 5)


def test_the_environment_of_the_process_is_the_one_given(iris: Replica) -> None:
    variables = Path(f"/proc/{iris.pid}/environ").read_bytes().decode().split("\0")
    assert {variable.partition("=")[0] for variable in variables if variable} == set(iris.environment)


def test_a_socket_is_for_its_owner_alone_however_deep_its_folder(iris: Replica) -> None:
    assert len(os.fsencode(iris.socket_path)) > 107
    assert stat.S_IMODE(iris.socket_path.stat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as connection, pytest.raises(OSError, match="too long"):
        connection.connect(str(iris.socket_path))  # what the test is about


def test_a_folder_of_sockets_that_is_gone_is_an_error_and_leaves_nothing_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(FileNotFoundError), address_of(tmp_path / "gone" / "1"):
        pass
    with address_of(tmp_path / "1"):
        pass
    assert os.listdir("/proc/self/fd") == before


def test_backoff_doubles_and_gives_up_after_quick_failures() -> None:
    backoff = Backoff()
    assert [backoff.failed(0.1) for _ in range(5)] == [1, 2, 4, 8, None]


def test_one_that_had_settled_is_replaced_at_once_and_a_long_life_begins_again() -> None:
    backoff = Backoff()
    delays = [backoff.failed(0.1), backoff.failed(0.1), backoff.failed(3600), backoff.failed(3600), backoff.failed(0.1)]
    assert delays == [1, 2, 0, 0, 2]


def test_poll_does_not_wait_for_a_process_that_hangs(launch: Launch, iris_model: Path) -> None:
    replica = wait_for(launch(iris_model), State.READY)
    assert replica.pid
    os.kill(replica.pid, signal.SIGSTOP)
    started = time.monotonic()
    for _ in range(20):
        replica.poll()
    assert time.monotonic() - started < 2
    os.kill(replica.pid, signal.SIGCONT)
