"""Where artifacts are: what is behind each `mlflow-artifacts:` address, and who may write there.

<experiment>/<run>/artifacts/…            files of a run
<experiment>/models/<m-…>/artifacts/…     files of a logged model
models/<number>/<version>/…               files of a registered version, to read; `MLmodel` and what belongs to it, too,
                                          where it was not registered by MLflow
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from experiments import services
from experiments.models import Artifact, LoggedModel, LoggedModelFile, Run
from experiments.snapshots import NameRefused, clean_name
from mlportal.access.models import Workspace
from mlportal.blobs.models import Blob
from mlportal.blobs.services import open_blob
from mlportal.errors import NotAllowed
from mlportal.mlflow_api import logged_models
from mlportal.mlflow_api.call import Call
from mlportal.mlflow_api.errors import invalid, not_there
from models_registry.models import ModelFile, ModelVersion
from models_registry.services import mlflow_files

REGISTRY: Final = "models"


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its path, size and ETag, and how its bytes are opened."""

    path: str
    size: int
    etag: str
    open: Callable[[], BinaryIO]


class Files(Protocol):
    """The files that have one owner, by their paths."""

    workspace: Workspace

    def list(self, folder: str) -> list[tuple[str, int]]:
        """(path, size) of each file below the folder, "" for all, by path."""

    def find(self, path: str) -> Found | None: ...

    def check_writer(self, call: Call) -> None: ...

    def put(self, call: Call, path: str, blob: Blob) -> None: ...

    def delete(self, call: Call, path: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A file or a folder; "" is the folder of them all."""

    files: Files
    path: str


def place_of(call: Call, path: str) -> Place:
    """Raises INVALID_PARAMETER_VALUE for a path that is none, RESOURCE_DOES_NOT_EXIST for what is not the caller's to see."""
    parts = checked(path.removesuffix("/")).split("/")
    if parts[0] == REGISTRY and len(parts) >= 3:
        return Place(VersionFiles(_version(call, parts[1], parts[2])), _below(parts[3:]))
    if len(parts) >= 4 and parts[1] == REGISTRY and parts[3] == "artifacts":
        return Place(LoggedFiles(logged_models.find(call, parts[2])), _below(parts[4:]))
    if len(parts) < 3 or parts[2] != "artifacts":
        raise invalid(f"Invalid path {path[:200]!r}: artifacts are at <experiment>/<run>/artifacts/…")
    return Place(RunFiles(call.run(parts[1])), _below(parts[3:]))


def checked(path: str) -> str:
    """Names with a `#` or a `;` are refused as MLflow refuses them: proxies and clients read these in their own way."""
    try:
        name = clean_name(path)
    except NameRefused as error:
        raise invalid(f"Invalid path: {error}") from None
    if "#" in name or ";" in name:
        raise invalid("Invalid path: the name contains # or ;")
    return name


def _below(parts: list[str]) -> str:
    return checked("/".join(parts)) if parts else ""  # alone it may have a scheme


def _version(call: Call, key: str, number: str) -> ModelVersion:
    found = None
    if all(text.isascii() and text.isdigit() and len(text) < 10 for text in (key, number)):
        visible = ModelVersion.objects.visible_to(call.by, call.workspace)
        found = visible.select_related("model__workspace").filter(model=int(key), version=int(number)).first()
    if found is None:
        raise not_there(f"There is no registered model version at models/{key[:20]}/{number[:20]}")
    return found


def _found(row: Artifact | LoggedModelFile | ModelFile | None) -> Found | None:
    return Found(row.path, row.size, row.blob_id, lambda: open_blob(row.blob_id)) if row else None


class RunFiles:
    def __init__(self, run: Run) -> None:
        self.run, self.workspace = run, run.workspace

    def list(self, folder: str) -> list[tuple[str, int]]:
        return list(self.run.artifacts.below(folder).order_by("path").values_list("path", "size"))

    def find(self, path: str) -> Found | None:
        row = self.run.artifacts.filter(path=path).first()
        return _found(row)

    def check_writer(self, call: Call) -> None:
        services.require_writer(self.run, call.by)

    def put(self, call: Call, path: str, blob: Blob) -> None:
        services.put_artifact(self.run, path, blob, by=call.by)

    def delete(self, call: Call, path: str) -> None:
        services.delete_artifacts(self.run, path, by=call.by)


class LoggedFiles:
    def __init__(self, model: LoggedModel) -> None:
        self.model, self.workspace = model, model.workspace

    def list(self, folder: str) -> list[tuple[str, int]]:
        rows = self.model.files.values_list("path", "size")
        return [row for row in rows if not folder or row[0].startswith(f"{folder}/")]

    def find(self, path: str) -> Found | None:
        row = self.model.files.filter(path=path).first()
        return _found(row)

    def check_writer(self, call: Call) -> None:
        services.require_model_writer(self.model, call.by)

    def put(self, call: Call, path: str, blob: Blob) -> None:
        services.put_model_file(self.model, path, blob, by=call.by)

    def delete(self, call: Call, path: str) -> None:
        services.delete_model_files(self.model, path, by=call.by)


class VersionFiles:
    """A version never changes, so nobody writes here."""

    def __init__(self, version: ModelVersion) -> None:
        self.version, self.workspace = version, version.model.workspace
        self._written = mlflow_files.of(version)

    def list(self, folder: str) -> list[tuple[str, int]]:
        rows = [*self.version.files.values_list("path", "size"), *((p, len(b)) for p, b in self._written.items())]
        return sorted(row for row in rows if not folder or row[0].startswith(f"{folder}/"))

    def find(self, path: str) -> Found | None:
        if path in self._written:
            data = self._written[path]
            return Found(path, len(data), mlflow_files.etag(data), lambda: io.BytesIO(data))
        row = self.version.files.filter(path=path).first()
        return _found(row)

    def check_writer(self, call: Call) -> None:
        raise NotAllowed("The files of a registered version never change.")

    def put(self, call: Call, path: str, blob: Blob) -> None:
        self.check_writer(call)

    def delete(self, call: Call, path: str) -> None:
        self.check_writer(call)
