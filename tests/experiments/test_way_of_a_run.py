"""The whole way in this process: a real snapshot, a real environment, a real runner, a real script."""

from __future__ import annotations

import errno
import functools
import io
import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from experiments import services
from experiments.models import FollowedFile, Run, RunToken
from experiments.runner import launch
from experiments.services import dispatch, finishing, following, reaping, starting, working
from experiments.status import RunStatus
from mlportal.access.models import User, digest_of
from mlportal.blobs import services as blobs
from mlportal.errors import BadInput, NotFound
from mlportal.node import node_name
from tests.experiments.conftest import Submit
from tests.portal import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
STDOUT = "user_logs/std_log.txt"
WORD = "correct horse battery"


def see_through(run: Run) -> Run:
    assert run.compute_target is not None
    working.take_next(run.compute_target)
    run.refresh_from_db()
    return run


def failure_of(run: Run) -> dict[str, Any]:
    assert run.failure is not None
    return dict(run.failure)


def log_of(run: Run) -> str:
    return services.read_log(run, STDOUT).data.decode()


def test_a_script_that_ends_well(queued: Submit) -> None:
    code = """
import os, sys
from azureml.core.run import Run
run = Run.get_context()
print("arguments", sys.argv[1:])
print("folder", sorted(os.listdir(".")))
run.log("accuracy", 0.5)
run.log("kernel", "linear")
for step in range(100):
    run.log("loss", 1.0 / (step + 1), step=step)
open("outputs/model.bin", "wb").write(b"model")
open("logs/training.log", "w").write("trained\\n")
run.tag("team", "blue")
print("done", file=sys.stderr)
"""
    run = see_through(queued(code, arguments=["--x", "a b"]))
    assert (run.status, run.exit_code, run.failure) == (RunStatus.COMPLETED, 0, None)
    assert log_of(run).splitlines() == [
        "arguments ['--x', 'a b']",
        "folder ['logs', 'outputs', 'train.py']",
        "done",
    ]
    names = list(run.artifacts.values_list("path", flat=True))
    assert names == ["logs/training.log", "outputs/model.bin", STDOUT]
    with services.open_artifact(services.artifact(run, "outputs/model.bin")) as stream:
        assert stream.read() == b"model"
    loss = services.series(run, ["loss"])["loss"]
    assert loss["steps"] == list(range(100))
    assert services.azure_metrics(run)["kernel"] == "linear"
    assert run.tags.get().value == "blue"
    assert [event.new for event in run.events.all()] == [
        *("NotStarted", "Preparing", "Queued", "Running", "Finalizing", "Completed")
    ]
    spans = services.phases(run)
    assert [span.name for span in spans] == ["Preparing", "Scaling", "Running", "Post-processing"]
    assert all(span.start and span.end and span.start <= span.end and span.reason for span in spans)
    assert (run.lease_until, run.output_bytes > 0, run.peak_memory_bytes > 0) == (None, True, True)  # type: ignore[operator]
    assert not run.log_chunks.exists()
    assert not RunToken.objects.filter(run=run).exists()
    assert not starting.run_directory(run).exists()


def test_a_script_that_fails_shows_its_traceback_on_top(queued: Submit) -> None:
    run = see_through(queued("print('é before')\n\ndef fit():\n    raise ValueError('bad shape')\n\nfit()\n"))
    assert (run.status, run.exit_code) == (RunStatus.FAILED, 1)
    failure = failure_of(run)
    assert (failure["type"], failure["message"], failure["file"], failure["line"]) == (
        "ValueError",
        "bad shape",
        "train.py",
        4,
    )
    whole = services.read_log(run, failure["log"]).data
    assert whole[failure["offset"] :].startswith(b"Traceback (most recent call last)")


def test_what_a_script_puts_in_the_place_of_its_log_is_not_opened(queued: Submit) -> None:
    """A pipe that nobody writes to would hold the worker for ever."""
    code = """
import os
log = os.path.join(os.environ["MLPORTAL_RUN_DIR"], "logs", "std_log.txt")
os.remove(log)
os.mkfifo(log)
raise SystemExit(3)
"""
    run = see_through(queued(code))
    assert (run.status, failure_of(run)["message"]) == (RunStatus.FAILED, "exited with code 3")
    assert any(name == STDOUT and "FIFO" in why for name, why in run.skipped_files)


