"""Entry scripts in a real model worker, behind a real gateway: what Azure's inference server makes of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from models_registry.serving.replica import Limits, Replica, State
from tests.serving.conftest import Memory, authorize, until, wait_for

SDK = Path(__file__).resolve().parents[2] / "sdk"
NOTHING = "def init():\n    pass\n"
Serve = Callable[..., Replica]


@pytest.fixture(scope="module")
def serve_script(folder: Path) -> Iterator[Serve]:
    """A replica of an entry script, given as text, in a folder of its own beside `files`."""
    replicas: list[Replica] = []

    def start(
        source: str,
        *,
        python: Path = Path(sys.executable),
        name: str = "score.py",
        models: Path | None = None,
        files: dict[str, str] | None = None,
        variables: dict[str, str] | None = None,
        ready: bool = True,
        **limits: Any,
    ) -> Replica:
        place = folder / f"script-{len(replicas)}"
        for path, text in {name: textwrap.dedent(source), **(files or {})}.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text)
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(SDK),
            "AZUREML_ENTRY_SCRIPT": name,
            "AZUREML_MODEL_DIR": str(models or place),
            **(variables or {}),
        }
        replica = Replica(
            python,
            place / name,
            folder / f"script-{len(replicas)}.socket",
            folder / f"script-{len(replicas)}.log",
            environment,
            Limits(**limits),
            script_folder=place,
        )
        replicas.append(replica)
        replica.start()
        return wait_for(replica, State.READY) if ready else replica

    yield start
    for replica in replicas:
        replica.stop(0)
    until(lambda: all(replica.poll() is State.EXITED for replica in replicas))


@pytest.fixture
def published(memory: Memory, serve_script: Serve, http: httpx.Client) -> Iterator[Callable[..., Replica]]:
    """Serves a script and publishes it as `s`."""

    def publish(source: str, **options: Any) -> Replica:
        replica = serve_script(source, **options)
        memory.publish("s", replica, has_script=True)
        memory.records.clear()
        return replica

    yield publish
    memory.routes.clear()


def ask(http: httpx.Client, body: bytes | str = b"{}", **more: Any) -> httpx.Response:
    return http.post("/services/s/score", content=body, **more)


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def buried(replica: Replica) -> Replica:
    until(lambda: replica.poll() is State.EXITED)
    return replica


# -- what a script gets and gives ------------------------------------------------------------------------------------


def test_run_gets_the_body_as_text_and_its_result_becomes_json(
    http: httpx.Client, memory: Memory, published: Callable[..., Replica]
) -> None:
    replica = published("""
        import json, os
        import helper
        def init():
            global greeting
            greeting = helper.GREETING + open("data.txt").read()
            print("init has run in", os.path.basename(os.getcwd()))
        def run(raw_data):
            print("asked for", raw_data)
            what = json.loads(raw_data)["what"]
            return {"text": greeting, "list": [1, 2.5, None], "dict": {"a": 1}}[what]
    """, files={"helper.py": "GREETING = 'hello '", "data.txt": "wörld"})  # fmt: skip
    for what, value in (("text", "hello wörld"), ("list", [1, 2.5, None]), ("dict", {"a": 1})):
        answer = ask(http, json.dumps({"what": what}))
        assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (200, value, "application/json")
    log = replica.tail_log()
    assert "init has run in script-" in log and 'asked for {"what": "list"}' in log
    assert [(record.method, record.status, record.rows) for record in memory.records] == [("run", 200, None)] * 3
    assert memory.records[0].request == '{"what": "text"}'


def test_any_content_type_reaches_the_script(http: httpx.Client, published: Callable[..., Replica]) -> None:
    published(NOTHING + "def run(text):\n    return text.upper()")
    for kind in ("text/plain", "application/json", "application/xml", "text/csv; charset=utf-8", "nonsense"):
        assert ask(http, "<ä/>", headers={"content-type": kind}).json() == "<Ä/>"
    assert ask(http, b"").json() == ""
    assert error_of(ask(http, b"\xff\xfe"))[:2] == (400, "bad_input")


def test_numpy_results_are_lists(http: httpx.Client, published: Callable[..., Replica]) -> None:
    published(
        NOTHING
        + "import numpy as np\ndef run(text):\n    return {'a': np.arange(3), 'b': np.float32(0.5), 'c': np.int64(7)}"
    )
    assert ask(http).json() == {"a": [0, 1, 2], "b": 0.5, "c": 7}


def test_what_is_no_json_is_an_error_that_says_so(http: httpx.Client, published: Callable[..., Replica]) -> None:
    published(NOTHING + "def run(text):\n    return {text: object()}")
    status, code, message = error_of(ask(http, "x"))
    assert (status, code) == (500, "model_error")
    assert "no JSON" in message and "object is not JSON serializable" in message


def test_request_headers_are_handed_over_without_the_key(http: httpx.Client, published: Callable[..., Replica]) -> None:
    published(
        NOTHING + "def run(data, request_headers):\n    return dict(request_headers, seen=request_headers['x-MY'])"
    )
    seen = ask(http, headers={"X-My": "1", "Cookie": "sessionid=secret"}).json()
    assert seen["seen"] == "1"
    assert not {"authorization", "cookie"} & {name.lower() for name in seen}


def test_a_script_sees_its_models_by_azures_names(http: httpx.Client, folder: Path, published: Any) -> None:
    models = folder / "azureml-models"
    for path in ("iris/1/model.joblib", "iris/3/model.joblib", "wine/2/a/x", "wine/2/a/y"):
        (models / path).parent.mkdir(parents=True, exist_ok=True)
        (models / path).write_text(path)
    source = """
        import os
        from azureml.core.model import Model
        def init():
            pass
        def run(text):
            top = os.environ["AZUREML_MODEL_DIR"]
            found = [Model.get_model_path("iris"), Model.get_model_path("iris", version=1)] + WINE
            return [os.path.relpath(path, top) for path in found] + [os.environ["AZUREML_ENTRY_SCRIPT"]]
    """
    both = source.replace("WINE", '[Model.get_model_path("wine")]')
    published(both, models=models)
    assert ask(http).json() == ["iris/3/model.joblib", "iris/1/model.joblib", "wine/2/a", "score.py"]
    published(source.replace("WINE", "[]"), models=models / "iris" / "3")
    assert ask(http).json() == ["model.joblib", "model.joblib", "score.py"]


def test_script_and_calls_share_the_main_thread(http: httpx.Client, published: Callable[..., Replica]) -> None:
    """sqlite3 refuses connections of another thread, asyncio has a loop in the main one alone."""
    published("""
        import asyncio, sqlite3, threading
        def init():
            global rows
            rows = sqlite3.connect(":memory:")
        def run(text):
            return [rows.execute("select 1").fetchone()[0], threading.current_thread() is threading.main_thread()]
    """)
    with ThreadPoolExecutor(6) as threads:
        assert [answer.json() for answer in threads.map(lambda _: ask(http), range(12))] == [[1, True]] * 12


def test_one_call_at_a_time_reaches_the_script(http: httpx.Client, published: Callable[..., Replica]) -> None:
    published("""
        import time
        def init():
            global inside
            inside = 0
        def run(text):
            global inside
            inside += 1
            time.sleep(0.02)
            seen, inside = inside, inside - 1
            return seen
    """)
    with ThreadPoolExecutor(6) as threads:
        assert {answer.json() for answer in threads.map(lambda _: ask(http), range(12))} == {1}


def test_an_entry_script_below_a_folder_finds_what_is_beside_it(
    http: httpx.Client, published: Callable[..., Replica]
) -> None:
    source = "import beside, top\n" + NOTHING + "def run(text):\n    return [beside.X, top.X]"
    published(source, name="src/score.py", files={"src/beside.py": "X = 1", "top.py": "X = 2"})
    assert ask(http).json() == [1, 2]


# -- rawhttp ---------------------------------------------------------------------------------------------------------

RAW = """
    from azureml.contrib.services.aml_request import AMLRequest, rawhttp
    from azureml.contrib.services.aml_response import AMLResponse
    def init():
        pass
    @rawhttp
    def run(request):
        if request.args.get("plain"):
            return {"method": request.method, "json": request.get_json(), "list": request.args.getlist("plain")}
        data = request.get_data(False)
        headers = {"Content-Type": "image/png", "Set-Cookie": "sessionid=evil", "X-Size": str(len(data)), "X-Bad": "a\\nb: c"}
        return AMLResponse(data[::-1], int(request.headers.get("x-status", "200")), headers)
