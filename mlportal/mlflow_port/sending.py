"""A workspace to an MLflow server, over its REST API. The ids of runs are new there, and tags keep the old ones.

What was sent already is found by these tags: an export that broke off goes on when it is started again.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, BinaryIO, Final

from experiments.metrics import unpack
from experiments.models import Experiment, Run
from experiments.search.attributes import NAME_TAG, PARENT_TAG
from mlportal.access.models import Workspace
from mlportal.mlflow_api.shapes import number
from mlportal.mlflow_port import leaving, values
from mlportal.mlflow_port.connection import Connection, Json, Refused, pairs_of, quoted, told
from mlportal.mlflow_port.items import PortError, Unreadable
from mlportal.mlflow_port.report import Report
from mlportal.mlflow_port.sending_models import ModelsSender
from mlportal.mlflow_port.server import proxied

METRICS: Final = 1000  # at once, as MLflow's server takes them
PAIRS: Final = 100
UNFINISHED: Final = "mlportal.unfinished"
Point = tuple[int, int, str]
OPEN: Final = ("RUNNING", "SCHEDULED")


class Sender:
    def __init__(
        self, connection: Connection, workspace: Workspace, report: Report, only: Collection[str] = ()
    ) -> None:
        self.connection, self.report = connection, report
        self._workspace, self._only = workspace, only
        self.runs: dict[str, tuple[str, str]] = {}  # uid here → id and artifact address there
        self._models = ModelsSender(self)

    def export(self) -> None:
        """PortError when the server breaks off."""
        places = [
            (experiment, place)
            for experiment in leaving.experiments(self._workspace, self._only, self.report)
            if (place := self._experiment(experiment))
        ]
        for experiment, place in places:
            for run in leaving.runs(experiment):
                self.tried(f"run {run.uid}", self._run, run, place)
            for model in leaving.logged_models(experiment):
                self.tried(
                    f"logged model {model.uid}",
                    self._models.logged_model,
                    model,
                    place,
                )
        for experiment, _ in places:  # models of all experiments are there by now
            self._models.uses(experiment)
        for registered, versions in leaving.registered(self._workspace, self._only):
            self.tried(f"registered model {registered.name}", self._models.registered, registered, versions)
        for experiment, place in places:
            self._delete(experiment, place)

    def tried(self, where: str, do: Callable[..., object], *args: Any, **more: Any) -> bool:
        try:
            do(*args, **more)
        except Unreadable as error:
            self.report.problem(where, error.message)
            return False
        return True

    def pairs(self, pairs: dict[str, str], send: Callable[[list[Json]], object], where: str) -> None:
        """Many at once; where the server refuses them, one by one, so that only the bad one is missing."""
        listed = [{"key": key, "value": value} for key, value in pairs.items()]
        for start in range(0, len(listed), PAIRS):
            some = listed[start : start + PAIRS]
            try:
                send(some)
            except Unreadable:
                for pair in some:
                    self.tried(f"{where} {pair['key']!r}", send, [pair])

    def files(self, files: Iterator[leaving.StoredFile], uri: str, where: str) -> None:
        base = proxied(uri)
        refused = 0
        for file in files:
            if base is None:
                refused += 1
            elif self.tried(f"{where}, file {file.path}", self._put, base, file):
                self.report.count("files")
        if refused:
            self.report.problem(
                where,
                f"{refused} files: the server takes none over HTTP ({uri[:200]}); start it with --serve-artifacts",
            )

    def start_run(self, place: str, **said: Any) -> tuple[str, str]:
        """The id and the artifact address of a new run."""
        answer = self.connection.post("mlflow/runs/create", experiment_id=place, **said)
        return told(answer, "run", "info", "run_id"), told(answer, "run", "info", "artifact_uri", default="")

    def found_run(self, place: str, tag: str, value: str) -> Json | None:
        answer = self.connection.post(
            "mlflow/runs/search",
            experiment_ids=[place],
            filter=f"tags.`{tag}` = '{value}'",
            run_view_type="ALL",
            max_results=1,
        )
        found = answer.get("runs")
        return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else None

    def _experiment(self, experiment: Experiment) -> str | None:
        """Its id there; None when it cannot be made."""
        tags = leaving.experiment_tags(experiment)
        try:
            there = self._experiment_there(experiment.name)
            if there is None:
                made = self.connection.post("mlflow/experiments/create", name=experiment.name)
                place = told(made, "experiment_id")
            else:
                place = told(there, "experiment_id")
                if there.get("lifecycle_stage") == "deleted":
                    self.connection.post("mlflow/experiments/restore", experiment_id=place)
        except Unreadable as error:
            self.report.problem(f"experiment {experiment.name}", error.message)
            return None
        for key, value in tags.items():
            said = {"experiment_id": place, "key": key, "value": value}
            where = f"experiment {experiment.name}, tag {key!r}"
            self.tried(where, self.connection.post, "mlflow/experiments/set-experiment-tag", **said)
        self.report.count("experiments")
        return place

    def _experiment_there(self, name: str) -> Json | None:
        try:
            answer = self.connection.get("mlflow/experiments/get-by-name", experiment_name=name)
        except Refused as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        found = answer.get("experiment")
        if not isinstance(found, dict) or "experiment_id" not in found:
            raise PortError(f"{self.connection.address} does not answer as MLflow does.")
        return found

    def _run(self, run: Run, place: str) -> None:
        tags = leaving.tags_of(run)
        if run.parent is not None and run.parent.uid in self.runs:
            tags[PARENT_TAG] = self.runs[run.parent.uid][0]
        there = self.found_run(place, leaving.RUN_ID_TAG, run.uid)
        if there is not None:
            self.runs[run.uid] = (told(there, "info", "run_id"), told(there, "info", "artifact_uri", default=""))
            if UNFINISHED not in pairs_of(there.get("data"), "tags"):
                self.report.count("runs already there")
                return
            if told(there, "info", "lifecycle_stage", default="") == "deleted":
                self.connection.post("mlflow/runs/restore", run_id=self.runs[run.uid][0])
        else:
            first = {leaving.RUN_ID_TAG: run.uid, UNFINISHED: "true"}
            first |= {tag: tags[tag] for tag in (PARENT_TAG, leaving.USER_TAG) if tag in tags}
            self.runs[run.uid] = self.start_run(
                place,
                start_time=leaving.start_of(run),
                run_name=run.display_name,
                user_id=tags.get(leaving.USER_TAG, ""),
                tags=[{"key": key, "value": value} for key, value in first.items()],
            )
        tags.pop(NAME_TAG, None)
        tags.pop(UNFINISHED, None)
        tags[leaving.RUN_ID_TAG] = run.uid  # one that came from a server may have that of long ago
        self._fill(run, tags, is_new=there is None)

    def _fill(self, run: Run, tags: dict[str, str], *, is_new: bool) -> None:
        problems = self.report.found
        uid, uri = self.runs[run.uid]
        where = f"run {run.uid}"
        params = dict(run.parameters.values_list("name", "value"))
        self.pairs(params, lambda some: self._log(uid, params=some), f"{where}, parameter")
        self.pairs(tags, lambda some: self._log(uid, tags=some), f"{where}, tag")
        self._metrics(run, uid, where, is_new=is_new)
        for dataset in run.logged_datasets.all():
            fields = ("name", "digest", "source_type", "source", "schema", "profile")
            said = {field: value for field in fields if (value := getattr(dataset, field))}
            used = {"dataset": said, "tags": [{"key": key, "value": value} for key, value in dataset.tags.items()]}
            self.tried(
                f"{where}, data {dataset.name}",
                self.connection.post,
                "mlflow/runs/log-inputs",
                run_id=uid,
                datasets=[used],
            )
        self.files(leaving.files_of(run), uri, where)
        extras = leaving.extras_of(run)
        base = proxied(uri)
        if extras is not None and base is not None and not run.artifacts.filter(path=leaving.EXTRAS).exists():
            target = f"/api/2.0/mlflow-artifacts/artifacts/{quoted(f'{base}/{leaving.EXTRAS}')}"
            self.tried(f"{where}, file {leaving.EXTRAS}", self.connection.put, target, io.BytesIO(extras), len(extras))
        status = leaving.status_of(run)
        if status not in OPEN:
            end = leaving.end_of(run)
            self.connection.post(
                "mlflow/runs/update", run_id=uid, status=status, **({} if end is None else {"end_time": end})
            )
        if self.report.found == problems:  # else the next export tries again
            self.connection.post("mlflow/runs/delete-tag", run_id=uid, key=UNFINISHED)
        self.report.count("runs")

    def _metrics(self, run: Run, uid: str, where: str, *, is_new: bool) -> None:
        waiting: list[Json] = []
        of, there = "", set[Point]()
        for name, data in leaving.chunks_of(run):
            points = unpack(data)
            if not is_new and name != of:
                of, there = name, self._points_there(uid, name)
            for time, value, step in zip(points.times, points.values, points.steps, strict=True):
                if there and (round(time * 1000), step, repr(value)) in there:
                    continue
                waiting.append({"key": name, "value": number(value), "timestamp": round(time * 1000), "step": step})
                if len(waiting) == METRICS:
                    self._send_metrics(uid, waiting, where)
                    waiting = []
        if waiting:
            self._send_metrics(uid, waiting, where)

    def _points_there(self, uid: str, name: str) -> set[Point]:
        """Of a run that was sent in part: servers on files would take the same point twice."""
        found: set[Point] = set()
        token = ""
        while True:
            answer = self.connection.get("mlflow/metrics/get-history", run_id=uid, metric_key=name, page_token=token)
            for said in answer.get("metrics") or []:
                time, step = (values.whole(told(said, key, default="0")) for key in ("timestamp", "step"))
                found.add((time or 0, step or 0, repr(values.number(said.get("value")))))
            before, token = token, told(answer, "next_page_token", default="")
            if not token or token == before:
                return found

    def _send_metrics(self, uid: str, points: Sequence[Json], where: str) -> None:
        """By name, where the server refuses them together."""
        try:
            self._log(uid, metrics=list(points))
            self.report.count("points", len(points))
        except Unreadable:
            names = list(dict.fromkeys(point["key"] for point in points))
            for name in names:
                some = [point for point in points if point["key"] == name]
                if self.tried(f"{where}, metric {name!r}", self._log, uid, metrics=some):
                    self.report.count("points", len(some))

    def _log(self, uid: str, **batch: list[Json]) -> None:
        self.connection.post("mlflow/runs/log-batch", run_id=uid, **batch)

    def _put(self, base: str, file: leaving.StoredFile) -> None:
        with file.open() as stream:
            self._put_stream(f"{base}/{file.path}", stream, file.size)

    def _put_stream(self, path: str, stream: BinaryIO, size: int) -> None:
        self.connection.put(f"/api/2.0/mlflow-artifacts/artifacts/{quoted(path)}", stream, size)

    def _delete(self, experiment: Experiment, place: str) -> None:
        """Last, for nothing can be logged to what is deleted."""
        for uid in Run.objects.filter(experiment=experiment, deleted_at__isnull=False).values_list("uid", flat=True):
            if uid in self.runs:
                there = self.runs[uid][0]
                self.tried(f"run {uid}", self.connection.post, "mlflow/runs/delete", run_id=there)
        if experiment.archived_at is not None:
            self.tried(
                f"experiment {experiment.name}",
                self.connection.post,
                "mlflow/experiments/delete",
                experiment_id=place,
            )
