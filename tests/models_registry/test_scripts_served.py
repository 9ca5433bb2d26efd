"""Entry scripts as deployments: real supervisor, real model workers, the portal's own gateway."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from experiments.services.snapshots import take_files
from mlportal.access.models import User, Workspace
from models_registry import services
from models_registry.models import Deployment, ModelVersion, Revision
from models_registry.services import Inference
from models_registry.services.keys import pair_of
from models_registry.serving.asgi import requests as request_buffer
from models_registry.serving.supervisor import Supervisor
from tests.api.conftest import Caller
from tests.models_registry.conftest import Register, gateway, pid_of, until, wait_for_status

PLAIN = "def init():\n    print('starting')\n"
TWO_MODELS = """
import json, os
import joblib
from azureml.core.model import Model

def init():
    global models
    models = {name: joblib.load(Model.get_model_path(name)) for name in ("iris", "shifted")}
    top = os.environ["AZUREML_MODEL_DIR"]
    print("models in", sorted(os.listdir(top)), "of", os.path.basename(top), "for", os.environ["TEAM"])

def run(raw_data):
    asked = json.loads(raw_data)
    return {"of": asked["model"], "labels": models[asked["model"]].predict(asked["data"])}
"""


@pytest.fixture
def http(transactional_db: None) -> Iterator[httpx.Client]:
    with gateway() as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client
    request_buffer.flush()


@pytest.fixture
def script(workspace: Workspace, contributor: User) -> Any:
    """An Inference of a script that is given as text."""

    def make(source: str, **files: str) -> Inference:
        pairs = [("score.py", source), *((name.replace("__", "."), text) for name, text in files.items())]
        taken = take_files(workspace, [(name, io.BytesIO(text.encode())) for name, text in pairs], by=contributor)
        return Inference("score.py", taken.snapshot, environment_variables={"TEAM": "flowers"})

    return make


def key_of(deployment: Deployment) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair_of(deployment)[0]}"}


def healthy(deployment: Deployment) -> Deployment:
    wait_for_status(deployment, "Healthy", "Failed")
    assert deployment.status == "Healthy", deployment.failure + deployment.log
    return deployment


def test_two_models_answer_in_one_service(
    http: httpx.Client,
    supervisor: Supervisor,
    register: Register,
    iris_model: bytes,
    shifted_iris_model: bytes,
    contributor: User,
    script: Any,
) -> None:
    versions = register(iris_model), register(shifted_iris_model, name="shifted")
    deployment = healthy(services.deploy(*versions, name="both", inference=script(TWO_MODELS), by=contributor))
    for model, labels in (("iris", [0]), ("shifted", [10])):
        body = {"model": model, "data": [[5.1, 3.5, 1.4, 0.2]]}
        answer = http.post("/services/both/score", json=body, headers=key_of(deployment))
        assert (answer.status_code, answer.json()) == (200, {"of": model, "labels": labels}), answer.text
    assert "models in ['iris', 'shifted'] of azureml-models for flowers" in deployment.log
    assert deployment.signature is not None and deployment.signature["class"] == "score.py"
    assert deployment.signature["versions"]["sklearn"]


def test_one_models_folder_is_its_own(
    http: httpx.Client, supervisor: Supervisor, iris_version: ModelVersion, contributor: User, script: Any
) -> None:
    source = PLAIN + (
        "import os\n"
        "def run(text):\n"
        "    top = os.environ['AZUREML_MODEL_DIR']\n"
        "    return [top.split(os.sep)[-3:], os.listdir(top), open('data.txt').read(), sorted(set(os.listdir()) - {'__pycache__'})]\n"
    )
    deployment = healthy(
        services.deploy(iris_version, name="one", inference=script(source, data__txt="hello"), by=contributor)
    )
    assert http.post("/services/one/score", content="", headers=key_of(deployment)).json() == [
        ["azureml-models", "iris", "1"],
        ["model.joblib"],
        "hello",
        ["data.txt", "score.py"],
    ]


def test_a_failing_init_ends_as_failed_with_its_traceback(
    supervisor: Supervisor, iris_version: ModelVersion, contributor: User, script: Any
) -> None:
    broken = script("def init():\n    raise OSError('no such flower')\ndef run(text):\n    pass\n")
    deployment = wait_for_status(services.deploy(iris_version, inference=broken, by=contributor), "Failed", "Healthy")
    assert deployment.failure == "The entry script cannot be used: init() failed: OSError: no such flower."
    assert "Traceback" in deployment.log and 'score.py", line 2, in init' in deployment.log
    assert deployment.log.count("loading score.py") == 1, "it would fail the same way again"


def test_a_script_that_cannot_start_leaves_the_old_one_answering(
    http: httpx.Client, supervisor: Supervisor, iris_version: ModelVersion, contributor: User, script: Any
) -> None:
    good = script(PLAIN + "def run(text):\n    return 'old'\n")
    deployment = healthy(services.deploy(iris_version, name="scored", inference=good, by=contributor))
    services.update(deployment, inference=script("import nothing_of_this_name\n"), by=contributor)
    assert deployment.revision != deployment.live_revision
    healthy(deployment)
    assert "goes on answering" in deployment.failure and "nothing_of_this_name" in deployment.failure
    assert deployment.revision == deployment.live_revision
    assert http.post("/services/scored/score", content="", headers=key_of(deployment)).json() == "old"
    until(lambda: Revision.objects.count() == 1, 5)


def test_another_script_takes_over_under_load_without_an_error(
    http: httpx.Client,
    supervisor: Supervisor,
    iris_version: ModelVersion,
    contributor: User,
    script: Any,
    home: Path,
    settings: Any,
) -> None:
    settings.SERVICE_STANDBY_SECONDS = 0
    first = script(PLAIN + "import time\ndef run(text):\n    time.sleep(0.01)\n    return 'first'\n")
    deployment = healthy(services.deploy(iris_version, name="scored", inference=first, by=contributor))
    answers: list[tuple[int, object]] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=http.base_url, timeout=30, headers=key_of(deployment)) as client:
            while not over.is_set():
                answer = client.post("/services/scored/score", content="x")
                answers.append((answer.status_code, answer.json()))

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    pid = pid_of(deployment)
    try:
        services.update(deployment, inference=script(PLAIN + "def run(text):\n    return 'second'\n"), by=contributor)
        healthy(deployment)
        until(lambda: not Path(f"/proc/{pid}").exists(), 15)  # the old one has left
    finally:
        over.set()
        for caller in callers:
            caller.join()
    assert {status for status, _ in answers} == {200}, [answer for answer in answers if answer[0] != 200][:3]
    assert answers[0][1] == "first" and answers[-1][1] == "second"
    assert len(answers) > 50
    until(lambda: len(list((home / "serving" / "revisions").iterdir())) == 1, 5)


def test_a_model_gives_way_to_a_script_and_back(
    http: httpx.Client, supervisor: Supervisor, iris_version: ModelVersion, contributor: User, script: Any
) -> None:
    iris = {"data": [[5.1, 3.5, 1.4, 0.2]]}
    deployment = healthy(services.deploy(iris_version, name="scored", by=contributor))
    assert http.post("/services/scored/score", json=iris, headers=key_of(deployment)).json() == [0]
    services.update(deployment, inference=script(PLAIN + "def run(text):\n    return 'script'\n"), by=contributor)
    healthy(deployment)
    until(lambda: http.post("/services/scored/score", json=iris, headers=key_of(deployment)).json() == "script", 3)
    services.update(deployment, inference=services.NO_INFERENCE, by=contributor)
    healthy(deployment)
    until(lambda: http.post("/services/scored/score", json=iris, headers=key_of(deployment)).json() == [0], 3)


def test_keys_are_asked_for_as_the_service_says(
    http: httpx.Client, supervisor: Supervisor, iris_version: ModelVersion, callers: dict[str, Caller], script: Any
) -> None:
    inference = script(PLAIN + "def run(text):\n    return text\n")
    wish = {
        "name": "scored",
        "models": [{"name": "iris"}],
        "inference": {"entry_script": "score.py", "snapshot": inference.snapshot.uid},
    }
    assert callers["contributor"].post("deployments/", wish).status_code == 201
    deployment = healthy(Deployment.objects.get())
    pid = pid_of(deployment)
    assert http.post("/services/scored/score", content="a").status_code == 401
    assert callers["contributor"].patch("deployments/scored/", {"auth_enabled": False}).json()["auth_enabled"] is False
    until(lambda: http.post("/services/scored/score", content="a").status_code == 200, 3)
    assert callers["contributor"].patch("deployments/scored/", {"auth_enabled": True}).status_code == 200
    until(lambda: http.post("/services/scored/score", content="a").status_code == 401, 3)
    deployment.refresh_from_db()
    assert (deployment.status, pid_of(deployment)) == ("Healthy", pid), "nothing was started anew"


def test_the_console_shows_what_a_script_answers_and_logs_it(
    supervisor: Supervisor, iris_version: ModelVersion, contributor: User, callers: dict[str, Caller], script: Any
) -> None:
    source = PLAIN + (
        "from azureml.contrib.services.aml_request import rawhttp\n"
        "from azureml.contrib.services.aml_response import AMLResponse\n"
        "@rawhttp\ndef run(request):\n"
        "    return AMLResponse(b'<b>' + request.get_data(), 203, {'Content-Type': 'text/html'})\n"
    )
    deployment = healthy(services.deploy(iris_version, name="scored", inference=script(source), by=contributor))
    answer = callers["reader"].post("deployments/scored/score/", {"any": "thing"})
    assert (answer.status_code, answer.content) == (203, b'<b>{"any": "thing"}')
    assert answer["Content-Type"] == "text/html" and answer["Content-Security-Policy"].startswith("sandbox")
    request_buffer.flush()
    until(lambda: deployment.requests.exists(), 3)
    logged = deployment.requests.get()
    assert (logged.method, logged.status, logged.version) == ("run", 203, "score.py with iris:1")
    assert logged.response.startswith("<b>")


def test_a_changed_file_of_the_script_is_laid_out_anew(
    http: httpx.Client, supervisor: Supervisor, iris_version: ModelVersion, contributor: User, script: Any
) -> None:
    source = PLAIN + "def run(text):\n    open('score.py', 'a').write('\\nraise SystemExit\\n')\n    return 'kept'\n"
    deployment = healthy(services.deploy(iris_version, name="scored", inference=script(source), by=contributor))
    for _ in range(2):
        assert http.post("/services/scored/score", content="", headers=key_of(deployment)).json() == "kept"
        services.stop(deployment, by=contributor)
        services.start(deployment, by=contributor)
        healthy(deployment)
