"""A server that answers nonsense, half of it, or something of somebody else: one clear error, and nothing half-written."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from experiments.models import Artifact, Experiment, Run
from tests.mlflow_port.conftest import RUN, Command, Mlruns

pytestmark = pytest.mark.django_db
Answer = tuple[int, bytes, dict[str, str]]


class Handler(BaseHTTPRequestHandler):
    answers: ClassVar[Callable[[str, dict[str, str]], Any]]
    asked: ClassVar[list[tuple[str, dict[str, str]]]]

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(split.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if body.startswith(b"{"):
            query |= json.loads(body)
        path = split.path.removeprefix("/api/2.0/").removeprefix("mlflow/")
        type(self).asked.append((path, dict(self.headers)))
        said = type(self).answers(path, query)
        status, data, headers = said if isinstance(said, tuple) else (200, json.dumps(said).encode(), {})
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, *args: object) -> None:
        pass


class Server:
    """Answers what `routes` say, else an empty object."""

    def __init__(self) -> None:
        self.routes: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        handler = type("Own", (Handler,), {"answers": staticmethod(self._answer), "asked": self.asked})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def _answer(self, path: str, query: dict[str, str]) -> Any:
        found = self.routes.get(path, {})
        return found(query) if callable(found) else found

    def has_run(self, **info: Any) -> None:
        """One experiment with one run."""
        self.routes["experiments/search"] = {"experiments": [{"experiment_id": "1", "name": "churn"}]}
        said = {"run_id": RUN, "run_name": "first", "status": "FINISHED", "start_time": 1, "end_time": "2"}
        uri = f"mlflow-artifacts:/1/{RUN}/artifacts"
        self.routes["runs/search"] = {"runs": [{"info": {**said, "artifact_uri": uri, **info}, "data": {}}]}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, b"<html>a login page</html>", {}), "does not answer as MLflow does"),
        ((200, b"[1, 2]", {}), "does not answer as MLflow does"),
        ((200, b"[" * 100_000, {}), "does not answer as MLflow does"),
        ((200, b"{" * 10, {"Content-Length": "1000"}), "does not answer"),
        ((302, b"", {"Location": "http://127.0.0.1:9/"}), "does not answer as MLflow does"),
        ((401, b'{"error_code": "UNAUTHENTICATED", "message": "who?"}', {}), "MLFLOW_TRACKING_TOKEN"),
        ((500, b"Internal Server Error", {}), "does not answer as MLflow does"),
        ({"experiments": {"a": 1}}, "is no list of objects"),
        ({"experiments": ["a"]}, "is no list of objects"),
        ({"experiments": [], "next_page_token": "same"}, "the same page"),
    ],
)
def test_nonsense_ends_the_import_with_one_clear_error(
    server: Server, command: Command, answer: Any, said: str
) -> None:
    server.routes["experiments/search"] = answer
    out, error = command("import_mlflow", server.url)
    assert said in error and "Traceback" not in out + error
    assert not Experiment.objects.exists()


def test_a_server_that_is_not_there_is_named(command: Command) -> None:
    assert "http://127.0.0.1:9 does not answer" in command("import_mlflow", "http://127.0.0.1:9")[1]


@pytest.mark.parametrize(
    "address", ["http://", "http://[", "http://a:b@127.0.0.1/", "http://127.0.0.1:x/", "http://h/?q=1"]
)
def test_an_address_that_is_none_is_refused(command: Command, address: str) -> None:
    error = command("import_mlflow", address)[1]
    assert "address" in error


def test_the_key_comes_from_the_environment_and_goes_to_the_server_alone(
    server: Server, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "the key")
    other = Server()
    server.routes["experiments/search"] = (307, b"", {"Location": f"{other.url}/api/2.0/mlflow/experiments/search"})
    command("import_mlflow", server.url)
    other.http.shutdown()
    other.http.server_close()
    assert [headers["Authorization"] for _, headers in server.asked] == ["Bearer the key"]
    assert other.asked == []


def test_what_the_server_says_of_its_runs_is_checked_one_by_one(server: Server, command: Command) -> None:
    server.has_run()
    good = server.routes["runs/search"]["runs"][0]
    bad = [
        {"info": {**good["info"], "run_id": "../../etc/passwd"}},
        {"info": {**good["info"], "run_id": RUN[::-1], "status": "DANCING"}},
        {"info": None, "data": []},
        {},
    ]
    server.routes["runs/search"] = {"runs": [*bad, good]}
    out, error = command("import_mlflow", server.url)
    assert error and "../../etc/passwd" in out and "DANCING" in out
    assert [run.uid for run in Run.objects.all()] == [RUN]


@pytest.mark.parametrize(
    "listed",
    [
        [{"path": "../../etc/passwd", "is_dir": False}],
        [{"path": "/etc/passwd", "is_dir": False}],
        [{"path": "", "is_dir": True}],
        [{"path": "a", "is_dir": False}, {"path": "a", "is_dir": True}],
        [{"is_dir": False}],
    ],
)
def test_paths_of_a_server_lead_nowhere(server: Server, command: Command, listed: Any) -> None:
    server.has_run()
    server.routes["artifacts/list"] = lambda query: {
        "files": [{"path": f"{query['path']}/b", "is_dir": False}] if query.get("path") else listed
    }
    out, error = command("import_mlflow", server.url)
    assert error and f"run {RUN}" in out
    assert not Artifact.objects.exclude(path="a").exists() and Run.objects.count() == 1


def test_folders_without_an_end_are_told(server: Server, command: Command) -> None:
    server.has_run()
    server.routes["artifacts/list"] = lambda query: {
        "files": [{"path": f"{query['path']}/d" if query.get("path") else "d", "is_dir": True}]
    }
    out, error = command("import_mlflow", server.url)
    assert error and "too many folders deep" in out


def test_a_file_that_ends_in_the_middle_is_not_kept_and_comes_the_next_time(server: Server, command: Command) -> None:
    server.has_run()
    server.routes["artifacts/list"] = {"files": [{"path": "a.bin", "is_dir": False, "file_size": 6}]}
    route = f"mlflow-artifacts/artifacts/1/{RUN}/artifacts/a.bin"
    for half in ((200, b"abc", {}), (200, b"abc", {"Content-Length": "6"}), (404, b"gone", {})):
        server.routes[route] = half
        out, error = command("import_mlflow", server.url)
        assert error and "file a.bin" in out and not Artifact.objects.exists()
    server.routes[route] = (200, b"abcdef", {})
    assert command("import_mlflow", server.url)[1] == ""
    assert Artifact.objects.get().size == 6


def test_the_length_that_the_answer_announces_counts_where_the_list_says_none(server: Server, command: Command) -> None:
    server.has_run()
    server.routes["artifacts/list"] = {"files": [{"path": "a.bin"}]}
    server.routes[f"mlflow-artifacts/artifacts/1/{RUN}/artifacts/a.bin"] = (200, b"abc", {"Content-Length": "6"})
    out, error = command("import_mlflow", server.url)
    assert error and "file a.bin: the server broke off" in out and not Artifact.objects.exists()


def test_a_server_that_breaks_off_in_a_run_leaves_nothing_of_it(server: Server, command: Command) -> None:
    server.has_run()
    server.routes["runs/search"]["runs"][0]["data"] = {
        "metrics": [{"key": key, "value": 1, "timestamp": 1, "step": 0} for key in ("a", "b")]
    }
    point = {"key": "a", "value": 1, "timestamp": 1, "step": 0}
    server.routes["metrics/get-history"] = lambda query: (
        {"metrics": [point]} if query["metric_key"] == "a" else (200, b"<html>", {})
    )
    error = command("import_mlflow", server.url)[1]
    assert "It broke off" in error and not Run.objects.exists()
    server.routes["metrics/get-history"] = {"metrics": [point]}
    assert command("import_mlflow", server.url)[1] == ""
    assert Run.objects.get().metrics.count() == 2


def test_what_the_portal_has_no_place_for_is_told(server: Server, command: Command) -> None:
    server.has_run()
    server.routes["traces"] = {"traces": [{"request_id": "tr-1"}]}
    prompt = {"name": "hello", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}
    server.routes["registered-models/search"] = lambda query: (
        {"registered_models": [prompt]} if "is_prompt" in query.get("filter", "") else {}
    )
    out, error = command("import_mlflow", server.url)
    assert error and "experiment churn: it has traces" in out and "registered model hello: it is a prompt" in out
    assert Run.objects.count() == 1


def test_points_that_are_none_are_told_and_the_others_kept(server: Server, command: Command) -> None:
    server.has_run()
    server.routes["runs/search"]["runs"][0]["data"] = {
        "metrics": [{"key": "a", "value": "NaN", "timestamp": 5, "step": 2}]
    }
    points = [{"value": 1, "timestamp": 1}, {"value": "x", "timestamp": 1}, {"value": 1, "timestamp": -1}]
    points += [{"value": "NaN", "timestamp": "5", "step": "2"}]
    server.routes["metrics/get-history"] = lambda query: (
        {"metrics": points[:2], "next_page_token": "2"} if not query.get("page_token") else {"metrics": points[2:]}
    )
    out, error = command("import_mlflow", server.url)
    assert error and out.count("no point of a metric") == 2
    assert Run.objects.get().metrics.get().count == 2


def test_an_export_that_broke_off_goes_on_and_sends_no_point_twice(
    server: Server, command: Command, mlruns: Mlruns
) -> None:
    mlruns.write(f"{mlruns.run()}/metrics/loss", "1 0.5 0\n2 nan 1\n")
    command("import_mlflow", mlruns.root)
    sent: list[Any] = []
    tags = [{"key": "mlportal.unfinished", "value": "true"}]

    def take(query: dict[str, Any]) -> dict[str, Any]:
        sent.append(query)
        return {}

    server.routes |= {
        "experiments/get-by-name": {"experiment": {"experiment_id": "1"}},
        "runs/search": {"runs": [{"info": {"run_id": "there"}, "data": {"tags": tags}}]},
        "metrics/get-history": {"metrics": [{"key": "loss", "value": 0.5, "timestamp": 1, "step": 0}]},
        "runs/log-batch": take,
    }
    out, error = command("export_mlflow", server.url)
    assert not error, out
    (points,) = [batch["metrics"] for batch in sent if batch.get("metrics")]
    assert points == [{"key": "loss", "value": "NaN", "timestamp": 2, "step": 1}]
    assert "runs/create" not in {path for path, _ in server.asked}
    assert [path for path, _ in server.asked].count("runs/delete-tag") == 1


@pytest.mark.parametrize("answer", [{}, {"run": []}, {"experiment": {}}, (200, b"{}{}", {}), (500, b"", {})])
def test_an_export_to_nonsense_ends_with_one_clear_error(
    server: Server, command: Command, mlruns: Mlruns, answer: Any
) -> None:
    mlruns.run()
    command("import_mlflow", mlruns.root)
    for route in ("experiments/get-by-name", "runs/create", "runs/search"):
        server.routes[route] = answer
    error = command("export_mlflow", server.url)[1]
    assert "does not answer as MLflow does" in error