def test_what_was_uploaded_early_stays_and_the_later_file_is_named(running: Submit, owner: User) -> None:
    run = running("open('outputs/m.bin', 'w').write('final')\nopen('outputs/same.bin', 'w').write('same')\n")
    for path, data in (("outputs/m.bin", b"early"), ("outputs/same.bin", b"same")):
        services.put_artifact(run, path, blobs.put(io.BytesIO(data)), by=owner)
    starting.start(run)
    assert following.follow(run, threading.Event())
    finishing.finish(run)
    assert [name for name, _ in run.skipped_files] == ["outputs/m.bin"]
    with services.open_artifact(services.artifact(run, "outputs/m.bin")) as stream:
        assert stream.read() == b"early"


def test_restarts_of_the_portal_cost_a_run_nothing(running: Submit, settings: Any) -> None:
    settings.RUN_ATTEMPTS = 3
    run = running()
    for _ in range(5):
        Run.objects.release(run, well=True)
        Run.objects.adopt(run, worker="next", seconds=60)
    assert (run.attempt, run.fruitless_attempts) == (6, 1)


def test_files_of_logs_are_shown_live_up_to_a_limit_and_stored_whole(
    running: Submit, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.RUN_LOG_BYTES = 1000
    run = running("open('logs/a.log', 'w').write('a' * 700)\nopen('logs/b.log', 'w').write('b' * 5000)\n")
    starting.start(run)
    assert following.follow(run, threading.Event())
    sizes = {log.name: log.size for log in services.log_files(run)}
    assert sizes["logs/a.log"] + sizes["logs/b.log"] == 1000
    run.refresh_from_db()
    assert [warning for warning in run.warnings if "MLPORTAL_LOG_LIMIT" in warning]
    settings.RUN_LOG_BYTES = 100_000
    finishing.finish(run)
    assert services.read_log(run, "logs/b.log").data == b"b" * 5000


def test_a_child_too_many_is_refused(submit: Submit, settings: Any) -> None:
    settings.RUN_CHILDREN = 1
    parent = submit()
    submit(parent=parent)
    with pytest.raises(BadInput, match="MLPORTAL_RUN_CHILDREN"):
        submit(parent=parent)
    assert Run.objects.count() == 2


@pytest.mark.parametrize(
    ("code", "status"), [("run.fail('no convergence', 'E7')", "Failed"), ("run.complete()", "Completed")]
)
def test_a_script_may_say_itself_how_it_went(queued: Submit, code: str, status: str) -> None:
    run = see_through(queued(f"from azureml.core import Run\nrun = Run.get_context()\n{code}\n"))
    assert (run.status, run.exit_code) == (status, 0)
    if status == "Failed":
        assert (failure_of(run)["type"], failure_of(run)["message"]) == ("E7", "no convergence")


def test_a_script_that_kills_itself_is_told_by_its_signal(queued: Submit) -> None:
    run = see_through(queued("import os\nos.kill(os.getpid(), 9)\n"))
    assert (run.status, run.exit_signal, run.exit_code) == (RunStatus.FAILED, 9, None)


def test_the_time_limit_ends_a_script(queued: Submit) -> None:
    run = see_through(queued("import time\nprint('on', flush=True)\ntime.sleep(60)\n", wall_seconds=1))
    assert (run.status, failure_of(run)["reason"]) == (RunStatus.FAILED, "wall_time")
    assert log_of(run).startswith("on\n")


def test_no_secret_of_the_portal_reaches_the_script(queued: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "MLPORTAL_SECRET_KEY", "MLPORTAL_ADMIN_PASSWORD"):
        monkeypatch.setenv(name, f"{WORD} {name}")
    code = "import os\nfor item in sorted(os.environ.items()):\n    print('%s=%s' % item)\n"
    run = see_through(queued(code, environment_variables={"MODE": "quick"}))
    seen = dict(line.split("=", 1) for line in log_of(run).splitlines())
    assert WORD not in log_of(run)
    assert settings.SECRET_KEY not in log_of(run)
    assert (seen["MODE"], seen["AZUREML_RUN_ID"], seen["MLFLOW_RUN_ID"]) == ("quick", run.uid, run.uid)
    assert set(seen) - {"LC_CTYPE"} == {
        *("AZUREML_RUN_ID", "AZUREML_EXPERIMENT_NAME", "AZUREML_ARM_WORKSPACE_NAME", "AZUREML_ARM_SUBSCRIPTION"),
        *("AZUREML_ARM_RESOURCEGROUP", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_RUN_ID"),
        *("MLFLOW_EXPERIMENT_ID", "MLPORTAL_RUN_DIR", "MLPORTAL_URL", "MLPORTAL_RUN_NUMBER", "MLPORTAL_RUN_NAME"),
        *("PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONPATH", "PATH", "HOME", "TMPDIR", "LANG", "MODE"),
    }


def test_the_runs_token_is_stored_as_a_digest(running: Submit) -> None:
    run = running()
    starting.start(run)
    spec = json.loads((starting.run_directory(run) / "spec.json").read_bytes())
    secret = spec["environment"]["MLFLOW_TRACKING_TOKEN"]
    assert run.tokens.get().digest == digest_of(secret)
    assert os.stat(starting.run_directory(run) / "spec.json").st_mode & 0o077 == 0
    assert following.follow(run, threading.Event())


def test_links_and_pipes_in_the_outputs_are_left_out_by_name(queued: Submit) -> None:
    code = """
import os
os.symlink("/etc/passwd", "outputs/passwd")
os.symlink("/etc", "outputs/etc")
os.mkfifo("outputs/pipe")
os.link("train.py", "outputs/own.py")
open("outputs/plain.txt", "w").write("plain")
"""
    run = see_through(queued(code))
    assert run.status == RunStatus.COMPLETED
    assert {"outputs/own.py", "outputs/plain.txt", STDOUT} == set(run.artifacts.values_list("path", flat=True))
    skipped = dict(run.skipped_files)
    assert set(skipped) == {"outputs/passwd", "outputs/etc", "outputs/pipe"}
    assert all(skipped.values())


@pytest.mark.parametrize("path", ["../spec.json", "/etc/passwd", "outputs/../../x", "", "a\0b"])
def test_names_that_no_artifact_has(running: Submit, path: str) -> None:
    with pytest.raises((BadInput, NotFound)):
        services.artifact(running(), path)


def test_a_script_is_canceled_while_it_runs(queued: Submit, owner: User) -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("asked", flush=True), sys.exit(0)))
print("on", flush=True)
time.sleep(60)
"""
    run = queued(code)
    with _worker(run):
        wait_until(lambda: "on" in log_of(run), what="the script runs")
        services.cancel_run(Run.objects.get(pk=run.pk), by=owner)
        wait_until(lambda: Run.objects.get(pk=run.pk).is_final, what="the run is final")
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELED
    assert "asked" in log_of(run)
    canceled = [event for event in run.events.all() if event.new == "Canceled"]
    assert [(event.reason, event.actor) for event in canceled] == [("canceled by olga", owner)]
    assert services.phases(run)[2].reason == services.canceled_words(run) == "Canceled by olga."


def test_a_worker_that_is_asked_to_end_gives_the_run_back_and_the_next_one_goes_on(
    queued: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import time
from azureml.core import Run
run = Run.get_context()
for step in range(200):
    run.log("loss", step, step=step)
    print("line", step, flush=True)
    time.sleep(0.01)
"""
    run = queued(code)
    for _ in range(3):  # three workers, one after the other, and the script never notices
        stop = threading.Event()
        monkeypatch.setattr(working, "STOP", stop)
        with _worker(run, adopt=run.attempt > 0):
            seen = len(log_of(run))
            wait_until(functools.partial(_has_more_than, run, seen), what="more lines")
            stop.set()
        run.refresh_from_db()
        assert (run.status, run.lease_until) == (RunStatus.RUNNING, None)
        assert launch.is_alive(starting.run_directory(run))
    monkeypatch.setattr(working, "STOP", threading.Event())
    working.adopt(run)
    run.refresh_from_db()
    assert (run.status, run.attempt) == (RunStatus.COMPLETED, 4)
    assert log_of(run).splitlines() == [f"line {step}" for step in range(200)]
    assert services.series(run, ["loss"])["loss"]["steps"] == list(range(200))
    assert services.metric_summaries(run)[0]["count"] == 200


