"""Golden requests on real replicas: what answers otherwise than before does not meet callers."""

from __future__ import annotations

import json
import os
import pickle
import signal
from typing import Any

import pytest

from mlportal.access.models import AuditEvent, User
from mlportal.errors import Conflict
from models_registry import services
from models_registry.models import Deployment, GoldenReplay, ModelVersion, Revision
from models_registry.serving.golden import RECORDED
from models_registry.serving.supervisor import Supervisor
from tests.models_registry.conftest import MakeRun, Register, pid_of, until, wait_for_status
from tests.models_registry.test_scripts_served import script as script
from tests.models_registry.test_supervisor import IRIS, ask
from tests.serving.conftest import FromSource

ROWS = IRIS["data"]
TWO = {"name": "two irises", "data": ROWS, "answer": [0, 2]}


@pytest.fixture
def deployment(supervisor: Supervisor, iris_version: ModelVersion, contributor: User) -> Deployment:
    services.save_golden(iris_version, {"data": ROWS}, [0, 2], name="two irises", by=contributor)
    return wait_for_status(services.deploy(iris_version, by=contributor), "Healthy", "Failed")


def test_a_model_that_answers_as_it_owes_is_made_live_and_the_replay_is_kept(deployment: Deployment) -> None:
    assert (deployment.status, deployment.failure) == ("Healthy", "")
    replay = GoldenReplay.objects.get(deployment=deployment)
    assert (replay.passed, replay.refused, replay.label) == (True, None, "iris:1")
    assert [(each["name"], each["method"], each["problem"]) for each in replay.results] == [
        ("two irises", "predict", "")
    ]


def test_a_changed_answer_leaves_the_old_one_answering_until_a_person_accepts_it(
    deployment: Deployment, register: Register, shifted_iris_model: bytes, contributor: User, reader: User
) -> None:
    changed = register(shifted_iris_model, golden=[TWO])
    services.redeploy(deployment, changed, by=contributor)
    wait_for_status(deployment, "Healthy")
    assert str(deployment.live_revision) == str(deployment.revision) == "iris:1"
    assert "iris:2 was not made live, so iris:1 goes on answering" in deployment.failure
    assert "Golden request 'two irises' answers [10, 12] instead of [0, 2]." in deployment.failure
    assert ask(deployment) == (200, [0, 2])

    services.accept_changes(deployment, by=contributor)
    until(lambda: wait_for_status(deployment, "Healthy").live_revision.versions == [changed])  # type: ignore[union-attr]
    assert (ask(deployment), deployment.failure) == ((200, [10, 12]), "")
    replay = GoldenReplay.objects.get()
    assert (replay.passed, replay.accepted, replay.refused) == (False, True, None)
    assert "whatever its golden requests answer" in deployment.events.filter(actor=contributor)[0].reason
    assert AuditEvent.objects.filter(action="deployment.redeploy", details__accept_changes=True).count() == 1
    assert Revision.objects.filter(label="iris:2").count() == 1, "what was refused is kept no longer"
    with pytest.raises(Conflict):
        services.accept_changes(deployment, by=contributor)


def test_a_first_deployment_that_answers_otherwise_fails_and_its_version_can_be_deleted(
    supervisor: Supervisor, register: Register, shifted_iris_model: bytes, contributor: User
) -> None:
    version = register(shifted_iris_model, golden=[TWO])
    deployment = wait_for_status(services.deploy(version, by=contributor), "Healthy", "Failed")
    assert (deployment.status, deployment.live_revision) == ("Failed", None)
    assert deployment.failure == "Golden request 'two irises' answers [10, 12] instead of [0, 2]."
    assert ask(deployment)[0] == 503
    services.accept_changes(deployment, by=contributor)
    wait_for_status(deployment, "Healthy")
    assert ask(deployment) == (200, [10, 12])
    services.delete(deployment, by=contributor)
    services.delete_version(version, by=contributor)


def test_what_was_refused_does_not_keep_its_version(
    deployment: Deployment, register: Register, shifted_iris_model: bytes, contributor: User
) -> None:
    changed = register(shifted_iris_model, golden=[TWO])
    services.redeploy(deployment, changed, by=contributor)
    until(lambda: GoldenReplay.objects.exclude(refused=None).exists())
    wait_for_status(deployment, "Healthy")
    os.kill(pid_of(deployment), signal.SIGKILL)
    wait_for_status(deployment, "Unhealthy")
    wait_for_status(deployment, "Healthy")
    assert GoldenReplay.objects.get().refused is not None, "a restart of the old one decides nothing"
    services.delete_version(changed, by=contributor)
    assert GoldenReplay.objects.get().refused is None
    assert Revision.objects.count() == 1
    with pytest.raises(Conflict):
        services.accept_changes(deployment, by=contributor)


def test_what_answers_is_started_again_whatever_is_asked_of_it_since(
    deployment: Deployment, iris_version: ModelVersion, contributor: User
) -> None:
    services.save_golden(iris_version, {"data": ROWS}, [1, 1], name="wrong", by=contributor)
    os.kill(pid_of(deployment), signal.SIGKILL)
    wait_for_status(deployment, "Unhealthy")
    wait_for_status(deployment, "Healthy", "Failed")
    assert ask(deployment) == (200, [0, 2])
    replay = GoldenReplay.objects.get()
    assert [each["passed"] for each in replay.results] == [True, False]


