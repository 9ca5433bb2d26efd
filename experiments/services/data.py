"""The workspace's data store: files by path, whose content can be replaced."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max, QuerySet, Sum
from django.db.models.functions import Left
from django.utils import timezone

from experiments import snapshots as folder
from experiments.models import DataFile
from experiments.services import uploads
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, NotFound, TooLarge

AT_ONCE = 500  # rows in one statement


@dataclass(frozen=True)
class Added:
    """The files that are there now under the names given, and the names that were left as they were."""

    files: list[DataFile]
    skipped: list[str]


@transaction.atomic
def add_data_files(
    workspace: Workspace, entries: Sequence[uploads.Named], *, overwrite: bool = False, by: User
) -> Added:
    """Put files into the store, all or none. What is there already is replaced with `overwrite`, else skipped.

    Raises BadInput or TooLarge naming the entry, and Conflict `blobs_missing`.
    """
    require(Role.CONTRIBUTOR, workspace, by)
    # One at a time a workspace: two names that cannot live together must not come in at once.
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    limits = uploads.Limits(
        files=settings.DATASET_MAX_FILES,
        files_setting="MLPORTAL_DATASET_FILES",
        size=settings.DATA_STORE_BYTES,
        size_setting="MLPORTAL_DATA_STORE",
    )
    manifest = uploads.named_manifest(workspace, entries, limits)
    keys = {entry.name: _key(entry.name) for entry in manifest.entries}
    there = _by_key(workspace, list(keys.values()))
    new = [entry for entry in manifest.entries if keys[entry.name] not in there]
    for entry in manifest.entries:
        other = there.get(keys[entry.name])
        if other is not None and other.path != entry.name:
            raise _refused(entry.name, f"the name differs from {other.path!r} only by case")
    _refuse_folders(workspace, [entry.name for entry in new])
    now = timezone.now()
    rows = [
        DataFile(
            workspace=workspace,
            path=entry.name,
            key=keys[entry.name],
            folder=entry.name.rpartition("/")[0],
            blob_id=entry.sha256,
            size=entry.size,
            updated_at=now,
            updated_by=by,
        )
        for entry in new
    ]
    DataFile.objects.bulk_create(rows, batch_size=AT_ONCE)
    skipped: list[str] = []
    for entry in manifest.entries:
        row = there.get(keys[entry.name])
        if row is None:
            continue
        if not overwrite:
            skipped.append(entry.name)
        elif row.blob_id != entry.sha256:
            row.blob_id, row.size, row.updated_at, row.updated_by = entry.sha256, entry.size, now, by
            row.save(update_fields=["blob", "size", "updated_at", "updated_by"])
            rows.append(row)
        else:
            rows.append(row)
    _refuse_too_much(workspace)
    if rows:
        record("data.add", by=by, workspace=workspace, subject=rows[0].path, files=len(rows))
    return Added(sorted(rows, key=lambda row: row.path), skipped)


def data_file(workspace: Workspace, path: str) -> DataFile:
    """The file of this path; BadInput for a path that no file may have, NotFound when there is none."""
    found = DataFile.objects.filter(workspace=workspace, path=_clean(path)).first()
    if found is None:
        raise NotFound(f"The data store has no file {path!r}.")
    return found


def with_prefix(files: QuerySet[DataFile], prefix: str) -> QuerySet[DataFile]:
    """Those whose path begins so, letter for letter: SQLite's LIKE takes A for a."""
    if not prefix:
        return files
    return files.alias(beginning=Left("path", len(prefix))).filter(beginning=prefix)


@transaction.atomic
def delete_data_files(workspace: Workspace, *, path: str = "", prefix: str = "", by: User) -> int:
    """Delete one file, or all whose path begins with `prefix`; how many there were. NotFound when there was none.

    Datasets keep what they were made of.
    """
    require(Role.CONTRIBUTOR, workspace, by)
    files: QuerySet[DataFile] = DataFile.objects.filter(workspace=workspace)
    if path:
        files = files.filter(path=_clean(path))
    elif prefix:
        files = with_prefix(files, prefix)
    else:
        raise BadInput("Say which: the `path` of a file, or the `prefix` of several.", field="path")
    count, _ = files.delete()
    if not count:
        raise NotFound(f"The data store has nothing at {path or prefix!r}.")
    record("data.delete", by=by, workspace=workspace, subject=path or prefix, files=count)
    return count


@dataclass(frozen=True)
class Folder:
    """A folder of the store, with what is anywhere below it."""

    name: str
    path: str
    files: int
    size: int
    updated_at: datetime


def folders_in(workspace: Workspace, path: str) -> list[Folder]:
    """The folders right below `path` (empty: the top), by name."""
    below = f"{path}/" if path else ""
    counted = with_prefix(DataFile.objects.filter(workspace=workspace), below).exclude(folder=path)
    found: dict[str, tuple[int, int, datetime]] = {}
    for name, files, size, newest in (
        counted.order_by()
        .values("folder")
        .annotate(files=Count("pk"), total=Sum("size"), newest=Max("updated_at"))
        .values_list("folder", "files", "total", "newest")
    ):
        first = name[len(below) :].partition("/")[0]
        so_far = found.get(first, (0, 0, newest))
        found[first] = (so_far[0] + files, so_far[1] + size, max(so_far[2], newest))
    return [Folder(name, f"{below}{name}", *found[name]) for name in sorted(found, key=str.casefold)]


def _key(path: str) -> str:
    return hashlib.sha256(path.casefold().encode()).hexdigest()


def _clean(path: str) -> str:
    with uploads.refusals():
        return folder.clean_name(path)


def _by_key(workspace: Workspace, keys: Sequence[str]) -> dict[str, DataFile]:
    found: dict[str, DataFile] = {}
    for start in range(0, len(keys), AT_ONCE):
        rows = DataFile.objects.filter(workspace=workspace, key__in=keys[start : start + AT_ONCE])
        found.update({row.key: row for row in rows})
    return found


def _refuse_folders(workspace: Workspace, new: Sequence[str]) -> None:
    """A name is a file or a folder: refuse a file whose name is a folder's, or one inside of a file."""
    above = {name: list(_above(name)) for name in new}
    files = _by_key(workspace, list({_key(path) for paths in above.values() for path in paths}))
    for name, paths in above.items():
        for path in paths:
            if other := files.get(_key(path)):
                raise _refused(name, f"{other.path!r} is a file")
    folders: set[str] = set()
    for used in DataFile.objects.filter(workspace=workspace).order_by().values_list("folder", flat=True).distinct():
        folders.update({used.casefold(), *(path.casefold() for path in _above(used))})
    for name in new:
        if name.casefold() in folders:
            raise _refused(name, "a folder has this name")


def _above(path: str) -> list[str]:
    """The folders that hold the path, the nearest first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _refused(entry: str, why: str) -> BadInput:
    return BadInput(f"{entry!r}: {why}", code="snapshot_refused", entry=entry)


def _refuse_too_much(workspace: Workspace) -> None:
    there = DataFile.objects.filter(workspace=workspace).aggregate(files=Count("pk"), size=Sum("size", default=0))
    if there["files"] > settings.DATA_STORE_FILES:
        raise TooLarge(
            f"The data store holds at most {settings.DATA_STORE_FILES} files (MLPORTAL_DATA_STORE_FILES).",
            limit=settings.DATA_STORE_FILES,
        )
    if there["size"] > settings.DATA_STORE_BYTES:
        raise TooLarge(
            f"The data store holds at most {settings.DATA_STORE_BYTES} bytes (MLPORTAL_DATA_STORE).",
            limit=settings.DATA_STORE_BYTES,
        )
