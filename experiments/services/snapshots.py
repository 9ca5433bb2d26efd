"""What a user hands over becomes a snapshot: bytes first, each blob once, then one row that names them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from experiments import snapshots as folder
from experiments.models import Snapshot
from experiments.models.snapshots import SnapshotBlob
from experiments.services import uploads
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.blobs import services as blobs
from mlportal.errors import BadInput

# The rows beside runs that refer to snapshots. Other apps add theirs: this one knows none of them.
USERS: list[Callable[[], QuerySet[Any]]] = []


@dataclass(frozen=True)
class Taken:
    """The snapshot, and what a person should know of how it came about."""

    snapshot: Snapshot
    notes: tuple[str, ...]


def take_files(workspace: Workspace, pairs: Iterable[tuple[str, BinaryIO]], *, by: User) -> Taken:
    """Store a folder, given as (relative path, binary stream). Raises BadInput or TooLarge naming the entry."""
    return _take(workspace, lambda: folder.take_files(pairs, limits=_limits(), put=_put), by)


def take_zip(workspace: Workspace, stream: BinaryIO, *, by: User) -> Taken:
    """Store what a zip holds; the limits count the bytes that come out of it, not what its headers claim."""
    return _take(workspace, lambda: folder.take_zip(stream, limits=_limits(), put=_put), by)


def plan_snapshot(
    workspace: Workspace, entries: Sequence[tuple[str, int]], ignore_files: Mapping[str, str], *, by: User
) -> folder.Plan:
    """What would be taken of a folder given as (relative path, size), by the same rules; nothing is stored."""
    require(Role.CONTRIBUTOR, workspace, by)
    contents = {name: text.encode() for name, text in ignore_files.items()}
    with uploads.refusals():
        return folder.plan_files(entries, contents, limits=_limits())


@transaction.atomic
def take_manifest(workspace: Workspace, entries: Sequence[uploads.Named], *, by: User) -> Taken:
    """A snapshot of bytes that the workspace has; Conflict `blobs_missing` names those that it lacks."""
    require(Role.CONTRIBUTOR, workspace, by)
    limits = uploads.Limits(
        files=settings.SNAPSHOT_MAX_FILES,
        files_setting="MLPORTAL_SNAPSHOT_MAX_FILES",
        size=settings.SNAPSHOT_MAX_BYTES,
        size_setting="MLPORTAL_SNAPSHOT_MAX_BYTES",
    )
    return Taken(_write(workspace, uploads.named_manifest(workspace, entries, limits), [], by), ())


def manifest_of(snapshot: Snapshot) -> folder.Manifest:
    return folder.Manifest.of((name, digest, size) for name, digest, size in snapshot.entries)


def zip_of(snapshot: Snapshot) -> Iterator[bytes]:
    """The snapshot as a zip, in pieces."""
    return folder.zip_chunks(manifest_of(snapshot), blobs.open_blob)


def delete_unused(before: datetime) -> None:
    """Snapshots from before then that nothing refers to."""
    unused = Snapshot.objects.filter(runs=None, created_at__lt=before)
    for users in USERS:
        unused = unused.exclude(pk__in=users().exclude(snapshot=None).values("snapshot"))
    unused.delete()


def _limits() -> folder.Limits:
    return folder.Limits(max_bytes=settings.SNAPSHOT_MAX_BYTES, max_files=settings.SNAPSHOT_MAX_FILES)


def _put(stream: BinaryIO) -> tuple[str, int]:
    blob = blobs.put(stream)
    return blob.digest, blob.size


def _take(workspace: Workspace, intake: Callable[[], folder.Intake], by: User) -> Taken:
    require(Role.CONTRIBUTOR, workspace, by)
    with uploads.refusals():
        taken = intake()
    if not taken.manifest.entries:
        raise BadInput(
            "There is no file in what was uploaded (or an ignore file leaves everything out).", field="files"
        )
    ignored = [[entry.name, entry.size, entry.why] for entry in taken.ignored]
    return Taken(_write(workspace, taken.manifest, ignored, by), tuple(taken.notes))


@transaction.atomic
def _write(workspace: Workspace, manifest: folder.Manifest, ignored: list[list[Any]], by: User) -> Snapshot:
    snapshot, made = Snapshot.objects.get_or_create(
        workspace=workspace,
        digest=manifest.digest,
        defaults={
            "entries": [list(row) for row in manifest.rows()],
            "ignored": ignored,
            "file_count": len(manifest.entries),
            "size": manifest.total_bytes,
            "created_by": by,
        },
    )
    if made:
        digests = {entry.sha256 for entry in manifest.entries}
        SnapshotBlob.objects.bulk_create(SnapshotBlob(snapshot=snapshot, blob_id=digest) for digest in digests)
    else:  # touched, so that the sweeper does not take an old one before its first run is submitted
        Snapshot.objects.filter(pk=snapshot.pk, runs=None).update(created_at=timezone.now())
    return snapshot
