"""What goes to the trash and comes back: trees as a whole, and nothing that is executed."""

from __future__ import annotations

import pytest

from experiments import services
from experiments.models import ComputeTarget, Experiment, Run
from experiments.services.compute import ensure_local_target
from mlportal.access.models import AuditEvent, User
from mlportal.errors import Conflict, NotAllowed
from tests.trash.conftest import MakeRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def target() -> ComputeTarget:
    return ensure_local_target()


def in_trash() -> set[int]:
    return set(Run.objects.trashed().values_list("pk", flat=True))


def test_children_go_and_come_with_their_parent(make_run: MakeRun, contributor: User) -> None:
    parent = make_run()
    child = make_run(parent=parent)
    grandchild, other = make_run(parent=child), make_run()
    services.trash_run(parent, by=contributor)
    assert in_trash() == {parent.pk, child.pk, grandchild.pk}
    parent.refresh_from_db()
    assert (parent.deleted_by, parent.deleted_why) == (contributor, "")
    assert [run.pk for run in services.trashed_runs(parent.workspace)] == [parent.pk]
    services.trash_run(parent, by=contributor)  # again changes nothing
    assert AuditEvent.objects.filter(action="run.trash").count() == 1
    services.untrash_run(parent, by=contributor)
    assert in_trash() == set()
    parent.refresh_from_db()
    assert (parent.deleted_at, parent.deleted_by) == (None, None)
    other.refresh_from_db()
    assert other.revision == 0


def test_a_child_that_went_by_itself_stays_when_its_parent_comes_back(make_run: MakeRun, contributor: User) -> None:
    parent = make_run()
    first, second = make_run(parent=parent), make_run(parent=parent)
    services.trash_run(first, by=contributor)
    services.trash_run(parent, by=contributor)
    services.untrash_run(parent, by=contributor)
    assert in_trash() == {first.pk}
    second.refresh_from_db()
    assert second.deleted_at is None


def test_a_child_brings_its_parents_back(make_run: MakeRun, contributor: User) -> None:
    parent = make_run()
    first, second = make_run(parent=parent), make_run(parent=parent)
    services.trash_run(parent, by=contributor)
    services.untrash_run(first, by=contributor)
    assert in_trash() == {second.pk}


def test_what_the_portal_executes_is_not_thrown_away(
    make_run: MakeRun, contributor: User, target: ComputeTarget
) -> None:
    parent, other = make_run(), make_run()
    child = make_run(parent=parent, status="Running", ended_at=None, compute_target=target)
    with pytest.raises(Conflict, match="cancel it first") as caught:
        services.trash_runs(parent.workspace, [other, parent], by=contributor)
    assert caught.value.details["run"] == child.uid
    assert in_trash() == set()


def test_a_parent_in_the_trash_gets_no_children(make_run: MakeRun, contributor: User) -> None:
    parent = make_run()
    services.trash_run(parent, by=contributor)
    with pytest.raises(Conflict, match="restore it first"):
        services.start_run(parent.workspace, parent=parent, by=contributor)
    assert Run.objects.count() == 1


def test_an_experiment_comes_back_with_its_runs_and_with_a_new_run_alone(make_run: MakeRun, contributor: User) -> None:
    first, second = make_run(), make_run()
    child = make_run("elsewhere", parent=first)
    place = first.experiment
    services.trash_experiment(place, by=contributor)
    assert in_trash() == {first.pk, second.pk, child.pk}
    (listed,) = services.trashed_experiments(place.workspace)
    assert (listed, vars(listed)["trashed_count"], listed.deleted_by) == (place, 2, contributor)
    assert [run.pk for run in services.trashed_runs(place.workspace)] == []  # they come back with it
    services.untrash_experiment(place, by=contributor)
    assert in_trash() == set() and not services.trashed_experiments(place.workspace)
    services.trash_experiment(place, by=contributor)
    services.start_run(place.workspace, experiment="iris", by=contributor)
    place.refresh_from_db()
    assert (place.archived_at, place.deleted_at) == (None, None)
    assert {run.pk for run in services.trashed_runs(place.workspace)} == {first.pk, second.pk}


def test_an_archived_experiment_is_not_in_the_trash(make_run: MakeRun, contributor: User) -> None:
    run = make_run()
    services.archive_experiment(run.experiment, by=contributor)
    assert not services.trashed_experiments(run.workspace) and in_trash() == set()


def test_readers_and_strangers_move_nothing(make_run: MakeRun, reader: User, stranger: User, owner: User) -> None:
    run, gone = make_run(), make_run()
    services.trash_run(gone, by=owner)
    for person in (reader, stranger):
        for act in (services.trash_run, services.untrash_run):
            with pytest.raises(NotAllowed):
                act(run, by=person)
            with pytest.raises(NotAllowed):
                act(gone, by=person)
    assert in_trash() == {gone.pk}


def test_runs_of_another_workspace_stay(make_run: MakeRun, owner: User) -> None:
    from mlportal.access.services import create_workspace

    other = create_workspace("other", by=owner)
    run = make_run()
    assert services.trash_runs(other, [run], by=owner) == 0
    assert in_trash() == set() and Experiment.objects.filter(archived_at=None).exists()


def test_a_tree_may_have_more_runs_than_a_query_has_parameters(
    make_run: MakeRun, owner: User, few_parameters: None
) -> None:
    parent = make_run()
    for _ in range(400):
        make_run(parent=parent)
    services.trash_run(parent, by=owner)
    assert Run.objects.trashed().count() == 401
    services.untrash_run(parent, by=owner)
    assert Run.objects.kept().count() == 401
