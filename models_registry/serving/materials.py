"""What a model worker needs on this machine: files on disk, and the environment that they run in, built."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db import connections

from experiments.models import EnvironmentVersion
from experiments.services import building
from experiments.status import BuildStatus
from mlportal.blobs.services import open_blob
from mlportal.errors import BytesLost
from mlportal.processes import STOP
from models_registry.models import ModelVersion, Revision
from models_registry.services import main_file

logger = logging.getLogger(__name__)
BUILD_POLL_SECONDS = 0.5
LOG_CHARACTERS = 16_384
_LAYING_OUT: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
CODE, MODELS, MODULES = "code", "azureml-models", "modules"


@dataclass(frozen=True, slots=True)
class Materials:
    """`load` is a model's file, or an entry script in the folder `code`. `models` is Azure's AZUREML_MODEL_DIR.

    `modules` are folders with the modules of the run that trained the model, when its classes are defined there.
    """

    python: Path
    load: Path
    models: Path
    code: Path | None
    modules: tuple[Path, ...] = ()


class CannotPrepare(Exception):
    """Something that the model needs can never be had; `log` says more where there is more."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class Preparation(threading.Thread):
    """Gets the materials of a revision ready beside the supervisor's loop, which other deployments need meanwhile.

    At its end there are `materials`; or a `problem`, which stays; or `trouble`: it may go well another time.
    """

    def __init__(self, revision: Revision) -> None:
        super().__init__(name=f"prepare-{revision.pk}", daemon=True)
        self.revision = revision
        self.materials: Materials | None = None
        self.problem: CannotPrepare | None = None
        self.trouble = ""
        self.start()

    def run(self) -> None:
        try:
            self.materials = prepare(self.revision)
        except CannotPrepare as error:
            self.problem = error
        except Exception as error:  # the edge of the thread: nobody else would ever hear of it
            logger.exception("The materials of %s could not be got ready.", self.revision)
            self.trouble = f"{type(error).__name__}: {error}"
        finally:
            connections.close_all()


def prepare(revision: Revision) -> Materials:
    """The materials of the revision; builds its environment where that is not there.

    Raises CannotPrepare, or whatever database, disk and storage raise when they are away for a while.
    """
    python = _environment(revision.environment_version)
    folder = lay_out(revision, revisions_folder())
    versions = revision.versions
    homes = [folder / MODELS / _place_of(version) for version in versions]
    if revision.entry_script:
        code = folder / CODE
        return Materials(python, code / revision.entry_script, homes[0] if len(homes) == 1 else folder / MODELS, code)
    model = main_file(versions[0])
    if model is None:
        raise CannotPrepare("Its folder has no single file that is the model.")
    modules, places = modules_of(versions[0])
    return Materials(
        python, homes[0] / model.path, homes[0], None, tuple(folder / MODULES / place for place in places if modules)
    )


def revisions_folder() -> Path:
    return Path(settings.SERVING_DIR) / "revisions"


def lay_out(revision: Revision, root: Path) -> Path:
    """The folder `root/<revision>` with all files of the revision, whole and verified."""
    folder = root / str(revision.pk)
    files = _files(revision)
    with _LAYING_OUT[revision.pk]:  # its replicas start at once
        _lay_out(revision, folder, files)
    return folder


def _lay_out(revision: Revision, folder: Path, files: Mapping[str, str]) -> None:
    root = folder.parent
    if not all(_is_there(folder / path, digest) for path, digest in files.items()):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=root, prefix=f".draft-{revision.pk}-"))
        try:
            for path, digest in files.items():
                _write(path, digest, draft / path)
            (draft / MODELS).mkdir(mode=0o700, exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _files(revision: Revision) -> dict[str, str]:
    """{path in the revision's folder: digest}: the script's snapshot, and models where Azure puts them."""
    entries = revision.snapshot.entries if revision.snapshot else []
    files = {f"{CODE}/{name}": digest for name, digest, _ in entries}
    for version in revision.versions:
        home = f"{MODELS}/{_place_of(version)}"
        files |= {f"{home}/{file.path}": file.blob_id for file in version.files.all()}
    if not revision.entry_script and len(revision.versions) == 1:
        modules, _ = modules_of(revision.versions[0])
        files |= {f"{MODULES}/{name}": digest for name, digest in modules.items()}
    return files


def modules_of(version: ModelVersion) -> tuple[dict[str, str], list[str]]:
    """({path: digest} of the run's own modules, the folders that its script found them in); nothing when the model's
    file is known to name none of them."""
    if version.snapshot is None:
        return {}, []
    code = {name: digest for name, digest, _ in version.snapshot.entries if name.endswith(".py")}
    script = version.run.script if version.run else str((version.lineage or {}).get("script") or "")
    places = list(dict.fromkeys([str(PurePosixPath(script).parent), "."]))
    if version.inspection is not None:
        roots = {str(module).partition(".")[0] for module, *_ in version.inspection.get("imports") or ()}
        starts = [str(PurePosixPath(place, root)) for place in places for root in roots]
        if not any(name == f"{start}.py" or name.startswith(f"{start}/") for name in code for start in starts):
            return {}, []
    return code, places


def _place_of(version: ModelVersion) -> str:
    return f"{version.model.name}/{version.version}"


def _is_there(path: Path, digest: str) -> bool:
    """Read, not only looked at: what is served is what was registered."""
    try:
        with path.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest() == digest
    except OSError:
        return False


def _write(name: str, expected: str, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    said = "/".join(name.split("/")[3 if name.startswith(f"{MODELS}/") else 1 :])
    try:
        stored = open_blob(expected)
    except BytesLost:
        raise CannotPrepare(f"The storage has lost the bytes of {said}.") from None
    with stored as source, path.open("xb") as target:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() != expected:
        raise CannotPrepare(f"The stored bytes of {said} are damaged.")


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
