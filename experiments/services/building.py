"""Building an environment on this machine: at most one build of a version at a time, seen live, cancelable, never half."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models.functions import Now

from experiments import environments as conda
from experiments.models import ComputeTarget, EnvironmentBuild, EnvironmentVersion, Run
from experiments.querysets.runs import from_now
from experiments.services import compute, dispatch
from experiments.services.journal import Journal
from experiments.status import BuildStatus, RunStatus
from mlportal.access.models import User
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import PortalError, StaleState, Unavailable
from mlportal.node import node_name
from mlportal.texts import storable

logger = logging.getLogger(__name__)
TRY_AGAIN_SECONDS = 600
ANY_NODE = ""  # of a build that no machine has taken yet


def is_built_here(version: EnvironmentVersion) -> bool:
    """The hit: one look at this machine's disk."""
    return bool(version.lock_key) and conda.find(Path(settings.ENVIRONMENTS_DIR), version.lock_key) is not None


def python_of(version: EnvironmentVersion) -> Path:
    """The interpreter of the version's environment on this machine; Unavailable when it is not built here."""
    built = conda.find(Path(settings.ENVIRONMENTS_DIR), version.lock_key) if version.lock_key else None
    if built is None:
        raise Unavailable(f"The environment {version} is not built on this machine.")
    return built.python


def open_build(
    version: EnvironmentVersion, *, node: str | None = None, for_run: bool = False
) -> tuple[EnvironmentBuild, bool]:
    """The build of this version that is under way on this machine, and whether it was opened just now (then carry it out).

    `for_run`: it may be canceled with the runs that wait for it, as long as nobody else has asked for it.
    """
    node = node_name() if node is None else node
    while True:
        try:
            with transaction.atomic():
                # By the database's clock: whether a run came before it or after is read from it.
                build = EnvironmentBuild.objects.create(
                    version=version, node=node, created_at=Now(), only_for_runs=for_run
                )
            build.refresh_from_db()
            return build, True
        except IntegrityError:
            running = EnvironmentBuild.objects.under_way().filter(version=version, node=node).first()
            if running:
                if running.only_for_runs and not for_run:
                    EnvironmentBuild.objects.filter(pk=running.pk).update(only_for_runs=False)
                return running, False


def failed_here_lately(version: EnvironmentVersion) -> bool:
    """Whether this machine tried to build it and could not, so that it is no use to try again at once."""
    failed = EnvironmentBuild.objects.filter(version=version, node=node_name(), status=BuildStatus.FAILED)
    return failed.filter(ended_at__gt=from_now(-TRY_AGAIN_SECONDS)).exists()


def request_build(version: EnvironmentVersion, *, by: User) -> EnvironmentBuild | None:
    """Have it built now, without a run, by whichever worker prepares environments. None when it is built on this machine already."""
    require(Role.CONTRIBUTOR, version.environment.workspace, by)
    if is_built_here(version):
        return None
    build, mine = open_build(version, node=ANY_NODE)
    if mine:
        record("environment.build", by=by, workspace=version.environment.workspace, subject=version)
        dispatch.wake_builder(build)
    return build


def cancel_build(build: EnvironmentBuild, *, by: User) -> None:
    """Ask for its end; the builder kills what it started and leaves no half environment."""
    require(Role.CONTRIBUTOR, build.version.environment.workspace, by)
    EnvironmentBuild.objects.under_way().filter(pk=build.pk, cancel_requested_at=None).update(cancel_requested_at=Now())


def cancel_builds_nobody_waits_for(run: Run) -> None:
    """After a run was canceled: its build goes too, unless other runs wait for the same one, or somebody asked for it."""
    if run.build_id is None or run.status != RunStatus.CANCELED:
        return
    if not Run.objects.active().filter(build=run.build_id).exists():
        builds = EnvironmentBuild.objects.under_way().filter(pk=run.build_id, only_for_runs=True)
        builds.update(cancel_requested_at=Now())


def carry_out(build: EnvironmentBuild) -> None:
    """Resolve (once a version) and build, with the log and signs of life in the database; wake the runs that wait for it."""
    if build.status != BuildStatus.WAITING:
        return
    try:
        EnvironmentBuild.objects.move(build, BuildStatus.RESOLVING, node=node_name())
    except StaleState:
        return
    except IntegrityError:  # this machine builds the same version already
        EnvironmentBuild.objects.move(build, BuildStatus.CANCELED, error="The same build is under way already.")
        return
    with Journal(build) as journal:
        try:
            _resolve_and_build(build, journal)
        except StaleState:  # it was silent for so long that the reaper closed it, and has told who waited
            return
        except conda.Canceled:
            EnvironmentBuild.objects.move(build, BuildStatus.CANCELED, error="The build was canceled.")
        except (conda.EnvironmentProblem, PortalError, OSError) as error:
            _fail(build, journal, str(error))
        except DatabaseError:
            raise
        except Exception as error:  # a defect of ours: without an end the run would wait, and be built for, for ever
            logger.exception("%s failed.", build)
            _fail(
                build,
                journal,
                f"The portal itself failed ({type(error).__name__}: {error}); the worker's log says more.",
            )
    settle(build)


