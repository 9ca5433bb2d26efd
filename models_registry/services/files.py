"""The files of a version: which of them is the model, and their bytes."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import BinaryIO

from experiments.snapshots import NameRefused, clean_name
from mlportal.blobs import services as blobs
from mlportal.errors import BadInput, NotFound
from models_registry.models import ModelFile, ModelVersion
from models_registry.services.mlmodel import model_path

MODEL_SUFFIXES = (".joblib", ".pkl", ".pickle", ".skops", ".onnx")
USUAL_STEMS = ("model", "sklearn_model")


def main_file(version: ModelVersion) -> ModelFile | None:
    """The file that holds the model: the one that MLmodel names; the only one; else the only one with a model's suffix; else
    the one named as usual."""
    files = list(version.files.all())
    named = model_path(version.mlmodel)
    if named:
        return next((file for file in files if file.path == named), None)
    if len(files) == 1:
        return files[0]
    candidates = [file for file in files if PurePosixPath(file.path).suffix in MODEL_SUFFIXES]
    if len(candidates) == 1:
        return candidates[0]
    usual = [file for file in candidates if PurePosixPath(file.path).stem in USUAL_STEMS]
    return min(usual, key=lambda file: (file.path.count("/"), file.path)) if usual else None


def open_file(version: ModelVersion, path: str) -> tuple[ModelFile, BinaryIO]:
    """A file of the version and its bytes; BadInput for a name that no file may have, NotFound when there is none."""
    try:
        name = clean_name(path)
    except NameRefused as error:
        raise BadInput(str(error), field="path") from None
    file = version.files.filter(path=name).first()
    if file is None:
        raise NotFound(f"{version} has no file named {name!r}.")
    return file, blobs.open_blob(file.blob_id)
