"""Runs that are moved to another experiment, and actions on many of them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from experiments import services
from experiments.models import ComputeTarget, Experiment, Run, Tag
from mlportal.access.models import AuditEvent, User, Workspace
from mlportal.access.services import create_workspace
from mlportal.errors import BadInput, Conflict, NotAllowed
from mlportal.mlflow_api.whole_runs import run_json
from tests.conftest import MakeRun

pytestmark = pytest.mark.django_db


def place(name: str) -> Experiment:
    return Experiment.objects.get(name=name)


def test_numbers_count_on_and_children_go_with_their_parents(make_run: MakeRun, owner: User) -> None:
    make_run("to")
    other, parent = make_run(), make_run()
    child = make_run(parent=parent)
    grandchild = make_run(parent=child)
    assert services.move_runs([parent], place("to"), by=owner) == 3
    moved = Run.objects.filter(experiment=place("to")).order_by("number").values_list("pk", "number")
    assert list(moved)[1:] == [(parent.pk, 2), (child.pk, 3), (grandchild.pk, 4)]
    assert place("to").last_number == 4
    assert list(Run.objects.filter(experiment=place("iris"))) == [other]
    assert make_run().number == 5, "a number that is gone is not given twice"
    assert AuditEvent.objects.get(action="run.move").details == {"experiment": "to", "former": "iris"}
    parent.refresh_from_db()
    told = orjson.loads(orjson.dumps(run_json(parent)))
    assert told["info"]["experiment_id"] == str(place("to").pk), "MLflow's clients see it there, too"
    assert services.move_runs([parent], place("to"), by=owner) == 0
    assert place("to").last_number == 4


def test_what_a_run_logged_as_a_model_goes_with_it(make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    run = make_run()
    model = services.create_logged_model(run.experiment, name="svc", run=run, by=owner)
    old, new = run.experiment, services.make_experiment(workspace, "to", by=owner)
    with pytest.raises(BadInput):
        services.create_logged_model(new, name="svc", run=run, by=owner)
    services.move_runs([run], new, by=owner)
    services.delete_experiment(old, by=owner)
    model.refresh_from_db()
    assert model.experiment == new


def test_a_move_of_which_nothing_comes_makes_no_experiment(
    make_run: MakeRun, owner: User, workspace: Workspace
) -> None:
    parent = make_run()
    child = make_run(parent=parent)
    outcome = services.act_on_runs(workspace, Run.objects.filter(pk=child.pk), "move", experiment="new", by=owner)
    assert (outcome.done, [each.code for each in outcome.refused]) == (0, ["has_parent"])
    assert not Experiment.objects.filter(name="new").exists()


def test_what_may_not_be_moved_moves_nothing(
    make_run: MakeRun, owner: User, reader: User, workspace: Workspace
) -> None:
    make_run("to")
    free, parent = make_run(), make_run()
    child = make_run(parent=parent)
    target = ComputeTarget.objects.create(name="machine")
    executed = make_run(status="Running", ended_at=None, compute_target=target)
    for run in (child, executed):
        with pytest.raises(Conflict):
            services.move_runs([free, run], place("to"), by=owner)
    with pytest.raises(NotAllowed):
        services.move_runs([free], place("to"), by=reader)
    elsewhere = Experiment.objects.create(workspace=create_workspace("other", by=owner), name="x")
    with pytest.raises(BadInput):
        services.move_runs([free], elsewhere, by=owner)
    assert Run.objects.filter(experiment=place("iris")).count() == 4
    assert place("to").last_number == 1


def test_each_is_done_or_refused_by_itself(make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    ended, goes_on = make_run(), make_run(status="Running", ended_at=None)
    outcome = services.act_on_runs(workspace, Run.objects.all(), "cancel", by=owner)
    assert outcome.done == 1
    assert [(one.uid, one.message) for one in outcome.refused] == [(ended.uid, "The run is completed already.")]
    goes_on.refresh_from_db()
    assert goes_on.status == "Canceled"
    outcome = services.act_on_runs(workspace, Run.objects.all(), "tag", set_to={"a": "b"}, remove=["c"], by=owner)
    assert outcome.done == Tag.objects.filter(name="a", value="b").count() == 2
    assert services.act_on_runs(workspace, Run.objects.all(), "trash", by=owner).done == 2
    assert not Run.objects.kept().exists()


def test_a_family_that_is_chosen_whole_is_moved_whole(make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    parent = make_run()
    for _ in range(2):
        make_run(parent=parent)
    outcome = services.act_on_runs(workspace, Run.objects.all(), "move", experiment="team/new one", by=owner)
    assert (outcome.done, outcome.refused) == (3, [])
    assert Run.objects.filter(experiment=place("team/new one")).count() == 3


@pytest.mark.parametrize(
    "wish",
    [
        {"action": "explode"},
        {"action": "tag"},
        {"action": "tag", "set_to": {"": "x"}},
        {"action": "move"},
        {"action": "move", "experiment": "a\nb"},
        {"action": "move", "experiment": "\ud800"},
    ],
)
def test_what_is_wrong_with_all_is_said_once(
    make_run: MakeRun, owner: User, workspace: Workspace, wish: dict[str, Any]
) -> None:
    make_run()
    with pytest.raises(BadInput):
        services.act_on_runs(workspace, Run.objects.all(), by=owner, **wish)
    assert not Tag.objects.exists()


def test_more_than_one_request_may_act_on_are_refused(
    make_run: MakeRun, owner: User, workspace: Workspace, settings: Any
) -> None:
    settings.BULK_RUNS = 2
    for _ in range(3):
        make_run()
    with pytest.raises(BadInput, match="MLPORTAL_BULK_RUNS"):
        services.act_on_runs(workspace, Run.objects.all(), "trash", by=owner)
    assert Run.objects.kept().count() == 3
