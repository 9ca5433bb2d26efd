"""What moves, as MLflow tells of it: moments are milliseconds, ids and names are texts. Nothing of it is checked yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol

from experiments.metrics import Series
from mlportal.errors import PortalError
from mlportal.mlflow_port.report import Report

PROMPT_TAG: Final = "mlflow.prompt.is_prompt"  # prompts are registered models to MLflow


class PortError(PortalError):
    """What ends an import or an export: the other side does not answer, or not in MLflow's words."""

    status, code = 502, "mlflow"


class Unreadable(PortError):
    """One thing cannot be read; the rest can."""


@dataclass(frozen=True)
class ExperimentItem:
    id: str
    name: str
    tags: Mapping[str, str]
    created: int | None = None
    updated: int | None = None
    deleted: bool = False


@dataclass(frozen=True)
class DatasetItem:
    fields: Mapping[str, str]  # as `experiments.services.DATASET_LIMITS` names them
    tags: Mapping[str, str]


@dataclass(frozen=True)
class RunItem:
    id: str
    name: str
    user: str
    status: str
    start: int | None
    end: int | None
    deleted: bool
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Sequence[str]
    datasets: Sequence[DatasetItem] = ()
    model_inputs: Sequence[str] = ()
    model_outputs: Sequence[tuple[str, int]] = ()
    artifact_uri: str = ""
    latest: Mapping[str, tuple[float, int, int]] | None = None
    """{name: (value, time, step)} where the source tells it without the whole history."""


@dataclass(frozen=True)
class ModelPointItem:
    run: str
    name: str
    value: float
    time: int
    step: int
    dataset_name: str = ""
    dataset_digest: str = ""


@dataclass(frozen=True)
class LoggedModelItem:
    id: str
    name: str
    run: str
    model_type: str
    status: str
    created: int | None
    updated: int | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: Sequence[ModelPointItem] = ()
    artifact_uri: str = ""


@dataclass(frozen=True)
class VersionItem:
    number: int
    run: str
    model_id: str
    source: str
    run_link: str
    description: str
    stage: str
    status: str
    user: str
    created: int | None
    updated: int | None
    tags: Mapping[str, str]
    storage: str = ""  # where its files are, if that is another place than the source


@dataclass(frozen=True)
class RegisteredItem:
    name: str
    description: str
    tags: Mapping[str, str]
    created: int | None
    updated: int | None
    aliases: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FileItem:
    """A file by its path below what it belongs to."""

    path: str
    size: int | None
    open: Callable[[], AbstractContextManager[BinaryIO]]


class Source(Protocol):
    """An MLflow that is read. What it cannot read of a thing it tells the report, and goes on; PortError ends the import."""

    report: Report

    def experiments(self) -> Iterator[ExperimentItem]: ...

    def runs(self, experiment: ExperimentItem) -> Iterator[RunItem]:
        """By their start."""

    def points(self, experiment: ExperimentItem, run: RunItem, metric: str) -> Iterator[Series]:
        """The whole history, some thousands at a time."""

    def run_files(self, experiment: ExperimentItem, run: RunItem) -> Iterator[FileItem]: ...

    def logged_models(self, experiment: ExperimentItem) -> Iterator[LoggedModelItem]: ...

    def model_files(self, experiment: ExperimentItem, model: LoggedModelItem) -> Iterator[FileItem]: ...

    def registered(self) -> Iterator[RegisteredItem]: ...

    def versions(self, model: RegisteredItem) -> Iterator[VersionItem]:
        """By their numbers."""

    def version_files(self, model: RegisteredItem, version: VersionItem) -> Iterator[FileItem]:
        """For a version that is made of nothing that is known here. Unreadable."""
