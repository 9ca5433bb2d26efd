"""What a version is asked and answers, compared with what its model was trained on; done by a worker, kept for its pages."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Max
from django.utils import timezone

from experiments.services import dispatch
from mlportal.access.models import User
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.errors import PortalError
from mlportal.texts import storable
from models_registry.models import (
    Deployment,
    DriftReport,
    ModelVersion,
    Revision,
    SampledRequest,
    TrainingSample,
    Watch,
)
from models_registry.services.monitoring.comparing import Rules, compare
from models_registry.services.monitoring.packing import Sampled
from models_registry.services.monitoring.sampling import names_of, read_samples
from models_registry.services.monitoring.watching import watch_of
from models_registry.services.samples import read_sample
from models_registry.services.schema import inputs_of

logger = logging.getLogger(__name__)
COMPARE = "models_registry.drift"
PREDICTION = "(prediction)"
WORST = ("alarm", "warning", "")


def ask_for_comparison(deployment: Deployment, *, by: User) -> None:
    """Have a worker compare all versions that were sampled, now."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    dispatch.send(COMPARE, deployment.pk, queue=settings.CELERY_TASK_DEFAULT_QUEUE)


def compare_where_new() -> None:
    """For each service with rows that its last report does not know of."""
    for deployment in Deployment.objects.filter(watch__sample_percent__gt=0):
        known = dict(deployment.drift_reports.values_list("version", "newest"))
        newest = deployment.samples.order_by().values_list("version").annotate(Max("pk"))
        if any(pk > known.get(version, 0) for version, pk in newest):
            try:
                compare_deployment(deployment)
            except DatabaseError:
                raise
            except Exception:  # a fault with one service must not keep all the others from being compared
                logger.exception("The requests of %s could not be compared.", deployment)


def compare_deployment(deployment: Deployment) -> None:
    versions = list(deployment.samples.order_by().values_list("version", flat=True).distinct())
    for version in versions:
        _report(deployment, version)
    deployment.drift_reports.exclude(version__in=versions).delete()


def model_of(deployment: Deployment, label: str) -> ModelVersion | None:
    """The one model behind what a service calls a version; None where there are several, or it is gone."""
    revision = Revision.objects.filter(workspace=deployment.workspace_id, label=label).order_by("-pk").first()
    if revision is not None and (versions := revision.versions):
        return versions[0] if len(versions) == 1 else None
    name, _, number = label.rpartition(":")
    here = ModelVersion.objects.filter(model__workspace=deployment.workspace_id, model__name=name)
    return (
        here.filter(version=int(number)).first() if number.isascii() and number.isdigit() and len(number) < 10 else None
    )


def _report(deployment: Deployment, version: str) -> None:
    watch = watch_of(deployment)
    told: dict[str, Any] = {"at": timezone.now(), "problem": "", "columns": [], "flag": "", "rows": 0, "since": None}
    told["newest"] = deployment.samples.filter(version=version).aggregate(Max("pk"))["pk__max"] or 0
    model = model_of(deployment, version)
    sample = TrainingSample.objects.filter(version=model).first() if model is not None else None
    if model is None or sample is None:
        told["problem"] = "no_sample"
    else:
        try:
            told |= _compared(deployment, version, model, sample, watch)
        except PortalError as error:  # its file is lost
            told["problem"] = str(storable(error.message))
    DriftReport.objects.update_or_create(deployment=deployment, version=version, defaults=told)


def _compared(
    deployment: Deployment, version: str, model: ModelVersion, sample: TrainingSample, watch: Watch
) -> dict[str, Any]:
    names = [column["name"] for column in sample.columns]
    newest = _newest(read_samples(deployment, version), max(settings.DRIFT_ROWS, watch.least_rows))
    rows, since, current = 0, newest[0][0].at if newest else None, dict[str, list[Any]]()
    for _, sampled in newest:
        rows += len(sampled.rows)
        _add(current, sampled, inputs_of(names, sample.target, max(map(len, sampled.rows), default=0)))
    told: dict[str, Any] = {"rows": rows, "since": since}
    if rows < watch.least_rows:
        return {**told, "problem": "few_rows"}
    reference: Mapping[str, Sequence[Any]] = read_sample(model)
    target = sample.target or _not_asked(names, current)
    if target:
        reference = {name: cells for name, cells in reference.items() if name != target} | {
            PREDICTION: reference[target]
        }
    rules = Rules(watch.psi_warning, watch.psi_alarm, watch.significance)
    columns = compare(reference, current, rules)
    if not columns:
        return {**told, "problem": "no_common_column"}
    columns.sort(key=lambda column: (WORST.index(column["flag"]), -column["psi"]))
    return {**told, "columns": storable(columns), "flag": columns and columns[0]["flag"]}


def _newest(kept: Iterable[tuple[SampledRequest, Sampled]], rows: int) -> deque[tuple[SampledRequest, Sampled]]:
    """The last requests that have this many rows together: among all that are kept a change would fade."""
    newest, there = deque[tuple[SampledRequest, Sampled]](), 0
    for request, sampled in kept:
        newest.append((request, sampled))
        there += len(sampled.rows)
        while there - len(newest[0][1].rows) >= rows:
            there -= len(newest.popleft()[1].rows)
    return newest


def _not_asked(names: Sequence[str], current: Mapping[str, Any]) -> str:
    """The one column of a sample that no request has: with no target named, it is taken for the predicted one."""
    others = [name for name in names if name not in current]
    return others[0] if len(others) == 1 and len(names) > 1 else ""


def _add(current: dict[str, list[Any]], sampled: Sampled, known: Sequence[str]) -> None:
    names = names_of(sampled, known)
    for place, name in enumerate(names):
        current.setdefault(name, []).extend(row[place] if place < len(row) else None for row in sampled.rows)
    values = sampled.values
    if not any(isinstance(value, (list, dict)) for value in values):
        current.setdefault(PREDICTION, []).extend(values)
