"""Two people at the same time: a tree is brought back as a whole or deleted as a whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from experiments import services
from experiments.models import Run
from experiments.services import purging
from mlportal.access.models import User, Workspace
from mlportal.errors import Conflict
from tests.races.conftest import at_once, wins
from tests.trash.conftest import MakeRun, make_run, trashed

__all__ = ["make_run"]
pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 4


def may_lose(do: Callable[..., object], *arguments: object, **more: object) -> Callable[[], bool]:
    """Whoever comes second is told of a conflict."""
    return lambda: wins(lambda: do(*arguments, **more), Conflict)


def test_restored_or_deleted_for_good(make_run: MakeRun, owner: User, contributor: User, workspace: Workspace) -> None:
    for _ in range(ROUNDS):
        parent = make_run()
        family = {parent.pk, *(make_run(parent=parent, files={"outputs/x": b"x"}).pk for _ in range(3))}
        trashed(parent, owner)
        at_once(
            [
                may_lose(services.restore_runs, workspace, [parent], by=contributor),
                may_lose(services.purge_runs, workspace, runs=[parent], by=owner),
                may_lose(services.purge_runs, workspace, everything=True, by=owner),
            ]
        )
        purging.resume()
        left = set(Run.objects.filter(pk__in=family).values_list("pk", flat=True))
        assert left in (set(), family)
        assert not Run.objects.trashed().exists() and not Run.objects.exclude(purge=None).exists()


def test_a_child_that_is_started_while_its_parent_goes(
    make_run: MakeRun, owner: User, contributor: User, workspace: Workspace
) -> None:
    """It goes along, or it is refused: a run that is kept has no parent in the trash."""
    for _ in range(ROUNDS):
        parent = make_run()
        at_once(
            [
                may_lose(services.trash_run, parent, by=owner),
                may_lose(services.start_run, workspace, parent=parent, by=contributor),
            ]
        )
        assert not Run.objects.kept().filter(parent__deleted_at__isnull=False).exists()


def test_two_who_carry_out_the_same(make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    runs = [trashed(make_run(files={"outputs/x": b"%d" % n * 10}), owner) for n in range(60)]
    with_both = services.plan_purge(workspace, runs=runs)
    begun = purging.start_purge(workspace, with_both, by=None)
    at_once([purging.resume] * 2)
    begun.refresh_from_db()
    assert begun.ended_at and begun.freed_bytes == with_both.freed_bytes == sum(len(b"%d" % n * 10) for n in range(60))
