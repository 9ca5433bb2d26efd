"""Bytes come first, then the rows that name them: one way in for every client.

A client says which digests it means; what the workspace lacks it uploads, and says it again.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO, NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from experiments import snapshots as folder
from experiments.models import Artifact, DataFile, DatasetFile, UploadedBlob
from experiments.models.snapshots import SnapshotBlob
from mlportal.access.models import User, Workspace
from mlportal.access.principals import RunPrincipal, person_behind
from mlportal.access.roles import Role
from mlportal.access.services import require
from mlportal.blobs import services as blobs
from mlportal.blobs.models import Blob
from mlportal.errors import BadInput, Conflict, NotAllowed, TooLarge

AT_ONCE = 1000  # digests in one query
KEPT_FOR = timedelta(days=1)
TOUCHED_AFTER = timedelta(hours=6)  # far from the sweeper's day, and most requests write nothing

# The rows of a workspace that refer to bytes. Other apps add theirs: this one knows none of them.
HOLDERS: list[Callable[[Workspace], QuerySet[Any]]] = [
    lambda workspace: UploadedBlob.objects.filter(workspace=workspace, at__gt=timezone.now() - KEPT_FOR),
    lambda workspace: SnapshotBlob.objects.filter(snapshot__workspace=workspace),
    lambda workspace: Artifact.objects.filter(run__workspace=workspace),
    lambda workspace: DataFile.objects.filter(workspace=workspace),
    lambda workspace: DatasetFile.objects.filter(dataset_version__workspace=workspace),
]


class Named(NamedTuple):
    """A file as a client names it; its size in bytes, if the client says so."""

    path: str
    sha256: str
    size: int | None = None


@dataclass(frozen=True)
class Limits:
    """How much may be named at once, and the settings that say so."""

    files: int
    files_setting: str
    size: int
    size_setting: str


def upload(workspace: Workspace, streams: Iterable[BinaryIO], *, by: User | RunPrincipal) -> list[Blob]:
    """Store what the streams hold; a day long the workspace has it, so that rows can name it.

    A kill in the middle leaves bytes that nobody can name, and the sweeper takes them.
    """
    require_uploader(workspace, by)
    stored = [blobs.put(stream) for stream in streams]
    now = timezone.now()
    rows = [
        UploadedBlob(workspace=workspace, blob=blob, by=person_behind(by), at=now) for blob in dict.fromkeys(stored)
    ]
    UploadedBlob.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["workspace", "blob"], update_fields=["at", "by"], batch_size=AT_ONCE
    )
    return stored


def keep(workspace: Workspace, blob: Blob, *, by: User | RunPrincipal) -> Blob:
    """A day long the workspace has what was stored a moment ago, so that rows can name it."""
    require_uploader(workspace, by)
    UploadedBlob.objects.update_or_create(
        workspace=workspace, blob=blob, defaults={"by": person_behind(by), "at": timezone.now()}
    )
    return blob


def require_uploader(workspace: Workspace, by: User | RunPrincipal) -> None:
    """A contributor, or a run of the workspace: what it hands over it can only name in what it may write."""
    if not isinstance(by, RunPrincipal):
        require(Role.CONTRIBUTOR, workspace, by)
    elif by.workspace_id != workspace.pk:
        raise NotAllowed("A run's token opens that run alone.")


def named_manifest(workspace: Workspace, entries: Sequence[Named], limits: Limits) -> folder.Manifest:
    """The entries as a manifest whose bytes are all there, and stay until the caller's transaction ends.

    Raises BadInput or TooLarge naming the entry, and Conflict `blobs_missing` with the digests to upload.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("What is named has to be kept in the same transaction.")
    if not entries:
        raise BadInput("There is no file in it.", field="entries")
    if len(entries) > limits.files:
        raise TooLarge(
            f"{len(entries)} files are more than the limit of {limits.files} ({limits.files_setting}).",
            limit=limits.files,
        )
    _refuse_size(((entry.path, entry.size or 0) for entry in entries), limits)
    with refusals():
        entries = [entry._replace(path=folder.clean_name(entry.path)) for entry in entries]
        folder.refuse_conflicts(entry.path for entry in entries)
    sizes = held(workspace, {entry.sha256 for entry in entries})
    if missing := sorted({entry.sha256 for entry in entries} - sizes.keys()):
        raise Conflict(
            f"The workspace lacks the content of {len(missing)} files; upload it, then ask again.",
            code="blobs_missing",
            missing=missing,
        )
    for entry in entries:
        if entry.size not in (None, sizes[entry.sha256]):
            raise BadInput(
                f"{entry.path!r} is said to have {entry.size} bytes; what is stored has {sizes[entry.sha256]}.",
                field="entries",
                entry=entry.path,
            )
    _refuse_size(((entry.path, sizes[entry.sha256]) for entry in entries), limits)
    return folder.Manifest.of((entry.path, entry.sha256, sizes[entry.sha256]) for entry in entries)


def held(workspace: Workspace, digests: Collection[str]) -> dict[str, int]:
    """The size in bytes of each digest that something of this workspace refers to; another's are not even known."""
    known: set[str] = set()
    for holder in HOLDERS:
        for some in _batches([digest for digest in digests if digest not in known]):
            known.update(holder(workspace).filter(blob__in=some).values_list("blob", flat=True))
    sizes: dict[str, int] = {}
    now = timezone.now()
    for some in _batches(list(known)):
        stored = Blob.objects.filter(pk__in=some)
        # Touched, so that the sweeper does not take it between here and the row that will refer to it.
        stored.filter(created_at__lt=now - TOUCHED_AFTER).update(created_at=now)
        sizes.update(stored.values_list("pk", "size"))
    return sizes


def forget_uploads() -> None:
    """Let go of what was uploaded a day ago; the sweeper then takes what nothing else refers to."""
    UploadedBlob.objects.filter(at__lt=timezone.now() - KEPT_FOR).delete()


@contextmanager
def refusals() -> Iterator[None]:
    """What the folder's rules refuse, as the portal's errors."""
    try:
        yield
    except folder.SnapshotRefused as error:
        kind = TooLarge if error.limit is not None else BadInput
        raise kind(str(error), code="snapshot_refused", entry=error.entry, limit=error.limit) from None


def _refuse_size(files: Iterable[tuple[str, int]], limits: Limits) -> None:
    total = 0
    for path, size in files:
        total += size
        if total > limits.size:
            raise TooLarge(
                f"With {path!r} it is larger than {limits.size} bytes ({limits.size_setting}).",
                entry=path,
                limit=limits.size,
            )


def _batches(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(digests), AT_ONCE):
        yield digests[start : start + AT_ONCE]
