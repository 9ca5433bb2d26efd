"""The one writer of a run's status: the table, the comparison, the events."""

import pytest

from experiments.models import Run
from experiments.status import RUN_FINAL, RUN_MOMENTS, RUN_MOVES, RunStatus
from mlportal.errors import IllegalMove, StaleState
from tests.experiments.conftest import Submit

LEGAL = {
    ("NotStarted", "Preparing"),
    ("NotStarted", "Failed"),
    ("NotStarted", "Canceled"),
    ("Preparing", "Queued"),
    ("Preparing", "Failed"),
    ("Preparing", "Canceled"),
    ("Queued", "Running"),
    ("Queued", "Failed"),
    ("Queued", "Canceled"),
    ("Running", "Finalizing"),
    ("Running", "Failed"),
    ("Running", "Canceled"),
    ("Finalizing", "Completed"),
    ("Finalizing", "Failed"),
    ("Finalizing", "Canceled"),
}


@pytest.fixture
def run(submit: Submit) -> Run:
    return submit()


def put(run: Run, status: str) -> None:
    Run.objects.filter(pk=run.pk).update(status=status)
    run.refresh_from_db()


def test_every_legal_move_is_made_with_its_moment_and_one_event(run: Run) -> None:
    for old, new in sorted(LEGAL):
        put(run, old)
        run.events.all().delete()
        Run.objects.filter(pk=run.pk).update(**dict.fromkeys(RUN_MOMENTS.values()))
        before = run.revision
        Run.objects.move(run, RunStatus(new), reason="because")
        event = run.events.get()
        assert (event.old, event.new, event.reason) == (old, new, "because")
        assert (run.status, run.revision) == (new, before + 1)
        set_moments = {name for name in RUN_MOMENTS.values() if getattr(run, name)}
        assert set_moments == {RUN_MOMENTS[RunStatus(new)]}


def test_every_other_move_is_refused_and_changes_nothing(run: Run) -> None:
    for old in RunStatus.values:
        for new in RunStatus.values:
            if (old, new) in LEGAL:
                continue
            put(run, old)
            events, revision = run.events.count(), run.revision
            with pytest.raises(IllegalMove):
                Run.objects.move(run, RunStatus(new))
            run.refresh_from_db()
            assert (run.status, run.events.count(), run.revision) == (old, events, revision)


def test_nothing_follows_a_final_status() -> None:
    assert {"Completed", "Failed", "Canceled"} == RUN_FINAL
    assert not RUN_FINAL & RUN_MOVES.keys()


def test_who_comes_second_is_refused_and_leaves_no_event(run: Run) -> None:
    other = Run.objects.get(pk=run.pk)
    Run.objects.move(run, RunStatus.PREPARING)
    with pytest.raises(StaleState):
        Run.objects.move(other, RunStatus.CANCELED)
    run.refresh_from_db()
    assert run.status == RunStatus.PREPARING
    assert list(run.events.values_list("new", flat=True)) == ["NotStarted", "Preparing"]


def test_an_older_attempt_moves_nothing(run: Run) -> None:
    put(run, "Running")
    other = Run.objects.get(pk=run.pk)
    Run.objects.filter(pk=run.pk).update(attempt=run.attempt + 1)
    with pytest.raises(StaleState):
        Run.objects.move(other, RunStatus.FINALIZING)
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING
