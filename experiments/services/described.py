"""Data that a client says its run used. The portal keeps the description, and has no bytes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from django.db import transaction
from django.db.models import F

from experiments.models import LoggedDataset, Run
from experiments.services.runs import require_writer
from mlportal.access.models import User
from mlportal.access.principals import RunPrincipal

CONTEXT: Final = "mlflow.data.context"
# Characters, as in mlflow/utils/validation.py
DATASET_LIMITS: Final = {
    "name": 500,
    "digest": 36,
    "source_type": 500,
    "source": 65_535,
    "schema": 1_048_575,
    "profile": 16_777_215,
}


@dataclass(frozen=True)
class DescribedDataset:
    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@transaction.atomic
def log_datasets(run: Run, datasets: Sequence[DescribedDataset], *, by: User | RunPrincipal) -> None:
    """The same data twice, by name and digest, is one; what is said of it last stays."""
    require_writer(run, by)
    Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1)
    for dataset in datasets:
        values = {**asdict(dataset), "context": dataset.tags.get(CONTEXT, "")}
        LoggedDataset.objects.update_or_create(
            run=run, name=values.pop("name"), digest=values.pop("digest"), defaults=values
        )
