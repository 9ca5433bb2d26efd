"""What a model worker needs on this machine: the model's files on disk and the model's own environment, built."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connections

from experiments.models import EnvironmentVersion
from experiments.services import building
from experiments.status import BuildStatus
from mlportal.blobs.services import open_blob
from mlportal.processes import STOP
from models_registry.models import ModelFile, ModelVersion
from models_registry.services import main_file

logger = logging.getLogger(__name__)
BUILD_POLL_SECONDS = 0.5
LOG_CHARACTERS = 16_384


@dataclass(frozen=True, slots=True)
class Materials:
    python: Path
    model: Path


class CannotPrepare(Exception):
    """Something that the model needs can never be had; `log` says more where there is more."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class Preparation(threading.Thread):
    """Gets the materials of a version ready beside the supervisor's loop, which other deployments need meanwhile.

    At its end there are `materials`; or a `problem`, which stays; or `trouble`: it may go well another time.
    """

    def __init__(self, version: ModelVersion) -> None:
        super().__init__(name=f"prepare-{version.pk}", daemon=True)
        self.version = version
        self.materials: Materials | None = None
        self.problem: CannotPrepare | None = None
        self.trouble = ""
        self.start()

    def run(self) -> None:
        try:
            self.materials = prepare(self.version)
        except CannotPrepare as error:
            self.problem = error
        except Exception as error:  # the edge of the thread: nobody else would ever hear of it
            logger.exception("The materials of %s could not be got ready.", self.version)
            self.trouble = f"{type(error).__name__}: {error}"
        finally:
            connections.close_all()


def prepare(version: ModelVersion) -> Materials:
    """The materials of the version; builds its environment where that is not there.

    Raises CannotPrepare, or whatever database, disk and storage raise when they are away for a while.
    """
    if version.environment_version is None:
        raise CannotPrepare("Its run had no environment, so nobody knows what the model needs.")
    python = _environment(version.environment_version)
    return Materials(python, lay_out(version, models_folder()))


def models_folder() -> Path:
    return Path(settings.SERVING_DIR) / "models"


def lay_out(version: ModelVersion, root: Path) -> Path:
    """The path of the model file under `root/<version>`, which exists whole and verified or not at all."""
    folder = root / str(version.pk)
    files = list(version.files.all())
    if not all(_is_there(folder / file.path, file) for file in files):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=root, prefix=f".draft-{version.pk}-"))
        try:
            for file in files:
                _write(file, draft / file.path)
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    model = main_file(version)
    if model is None:
        raise CannotPrepare("Its folder has no single file that is the model.")
    return folder / model.path


def _is_there(path: Path, file: ModelFile) -> bool:
    """Read, not only looked at: what is served is what was registered."""
    try:
        with path.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest() == file.blob_id
    except OSError:
        return False


def _write(file: ModelFile, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        stored = open_blob(file.blob_id)
    except FileNotFoundError:
        raise CannotPrepare(f"The storage has lost the bytes of {file.path}.") from None
    with stored as source, path.open("xb") as target:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() != file.blob_id:
        raise CannotPrepare(f"The stored bytes of {file.path} are damaged.")


def _environment(version: EnvironmentVersion) -> Path:
    while not building.is_built_here(version):
        if STOP.is_set():
            raise CannotPrepare("The portal is being stopped.")
        build, mine = building.open_build(version)
        if mine:
            building.carry_out(build)
        while not build.is_final and not STOP.wait(BUILD_POLL_SECONDS):
            build.refresh_from_db()
        # Canceled although nobody asked for it: whoever built it was stopped.
        if build.status == BuildStatus.FAILED or build.cancel_requested_at:
            log, _ = building.read_build_log(build)
            said = build.error or f"its build was {build.get_status_display().lower()}"
            raise CannotPrepare(f"The environment {version} could not be built: {said}", log[-LOG_CHARACTERS:])
        version.refresh_from_db()
    return building.python_of(version)
