"""Models that runs log: made first, then filled, then said to be ready. Registering one copies no bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone

from experiments.models import (
    Experiment,
    LoggedModel,
    LoggedModelFile,
    LoggedModelMetric,
    LoggedModelUse,
    Run,
)
from experiments.services import uploads
from experiments.services.runs import require_writer
from experiments.snapshots import clean_name, refuse_beside
from mlportal.access.models import User
from mlportal.access.principals import RunPrincipal, person_behind
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.blobs.models import Blob
from mlportal.errors import BadInput, Conflict, NotAllowed, TooLarge

MAX_PAIRS: Final = 1000
MAX_USES: Final = 100  # at once
FORBIDDEN: Final = "/:.%\"'"  # in names, as MLflow has it (mlflow/utils/validation.py)


@dataclass(frozen=True)
class ModelPoint:
    """A number that was logged for a model, beside the run's own series of it."""

    model: LoggedModel
    name: str
    value: float
    step: int
    time: float
    dataset_name: str = ""
    dataset_digest: str = ""


@transaction.atomic
def create_logged_model(
    experiment: Experiment,
    *,
    name: str = "",
    run: Run | None = None,
    model_type: str = "",
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    by: User | RunPrincipal,
) -> LoggedModel:
    """One without files yet. A run's token makes it for its own run; without a name it gets one."""
    if run is not None:
        require_writer(run, by)
        if run.experiment_id != experiment.pk:
            raise BadInput(f"The run {run.uid} is in another experiment.", field="experiment")
    elif isinstance(by, RunPrincipal):
        raise NotAllowed("A run's token makes models of its own run.")
    else:
        require(Role.CONTRIBUTOR, experiment.workspace, by)
    if found := [letter for letter in FORBIDDEN if letter in name]:
        raise BadInput(f"A logged model's name has no {found[0]!r}: {name[:250]!r}.", field="name")
    if len(name) > 250:
        raise BadInput("A logged model's name has at most 250 characters.", field="name")
    model = LoggedModel(
        workspace_id=experiment.workspace_id,
        experiment=experiment,
        run=run,
        model_type=model_type[:500],
        params=_counted(dict(params or {}), "params"),
        tags=_counted(dict(tags or {}), "tags"),
        created_by=person_behind(by),
    )
    model.name = name or f"model-{model.uid[-8:]}"
    model.save(force_insert=True)
    _touch_run(run)
    return model


@transaction.atomic
def finish_logged_model(model: LoggedModel, status: str, *, by: User | RunPrincipal) -> None:
    _locked(model, by)
    if status not in LoggedModel.Status.values:
        raise BadInput(f"A logged model is one of {', '.join(LoggedModel.Status.values)}.", field="status")
    model.status = status
    _save(model, "status")


@transaction.atomic
def add_model_params(model: LoggedModel, params: Mapping[str, str], *, by: User | RunPrincipal) -> None:
    """Written once: Conflict for one that has another value."""
    _locked(model, by)
    other = sorted(name for name in params.keys() & model.params.keys() if params[name] != model.params[name])
    if other:
        raise Conflict(
            f"A parameter is written once. The model {model.uid} has these already: {', '.join(other[:10])}.",
            code="written_once",
            names=other,
        )
    model.params = _counted({**model.params, **params}, "params")
    _save(model, "params")


@transaction.atomic
def change_model_tags(
    model: LoggedModel, set_tags: Mapping[str, str], remove_tags: Iterable[str] = (), *, by: User | RunPrincipal
) -> None:
    _locked(model, by)
    gone = set(remove_tags)
    model.tags = _counted({**{k: v for k, v in model.tags.items() if k not in gone}, **set_tags}, "tags")
    _save(model, "tags")


@transaction.atomic
def note_model_metrics(run: Run, points: Sequence[ModelPoint]) -> None:
    """The last value of each stays, by step and then by time. For who was let through to write to the run."""
    for point in points:
        place = {
            "model": point.model,
            "run": run,
            "name": point.name,
            "dataset_name": point.dataset_name,
            "dataset_digest": point.dataset_digest,
        }
        is_nan = point.value != point.value
        row = {"value": None if is_nan else point.value, "is_nan": is_nan, "step": point.step, "time": point.time}
        there, made = LoggedModelMetric.objects.select_for_update().get_or_create(**place, defaults=row)
        if not made and (there.step, there.time) <= (point.step, point.time):
            LoggedModelMetric.objects.filter(pk=there.pk).update(**row)


