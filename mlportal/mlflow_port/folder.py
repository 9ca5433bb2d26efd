"""A folder `mlruns`, read as MLflow's file store writes it (mlflow/store/tracking/file_store.py).

Nothing outside of the folder is read, whatever a link or an address in it says: `elsewhere` names the folders in which
artifacts may be beside it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from experiments.metrics import Series
from experiments.runner.beneath import walk
from mlportal.mlflow_port import values
from mlportal.mlflow_port.addresses import is_own_folder
from mlportal.mlflow_port.artifact_folders import DEPTH, ArtifactFolders, Parts, opened
from mlportal.mlflow_port.folder_yaml import MAX_BYTES, read_mapping
from mlportal.mlflow_port.items import (
    DatasetItem,
    ExperimentItem,
    FileItem,
    LoggedModelItem,
    ModelPointItem,
    PortError,
    RegisteredItem,
    RunItem,
    Unreadable,
    VersionItem,
)
from mlportal.mlflow_port.report import Report
from mlportal.mlflow_port.values import milliseconds, text

META: Final = "meta.yaml"
TRASH: Final = ".trash"
REGISTRY: Final = "models"
RESERVED: Final = frozenset({"tags", "datasets", "traces", "models", "assessments"})
STATUSES: Final = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
MODEL_STATUSES: Final = {1: "PENDING", 2: "READY", 3: "FAILED"}
MAX_VALUE_BYTES: Final = 4 << 20
MAX_LINE: Final = 4096


class MlrunsFolder:
    def __init__(self, root: Path, report: Report, elsewhere: Sequence[Path] = ()) -> None:
        self.root, self.report = root.resolve(), report
        self._artifact_folders = ArtifactFolders([root, *elsewhere], report)
        places: list[Parts] = [(name,) for name in self._folders(()) if name not in (TRASH, REGISTRY)]
        places += [(TRASH, name) for name in self._folders((TRASH,))]
        self._experiments = [place for place in places if self._is_file((*place, META))]
        if not self._experiments:
            raise PortError(
                f"{root} has no experiment of MLflow's file store in it, nor a database mlflow.db. A database of another"
                " name is imported by its name. For one in PostgreSQL or MySQL, start `mlflow server --backend-store-uri …"
                " --serve-artifacts` and import from its address."
            )
        for place in sorted(set(places) - set(self._experiments)):
            self.report.problem("/".join(place), f"a folder without {META}")

    def experiments(self) -> Iterator[ExperimentItem]:
        for place in self._experiments:
            try:
                meta = self._meta(place)
            except Unreadable as error:
                self.report.problem(f"experiment {place[-1]}", error.message)
                continue
            tags = values.texts(meta.get("tags")) | self._texts((*place, "tags"))
            yield ExperimentItem(
                id=place[-1],
                name=text(meta.get("name")),
                tags=tags,
                created=milliseconds(meta.get("creation_time")),
                updated=milliseconds(meta.get("last_update_time")),
                deleted=place[0] == TRASH or meta.get("lifecycle_stage") == "deleted",
            )

    def runs(self, experiment: ExperimentItem) -> Iterator[RunItem]:
        place = self._place(experiment)
        if self._folders((*place, "traces")):
            self.report.problem(f"experiment {experiment.name}", "it has traces: the portal keeps none")
        found = []
        for name in self._folders(place):
            if name in RESERVED:
                continue
            try:
                meta = self._meta((*place, name))
                if not values.RUN_ID.fullmatch(name) or text(meta.get("run_id") or meta.get("run_uuid")) != name:
                    raise Unreadable(f"the folder and its {META} do not name the same run")
                found.append((milliseconds(meta.get("start_time")) or 0, name))
            except Unreadable as error:
                self.report.problem(f"run {'/'.join((*place, name))}", error.message)
        for _, name in sorted(found):
            yield self._run(place, name)

    def points(self, experiment: ExperimentItem, run: RunItem, metric: str) -> Iterator[Series]:
        parts = (*self._place(experiment), run.id, "metrics", *metric.split("/"))
        return values.in_series(self._points(parts))

    def _points(self, parts: Parts) -> Iterator[values.Point]:
        for place, words in self._lines(parts):
            step = values.whole(words[2]) if len(words) in (3, 5) else 0
            time = milliseconds(words[0])
            value = values.number(words[1]) if len(words) > 1 else None
            if len(words) not in (2, 3, 5) or step is None or time is None or value is None:
                self.report.problem(place, f"no line of a metric: {' '.join(words)!r:.100}")
                continue
            yield time, step, value

    def run_files(self, experiment: ExperimentItem, run: RunItem) -> Iterator[FileItem]:
        yield from self._artifacts((*self._place(experiment), run.id, "artifacts"), run.artifact_uri, f"run {run.id}")

    def logged_models(self, experiment: ExperimentItem) -> Iterator[LoggedModelItem]:
        place = (*self._place(experiment), "models")
        for name in self._folders(place):
            try:
                meta = self._meta((*place, name))
                if not values.MODEL_ID.fullmatch(name) or meta.get("model_id") != name:
                    raise Unreadable(f"the folder and its {META} do not name the same model")
            except Unreadable as error:
                self.report.problem(f"logged model {name}", error.message)
                continue
            if meta.get("lifecycle_stage") == "deleted":
                self.report.count("deleted logged models left out")
                continue
            yield LoggedModelItem(
                id=name,
                name=text(meta.get("name")),
                run=text(meta.get("source_run_id")),
                model_type=text(meta.get("model_type")),
                status=MODEL_STATUSES.get(meta.get("status", 0), text(meta.get("status"))),
                created=milliseconds(meta.get("creation_timestamp")),
                updated=milliseconds(meta.get("last_updated_timestamp")),
                params=self._texts((*place, name, "params")),
                tags=self._texts((*place, name, "tags")),
                points=list(self._model_points((*place, name, "metrics"))),
                artifact_uri=text(meta.get("artifact_location")),
            )

    def model_files(self, experiment: ExperimentItem, model: LoggedModelItem) -> Iterator[FileItem]:
        parts = (*self._place(experiment), "models", model.id, "artifacts")
        yield from self._artifacts(parts, model.artifact_uri, f"logged model {model.id}")

    def registered(self) -> Iterator[RegisteredItem]:
        for name in self._folders((REGISTRY,)):
            place = (REGISTRY, name)
            try:
                meta = self._meta(place)
            except Unreadable as error:
                self.report.problem(f"registered model {name}", error.message)
                continue
            aliases = values.texts(meta.get("aliases")) | self._texts((*place, "aliases"))
            yield RegisteredItem(
                name=name,
                description=text(meta.get("description")),
                tags=self._texts((*place, "tags")),
                created=milliseconds(meta.get("creation_timestamp")),
                updated=milliseconds(meta.get("last_updated_timestamp")),
                aliases={alias: values.whole(version) or 0 for alias, version in aliases.items()},
            )

    def versions(self, model: RegisteredItem) -> Iterator[VersionItem]:
        numbers = []
        for name in self._folders((REGISTRY, model.name)):
            number = name.removeprefix("version-")
            if name not in ("tags", "aliases") and (number == name or not values.NUMBER.fullmatch(number)):
                self.report.problem(f"registered model {model.name}", f"{name!r} is no folder of a version")
            elif number != name:
                numbers.append(int(number))
        for each in sorted(numbers):
            place = (REGISTRY, model.name, f"version-{each}")
            try:
                meta = self._meta(place)
            except Unreadable as error:
                self.report.problem(f"version {model.name}:{each}", error.message)
                continue
            if meta.get("current_stage") == "Deleted_Internal":
                continue
            yield VersionItem(
                number=each,
                run=text(meta.get("run_id")),
                model_id=text(meta.get("model_id")),
                source=text(meta.get("source")),
                run_link=text(meta.get("run_link")),
                description=text(meta.get("description")),
                stage=text(meta.get("current_stage")) or "None",
                status=text(meta.get("status")) or "READY",
                user=text(meta.get("user_id")),
                created=milliseconds(meta.get("creation_timestamp")),
                updated=milliseconds(meta.get("last_updated_timestamp")),
                tags=self._texts((*place, "tags")),
                storage=text(meta.get("storage_location")),
            )

    def version_files(self, model: RegisteredItem, version: VersionItem) -> Iterator[FileItem]:
        base, parts = self._artifact_folders.place(version.storage or version.source)
        yield from self._artifact_folders.files(base, parts, f"version {model.name}:{version.number}")

    def _place(self, experiment: ExperimentItem) -> Parts:
        return next(place for place in self._experiments if place[-1] == experiment.id)

    def _run(self, place: Parts, name: str) -> RunItem:
        whole = (*place, name)
        meta = self._meta(whole)
        tags = self._texts((*whole, "tags"))
        status = meta.get("status", 1)
        inputs, used = self._inputs(place, whole)
        return RunItem(
            id=name,
            name=text(meta.get("run_name")) or text(meta.get("name")) or tags.get("mlflow.runName", ""),
            user=text(meta.get("user_id")),
            status=STATUSES.get(status, text(status)),
            start=milliseconds(meta.get("start_time")),
            end=milliseconds(meta.get("end_time")),
            deleted=meta.get("lifecycle_stage") == "deleted",
            params=self._texts((*whole, "params")),
            tags=tags,
            metrics=["/".join(found) for found in self._files((*whole, "metrics"))],
            datasets=inputs,
            model_inputs=used,
            model_outputs=list(self._outputs((*whole, "outputs"))),
            artifact_uri=text(meta.get("artifact_uri")),
        )

    def _inputs(self, experiment: Parts, run: Parts) -> tuple[list[DatasetItem], list[str]]:
        datasets, models = [], []
        for name in self._folders((*run, "inputs")):
            try:
                meta = self._meta((*run, "inputs", name))
                source = text(meta.get("source_id"))
                if meta.get("source_type") == "MODEL":
                    models.append(source)
                    continue
                said = self._meta((*experiment, "datasets", source))
                fields = {key: text(value) for key, value in said.items() if isinstance(value, str)}
                datasets.append(DatasetItem(fields, values.texts(meta.get("tags"))))
            except Unreadable as error:
                self.report.problem(f"run {run[-1]}, input {name}", error.message)
        return datasets, models

    def _outputs(self, place: Parts) -> Iterator[tuple[str, int]]:
        for name in self._folders(place):
            try:
                meta = self._meta((*place, name))
            except Unreadable as error:
                self.report.problem(f"run {place[-2]}, output {name}", error.message)
                continue
            yield name, values.whole(meta.get("step")) or 0

    def _model_points(self, place: Parts) -> Iterator[ModelPointItem]:
        for found in self._files(place):
            for where, words in self._lines((*place, *found)):
                time, value, step = milliseconds(words[0]), None, None
                if len(words) >= 4:
                    value, step = values.number(words[1]), values.whole(words[2])
                if time is None or value is None or step is None or len(words) == 5:
                    self.report.problem(where, f"no line of a model's metric: {' '.join(words)!r:.100}")
                    continue
                # A name of data may have blanks in it; a digest has none.
                dataset, digest = (" ".join(words[4:-1]), words[-1]) if len(words) > 5 else ("", "")
                yield ModelPointItem(words[3], "/".join(found), value, time, step, dataset, digest)

    def _lines(self, parts: Parts) -> Iterator[tuple[str, list[str]]]:
        """The words of each line, and where it is: file and number. One that is cut off at the end is no line."""
        name = "/".join(parts)
        try:
            with opened(self.root, parts) as file:
                number = 0
                while line := file.readline(MAX_LINE):
                    number += 1
                    where = f"{name}:{number}"
                    if not line.endswith(b"\n"):
                        self.report.problem(where, "the line is cut off")
                        while len(line) == MAX_LINE and not line.endswith(b"\n"):
                            line = file.readline(MAX_LINE)
                        continue
                    words = line.decode("utf-8", "replace").split()
                    if words:
                        yield where, words
        except OSError as error:
            self.report.problem(name, error.strerror or str(error))

    def _artifacts(self, own: Parts, uri: str, where: str) -> Iterator[FileItem]:
        """Those in the folder itself: it may have been copied from where its addresses lead to."""
        if self._artifact_folders.has(self.root, own) or not uri or is_own_folder(uri, own):
            yield from self._artifact_folders.files(self.root, own, where)
            return
        try:
            base, parts = self._artifact_folders.place(uri)
        except Unreadable as error:
            self.report.problem(where, error.message)
            return
        yield from self._artifact_folders.files(base, parts, where)

    def _read(self, parts: Parts, limit: int) -> bytes:
        try:
            with opened(self.root, parts) as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise Unreadable(f"{'/'.join(parts)} cannot be read: {error.strerror or error}") from None
        if len(data) > limit:
            raise Unreadable(f"{'/'.join(parts)} has more than {limit} bytes")
        return data

    def _meta(self, place: Parts) -> dict[str, Any]:
        try:
            return read_mapping(self._read((*place, META), MAX_BYTES))
        except Unreadable as error:
            named = META in error.message
            raise Unreadable(error.message if named else f"{'/'.join(place)}/{META}: {error.message}") from None

    def _texts(self, place: Parts) -> dict[str, str]:
        """{name: what its file holds}."""
        found = {}
        for parts in self._files(place):
            try:
                found["/".join(parts)] = self._read((*place, *parts), MAX_VALUE_BYTES).decode()
            except Unreadable as error:
                self.report.problem("/".join(place), error.message)
            except UnicodeDecodeError:
                self.report.problem("/".join((*place, *parts)), "it is not UTF-8")
        return found

    def _files(self, place: Parts) -> Iterator[Parts]:
        """Of the regular files below the folder, what comes after it in their paths."""
        for found in walk(self.root, place, depth=DEPTH):
            if found.problem:
                self.report.problem("/".join(found.parts), found.problem)
            else:
                yield found.parts[len(place) :]

    def _folders(self, place: Parts) -> list[str]:
        """The names of the real folders in it; a link to one is told."""
        path = self.root.joinpath(*place)
        try:
            if stat.S_ISLNK(path.lstat().st_mode):
                self.report.problem("/".join(place), "symbolic link")
                return []
            with os.scandir(path) as entries:
                found = list(entries)
        except OSError:
            return []
        for entry in found:
            if entry.is_symlink() and entry.is_dir():
                self.report.problem("/".join((*place, entry.name)), "symbolic link")
        return sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))

    def _is_file(self, parts: Parts) -> bool:
        path = self.root.joinpath(*parts)
        return path.is_file() and not path.is_symlink()
