"""What a model worker needs on this machine: the model's files on disk and the model's own environment, built."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connections

from experiments.models import EnvironmentVersion
from experiments.services import building
from experiments.status import BuildStatus
from mlportal.blobs.services import open_blob
from mlportal.errors import PortalError
from models_registry.models import ModelFile, ModelVersion
from models_registry.services import main_file

logger = logging.getLogger(__name__)
BUILD_POLL_SECONDS = 0.5
LOG_CHARACTERS = 16_384
RETRY_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds


@dataclass(frozen=True, slots=True)
class Materials:
    python: Path
    model: Path


class CannotPrepare(Exception):
    """Something that the model needs cannot be had; `log` says more where there is more."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class Preparation(threading.Thread):
    """Gets the materials of a version ready beside the supervisor's loop, which other deployments need meanwhile."""

    def __init__(self, version: ModelVersion) -> None:
        super().__init__(name=f"prepare-{version.pk}", daemon=True)
        self.version = version
        self.materials: Materials | None = None
        self.problem: CannotPrepare | None = None
        self.start()

    def run(self) -> None:
        try:
            self.materials = self._prepare_patiently()
        except CannotPrepare as error:
            self.problem = error
        except Exception as error:  # the edge of the thread: nobody else would ever hear of it
            logger.exception("The materials of %s could not be got ready.", self.version)
            self.problem = CannotPrepare(f"{type(error).__name__}: {error}")
        finally:
            connections.close_all()

    def _prepare_patiently(self) -> Materials:
        """A database or a storage that is away for a moment must not end a deployment."""
        for pause in RETRY_PAUSES:
            try:
                return prepare(self.version)
            except (DatabaseError, OSError) as error:
                logger.warning("The materials of %s are not to be had now (%s); trying again.", self.version, error)
                connections.close_all()
                time.sleep(pause)
        return prepare(self.version)


def prepare(version: ModelVersion) -> Materials:
    """The materials of the version; builds its environment where that is not there. Raises CannotPrepare."""
    if version.environment_version is None:
        raise CannotPrepare("Its run had no environment, so nobody knows what the model needs.")
    python = _environment(version.environment_version)
    try:
        return Materials(python, lay_out(version, models_folder()))
    except OSError as error:
        raise CannotPrepare(f"The model's files could not be laid out: {error}") from error


def models_folder() -> Path:
    return Path(settings.SERVING_DIR) / "models"


def lay_out(version: ModelVersion, root: Path) -> Path:
    """The path of the model file under `root/<version>`, which exists whole and verified or not at all. Raises OSError."""
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
    with open_blob(file.blob_id) as source, path.open("xb") as target:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() != file.blob_id:
        raise OSError(f"the stored bytes of {file.path} are damaged")


def _environment(version: EnvironmentVersion) -> Path:
    while not building.is_built_here(version):
        build, mine = building.open_build(version)
        if mine:
            building.carry_out(build)
        while not build.is_final:
            time.sleep(BUILD_POLL_SECONDS)
            build.refresh_from_db()
        if build.status != BuildStatus.READY:
            log, _ = building.read_build_log(build)
            said = build.error or f"its build was {build.get_status_display().lower()}"
            raise CannotPrepare(f"The environment {version} could not be built: {said}", log[-LOG_CHARACTERS:])
        version.refresh_from_db()
    try:
        return building.python_of(version)
    except PortalError as error:
        raise CannotPrepare(error.message) from None