def test_a_run_whose_runner_was_killed_is_failed_and_keeps_what_it_left(queued: Submit) -> None:
    run = queued("import time\nopen('outputs/part', 'w').write('half')\nprint('on', flush=True)\ntime.sleep(60)\n")
    with _worker(run):
        wait_until(lambda: "on" in log_of(run), what="the script runs")
        for pid in _runner_pids(run):
            os.kill(pid, 9)
        wait_until(lambda: Run.objects.get(pk=run.pk).is_final, what="the run is final")
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED
    assert "killed" in failure_of(run)["message"]
    assert {"outputs/part", STDOUT} == set(run.artifacts.values_list("path", flat=True))


def test_following_a_silent_script_asks_the_database_for_nothing(running: Submit) -> None:
    run = running("import time\nprint('on', flush=True)\nopen('logs/own', 'w').write('x')\ntime.sleep(60)\n")
    starting.start(run)
    follower = following.Follower(run)
    wait_until(lambda: follower.ship(final=False) and "on" in log_of(run), what="the first line is shipped")
    wait_until(lambda: not follower.ship(final=False), what="nothing more comes")
    follower.ask()
    with CaptureQueriesContext(connection) as queries:
        for _ in range(20):
            follower.ask()
            assert not follower.ship(final=False)
    assert len(queries) == 0
    services.cancel_run(run, by=User.objects.get(username="olga"))
    asked = time.monotonic()
    assert following.follow(run, threading.Event())
    assert time.monotonic() - asked < 5
    assert services.read_log(run, "logs/own").data == b"x"


