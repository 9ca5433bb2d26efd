"""What a version's files import is listed once, by a worker, without loading them. It takes a sample beside them, too."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.utils import timezone

from experiments.services import dispatch
from mlportal.blobs.services import open_blob
from mlportal.errors import BytesLost
from mlportal.texts import storable
from models_registry.inspection import Inspection, inspect_model
from models_registry.models import ModelFile, ModelVersion
from models_registry.services.files import MODEL_SUFFIXES
from models_registry.services.samples import take_sample

INSPECT = "models_registry.inspect"
WORST_FIRST = ("dangerous", "unreadable", "unknown", "known")
MAX_FILES = 20
MAX_IMPORTS = 2000


def ask_for_inspection(version: ModelVersion) -> None:
    dispatch.send(INSPECT, version.pk, queue=settings.CELERY_TASK_DEFAULT_QUEUE)


def ask_again() -> None:
    """For versions whose message got lost."""
    waiting = ModelVersion.objects.filter(inspection__isnull=True, created_at__lt=timezone.now() - timedelta(minutes=1))
    for version in waiting[:100]:
        ask_for_inspection(version)


def inspect_version(version: ModelVersion) -> None:
    """List what each file that may be a model imports, and keep the sum: the worst verdict with its message. A training
    sample that is beside the files is taken; what is wrong with one is kept as `sample`."""
    if version.inspection is not None:
        return
    files = list(version.files.all())
    if len(files) > 1:
        files = [file for file in files if PurePosixPath(file.path).suffix in MODEL_SUFFIXES]
    found = [(file, _inspect(file)) for file in files[:MAX_FILES]]
    said = _sum(found, len(files))
    if problem := take_sample(version):
        said["sample"] = problem
    ModelVersion.objects.filter(pk=version.pk, inspection__isnull=True).update(inspection=storable(said))


def _inspect(file: ModelFile) -> Inspection:
    with tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        copy = Path(folder, "model").with_suffix(PurePosixPath(file.path).suffix)
        try:
            with open_blob(file.blob_id) as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            return inspect_model(copy)
        except BytesLost as error:
            return Inspection("unreadable", (), "other", error.message)
        except OSError as error:
            return Inspection("unreadable", (), "other", f"The file could not be read: {error.strerror or error}.")


def _sum(found: list[tuple[ModelFile, Inspection]], count: int) -> dict[str, Any]:
    if not found:
        message = "No file of the folder has a name that models have, so none was looked into."
        return {"verdict": "unreadable", "format": "other", "message": message, "imports": []}
    file, worst = min(found, key=lambda pair: WORST_FIRST.index(pair[1].verdict))
    message = worst.message if len(found) == 1 else f"{file.path}: {worst.message}"
    if count > MAX_FILES:
        message += f" Only {MAX_FILES} of {count} files were looked into."
    imports = sorted({(item.module, item.name, item.verdict) for _, each in found for item in each.imports})
    if len(imports) > MAX_IMPORTS:
        message += f" {len(imports)} names are imported; {MAX_IMPORTS} are listed."
        imports = sorted(imports, key=lambda item: WORST_FIRST.index(item[2]))[:MAX_IMPORTS]
    return {
        "verdict": worst.verdict,
        "format": worst.format,
        "message": message,
        "imports": [list(item) for item in imports],
    }