@transaction.atomic
def note_model_uses(
    run: Run, models: Sequence[tuple[LoggedModel, int]], kind: LoggedModelUse.Kind, *, by: User | RunPrincipal
) -> None:
    """Which models the run read, or made at which step; the same again is no second one."""
    require_writer(run, by)
    _touch_run(run)
    if len(models) > MAX_USES:
        raise BadInput(f"A request names at most {MAX_USES} models.", field="models")
    for model, step in models:
        LoggedModelUse.objects.update_or_create(run=run, model=model, kind=kind, defaults={"step": step})


@transaction.atomic
def delete_logged_model(model: LoggedModel, *, by: User | RunPrincipal) -> None:
    """It is gone for clients and pages, and its files with it; what was registered from it has its own."""
    _locked(model, by)
    model.deleted_at = timezone.now()
    _save(model, "deleted_at")
    model.files.all().delete()
    record("logged_model.delete", by=person_behind(by), workspace=model.workspace, subject=model.uid)
    _touch_run(model.run)


@transaction.atomic
def put_model_file(model: LoggedModel, path: str, blob: Blob, *, by: User | RunPrincipal) -> None:
    """Name stored bytes as a file of the model; a file of this name is replaced. BadInput, TooLarge, Conflict."""
    _locked(model, by)
    with uploads.refusals():
        name = clean_name(path)
    there = dict(model.files.values_list("path", "size"))
    there.pop(name, None)
    with uploads.refusals():
        refuse_beside([name], there)
    total = sum(there.values()) + blob.size
    if len(there) >= settings.RUN_OUTPUT_FILES or total > settings.RUN_OUTPUT_BYTES:
        raise TooLarge(
            f"A model has at most {settings.RUN_OUTPUT_FILES} files (MLPORTAL_OUTPUT_FILES) and"
            f" {settings.RUN_OUTPUT_BYTES} bytes (MLPORTAL_OUTPUT_LIMIT).",
            limit=settings.RUN_OUTPUT_BYTES,
        )
    LoggedModelFile.objects.update_or_create(model=model, path=name, defaults={"blob": blob, "size": blob.size})
    model.size = total
    _save(model, "size")


@transaction.atomic
def delete_model_files(model: LoggedModel, path: str, *, by: User | RunPrincipal) -> int:
    """Forget a file of the model, or a folder with all that is in it; "" is all. How many files it was."""
    _locked(model, by)
    rows = list(model.files.values_list("pk", "path"))
    gone = [pk for pk, name in rows if not path or name == path or name.startswith(f"{path}/")]
    model.files.filter(pk__in=gone).delete()
    model.size = model.files.aggregate(size=Sum("size", default=0))["size"]
    _save(model, "size")
    return len(gone)


def require_model_writer(model: LoggedModel, by: User | RunPrincipal) -> None:
    """As of its run; Conflict for one that is deleted."""
    if model.deleted_at is not None:
        raise Conflict(f"The model {model.uid} is deleted.", code="deleted")
    if model.run is not None:
        require_writer(model.run, by)
    elif isinstance(by, RunPrincipal):
        raise NotAllowed("A run's token opens the models of its own run.")
    else:
        require(Role.CONTRIBUTOR, model.workspace, by)


def _locked(model: LoggedModel, by: User | RunPrincipal) -> None:
    """Nobody else writes to it until the transaction ends, and what the caller holds is what is there.

    Not FOR UPDATE: who names the model in a row of another run holds that run's lock, which is taken here later.
    """
    LoggedModel.objects.select_for_update(of=("self",), no_key=True).filter(pk=model.pk).first()
    model.refresh_from_db(fields=["params", "tags", "status", "deleted_at", "size"])
    require_model_writer(model, by)


def _save(model: LoggedModel, field: str) -> None:
    model.updated_at = timezone.now()
    model.save(update_fields=[field, "updated_at"])


def _counted(values: dict[str, str], field: str) -> dict[str, str]:
    if len(values) > MAX_PAIRS:
        raise BadInput(f"A logged model has at most {MAX_PAIRS} {field}.", field=field)
    return values


def _touch_run(run: Run | None) -> None:
    if run is not None:
        Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1)
