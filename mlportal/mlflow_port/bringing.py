"""From an MLflow into a workspace: experiments, runs with all that was logged, logged models, the registry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, ParamSpec

from django.conf import settings
from django.core.exceptions import ValidationError

from experiments.models import Experiment, LoggedModelUse, Run
from experiments.models.experiments import any_name
from experiments.services import importing, parents
from experiments.status import RunStatus
from mlportal.access.models import User, Workspace
from mlportal.blobs.models import Blob
from mlportal.blobs.services import CHUNK, Draft
from mlportal.errors import BadInput, Conflict, PortalError
from mlportal.mlflow_port.bringing_models import ModelsBringer
from mlportal.mlflow_port.comparing import differences, was_imported
from mlportal.mlflow_port.fitting import MAX_KEY, MAX_NAME, Fitting
from mlportal.mlflow_port.items import ExperimentItem, FileItem, PortError, RunItem, Source, Unreadable
from mlportal.mlflow_port.point_spool import PointSpool
from mlportal.mlflow_port.values import moment

P = ParamSpec("P")
NAME_TAG: Final = "mlflow.runName"
USER_TAG: Final = "mlflow.user"
NOBODY: Final = "unknown"  # MLflow's word for it
FILES_AT_ONCE: Final = 100
STATUSES: Final = {
    "RUNNING": RunStatus.RUNNING,
    "SCHEDULED": RunStatus.RUNNING,
    "FINISHED": RunStatus.COMPLETED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.CANCELED,
}


class Bringer:
    """`origin` is what the source is called in the history of what is imported."""

    def __init__(
        self,
        source: Source,
        workspace: Workspace,
        *,
        origin: str,
        by: User,
        only: Collection[str] = (),
        dry: bool = False,
    ) -> None:
        self.source, self.workspace, self.by, self.origin, self.dry = source, workspace, by, origin, dry
        self.report = source.report
        self.fitting = Fitting(self.report)
        self.only = set(only)
        self.people = {user.username: user for user in User.objects.filter(memberships__workspace=workspace)}
        self._models = ModelsBringer(self)

    def bring(self) -> None:
        """PortError when the source breaks off; what was imported until then stays."""
        found = set()
        for item in self.source.experiments():
            if not self.only or item.name in self.only:
                found.add(item.name)
                self.tried(f"experiment {item.name}", self._experiment, item)
        for name in sorted(self.only - found):
            self.report.problem(f"experiment {name}", "the source has none of this name")
        self._models.note_uses()
        self._models.bring_registry()

    def tried(self, where: str, do: Callable[P, object], *args: P.args, **more: P.kwargs) -> None:
        """What is wrong with one thing does not keep the others from being moved."""
        try:
            do(*args, **more)
        except Unreadable as error:
            self.report.problem(where, error.message)
        except PortError:
            raise
        except PortalError as error:
            self.report.problem(where, error.message)

    def files(
        self,
        items: Iterable[FileItem],
        there: dict[str, int],
        add: Callable[[Sequence[tuple[str, Blob]]], None],
        where: str,
    ) -> None:
        """Store and name what is not there yet; a file of which the name or the bytes cannot be had is told."""
        waiting: list[tuple[str, Blob]] = []
        for item in items:
            known = there.get(item.path)
            if known is not None:
                if item.size is not None and item.size != known:
                    self.report.problem(
                        f"{where}, file {item.path}", "a file of this name is here, and of another size"
                    )
                continue
            if self.dry:
                self.report.count("files")
                continue
            blob = self.stored(item, where)
            if blob is not None:
                waiting.append((item.path, blob))
            if len(waiting) == FILES_AT_ONCE:
                self._add(waiting, add, where)
                waiting = []
        self._add(waiting, add, where)

    def stored(self, item: FileItem, where: str) -> Blob | None:
        try:
            with item.open() as stream, Draft(settings.RUN_OUTPUT_BYTES) as draft:
                while piece := stream.read(CHUNK):
                    draft.write(piece)
                if item.size is not None and draft.size != item.size:
                    raise Unreadable(f"it ends after {draft.size} of {item.size} bytes")
                return draft.store()
        except Unreadable as error:
            self.report.problem(f"{where}, file {item.path}", error.message)
        except OSError as error:
            self.report.problem(f"{where}, file {item.path}", error.strerror or str(error))
        except ValueError:
            limit = f"it has more than {settings.RUN_OUTPUT_BYTES} bytes (MLPORTAL_OUTPUT_LIMIT)"
            self.report.problem(f"{where}, file {item.path}", limit)
        return None

    def _add(
        self, waiting: Sequence[tuple[str, Blob]], add: Callable[[Sequence[tuple[str, Blob]]], None], where: str
    ) -> None:
        if not waiting:
            return
        try:
            add(waiting)
        except (BadInput, Conflict) as error:
            if len(waiting) == 1:
                self.report.problem(f"{where}, file {waiting[0][0]}", error.message)
                return
            for each in waiting:  # which of them it was
                self._add([each], add, where)
            return
        self.report.count("files", len(waiting))

    def _experiment(self, item: ExperimentItem) -> None:
        where = f"experiment {item.name}"
        if self.fitting.text(item.name, 500, where) != item.name or not item.name:
            raise Unreadable("no experiment can be called so")
        try:
            any_name(item.name)
        except ValidationError as error:
            raise Unreadable(f"no experiment can be called so: {error.message}") from None
        experiment = self._experiment_row(item, where)
        for run in self.source.runs(item):
            self.tried(f"run {run.id}", self._run, experiment, item, run)
        for model in self.source.logged_models(item):
            self.tried(
                f"logged model {model.id}",
                self._models.logged_model,
                experiment,
                item,
                model,
            )
        if not self.dry:
            parents.link_parents(experiment)

    def _experiment_row(self, item: ExperimentItem, where: str) -> Experiment:
        tags = self.fitting.pairs(item.tags, f"{where}, tag")
        if self.dry:
            known = Experiment.objects.filter(workspace=self.workspace, name=item.name).first()
            self.report.count("experiments already here" if known else "experiments")
            return known or Experiment(workspace=self.workspace, name=item.name)
        experiment, made, others = importing.import_experiment(
            self.workspace,
            item.name,
            tags=tags,
            created_at=moment(item.created),
            updated_at=moment(item.updated),
            is_deleted=item.deleted,
            by=self.by,
        )
        self.report.count("experiments" if made else "experiments already here")
        for other in others:
            self.report.problem(f"{where}, {other}", "the experiment is here already; what it says here stays")
        return experiment

    def _run(self, experiment: Experiment, place: ExperimentItem, item: RunItem) -> None:
        wanted = self._wanted(item)
        known = Run.objects.filter(uid=item.id).select_related("workspace", "experiment", "parent").first()
        if known is not None and known.workspace_id != self.workspace.pk:
            raise Unreadable(f"the workspace {known.workspace.name} has a run of this id")
        if known is not None and known.purge_id is not None:
            raise Conflict("it is being deleted for good here; start again when it is gone")
        if known is None and self.dry:
            self.report.count("runs")
            self._note_uses(item)
            self.files(self.source.run_files(place, item), {}, lambda files: None, f"run {item.id}")
            return
        if known is None or known.status == RunStatus.RUNNING:
            known = self._write_run(experiment, place, item, wanted, known)
        else:
            self._compare(known, experiment, place, item, wanted)
        self._note_uses(item)
        there = dict(known.artifacts.values_list("path", "size"))
        run = known
        self.files(
            self.source.run_files(place, item),
            there,
            lambda files: importing.import_artifacts(run, files, by=self.by),
            f"run {item.id}",
        )

    def _write_run(
        self,
        experiment: Experiment,
        place: ExperimentItem,
        item: RunItem,
        wanted: importing.ImportedRun,
        known: Run | None,
    ) -> Run:
        with self._points(place, item) as spool:
            if known is None:
                run = importing.import_run(experiment, wanted, spool.read(), source=self.origin, by=self.by)
                self.report.count("runs")
                self.report.count("points", spool.count)
                return run
            if not differences(known, wanted, spool.latest, experiment.name):
                self.report.count("runs already here")
            elif not was_imported(known):
                raise Conflict("a run of this id goes on here, which was not imported")
            elif not self.dry:
                importing.continue_imported_run(known, wanted, spool.read(), source=self.origin, by=self.by)
                self.report.count("runs gone on with")
            return known

    def _compare(
        self,
        known: Run,
        experiment: Experiment,
        place: ExperimentItem,
        item: RunItem,
        wanted: importing.ImportedRun,
    ) -> None:
        latest = item.latest
        if latest is None:
            with self._points(place, item) as spool:
                latest = spool.latest
        if found := differences(known, wanted, latest, experiment.name):
            raise Conflict(f"it is here already and differs in its {', '.join(found)}; it stays as it is")
        self.report.count("runs already here")

    def _points(self, place: ExperimentItem, item: RunItem) -> PointSpool:
        spool = PointSpool()
        try:
            for name in item.metrics:
                if name in self.fitting.pairs({name: ""}, f"run {item.id}, metric", MAX_KEY):
                    spool.add(name, self.source.points(place, item, name))
        except BaseException:
            spool.__exit__()
            raise
        return spool

    def _wanted(self, item: RunItem) -> importing.ImportedRun:
        where = f"run {item.id}"
        if item.status not in STATUSES:
            raise Unreadable(f"{item.status!r:.100} is no status of a run")
        if item.status == "SCHEDULED":
            self.report.problem(where, "it was scheduled, and nothing will start it here: it is taken as running")
        tags = self.fitting.pairs(item.tags, f"{where}, tag")
        tags.pop(NAME_TAG, None)
        person = self.people.get(item.user)
        if person is None and item.user not in ("", NOBODY) and USER_TAG not in tags:
            tags[USER_TAG] = self.fitting.text(item.user, MAX_NAME, f"{where}, user")
        datasets = [self.fitting.dataset(each, where) for each in item.datasets]
        return importing.ImportedRun(
            uid=item.id,
            name=self.fitting.text(item.name, MAX_NAME, f"{where}, name"),
            status=STATUSES[item.status],
            started_at=moment(item.start),
            ended_at=moment(item.end),
            is_deleted=item.deleted,
            params=self.fitting.pairs(item.params, f"{where}, parameter"),
            tags=tags,
            datasets=[each for each in datasets if each is not None],
            created_by=person,
        )

    def _note_uses(self, item: RunItem) -> None:
        self._models.uses += [(item.id, uid, LoggedModelUse.Kind.INPUT, 0) for uid in item.model_inputs]
        self._models.uses += [(item.id, uid, LoggedModelUse.Kind.OUTPUT, step) for uid, step in item.model_outputs]