"""


def test_rawhttp_gets_bytes_and_answers_bytes(http: httpx.Client, published: Callable[..., Replica]) -> None:
    published(RAW)
    body = bytes(range(256)) * 1000
    answer = ask(http, body, headers={"content-type": "image/png", "X-Status": "201"})
    assert (answer.status_code, answer.content, answer.headers["x-size"]) == (201, body[::-1], "256000")
    assert answer.headers["content-type"] == "image/png"
    assert "set-cookie" not in answer.headers and "b" not in answer.headers and "x-bad" not in answer.headers
    answer = http.post("/services/s/score?plain=1&plain=2", json={"a": 1})
    assert answer.json() == {"method": "POST", "json": {"a": 1}, "list": ["1", "2"]}


def test_what_a_script_answers_cannot_act_in_a_browser(http: httpx.Client, published: Callable[..., Replica]) -> None:
    published("""
        from azureml.contrib.services.aml_request import rawhttp
        from azureml.contrib.services.aml_response import AMLResponse
        def init():
            pass
        @rawhttp
        def run(request):
            return AMLResponse("<script>alert(1)</script>", 200, {"Content-Type": "text/html",
                               "Content-Security-Policy": "script-src *", "X-Content-Type-Options": "no"})
    """)
    answer = ask(http)
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("status", [99, 1000, -1, 102])
def test_a_status_that_is_none_is_an_error(http: httpx.Client, published: Callable[..., Replica], status: int) -> None:
    published(RAW)
    assert error_of(ask(http, headers={"X-Status": str(status)}))[:2] == (500, "model_error")


# -- when it goes wrong ----------------------------------------------------------------------------------------------


def test_an_exception_gives_its_message_and_keeps_the_traceback(
    http: httpx.Client, published: Callable[..., Replica]
) -> None:
    replica = published(NOTHING + "def run(text):\n    secret = 1\n    raise KeyError('no such flower')")
    assert error_of(ask(http)) == (500, "model_error", "KeyError: 'no such flower'")
    assert "Traceback" not in ask(http).text and "score.py" not in ask(http).text
    assert "Traceback" in replica.tail_log() and 'score.py", line 5, in run' in replica.tail_log()
    assert "entry_script.py" not in replica.tail_log()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def init():\n    raise ValueError('no model')\ndef run(x):\n    pass", "init() failed: ValueError: no model"),
        ("def init():\n    import sys; sys.exit(0)\ndef run(x):\n    pass", "init() failed: SystemExit: 0"),
        ("import no_such_package\n", "the package no_such_package"),
        ("import inference_schema.x\n", "the package inference-schema[numpy-support,pandas-support]"),
        ("def init(:\n", "its import failed: SyntaxError"),
        ("def init():\n    pass", "score.py has no function run"),
        ("run = 1", "score.py has no function init and no run"),
        (NOTHING + "def run():\n    pass", "run() takes no argument"),
    ],
)
def test_a_script_that_cannot_start_says_why(serve_script: Serve, source: str, said: str) -> None:
    replica = buried(serve_script(source, ready=False))
    assert replica.exit is not None and replica.exit.code == 3
    assert said in replica.exit.reason
    if "no function" not in said and "no argument" not in said:
        assert "Error" in replica.tail_log() or "SystemExit" in replica.tail_log()
        assert "entry_script.py" not in replica.tail_log() and "frozen" not in replica.tail_log()


HOSTILE = """
    import os, sys, threading, time
    def init():
        pass
    def run(text):
        if text == "binary":
            sys.stdout.buffer.write(bytes(range(256)) * 50)
        elif text == "exit":
            sys.exit(3)
        elif text == "interrupt":
            raise KeyboardInterrupt
        elif text == "fork":
            if os.fork() == 0:
                return "I am the child"
        elif text == "forkraise":
            if os.fork() == 0:
                raise ValueError("child")
        elif text == "close":
            sys.stdout.close(); sys.stderr.close(); os.close(1); os.close(2)
        elif text == "print":
            print("after all")
        elif text == "str":
            class Odd(Exception):
                def __str__(self):
                    raise RuntimeError
            raise Odd()
        elif text == "deep":
            deep = []
            for _ in range(100000):
                deep = [deep]
            return deep
        elif text == "recurse":
            return run(text)
        elif text == "nul":
            raise ValueError("a\\0b\\ud800")
        return "fine"
