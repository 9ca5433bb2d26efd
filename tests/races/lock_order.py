"""Which locks an action takes, and in which order, where writers do not wait for each other by themselves.

`tests/services/test_lock_order.py` runs this file on PostgreSQL. Nothing here depends on who is faster: the first one's
transaction stays open until the second one waits for it, or has gone past it, which a lock forbids.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from experiments import services
from experiments.models import LoggedModel, LoggedModelUse, Run, Tag
from experiments.search.attributes import PARENT_TAG
from experiments.services import purging
from experiments.services.compute import ensure_local_target
from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from mlportal.errors import BadInput, Conflict
from models_registry.models import ModelVersion, RegisteredModel, Stage
from models_registry.services import catalogue
from tests.conftest import TINY

PATIENCE = 30.0


class Person:
    """Somebody on a connection of their own, whose steps are taken one after another."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._open: transaction.Atomic | None = None
        self.key: int = self.does(self._connect)

    @staticmethod
    def _connect() -> int:
        connection.ensure_connection()
        return int(connection.connection.info.backend_pid)

    def asks(self, call: Callable[[], Any]) -> Future[Any]:
        return self._thread.submit(call)

    def does(self, call: Callable[[], Any]) -> Any:
        return self.asks(call).result(PATIENCE)

    def begins(self) -> None:
        self._open = transaction.atomic()
        self.does(self._open.__enter__)

    def commits(self) -> None:
        held, self._open = self._open, None
        assert held is not None
        self.does(lambda: held.__exit__(None, None, None))

    def leaves(self) -> None:
        self.asks(connection.close)
        self._thread.shutdown()


@pytest.fixture(scope="module", autouse=True)
def database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """It goes with the server, and what the tests leave in it, too: to empty it after each of them costs a second."""
    with django_db_blocker.unblock():
        assert connection.vendor == "postgresql"
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        yield


@pytest.fixture(scope="module")
def owner(database: None) -> User:
    return User.objects.create_user("olga", password="not-needed-here")


@pytest.fixture
def workspace(owner: User) -> Workspace:
    return create_workspace(f"lab-{uuid4().hex[:8]}", by=owner)


@pytest.fixture
def people(database: None) -> Iterator[list[Person]]:
    people = [Person() for _ in range(3)]
    yield people
    for person in people:
        person.leaves()


def comes_to_rest(person: Person, asked: Future[Any]) -> None:
    """It waits for a lock that another one holds, or it is through."""
    deadline = time.monotonic() + PATIENCE
    with connection.cursor() as cursor:
        while not asked.done():
            cursor.execute("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", [person.key])
            if cursor.fetchone() == ("Lock",):
                return
            assert time.monotonic() < deadline, "neither waits nor ends"
            time.sleep(0.005)


def meet(people: list[Person], first: Callable[[], Any], second: Callable[[], Any]) -> Future[Any]:
    """The first one has not committed yet when the second one asks; the second one's answer, when both are through."""
    one, other, _ = people
    one.begins()
    one.does(first)
    asked = other.asks(second)
    comes_to_rest(other, asked)
    one.commits()
    asked.exception(PATIENCE)
    return asked


