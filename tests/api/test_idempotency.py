"""A request with an Idempotency-Key is carried out once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from experiments import services
from experiments.models import Experiment, Run
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_token, remove_member
from mlportal.api.idempotency import forget_answers
from mlportal.api.models import KeptAnswer
from tests.api.conftest import Caller, Callers, error_of

pytestmark = pytest.mark.django_db
TRIALS = {"name": "trials", "description": "first"}


def post(caller: Caller, key: str, body: Any = TRIALS, path: str = "experiments/") -> Any:
    headers = {**caller.headers, "Idempotency-Key": key}
    return caller.client.post(caller.url(path), body, "application/json", headers=headers)


def test_the_same_request_gets_the_first_answer_and_makes_nothing(callers: Callers, workspace: Workspace) -> None:
    first, again = (post(callers["owner"], "one") for _ in range(2))
    assert (first.status_code, first.headers.get("Idempotent-Replayed")) == (201, None)
    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")  # without the key it would be 200
    assert (again.content, again["Location"]) == (first.content, first["Location"])
    assert again["Content-Type"] == "application/json"
    assert Experiment.objects.in_workspace(workspace).count() == 1


def test_a_run_is_submitted_once(callers: Callers, run: Run) -> None:
    body = {
        "experiment": "trials",
        "snapshot": run.snapshot.uid if run.snapshot else "",
        "environment": {"name": "tiny", "version": 1},
        "script": "train.py",
    }
    uids = {post(callers["contributor"], "submit", body, "runs/").json()["id"] for _ in range(3)}
    assert len(uids) == 1 and Run.objects.count() == 2


def test_names_in_another_order_are_the_same_request(callers: Callers) -> None:
    post(callers["owner"], "one")
    assert post(callers["owner"], "one", dict(reversed(TRIALS.items()))).status_code == 201


@pytest.mark.parametrize(
    ("path", "body"), [("experiments/", {"name": "others"}), ("runs/start/", TRIALS), ("compute/", TRIALS)]
)
def test_another_request_with_the_key_is_refused(callers: Callers, path: str, body: Any) -> None:
    post(callers["owner"], "one")
    answer = post(callers["owner"], "one", body, path)
    assert answer.status_code == 409
    assert error_of(answer)["code"] == "idempotency_key_reused"
    assert Experiment.objects.filter(name="others").count() == 0


def test_a_key_is_its_users_own(callers: Callers) -> None:
    post(callers["owner"], "one")
    other = post(callers["contributor"], "one", {"name": "others"})
    assert other.status_code == 201 and other.json()["name"] == "others"


def test_what_was_refused_may_be_sent_again(callers: Callers) -> None:
    assert post(callers["owner"], "one", {"name": ""}).status_code == 400
    assert not KeptAnswer.objects.exists()
    assert post(callers["owner"], "one").status_code == 201


def test_a_fault_of_ours_leaves_neither_row_nor_answer(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    make = services.create_experiment

    def broken(*args: Any, **kwargs: Any) -> Any:
        make(*args, **kwargs)
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(services, "create_experiment", broken)
    callers["owner"].client.raise_request_exception = False
    answer = post(callers["owner"], "one")
    assert answer.status_code == 500 and error_of(answer)["code"] == "fault" and "disk" not in answer.content.decode()
    assert not KeptAnswer.objects.exists() and not Experiment.objects.exists()
    monkeypatch.undo()
    assert post(callers["owner"], "one").status_code == 201


def test_who_is_no_member_any_more_gets_nothing(callers: Callers, workspace: Workspace, owner: User) -> None:
    post(callers["contributor"], "one")
    remove_member(workspace.memberships.get(user__username="carl"), by=owner)
    assert post(callers["contributor"], "one").status_code == 404


def test_answers_are_forgotten_after_a_day(callers: Callers, settings: Any) -> None:
    post(callers["owner"], "one")
    KeptAnswer.objects.update(at=timezone.now() - timedelta(hours=25))
    assert post(callers["owner"], "one", {"name": "others"}).status_code == 201  # its row is not swept yet
    forget_answers()
    assert KeptAnswer.objects.count() == 1
    KeptAnswer.objects.update(at=timezone.now() - timedelta(hours=25))
    forget_answers()
    assert KeptAnswer.objects.count() == 0


@pytest.mark.parametrize("key", ["", "x" * 256, "größer", "a\tb"])
def test_a_key_that_is_none_is_refused(callers: Callers, key: str) -> None:
    answer = post(callers["owner"], key)
    assert answer.status_code == 400 and error_of(answer)["details"]["field"] == "Idempotency-Key"


def test_a_secret_is_never_kept(callers: Callers, owner: User) -> None:
    callers["owner"].client.force_login(owner)
    made = callers["owner"].client.post(
        "/api/v1/tokens/", {"name": "t"}, "application/json", headers={"Idempotency-Key": "one"}
    )
    assert made.status_code == 201 and not KeptAnswer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one(
    workspace: Workspace, owner: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    secret = create_token(owner, "test")[1]
    make: Callable[..., Any] = services.create_experiment
    calls = []

    def slow(*args: Any, **kwargs: Any) -> Any:
        calls.append(threading.get_ident())
        time.sleep(0.5)
        return make(*args, **kwargs)

    monkeypatch.setattr(services, "create_experiment", slow)
    answers = []

    def send() -> None:
        try:
            answers.append(post(Caller(secret), "one"))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.content for answer in answers}) == 1
    assert len(calls) == 1 and Experiment.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_waits_too_long_is_told_to_try_again(
    workspace: Workspace, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = create_token(owner, "test")[1]
    make: Callable[..., Any] = services.create_experiment
    inside, leave = threading.Event(), threading.Event()

    def endless(*args: Any, **kwargs: Any) -> Any:
        inside.set()
        leave.wait(30)
        return make(*args, **kwargs)

    monkeypatch.setattr(services, "create_experiment", endless)

    def send() -> None:
        try:
            post(Caller(secret), "one")
        finally:
            connection.close()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        assert inside.wait(10)
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 200")
        answer = post(Caller(secret), "one")
    finally:
        leave.set()
        thread.join()
        connection.close()  # and with it the short timeout
    assert answer.status_code == 409 and answer["Retry-After"] == "1"
    assert error_of(answer)["code"] == "in_progress"
