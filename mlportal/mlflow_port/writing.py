"""A workspace as a folder `mlruns`, as MLflow's file store writes it (mlflow/store/tracking/file_store.py). Ids stay."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import yaml

from experiments.metrics import unpack
from experiments.models import Experiment, LoggedDataset, LoggedModel, LoggedModelUse, Run
from experiments.services import DEFAULT
from mlportal.access.models import Workspace
from mlportal.blobs.services import CHUNK
from mlportal.mlflow_port import leaving
from mlportal.mlflow_port.folder import META, MODEL_STATUSES, REGISTRY, STATUSES, TRASH
from mlportal.mlflow_port.items import PortError, Unreadable
from mlportal.mlflow_port.report import Report
from mlportal.mlflow_port.values import since_epoch
from models_registry.models import ModelVersion, RegisteredModel
from models_registry.services.mlflow_files import root_of

STATUS_NUMBERS: Final = {name: number for number, name in STATUSES.items()}
MODEL_STATUS_NUMBERS: Final = {name: number for number, name in MODEL_STATUSES.items()}
_Dumper: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class FolderWriter:
    def __init__(self, target: Path, workspace: Workspace, report: Report, only: Collection[str] = ()) -> None:
        """The folder must not be there yet, or be empty: it is made under another name, and named so when it is whole."""
        self.target = target.absolute()
        if self.target.is_symlink() or (
            self.target.exists() and (not self.target.is_dir() or any(self.target.iterdir()))
        ):
            raise PortError(f"{target} is there already; name a folder that is not, or is empty.")
        self._root = self.target.with_name(f"{self.target.name}.partial-{os.getpid()}")
        self._workspace, self.report, self._only = workspace, report, only

    def export(self) -> None:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._root.mkdir()
        try:
            (self._root / TRASH).mkdir()
            for experiment in leaving.experiments(self._workspace, self._only, self.report):
                self._experiment(experiment)
            for model, versions in leaving.registered(self._workspace, self._only):
                self._registered(model, versions)
            if self.target.exists():
                self.target.rmdir()
            self._root.rename(self.target)
        except BaseException:
            shutil.rmtree(self._root, ignore_errors=True)
            raise

    def _experiment(self, experiment: Experiment) -> None:
        number = "0" if experiment.name == DEFAULT else str(experiment.pk)
        place = f"{TRASH}/{number}" if experiment.archived_at else number
        self._meta(
            place,
            artifact_location=self._uri(number),
            creation_time=since_epoch(experiment.created_at),
            experiment_id=number,
            last_update_time=since_epoch(experiment.updated_at),
            lifecycle_stage="deleted" if experiment.archived_at else "active",
            name=experiment.name,
        )
        self._texts(f"{place}/tags", leaving.experiment_tags(experiment))
        self.report.count("experiments")
        for run in leaving.runs(experiment):
            self._run(run, number, place)
        for model in leaving.logged_models(experiment):
            self._logged_model(model, number, place)

    def _run(self, run: Run, number: str, experiment: str) -> None:
        place = f"{experiment}/{run.uid}"
        tags = leaving.tags_of(run)
        self._meta(
            place,
            artifact_uri=self._uri(f"{number}/{run.uid}/artifacts"),
            end_time=leaving.end_of(run),
            entry_point_name="",
            experiment_id=number,
            lifecycle_stage="deleted" if run.deleted_at else "active",
            run_id=run.uid,
            run_name=run.display_name,
            run_uuid=run.uid,
            source_name="",
            source_type=4,
            source_version="",
            start_time=leaving.start_of(run),
            status=STATUS_NUMBERS[leaving.status_of(run)],
            tags=[],
            user_id=leaving.user_of(run) or tags.get(leaving.USER_TAG, ""),
            **({"deleted_time": since_epoch(run.deleted_at)} if run.deleted_at else {}),
        )
        for folder in ("metrics", "params", "tags", "artifacts"):
            (self._root / place / folder).mkdir(exist_ok=True)
        self._texts(f"{place}/params", dict(run.parameters.values_list("name", "value")))
        self._texts(f"{place}/tags", tags)
        for name, data in leaving.chunks_of(run):
            series = unpack(data)
            lines = [
                f"{round(time * 1000)} {value!r} {step}\n"
                for time, value, step in zip(series.times, series.values, series.steps, strict=True)
            ]
            self._file(f"{place}/metrics", name, "".join(lines).encode(), append=True)
            self.report.count("points", len(lines))
        for dataset in run.logged_datasets.all():
            self._dataset(dataset, run, experiment)
        for use in run.logged_model_uses.filter(model__deleted_at=None).select_related("model"):
            self._use(use, run, place)
        for file in leaving.files_of(run):
            self._bytes(f"{place}/artifacts", file)
        extras = leaving.extras_of(run)
        if extras is not None and not run.artifacts.filter(path=leaving.EXTRAS).exists():
            self._file(f"{place}/artifacts", leaving.EXTRAS, extras)
        self.report.count("runs")

    def _dataset(self, dataset: LoggedDataset, run: Run, experiment: str) -> None:
        uid = _digest(dataset.name, dataset.digest)
        fields = ("digest", "name", "profile", "schema", "source", "source_type")
        self._meta(f"{experiment}/datasets/{uid}", **{field: getattr(dataset, field) or None for field in fields})
        self._meta(
            f"{experiment}/{run.uid}/inputs/{_digest(uid, run.uid)}",
            destination_id=uid,
            destination_type="RUN",
            source_id=uid,
            source_type="DATASET",
            tags=dict(dataset.tags),
        )

    def _use(self, use: LoggedModelUse, run: Run, place: str) -> None:
        uid = use.model.uid
        both = {"destination_id": uid, "source_id": uid, "tags": {}}
        if use.kind == LoggedModelUse.Kind.INPUT:
            self._meta(f"{place}/inputs/{_digest(uid, run.uid)}", **both, destination_type="RUN", source_type="MODEL")
        else:
            kinds = {"destination_type": "MODEL_OUTPUT", "source_type": "RUN_OUTPUT"}
            self._meta(f"{place}/outputs/{uid}", **both, **kinds, step=use.step)

    def _logged_model(self, model: LoggedModel, number: str, experiment: str) -> None:
        place = f"{experiment}/models/{model.uid}"
        self._meta(
            place,
            artifact_location=self._uri(f"{number}/models/{model.uid}/artifacts"),
            creation_timestamp=since_epoch(model.created_at),
            experiment_id=number,
            last_updated_timestamp=since_epoch(model.updated_at),
            lifecycle_stage="active",
            model_id=model.uid,
            model_type=model.model_type or None,
            name=model.name,
            source_run_id=model.run.uid if model.run else None,
            status=MODEL_STATUS_NUMBERS[model.status],
            status_message=None,
        )
        for folder in ("metrics", "params", "tags"):
            (self._root / place / folder).mkdir(exist_ok=True)
        self._texts(f"{place}/params", model.params)
        self._texts(f"{place}/tags", model.tags)
        for metric in model.metrics.select_related("run"):
            value = "nan" if metric.is_nan else repr(metric.value)
            words = [str(round(metric.time * 1000)), value, str(metric.step), metric.run.uid]
            if metric.dataset_name and metric.dataset_digest:
                words += [metric.dataset_name, metric.dataset_digest]
            self._file(f"{place}/metrics", metric.name, f"{' '.join(words)}\n".encode(), append=True)
        for file in leaving.model_files(model):
            self._bytes(f"{place}/artifacts", file)
        self.report.count("logged models")

    def _registered(self, model: RegisteredModel, versions: list[ModelVersion]) -> None:
        place = f"{REGISTRY}/{model.name}"
        numbers = {version.version for version in versions}
        aliases = {
            name: str(number)
            for name, number in model.aliases.values_list("name", "version__version")
            if number in numbers
        }
        self._meta(
            place,
            aliases=aliases,
            creation_timestamp=since_epoch(model.created_at),
            description=model.description or None,
            last_updated_timestamp=since_epoch(model.updated_at),
            name=model.name,
        )
        self._texts(f"{place}/tags", model.tags)
        self._texts(f"{place}/aliases", aliases)
        self.report.count("registered models")
        for version in versions:
            self._version(version, place, [name for name, number in aliases.items() if number == str(version.version)])

    def _version(self, version: ModelVersion, model: str, aliases: list[str]) -> None:
        place = f"{model}/version-{version.version}"
        user = version.created_by.get_username() if version.created_by else version.properties.get(leaving.USER_TAG)
        (self._root / place).mkdir(parents=True, exist_ok=True)
        source, storage = self._files_of(version, place)
        self._meta(
            place,
            aliases=aliases,
            creation_timestamp=since_epoch(version.created_at),
            current_stage=version.stage,
            description=version.description or None,
            last_updated_timestamp=since_epoch(version.updated_at),
            model_id=version.logged_model.uid if version.logged_model else None,
            name=version.model.name,
            run_id=version.run.uid if version.run else None,
            run_link=version.run_link or None,
            source=source,
            status="READY",
            status_message=None,
            storage_location=storage,
            user_id=user,
            version=version.version,
        )
        self._texts(f"{place}/tags", version.tags)
        self.report.count("versions")

    def _files_of(self, version: ModelVersion, place: str) -> tuple[str, str]:
        """The source, and where its files are: of a logged model or a run that has them, or beside the version."""
        logged, run = version.logged_model, version.run
        if logged is not None and logged.deleted_at is None:
            number = "0" if logged.experiment.name == DEFAULT else str(logged.experiment_id)
            return f"models:/{logged.uid}", self._uri(f"{number}/models/{logged.uid}/artifacts")
        if run is not None and version.path:
            has = run.artifacts.filter(path=version.path) | run.artifacts.below(version.path)
            if has.exists():
                number = "0" if run.experiment.name == DEFAULT else str(run.experiment_id)
                uri = self._uri(f"{number}/{run.uid}/artifacts/{version.path}")
                return uri, uri
        for file in leaving.version_files(version):
            self._bytes(f"{place}/files", file)
        uri = self._uri("/".join(part for part in (place, "files", root_of(version)) if part))
        return uri, uri

    def _uri(self, path: str) -> str:
        return (self.target / path).as_uri()

    def _meta(self, place: str, **said: Any) -> None:
        data = yaml.dump(said, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, encoding="utf-8")
        self._file(place, META, data)

    def _texts(self, place: str, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self._file(place, name, str("" if value is None else value).encode())

    def _bytes(self, place: str, file: leaving.StoredFile) -> None:
        try:
            with file.open() as stream:
                self._file(place, file.path, stream)
        except Unreadable as error:
            self.report.problem(f"{place}/{file.path}", error.message)
        self.report.count("files")

    def _file(self, place: str, name: str, data: bytes | BinaryIO, *, append: bool = False) -> None:
        """A name is a path in the folder; one that would lead out of it, or that no file can have, is told."""
        path = self._root / place / name
        inside = Path(os.path.normpath(path)).is_relative_to(self._root / place) and "\0" not in name
        try:
            if not inside or os.path.normpath(name) != name:
                raise OSError(0, "no file can be called so")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab" if append else "wb") as target:
                if isinstance(data, bytes):
                    target.write(data)
                else:
                    shutil.copyfileobj(data, target, CHUNK)
        except OSError as error:
            if inside and error.errno in _FATAL:
                raise PortError(f"{path} cannot be written: {error.strerror}") from None
            self.report.problem(f"{place}/{name}", error.strerror or str(error))


_FATAL: Final = (28, 30, 122)  # no space, read-only, quota


def _digest(first: str, second: str) -> str:
    """MLflow names such folders so."""
    return hashlib.md5(first.encode() + second.encode(), usedforsecurity=False).hexdigest()