"""


def test_hostile_scripts_hurt_themselves_alone(http: httpx.Client, published: Callable[..., Replica]) -> None:
    replica = published(HOSTILE)
    pid = replica.pid
    assert ask(http, "binary").json() == "fine"
    assert "\N{REPLACEMENT CHARACTER}" in replica.tail_log() and "\0" not in replica.tail_log()
    for text, told in (
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt: "),
        ("str", "Odd"),
        ("recurse", "RecursionError"),
        ("deep", "RecursionError"),
        ("nul", "ValueError: a"),
    ):
        status, code, message = error_of(ask(http, text))
        assert (status, code) == (500, "model_error") and told in message, text
    for text in ("fork", "forkraise"):
        assert ask(http, text).json() == "fine"
    until(lambda: not _children(pid))
    assert ask(http, "close").json() == "fine"
    assert error_of(ask(http, "print"))[:2] == (500, "model_error")  # as a script that closes its output has it
    assert ask(http, "else").json() == "fine"
    assert replica.poll() is State.READY and replica.pid == pid


def _children(pid: int | None) -> list[str]:
    """Those that are no zombies: nobody waits for what a script forks."""
    out = subprocess.run(["ps", "-o", "stat=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split()
    return [state for state in out if not state.startswith("Z")]


def test_a_huge_answer_is_refused_and_memory_is_bounded(http: httpx.Client, published: Callable[..., Replica]) -> None:
    replica = published(
        NOTHING + "def run(text):\n    return 'x' * int(text)", memory_bytes=600_000_000, file_bytes=100 << 20
    )
    assert len(ask(http, "30000000").json()) == 30_000_000
    status, code, _ = error_of(ask(http, "2000000000"))
    assert (status, code) == (503, "replica_crashed")
    assert buried(replica).exit is not None and replica.exit is not None and replica.exit.out_of_memory


def test_a_call_without_end_ends_the_process_and_says_where(
    http: httpx.Client, published: Callable[..., Replica]
) -> None:
    replica = published(
        NOTHING + "import time\ndef run(text):\n    time.sleep(float(text))\n    return text", call_seconds=1
    )
    assert [ask(http, "0.6").json() for _ in range(2)] == ["0.6", "0.6"], "it is the time of each call"
    status, code, message = error_of(ask(http, "60"))
    assert (status, code) == (503, "replica_crashed"), message
    assert buried(replica).exit is not None and replica.exit is not None
    assert replica.exit.reason == "a call of the entry script did not return within 1 s; the log says where it was"
    assert 'score.py", line 5 in run' in replica.tail_log()


def test_a_script_that_died_is_not_asked_again(
    http: httpx.Client, memory: Memory, serve_script: Serve, folder: Path
) -> None:
    """It may have done by then whatever it does."""
    trace = folder / "trace"
    source = f"""
        import os
        def init():
            pass
        def run(text):
            with open({str(trace)!r}, "a") as file:
                file.write("called ")
            os._exit(1)
    """
    memory.publish("s", serve_script(source), serve_script(source), has_script=True)
    status, code, message = error_of(ask(http))
    assert (status, code) == (503, "replica_crashed") and "entry script" in message
    assert trace.read_text() == "called "
    memory.routes.clear()


def test_a_long_log_keeps_its_end_and_print_goes_on(http: httpx.Client, published: Callable[..., Replica]) -> None:
    replica = published(NOTHING + "def run(text):\n    print('x' * 999)\n    return 1", file_bytes=200_000)
    for number in range(400):
        assert ask(http).json() == 1, number
        replica.poll()
    assert replica.log_path.stat().st_size < 200_000
    assert "x" * 999 in replica.tail_log()


def test_stopping_answers_the_call_that_is_under_way(http: httpx.Client, published: Callable[..., Replica]) -> None:
    replica = published(NOTHING + "import time\ndef run(text):\n    time.sleep(0.6)\n    return 'done'")
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(ask, http)
        time.sleep(0.2)
        replica.stop(5)
        assert answer.result().json() == "done"
    assert buried(replica).exit is not None and replica.exit is not None and replica.exit.code == 0


def test_stopping_is_heard_whenever_it_comes(serve_script: Serve) -> None:
    """Just as the main thread begins to wait for a first call, too: the wait would never end."""
    for _ in range(15):
        replica = serve_script(NOTHING + "def run(text):\n    return text")
        replica.stop(5)
        assert buried(replica).exit is not None and replica.exit is not None
        assert (replica.exit.code, replica.exit.signal) == (0, None)


def test_a_killed_script_is_noticed(serve_script: Serve) -> None:
    replica = serve_script(NOTHING + "def run(text):\n    return 1")
    assert replica.pid
    os.kill(replica.pid, signal.SIGKILL)
    assert buried(replica).exit is not None


# -- the gateway -----------------------------------------------------------------------------------------------------


def test_a_script_has_a_score_route_and_no_model_routes(
    http: httpx.Client, memory: Memory, published: Callable[..., Replica]
) -> None:
    published(NOTHING + "def run(text):\n    return text")
    assert http.post("/services/s/", content="x").json() == "x"
    for path in ("/invocations", "/v2/models/s/infer"):
        answer = http.post(f"/services/s{path}", json={})
        assert answer.status_code == 404 and "entry script" in answer.text
    assert http.get("/services/s/v2/health/ready").json()["ready"] is True
    assert http.get("/services/s/").json()["ready"] is True
    assert ask(http, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert error_of(ask(http, b"x" * ((1 << 20) + 1)))[:2] == (413, "body_too_large")
    document = http.get("/services/s/openapi.json").json()
    assert list(document["paths"]) == ["/", "/score"]
    assert document["paths"]["/score"]["post"]["requestBody"]["content"] == {"*/*": {"schema": {}}}
    memory.routes["s"] = replace(memory.routes["s"], auth_enabled=False, authorize=authorize)
    assert ask(http, "y", headers={"Authorization": ""}).json() == "y"


# -- inference-schema, and interpreters of any age -------------------------------------------------------------------

DECORATED = """
    import numpy as np
    import pandas as pd
    from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
    from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
    from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
    from inference_schema.schema_decorators import input_schema, output_schema
    def init():
        pass
    @input_schema("data", NumpyParameterType(np.array([[5.1, 3.5, 1.4, 0.2]])))
    @input_schema("frame", PandasParameterType(pd.DataFrame({"a": [1], "b": ["x"]})))
    @input_schema("factor", StandardPythonParameterType(2.5))
    @output_schema(NumpyParameterType(np.array([1.0])))
    def run(data, frame, factor=1.0):
        assert isinstance(data, np.ndarray) and isinstance(frame, pd.DataFrame)
        if factor < 0:
            raise ValueError("the script itself minds")
        return (data.sum(axis=1) * factor).tolist() + list(frame.columns)
