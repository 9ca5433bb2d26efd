"""Rows of what happened elsewhere: with the ids, times and ends that it has there, which no action of a user here writes.

Files come after the run that they belong to, so that an import that breaks off goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone

from experiments.metrics import Series
from experiments.models import (
    Artifact,
    Experiment,
    LoggedDataset,
    LoggedModel,
    LoggedModelFile,
    LoggedModelMetric,
    LoggedModelUse,
    Parameter,
    Run,
    Tag,
)
from experiments.services import points, uploads
from experiments.services.described import CONTEXT, DescribedDataset
from experiments.services.logged_models import ModelPoint
from experiments.services.submit import next_number
from experiments.snapshots import clean_name, refuse_beside, refuse_conflicts
from experiments.status import RUN_FINAL, RunStatus
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.blobs.models import Blob
from mlportal.errors import Conflict, TooLarge

POINTS_AT_ONCE: Final = 20_000
NAMES_AT_ONCE: Final = 200
ROWS_AT_ONCE: Final = 500


@dataclass(frozen=True)
class ImportedRun:
    uid: str
    name: str
    status: RunStatus
    started_at: datetime | None
    ended_at: datetime | None
    is_deleted: bool
    params: Mapping[str, str]
    tags: Mapping[str, str]
    datasets: Sequence[DescribedDataset]
    created_by: User | None


@transaction.atomic
def import_experiment(
    workspace: Workspace,
    name: str,
    *,
    tags: Mapping[str, str],
    created_at: datetime | None,
    updated_at: datetime | None,
    is_deleted: bool,
    by: User,
) -> tuple[Experiment, bool, list[str]]:
    """The experiment, whether it was made just now, and what one that is here says otherwise: that stays."""
    require(Role.CONTRIBUTOR, workspace, by)
    now = timezone.now()
    experiment, made = Experiment.objects.get_or_create(
        workspace=workspace,
        name=name,
        defaults={
            "created_by": by,
            "tags": dict(tags),
            "created_at": created_at or now,
            "updated_at": updated_at or created_at or now,
            "archived_at": now if is_deleted else None,
        },
    )
    if made:
        record("experiment.create", by=by, workspace=workspace, subject=name)
        return experiment, True, []
    experiment = Experiment.objects.select_for_update().get(pk=experiment.pk)
    others = [f"tag {key!r}" for key, value in sorted(tags.items()) if experiment.tags.get(key, value) != value]
    if is_deleted != (experiment.archived_at is not None):
        others.append("being archived here" if experiment.archived_at else "being deleted there")
    merged = {**tags, **experiment.tags}
    if merged != experiment.tags:
        experiment.tags = merged
        experiment.save(update_fields=["tags"])
    return experiment, False, others


@transaction.atomic
def import_run(
    experiment: Experiment, item: ImportedRun, series: Iterable[tuple[str, Series]], *, source: str, by: User
) -> Run:
    """The run with all that was logged, or nothing of it. `series`: some points of a metric each, in order. BadInput."""
    require(Role.CONTRIBUTOR, experiment.workspace, by)
    run = Run(
        uid=item.uid,
        workspace_id=experiment.workspace_id,
        experiment=experiment,
        number=next_number(experiment),
        name=item.name,
        status=item.status,
        started_at=item.started_at,
        finalizing_at=item.ended_at if item.status == RunStatus.COMPLETED else None,
        ended_at=item.ended_at if item.status in RUN_FINAL else None,
        deleted_at=timezone.now() if item.is_deleted else None,  # how long it is kept counts from here
        deleted_why=f"It was deleted in {source}."[:200] if item.is_deleted else "",
        created_at=item.started_at or timezone.now(),
        created_by=item.created_by,
    )
    Run.objects.bring_in(run, reason=f"imported from {source}", by=by)
    _write_small(run, item)
    Tag.objects.bulk_create(
        (Tag(run=run, name=name, value=value) for name, value in item.tags.items()), batch_size=ROWS_AT_ONCE
    )
    for some in _gathered(series):
        points.append(run, some)
    return run


@transaction.atomic
def continue_imported_run(
    run: Run, item: ImportedRun, series: Iterable[tuple[str, Series]], *, source: str, by: User
) -> None:
    """What came to a run that was going on when it was imported, and its end. StaleState when it was ended here."""
    require(Role.CONTRIBUTOR, run.workspace, by)
    Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1)  # takes the row's lock
    _write_small(run, item, ignore_conflicts=True)
    Tag.objects.bulk_create(
        (Tag(run=run, name=name, value=value) for name, value in item.tags.items()),
        batch_size=ROWS_AT_ONCE,
        update_conflicts=True,
        unique_fields=["run", "name"],
        update_fields=["value"],
    )
    for some in _gathered(series):
        points.append(run, some, once=True)
    if item.status in RUN_FINAL:
        Run.objects.bring_to_end(run, item.status, item.ended_at, reason=f"ended in {source}", by=by)


@transaction.atomic
def import_artifacts(run: Run, files: Sequence[tuple[str, Blob]], *, by: User) -> None:
    """Files that the run does not have yet. BadInput for a name that no file has, TooLarge beyond the limits of a run."""
    require(Role.CONTRIBUTOR, run.workspace, by)
    Run.objects.select_for_update(of=("self",)).get(pk=run.pk)
    there = dict(run.artifacts.values_list("path", "size"))
    named = _named(files, there)
    Artifact.objects.bulk_create(Artifact(run=run, path=name, blob=blob, size=blob.size) for name, blob in named)
    total = sum(there.values()) + sum(blob.size for _, blob in named)
    Run.objects.filter(pk=run.pk).update(output_bytes=total, revision=F("revision") + 1)


@transaction.atomic
def import_logged_model(model: LoggedModel, *, by: User) -> None:
    """A row that was put together elsewhere, with its own id and times."""
    require(Role.CONTRIBUTOR, model.workspace, by)
    model.save(force_insert=True)


@transaction.atomic
def continue_logged_model(model: LoggedModel, item: LoggedModel, *, by: User) -> None:
    """What came to one that was pending when it was imported."""
    require(Role.CONTRIBUTOR, model.workspace, by)
    LoggedModel.objects.filter(pk=model.pk, status=LoggedModel.Status.PENDING).update(
        status=item.status,
        params={**model.params, **item.params},
        tags={**model.tags, **item.tags},
        updated_at=item.updated_at,
    )


@transaction.atomic
def import_model_files(model: LoggedModel, files: Sequence[tuple[str, Blob]], *, by: User) -> None:
    """As `import_artifacts`, for a logged model."""
    require(Role.CONTRIBUTOR, model.workspace, by)
    LoggedModel.objects.select_for_update().filter(pk=model.pk).first()
    named = _named(files, dict(model.files.values_list("path", "size")))
    LoggedModelFile.objects.bulk_create(
        LoggedModelFile(model=model, path=name, blob=blob, size=blob.size) for name, blob in named
    )
    total = model.files.aggregate(size=Sum("size", default=0))["size"]
    LoggedModel.objects.filter(pk=model.pk).update(size=total)


@transaction.atomic
def import_model_metrics(run: Run, points: Sequence[ModelPoint]) -> None:
    """Those that are not there yet."""
    LoggedModelMetric.objects.bulk_create(
        (
            LoggedModelMetric(
                model=point.model,
                run=run,
                name=point.name,
                dataset_name=point.dataset_name,
                dataset_digest=point.dataset_digest,
                value=None if point.value != point.value else point.value,
                is_nan=point.value != point.value,
                step=point.step,
                time=point.time,
            )
            for point in points
        ),
        batch_size=ROWS_AT_ONCE,
        ignore_conflicts=True,
    )


@transaction.atomic
def import_model_uses(uses: Sequence[tuple[Run, LoggedModel, LoggedModelUse.Kind, int]]) -> None:
    """Those that are not there yet."""
    LoggedModelUse.objects.bulk_create(
        (LoggedModelUse(run=run, model=model, kind=kind, step=step) for run, model, kind, step in uses),
        batch_size=ROWS_AT_ONCE,
        ignore_conflicts=True,
    )


def _write_small(run: Run, item: ImportedRun, *, ignore_conflicts: bool = False) -> None:
    Parameter.objects.bulk_create(
        (Parameter(run=run, name=name, value=value) for name, value in item.params.items()),
        batch_size=ROWS_AT_ONCE,
        ignore_conflicts=ignore_conflicts,
    )
    LoggedDataset.objects.bulk_create(
        (LoggedDataset(run=run, context=each.tags.get(CONTEXT, ""), **asdict(each)) for each in item.datasets),
        batch_size=ROWS_AT_ONCE,
        ignore_conflicts=ignore_conflicts,
    )


def _gathered(series: Iterable[tuple[str, Series]]) -> Iterator[dict[str, Series]]:
    """Many small ones go into one write."""
    some: dict[str, Series] = {}
    count = 0
    for name, more in series:
        if name in some or count + len(more) > POINTS_AT_ONCE or len(some) >= NAMES_AT_ONCE:
            if some:
                yield some
            some, count = {}, 0
        some[name] = more
        count += len(more)
    if some:
        yield some


def _named(files: Sequence[tuple[str, Blob]], there: Mapping[str, int]) -> list[tuple[str, Blob]]:
    with uploads.refusals():
        named = [(clean_name(path), blob) for path, blob in files]
        if taken := sorted(name for name, _ in named if name in there):
            raise Conflict(f"There is a file {taken[0]!r} already.", code="exists", path=taken[0])
        refuse_beside([name for name, _ in named], there)
        refuse_conflicts(name for name, _ in named)
    if len(there) + len(named) > settings.RUN_OUTPUT_FILES:
        raise TooLarge(
            f"There are at most {settings.RUN_OUTPUT_FILES} files (MLPORTAL_OUTPUT_FILES).",
            limit=settings.RUN_OUTPUT_FILES,
        )
    if sum(there.values()) + sum(blob.size for _, blob in named) > settings.RUN_OUTPUT_BYTES:
        raise TooLarge(
            f"The files have at most {settings.RUN_OUTPUT_BYTES} bytes (MLPORTAL_OUTPUT_LIMIT).",
            limit=settings.RUN_OUTPUT_BYTES,
        )
    return named
