"""What a user hands over becomes a snapshot: bytes first, each blob once, then one row that names them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from experiments import snapshots as folder
from experiments.models import Snapshot
from experiments.models.snapshots import SnapshotBlob
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.blobs import services as blobs
from mlportal.errors import BadInput, TooLarge


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


def manifest_of(snapshot: Snapshot) -> folder.Manifest:
    return folder.Manifest.of((name, digest, size) for name, digest, size in snapshot.entries)


def _limits() -> folder.Limits:
    return folder.Limits(max_bytes=settings.SNAPSHOT_MAX_BYTES, max_files=settings.SNAPSHOT_MAX_FILES)


def _put(stream: BinaryIO) -> tuple[str, int]:
    blob = blobs.put(stream)
    return blob.digest, blob.size


def _take(workspace: Workspace, intake: Callable[[], folder.Intake], by: User) -> Taken:
    require(Role.CONTRIBUTOR, workspace, by)
    with _refusals():
        taken = intake()
    if not taken.manifest.entries:
        raise BadInput(
            "There is no file in what was uploaded (or an ignore file leaves everything out).", field="files"
        )
    with transaction.atomic():
        snapshot, made = Snapshot.objects.get_or_create(
            workspace=workspace,
            digest=taken.manifest.digest,
            defaults={
                "entries": [list(row) for row in taken.manifest.rows()],
                "ignored": [[entry.name, entry.size, entry.why] for entry in taken.ignored],
                "file_count": len(taken.manifest.entries),
                "size": taken.manifest.total_bytes,
                "created_by": by,
            },
        )
        if made:
            digests = {entry.sha256 for entry in taken.manifest.entries}
            SnapshotBlob.objects.bulk_create(SnapshotBlob(snapshot=snapshot, blob_id=digest) for digest in digests)
        else:  # touched, so that the sweeper does not take an old one before its first run is submitted
            Snapshot.objects.filter(pk=snapshot.pk, runs=None).update(created_at=timezone.now())
    return Taken(snapshot, tuple(taken.notes))


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except folder.SnapshotRefused as error:
        kind = TooLarge if error.limit is not None else BadInput
        raise kind(str(error), code="snapshot_refused", entry=error.entry, limit=error.limit) from None
