"""Logged models and the registry, after the runs that they came from."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from experiments.models import Experiment, LoggedModel, LoggedModelUse, Run
from experiments.services import ModelPoint, importing, uploads
from mlportal.errors import Conflict
from mlportal.mlflow_port import values
from mlportal.mlflow_port.addresses import LoggedModelPlace, RunPlace, VersionPlace, place_of
from mlportal.mlflow_port.fitting import MAX_KEY, MAX_VALUE
from mlportal.mlflow_port.items import (
    PROMPT_TAG,
    ExperimentItem,
    LoggedModelItem,
    RegisteredItem,
    Unreadable,
    VersionItem,
)
from mlportal.mlflow_port.values import moment
from models_registry.models import ModelFile, ModelVersion, RegisteredModel, Stage
from models_registry.services import importing as registry
from models_registry.services.registration import MODEL_FOLDER

if TYPE_CHECKING:
    from mlportal.mlflow_port.bringing import Bringer

AT_ONCE: Final = 500
USER_PROPERTY: Final = "mlflow.user"


class ModelsBringer:
    def __init__(self, bringer: Bringer) -> None:
        self._bringer, self._report, self._fitting = bringer, bringer.report, bringer.fitting
        self._source, self._workspace, self._by = bringer.source, bringer.workspace, bringer.by
        self.uses: list[tuple[str, str, LoggedModelUse.Kind, int]] = []
        self._copies: list[tuple[RegisteredModel, RegisteredItem, VersionItem, VersionPlace]] = []

    def logged_model(self, experiment: Experiment, place: ExperimentItem, item: LoggedModelItem) -> None:
        where = f"logged model {item.id}"
        if not values.MODEL_ID.fullmatch(item.id) or item.status not in LoggedModel.Status.values:
            raise Unreadable(f"its id or its status is none: {item.status!r:.100}")
        known = LoggedModel.objects.filter(uid=item.id).select_related("workspace").first()
        if known is not None and known.workspace_id != self._workspace.pk:
            raise Unreadable(f"the workspace {known.workspace.name} has a logged model of this id")
        if known is not None and known.deleted_at is not None:
            raise Unreadable("it was deleted here")
        if self._bringer.dry:
            self._report.count("logged models already here" if known else "logged models")
            return
        wanted = self._wanted(experiment, item, where)
        if known is None:
            importing.import_logged_model(wanted, by=self._by)
            self._report.count("logged models")
            known = wanted
        elif known.status == LoggedModel.Status.PENDING != wanted.status:
            importing.continue_logged_model(known, wanted, by=self._by)
            self._report.count("logged models gone on with")
        else:
            self._report.count("logged models already here")
            others = [
                name for name in ("name", "status", "params", "tags") if getattr(known, name) != getattr(wanted, name)
            ]
            if others:
                self._report.problem(
                    where, f"it is here already and differs in its {', '.join(others)}; it stays as it is"
                )
        self._points(known, item, where)
        model = known
        self._bringer.files(
            self._source.model_files(place, item),
            dict(model.files.values_list("path", "size")),
            lambda files: importing.import_model_files(model, files, by=self._by),
            where,
        )

    def note_uses(self) -> None:
        """Which runs read and made which models: both are there by now, wherever they were."""
        for start in range(0, len(self.uses) if not self._bringer.dry else 0, AT_ONCE):
            some = self.uses[start : start + AT_ONCE]
            runs = {
                run.uid: run
                for run in Run.objects.filter(workspace=self._workspace, uid__in={each[0] for each in some})
            }
            found = LoggedModel.objects.filter(
                workspace=self._workspace, uid__in={each[1] for each in some if values.MODEL_ID.fullmatch(each[1])}
            )
            models = {model.uid: model for model in found}
            importing.import_model_uses(
                [
                    (runs[run], models[model], kind, step)
                    for run, model, kind, step in some
                    if run in runs and model in models
                ]
            )
            for run, model, kind, _ in some:
                if run in runs and model not in models:
                    self._report.problem(f"run {run}", f"its {kind} {model[:100]} is no logged model that was moved")

    def bring_registry(self) -> None:
        for item in self._source.registered():
            self._bringer.tried(f"registered model {item.name}", self._registered, item)
        for model, item, version, place in sorted(self._copies, key=lambda copy: copy[2].created or 0):
            where = f"version {item.name}:{version.number}"
            self._bringer.tried(where, self._version, model, item, version, place)
            self._aliases(model, item, version.number)

    def _wanted(self, experiment: Experiment, item: LoggedModelItem, where: str) -> LoggedModel:
        run = self._run(item.run)
        if item.run and run is None:
            self._report.problem(where, f"its run {item.run[:100]} is not here")
        wanted = LoggedModel(
            uid=item.id,
            workspace=self._workspace,
            experiment=experiment,
            run=run,
            name=self._fitting.text(item.name, 250, f"{where}, name") or item.id,
            model_type=self._fitting.text(item.model_type, 500, f"{where}, type"),
            status=item.status,
            params=self._fitting.pairs(item.params, f"{where}, parameter"),
            tags=self._fitting.pairs(item.tags, f"{where}, tag"),
            created_by=run.created_by if run else None,
        )
        wanted.created_at = moment(item.created) or wanted.created_at
        wanted.updated_at = moment(item.updated) or wanted.created_at
        return wanted

    def _points(self, model: LoggedModel, item: LoggedModelItem, where: str) -> None:
        by_run: dict[str, dict[tuple[str, str, str], ModelPoint]] = defaultdict(dict)
        for point in item.points:
            names = {point.name: point.dataset_name}
            if names != self._fitting.pairs(names, f"{where}, metric", MAX_KEY * 2) or len(point.dataset_digest) > 36:
                continue
            of = (point.name, point.dataset_name, point.dataset_digest)
            before = by_run[point.run].get(of)
            if before is None or (before.step, before.time) <= (point.step, point.time / 1000):
                by_run[point.run][of] = ModelPoint(
                    model,
                    point.name,
                    point.value,
                    point.step,
                    point.time / 1000,
                    point.dataset_name,
                    point.dataset_digest,
                )
        for uid, points in by_run.items():
            run = self._run(uid)
            if run is None:
                self._report.problem(f"{where}, metrics", f"the run {uid[:100]!r} that logged them is not here")
            else:
                importing.import_model_metrics(run, list(points.values()))

    def _registered(self, item: RegisteredItem) -> None:
        where = f"registered model {item.name}"
        if item.tags.get(PROMPT_TAG) == "true":
            if not self._bringer.only:
                self._report.problem(where, "it is a prompt: the portal keeps none")
            return
        versions = list(self._source.versions(item))
        if self._bringer.only:
            here = [each for each in versions if self._is_of_these(each)]
            self._report.count("versions of other experiments left out", len(versions) - len(here))
            if not here:
                return
            versions = here
        if self._bringer.dry:
            self._report.count("registered models")
            self._report.count("versions", len(versions))
            return
        model, others = registry.import_model(
            self._workspace,
            item.name,
            description=self._fitting.text(item.description, MAX_VALUE, f"{where}, description"),
            tags=self._fitting.pairs(item.tags, f"{where}, tag"),
            created_at=moment(item.created),
            updated_at=moment(item.updated),
            by=self._by,
        )
        self._report.count("registered models")
        for other in others:
            self._report.problem(f"{where}, {other}", "it has another value here, which stays")
        for version in versions:
            place = place_of(version.source)
            if isinstance(place, VersionPlace):  # after what it was copied from
                self._copies.append((model, item, version, place))
            else:
                of = f"version {item.name}:{version.number}"
                self._bringer.tried(of, self._version, model, item, version)
        waiting = {copy[2].number for copy in self._copies if copy[0] == model}
        for number in sorted(set(item.aliases.values()) - waiting):
            self._aliases(model, item, number)

    def _aliases(self, model: RegisteredModel, item: RegisteredItem, number: int) -> None:
        version = model.versions.filter(version=number).first()
        for alias in sorted(name for name, of in item.aliases.items() if of == number):
            where = f"alias {item.name}@{alias}"
            if version is None:
                self._report.problem(where, f"there is no version {number}")
            else:
                self._bringer.tried(where, self._alias, version, alias)

    def _alias(self, version: ModelVersion, alias: str) -> None:
        if not registry.import_alias(version, alias, by=self._by):
            raise Conflict("it points to another version here, which stays")

    def _version(
        self, model: RegisteredModel, item: RegisteredItem, version: VersionItem, copy_of: VersionPlace | None = None
    ) -> None:
        where = f"version {item.name}:{version.number}"
        known = model.versions.filter(version=version.number).select_related("run").first()
        if version.status != "READY":
            self._report.problem(where, f"its status {version.status!r:.60} is not kept")
        if version.stage not in Stage.values:
            self._report.problem(where, f"its stage {version.stage!r:.60} is none")
        wanted = self._wanted_version(
            item, version, copy_of, where, with_files=known is None or not known.files.exists()
        )
        if known is None:
            registry.import_version(model, wanted, by=self._by)
            self._report.count("versions")
            return
        about = [
            name for name in ("stage", "source", "description", "tags") if getattr(known, name) != getattr(wanted, name)
        ]
        if (known.run and known.run.uid) != (wanted.run and wanted.run.uid):
            about.append("run")
        if about:
            raise Conflict(f"it is here already and differs in its {', '.join(about)}; it stays as it is")
        if wanted.files:
            registry.complete_version(known, wanted, by=self._by)
        self._report.count("versions already here")

    def _wanted_version(
        self, item: RegisteredItem, version: VersionItem, copy_of: VersionPlace | None, where: str, *, with_files: bool
    ) -> registry.ImportedVersion:
        run, logged = self._run(version.run), self._logged(version)
        if version.run and run is None:
            self._report.problem(where, f"its run {version.run[:100]} is not here")
        path: str = ""
        files: list[tuple[str, str, int]] = []
        if with_files:
            try:
                path, files = self._files(item, version, logged, copy_of, where)
            except Unreadable as error:
                self._report.problem(f"{where}, files", error.message)
        person = self._bringer.people.get(version.user)
        user = self._fitting.text(version.user, MAX_KEY, f"{where}, user") if person is None else ""
        return registry.ImportedVersion(
            number=version.number,
            run=run,
            logged_model=logged,
            path=path,
            files=files,
            stage=version.stage if version.stage in Stage.values else Stage.NONE,
            source=self._fitting.text(version.source, MAX_VALUE, f"{where}, source"),
            run_link=self._fitting.text(version.run_link, MAX_VALUE, f"{where}, run link"),
            description=self._fitting.text(version.description, MAX_VALUE, f"{where}, description"),
            created_at=moment(version.created),
            updated_at=moment(version.updated),
            created_by=person,
            tags=self._fitting.pairs(version.tags, f"{where}, tag"),
            properties={USER_PROPERTY: user} if user else {},
        )

    def _files(
        self,
        item: RegisteredItem,
        version: VersionItem,
        logged: LoggedModel | None,
        copy_of: VersionPlace | None,
        where: str,
    ) -> tuple[str, list[tuple[str, str, int]]]:
        """The folder that they are in, and (path, digest, size) of each. Unreadable for none."""
        if copy_of is not None:
            return self._files_of_version(copy_of)
        if logged is not None and (found := list(logged.files.values_list("path", "blob", "size"))):
            return MODEL_FOLDER, [(f"{MODEL_FOLDER}/{path}", blob, size) for path, blob, size in found]
        place = place_of(version.source)
        if isinstance(place, RunPlace) and (run := self._run(place.uid)):
            above = place.path.rpartition("/")[0]
            rows = run.artifacts.filter(path=place.path) | run.artifacts.below(place.path)
            found = [
                (path.removeprefix(f"{above}/"), blob, size)
                for path, blob, size in rows.values_list("path", "blob", "size")
            ]
            if found:
                return place.path, found
        stored = []
        for file in self._source.version_files(item, version):
            blob = self._bringer.stored(file, where)
            if blob is not None:
                uploads.keep(self._workspace, blob, by=self._by)
                stored.append((f"{MODEL_FOLDER}/{file.path}", blob.pk, blob.size))
        if not stored:
            raise Unreadable(f"none was found at {version.source!r:.300}")
        self._report.count("files", len(stored))
        return MODEL_FOLDER, stored

    def _files_of_version(self, place: VersionPlace) -> tuple[str, list[tuple[str, str, int]]]:
        original = ModelVersion.objects.filter(
            model__workspace=self._workspace, model__name=place.name, version=place.number
        ).first()
        if original is None:
            raise Unreadable(f"the version {place.name}:{place.number} that it is a copy of is not here")
        rows = ModelFile.objects.filter(version=original).values_list("path", "blob", "size")
        return original.path, list(rows)

    def _logged(self, version: VersionItem) -> LoggedModel | None:
        place = place_of(version.source)
        uid = version.model_id or (place.uid if isinstance(place, LoggedModelPlace) else "")
        models = LoggedModel.objects.filter(workspace=self._workspace, deleted_at=None)
        if uid:
            return models.filter(uid=uid).first() if values.MODEL_ID.fullmatch(uid) else None
        if isinstance(place, RunPlace):  # runs:/<id>/<name> is a logged model in 3.x
            return models.filter(run__uid=place.uid, name=place.path).order_by("-pk").first()
        return None

    def _run(self, uid: str) -> Run | None:
        return Run.objects.filter(workspace=self._workspace, uid=uid).first() if values.RUN_ID.fullmatch(uid) else None

    def _is_of_these(self, version: VersionItem) -> bool:
        names = self._bringer.only
        run, logged = self._run(version.run), self._logged(version)
        experiments = {each.experiment.name for each in (run, logged) if each is not None}
        return bool(experiments & names)
