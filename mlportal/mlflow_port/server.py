"""An MLflow server, read over its REST API. The portal itself is one, so that workspaces of two portals can be moved, too."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final
from urllib.parse import urlencode

from experiments.metrics import Series
from mlportal.mlflow_port import values
from mlportal.mlflow_port.connection import Connection, Json, Refused, pairs_of, quoted
from mlportal.mlflow_port.items import (
    PROMPT_TAG,
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

RUNS: Final = 200  # a page; each comes with all of its parameters and tags
PAGE: Final = 1000
LOGGED_MODELS: Final = 50
DEPTH: Final = 50
PROXY: Final = "mlflow-artifacts:"
MODEL_STATUSES: Final = {
    "LOGGED_MODEL_PENDING": "PENDING",
    "LOGGED_MODEL_READY": "READY",
    "LOGGED_MODEL_UPLOAD_FAILED": "FAILED",
}


class MlflowServer:
    def __init__(self, connection: Connection, report: Report) -> None:
        self.connection, self.report = connection, report
        self._knows_models: bool | None = None

    def experiments(self) -> Iterator[ExperimentItem]:
        for said in self._pages("mlflow/experiments/search", "experiments", view_type="ALL", max_results=PAGE):
            yield ExperimentItem(
                id=text(said.get("experiment_id")),
                name=text(said.get("name")),
                tags=pairs_of(said, "tags"),
                created=milliseconds(said.get("creation_time")),
                updated=milliseconds(said.get("last_update_time")),
                deleted=said.get("lifecycle_stage") == "deleted",
            )

    def runs(self, experiment: ExperimentItem) -> Iterator[RunItem]:
        self._tell_traces(experiment)
        asked = {"experiment_ids": [experiment.id], "run_view_type": "ALL", "order_by": ["attributes.start_time ASC"]}
        for said in self._pages("mlflow/runs/search", "runs", **asked, max_results=RUNS):
            info, data = _part(said, "info"), _part(said, "data")
            run_id = text(info.get("run_id") or info.get("run_uuid"))
            if not values.RUN_ID.fullmatch(run_id):
                self.report.problem(f"experiment {experiment.name}", f"{run_id!r:.100} is no id of a run")
                continue
            latest = {}
            for point in _parts(data, "metrics"):
                value, time = values.number(point.get("value")), milliseconds(point.get("timestamp"))
                latest[text(point.get("key"))] = (value, time, values.whole(point.get("step", 0)))
            tags = pairs_of(data, "tags")
            yield RunItem(
                id=run_id,
                name=text(info.get("run_name")) or tags.get("mlflow.runName", ""),
                user=text(info.get("user_id")),
                status=text(info.get("status")),
                start=milliseconds(info.get("start_time")),
                end=milliseconds(info.get("end_time")),
                deleted=info.get("lifecycle_stage") == "deleted",
                params=pairs_of(data, "params"),
                tags=tags,
                metrics=list(latest),
                datasets=[_dataset(item) for item in _parts(_part(said, "inputs"), "dataset_inputs")],
                model_inputs=self._model_inputs(run_id, experiment),
                model_outputs=[
                    (text(item.get("model_id")), values.whole(item.get("step", 0)) or 0)
                    for item in _parts(_part(said, "outputs"), "model_outputs")
                ],
                artifact_uri=text(info.get("artifact_uri")),
                latest={name: each for name, each in latest.items() if None not in each},  # type: ignore[misc]
            )

    def points(self, experiment: ExperimentItem, run: RunItem, metric: str) -> Iterator[Series]:
        return values.in_series(self._points(run, metric))

    def _points(self, run: RunItem, metric: str) -> Iterator[values.Point]:
        """Servers of 1.x know no pages, and send all at once."""
        token, asked = "", {"run_id": run.id, "run_uuid": run.id, "metric_key": metric, "max_results": values.POINTS}
        while True:
            answer = self.connection.get("mlflow/metrics/get-history", **asked, page_token=token)
            for said in _parts(answer, "metrics"):
                time, value = milliseconds(said.get("timestamp")), values.number(said.get("value"))
                step = values.whole(said.get("step", 0))
                if time is None or value is None or step is None:
                    self.report.problem(f"run {run.id}, metric {metric}", f"no point of a metric: {said!r:.200}")
                else:
                    yield time, step, value
            token = self._next(answer, token, "metrics/get-history")
            if not token:
                return

    def run_files(self, experiment: ExperimentItem, run: RunItem) -> Iterator[FileItem]:
        base = proxied(run.artifact_uri)

        def address(path: str) -> str:
            if base is not None:
                return f"/api/2.0/mlflow-artifacts/artifacts/{quoted(f'{base}/{path}')}"
            return f"/get-artifact?{urlencode({'path': path, 'run_uuid': run.id, 'run_id': run.id})}"

        def listed(folder: str) -> Iterator[Json]:
            return self._files("mlflow/artifacts/list", run_id=run.id, run_uuid=run.id, path=folder)

        yield from self._tree(listed, address, f"run {run.id}")

    def logged_models(self, experiment: ExperimentItem) -> Iterator[LoggedModelItem]:
        asked = {"experiment_ids": [experiment.id], "max_results": LOGGED_MODELS}
        try:
            for said in self._pages("mlflow/logged-models/search", "models", **asked):
                yield self._logged_model(said)
        except Refused as error:
            if error.error_code != "ENDPOINT_NOT_FOUND":  # 2.x has none
                self.report.problem(f"logged models of {experiment.name}", error.message)

    def model_files(self, experiment: ExperimentItem, model: LoggedModelItem) -> Iterator[FileItem]:
        base = proxied(model.artifact_uri)

        def address(path: str) -> str:
            if base is not None:
                return f"/api/2.0/mlflow-artifacts/artifacts/{quoted(f'{base}/{path}')}"
            return f"/ajax-api/2.0/mlflow/logged-models/{model.id}/artifacts/files?{urlencode({'artifact_file_path': path})}"

        def listed(folder: str) -> Iterator[Json]:
            route = f"mlflow/logged-models/{model.id}/artifacts/directories"
            return self._files(route, artifact_directory_path=folder)

        yield from self._tree(listed, address, f"logged model {model.id}")

    def registered(self) -> Iterator[RegisteredItem]:
        asked = {"filter": f"tag.`{PROMPT_TAG}` = 'true'"}
        seen = set()
        for said in chain(self._registered(), self._registered(**asked)):
            if said.get("name") in seen:  # the portal and MLflow 2 do not leave them out
                continue
            seen.add(text(said.get("name")))
            aliases = {
                text(item.get("alias")): values.whole(item.get("version")) or 0 for item in _parts(said, "aliases")
            }
            yield RegisteredItem(
                name=text(said.get("name")),
                description=text(said.get("description")),
                tags=pairs_of(said, "tags"),
                created=milliseconds(said.get("creation_timestamp")),
                updated=milliseconds(said.get("last_updated_timestamp")),
                aliases=aliases,
            )

    def _registered(self, **asked: str) -> Iterator[Json]:
        """A search leaves out the prompts unless it asks for them; servers that know none answer that in many ways."""
        try:
            yield from self._asked_pages(
                "mlflow/registered-models/search", "registered_models", max_results=100, **asked
            )
        except Refused:
            if not asked:
                raise

    def _tell_traces(self, experiment: ExperimentItem) -> None:
        try:
            found = self.connection.get("mlflow/traces", experiment_ids=experiment.id, max_results=1)
        except Refused:
            return
        if _parts(found, "traces"):
            self.report.problem(f"experiment {experiment.name}", "it has traces: the portal keeps none")

    def versions(self, model: RegisteredItem) -> Iterator[VersionItem]:
        mark = '"' if "'" in model.name else "'"
        asked = {"filter": f"name={mark}{model.name}{mark}", "max_results": PAGE}
        found = []
        for said in self._asked_pages("mlflow/model-versions/search", "model_versions", **asked):
            version = values.whole(said.get("version"))
            if version is None or version < 1 or text(said.get("name")) != model.name:
                self.report.problem(
                    f"registered model {model.name}", f"{said.get('version')!r:.100} is no version of it"
                )
                continue
            found.append(
                VersionItem(
                    number=version,
                    run=text(said.get("run_id")),
                    model_id=text(said.get("model_id")),
                    source=text(said.get("source")),
                    run_link=text(said.get("run_link")),
                    description=text(said.get("description")),
                    stage=text(said.get("current_stage")) or "None",
                    status=text(said.get("status")) or "READY",
                    user=text(said.get("user_id")),
                    created=milliseconds(said.get("creation_timestamp")),
                    updated=milliseconds(said.get("last_updated_timestamp")),
                    tags=pairs_of(said, "tags"),
                )
            )
        yield from sorted(found, key=lambda version: version.number)

    def version_files(self, model: RegisteredItem, version: VersionItem) -> Iterator[FileItem]:
        asked = {"name": model.name, "version": str(version.number)}
        uri = text(self.connection.get("mlflow/model-versions/get-download-uri", **asked).get("artifact_uri"))
        base = proxied(uri)
        if base is None:
            raise Unreadable(f"its files are at {uri!r:.300}, which the server does not hand out")

        def address(path: str) -> str:
            return f"/api/2.0/mlflow-artifacts/artifacts/{quoted(f'{base}/{path}')}"

        def listed(folder: str) -> Iterator[Json]:
            for said in self._files("mlflow-artifacts/artifacts", path=f"{base}/{folder}" if folder else base):
                yield {**said, "path": f"{folder}/{text(said.get('path'))}" if folder else said.get("path")}

        yield from self._tree(listed, address, f"version {model.name}:{version.number}")

    def _model_inputs(self, run_id: str, experiment: ExperimentItem) -> list[str]:
        """A search of MLflow's own server leaves them out."""
        if self._knows_models is None:
            try:
                self.connection.post("mlflow/logged-models/search", experiment_ids=[experiment.id], max_results=1)
                self._knows_models = True
            except Refused as error:
                self._knows_models = error.error_code != "ENDPOINT_NOT_FOUND"
        if not self._knows_models:  # 2.x
            return []
        run = _part(self.connection.get("mlflow/runs/get", run_id=run_id), "run")
        return [text(item.get("model_id")) for item in _parts(_part(run, "inputs"), "model_inputs")]

    def _logged_model(self, said: Json) -> LoggedModelItem:
        info, data = _part(said, "info"), _part(said, "data")
        model_id = text(info.get("model_id"))
        points = []
        for item in _parts(data, "metrics"):
            value, time = values.number(item.get("value")), milliseconds(item.get("timestamp"))
            if value is None or time is None:
                self.report.problem(f"logged model {model_id}", f"no point of a metric: {item!r:.200}")
                continue
            named = [text(item.get(field)) for field in ("run_id", "key", "dataset_name", "dataset_digest")]
            points.append(
                ModelPointItem(named[0], named[1], value, time, values.whole(item.get("step", 0)) or 0, *named[2:])
            )
        return LoggedModelItem(
            id=model_id,
            name=text(info.get("name")),
            run=text(info.get("source_run_id")),
            model_type=text(info.get("model_type")),
            status=MODEL_STATUSES.get(text(info.get("status")), text(info.get("status"))),
            created=milliseconds(info.get("creation_timestamp_ms")),
            updated=milliseconds(info.get("last_updated_timestamp_ms")),
            params=pairs_of(data, "params"),
            tags=pairs_of(info, "tags"),
            points=points,
            artifact_uri=text(info.get("artifact_uri")),
        )

    def _tree(self, listed: Any, address: Any, where: str) -> Iterator[FileItem]:
        """Every file below; folders are asked for one by one."""
        folders = [("", 0)]
        seen = {""}
        while folders:
            folder, depth = folders.pop()
            try:
                entries = list(listed(folder))
            except Unreadable as error:
                self.report.problem(f"{where}, folder {folder or '/'}", error.message)
                continue
            for said in entries:
                path = text(said.get("path"))
                if path in seen or (folder and not path.startswith(f"{folder}/")):
                    self.report.problem(where, f"the server lists {path!r:.200} in the folder {folder!r:.200}")
                elif said.get("is_dir"):
                    seen.add(path)
                    if depth >= DEPTH:
                        self.report.problem(f"{where}, folder {path}", "too many folders deep")
                    else:
                        folders.append((path, depth + 1))
                else:
                    target = address(path)
                    size = values.whole(said.get("file_size"))
                    yield FileItem(path, size, lambda target=target: self.connection.open(target))  # type: ignore[misc]

    def _files(self, route: str, **asked: Any) -> Iterator[Json]:
        yield from self._asked_pages(route, "files", **asked)

    def _pages(self, route: str, name: str, **asked: Any) -> Iterator[Json]:
        token = ""
        while True:
            answer = self.connection.post(route, **asked, **({"page_token": token} if token else {}))
            yield from _parts(answer, name)
            token = self._next(answer, token, route)
            if not token:
                return

    def _asked_pages(self, route: str, name: str, **asked: Any) -> Iterator[Json]:
        token = ""
        while True:
            answer = self.connection.get(route, **asked, page_token=token)
            yield from _parts(answer, name)
            token = self._next(answer, token, route)
            if not token:
                return

    def _next(self, answer: Json, token: str, route: str) -> str:
        following = text(answer.get("next_page_token"))
        if following and following == token:
            raise PortError(f"{self.connection.address} sends the same page of {route} again and again.")
        return following


def _dataset(said: Json) -> DatasetItem:
    fields = {key: text(value) for key, value in _part(said, "dataset").items() if value is not None}
    return DatasetItem(fields, pairs_of(said, "tags"))


def proxied(uri: str) -> str | None:
    """The path for the server's own artifact routes, or None for an address of another store."""
    if not uri.startswith(PROXY):
        return None
    rest = uri.removeprefix(PROXY)
    if rest.startswith("//"):  # with the server's own name
        rest = "/" + rest.lstrip("/").partition("/")[2]
        rest = rest.removeprefix("/api/2.0/mlflow-artifacts/artifacts")
    return rest.strip("/")


def _part(said: Json, name: str) -> Json:
    part = said.get(name)
    return part if isinstance(part, dict) else {}


def _parts(said: Json, name: str) -> list[Json]:
    """PortError for an answer that has something else there."""
    found = said.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise PortError(f"The server does not answer as MLflow does: {name!r} is no list of objects.")
    return found