# Takes a minute for a row that begins with 7, and no time for what it is asked while it is loaded.
SLOW = 'type("Slow", (), {"predict": lambda self, x: __import__("time").sleep(60 * (x[0][0] == 7))})()'


def test_a_model_that_does_not_answer_in_time_is_refused(
    supervisor: Supervisor, register: Register, contributor: User, settings: Any
) -> None:
    settings.GOLDEN_SECONDS = 1
    version = register(pickle.dumps(FromSource(SLOW)), golden=[{"data": [[7]], "answer": [1]}])
    deployment = wait_for_status(services.deploy(version, by=contributor), "Healthy", "Failed")
    assert deployment.status == "Failed"
    assert "'request 1' is not answered: all of them have 1 s (MLPORTAL_GOLDEN_TIMEOUT)" in deployment.failure


def test_a_request_that_the_model_does_not_take_is_told(
    supervisor: Supervisor, register: Register, iris_model: bytes, contributor: User
) -> None:
    version = register(iris_model, golden=[{"data": [[1.0]], "answer": [1]}, TWO])
    deployment = wait_for_status(services.deploy(version, by=contributor), "Healthy", "Failed")
    assert "'request 1' is answered with an error:" in deployment.failure
    assert [each["passed"] for each in GoldenReplay.objects.get().results] == [False, True]


def test_the_first_answer_of_a_version_is_recorded_and_asked_at_its_next_start(
    supervisor: Supervisor, iris_version: ModelVersion, contributor: User
) -> None:
    deployment = wait_for_status(services.deploy(iris_version, by=contributor), "Healthy", "Failed")
    golden = iris_version.golden_requests.get()
    assert (golden.name, golden.is_recorded, golden.created_by) == (RECORDED, True, None)
    assert deployment.signature and golden.request == {"data": deployment.signature["example"]}
    pid = pid_of(deployment)
    services.stop(deployment, by=contributor)
    until(lambda: not os.path.exists(f"/proc/{pid}"))
    services.start(deployment, by=contributor)
    wait_for_status(deployment, "Healthy")
    assert [each["passed"] for each in GoldenReplay.objects.get().results] == [True]


def test_nothing_is_recorded_where_that_is_switched_off_or_answers_are_never_the_same(
    supervisor: Supervisor, iris_version: ModelVersion, register: Register, contributor: User, settings: Any
) -> None:
    random = 'type("Dice", (), {"n_features_in_": 1, "predict": lambda self, x: [__import__("random").random()]})()'
    dice = register(pickle.dumps(FromSource(random)), name="dice")
    wait_for_status(services.deploy(dice, by=contributor), "Healthy")
    settings.GOLDEN_RECORD = False
    wait_for_status(services.deploy(iris_version, by=contributor), "Healthy")
    assert not dice.golden_requests.exists() and not iris_version.golden_requests.exists()


ADDS = """
import json

def init():
    pass

def run(raw_data):
    return {"result": [row[0] + NUMBER for row in json.loads(raw_data)["data"]]}
"""


def test_an_entry_script_owes_what_its_model_was_saved_with(
    supervisor: Supervisor, iris_version: ModelVersion, contributor: User, script: Any
) -> None:
    request, answer = {"data": [[1], [2.5]]}, {"result": [2, 3.5]}
    services.save_golden(iris_version, request, answer, method="run", name="adds one", by=contributor)
    services.save_golden(iris_version, {"data": ROWS}, [7, 7], name="of the model alone", by=contributor)
    made = services.deploy(iris_version, inference=script(ADDS.replace("NUMBER", "1")), by=contributor)
    deployment = wait_for_status(made, "Healthy", "Failed")
    assert deployment.status == "Healthy", deployment.failure + deployment.log
    assert [(each["name"], each["passed"]) for each in GoldenReplay.objects.get().results] == [("adds one", True)]
    services.update(deployment, inference=script(ADDS.replace("NUMBER", "2")), by=contributor)
    wait_for_status(deployment, "Healthy", "Failed")
    assert '\'adds one\' answers {"result": [3, 4.5]} instead of {"result": [2, 3.5]}' in deployment.failure
    assert ask(deployment, request) == (200, answer)


def test_golden_requests_come_with_the_model(make_run: MakeRun, iris_model: bytes, contributor: User) -> None:
    listed = json.dumps([TWO, {"data": ROWS, "method": "decision_function", "answer": [[float("nan")] * 3] * 2}])
    run = make_run({"outputs/model.joblib": iris_model, "outputs/golden_requests.json": listed.encode()})
    version = services.register_model(run, name="iris", path="outputs/model.joblib", by=contributor)
    assert [(each.name, each.method) for each in version.golden_requests.all()] == [
        ("two irises", "predict"),
        ("request 1", "decision_function"),
    ]
    assert version.golden_requests.all()[1].answer == [[None] * 3] * 2
    assert [file.path for file in version.files.all()] == ["model.joblib"]
    folder = services.register_model(run, name="iris", path="outputs", by=contributor)
    assert folder.golden_requests.count() == 2
    copy = services.copy_version(folder, name="copy", by=contributor)
    assert copy.golden_requests.count() == 2
