"""Runs on a real database, real folders and the smallest real environment."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uv
from django.conf import settings

from experiments import environments as conda
from experiments import services
from experiments.models import ComputeTarget, EnvironmentVersion, Run, Snapshot
from experiments.services import compute, preparing
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.node import node_name
from tests.conftest import TINY

Submit = Callable[..., Run]


@pytest.fixture(scope="session")
def tiny_lock() -> conda.Lock:
    """The lock of the smallest environment, which is built here: every test with this definition has a cache hit."""
    spec = conda.parse_conda_yaml(TINY)
    interpreter = conda.choose(spec.python, conda.discover()).interpreter
    how: dict[str, Any] = {
        "log": lambda line: None,
        "cancelled": lambda: False,
        "uv": Path(uv.find_uv_bin()),
        "cache_dir": settings.UV_CACHE_DIR,
        "timeout": 60,
    }
    lock = conda.resolve(spec, interpreter, as_of=None, **how)
    conda.build(lock, interpreter, Path(settings.ENVIRONMENTS_DIR), **how)
    return lock


@pytest.fixture
def target(db: None) -> ComputeTarget:
    target = compute.ensure_local_target()
    ComputeTarget.objects.filter(pk=target.pk).update(slots=2)
    target.refresh_from_db()
    return target


@pytest.fixture
def version(workspace: Workspace, owner: User) -> EnvironmentVersion:
    """Written down, and neither resolved nor built."""
    return services.add_version(workspace, "tiny", TINY, by=owner)


@pytest.fixture
def built(version: EnvironmentVersion, tiny_lock: conda.Lock) -> EnvironmentVersion:
    """Resolved, and there on this machine."""
    EnvironmentVersion.objects.filter(pk=version.pk).update(
        lock=tiny_lock.as_dict(), lock_key=tiny_lock.key, python_version=tiny_lock.python_version
    )
    version.refresh_from_db()
    return version


@pytest.fixture
def upload(workspace: Workspace, owner: User) -> Callable[[Mapping[str, str]], Snapshot]:
    def take(files: Mapping[str, str]) -> Snapshot:
        pairs = [(name, io.BytesIO(text.encode())) for name, text in files.items()]
        return services.take_files(workspace, pairs, by=owner).snapshot

    return take


@pytest.fixture
def submit(
    workspace: Workspace,
    owner: User,
    target: ComputeTarget,
    version: EnvironmentVersion,
    upload: Callable[..., Snapshot],
) -> Submit:
    """`submit("print(1)")`: a new run of this script."""

    def submit(code: str = "print('hello')\n", **more: Any) -> Run:
        more.setdefault("snapshot", None)
        snapshot = more.pop("snapshot") or upload({"train.py": code})
        asked = {"experiment": "trials", "script": "train.py", "by": owner, "environment_version": version, **more}
        return services.submit_run(workspace, snapshot=snapshot, **asked)

    return submit


@pytest.fixture
def queued(submit: Submit, built: EnvironmentVersion) -> Submit:
    """A run that waits for a slot."""

    def queue(code: str = "print('hello')\n", **more: Any) -> Run:
        run = submit(code, **more)
        preparing.prepare(run)
        assert run.status == RunStatus.QUEUED
        return run

    return queue


@pytest.fixture
def running(queued: Submit) -> Submit:
    """A run that a worker has claimed; no runner is started for it."""

    def claim(code: str = "print('hello')\n", *, seconds: float = 60, **more: Any) -> Run:
        run = queued(code, **more)
        Run.objects.claim(run, worker="first", node=node_name(), seconds=seconds)
        return run

    return claim


@pytest.fixture
def messages() -> Iterator[Callable[[], list[tuple[str, list[Any]]]]]:
    """Takes what was sent to workers meanwhile: [(task, arguments), …]."""
    folder = Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"]))

    def take() -> list[tuple[str, list[Any]]]:
        found = []
        for path in sorted(folder.iterdir()):
            headers = json.loads(path.read_bytes())["headers"]
            path.unlink()
            found.append(
                (
                    headers["task"],
                    json.loads(headers["argsrepr"].replace("(", "[").replace(",)", "]").replace(")", "]")),
                )
            )
        return found

    take()
    yield take
    take()


@pytest.fixture(autouse=True)
def _no_runs_left() -> Iterator[None]:
    yield
    shutil.rmtree(settings.RUNS_DIR, ignore_errors=True)