def _fail(build: EnvironmentBuild, journal: Journal, why: str) -> None:
    why = storable(why)[:10_000]
    journal.write(f"failed: {why}")
    EnvironmentBuild.objects.move(build, BuildStatus.FAILED, error=why)


def settle(build: EnvironmentBuild) -> None:
    """A build came to its end: tell the runs that wait for it."""
    # Not those of the reaper. A run that came after the request wanted one all the same, and is given another.
    canceled = build.status == BuildStatus.CANCELED and build.cancel_requested_at
    for run in Run.objects.filter(build=build, status=RunStatus.PREPARING):
        if build.status == BuildStatus.FAILED or (canceled and run.created_at <= canceled):
            fail_run(run, build)
        else:
            dispatch.wake(run)
    waiting = Run.objects.filter(environment_version=build.version, status=RunStatus.QUEUED)
    if build.status == BuildStatus.FAILED:
        for run in waiting.select_related("compute_target"):
            if nobody_can_build(run):
                fail_run(run, build)
    for target in ComputeTarget.objects.filter(runs__in=waiting).distinct():  # another machine prepared them
        dispatch.wake_target(target)


def failures_on_target(run: Run) -> list[EnvironmentBuild]:
    """The builds of the run's environment that failed lately on machines of its target, one a machine."""
    if run.compute_target is None:
        return []
    builds = EnvironmentBuild.objects.filter(
        version=run.environment_version, node__in=run.compute_target.nodes.values("name")
    )
    newest = {build.node: build for build in builds.order_by("pk")}
    failed = builds.filter(status=BuildStatus.FAILED, ended_at__gt=from_now(-TRY_AGAIN_SECONDS))
    return [build for build in failed if newest[build.node] == build]


def nobody_can_build(run: Run) -> bool:
    """Whether every machine that serves the run's target has tried lately, and failed."""
    living = compute.living_nodes(run.compute_target)
    return bool(living) and living <= {build.node for build in failures_on_target(run)}


def fail_run(run: Run, build: EnvironmentBuild) -> None:
    """The build that the run waited for has failed, or somebody canceled it."""
    failure = {"type": "Environment", "message": build.error, "build": build.pk}
    try:
        Run.objects.move(run, RunStatus.FAILED, reason=why_failed(build), failure=failure)
    except StaleState:
        return


def why_failed(build: EnvironmentBuild) -> str:
    """One line; the whole is the build's error."""
    if build.status == BuildStatus.CANCELED:
        return "The build of its environment was canceled."
    where = f" on {build.node}" if build.node else ""
    why = " ".join(build.error.split())
    return f"Its environment could not be built{where}: {why if len(why) <= 300 else why[:299].rstrip(' .') + '…'}"


def _resolve_and_build(build: EnvironmentBuild, journal: Journal) -> None:
    if build.cancel_requested_at:
        raise conda.Canceled("The build was canceled.")
    started = time.monotonic()
    version = build.version
    spec = conda.parse_conda_yaml(
        version.definition, policy=conda.PipPolicy(frozenset(settings.ALLOWED_PACKAGE_INDEXES))
    )
    interpreters = conda.discover(settings.EXTRA_PYTHONS)
    if version.lock:
        lock = conda.Lock.from_dict(version.lock)
        interpreter = conda.choose(f"=={version.python_version}", interpreters).interpreter
    else:
        choice = conda.choose(spec.python, interpreters, as_of=version.as_of)
        if choice.note:
            journal.write(f"note: {choice.note}")
        interpreter = choice.interpreter
        lock = conda.resolve(
            spec,
            interpreter,
            as_of=version.as_of,
            allow_source_builds=settings.ALLOW_SOURCE_BUILDS,
            **journal.how(),
        )
        _keep_lock(version, lock)
    EnvironmentBuild.objects.move(build, BuildStatus.BUILDING, changes=_changes(version, lock))
    built = conda.build(lock, interpreter, Path(settings.ENVIRONMENTS_DIR), **journal.how())
    journal.write(f"ready in {time.monotonic() - started:.1f} s")
    # Without seconds nothing was built: another version with the same lock was there already.
    seconds = None if built.hit else time.monotonic() - started
    EnvironmentBuild.objects.move(build, BuildStatus.READY, seconds=seconds, size_bytes=built.size_bytes)


def _keep_lock(version: EnvironmentVersion, lock: conda.Lock) -> None:
    """The first resolution stands: another machine may have resolved the same version meanwhile."""
    EnvironmentVersion.objects.filter(pk=version.pk, lock_key="").update(
        lock=lock.as_dict(), lock_key=lock.key, python_version=lock.python_version, resolved_at=Now()
    )
    version.refresh_from_db()


def _changes(version: EnvironmentVersion, lock: conda.Lock) -> list[str]:
    before = version.environment.versions.filter(version__lt=version.version).exclude(lock_key="").first()
    if before is None or before.lock is None:
        return []
    return conda.explain(conda.Lock.from_dict(before.lock), lock)


def read_build_log(build: EnvironmentBuild, after: int = 0) -> tuple[str, int]:
    """The text that came after the chunk `after`, and the number to ask with next."""
    chunks = list(build.log_chunks.filter(pk__gt=after))
    return "".join(chunk.text for chunk in chunks), chunks[-1].pk if chunks else after
