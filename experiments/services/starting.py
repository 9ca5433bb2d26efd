"""A worker takes a queued run: a free slot of the target, a lease, the folder laid out, the runner started."""

import errno
import shutil
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from experiments import snapshots
from experiments.models import ComputeTarget, Run, RunToken
from experiments.runner import launch
from experiments.runner.contract import Spec
from experiments.services import building, dispatch, inputs
from experiments.services.snapshots import manifest_of
from experiments.status import RUN_OWNED, RunStatus
from mlportal.access.models import digest_of, new_secret
from mlportal.blobs.services import open_blob
from mlportal.errors import StaleState
from mlportal.node import node_name

DRAFT = ".draft-"  # a folder of runs that begins so is being laid out, or was left by a worker that died


def run_directory(run: Run) -> Path:
    return Path(settings.RUNS_DIR) / run.uid


def take_next(target: ComputeTarget, *, worker: str) -> Run | None:
    """Claim the run that was submitted first, when the target has a free slot. None: nothing to take here, or not yet.

    The row of the target is locked meanwhile, so that two workers do not both take its last slot.
    """
    with transaction.atomic():
        target = ComputeTarget.objects.select_for_update().get(pk=target.pk)
        on_target = Run.objects.filter(compute_target=target)
        if on_target.filter(status__in=RUN_OWNED).count() >= target.slots:
            return None
        waiting = on_target.filter(status=RunStatus.QUEUED).select_related("environment_version")
        for run in waiting.order_by("pk"):
            assert run.environment_version is not None  # else it is not queued
            if building.is_built_here(run.environment_version):
                try:
                    Run.objects.claim(run, worker=worker, node=node_name(), seconds=settings.LEASE_SECONDS)
                except StaleState:
                    return None
                return run
            # Another machine prepared it; here it has to be built first, and its builder wakes the target.
            if not building.failed_here_lately(run.environment_version):
                build, mine = building.open_build(run.environment_version)
                if mine:
                    dispatch.wake_builder(build)
                return None
        return None


def was_started(run: Run) -> bool:
    """Whether the run's folder was laid out, by this or by an earlier attempt: its script may be running."""
    return run_directory(run).exists() or run.followed_files.exists()


def start(run: Run) -> None:
    """Lay out the run's folder and start its runner, unless an earlier attempt did. Called with the lease held.

    The folder appears under its name whole or not at all: what is there was laid out, and is started once.
    """
    directory = run_directory(run)
    if not directory.exists():
        if run.followed_files.exists():
            raise FileNotFoundError(
                "The run's folder is lost; the script may have run already, so it is not started again."
            )
        _lay_out(run, directory)
    if launch.is_alive(directory):
        return
    Run.objects.renew(run, seconds=settings.LEASE_SECONDS)  # StaleState here: a paused worker must not start a script
    with suppress(launch.AlreadyRunning):
        launch.start(directory)


def sweep_drafts() -> None:
    """Remove what workers of this machine left half laid out when they died; called when a worker arrives."""
    runs = Path(settings.RUNS_DIR)
    living = set(Run.objects.filter(status__in=RUN_OWNED, lease_until__gt=Now()).values_list("uid", flat=True))
    for draft in runs.glob(f"{DRAFT}*") if runs.is_dir() else ():
        if draft.name.removeprefix(DRAFT).partition(".")[0] not in living:
            shutil.rmtree(draft, ignore_errors=True)


def _lay_out(run: Run, directory: Path) -> None:
    """In a folder of this attempt's own, because a worker that was thought dead may still be writing to its own."""
    draft = directory.with_name(f"{DRAFT}{run.uid}.{run.attempt}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        _fill(run, draft, directory)
        Run.objects.renew(run, seconds=settings.LEASE_SECONDS)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)  # on a full disk it may be what fills it
        raise
    try:
        draft.rename(directory)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # else another attempt was first: its folder is as good
            raise


def _fill(run: Run, draft: Path, directory: Path) -> None:
    launch.prepare_directory(draft)
    assert run.snapshot is not None
    work = draft / "work"
    shutil.rmtree(work)  # it is made by the snapshot, whole
    snapshots.write_to(manifest_of(run.snapshot), work, open_blob)
    for name in ("outputs", "logs"):
        (work / name).mkdir(mode=0o700, exist_ok=True)
    inputs.lay_out(run, draft, directory)
    launch.write_spec(draft, _spec(run, directory))


def _spec(run: Run, directory: Path) -> Spec:
    assert run.environment_version is not None
    python = building.python_of(run.environment_version)
    return {
        "run_uid": run.uid,
        "argv": [str(python), run.script, *inputs.with_inputs(run, directory, run.arguments)],
        "environment": _variables(run, directory, python.parent),
        "limits": {
            "wall_seconds": run.wall_seconds or settings.RUN_WALL_SECONDS,
            "log_bytes": settings.RUN_LOG_BYTES,
            "output_bytes": settings.RUN_OUTPUT_BYTES,
            "memory_bytes": None,
            "open_files": settings.RUN_OPEN_FILES,
            "grace_seconds": settings.RUN_CANCEL_GRACE_SECONDS,
        },
    }


def _variables(run: Run, directory: Path, binaries: Path) -> dict[str, str]:
    """All that a script sees: nothing of the worker's own environment is passed on."""
    secret = new_secret(RunToken.PREFIX)
    RunToken.objects.create(run=run, digest=digest_of(secret))
    return {
        **run.environment_variables,
        **inputs.input_variables(run, directory),
        "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(directory / "home"),
        "TMPDIR": str(directory / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": str(settings.SDK_DIR),
        "MLPORTAL_RUN_DIR": str(directory),
        "MLPORTAL_URL": settings.PUBLIC_URL,
        "MLPORTAL_RUN_NUMBER": str(run.number),
        "MLPORTAL_RUN_NAME": run.display_name,
        **({"MLPORTAL_PARENT_RUN": run.parent.uid} if run.parent else {}),
        "AZUREML_RUN_ID": run.uid,
        "AZUREML_EXPERIMENT_NAME": run.experiment.name,
        "AZUREML_ARM_WORKSPACE_NAME": run.workspace.name,
        "AZUREML_ARM_SUBSCRIPTION": "mlportal",
        "AZUREML_ARM_RESOURCEGROUP": "mlportal",
        "MLFLOW_TRACKING_URI": f"{settings.PUBLIC_URL}/w/{run.workspace.name}",
        "MLFLOW_TRACKING_TOKEN": secret,
        "MLFLOW_RUN_ID": run.uid,
        "MLFLOW_EXPERIMENT_ID": str(run.experiment_id),
    }
