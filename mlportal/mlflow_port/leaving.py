"""What a workspace has, in MLflow's words: for a server and for a folder alike."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import orjson

from experiments.models import Experiment, LoggedModel, MetricChunk, Run
from experiments.search import MLFLOW_STATUS
from experiments.search.attributes import NAME_TAG, PARENT_TAG
from experiments.status import RunStatus
from mlportal.access.models import Workspace
from mlportal.blobs.services import open_blob
from mlportal.errors import BytesLost
from mlportal.mlflow_port.items import Unreadable
from mlportal.mlflow_port.report import Report
from mlportal.mlflow_port.values import since_epoch
from models_registry.models import ModelVersion, RegisteredModel

NOTE_TAG: Final = "mlflow.note.content"
USER_TAG: Final = "mlflow.user"
RUN_ID_TAG: Final = "mlportal.run_id"
MODEL_ID_TAG: Final = "mlportal.model_id"
VERSION_TAG: Final = "mlportal.version"
EXTRAS: Final = "mlportal/run.json"
RUNS_AT_ONCE: Final = 200


@dataclass(frozen=True)
class StoredFile:
    path: str
    size: int
    digest: str

    def open(self) -> BinaryIO:
        """Unreadable when the storage has lost it."""
        try:
            return open_blob(self.digest)
        except BytesLost as error:
            raise Unreadable(error.message) from None


def experiments(workspace: Workspace, only: Collection[str], report: Report) -> list[Experiment]:
    there = Experiment.objects.filter(workspace=workspace).order_by("pk")
    found = list(there.filter(name__in=only) if only else there)
    for name in sorted(set(only) - {each.name for each in found}):
        report.problem(f"experiment {name}", "the workspace has none of this name")
    return found


def runs(experiment: Experiment) -> Iterator[Run]:
    """Parents before their children."""
    level: list[int] = []
    rows = Run.objects.filter(experiment=experiment, purge=None).select_related(
        "created_by", "environment_version__environment"
    )
    found = rows.exclude(parent__experiment=experiment)
    while True:
        level = list(found.order_by("pk").values_list("pk", flat=True))
        for start in range(0, len(level), RUNS_AT_ONCE):
            some = {
                run.pk: run for run in rows.select_related("parent").filter(pk__in=level[start : start + RUNS_AT_ONCE])
            }
            yield from (some[key] for key in level[start : start + RUNS_AT_ONCE] if key in some)
        if not level:
            return
        found = rows.filter(parent__in=level) if len(level) <= RUNS_AT_ONCE else rows.filter(pk__in=_children(level))


def _children(level: list[int]) -> list[int]:
    keys: list[int] = []
    for start in range(0, len(level), RUNS_AT_ONCE):
        keys += Run.objects.filter(parent__in=level[start : start + RUNS_AT_ONCE]).values_list("pk", flat=True)
    return keys


def tags_of(run: Run) -> dict[str, str]:
    """All, those among them that are fields here."""
    tags = {name: value or "" for name, value in run.tags.values_list("name", "value")}
    tags[NAME_TAG] = run.display_name
    if run.parent is not None:
        tags[PARENT_TAG] = run.parent.uid
    if run.description:
        tags.setdefault(NOTE_TAG, run.description)
    if user := user_of(run):
        tags.setdefault(USER_TAG, user)
    return tags


def experiment_tags(experiment: Experiment) -> dict[str, str]:
    tags = {name: str(value or "") for name, value in experiment.tags.items()}
    return {NOTE_TAG: experiment.description, **tags} if experiment.description else tags


def user_of(run: Run) -> str:
    return str(run.created_by.get_username()) if run.created_by else ""


def status_of(run: Run) -> str:
    return MLFLOW_STATUS[RunStatus(run.status)]


def start_of(run: Run) -> int:
    return since_epoch(run.started_at or run.created_at)


def end_of(run: Run) -> int | None:
    return since_epoch(run.ended_at) if run.ended_at else None


def chunks_of(run: Run) -> Iterator[tuple[str, bytes]]:
    """(name of the metric, packed points), one at a time."""
    rows = MetricChunk.objects.filter(metric__run=run).order_by("metric__name", "pk")
    for name, data in rows.values_list("metric__name", "data").iterator(chunk_size=20):
        yield name, bytes(data)


def files_of(run: Run) -> Iterator[StoredFile]:
    yield from (StoredFile(*row) for row in run.artifacts.values_list("path", "size", "blob").iterator())


def model_files(model: LoggedModel) -> Iterator[StoredFile]:
    yield from (StoredFile(*row) for row in model.files.values_list("path", "size", "blob").iterator())


def version_files(version: ModelVersion) -> list[StoredFile]:
    return [StoredFile(*row) for row in version.files.values_list("path", "size", "blob")]


def extras_of(run: Run) -> bytes | None:
    """What MLflow has no place for, as a file of the run; None where there is nothing of it."""
    said: dict[str, Any] = {
        "script": run.script,
        "arguments": run.arguments,
        "environment": str(run.environment_version) if run.environment_version else "",
        "properties": dict(run.properties.values_list("name", "value")),
        "failure": run.failure,
        "logged": [
            {"name": row.name, "kind": row.kind, "time": row.time, "description": row.description, "value": row.value}
            for row in run.logged_values.all()
        ],
    }
    said = {name: value for name, value in said.items() if value}
    return orjson.dumps(said, option=orjson.OPT_INDENT_2) if said else None


def logged_models(experiment: Experiment) -> Iterator[LoggedModel]:
    rows = LoggedModel.objects.filter(experiment=experiment, deleted_at=None, run__purge=None).order_by("pk")
    yield from rows.select_related("run").iterator()


def registered(workspace: Workspace, only: Collection[str]) -> Iterator[tuple[RegisteredModel, list[ModelVersion]]]:
    """With the versions that are of these experiments; all models and all versions where none is named."""
    for model in RegisteredModel.objects.filter(workspace=workspace).order_by("pk"):
        rows = model.versions.order_by("version").select_related(
            "run__experiment", "logged_model__experiment", "created_by"
        )
        versions = list(rows)
        if only:
            versions = [version for version in versions if _experiment_of(version) in only]
        if versions or not only:
            yield model, versions


def _experiment_of(version: ModelVersion) -> str:
    of = version.run or version.logged_model
    return of.experiment.name if of else ""
