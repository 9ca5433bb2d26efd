"""Children of one run, started by many at once, as a search over parameters does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments import services
from experiments.models import ComputeTarget, Experiment, Run
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.access.principals import RunPrincipal
from mlportal.errors import BadInput, Conflict
from tests.races.conftest import at_once, wins

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def parent(workspace: Workspace, owner: User) -> Run:
    return services.start_run(workspace, experiment="search", by=owner)


def test_twenty_threads_number_children_without_gap_or_double(parent: Run, owner: User) -> None:
    script = RunPrincipal(parent.pk, parent.workspace_id, owner)
    made = at_once([lambda: services.start_run(parent.workspace, parent=parent, by=script)] * 20)
    assert sorted(run.number for run in made) == list(range(2, 22))
    assert parent.children.count() == 20
    assert Experiment.objects.get().last_number == 21


def test_the_limit_of_children_holds_for_many_at_once(parent: Run, owner: User, settings: Any) -> None:
    settings.RUN_CHILDREN = 7
    start: Callable[[], Any] = lambda: services.start_run(parent.workspace, parent=parent, by=owner)  # noqa: E731
    assert sum(at_once([lambda: wins(start, BadInput)] * 20)) == 7
    assert parent.children.count() == 7


def test_a_property_has_one_value_whoever_writes_it(parent: Run, owner: User) -> None:
    def write(value: str) -> Callable[[], bool]:
        return lambda: wins(lambda: services.add_properties(parent, {"best": value}, by=owner), Conflict)

    assert sum(at_once([write(str(number)) for number in range(10)])) == 1
    assert parent.properties.count() == 1


def test_a_run_ends_once(parent: Run, owner: User) -> None:
    def finish(status: str) -> Callable[[], bool]:
        run = Run.objects.get(pk=parent.pk)
        return lambda: wins(lambda: services.finish_run(run, status, by=owner), Conflict)

    assert sum(at_once([finish(status) for status in ("Completed", "Failed", "Canceled") * 3])) == 1
    parent.refresh_from_db()
    assert parent.is_final
    assert parent.events.filter(new__in=["Completed", "Failed", "Canceled"]).count() == 1


def test_one_of_many_makes_the_target_of_a_name(workspace: Workspace, owner: User) -> None:
    create: Callable[[], Any] = lambda: services.create_target(workspace, "cluster", by=owner)  # noqa: E731
    assert sum(at_once([lambda: wins(create, Conflict)] * 10)) == 1
    assert ComputeTarget.objects.filter(name="cluster").count() == 1


def test_no_run_is_left_on_a_deleted_target(
    submit: Callable[..., Run], upload: Callable[..., Any], workspace: Workspace, owner: User
) -> None:
    target = services.create_target(workspace, "cluster", by=owner)
    snapshot = upload({"train.py": "print(1)\n"})
    submits: list[Callable[[], bool]] = [
        lambda: wins(lambda: submit(snapshot=snapshot, target="cluster"), BadInput) for _ in range(6)
    ]
    *submitted, deleted = at_once([*submits, lambda: wins(lambda: services.delete_target(target, by=owner), Conflict)])
    waiting = Run.objects.filter(compute_target=target, status=RunStatus.NOT_STARTED).count()
    assert waiting == sum(submitted)
    assert not (deleted and waiting)
