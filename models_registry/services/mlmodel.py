"""What an MLflow model says of itself: the file `MLmodel` in its folder, and the environment beside it.

https://mlflow.org/docs/latest/ml/model/#storage-format
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from experiments.environments import EnvironmentFileError
from experiments.environments.yaml_loading import Listing, Node, Scalar, load
from experiments.environments.yaml_loading import Mapping as YamlMapping
from mlportal.blobs.services import open_blob
from mlportal.errors import BytesLost
from mlportal.texts import storable
from models_registry.models import ModelVersion

MLMODEL: Final = "MLmodel"
MAX_DEPTH: Final = 20
MAX_BYTES: Final = 64 * 1024  # as of everything that is read as YAML
SIGNATURE_PARTS: Final = ("inputs", "outputs", "params")
EXAMPLES: Final = ("serving_input_example.json", "input_example.json")  # as requests have them; as MLflow 1 has them
EXAMPLE_BYTES: Final = 256 * 1024
WIDEST: Final = 10_000


def read_mlmodel(files: Mapping[str, str]) -> dict[str, Any] | None:
    """`files` are {path: digest}. {folder, flavors, signature, example, run_id, mlflow_version …}, or {folder, problem} for a
    file that cannot be read; None where no file is called so. `example` is {columns or null, row} of its input example."""
    place = min((path for path in files if PurePosixPath(path).name == MLMODEL), key=len, default=None)
    if place is None:
        return None
    folder = str(PurePosixPath(place).parent)
    said: dict[str, Any] = {"folder": "" if folder == "." else folder}
    try:
        with open_blob(files[place]) as stream:
            found = _plain(load(stream.read(MAX_BYTES + 1)).root)
    except BytesLost as error:
        return {**said, "problem": error.message}
    except EnvironmentFileError as error:
        return {**said, "problem": f"{MLMODEL} cannot be read: {error}"}
    if not isinstance(found, dict) or not isinstance(found.get("flavors"), dict):
        return {**said, "problem": f"{MLMODEL} names no flavors."}
    kept = ("flavors", "run_id", "mlflow_version", "model_uuid", "model_id", "utc_time_created", "artifact_path")
    said |= {name: found[name] for name in kept if found.get(name) is not None}
    if isinstance(found.get("signature"), dict):
        said["signature"] = {name: _columns(found["signature"].get(name)) for name in SIGNATURE_PARTS}
    if example := _example(files, said["folder"]):
        said["example"] = example
    shown: dict[str, Any] = storable(said)
    return shown


def _example(files: Mapping[str, str], folder: str) -> dict[str, Any] | None:
    """The first row of the model's input example; None where there is none, or none that is a table."""
    for name in EXAMPLES:
        digest = files.get(f"{folder}/{name}" if folder else name)
        if digest is None:
            continue
        try:
            with open_blob(digest) as stream:
                said = json.loads(stream.read(EXAMPLE_BYTES + 1), parse_constant=_refuse, parse_float=_finite)
        except (BytesLost, ValueError, RecursionError):
            continue
        if found := _first_row(said):
            return found
    return None


def _first_row(said: Any) -> dict[str, Any] | None:
    """https://mlflow.org/docs/latest/ml/model/signatures/#model-input-examples: a frame as `split`, an array, or records."""
    if isinstance(said, dict):
        said = next((said[name] for name in ("dataframe_split", "inputs", "instances") if name in said), said)
    columns: Any = None
    if isinstance(said, dict) and isinstance(said.get("data"), list):
        columns, said = said.get("columns"), said["data"]
    elif isinstance(said, dict) and said and all(isinstance(value, list) and value for value in said.values()):
        columns, said = list(said), [[value[0] for value in said.values()]]
    row = said[0] if isinstance(said, list) and said else None
    if isinstance(row, dict):
        columns, row = list(row), list(row.values())
    if not isinstance(row, list) or not row or len(row) > WIDEST or not all(map(_is_cell, row)):
        return None
    named = isinstance(columns, list) and len(columns) == len(row) and all(isinstance(each, str) for each in columns)
    return {"columns": columns if named else None, "row": row}


def _is_cell(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 1 << 63
    return value is None or isinstance(value, bool | float | str)


def scikit_learn_of(mlmodel: Mapping[str, Any] | None) -> str:
    """The scikit-learn that the model was saved with; "" where it does not say."""
    said = flavor(mlmodel, "sklearn").get("sklearn_version")
    return said if isinstance(said, str) else ""


def model_path(mlmodel: Mapping[str, Any] | None) -> str:
    """The file that holds the scikit-learn estimator; "" where there is none."""
    name = flavor(mlmodel, "sklearn").get("pickled_model")
    if not mlmodel or not isinstance(name, str) or not name:
        return ""
    return f"{mlmodel['folder']}/{name}" if mlmodel["folder"] else name


def flavor(mlmodel: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    found = (mlmodel or {}).get("flavors", {}).get(name)
    return found if isinstance(found, dict) else {}


def mlflow_inputs(version: ModelVersion) -> list[Mapping[str, Any]]:
    """The columns that the signature says the model takes."""
    said = ((version.mlmodel or {}).get("signature") or {}).get("inputs")
    return [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []


def conda_yaml(version: ModelVersion) -> str:
    """The environment that the model was logged with, as conda YAML; "" where there is none, or none that is text."""
    if version.mlmodel is None or "problem" in version.mlmodel:
        return ""
    said = flavor(version.mlmodel, "python_function").get("env", "conda.yaml")
    name = said.get("conda", "") if isinstance(said, dict) else said
    folder = version.mlmodel["folder"]
    path = f"{folder}/{name}" if folder else str(name)
    file = version.files.filter(path=path).first()
    if file is None or file.size > MAX_BYTES:
        return ""
    try:
        with open_blob(file.blob_id) as stream:
            return stream.read().decode("utf-8-sig")
    except (BytesLost, UnicodeDecodeError):
        return ""


def _columns(said: Any) -> Any:
    """MLflow writes each part of a signature as a text of JSON."""
    if not isinstance(said, str):
        return said
    try:
        found = json.loads(said, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return found if _is_flat(found) else None


def _is_flat(value: Any, depth: int = 0) -> bool:
    """A signature's columns nest a little; what nests more than any is somebody's bomb."""
    if depth > MAX_DEPTH:
        return False
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(_is_flat(item, depth + 1) for item in inside)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _plain(node: Node | None) -> Any:
    if isinstance(node, YamlMapping):
        return {key.value: _plain(value) for key, value in node.entries}
    if isinstance(node, Listing):
        return [_plain(item) for item in node.items]
    return _text(node) if isinstance(node, Scalar) else None


def _text(node: Scalar) -> Any:
    """Numbers stay texts, as they are written: a version 1.10 is no 1.1."""
    return None if node.is_null else node.value