def test_finishing_twice_changes_nothing(queued: Submit) -> None:
    """Killed between the final write and the acknowledgement, or in the middle of storing: the message comes again."""
    run = queued("open('outputs/a', 'w').write('a')\n")
    Run.objects.claim(run, worker="first", node=node_name(), seconds=30)
    starting.start(run)
    assert following.follow(run, threading.Event())
    Run.objects.move(run, RunStatus.FINALIZING)
    finishing._store_files(run, starting.run_directory(run))  # then its worker is killed
    Run.objects.release(run)
    working.adopt(Run.objects.get(pk=run.pk))
    run.refresh_from_db()
    assert (run.status, run.artifacts.count()) == (RunStatus.COMPLETED, 2)
    events, ended = run.events.count(), run.ended_at
    working.adopt(Run.objects.get(pk=run.pk))
    dispatch.wake(run)
    run.refresh_from_db()
    assert (run.events.count(), run.ended_at) == (events, ended)


def test_a_worker_killed_while_laying_out_the_folder_is_followed_by_one_that_lays_it_out_anew(queued: Submit) -> None:
    run = queued("print('once')\n")
    Run.objects.claim(run, worker="first", node=node_name(), seconds=-1)
    directory = starting.run_directory(run)
    half = directory.with_name(f"{starting.DRAFT}{run.uid}.{run.attempt}")
    launch.prepare_directory(half)
    (half / "work" / "half-written").write_text("x")
    working.adopt(run)
    run.refresh_from_db()
    assert (run.status, log_of(run)) == (RunStatus.COMPLETED, "once\n")
    starting.sweep_drafts()
    assert not half.exists()


def test_a_run_whose_folder_is_lost_is_not_started_again(queued: Submit) -> None:
    run = queued("print('once')\n")
    Run.objects.claim(run, worker="first", node=node_name(), seconds=-1)
    FollowedFile.objects.create(run=run, name="user_logs/std_log.txt", offset=5)
    working.adopt(run)
    run.refresh_from_db()
    assert run.failure is not None
    assert (run.status, failure_of(run)["type"]) == (RunStatus.FAILED, "Could not start")
    assert "not started again" in failure_of(run)["message"]


def test_outputs_that_find_the_disk_full_fail_the_run_and_keep_its_log(
    queued: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(stream: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = queued("print('still readable')\n")
    monkeypatch.setattr("experiments.services.finishing.blobs.put", no_room)
    see_through(run)
    assert run.failure is not None
    assert (run.status, failure_of(run)["reason"]) == (RunStatus.FAILED, "disk_full")
    assert log_of(run) == "still readable\n"
    reaping.sweep()
    assert starting.run_directory(run).exists()  # somebody may make room, and save what it left


def test_a_snapshot_whose_bytes_are_gone_fails_the_run_and_says_so(queued: Submit) -> None:
    from django.core.files.storage import default_storage

    run = queued("print('nobody else has this script')\n")
    assert run.snapshot is not None
    for blob in run.snapshot.blobs.all():
        default_storage.delete(blob.key)
    see_through(run)
    assert (run.status, failure_of(run)["type"]) == (RunStatus.FAILED, "Could not start")


def test_a_run_of_another_machine_is_not_adopted_here(running: Submit) -> None:
    run = running(seconds=-1)
    Run.objects.filter(pk=run.pk).update(node="elsewhere")
    run.refresh_from_db()
    working.adopt(run)
    run.refresh_from_db()
    assert (run.attempt, run.worker) == (1, "first")


def _has_more_than(run: Run, seen: int) -> bool:
    return len(log_of(run)) > seen


def _runner_pids(run: Run) -> list[int]:
    mark = str(starting.run_directory(run))
    return [process.pid for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or [])]


class _worker:
    """A worker's thread with this run, from the first message or as its adopter; joined at the end."""

    def __init__(self, run: Run, *, adopt: bool = False) -> None:
        self._work: Callable[[], None] = (
            (lambda: working.adopt(Run.objects.get(pk=run.pk)))
            if adopt
            else (lambda: working.take_next(run.compute_target))  # type: ignore[arg-type]
        )
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        from django.db import connection

        try:
            self._work()
        finally:
            connection.close()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *args: object) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()
