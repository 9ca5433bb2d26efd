"""Logged models and the registry to an MLflow server, after the runs that they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from experiments.models import Experiment, LoggedModel, LoggedModelUse
from mlportal.mlflow_api.shapes import number
from mlportal.mlflow_port import leaving
from mlportal.mlflow_port.connection import Json, Refused, pairs_of, told
from mlportal.mlflow_port.items import Unreadable
from mlportal.mlflow_port.values import since_epoch, whole
from models_registry.models import ModelVersion, RegisteredModel, Stage
from models_registry.services.mlflow_files import root_of

if TYPE_CHECKING:
    from mlportal.mlflow_port.sending import Sender

SHOWN: Final = {
    LoggedModel.Status.PENDING: "LOGGED_MODEL_PENDING",
    LoggedModel.Status.READY: "LOGGED_MODEL_READY",
    LoggedModel.Status.FAILED: "LOGGED_MODEL_UPLOAD_FAILED",
}
MOST_MISSING: Final = 1000  # numbers of deleted versions that are made and deleted there, too
FILES_OF: Final = "mlportal.files_of_version"


class ModelsSender:
    def __init__(self, sender: Sender) -> None:
        self._sender, self._connection, self._report = sender, sender.connection, sender.report
        self._models: dict[str, tuple[str, str]] = {}  # uid here → id and artifact address there
        self._knows_models = True

    def logged_model(self, model: LoggedModel, place: str) -> None:
        where = f"logged model {model.uid}"
        if not self._knows_models:
            raise Unreadable("the server has no logged models; they came with MLflow 3")
        try:
            answer = self._connection.post(
                "mlflow/logged-models/search",
                experiment_ids=[place],
                filter=f"tags.`{leaving.MODEL_ID_TAG}` = '{model.uid}'",
                max_results=1,
            )
        except Refused as error:
            self._knows_models = error.error_code != "ENDPOINT_NOT_FOUND"
            raise
        found = answer.get("models")
        there: Json = {"model": found[0]} if isinstance(found, list) and found else self._make(model, place)
        uid, uri = told(there, "model", "info", "model_id"), told(there, "model", "info", "artifact_uri", default="")
        self._models[model.uid] = (uid, uri)
        if told(there, "model", "info", "status") != SHOWN[LoggedModel.Status.PENDING]:
            self._report.count("logged models already there")
            return
        self._sender.files(leaving.model_files(model), uri, where)
        for metric in model.metrics.select_related("run"):
            if metric.run.uid in self._sender.runs:
                point = {
                    "key": metric.name,
                    "value": "NaN" if metric.is_nan else number(metric.value),
                    "timestamp": round(metric.time * 1000),
                    "step": metric.step,
                    "model_id": uid,
                    **({"dataset_name": metric.dataset_name} if metric.dataset_name else {}),
                    **({"dataset_digest": metric.dataset_digest} if metric.dataset_digest else {}),
                }
                run_id = self._sender.runs[metric.run.uid][0]
                self._sender.tried(
                    f"{where}, metric {metric.name!r}",
                    self._connection.post,
                    "mlflow/runs/log-batch",
                    run_id=run_id,
                    metrics=[point],
                )
        if model.status != LoggedModel.Status.PENDING:
            said = {"model_id": uid, "status": SHOWN[LoggedModel.Status(model.status)]}
            self._connection.post(f"mlflow/logged-models/{uid}", "PATCH", **said)
        self._report.count("logged models")

    def uses(self, experiment: Experiment) -> None:
        rows = LoggedModelUse.objects.filter(run__experiment=experiment, model__deleted_at=None).order_by("pk")
        said: Json
        for use in rows.select_related("run", "model").iterator():
            if use.run.uid not in self._sender.runs or use.model.uid not in self._models:
                continue
            run_id, model_id = self._sender.runs[use.run.uid][0], self._models[use.model.uid][0]
            if use.kind == LoggedModelUse.Kind.INPUT:
                route, said = "mlflow/runs/log-inputs", {"model_id": model_id}
            else:
                route, said = "mlflow/runs/outputs", {"model_id": model_id, "step": use.step}
            self._sender.tried(
                f"run {use.run.uid}, {use.kind} {use.model.uid}",
                self._connection.post,
                route,
                run_id=run_id,
                models=[said],
            )

    def registered(self, model: RegisteredModel, versions: list[ModelVersion]) -> None:
        where = f"registered model {model.name}"
        said: Json = {"name": model.name}
        if model.description:
            said["description"] = model.description
        try:
            self._connection.post("mlflow/registered-models/create", **said)
        except Refused as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        for key, value in model.tags.items():
            tag = {"name": model.name, "key": key, "value": value}
            self._sender.tried(
                f"{where}, tag {key!r}",
                self._connection.post,
                "mlflow/registered-models/set-tag",
                **tag,
            )
        self._report.count("registered models")
        there = self._versions_there(model.name)
        for version in versions:
            of = f"version {model.name}:{version.version}"
            self._sender.tried(of, self._version, version, there, of)
        numbers = {version.version for version in versions}
        for name, version_number in model.aliases.values_list("name", "version__version"):
            if version_number in numbers:
                alias = {"name": model.name, "alias": name, "version": str(version_number)}
                self._sender.tried(
                    f"alias {model.name}@{name}",
                    self._connection.post,
                    "mlflow/registered-models/alias",
                    **alias,
                )

    def _make(self, model: LoggedModel, place: str) -> Json:
        run = self._sender.runs.get(model.run.uid) if model.run else None
        tags = {**model.tags, leaving.MODEL_ID_TAG: model.uid}
        return self._connection.post(
            "mlflow/logged-models",
            experiment_id=place,
            name=model.name,
            params=[{"key": key, "value": value} for key, value in model.params.items()],
            tags=[{"key": key, "value": str(value)} for key, value in tags.items()],
            **({"model_type": model.model_type} if model.model_type else {}),
            **({"source_run_id": run[0]} if run else {}),
        )

    def _versions_there(self, name: str) -> dict[int, dict[str, str]]:
        """{number: its tags}; those that this made grow into it."""
        mark = '"' if "'" in name else "'"
        found: dict[int, dict[str, str]] = {}
        token = ""
        while True:
            answer = self._connection.get(
                "mlflow/model-versions/search", filter=f"name={mark}{name}{mark}", max_results=1000, page_token=token
            )
            for said in answer.get("model_versions") or []:
                found[whole(told(said, "version")) or 0] = pairs_of(said, "tags")
            before, token = token, told(answer, "next_page_token", default="")
            if not token or token == before:
                return found

    def _version(self, version: ModelVersion, there: dict[int, dict[str, str]], where: str) -> None:
        name, wanted = version.model.name, str(version.version)
        if version.version in there:
            if there[version.version].get(leaving.VERSION_TAG) != wanted:
                raise Unreadable("the server has a version of this number that is not from here")
            self._report.count("versions already there")
            return
        source = self._source(version, where)
        made = self._register(version, source, {**version.tags, leaving.VERSION_TAG: wanted})
        missing = 0
        # Numbers count up there: those of versions that were deleted here are given and deleted there.
        while made < version.version and missing < MOST_MISSING:
            self._connection.post("mlflow/model-versions/delete", "DELETE", name=name, version=str(made))
            missing += 1
            made = self._register(version, source, {**version.tags, leaving.VERSION_TAG: wanted})
        if made != version.version:
            self._report.problem(where, f"it has the number {made} there")
        there[made] = {leaving.VERSION_TAG: wanted}
        if version.stage != Stage.NONE:
            said = {"name": name, "version": str(made), "stage": version.stage, "archive_existing_versions": False}
            self._sender.tried(
                f"{where}, stage", self._connection.post, "mlflow/model-versions/transition-stage", **said
            )
        self._report.count("versions")

    def _register(self, version: ModelVersion, source: Json, tags: dict[str, Any]) -> int:
        said: Json = {"name": version.model.name, **source}
        if version.description:
            said["description"] = version.description
        if version.run_link:
            said["run_link"] = version.run_link
        listed = [{"key": key, "value": str(value)} for key, value in tags.items()]
        answer = self._connection.post("mlflow/model-versions/create", **said, tags=listed)
        return whole(told(answer, "model_version", "version")) or 0

    def _source(self, version: ModelVersion, where: str) -> Json:
        """What it is made of there: a logged model, a folder of a run, or files that are sent for it."""
        run = self._sender.runs.get(version.run.uid) if version.run else None
        of_run = {"run_id": run[0]} if run else {}
        logged = self._models.get(version.logged_model.uid) if version.logged_model else None
        if logged is not None:
            return {"source": f"models:/{logged[0]}", "model_id": logged[0], **of_run}
        if run is not None and version.run is not None and version.path:
            has = version.run.artifacts.filter(path=version.path) | version.run.artifacts.below(version.path)
            if has.exists():
                return {"source": f"{run[1]}/{version.path}", **of_run}
        key = f"{version.model.name}:{version.version}"
        place = "0"
        found = self._sender.found_run(place, FILES_OF, key.replace("'", "")) if "'" not in key else None
        if found is not None:
            uid, uri = told(found, "info", "run_id"), told(found, "info", "artifact_uri", default="")
        else:
            tags = [{"key": FILES_OF, "value": key}]
            uid, uri = self._sender.start_run(
                place, start_time=since_epoch(version.created_at), run_name=f"files of {key}", tags=tags
            )
            self._connection.post("mlflow/runs/update", run_id=uid, status="FINISHED")
        self._sender.files(iter(leaving.version_files(version)), uri, where)
        folder = root_of(version)
        return {"source": f"{uri}/{folder}" if folder else uri, "run_id": uid}