def told(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def names_parent(run: Run, parent: Run) -> None:
    Tag.objects.create(run=run, name=PARENT_TAG, value=parent.uid)


@pytest.fixture
def start(workspace: Workspace, owner: User) -> Callable[..., Run]:
    return lambda experiment="iris", **more: services.start_run(workspace, experiment=experiment, by=owner, **more)


@pytest.fixture
def submit(workspace: Workspace, owner: User) -> Callable[..., Run]:
    ensure_local_target()
    script = services.take_files(workspace, [("train.py", io.BytesIO(b"print(1)"))], by=owner)
    asked: dict[str, Any] = {
        "snapshot": script.snapshot,
        "environment_version": services.add_version(workspace, "e", TINY, by=owner),
    }
    return lambda experiment="iris", **more: services.submit_run(
        workspace, experiment=experiment, script="train.py", by=owner, **asked, **more
    )


def test_a_parent_does_not_go_while_a_child_is_submitted_elsewhere(
    people: list[Person], start: Callable[..., Run], submit: Callable[..., Run], owner: User
) -> None:
    """The child has an experiment of its own, so that the experiments' locks do not meet."""
    parent = start()
    refused = meet(
        people, lambda: submit(experiment="other", parent=parent), lambda: services.trash_run(parent, by=owner)
    )
    assert isinstance(refused.exception(), Conflict)  # the portal is to execute the child
    assert told(parent).deleted_at is None and parent.children.get().deleted_at is None


def test_a_parent_that_goes_takes_no_more_children(
    people: list[Person], start: Callable[..., Run], submit: Callable[..., Run], owner: User
) -> None:
    parent = start()
    refused = meet(
        people,
        lambda: services.trash_run(told(parent), by=owner),
        lambda: submit(experiment="other", parent=parent),
    )
    assert isinstance(refused.exception(), Conflict)
    assert told(parent).deleted_at and not parent.children.exists()


def test_who_is_tagged_with_a_parent_that_goes_stays_alone(
    people: list[Person], start: Callable[..., Run], owner: User
) -> None:
    parent, child = start(), start()
    names_parent(child, parent)
    linked = meet(
        people, lambda: services.trash_run(told(parent), by=owner), lambda: services.link_parent(child, by=owner)
    )
    assert linked.result() is False
    assert told(child).parent is None and told(child).deleted_at is None


def test_who_has_been_tagged_goes_with_the_parent(people: list[Person], start: Callable[..., Run], owner: User) -> None:
    parent, child = start(), start()
    names_parent(child, parent)
    meet(people, lambda: services.link_parent(child, by=owner), lambda: services.trash_run(parent, by=owner)).result()
    assert told(child).parent == parent and told(child).deleted_at


def test_two_runs_do_not_become_parents_of_each_other(
    people: list[Person], start: Callable[..., Run], owner: User
) -> None:
    one, other = start(), start()
    names_parent(one, other)
    names_parent(other, one)
    linked = meet(people, lambda: services.link_parent(one, by=owner), lambda: services.link_parent(other, by=owner))
    assert linked.result() is False
    assert told(one).parent == other and told(other).parent is None


@pytest.mark.parametrize("way", ["start", "submit"])
def test_who_comes_to_a_parent_that_is_held_holds_its_experiment(
    way: str, request: pytest.FixtureRequest, people: list[Person], start: Callable[..., Run], owner: User
) -> None:
    """In another order it and the trash would each hold what the other one needs."""
    holder, one, other = people
    parent, child = start(), request.getfixturevalue(way)
    holder.begins()
    holder.does(lambda: Run.objects.select_for_update(of=("self",)).get(pk=parent.pk))
    made = one.asks(lambda: child(parent=parent))
    comes_to_rest(one, made)
    gone = other.asks(lambda: services.trash_run(parent, by=owner))
    comes_to_rest(other, gone)
    holder.commits()
    made.result(PATIENCE)
    if way == "start":
        gone.result(PATIENCE)
        assert parent.children.get().deleted_at
    else:
        assert isinstance(gone.exception(PATIENCE), Conflict)
        assert told(parent).deleted_at is None


def test_what_is_deleted_for_good_does_not_come_back(
    people: list[Person], start: Callable[..., Run], workspace: Workspace, owner: User
) -> None:
    run = start()
    services.finish_run(run, "Completed", by=owner)
    services.trash_run(run, by=owner)
    refused = meet(
        people,
        lambda: purging.start_purge(workspace, services.plan_purge(workspace, runs=[run]), by=owner),
        lambda: services.restore_runs(workspace, [run], by=owner),
    )
    assert isinstance(refused.exception(), Conflict)
    assert not Run.objects.kept().filter(pk=run.pk).exists()


def test_a_model_is_named_by_a_run_while_somebody_deletes_it(
    people: list[Person], start: Callable[..., Run], owner: User
) -> None:
    """Who names it holds the run's lock, which who deletes it takes after the model's."""
    run = start()
    model = services.create_logged_model(run.experiment, run=run, by=owner)
    named = lambda: services.note_model_uses(run, [(model, 1)], LoggedModelUse.Kind.OUTPUT, by=owner)  # noqa: E731
    meet(people, named, lambda: services.delete_logged_model(model, by=owner)).result()
    assert LoggedModel.objects.get(pk=model.pk).deleted_at
    assert LoggedModelUse.objects.filter(model=model).count() == 1


def test_what_two_say_of_a_model_is_kept(people: list[Person], start: Callable[..., Run], owner: User) -> None:
    run = start()
    model = services.create_logged_model(run.experiment, run=run, by=owner)
    one, other = (LoggedModel.objects.get(pk=model.pk) for _ in range(2))
    first = lambda: services.add_model_params(one, {"a": "1"}, by=owner)  # noqa: E731
    meet(people, first, lambda: services.add_model_params(other, {"b": "2"}, by=owner)).result()
    assert LoggedModel.objects.get(pk=model.pk).params == {"a": "1", "b": "2"}


@pytest.fixture
def model(workspace: Workspace, owner: User) -> RegisteredModel:
    """With two versions."""
    model = catalogue.create_model(workspace, "iris", by=owner)
    for number in (1, 2):
        ModelVersion.objects.create(model=model, version=number, path="model", created_by=owner)
    return model


def test_one_version_is_in_production(people: list[Person], model: RegisteredModel, owner: User) -> None:
    second, first = model.versions.order_by("-version")

    def promote(version: ModelVersion) -> Callable[[], None]:
        return lambda: catalogue.set_stage(version, Stage.PRODUCTION, archive_others=True, by=owner)

    meet(people, promote(first), promote(second)).result()
    assert dict(model.versions.values_list("version", "stage")) == {1: Stage.ARCHIVED, 2: Stage.PRODUCTION}


def test_tags_that_two_give_a_model_are_kept(people: list[Person], model: RegisteredModel, owner: User) -> None:
    one, other = (RegisteredModel.objects.get(pk=model.pk) for _ in range(2))
    first = lambda: catalogue.update_model(one, add_tags={"a": "1"}, by=owner)  # noqa: E731
    meet(people, first, lambda: catalogue.update_model(other, add_tags={"b": "2"}, by=owner)).result()
    assert RegisteredModel.objects.get(pk=model.pk).tags == {"a": "1", "b": "2"}


def test_two_do_not_go_beyond_the_limit_of_aliases(
    people: list[Person], model: RegisteredModel, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "MAX_ALIASES", 1)
    one, other = model.versions.all()
    first = lambda: catalogue.set_alias(one, "best", by=owner)  # noqa: E731
    refused = meet(people, first, lambda: catalogue.set_alias(other, "next", by=owner))
    assert isinstance(refused.exception(), BadInput)
    assert model.aliases.get().name == "best"