"""


def _environment(folder: Path, minor: str, *packages: str) -> Path:
    """An environment of that Python; skipped where the machine has none."""
    found = next((str(path) for path in Path.home().glob(f".pyenv/versions/{minor}.*/bin/python")), "")
    if not found:
        pytest.skip(f"there is no Python {minor} on this machine")
    target = folder / f"schema-{minor}"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "-q", "--python", found, target], check=True)
    python = target / "bin" / "python"
    if packages:
        built = subprocess.run([uv, "pip", "install", "-q", "--python", python, *packages])
        if built.returncode:
            pytest.skip("the packages cannot be had here")
    return python


@pytest.fixture(scope="module", params=["3.6", "3.12"])
def with_schema(request: pytest.FixtureRequest, folder: Path) -> Path:
    return _environment(folder, request.param, "inference-schema[numpy-support,pandas-support]", "setuptools<81")


@pytest.mark.slow
def test_decorators_convert_what_comes_in_and_describe_it(
    http: httpx.Client, published: Callable[..., Replica], with_schema: Path
) -> None:
    replica = published(DECORATED, python=with_schema)
    assert replica.describe is not None
    sample = replica.describe["sample"]
    assert sample["data"] == [[5.1, 3.5, 1.4, 0.2]] and sample["factor"] == 2.5
    values = ask(http, json.dumps(sample)).json()
    assert values[0] == pytest.approx(25.5) and values[1:] == ["a", "b"]
    assert ask(http, json.dumps({**sample, "more": 1, "factor": 2.0})).json()[0] == pytest.approx(20.4)
    short = {"data": [[1, 2, 3, 4]], "frame": sample["frame"]}
    assert ask(http, json.dumps(short)).json()[0] == 10.0, "factor has a default"
    for body, said in (
        ("nonsense", "not JSON"),
        ("[1]", "a JSON object with data, frame, factor"),
        (json.dumps({"data": [[1]]}), "no field frame"),
        (json.dumps({**sample, "data": [["a"] * 4]}), "could not convert"),
    ):
        status, code, message = error_of(ask(http, body))
        assert (status, code) == (400, "bad_input") and said in message, message
    status, code, message = error_of(ask(http, json.dumps({**sample, "factor": -1.0})))
    assert (status, code, message) == (500, "model_error", "ValueError: the script itself minds")
    post = http.get("/services/s/swagger.json").json()["paths"]["/score"]["post"]
    content = post["requestBody"]["content"]["application/json"]
    assert content["example"] == sample and set(content["schema"]["properties"]) == {"data", "frame", "factor"}
    assert post["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "array"


@pytest.mark.parametrize("minor", ["3.6", "3.8", "3.13"])
def test_a_script_needs_no_numpy(
    http: httpx.Client, published: Callable[..., Replica], folder: Path, minor: str
) -> None:
    python = _environment(folder / "bare", minor)
    replica = published(
        """
        import sys
        from azureml.core.model import Model
        from azureml.core import Run
        def init():
            pass
        def run(raw_data):
            return ["numpy" in sys.modules, raw_data, Model.get_model_path("m") is not None]
        """,
        python=python,
    )
    assert ask(http, "hi").json() == [False, "hi", True]
    assert replica.describe is not None and replica.describe["python"].startswith(minor)
