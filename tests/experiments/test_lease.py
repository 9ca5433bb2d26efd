"""Who owns a run: claimed once, kept by renewing, taken over when its worker is silent, by the database's clock."""

import time

import pytest
from django.utils import timezone

from experiments.models import Run
from experiments.runner import launch
from experiments.services import following, metrics, starting
from experiments.status import RunStatus
from mlportal.errors import StaleState
from tests.experiments.conftest import Submit


def test_a_claim_is_running_with_a_lease_and_the_next_attempt(queued: Submit) -> None:
    run = queued()
    Run.objects.claim(run, worker="first", node="here", seconds=10)
    assert (run.status, run.attempt, run.worker, run.node) == (RunStatus.RUNNING, 1, "first", "here")
    assert run.lease_until is not None
    assert 8 < (run.lease_until - timezone.now()).total_seconds() < 12
    assert run.started_at is not None


def test_two_workers_with_the_same_message_claim_once(queued: Submit) -> None:
    run = queued()
    other = Run.objects.get(pk=run.pk)
    Run.objects.claim(run, worker="first", node="here", seconds=10)
    with pytest.raises(StaleState):
        Run.objects.claim(other, worker="second", node="there", seconds=10)
    run.refresh_from_db()
    assert (run.worker, run.attempt) == ("first", 1)


def test_a_run_with_a_living_worker_is_not_adopted(running: Submit) -> None:
    run = running(seconds=30)
    with pytest.raises(StaleState):
        Run.objects.adopt(Run.objects.get(pk=run.pk), worker="second", seconds=10)
    run.refresh_from_db()
    assert (run.worker, run.attempt) == ("first", 1)


def test_a_run_is_adopted_when_its_lease_has_ended(running: Submit) -> None:
    run = running(seconds=0.05)
    time.sleep(0.1)
    assert list(Run.objects.without_a_living_worker()) == [run]
    Run.objects.adopt(run, worker="second", seconds=10)
    assert (run.worker, run.attempt, run.status) == ("second", 2, RunStatus.RUNNING)
    assert not Run.objects.without_a_living_worker().exists()


def test_two_adopters_and_one_wins(running: Submit) -> None:
    run = running(seconds=-1)
    first, second = Run.objects.get(pk=run.pk), Run.objects.get(pk=run.pk)
    Run.objects.adopt(first, worker="second", seconds=-1)  # even when the winner falls silent at once
    with pytest.raises(StaleState):
        Run.objects.adopt(second, worker="third", seconds=10)
    run.refresh_from_db()
    assert run.worker == "second"


def test_a_released_run_is_adopted_at_once_and_by_whom_it_was_released_no_more(running: Submit) -> None:
    run = running(seconds=3600)
    Run.objects.release(run)
    adopted = Run.objects.get(pk=run.pk)
    Run.objects.adopt(adopted, worker="second", seconds=3600)
    Run.objects.release(run)  # the former attempt's word counts no more
    adopted.refresh_from_db()
    assert adopted.lease_until is not None


def test_the_writes_of_a_former_attempt_are_refused(running: Submit) -> None:
    """A worker that was paused past its lease wakes up and goes on where it was."""
    paused = running(seconds=-1)
    directory = starting.run_directory(paused)
    launch.prepare_directory(directory)
    (directory / "logs" / "std_log.txt").write_text("a line\n")
    Run.objects.adopt(Run.objects.get(pk=paused.pk), worker="second", seconds=30)
    with pytest.raises(StaleState):
        Run.objects.renew(paused, seconds=30)
    with pytest.raises(StaleState):
        following.Follower(paused).ship(final=False)
    with pytest.raises(StaleState):
        Run.objects.move(paused, RunStatus.FINALIZING)
    assert not paused.log_chunks.exists()
    assert metrics.metric_summaries(paused) == []


def test_a_paused_worker_starts_no_script(running: Submit) -> None:
    paused = running("open('it-ran', 'w').close()\n", seconds=-1)
    Run.objects.adopt(Run.objects.get(pk=paused.pk), worker="second", seconds=30)
    with pytest.raises(StaleState):
        starting.start(paused)
    directory = starting.run_directory(paused)
    assert not (directory / "runner.lock").exists()
    assert not (directory / "work" / "it-ran").exists()
