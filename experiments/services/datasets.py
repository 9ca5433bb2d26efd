"""Datasets: files under a name, in versions that never change."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from experiments.models import Dataset, DatasetFile, DatasetKind, DatasetVersion, Run, RunInput
from experiments.models.data import dataset_name
from experiments.services import uploads
from experiments.snapshots import Manifest
from experiments.status import RUN_FINAL
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict, NotFound, TooLarge
from mlportal.texts import storable


@dataclass(frozen=True)
class Kept:
    """The version, and whether it was made just now."""

    version: DatasetVersion
    made: bool


@transaction.atomic
def create_dataset(
    workspace: Workspace,
    entries: Sequence[uploads.Named],
    *,
    name: str = "",
    kind: str = DatasetKind.FILE,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    definition: Mapping[str, Any] | None = None,
    create_new_version: bool = False,
    by: User,
) -> Kept:
    """A version with these files, all or nothing; without a name it can be reached by its uid alone.

    What is the latest version already (or an unnamed dataset that is there) is not made again. Raises BadInput or
    TooLarge naming what is wrong, Conflict `exists` for a name that has other content, Conflict `blobs_missing`.
    """
    require(Role.CONTRIBUTOR, workspace, by)
    name = name.strip()
    if name:
        _check_name(name)
    if kind not in DatasetKind.values:
        raise BadInput(f"{kind!r} is no kind of dataset; there are {', '.join(DatasetKind.values)}.", field="kind")
    definition = _check_definition(definition or {})
    limits = uploads.Limits(
        files=settings.DATASET_MAX_FILES,
        files_setting="MLPORTAL_DATASET_FILES",
        size=settings.DATASET_MAX_BYTES,
        size_setting="MLPORTAL_DATASET_MAX_BYTES",
    )
    manifest = uploads.named_manifest(workspace, entries, limits)
    digest = _digest(kind, definition, manifest)
    dataset = _named(workspace, name, by) if name else None
    there = DatasetVersion.objects.filter(workspace=workspace, dataset=dataset).order_by("-pk")
    found = (there if dataset else there.filter(digest=digest, name="")).first()
    if found is not None and found.digest == digest:
        DatasetVersion.objects.filter(pk=found.pk).update(touched_at=timezone.now())
        return Kept(found, made=False)
    if found is not None and not create_new_version:
        raise Conflict(
            f"The dataset {name} is there with other content; ask for a new version of it.", code="exists", field="name"
        )
    version = DatasetVersion.objects.create(
        workspace=workspace,
        dataset=dataset,
        name=name,
        version=_next_version(dataset) if dataset else None,
        kind=kind,
        description=storable(description)[:5000],
        tags=storable(dict(tags or {})),
        definition=definition,
        digest=digest,
        file_count=len(manifest.entries),
        size=manifest.total_bytes,
        created_by=by,
    )
    DatasetFile.objects.bulk_create(
        (
            DatasetFile(dataset_version=version, path=path, blob_id=sha256, size=size)
            for path, sha256, size in manifest.entries
        ),
        batch_size=1000,
    )
    if dataset:
        record("dataset.create", by=by, workspace=workspace, subject=version)
    return Kept(version, made=True)


def dataset_file(version: DatasetVersion, path: str) -> DatasetFile:
    """The file of this path; NotFound when the version has none."""
    found = version.files.filter(path=path).first() if "\0" not in path else None
    if found is None:
        raise NotFound(f"The dataset has no file {path!r}.")
    return found


@transaction.atomic
def delete_dataset(dataset: Dataset, *, by: User) -> None:
    """Delete the name with all its versions. What a run was given stays with the run, and is found by its uid.

    Conflict while a run that is not final uses one of them.
    """
    require(Role.CONTRIBUTOR, dataset.workspace, by)
    # Whoever submits a run with one of them waits here, or has it already.
    versions = list(DatasetVersion.objects.select_for_update().filter(dataset=dataset).values_list("pk", flat=True))
    rows = DatasetVersion.objects.filter(pk__in=versions)
    waiting = users_of(rows).exclude(status__in=RUN_FINAL).first()
    if waiting is not None:
        raise Conflict(f"{waiting} uses it and has not ended.", code="in_use", run=waiting.uid)
    rows.filter(inputs=None).delete()
    rows.update(dataset=None)
    record("dataset.delete", by=by, workspace=dataset.workspace, subject=dataset.name)
    dataset.delete()


def users_of(versions: QuerySet[DatasetVersion]) -> QuerySet[Run]:
    """The runs that were given one of these, newest first."""
    given = RunInput.objects.filter(dataset_version__in=versions)
    return Run.objects.filter(pk__in=given.values("run")).select_related("workspace", "experiment")


@transaction.atomic
def forget_unnamed() -> None:
    """Delete versions that no name and no run keeps, and that nobody has made again for long."""
    before = timezone.now() - timedelta(seconds=settings.UNNAMED_DATASET_SECONDS)
    old = DatasetVersion.objects.filter(dataset=None, touched_at__lt=before)
    locked = list(old.select_for_update().values_list("pk", flat=True))  # against whoever gives one to a run just now
    old.filter(pk__in=locked, inputs=None).delete()


def _named(workspace: Workspace, name: str, by: User) -> Dataset:
    """The dataset of this name, made if it is new; its row is locked, so that one at a time adds a version."""
    Dataset.objects.get_or_create(workspace=workspace, name=name, defaults={"created_by": by})
    return Dataset.objects.select_for_update().get(workspace=workspace, name=name)


def _next_version(dataset: Dataset) -> int:
    Dataset.objects.filter(pk=dataset.pk).update(last_version=F("last_version") + 1)
    dataset.refresh_from_db(fields=["last_version"])
    return dataset.last_version


def _check_name(name: str) -> None:
    try:
        dataset_name(name)
    except ValidationError as error:
        raise BadInput(f"{name!r} cannot name a dataset: {error.message}", field="name") from None


def _check_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    limit = settings.DATASET_DEFINITION_BYTES
    try:
        size = len(orjson.dumps(definition))
    except TypeError:  # beyond 254 levels, or a number of more than 64 bits
        raise BadInput(
            "The definition is nested too deeply, or holds too large a number.", field="definition"
        ) from None
    if size > limit:
        raise TooLarge(
            f"A dataset's definition has at most {limit} bytes (MLPORTAL_DATASET_DEFINITION).",
            field="definition",
            limit=limit,
        )
    return dict(storable(definition))


def _digest(kind: str, definition: Mapping[str, Any], manifest: Manifest) -> str:
    said = orjson.dumps([kind, definition], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(said + b"\n" + manifest.digest.encode()).hexdigest()
